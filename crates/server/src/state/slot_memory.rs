//! What the slots of all sessions take, each session counting its own part.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_engine::limits;
use holdfast_engine::session::Memory;

use crate::sync::AtomicUsize;

/// The bytes that the slots of all sessions of an instance take.
#[derive(Default)]
pub(crate) struct SlotMemory(AtomicUsize);

impl SlotMemory {
    /// How much there is.
    pub(crate) fn level(&self) -> Memory {
        match self.0.load(Ordering::Relaxed) {
            0..limits::SLOT_BYTES_SCARCE => Memory::Plentiful,
            limits::SLOT_BYTES_SCARCE..limits::SLOT_BYTES => Memory::Scarce,
            _ => Memory::Full,
        }
    }

    /// How many slots a new session may have.
    pub(crate) fn new_slots(&self) -> u32 {
        match self.level() {
            Memory::Plentiful => limits::SLOTS,
            Memory::Scarce => limits::SLOTS_WHEN_SCARCE,
            Memory::Full => 1,
        }
    }
}

/// One session's part.
pub(super) struct SlotShare {
    all: Arc<SlotMemory>,
    bytes: usize,
}

impl SlotShare {
    pub(super) const fn new(all: Arc<SlotMemory>) -> Self {
        Self { all, bytes: 0 }
    }

    /// Says how much the part is now.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.all.0.fetch_add(bytes.wrapping_sub(self.bytes), Ordering::Relaxed);
            self.bytes = bytes;
        }
    }

    pub(super) fn level(&self) -> Memory {
        self.all.level()
    }
}

impl Drop for SlotShare {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_follow_what_sessions_take_and_give_back() {
        let all = Arc::new(SlotMemory::default());
        let (mut one, mut other) = (SlotShare::new(all.clone()), SlotShare::new(all.clone()));
        one.set(limits::SLOT_BYTES_SCARCE - 1);
        assert_eq!((all.level(), all.new_slots()), (Memory::Plentiful, limits::SLOTS));
        other.set(1);
        assert_eq!((all.level(), all.new_slots()), (Memory::Scarce, limits::SLOTS_WHEN_SCARCE));
        other.set(limits::SLOT_BYTES);
        assert_eq!((all.level(), all.new_slots()), (Memory::Full, 1));
        other.set(2);
        assert_eq!(all.level(), Memory::Scarce);
        drop(one);
        assert_eq!(all.level(), Memory::Plentiful);
        drop(other);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }
}
