//! Ranges of files: their holes, their room, clones and copies of them, and advice on them.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering;

use holdfast_vfs::{Advice, Content, Cred, Error, ReadEnd, ReadSink, Result, Stability, Written};
use rustix::fs::{FallocateFlags, SeekFrom, copy_file_range, fadvise, fallocate, fstatvfs, seek};
use rustix::io::{Errno, pread, pwrite};

use crate::core::{Core, stat_fd};
use crate::errno::{Meaning, error};
use crate::io::{Progress, Wait};
use crate::open::{Awake, OpenFile};
use crate::sys;

/// Bytes that go through memory at once where the kernel does not copy by itself.
const COPY_BUFFER: usize = 128 << 10;

/// Bytes of a block in `stat`.
const STAT_BLOCK: u64 = 512;

impl Core {
    /// Where the next byte of this content is; none: there is no more data.
    pub(crate) fn seek(&self, file: &OpenFile, offset: u64, what: Content) -> Result<Option<u64>> {
        let awake = file.awake()?;
        let file = &*awake;
        let size = stat_fd(file.fd()).meaning()?.stx_size;
        if offset >= size {
            return Err(Error::BeyondEnd);
        }
        // Nobody reads or writes at the position that this moves.
        let to = match what {
            Content::Data => SeekFrom::Data(offset),
            Content::Hole => SeekFrom::Hole(offset),
        };
        match seek(file.fd(), to) {
            Ok(at) => Ok(Some(at)),
            // No data follows, or the file was cut meanwhile.
            Err(Errno::NXIO) => match what {
                Content::Data => Ok(None),
                Content::Hole => Err(Error::BeyondEnd),
            },
            // The file system knows no holes.
            Err(Errno::INVAL) => Ok(Some(match what {
                Content::Data => offset,
                Content::Hole => size,
            })),
            Err(errno) => Err(error(errno)),
        }
    }

    /// Whether less is stored of a file than is in it.
    pub(crate) fn has_holes(&self, file: &OpenFile) -> Result<bool> {
        let stat = stat_fd(file.awake()?.fd()).meaning()?;
        Ok(stat.stx_blocks.saturating_mul(STAT_BLOCK) < stat.stx_size)
    }

    /// Reads data into the sink, and tells it of holes.
    pub(crate) fn read_plus(
        &self,
        file: &OpenFile,
        offset: u64,
        len: usize,
        sink: &mut dyn ReadSink,
    ) -> Result<ReadEnd> {
        let mut count = 0;
        loop {
            let (at, left) = (offset.saturating_add(count as u64), len - count);
            let data = match self.seek(file, at, Content::Data) {
                Err(Error::BeyondEnd) => return Ok(ReadEnd { count, eof: true }),
                found => found?,
            };
            let size = stat_fd(file.awake()?.fd()).meaning()?.stx_size;
            let hole = data.unwrap_or(size).saturating_sub(at);
            let hole = usize::try_from(hole).map_or(left, |hole| hole.min(left));
            if hole > 0 {
                sink.hole(hole);
                count += hole;
            }
            let at = at.saturating_add(hole as u64);
            let eof = at >= size;
            if count == len || eof {
                return Ok(ReadEnd { count, eof });
            }
            if hole > 0 {
                continue;
            }
            let end = match self.seek(file, at, Content::Hole) {
                // It was cut meanwhile: the read will see.
                Err(Error::BeyondEnd) => size,
                found => found?.unwrap_or(size),
            };
            let part = usize::try_from(end.saturating_sub(at)).map_or(left, |part| part.min(left));
            let Progress::Done(end) = self.read(file, at, part, Wait::Allowed, sink)? else {
                return Err(Error::Io);
            };
            count += end.count;
            if end.eof || end.count < part || count == len {
                return Ok(ReadEnd { count, eof: end.eof });
            }
        }
    }

    pub(crate) fn allocate(
        &self,
        cred: &Cred,
        file: &OpenFile,
        offset: u64,
        len: u64,
    ) -> Result<()> {
        let awake = file.awake()?;
        let file = &*awake;
        self.check_target(file, offset, len)?;
        // The kernel would take all there is before it says that it is not enough.
        let (stat, space) = (stat_fd(file.fd()).meaning()?, fstatvfs(file.fd()).meaning()?);
        let free = space.f_bfree.saturating_mul(space.f_frsize);
        if len > free.saturating_add(stat.stx_blocks.saturating_mul(STAT_BLOCK)) {
            return Err(Error::NoSpace);
        }
        self.assume(cred)?;
        // First the room, then the size: one that cannot be had in full leaves the size alone.
        punch_or_fill(file, FallocateFlags::KEEP_SIZE, offset, len)?;
        if stat_fd(file.fd()).meaning()?.stx_size < offset + len {
            punch_or_fill(file, FallocateFlags::empty(), offset, len)?;
        }
        self.changed(file.node());
        // No verifier in the answer could say that this was lost.
        self.sync(file.node(), file.fd(), false).map(drop)
    }

    pub(crate) fn deallocate(
        &self,
        cred: &Cred,
        file: &OpenFile,
        offset: u64,
        len: u64,
    ) -> Result<()> {
        let awake = file.awake()?;
        let file = &*awake;
        self.check_target(file, offset, len)?;
        self.assume(cred)?;
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        punch_or_fill(file, punch, offset, len)?;
        self.changed(file.node());
        self.sync(file.node(), file.fd(), false).map(drop)
    }

    pub(crate) fn clone_range(
        &self,
        cred: &Cred,
        (source, from): (&OpenFile, u64),
        (target, to): (&OpenFile, u64),
        len: u64,
    ) -> Result<()> {
        let (source, target) = (source.awake()?, target.awake()?);
        let (source, target) = (&*source, &*target);
        let size = stat_fd(source.fd()).meaning()?.stx_size;
        let left = size.checked_sub(from).ok_or(Error::Invalid)?;
        let whole = if len == 0 { left } else { len };
        if whole > left {
            return Err(Error::Invalid);
        }
        self.check_target(target, to, whole)?;
        self.assume(cred)?;
        sys::clone_range(source.fd(), from, target.fd(), to, len).meaning()?;
        self.changed(target.node());
        self.sync(target.node(), target.fd(), false).map(drop)
    }

    /// Copies some of a range, in memory as far as the file system goes.
    pub(crate) fn copy_range(
        &self,
        cred: &Cred,
        (source, from): (&OpenFile, u64),
        (target, to): (&OpenFile, u64),
        len: u64,
    ) -> Result<Written> {
        let (source, target) = (source.awake()?, target.awake()?);
        let (source, target) = (&*source, &*target);
        let same = source.node().handle() == target.node().handle();
        if same && from.abs_diff(to) < len {
            return Err(Error::Invalid);
        }
        let limit = target.node().mount().properties.size_max;
        if len > 0 && to >= limit {
            return Err(Error::TooBig);
        }
        // Beyond what the kernel can address there is nothing.
        let addressable = (i64::MAX as u64).saturating_sub(from);
        let len = len.min(limit.saturating_sub(to)).min(addressable);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.assume(cred)?;
        let verifier = self.verifier.load(Ordering::Acquire);
        let count = match copy_by_kernel(source, from, target, to, len) {
            Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                copy_by_hand(source, from, target, to, len)
            }
            result => result,
        };
        let (count, stability) = (count.meaning()?, Stability::Unstable);
        self.changed(target.node());
        self.wrote(target);
        Ok(Written { count, stability, verifier })
    }

    pub(crate) fn advise(
        &self,
        file: &OpenFile,
        offset: u64,
        len: u64,
        advice: Advice,
    ) -> Result<()> {
        let advice = match advice {
            Advice::Normal => rustix::fs::Advice::Normal,
            Advice::Sequential => rustix::fs::Advice::Sequential,
            Advice::Random => rustix::fs::Advice::Random,
            Advice::WillNeed => rustix::fs::Advice::WillNeed,
            Advice::DontNeed => rustix::fs::Advice::DontNeed,
            Advice::NoReuse => rustix::fs::Advice::NoReuse,
        };
        let most = i64::MAX as u64;
        let (offset, len) = (offset.min(most), len.min(most - offset.min(most)));
        match fadvise(file.awake()?.fd(), offset, NonZeroU64::new(len), advice) {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(error(errno)),
        }
    }

    /// Whether a range can be in a file.
    fn check_target(&self, file: &Awake, offset: u64, len: u64) -> Result<()> {
        let limit = file.node().mount().properties.size_max;
        let fits = offset.checked_add(len).is_some_and(|end| end <= limit);
        if fits { Ok(()) } else { Err(Error::TooBig) }
    }
}

fn punch_or_fill(file: &Awake, flags: FallocateFlags, offset: u64, len: u64) -> Result<()> {
    loop {
        match fallocate(file.fd(), flags, offset, len) {
            Err(Errno::INTR) => {}
            result => return result.meaning(),
        }
    }
}

fn copy_by_kernel(
    source: &Awake,
    mut from: u64,
    target: &Awake,
    mut to: u64,
    len: usize,
) -> rustix::io::Result<usize> {
    loop {
        match copy_file_range(source.fd(), Some(&mut from), target.fd(), Some(&mut to), len) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn copy_by_hand(
    source: &Awake,
    from: u64,
    target: &Awake,
    to: u64,
    len: usize,
) -> rustix::io::Result<usize> {
    let mut buffer = vec![0; len.min(COPY_BUFFER)];
    let count = pread(source.fd(), &mut buffer, from)?;
    if count == 0 { Ok(0) } else { pwrite(target.fd(), &buffer[..count], to) }
}
