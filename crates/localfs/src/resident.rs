//! What of a file is in memory, and whether what is written may stay there: asked before data is
//! read or written on the event loop. The answers are hints, as pages come and go.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use holdfast_base::{Instant, World};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, pread, preadv2};
use rustix::param::page_size;

use crate::core::{Core, stat_fd};
use crate::open::{Awake, OpenFile};
use crate::sys;

/// A read of so many bytes is tried; for a longer one the kernel would begin to read ahead, and
/// that takes long.
const TRIED: usize = 128 << 10;

impl Core {
    /// Whether a read that does not wait is likely to be given all its data.
    pub(crate) fn is_readable_now(&self, file: &OpenFile, offset: u64, len: usize) -> bool {
        // To wake it may be to read the disk.
        let Some(file) = file.peek() else { return false };
        let mount = file.node().mount();
        let nowait = mount.nowait.load(Ordering::Relaxed);
        if mount.volatile || nowait && len <= TRIED {
            return true;
        }
        let Ok(stat) = stat_fd(file.fd()) else { return false };
        let end = offset.saturating_add(len as u64).min(stat.stx_size);
        if end <= offset {
            return true;
        }
        self.are_in_memory(&file, offset, end).unwrap_or_else(|| {
            nowait && [offset, end - 1].iter().all(|at| is_byte_in_memory(&file, *at))
        })
    }

    /// Whether all that a read takes is surely in memory.
    pub(crate) fn is_in_memory(&self, file: &OpenFile, offset: u64, len: usize) -> bool {
        let Some(file) = file.peek() else { return false };
        if file.node().mount().volatile {
            return true;
        }
        let Ok(stat) = stat_fd(file.fd()) else { return false };
        let end = offset.saturating_add(len as u64).min(stat.stx_size);
        end > offset && self.are_in_memory(&file, offset, end) == Some(true)
    }

    /// Whether a write finds in memory what it needs: the pages that it covers in part, and room.
    pub(crate) fn is_writable_now(
        &self,
        world: &dyn World,
        file: &OpenFile,
        offset: u64,
        len: usize,
    ) -> bool {
        let Some(file) = file.peek() else { return false };
        if file.node().mount().volatile {
            return true;
        }
        if self.dirty.as_ref().is_some_and(|dirty| !dirty.takes(world.now(), len)) {
            return false;
        }
        let end = offset.saturating_add(len as u64);
        let page = page_size() as u64;
        let edges = [offset, end].map(|edge| edge - edge % page);
        if edges == [offset, end] {
            return true;
        }
        let Ok(stat) = stat_fd(file.fd()) else { return false };
        [offset, end].into_iter().zip(edges).all(|(edge, start)| {
            edge == start
                || start >= stat.stx_size
                || self.are_in_memory(&file, start, start + 1).unwrap_or(true)
        })
    }

    /// Whether all pages of a range that is not empty are in memory; `None` when the kernel does
    /// not tell.
    fn are_in_memory(&self, file: &Awake, start: u64, end: u64) -> Option<bool> {
        if !self.cachestat.load(Ordering::Relaxed) {
            return None;
        }
        let page = page_size() as u64;
        match sys::pages_in_memory(file.fd(), start, end - start) {
            Ok(pages) => Some(pages > (end - 1) / page - start / page),
            Err(Errno::NOSYS) => {
                self.cachestat.store(false, Ordering::Relaxed);
                None
            }
            Err(_) => None,
        }
    }
}

fn is_byte_in_memory(file: &Awake, at: u64) -> bool {
    let mut byte = [0];
    let parts = &mut [IoSliceMut::new(&mut byte)];
    preadv2(file.fd(), parts, at, ReadWriteFlags::NOWAIT).is_ok()
}

/// How old a reading of the machine's memory may be.
const READING: Duration = Duration::from_millis(100);

/// Bytes of one reading: the values come early.
const VMSTAT_BYTES: usize = 16 << 10;

/// How much more may be written before the kernel begins to write back: from there on it may make
/// who writes wait.
pub(crate) struct Dirty {
    /// `/proc/vmstat`.
    vmstat: OwnedFd,
    read_at_ns: AtomicU64,
    /// Bytes left; less than none after a write beyond.
    room: AtomicI64,
}

impl Dirty {
    /// A first reading; `None` where there is no such thing.
    pub(crate) fn new() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let vmstat = rustix::fs::open(c"/proc/vmstat", flags, Mode::empty()).ok()?;
        let room = AtomicI64::new(room(&vmstat)?);
        Some(Self { vmstat, read_at_ns: AtomicU64::new(0), room })
    }

    /// Whether there is room for so many bytes more, which are counted as written.
    fn takes(&self, now: Instant, bytes: usize) -> bool {
        let last = self.read_at_ns.load(Ordering::Relaxed);
        let is_old = now.since(Instant::from_ns(last)) >= READING;
        let swap = |next| {
            let order = Ordering::Relaxed;
            self.read_at_ns.compare_exchange(last, next, order, order).is_ok()
        };
        if is_old && swap(now.as_ns()) {
            self.room.store(room(&self.vmstat).unwrap_or(0), Ordering::Relaxed);
        }
        let bytes = bytes as i64;
        self.room.fetch_sub(bytes, Ordering::Relaxed) >= bytes
    }
}

/// Bytes up to the background threshold.
fn room(vmstat: &OwnedFd) -> Option<i64> {
    let mut text = vec![0; VMSTAT_BYTES];
    let mut len = 0;
    while len < text.len() {
        match pread(vmstat, &mut text[len..], len as u64).ok()? {
            0 => break,
            read => len += read,
        }
    }
    pages_of_room(&text[..len])?.checked_mul(page_size() as i64)
}

fn pages_of_room(vmstat: &[u8]) -> Option<i64> {
    let value = |name: &str| -> Option<i64> {
        let mut lines = vmstat.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    };
    let waiting = value("nr_dirty ")?.checked_add(value("nr_writeback ")?)?;
    value("nr_dirty_background_threshold ")?.checked_sub(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_neither_waits_nor_is_written_back() {
        let vmstat = b"nr_dirty 10\nnr_writeback 5\nnr_writeback_temp 7\n\
            nr_dirty_threshold 200\nnr_dirty_background_threshold 100\n";
        assert_eq!(pages_of_room(vmstat), Some(85));
        assert_eq!(pages_of_room(b"nr_dirty 10\nnr_writeback 5\n"), None);
        assert_eq!(pages_of_room(b"nr_dirty x\n"), None);
    }

    #[test]
    fn a_reading_lasts_a_while_and_counts_what_is_written() {
        let Some(dirty) = Dirty::new() else { return };
        let at = |ms: u64| Instant::from_ns(1 << 40) + Duration::from_millis(ms);
        assert!(!dirty.takes(at(0), i64::MAX as usize));
        assert!(!dirty.takes(at(99), 1), "it is read again too early");
        dirty.room.store(10, Ordering::Relaxed);
        assert!(dirty.takes(at(99), 10));
        assert!(!dirty.takes(at(99), 1));
        dirty.takes(at(100), 0);
        assert!(dirty.room.load(Ordering::Relaxed) != -1, "it is never read again");
    }
}
