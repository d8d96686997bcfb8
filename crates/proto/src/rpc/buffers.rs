//! Receive buffers, shared by the connections of one loop. A record borrows its bytes from the
//! buffer it arrived in; the buffer is used again when its last record is gone.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// The size of a buffer for small records, in bytes.
pub const SLAB_BYTES: usize = 64 * 1024;

const SLABS_KEPT: usize = 64;

/// A bounded pool of receive buffers.
#[derive(Debug)]
pub struct Buffers {
    slabs: Vec<Arc<Vec<u8>>>,
    large: Vec<Arc<Vec<u8>>>,
    large_bytes: usize,
    large_limit: usize,
    permits: Permit,
}

/// Counts a large buffer that is being filled, for as long as it exists.
pub(super) type Permit = Arc<()>;

impl Buffers {
    /// A pool whose buffers for records above [`SLAB_BYTES`] hold `large_bytes` each, at most
    /// `large_limit` of them at a time.
    pub fn new(large_bytes: usize, large_limit: usize) -> Self {
        let permits = Arc::new(());
        Self { slabs: Vec::new(), large: Vec::new(), large_bytes, large_limit, permits }
    }

    /// A buffer for small records that nobody else holds.
    pub(super) fn slab(&mut self) -> Arc<Vec<u8>> {
        // The last one that was used is the most likely to be in the CPU's cache.
        let free = self.slabs.iter_mut().rposition(|slab| Arc::get_mut(slab).is_some());
        free.map_or_else(|| Arc::new(vec![0; SLAB_BYTES]), |at| self.slabs.remove(at))
    }

    /// Takes a slab back, for the next connection that asks.
    pub(super) fn put(&mut self, slab: Arc<Vec<u8>>) {
        if slab.len() == SLAB_BYTES && self.slabs.len() < SLABS_KEPT {
            self.slabs.push(slab);
        }
    }

    /// A buffer for one record of up to `bytes` that nobody else holds, or none while all are in
    /// use.
    pub(super) fn large(&mut self, bytes: usize) -> Option<(Arc<Vec<u8>>, Permit)> {
        if bytes > self.large_bytes {
            return None;
        }
        let free = self.large.iter_mut().position(|large| Arc::get_mut(large).is_some());
        let buffer = match free {
            Some(at) => self.large.swap_remove(at),
            None if self.large_count() < self.large_limit => Arc::new(vec![0; self.large_bytes]),
            None => return None,
        };
        Some((buffer, self.permits.clone()))
    }

    /// Keeps a share of a large buffer that was filled: it is free again when the record in it
    /// is dropped.
    pub(super) fn lend(&mut self, share: Arc<Vec<u8>>) {
        self.large.push(share);
    }

    /// Frees the memory of buffers that are not in use.
    pub fn trim(&mut self) {
        self.large.retain_mut(|large| Arc::get_mut(large).is_none());
        self.slabs.truncate(1);
    }

    /// How many large buffers there are: being filled, in use, or kept.
    pub fn large_count(&self) -> usize {
        self.large.len() + Arc::strong_count(&self.permits) - 1
    }
}
