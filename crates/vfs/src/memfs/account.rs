//! How much memory and how many files are in use, against their limits.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result, Space};

pub(super) struct Account {
    bytes: Counter,
    files: Counter,
}

impl Account {
    pub(super) const fn new(limit_bytes: u64, limit_files: u64) -> Self {
        Self { bytes: Counter::new(limit_bytes), files: Counter::new(limit_files) }
    }

    pub(super) fn take_bytes(&self, bytes: u64) -> Result<()> {
        self.bytes.take(bytes)
    }

    pub(super) fn give_bytes(&self, bytes: u64) {
        self.bytes.give(bytes);
    }

    pub(super) fn take_file(&self) -> Result<()> {
        self.files.take(1)
    }

    pub(super) fn give_file(&self) {
        self.files.give(1);
    }

    pub(super) fn space(&self) -> Space {
        let (free, files_free) = (self.bytes.free(), self.files.free());
        Space {
            total: self.bytes.limit,
            free,
            avail: free,
            files_total: self.files.limit,
            files_free,
            files_avail: files_free,
        }
    }
}

struct Counter {
    used: AtomicU64,
    limit: u64,
}

impl Counter {
    const fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit }
    }

    fn take(&self, count: u64) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let within = |used: u64| used.checked_add(count).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .map(drop)
            .map_err(|_| Error::NoSpace)
    }

    fn give(&self, count: u64) {
        let before = self.used.fetch_sub(count, Ordering::Relaxed);
        debug_assert!(before >= count, "no more is given back than was taken");
    }

    fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }
}
