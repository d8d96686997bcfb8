//! Locks of byte ranges towards local processes: those of this machine that use the files beside
//! the server.

/// Bytes of a file, the first and the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRange {
    /// The first byte.
    pub first: u64,
    /// The last byte; the last that there can be stands for "to the end".
    pub last: u64,
}

/// What a lock lets others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Shared: others may have it as well.
    Read,
    /// Exclusive.
    Write,
}

/// A range, and how it is to be locked from now on; none: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockStep {
    /// The bytes.
    pub range: LockRange,
    /// How.
    pub kind: Option<LockKind>,
}

/// What a local process has locked, and is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalLock {
    /// The bytes.
    pub range: LockRange,
    /// How.
    pub kind: LockKind,
}

/// Whether a lock is to be had; if not, what is in its way.
pub type Locked = Result<(), LocalLock>;
