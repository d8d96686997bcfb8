//! Nothing of one instance is seen in another: no call in the name of one that ended, no id that
//! means something to a later one, no verifier twice.

use std::collections::BTreeMap;
use std::sync::Mutex;

use holdfast_proto::nfs4::{ClientId, SessionId, Stateid, Verifier};

use crate::journal::Journal;
use crate::sync::lock;

#[derive(Default)]
struct Seen {
    sessions: BTreeMap<SessionId, u64>,
    clients: BTreeMap<ClientId, u64>,
    stateids: BTreeMap<[u8; 12], u64>,
    /// Write verifiers, with the generation and the count of storage crashes they stand for.
    verifiers: BTreeMap<Verifier, (u64, u64)>,
    current: BTreeMap<(u64, u64), Verifier>,
}

/// The checker.
pub struct Generations {
    journal: Journal,
    seen: Mutex<Seen>,
}

impl Generations {
    /// No instance was seen yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, seen: Mutex::default() }
    }

    fn wrong(&self, message: String) {
        self.journal.violation("generations", message);
    }

    /// The file system is called in the name of an instance that ended.
    pub fn call_after_end(&self, server: &str, generation: u64, call: &'static str) {
        self.wrong(format!("{server}: {call} of generation {generation} after its end"));
    }

    /// CREATE_SESSION gave this id.
    pub fn session_made(&self, id: SessionId, generation: u64) {
        let known = lock(&self.seen).sessions.insert(id, generation);
        if let Some(known) = known.filter(|known| *known != generation) {
            self.wrong(format!("session {:x?} of {known} made again by {generation}", id.0));
        }
    }

    /// SEQUENCE was accepted on a session that one generation made by another.
    pub fn session_used(&self, id: SessionId, made: u64, by: u64) {
        if made != by {
            self.wrong(format!("session {:x?} of {made} accepted by {by}", id.0));
        }
    }

    /// EXCHANGE_ID gave this id.
    pub fn clientid(&self, id: ClientId, generation: u64) {
        let known = lock(&self.seen).clients.insert(id, generation);
        if let Some(known) = known.filter(|known| *known != generation) {
            self.wrong(format!("client id {:x} of {known} made again by {generation}", id.0));
        }
    }

    /// OPEN gave this state id.
    pub fn stateid_made(&self, id: &Stateid, generation: u64) {
        let known = lock(&self.seen).stateids.insert(id.other, generation);
        if let Some(known) = known.filter(|known| *known != generation) {
            self.wrong(format!("state id {:x?} of {known} made again by {generation}", id.other));
        }
    }

    /// A state id was accepted.
    pub fn stateid_used(&self, id: &Stateid, by: u64) {
        let made = lock(&self.seen).stateids.get(&id.other).copied();
        if made != Some(by) {
            self.wrong(format!("state id {:x?} of {made:?} accepted by {by}", id.other));
        }
    }

    /// WRITE or COMMIT gave this verifier. `crashes` is how often the storage had crashed before
    /// the request was sent and when its reply came; only where that is one number it says what
    /// the verifier stands for.
    pub fn verifier(&self, verifier: Verifier, generation: u64, crashes: (u64, u64)) {
        if crashes.0 != crashes.1 {
            return;
        }
        let stands_for = (generation, crashes.0);
        let mut seen = lock(&self.seen);
        let meant = seen.verifiers.insert(verifier, stands_for);
        let other = seen.current.insert(stands_for, verifier);
        drop(seen);
        if let Some(meant) = meant.filter(|meant| *meant != stands_for) {
            self.wrong(format!("write verifier of {meant:?} again in {stands_for:?}"));
        }
        if other.is_some_and(|other| other != verifier) {
            self.wrong(format!("write verifier changed within {stands_for:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    const SESSION: SessionId = SessionId([1; 16]);
    const STATE: Stateid = Stateid { seqid: 1, other: [2; 12] };

    #[test]
    fn ids_of_one_instance_mean_nothing_to_the_next() {
        let right = verdicts(Generations::new, |checker| {
            checker.session_made(SESSION, 1);
            checker.session_made(SESSION, 1);
            checker.session_used(SESSION, 1, 1);
            checker.stateid_made(&STATE, 1);
            checker.stateid_used(&STATE, 1);
            checker.verifier(Verifier([1; 8]), 1, (0, 0));
            checker.verifier(Verifier([2; 8]), 1, (1, 1));
            checker.verifier(Verifier([1; 8]), 1, (0, 1));
        });
        assert_eq!(right, Vec::<String>::new());
        let wrong = verdicts(Generations::new, |checker| {
            checker.call_after_end("server", 1, "write");
            checker.session_made(SESSION, 1);
            checker.session_made(SESSION, 2);
            checker.session_used(SESSION, 1, 2);
            checker.clientid(ClientId(1), 1);
            checker.clientid(ClientId(1), 2);
            checker.stateid_made(&STATE, 1);
            checker.stateid_used(&STATE, 2);
            checker.stateid_made(&STATE, 2);
        });
        assert_eq!(wrong.len(), 6);
    }

    #[test]
    fn a_verifier_stands_for_one_instance_and_one_crash() {
        let again = verdicts(Generations::new, |checker| {
            checker.verifier(Verifier([1; 8]), 1, (0, 0));
            checker.verifier(Verifier([1; 8]), 2, (0, 0));
        });
        assert!(again[0].contains("again"));
        let changed = verdicts(Generations::new, |checker| {
            checker.verifier(Verifier([1; 8]), 1, (0, 0));
            checker.verifier(Verifier([2; 8]), 1, (0, 0));
        });
        assert!(changed[0].contains("changed"));
    }
}
