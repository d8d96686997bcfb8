//! Handles without privilege: a number for every object that was seen, with where it was seen.
//! The numbers live as long as the process; the descriptors are the cache's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What tells an object from all others, also from a later one with its inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The volume's id.
    pub(crate) volume: u64,
    /// The inode.
    pub(crate) ino: u64,
    /// Differs for another use of the inode.
    pub(crate) stamp: u64,
}

/// Where an object was last seen.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The directory's number.
    pub(crate) parent: u64,
    /// The name there.
    pub(crate) name: Box<[u8]>,
}

struct Entry {
    identity: Identity,
    place: Place,
}

type InodeKey = (u64, u64);

struct Inner {
    next: u64,
    entries: HashMap<u64, Entry>,
    inodes: HashMap<InodeKey, u64>,
}

/// The numbers.
pub(crate) struct Table(Mutex<Inner>);

impl Table {
    /// The number of the exported directory itself.
    pub(crate) const ROOT: u64 = 1;

    /// A table that knows the root.
    pub(crate) fn new(root: Identity) -> Self {
        let inner = Inner { next: Self::ROOT, entries: HashMap::new(), inodes: HashMap::new() };
        let table = Self(Mutex::new(inner));
        table.identify(root, 0, b"");
        table
    }

    /// The number of an object that is now at this place.
    pub(crate) fn identify(&self, identity: Identity, parent: u64, name: &[u8]) -> u64 {
        let mut inner = self.lock();
        let key = (identity.volume, identity.ino);
        if let Some(&id) = inner.inodes.get(&key) {
            let entry = inner.entries.get_mut(&id).expect("an inode's number has an entry");
            if entry.identity == identity {
                if id != Self::ROOT && (entry.place.parent != parent || *entry.place.name != *name)
                {
                    entry.place = Place { parent, name: name.into() };
                }
                return id;
            }
            inner.entries.remove(&id);
        }
        let id = inner.next;
        inner.next += 1;
        inner.inodes.insert(key, id);
        inner.entries.insert(id, Entry { identity, place: Place { parent, name: name.into() } });
        id
    }

    /// The number of an object that was seen before.
    pub(crate) fn known(&self, identity: Identity) -> Option<u64> {
        let inner = self.lock();
        let id = *inner.inodes.get(&(identity.volume, identity.ino))?;
        (inner.entries.get(&id)?.identity == identity).then_some(id)
    }

    /// What a number stands for and where it was.
    pub(crate) fn entry(&self, id: u64) -> Option<(Identity, Place)> {
        let inner = self.lock();
        inner.entries.get(&id).map(|entry| (entry.identity, entry.place.clone()))
    }

    /// Forgets a number whose object is gone.
    pub(crate) fn forget(&self, id: u64) {
        let mut inner = self.lock();
        if let Some(Entry { identity, .. }) = inner.entries.remove(&id) {
            inner.inodes.remove(&(identity.volume, identity.ino));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_used_again_has_another_number() {
        let root = Identity { volume: 1, ino: 2, stamp: 0 };
        let table = Table::new(root);
        let first = Identity { volume: 1, ino: 3, stamp: 1 };
        let id = table.identify(first, Table::ROOT, b"a");
        assert_eq!(table.identify(first, Table::ROOT, b"b"), id);
        assert_eq!(&*table.entry(id).unwrap().1.name, b"b");
        let later = Identity { stamp: 2, ..first };
        assert_ne!(table.identify(later, Table::ROOT, b"a"), id);
        assert!(table.entry(id).is_none());
        assert_eq!(table.identify(root, 9, b"x"), Table::ROOT);
    }
}
