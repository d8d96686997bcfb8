//! The content of a regular file: chunks of up to 64 KiB, and nothing where nothing was written.

mod sparse;

use std::collections::{BTreeMap, TryReserveError};
use std::sync::Arc;

/// Also what a clone shares.
pub(super) const CHUNK: usize = 64 << 10;
const SMALLEST: usize = 512;

#[derive(Default)]
pub(super) struct Data {
    size: u64,
    used: u64,
    chunks: BTreeMap<u64, Chunk>,
}

/// Bytes from the start of a chunk on; those after `bytes` read as zeros. Clones of a range share
/// the bytes until one of them is written.
#[derive(Clone, Default)]
struct Chunk {
    bytes: Arc<Vec<u8>>,
    /// What the account was charged for: the room that was asked for.
    room: usize,
}

/// What a shorter size leaves over, to be dropped where no lock is held.
#[must_use]
pub(super) struct Leftover {
    pub(super) bytes: u64,
    _chunks: BTreeMap<u64, Chunk>,
}

/// A part of a file within one chunk.
struct Piece {
    index: u64,
    start: usize,
    len: usize,
    /// Whether the chunk before belongs to the same range.
    follows: bool,
}

impl Piece {
    const fn end(&self) -> usize {
        self.start + self.len
    }
}

impl Data {
    pub(super) fn with_size(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// Fills `out` from `offset` on; nothing after the size was ever written.
    pub(super) fn read(&self, offset: u64, mut out: &mut [u8]) {
        for piece in pieces(offset, out.len()) {
            let (place, rest) = out.split_at_mut(piece.len);
            out = rest;
            let bytes = self.chunks.get(&piece.index).map_or(&[][..], |chunk| &chunk.bytes[..]);
            let there = bytes.get(piece.start..).unwrap_or_default();
            let count = there.len().min(piece.len);
            place[..count].copy_from_slice(&there[..count]);
            place[count..].fill(0);
        }
    }

    /// How many bytes more a write would use.
    pub(super) fn growth(&self, offset: u64, len: usize) -> u64 {
        let grow = |piece: Piece| {
            let room = self.chunks.get(&piece.index).map_or(0, |chunk| chunk.room);
            self.room_for(&piece, room) - room
        };
        pieces(offset, len).map(|piece| grow(piece) as u64).sum()
    }

    /// Writes all of `data`, or nothing when there is no memory; uses what
    /// [`Data::growth`] said, or less in that case.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), TryReserveError> {
        for piece in pieces(offset, data.len()) {
            self.reserve(&piece)?;
        }
        let mut rest = data;
        for piece in pieces(offset, data.len()) {
            let (part, after) = rest.split_at(piece.len);
            rest = after;
            self.chunks.entry(piece.index).or_default().put(piece.start, part);
        }
        self.size = self.size.max(offset + data.len() as u64);
        Ok(())
    }

    /// Makes the file longer by a hole, or shorter.
    pub(super) fn resize(&mut self, size: u64) -> Leftover {
        let before = self.used;
        let mut chunks = BTreeMap::new();
        if size < self.size {
            let (index, keep) = (size / CHUNK as u64, (size % CHUNK as u64) as usize);
            chunks = self.chunks.split_off(&(index + u64::from(keep > 0)));
            let dropped: usize = chunks.values().map(|chunk| chunk.room).sum();
            self.used -= dropped as u64;
            if let Some(last) = self.chunks.get_mut(&index) {
                self.used -= last.cut(keep) as u64;
            }
        }
        self.size = size;
        Leftover { bytes: before - self.used, _chunks: chunks }
    }

    fn reserve(&mut self, piece: &Piece) -> Result<(), TryReserveError> {
        let before = self.chunks.get(&piece.index).map_or(0, |chunk| chunk.room);
        let room = self.room_for(piece, before);
        let chunk = self.chunks.entry(piece.index).or_default();
        chunk.unshare(room)?;
        if room == before {
            return Ok(());
        }
        let bytes = chunk.own();
        bytes.try_reserve_exact(room - bytes.len())?;
        chunk.room = room;
        self.used += (room - before) as u64;
        Ok(())
    }

    /// A small file takes little; one that is written in order takes whole chunks at once.
    fn room_for(&self, piece: &Piece, room: usize) -> usize {
        if piece.end() <= room {
            return room;
        }
        let in_order = piece.follows
            || piece.index.checked_sub(1).is_some_and(|before| self.chunks.contains_key(&before));
        let smallest = if in_order { CHUNK } else { SMALLEST };
        piece.end().next_power_of_two().max(smallest)
    }
}

impl Chunk {
    /// The bytes, which no other chunk has: a copy where it did.
    fn own(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.bytes)
    }

    /// Takes a copy, with this much room, of bytes that another chunk has as well.
    fn unshare(&mut self, room: usize) -> Result<(), TryReserveError> {
        if Arc::get_mut(&mut self.bytes).is_none() {
            let mut own = Vec::new();
            own.try_reserve_exact(room)?;
            own.extend_from_slice(&self.bytes);
            self.bytes = Arc::new(own);
        }
        Ok(())
    }

    fn put(&mut self, start: usize, data: &[u8]) {
        let bytes = self.own();
        if start > bytes.len() {
            bytes.resize(start, 0);
        }
        let over = data.len().min(bytes.len() - start);
        bytes[start..start + over].copy_from_slice(&data[..over]);
        bytes.extend_from_slice(&data[over..]);
    }

    /// Keeps the first `keep` bytes and answers how much room became free.
    fn cut(&mut self, keep: usize) -> usize {
        let before = self.room;
        self.room = before.min(keep.next_power_of_two().max(SMALLEST));
        if let Some(bytes) = Arc::get_mut(&mut self.bytes) {
            bytes.truncate(keep);
            bytes.shrink_to(self.room);
        } else {
            self.bytes = Arc::new(self.bytes[..keep.min(self.bytes.len())].to_vec());
        }
        before - self.room
    }
}

fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut at = offset;
    let mut left = len;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let start = (at % CHUNK as u64) as usize;
        let piece = Piece {
            index: at / CHUNK as u64,
            start,
            len: left.min(CHUNK - start),
            follows: at != offset,
        };
        at += piece.len as u64;
        left -= piece.len;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(data: &mut Data, offset: u64, bytes: &[u8]) {
        let expected = data.used() + data.growth(offset, bytes.len());
        data.write(offset, bytes).expect("memory is there");
        assert_eq!(data.used(), expected);
    }

    #[test]
    fn growth_says_what_a_write_uses() {
        let mut data = Data::default();
        for (offset, len) in [(0, 1), (1, 600), (100, 70_000), (1 << 40, 5), (200_000, 300_000)] {
            written(&mut data, offset, &vec![7; len]);
        }
        let rooms: usize = data.chunks.values().map(|chunk| chunk.room).sum();
        assert_eq!(data.used(), rooms as u64);
    }

    #[test]
    fn a_cut_chunk_reads_zeros_when_it_grows_again() {
        let mut data = Data::default();
        written(&mut data, 0, &[1; 100_000]);
        assert!(data.resize(10).bytes > 0);
        assert_eq!(data.resize(100_000).bytes, 0);
        let mut out = vec![9; 100_000];
        data.read(0, &mut out);
        assert!(out[..10].iter().all(|byte| *byte == 1));
        assert!(out[10..].iter().all(|byte| *byte == 0));
        assert_eq!(data.used(), SMALLEST as u64);
    }

    #[test]
    fn size_zero_uses_nothing() {
        let mut data = Data::default();
        written(&mut data, 12_345, &[1; 300_000]);
        let used = data.used();
        assert_eq!(data.resize(0).bytes, used);
        assert_eq!((data.used(), data.chunks.len()), (0, 0));
    }
}
