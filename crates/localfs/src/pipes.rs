//! Reads into a pipe: the pages go from the file to the socket without a copy.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_vfs::{Piped, ReadEnd, Result};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::core::{Core, stat_fd};
use crate::errno::Meaning;
use crate::open::OpenFile;

/// Pipes of an export at most: each has two descriptors, and holds pages while a peer is slow.
const PIPES_MAX: usize = 32;
/// Bytes of a pipe: what the kernel gives an unprivileged process at most (`fs.pipe-max-size`).
const PIPE_BYTES: usize = 1 << 20;
/// A file with less left than this is copied.
const LEAST: u64 = 32 * 1024;
/// What a slot of a pipe holds at most.
fn page() -> u64 {
    rustix::param::page_size() as u64
}

/// The pipes of an export.
pub(crate) struct Pipes {
    idle: Mutex<Vec<Ends>>,
    /// How many more may be made.
    room: AtomicUsize,
}

/// The two ends of an empty pipe.
struct Ends {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipes {
    /// For a process that may have `descriptors` of them.
    pub(crate) fn new(descriptors: usize) -> Arc<Self> {
        let room = AtomicUsize::new(PIPES_MAX.min(descriptors / 16));
        Arc::new(Self { idle: Mutex::default(), room })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Ends>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty pipe of the full size; `None` when all are in use, or the kernel gives none.
    fn take(&self) -> Option<Ends> {
        if let Some(ends) = self.idle().pop() {
            return Some(ends);
        }
        let left = |room: usize| room.checked_sub(1);
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).ok()?;
        let made = Self::make();
        if made.is_err() {
            // A limit of the user or the process: those there are must do.
            self.room.store(0, Ordering::Relaxed);
        }
        made.ok()
    }

    fn make() -> rustix::io::Result<Ends> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if fcntl_setpipe_size(&writer, PIPE_BYTES)? < PIPE_BYTES {
            return Err(Errno::PERM);
        }
        Ok(Ends { reader, writer })
    }

    /// What was in the pipe is gone: another may be made.
    fn forget(&self) {
        self.room.fetch_add(1, Ordering::Relaxed);
    }
}

/// A pipe with data in it.
struct Filled {
    ends: Option<Ends>,
    len: usize,
    home: Arc<Pipes>,
}

impl Filled {
    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("only drop takes them")
    }
}

impl Piped for Filled {
    fn len(&self) -> usize {
        self.len
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.ends().reader.as_fd()
    }

    fn taken(&mut self, n: usize) {
        self.len -= n.min(self.len);
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        match self.ends.take() {
            Some(ends) if self.len == 0 => self.home.idle().push(ends),
            Some(ends) => {
                drop(ends);
                self.home.forget();
            }
            None => {}
        }
    }
}

impl Core {
    /// Reads into a pipe what is at `offset`, up to `len` bytes or as much as a pipe holds; `None`
    /// where a copy does better. Waits for the disk where pages are not in memory.
    pub(crate) fn read_piped(
        &self,
        file: &OpenFile,
        offset: u64,
        len: usize,
    ) -> Result<Option<(Box<dyn Piped>, ReadEnd)>> {
        let awake = file.awake()?;
        let file = &*awake;
        let size = stat_fd(file.fd()).meaning()?.stx_size;
        let left = size.saturating_sub(offset).min(len as u64);
        // A page that is begun in its middle takes a slot like a whole one.
        let fits = left <= PIPE_BYTES as u64 - offset % page();
        if left < LEAST || !fits {
            return Ok(None);
        }
        let Some(ends) = self.pipes.take() else { return Ok(None) };
        let mut filled = Filled { ends: Some(ends), len: 0, home: self.pipes.clone() };
        while filled.len < len {
            let mut at = offset.saturating_add(filled.len as u64);
            let writer = filled.ends().writer.as_fd();
            let flags = SpliceFlags::NONBLOCK;
            match splice(file.fd(), Some(&mut at), writer, None, len - filled.len, flags) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(moved) => filled.len += moved,
                Err(Errno::INTR) => {}
                // A copy has an error of its own to tell, for the bytes that it is about.
                Err(_) if filled.len > 0 => break,
                Err(_) => return Ok(None),
            }
        }
        if filled.len == 0 {
            return Ok(None);
        }
        let size = stat_fd(file.fd()).meaning()?.stx_size;
        let (count, end) = (filled.len, offset.saturating_add(filled.len as u64));
        Ok(Some((Box::new(filled), ReadEnd { count, eof: end >= size })))
    }
}
