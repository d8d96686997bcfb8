//! Objects without kernel handles: a number for every object that was seen, with where it was seen.
//! The descriptors are the cache's. With an index the numbers and places are kept in its log, and
//! the table is bounded: what it forgets a scan finds again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_vfs::FileKind;

use crate::index::Index;
use crate::index::record::{self, Seal};

/// What tells an object from all others, also from a later one with its inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The volume.
    pub(crate) volume: u64,
    /// The inode.
    pub(crate) ino: u64,
    /// Differs for another use of the inode.
    pub(crate) stamp: u64,
}

/// Where an object was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The directory's number.
    pub(crate) parent: u64,
    /// The name there.
    pub(crate) name: Box<[u8]>,
}

struct Entry {
    identity: Identity,
    place: Place,
    is_directory: bool,
    /// Whether it was asked for since its turn to be forgotten last came.
    used: bool,
}

impl Entry {
    fn as_record(&self, id: u64) -> record::Seen<'_> {
        let Self { identity, place, is_directory, used: _ } = self;
        let (parent, name) = (place.parent, &*place.name);
        record::Seen { id, identity: *identity, parent, name, is_directory: *is_directory }
    }
}

type InodeKey = (u64, u64);

/// What the log has not been told yet.
struct Untold {
    seal: Seal,
    bytes: Vec<u8>,
    /// How many bytes there ever were, with these.
    noted: u64,
}

struct Inner {
    next: u64,
    entries: HashMap<u64, Entry>,
    inodes: HashMap<InodeKey, u64>,
    /// How many entries there may be.
    most: usize,
    /// The numbers in the order of their turn to be forgotten, where there is a bound. Some are
    /// gone already.
    files: VecDeque<u64>,
    directories: VecDeque<u64>,
    /// Bytes of a log that has each entry once.
    live: u64,
    untold: Option<Untold>,
}

impl Inner {
    fn new(most: usize, seal: Option<Seal>) -> Self {
        let untold = seal.map(|seal| Untold { seal, bytes: Vec::new(), noted: 0 });
        let (files, directories) = (VecDeque::new(), VecDeque::new());
        let (entries, inodes) = (HashMap::new(), HashMap::new());
        Self { next: Table::ROOT, entries, inodes, most, files, directories, live: 0, untold }
    }

    fn insert(&mut self, seen: &record::Seen<'_>) {
        let record::Seen { id, identity, parent, name, is_directory } = *seen;
        let key = (identity.volume, identity.ino);
        if let Some(old) = self.inodes.get(&key).copied().filter(|old| *old != id) {
            self.remove(old);
        }
        self.remove(id);
        let place = Place { parent, name: name.into() };
        self.live += record::size(name);
        self.inodes.insert(key, id);
        self.entries.insert(id, Entry { identity, place, is_directory, used: false });
        self.next = self.next.max(id.saturating_add(1));
        if self.most == usize::MAX || id == Table::ROOT {
            return;
        }
        if is_directory { &mut self.directories } else { &mut self.files }.push_back(id);
        while self.entries.len() > self.most {
            let Some(id) = self.whose_turn(id) else { break };
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.inodes.remove(&(entry.identity.volume, entry.identity.ino));
        self.live -= record::size(&entry.place.name);
        for queue in [&mut self.files, &mut self.directories] {
            if queue.len() > 2 * self.entries.len() + 64 {
                queue.retain(|id| self.entries.contains_key(id));
            }
        }
        Some(entry)
    }

    /// Who is to be forgotten: what was not asked for since its last turn, files before
    /// directories, since what is below a directory needs it. Not who has just come.
    fn whose_turn(&mut self, newest: u64) -> Option<u64> {
        let many_files = self.files.len() > self.most / 4;
        let queue = if many_files { &mut self.files } else { &mut self.directories };
        for _ in 0..2 * queue.len() + 2 {
            let id = queue.pop_front()?;
            let was_used = self.entries.get_mut(&id).map(|entry| std::mem::take(&mut entry.used));
            match was_used {
                Some(false) if id == newest => queue.push_back(id),
                Some(true) => queue.push_back(id),
                Some(false) => return Some(id),
                None => {}
            }
        }
        None
    }

    fn tell(&mut self, id: u64) {
        if let (Some(untold), Some(entry)) = (&mut self.untold, self.entries.get(&id)) {
            let before = untold.bytes.len();
            untold.seal.seen(&entry.as_record(id), &mut untold.bytes);
            untold.noted += (untold.bytes.len() - before) as u64;
        }
    }
}

/// The numbers.
pub(crate) struct Table {
    inner: Mutex<Inner>,
    index: Option<Index>,
}

impl Table {
    /// In place of a directory's number: where the object is nobody knows.
    pub(crate) const NOWHERE: u64 = 0;
    /// The number of the exported directory itself.
    pub(crate) const ROOT: u64 = 1;

    /// A table that knows the root.
    pub(crate) fn new(root: Identity) -> Self {
        let table = Self { inner: Mutex::new(Inner::new(usize::MAX, None)), index: None };
        table.identify(root, Self::NOWHERE, b"", FileKind::Directory);
        table
    }

    /// A table with an index, which is still to be read.
    pub(crate) fn indexed(most: usize, seal: Seal, index: Index) -> Self {
        Self { inner: Mutex::new(Inner::new(most, Some(seal))), index: Some(index) }
    }

    /// What makes the numbers durable, if anything does.
    pub(crate) const fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// The number of an object that is now at this place.
    pub(crate) fn identify(
        &self,
        identity: Identity,
        parent: u64,
        name: &[u8],
        kind: FileKind,
    ) -> u64 {
        let mut inner = self.lock();
        let id = inner.inodes.get(&(identity.volume, identity.ino)).copied();
        let entry = id.and_then(|id| Some((id, inner.entries.get_mut(&id)?)));
        let id = match entry {
            Some((id, entry)) if entry.identity == identity => {
                entry.used = true;
                let is_there = entry.place.parent == parent && *entry.place.name == *name;
                if is_there || id == Self::ROOT || parent == Self::NOWHERE {
                    return id;
                }
                let longer = record::size(name);
                let shorter = record::size(&entry.place.name);
                entry.place = Place { parent, name: name.into() };
                inner.live = inner.live + longer - shorter;
                id
            }
            _ => {
                let id = inner.next;
                let is_directory = kind == FileKind::Directory;
                inner.insert(&record::Seen { id, identity, parent, name, is_directory });
                id
            }
        };
        inner.tell(id);
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
        let mut inner = self.lock();
        let entry = inner.entries.get_mut(&id)?;
        entry.used = true;
        Some((entry.identity, entry.place.clone()))
    }

    /// Forgets a number whose object is gone.
    pub(crate) fn forget(&self, id: u64) {
        let mut inner = self.lock();
        if inner.remove(id).is_some()
            && let Some(untold) = &mut inner.untold
        {
            let before = untold.bytes.len();
            untold.seal.forgotten(id, &mut untold.bytes);
            untold.noted += (untold.bytes.len() - before) as u64;
        }
    }

    /// Takes what a log says.
    pub(crate) fn restore(&self, record: &record::Record<'_>) {
        let mut inner = self.lock();
        match record {
            record::Record::Seen(seen) => inner.insert(seen),
            record::Record::Forgotten(id) => drop(inner.remove(*id)),
        }
    }

    /// Forgets all, untold: a log that said it was not ours.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        let seal = inner.untold.take().map(|untold| untold.seal);
        *inner = Inner::new(inner.most, seal);
    }

    /// What the log has not been told, and how many bytes there were ever, with these.
    pub(crate) fn take_untold(&self) -> (Vec<u8>, u64) {
        let mut inner = self.lock();
        let untold = inner.untold.as_mut();
        untold.map_or_else(Default::default, |it| (std::mem::take(&mut it.bytes), it.noted))
    }

    /// How many bytes there ever were to tell the log.
    pub(crate) fn noted(&self) -> u64 {
        self.lock().untold.as_ref().map_or(0, |untold| untold.noted)
    }

    /// The numbers of all entries: the root's, then directories', then files'.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let inner = self.lock();
        let is_file = |id: &u64| inner.entries.get(id).is_some_and(|entry| !entry.is_directory);
        let mut numbers: Vec<u64> = inner.entries.keys().copied().collect();
        numbers.sort_unstable_by_key(|id| (is_file(id), *id));
        numbers
    }

    /// The records of these numbers, as far as they are still there.
    pub(crate) fn records(&self, numbers: &[u64]) -> Vec<u8> {
        let (inner, mut bytes) = (self.lock(), Vec::new());
        if let Some(Untold { seal, .. }) = &inner.untold {
            for id in numbers {
                if let Some(entry) = inner.entries.get(id) {
                    seal.seen(&entry.as_record(*id), &mut bytes);
                }
            }
        }
        bytes
    }

    /// Bytes of a log that has each entry once.
    pub(crate) fn live(&self) -> u64 {
        self.lock().live
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether a new entry makes it forget another.
    pub(crate) fn is_full(&self) -> bool {
        let inner = self.lock();
        inner.entries.len() >= inner.most
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
