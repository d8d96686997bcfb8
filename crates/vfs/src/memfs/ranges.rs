//! Ranges of files: their holes, their room, and copies of them.

use std::sync::Arc;

use super::data::{CHUNK, Data, Leftover};
use super::inode::Inode;
use super::sync::{read, write};
use super::{MemFs, SIZE_MAX, rules};
use crate::{Content, Cred, Error, File, ReadEnd, ReadSink, Result, Stability, Written};

impl MemFs {
    fn readable<'a>(&self, file: &'a File) -> Result<&'a Arc<Inode>> {
        let open = self.opened(file)?;
        if open.mode.read { Ok(&open.inode) } else { Err(Error::AccessDenied) }
    }

    fn writable<'a>(&self, file: &'a File) -> Result<&'a Arc<Inode>> {
        let open = self.opened(file)?;
        if open.mode.write { Ok(&open.inode) } else { Err(Error::AccessDenied) }
    }

    pub(super) fn seek_in(&self, file: &File, offset: u64, what: Content) -> Result<Option<u64>> {
        let data = read(self.readable(file)?.data()?);
        if offset >= data.size() {
            return Err(Error::BeyondEnd);
        }
        Ok(data.seek(offset, what))
    }

    pub(super) fn read_pieces(
        &self,
        file: &File,
        offset: u64,
        len: usize,
        sink: &mut dyn ReadSink,
    ) -> Result<ReadEnd> {
        let data = read(self.readable(file)?.data()?);
        let left = data.size().saturating_sub(offset);
        let count = usize::try_from(left).map_or(len, |left| left.min(len));
        let end = offset + count as u64;
        let mut at = offset;
        while at < end {
            let to = data.seek(at, Content::Data).map_or(end, |to| to.min(end));
            if to > at {
                sink.hole((to - at) as usize);
            }
            at = to;
            let to = data.seek(at, Content::Hole).map_or(end, |to| to.min(end));
            if to > at {
                let len = (to - at) as usize;
                data.read(at, &mut sink.buf(len)[..len]);
                sink.filled(len);
                at = to;
            }
        }
        Ok(ReadEnd { count, eof: count as u64 == left })
    }

    pub(super) fn give_room(&self, cred: &Cred, file: &File, offset: u64, len: u64) -> Result<()> {
        let inode = self.writable(file)?;
        check_range(offset, len)?;
        let account = &self.shared.account;
        self.change(cred, inode, |data| {
            // Nothing is counted piece by piece that cannot fit anyway.
            let most = account.space().free.saturating_add(data.used());
            let room = usize::try_from(len).ok().filter(|_| len <= most);
            let room = room.ok_or(Error::NoSpace)?;
            let growth = data.growth(offset, room);
            account.take_bytes(growth)?;
            let before = data.used();
            let done = data.allocate(offset, room);
            account.give_bytes(growth - (data.used() - before));
            done.map_err(|_| Error::NoSpace)
        })
    }

    pub(super) fn punch(&self, cred: &Cred, file: &File, offset: u64, len: u64) -> Result<()> {
        let inode = self.writable(file)?;
        check_range(offset, len)?;
        let leftover = self.change(cred, inode, |data| Ok(data.punch(offset, len)))?;
        self.give_back(leftover);
        Ok(())
    }

    pub(super) fn share_range(
        &self,
        cred: &Cred,
        (source, from): (&File, u64),
        (target, to): (&File, u64),
        len: u64,
    ) -> Result<()> {
        let (source, target) = (self.readable(source)?, self.writable(target)?);
        let (shared, is_aligned) = {
            let data = read(source.data()?);
            let left = data.size().checked_sub(from).ok_or(Error::Invalid)?;
            let len = if len == 0 { left } else { len };
            let aligned = |at: u64| at.is_multiple_of(CHUNK as u64);
            let is_whole = aligned(len) || len == left;
            if len > left || !aligned(from) || !aligned(to) || !is_whole {
                return Err(Error::Invalid);
            }
            check_target(to, len)?;
            check_overlap(source, target, from, to, len)?;
            if len == 0 {
                return Ok(());
            }
            // A part of a chunk takes the place of a whole one only at the end of the target.
            (data.share(from, len), aligned(len))
        };
        let used = shared.used();
        self.shared.account.take_bytes(used)?;
        let end = to + shared.len();
        let adopted = self.change(cred, target, |data| {
            let fits = is_aligned || end >= data.size();
            if fits { Ok(data.adopt(to, shared)) } else { Err(Error::Invalid) }
        });
        let leftover = adopted.inspect_err(|_| self.shared.account.give_bytes(used))?;
        self.give_back(leftover);
        Ok(())
    }

    /// Copies at most a chunk, by way of memory of its own: no two files are locked at once.
    pub(super) fn copy_some(
        &self,
        cred: &Cred,
        (source, from): (&File, u64),
        (target, to): (&File, u64),
        len: u64,
    ) -> Result<Written> {
        let (from_inode, to_inode) = (self.readable(source)?, self.writable(target)?);
        check_overlap(from_inode, to_inode, from, to, len)?;
        let bytes = {
            let data = read(from_inode.data()?);
            let end = data.size().min(from.saturating_add(len));
            let hole = data.seek(from, Content::Data).map_or(end, |at| at.min(end));
            if hole > from {
                drop(data);
                return self.copy_hole(cred, to_inode, to, hole - from);
            }
            let count = end.saturating_sub(from).min(CHUNK as u64) as usize;
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(count).map_err(|_| Error::NoSpace)?;
            bytes.resize(count, 0);
            data.read(from, &mut bytes);
            bytes
        };
        self.write_file(cred, target, to, &bytes)
    }

    fn copy_hole(&self, cred: &Cred, target: &Inode, to: u64, len: u64) -> Result<Written> {
        let len = len.min(SIZE_MAX.saturating_sub(to));
        if len == 0 {
            return Err(Error::TooBig);
        }
        let leftover = self.change(cred, target, |data| {
            let leftover = data.punch(to, len);
            data.grow(to + len);
            Ok(leftover)
        })?;
        self.give_back(leftover);
        let count = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(Written { count, stability: Stability::File, verifier: self.shared.verifier })
    }

    /// Changes the data of a file, and its attributes as a write does.
    fn change<T>(
        &self,
        cred: &Cred,
        inode: &Inode,
        change: impl FnOnce(&mut Data) -> Result<T>,
    ) -> Result<T> {
        let now = self.shared.now();
        let mut data = write(inode.data()?);
        let changed = change(&mut data);
        let mut meta = inode.meta();
        meta.attr.used = data.used();
        if changed.is_ok() {
            meta.attr.size = data.size();
            meta.touch_data(now);
            rules::written(cred, &mut meta.attr);
        }
        changed
    }

    fn give_back(&self, leftover: Leftover) {
        self.shared.account.give_bytes(leftover.bytes);
    }
}

fn check_range(offset: u64, len: u64) -> Result<()> {
    if len == 0 {
        return Err(Error::Invalid);
    }
    check_target(offset, len)
}

fn check_target(offset: u64, len: u64) -> Result<()> {
    let fits = offset.checked_add(len).is_some_and(|end| end <= SIZE_MAX);
    if fits { Ok(()) } else { Err(Error::TooBig) }
}

fn check_overlap(source: &Inode, target: &Inode, from: u64, to: u64, len: u64) -> Result<()> {
    let apart = from.abs_diff(to) >= len;
    if source.ino != target.ino || apart { Ok(()) } else { Err(Error::Invalid) }
}
