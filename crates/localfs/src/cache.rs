//! Descriptors by handle: a sharded table with a second chance for what was used. What is in use
//! is never thrown out, so all users of an object share one [`Node`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_vfs::{FileKind, Handle};
use rustix::fs::Statx;

use crate::attr::kind;
use crate::core::device;
use crate::opens::Opens;
use crate::volume::{Mount, Volume};

/// An object by a descriptor that only names it (`O_PATH`).
pub(crate) struct Node {
    fd: OwnedFd,
    handle: Handle,
    kind: FileKind,
    volume: Arc<Volume>,
    /// The device that it is on, as long as this descriptor is open.
    dev: (u32, u32),
    /// Its open files.
    pub(crate) opens: Arc<Opens>,
    /// Of a directory: whether it was read to its end.
    pub(crate) listed: AtomicBool,
}

impl Node {
    pub(crate) fn new(fd: OwnedFd, handle: Handle, stat: &Statx, volume: Arc<Volume>) -> Self {
        let (kind, dev, opens) = (kind(stat), device(stat), Arc::default());
        Self { fd, handle, kind, volume, dev, opens, listed: AtomicBool::new(false) }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) const fn kind(&self) -> FileKind {
        self.kind
    }

    pub(crate) const fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    pub(crate) fn mount(&self) -> &Mount {
        &self.volume.mount
    }

    pub(crate) const fn dev(&self) -> (u32, u32) {
        self.dev
    }

    /// Whether a file of ours keeps the object alive without a name.
    pub(crate) fn is_open(&self) -> bool {
        self.opens.is_open()
    }
}

/// The last 8 bytes of a handle are a keyed MAC: as good a hash as any.
#[derive(Default)]
pub(crate) struct MacHasher(u64);

impl Hasher for MacHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(mac) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*mac);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Slot {
    node: Arc<Node>,
    used: bool,
}

#[derive(Default)]
struct Shard {
    index: HashMap<Handle, usize, BuildHasherDefault<MacHasher>>,
    slots: Vec<Slot>,
    hand: usize,
    /// Of the objects that have open files without a descriptor: as many as clients opened.
    asleep: HashMap<Handle, Arc<Opens>, BuildHasherDefault<MacHasher>>,
}

impl Shard {
    fn take(&mut self, place: usize) -> Arc<Node> {
        let slot = self.slots.swap_remove(place);
        self.index.remove(slot.node.handle());
        if let Some(moved) = self.slots.get(place) {
            self.index.insert(*moved.node.handle(), place);
        }
        slot.node
    }

    /// Throws one out that was not used since the hand last came by.
    fn evict(&mut self) -> Option<Arc<Node>> {
        for _ in 0..2 * self.slots.len() {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = &mut self.slots[self.hand];
            if Arc::strong_count(&slot.node) == 1 && !std::mem::take(&mut slot.used) {
                return Some(self.take(self.hand));
            }
            self.hand += 1;
        }
        None
    }
}

/// The table.
pub(crate) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    /// How many nodes a shard keeps; what is in use may exceed it.
    room: usize,
}

impl Cache {
    const SHARDS: usize = 16;

    /// A cache of about `budget` descriptors.
    pub(crate) fn new(budget: usize) -> Self {
        let shards = (budget / 32).clamp(1, Self::SHARDS).next_power_of_two();
        let room = (budget / shards).max(1);
        Self { shards: (0..shards).map(|_| Mutex::default()).collect(), room }
    }

    pub(crate) fn get(&self, handle: &Handle) -> Option<Arc<Node>> {
        let mut shard = self.shard(handle);
        let place = *shard.index.get(handle)?;
        let slot = &mut shard.slots[place];
        slot.used = true;
        Some(slot.node.clone())
    }

    /// Whether a node is in the table; it is thrown out the later for having been asked after.
    pub(crate) fn holds(&self, handle: &Handle) -> bool {
        let mut shard = self.shard(handle);
        let Some(place) = shard.index.get(handle).copied() else { return false };
        shard.slots[place].used = true;
        true
    }

    /// Adds a node; answers the one that is there already in place of it.
    pub(crate) fn insert(&self, mut node: Node) -> Arc<Node> {
        // Closing is a system call: what leaves the table is dropped without the lock.
        let mut evicted = [None, None];
        let mut shard = self.shard(node.handle());
        if let Some(place) = shard.index.get(node.handle()) {
            let present = shard.slots[*place].node.clone();
            drop(shard);
            return present;
        }
        if let Some(opens) = shard.asleep.get(node.handle()) {
            node.opens = opens.clone();
        }
        let node = Arc::new(node);
        for place in &mut evicted {
            if shard.slots.len() >= self.room {
                *place = shard.evict();
            }
        }
        let place = shard.slots.len();
        shard.index.insert(*node.handle(), place);
        shard.slots.push(Slot { node: node.clone(), used: true });
        drop(shard);
        node
    }

    /// Drops a node from the table; its users keep it.
    pub(crate) fn remove(&self, handle: &Handle) {
        let mut shard = self.shard(handle);
        let taken = shard.index.get(handle).copied().map(|place| shard.take(place));
        drop(shard);
        drop(taken);
    }

    /// Remembers the open files of an object: its node may go.
    pub(crate) fn add_asleep(&self, handle: &Handle, opens: &Arc<Opens>) {
        self.shard(handle).asleep.entry(*handle).or_insert_with(|| opens.clone());
    }

    /// Forgets them, unless one still sleeps.
    pub(crate) fn forget_awake(&self, handle: &Handle) {
        let mut shard = self.shard(handle);
        if shard.asleep.get(handle).is_some_and(|opens| opens.asleep() == 0) {
            let opens = shard.asleep.remove(handle);
            drop(shard);
            drop(opens);
        }
    }

    /// Whether an object has open files without a descriptor.
    pub(crate) fn sleeps(&self, handle: &Handle) -> bool {
        self.shard(handle).asleep.contains_key(handle)
    }

    /// Closes all that is not in use.
    pub(crate) fn clear(&self) {
        drop(self.drop_if(|_, is_used| !is_used));
    }

    /// Takes from the table, by what it is and whether it is in use; its users keep it.
    pub(crate) fn drop_if(&self, is_to_drop: impl Fn(&Node, bool) -> bool) -> Vec<Arc<Node>> {
        let mut dropped = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let all = std::mem::take(&mut *shard);
            let is_used = |slot: &Slot| Arc::strong_count(&slot.node) > 1;
            let (evicted, kept): (Vec<_>, Vec<_>) =
                all.slots.into_iter().partition(|slot| is_to_drop(&slot.node, is_used(slot)));
            shard.index =
                kept.iter().enumerate().map(|(at, slot)| (*slot.node.handle(), at)).collect();
            shard.slots = kept;
            shard.asleep = all.asleep;
            drop(shard);
            dropped.extend(evicted.into_iter().map(|slot| slot.node));
        }
        dropped
    }

    fn shard(&self, handle: &Handle) -> MutexGuard<'_, Shard> {
        let mut hasher = MacHasher::default();
        hasher.write(handle.as_slice());
        // The table inside uses the low and the top bits.
        let at = (hasher.finish() >> 24) as usize & (self.shards.len() - 1);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
