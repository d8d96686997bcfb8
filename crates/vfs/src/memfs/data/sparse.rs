//! Holes: found, made, filled with room, and shared content.

use std::collections::{BTreeMap, TryReserveError};

use super::{CHUNK, Chunk, Data, Leftover, pieces};
use crate::Content;

/// A range of a file as another one can take it over.
pub(in super::super) struct Shared {
    chunks: Vec<(u64, Chunk)>,
    len: u64,
}

impl Data {
    /// Where the next byte of this content is, at `offset` or after; the size is where a hole is.
    pub(in super::super) fn seek(&self, offset: u64, what: Content) -> Option<u64> {
        match what {
            Content::Data => self.next_data(offset),
            Content::Hole => Some(self.next_hole(offset)),
        }
    }

    fn next_data(&self, offset: u64) -> Option<u64> {
        self.chunks
            .range(offset / CHUNK as u64..)
            .map(|(index, chunk)| (index * CHUNK as u64, chunk.bytes.len() as u64))
            .find(|(start, len)| *len > 0 && start + len > offset)
            .map(|(start, _)| start.max(offset))
    }

    fn next_hole(&self, offset: u64) -> u64 {
        let mut at = offset;
        while let Some(chunk) = self.chunks.get(&(at / CHUNK as u64)) {
            let start = at - at % CHUNK as u64;
            let end = start + chunk.bytes.len() as u64;
            if end <= at {
                break;
            }
            at = end;
            if chunk.bytes.len() < CHUNK {
                break;
            }
        }
        at.min(self.size)
    }

    /// Gives a range room, or some of it when there is no memory.
    pub(in super::super) fn allocate(
        &mut self,
        offset: u64,
        len: usize,
    ) -> Result<(), TryReserveError> {
        for piece in pieces(offset, len) {
            self.reserve(&piece)?;
        }
        self.size = self.size.max(offset + len as u64);
        Ok(())
    }

    /// Makes the file this long, if it is not longer.
    pub(in super::super) fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Makes a hole.
    pub(in super::super) fn punch(&mut self, offset: u64, len: u64) -> Leftover {
        let (before, end) = (self.used, offset.saturating_add(len).min(self.size));
        let chunk = CHUNK as u64;
        let (first, after) = (offset.div_ceil(chunk), end / chunk);
        let mut dropped = BTreeMap::new();
        if first < after {
            dropped = self.chunks.split_off(&first);
            let mut kept = dropped.split_off(&after);
            self.chunks.append(&mut kept);
        }
        // What is left are parts of chunks: at most one at each end.
        self.zero(offset, end.min(first * chunk));
        if after >= first {
            self.zero(end.min(after * chunk).max(offset), end);
        }
        self.used -= dropped.values().map(|chunk| chunk.room as u64).sum::<u64>();
        Leftover { bytes: before - self.used, _chunks: dropped }
    }

    /// Clears a range within one chunk. What has room and is not in the range keeps it.
    fn zero(&mut self, from: u64, to: u64) {
        let (index, start) = (from / CHUNK as u64, (from % CHUNK as u64) as usize);
        let Some(chunk) = self.chunks.get_mut(&index).filter(|_| from < to) else { return };
        let end = start + (to - from) as usize;
        let is_rest = end >= chunk.room || to == self.size;
        if is_rest && start == 0 {
            self.used -= chunk.room as u64;
            self.chunks.remove(&index);
        } else if is_rest {
            self.used -= chunk.cut(start) as u64;
        } else if end >= chunk.bytes.len() {
            chunk.own().truncate(start);
        } else {
            chunk.own()[start..end].fill(0);
        }
    }

    /// The content of a range that starts with a chunk and ends with one or at the size.
    pub(in super::super) fn share(&self, offset: u64, len: u64) -> Shared {
        let first = offset / CHUNK as u64;
        let range = self.chunks.range(first..(offset + len).div_ceil(CHUNK as u64).max(first));
        let chunks = range.map(|(index, chunk)| (index - first, chunk.clone())).collect();
        Shared { chunks, len }
    }

    /// Replaces a range, which starts with a chunk and ends with one or not before the size, by
    /// what another had.
    pub(in super::super) fn adopt(&mut self, offset: u64, shared: Shared) -> Leftover {
        let end = offset + shared.len;
        let (first, after) = (offset / CHUNK as u64, end.div_ceil(CHUNK as u64));
        let mut dropped = self.chunks.split_off(&first);
        let mut kept = dropped.split_off(&after);
        let bytes = dropped.values().map(|chunk| chunk.room as u64).sum::<u64>();
        self.used = self.used - bytes + shared.used();
        self.chunks.extend(shared.chunks.into_iter().map(|(index, chunk)| (first + index, chunk)));
        self.chunks.append(&mut kept);
        self.size = self.size.max(end);
        Leftover { bytes, _chunks: dropped }
    }
}

impl Shared {
    /// Bytes.
    pub(in super::super) const fn len(&self) -> u64 {
        self.len
    }

    /// How much a file that adopts this uses of it.
    pub(in super::super) fn used(&self) -> u64 {
        self.chunks.iter().map(|(_, chunk)| chunk.room as u64).sum()
    }
}
