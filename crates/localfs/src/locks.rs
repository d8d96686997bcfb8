//! Locks towards local processes: the kernel's locks of open file descriptions (`F_OFD_SETLK`).
//!
//! One description holds all that the server has granted on a file, whoever to: locks of one
//! description are never in each other's way, so which of its clients may have what is for the
//! server to know. The description is its own, opened for reading and writing, since what it is
//! opened for decides which locks it can hold. Where the server may not open the file so, it is
//! that of the open file through which is locked first: closing that file drops no lock, because
//! the kernel keeps them as long as the description has any descriptor. It drops them with the
//! last one, be it by the end of the process.
//!
//! The kernel counts bytes up to 2^63 - 1: what NFS locks beyond is not seen by local processes,
//! who cannot lock it either.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use holdfast_vfs::{
    Error, Handle, LocalLock, LockKind, LockRange, LockStep, Locked, OpenMode, Result,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::attr::regular;
use crate::cache::Node;
use crate::core::Core;
use crate::errno::error;
use crate::open::OpenFile;
use crate::pins::Pin;
use crate::sys::{self, FileLock};
use crate::volume::Volume;

/// The kernel's last byte.
const LAST: u64 = i64::MAX as u64;

/// Steps that are done on an event loop at most: each looks at all locks of the file.
pub(crate) const STEPS_AT_ONCE: usize = 8;

/// How often a lock is tried whose holder is gone when it is asked who that was.
const TRIES: usize = 4;

/// Whether locks work on a file system.
pub(crate) struct Locking(AtomicU8);

impl Locking {
    const UNKNOWN: u8 = 0;
    const WORKS: u8 = 1;
    const REFUSED: u8 = 2;

    /// As an option wants it; whether it works is found out.
    pub(crate) const fn new(wanted: bool) -> Self {
        Self(AtomicU8::new(if wanted { Self::UNKNOWN } else { Self::REFUSED }))
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::REFUSED
    }

    /// What a refusal means: the first lock of all tells whether the file system has any.
    fn judge<T>(&self, result: rustix::io::Result<T>) -> Result<T> {
        let is_unable = |errno| matches!(errno, Errno::NOLCK | Errno::INVAL | Errno::OPNOTSUPP);
        let now = if result.as_ref().is_err_and(|errno| is_unable(*errno)) {
            Self::REFUSED
        } else {
            Self::WORKS
        };
        let (order, unknown) = (Ordering::AcqRel, Self::UNKNOWN);
        let _ = self.0.compare_exchange(unknown, now, order, Ordering::Acquire);
        result.map_err(|errno| match errno {
            _ if self.is_refused() => Error::NotSupported,
            // The description is not open for locks of this kind.
            Errno::BADF => Error::AccessDenied,
            errno => error(errno),
        })
    }
}

/// What holds the locks of a file. It is closed when nobody has it any more, and not before.
pub(crate) struct LockFile {
    fd: OwnedFd,
    /// Whether the description is an open file's as well: then a close does not end its locks.
    is_shared: bool,
    /// In use as long as this is.
    volume: Arc<Volume>,
    _pin: Pin,
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.is_shared {
            let all = FileLock { kind: libc::F_UNLCK, start: 0, len: 0 };
            // Else they end with the open file.
            let _ = sys::lock(self.fd.as_fd(), all);
        }
    }
}

impl Core {
    /// Finds out whether locks work, where a file without a name can be made to try it; elsewhere
    /// the first lock tells.
    pub(crate) fn probe_locks(&self) {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if !self.read_only
            && let Ok(fd) =
                rustix::fs::openat(self.volumes.own.mount.root(), c".", flags, Mode::RUSR)
        {
            let lock = FileLock { kind: libc::F_WRLCK, start: 0, len: 0 };
            // It notes what this means.
            let _ = self.volumes.own.mount.locking.judge(sys::lock(fd.as_fd(), lock));
        }
    }

    pub(crate) fn open_locks(&self, handle: &Handle, open: Option<&OpenFile>) -> Result<LockFile> {
        let node = self.node(handle)?;
        if node.mount().locking.is_refused() {
            return Err(Error::NotSupported);
        }
        self.stat(&node)?;
        regular(node.kind())?;
        let pin = self.pins.pin()?;
        self.identity.server()?;
        let (fd, is_shared) = self.description(&node, open)?;
        let volume = node.volume().clone();
        Ok(LockFile { fd, is_shared, volume, _pin: pin })
    }

    /// A description of its own for reading and writing; else the one that is open, which is
    /// shared then; else, to test for locks, any.
    fn description(&self, node: &Node, open: Option<&OpenFile>) -> Result<(OwnedFd, bool)> {
        let own = |fd| (fd, false);
        if !self.read_only {
            match self.open_data(node, OpenMode::BOTH, false) {
                Err(error) if is_refusal(error) => {}
                result => return result.map(own),
            }
        }
        if let Some(open) = open {
            let shared = open.awake()?.fd().try_clone_to_owned().map_err(|_| Error::Busy);
            return shared.map(|fd| (fd, true));
        }
        match self.open_data(node, OpenMode { read: true, write: false }, false) {
            Err(error) if is_refusal(error) => {
                self.open_data(node, OpenMode { read: false, write: true }, false).map(own)
            }
            result => result.map(own),
        }
    }

    pub(crate) fn lock_ranges(&self, locks: &LockFile, steps: &[LockStep]) -> Result<Locked> {
        for LockStep { range, kind } in steps {
            if let Some(lock) = file_lock(*range, *kind)
                && let Err(holder) = self.lock_one(locks, lock)?
            {
                return Ok(Err(holder));
            }
        }
        Ok(Ok(()))
    }

    fn lock_one(&self, locks: &LockFile, lock: FileLock) -> Result<Locked> {
        let mut refused = Error::Busy;
        for _ in 0..TRIES {
            match sys::lock(locks.fd.as_fd(), lock) {
                Err(errno @ (Errno::AGAIN | Errno::ACCESS)) => refused = error(errno),
                result => return locks.volume.mount.locking.judge(result).map(Ok),
            }
            if let Some(holder) = self.holder(locks, lock)? {
                return Ok(Err(holder));
            }
        }
        // They come and go.
        Err(refused)
    }

    pub(crate) fn test_range(&self, locks: &LockFile, step: LockStep) -> Result<Locked> {
        let Some(lock) = file_lock(step.range, step.kind) else { return Ok(Ok(())) };
        Ok(self.holder(locks, lock)?.map_or(Ok(()), Err))
    }

    /// Who is in the way of a lock, if anybody is.
    fn holder(&self, locks: &LockFile, lock: FileLock) -> Result<Option<LocalLock>> {
        let found =
            locks.volume.mount.locking.judge(sys::conflicting_lock(locks.fd.as_fd(), lock))?;
        Ok(found.map(local_lock))
    }
}

/// Whether the server may not open a file so.
const fn is_refusal(error: Error) -> bool {
    matches!(error, Error::AccessDenied | Error::NotPermitted | Error::ReadOnly | Error::InUse)
}

/// A lock as the kernel counts bytes; none where it has no such bytes.
fn file_lock(range: LockRange, kind: Option<LockKind>) -> Option<FileLock> {
    let kind = match kind {
        None => libc::F_UNLCK,
        Some(LockKind::Read) => libc::F_RDLCK,
        Some(LockKind::Write) => libc::F_WRLCK,
    };
    let start = i64::try_from(range.first).ok()?;
    // No length is to the end.
    let len = if range.last >= LAST { 0 } else { range.last as i64 - start + 1 };
    Some(FileLock { kind, start, len })
}

fn local_lock(lock: FileLock) -> LocalLock {
    let first = lock.start as u64;
    let last = if lock.len == 0 { u64::MAX } else { first + (lock.len as u64 - 1) };
    let kind = if lock.kind == libc::F_RDLCK { LockKind::Read } else { LockKind::Write };
    LocalLock { range: LockRange { first, last }, kind }
}
