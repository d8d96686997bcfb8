//! The system calls that no safe library offers: locks of ranges, shared memory, identities.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd;

/// What a lock allows others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Others may read.
    Read,
    /// Others may do nothing.
    Write,
}

impl Lock {
    fn number(self) -> i16 {
        let kind = match self {
            Self::Read => libc::F_RDLCK,
            Self::Write => libc::F_WRLCK,
        };
        i16::try_from(kind).expect("kinds of locks are small numbers")
    }
}

/// Bytes of a file: the first one and how many; none means up to the end, wherever that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: i64,
    pub(crate) len: i64,
}

impl Range {
    pub(crate) const fn new(start: i64, len: i64) -> Self {
        Self { start, len }
    }
}

/// Locks a range; a conflict is refused at once.
pub(crate) fn try_lock(file: &File, lock: Lock, range: Range) -> Result<()> {
    control(file, libc::F_SETLK, lock.number(), range).map(|_flock| ())
}

/// Locks a range, and waits as long as that takes.
pub(crate) fn lock(file: &File, lock: Lock, range: Range) -> Result<()> {
    control(file, libc::F_SETLKW, lock.number(), range).map(|_flock| ())
}

/// Unlocks a range.
pub(crate) fn unlock(file: &File, range: Range) -> Result<()> {
    let kind = i16::try_from(libc::F_UNLCK).expect("kinds of locks are small numbers");
    control(file, libc::F_SETLK, kind, range).map(|_flock| ())
}

/// A lock of another process that such a lock would conflict with.
pub(crate) fn conflict(file: &File, lock: Lock, range: Range) -> Result<Option<(Lock, Range)>> {
    let flock = control(file, libc::F_GETLK, lock.number(), range)?;
    let range = Range::new(flock.l_start, flock.l_len);
    let found = [Lock::Read, Lock::Write].into_iter().find(|kind| kind.number() == flock.l_type);
    Ok(found.map(|kind| (kind, range)))
}

fn control(file: &File, command: i32, kind: i16, range: Range) -> Result<libc::flock> {
    let whence = i16::try_from(libc::SEEK_SET).expect("it is zero");
    let mut flock = libc::flock {
        l_type: kind,
        l_whence: whence,
        l_start: range.start,
        l_len: range.len,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and all three commands take a pointer to such a structure,
    // which lives until the call is over.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut flock) };
    if done < 0 { Err(Error::last_os_error()) } else { Ok(flock) }
}

/// A piece of a file in memory, shared with everybody who has it there.
#[derive(Debug)]
pub(crate) struct Mapping {
    address: *mut u8,
    len: usize,
}

impl Mapping {
    /// Maps the first `len` bytes. Nobody may shorten the file while they are mapped: a byte
    /// behind the file's last page cannot be read.
    pub(crate) fn new(file: &File, len: usize) -> Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses where, so that nothing is replaced.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Self { address: address.cast(), len })
    }

    /// Copies bytes into it.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        self.check(at, bytes.len())?;
        // SAFETY: the range is mapped, and no reference into a mapping is ever given away.
        unsafe { self.address.add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copies bytes out of it.
    pub(crate) fn read(&self, at: usize, len: usize) -> Result<Vec<u8>> {
        self.check(at, len)?;
        let mut bytes = vec![0; len];
        // SAFETY: as above.
        unsafe { self.address.add(at).copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
        Ok(bytes)
    }

    /// Waits until what was written is where the file is.
    pub(crate) fn sync(&self) -> Result<()> {
        // SAFETY: exactly this is mapped.
        let done = unsafe { libc::msync(self.address.cast(), self.len, libc::MS_SYNC) };
        if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    fn check(&self, at: usize, len: usize) -> Result<()> {
        let fits = at.checked_add(len).is_some_and(|end| end <= self.len);
        if fits { Ok(()) } else { Err(ErrorKind::InvalidInput.into()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly this is mapped, and nobody has a reference into it.
        let _gone = unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}

/// Becomes another user for good. Only for a process that has one thread.
pub(crate) fn become_user(user: u32, group: u32, groups: &[u32]) -> Result<()> {
    // SAFETY: the pointer and the count are those of one slice.
    let done = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
    if done < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: these take numbers only.
    let done = unsafe { libc::setgid(group) == 0 && libc::setuid(user) == 0 };
    if done { Ok(()) } else { Err(Error::last_os_error()) }
}
