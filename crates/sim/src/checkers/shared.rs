//! What many users do in one directory: a name is made once, a name is moved away once, and what
//! one wrote in its own place is there.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::journal::Journal;
use crate::sync::lock;

/// Which server's directory, and which name in it.
type Name = (String, String);

#[derive(Default)]
struct Won {
    made: BTreeMap<Name, String>,
    moved: BTreeMap<Name, String>,
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

    /// Somebody surely moved a name that is made once away.
    pub fn moved(&self, server: &str, name: &str, who: &str) {
        let mut won = lock(&self.won);
        let before = won.moved.insert((server.into(), name.into()), who.into());
        if let Some(before) = before {
            let message = format!("{name} was moved by {before} and by {who}");
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
        });
        assert!(right.is_empty());
        let wrong = verdicts(Shared::new, |shared| {
            shared.made("s0", "a", "x");
            shared.made("s0", "a", "y");
            shared.moved("s0", "a", "x");
            shared.moved("s0", "a", "y");
            shared.read("x", b"1", b"2");
        });
        assert_eq!(wrong.len(), 3);
    }
}
