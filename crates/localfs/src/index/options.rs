//! How an index is kept, and what it tells.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Entries of the table by default. One takes about 200 bytes of memory.
const ENTRIES_MAX: usize = 1 << 20;

/// The least time between two scans by default.
const SCAN_PAUSE: Duration = Duration::from_secs(1);

type Notice = Arc<dyn Fn(&io::Error) + Send + Sync>;

/// How handles without privilege are kept good over a restart.
#[derive(Clone)]
pub struct IndexOptions {
    /// The log of where objects were seen. Only one [`LocalFs`](crate::LocalFs) may use it at a
    /// time. A file there that is no log of this export, under this key, is replaced.
    pub path: PathBuf,
    /// How many objects are remembered; directories longer than files. What is forgotten is found
    /// again by a scan of the export.
    pub entries_max: usize,
    /// The least time between two scans. It is at least as long as the scan before took, so that
    /// scans take half of one thread's time at most.
    pub scan_pause: Duration,
    /// Is told, once, that the log cannot be read or written: handles are good, but after a
    /// restart a scan must find them.
    pub notice: Notice,
}

impl IndexOptions {
    /// With the defaults for all but the log.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let (entries_max, scan_pause) = (ENTRIES_MAX, SCAN_PAUSE);
        Self { path: path.into(), entries_max, scan_pause, notice: Arc::new(|_| {}) }
    }

    pub(super) fn tell(&self, error: &io::Error) {
        (self.notice)(error);
    }
}

impl fmt::Debug for IndexOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, entries_max, scan_pause, notice: _ } = self;
        let mut all = f.debug_struct("IndexOptions");
        all.field("path", path).field("entries_max", entries_max);
        all.field("scan_pause", scan_pause).finish_non_exhaustive()
    }
}

/// What an index did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexCounts {
    /// Objects it remembers.
    pub entries: usize,
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Scans that were begun.
    pub scans: u64,
    /// How often its log could not be read or written.
    pub failures: u64,
}
