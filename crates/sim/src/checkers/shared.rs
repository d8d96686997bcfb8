//! What many users do in one directory: a name is made once, a name is moved away once, and what
//! one wrote in its own place is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::journal::Journal;
use crate::sync::lock;

/// Which server's directory, and which name in it.
type Name = (String, String);

#[derive(Default)]
struct Won {
    made: BTreeMap<Name, String>,
    maybe: BTreeSet<Name>,
    moved: BTreeMap<Name, String>,
    tokens: BTreeMap<String, Vec<String>>,
}

/// The checker.
pub struct Shared {
    journal: Journal,
    won: Mutex<Won>,
}

impl Shared {
    /// Nothing was done yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, won: Mutex::default() }
    }

    /// Somebody surely made a name that nobody removes.
    pub fn made(&self, server: &str, name: &str, who: &str) {
        let mut won = lock(&self.won);
        let before = won.made.insert((server.into(), name.into()), who.into());
        if let Some(before) = before {
            let message = format!("{name} was made by {before} and by {who}");
            self.journal.violation("shared", message);
        }
    }

    /// Somebody may have made a name: the answer was lost with the server.
    pub fn maybe_made(&self, server: &str, name: &str) {
        lock(&self.won).maybe.insert((server.into(), name.into()));
    }

    /// Somebody surely moved a name that is made once away.
    pub fn moved(&self, server: &str, name: &str, who: &str) {
        let mut won = lock(&self.won);
        let before = won.moved.insert((server.into(), name.into()), who.into());
        if let Some(before) = before {
            let message = format!("{name} was moved by {before} and by {who}");
            self.journal.violation("shared", message);
        }
    }

    /// A name that may be moved is there, in place of an old one.
    pub fn token(&self, server: &str, old: Option<&str>, new: &str) {
        let mut won = lock(&self.won);
        let tokens = won.tokens.entry(server.into()).or_default();
        tokens.retain(|token| old != Some(token.as_str()));
        tokens.push(new.into());
    }

    /// The names that may be moved.
    pub fn tokens(&self, server: &str) -> Vec<String> {
        lock(&self.won).tokens.get(server).cloned().unwrap_or_default()
    }

    /// What is in the directory at the end.
    pub fn listed(&self, server: &str, names: &[String]) {
        let mut expected = self.tokens(server);
        let won = lock(&self.won);
        let made = won.made.keys().filter(|(host, _)| host == server).map(|(_, name)| name.clone());
        expected.extend(made);
        expected.sort();
        let maybe = |name: &String| won.maybe.contains(&(server.into(), name.clone()));
        let mut names = names.to_vec();
        names.retain(|name| expected.contains(name) || !maybe(name));
        names.sort();
        if names != expected {
            let message = format!("{server}: the directory has {names:?}, not {expected:?}");
            self.journal.violation("shared", message);
        }
    }

    /// Somebody read its own place.
    pub fn read(&self, who: &str, wrote: &[u8], read: &[u8]) {
        if wrote != read {
            let message = format!("{who} wrote {wrote:x?} and read {read:x?}");
            self.journal.violation("shared", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    #[test]
    fn a_name_has_one_maker_and_one_mover() {
        let right = verdicts(Shared::new, |shared| {
            shared.made("s0", "a", "x");
            shared.made("s1", "a", "x");
            shared.moved("s0", "a", "y");
            shared.read("x", b"1", b"1");
            shared.token("s0", None, "k");
            shared.token("s0", Some("k"), "l");
            shared.maybe_made("s0", "m");
            shared.listed("s0", &["l".into(), "m".into(), "a".into()]);
        });
        assert!(right.is_empty());
        let wrong = verdicts(Shared::new, |shared| {
            shared.made("s0", "a", "x");
            shared.made("s0", "a", "y");
            shared.moved("s0", "a", "x");
            shared.moved("s0", "a", "y");
            shared.read("x", b"1", b"2");
            shared.listed("s0", &["b".into()]);
        });
        assert_eq!(wrong.len(), 4);
    }
}
