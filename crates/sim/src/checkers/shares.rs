//! No two opens that exclude each other are held at one time. Only what is surely held counts:
//! from the reply to OPEN until CLOSE is sent.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::journal::Journal;
use crate::sync::lock;

/// What an open does and what it denies: bit 1 reading, bit 2 writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What it does.
    pub access: u32,
    /// What it denies.
    pub deny: u32,
}

impl Share {
    const fn excludes(self, other: Self) -> bool {
        self.access & other.deny != 0 || self.deny & other.access != 0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self { access: self.access | other.access, deny: self.deny | other.deny }
    }
}

/// Who holds an open: client, its epoch, and the open-owner.
pub type Holder = (u32, u64, Vec<u8>);

/// The generation of the server, and the handle.
type FileName = (u64, Vec<u8>);

/// The checker.
pub struct Shares {
    journal: Journal,
    held: Mutex<BTreeMap<FileName, BTreeMap<Holder, Share>>>,
    /// Until when the lease of a client surely goes.
    leases: Mutex<BTreeMap<u32, u64>>,
}

impl Shares {
    /// Nothing is open.
    pub fn new(journal: Journal) -> Self {
        Self { journal, held: Mutex::default(), leases: Mutex::default() }
    }

    /// The lease of a client surely goes on until then.
    pub fn renewed(&self, client: u32, until_ns: u64) {
        let mut leases = lock(&self.leases);
        let until = leases.entry(client).or_default();
        *until = until_ns.max(*until);
    }

    /// A lease begins anew, at a server that may grant another time than before.
    pub fn lease_begins(&self, client: u32, until_ns: u64) {
        lock(&self.leases).insert(client, until_ns);
    }

    /// Whether the lease of a client surely goes on.
    pub fn lease_goes_on(&self, client: u32, now: u64) -> bool {
        lock(&self.leases).get(&client).is_some_and(|until| *until > now)
    }

    /// An open was granted on a file, named by the server's generation and the handle.
    pub fn granted(
        &self,
        (generation, file): (u64, &[u8]),
        holder: Holder,
        share: Share,
        now: u64,
    ) {
        let mut held = lock(&self.held);
        let leases = lock(&self.leases);
        let opens = held.entry((generation, file.to_vec())).or_default();
        for (other, others) in opens.iter().filter(|(other, _)| **other != holder) {
            let surely = leases.get(&other.0).is_some_and(|until| *until > now);
            if surely && share.excludes(*others) {
                let message =
                    format!("{holder:?} was granted {share:?} while {other:?} holds {others:?}");
                self.journal.violation("shares", message);
            }
        }
        let before = opens.get(&holder).copied();
        opens.insert(holder, before.map_or(share, |before| before.with(share)));
    }

    /// CLOSE is about to be sent, or the open may be gone for another reason.
    pub fn closing(&self, generation: u64, file: &[u8], holder: &Holder) {
        if let Some(opens) = lock(&self.held).get_mut(&(generation, file.to_vec())) {
            opens.remove(holder);
        }
    }

    /// The lease of a client may be over: nothing of it is surely held.
    pub fn lost(&self, client: u32) {
        for opens in lock(&self.held).values_mut() {
            opens.retain(|holder, _| holder.0 != client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    const READ: Share = Share { access: 1, deny: 0 };
    const ALONE: Share = Share { access: 2, deny: 3 };

    fn holder(client: u32) -> Holder {
        (client, 1, b"owner".to_vec())
    }

    #[test]
    fn what_excludes_each_other_is_not_held_together() {
        let right = verdicts(Shares::new, |shares| {
            (1..4).for_each(|client| shares.renewed(client, 9));
            shares.granted((1, b"h"), holder(4), ALONE, 5);
            shares.granted((1, b"h"), holder(1), ALONE, 5);
            shares.granted((1, b"f"), holder(1), ALONE, 5);
            shares.closing(1, b"f", &holder(1));
            shares.granted((1, b"f"), holder(2), READ, 5);
            shares.granted((1, b"f"), holder(3), READ, 5);
            shares.granted((1, b"g"), holder(1), ALONE, 5);
            shares.lost(1);
            shares.granted((1, b"g"), holder(2), ALONE, 5);
            shares.granted((1, b"g"), holder(2), READ, 5);
        });
        assert_eq!(right, Vec::<String>::new());
        let wrong = verdicts(Shares::new, |shares| {
            shares.renewed(1, 9);
            shares.granted((1, b"f"), holder(1), READ, 5);
            shares.granted((1, b"f"), holder(2), ALONE, 5);
        });
        assert_eq!(wrong.len(), 1);
    }
}
