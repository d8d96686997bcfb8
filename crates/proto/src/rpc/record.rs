//! Record marking (RFC 5531 §11): a byte stream becomes records, each whole and in one piece.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::buffers::{Buffers, Permit, SLAB_BYTES};

const MARK_BYTES: usize = 4;
const LAST_FRAGMENT: u32 = 0x8000_0000;
const FRAGMENTS_MAX: u32 = 1024;
/// Below this much room a partial record moves to a fresh buffer.
const ROOM_MIN: usize = 4096;

/// One received record.
#[derive(Clone, Debug)]
pub struct Record {
    buffer: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Record {
    /// A record of its own bytes.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), buffer: Arc::new(bytes) }
    }

    /// The record's bytes, without marks.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

/// The stream breaks the rules of record marking: the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A record is larger than this side takes.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A record has too many fragments.
    TooManyFragments,
    /// A record is too short to be a call or a reply.
    TooShort,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => write!(f, "a record exceeds {limit} bytes"),
            Self::TooManyFragments => write!(f, "a record has over {FRAGMENTS_MAX} fragments"),
            Self::TooShort => f.write_str("a record is too short to be a call or a reply"),
        }
    }
}

/// Cuts records out of a byte stream. Nothing is allocated for a length that a peer only claims:
/// the memory of a large buffer is touched when its bytes arrive.
#[derive(Debug)]
pub struct RecordReader {
    buffer: Option<Arc<Vec<u8>>>,
    filling: Option<Permit>,
    start: usize,
    end: usize,
    fragments: Vec<u8>,
    fragment_count: u32,
    limit: usize,
}

impl RecordReader {
    /// A reader that takes records of up to `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            buffer: None,
            filling: None,
            start: 0,
            end: 0,
            fragments: Vec::new(),
            fragment_count: 0,
            limit,
        }
    }

    /// Whether a part of a record has arrived.
    pub const fn is_partial(&self) -> bool {
        self.end > self.start || self.fragment_count > 0
    }

    /// Room for the next bytes of the stream; `None` while the pool has no buffer large enough.
    pub fn space<'a>(&'a mut self, pool: &mut Buffers) -> Option<&'a mut [u8]> {
        let wanted = self.wanted();
        if !self.has_room(wanted) {
            self.move_to_fresh(wanted, pool)?;
        }
        let (end, upto) = (self.end, self.upto(wanted));
        let buffer = Arc::get_mut(self.buffer.as_mut()?)?;
        buffer.get_mut(end..upto)
    }

    /// Counts `n` bytes that were put at the front of [`RecordReader::space`].
    pub fn received(&mut self, n: usize) {
        let capacity = self.buffer.as_ref().map_or(0, |buffer| buffer.len());
        self.end = (self.end + n).min(capacity);
    }

    /// Gives the buffer back while nothing is in it.
    pub fn idle(&mut self, pool: &mut Buffers) {
        if self.start == self.end {
            if let Some(buffer) = self.buffer.take() {
                pool.put(buffer);
            }
            (self.start, self.end) = (0, 0);
        }
    }

    /// The next whole record.
    ///
    /// # Errors
    /// The stream breaks the rules; there will be no further record.
    pub fn next_record(&mut self, pool: &mut Buffers) -> Result<Option<Record>, RecordError> {
        loop {
            let Some((last, len)) = self.mark() else { return Ok(None) };
            if len > self.limit || self.fragments.len() + len > self.limit {
                return Err(RecordError::TooLong { limit: self.limit });
            }
            let (from, to) = (self.start + MARK_BYTES, self.start + MARK_BYTES + len);
            if self.end < to {
                return Ok(None);
            }
            let Some(buffer) = &self.buffer else { return Ok(None) };
            let record = Record { buffer: buffer.clone(), start: from, end: to };
            self.start = to;
            if self.filling.take().is_some() {
                pool.lend(buffer.clone());
                self.buffer = None;
                (self.start, self.end) = (0, 0);
            }
            if let Some(record) = self.join(record, last)? {
                return Ok(Some(record));
            }
        }
    }

    fn join(&mut self, fragment: Record, last: bool) -> Result<Option<Record>, RecordError> {
        if last && self.fragment_count == 0 {
            return Ok(Some(fragment));
        }
        self.fragment_count += 1;
        if self.fragment_count > FRAGMENTS_MAX {
            return Err(RecordError::TooManyFragments);
        }
        self.fragments.extend_from_slice(fragment.bytes());
        if !last {
            return Ok(None);
        }
        self.fragment_count = 0;
        Ok(Some(Record::from_vec(core::mem::take(&mut self.fragments))))
    }

    fn mark(&self) -> Option<(bool, usize)> {
        let pending = self.buffer.as_ref()?.get(self.start..self.end)?;
        let mark = u32::from_be_bytes(*pending.first_chunk::<MARK_BYTES>()?);
        Some((mark & LAST_FRAGMENT != 0, (mark & !LAST_FRAGMENT) as usize))
    }

    /// Bytes of the fragment that is arriving, mark and all, when known and within the limit.
    fn wanted(&self) -> usize {
        match self.mark() {
            Some((_, len)) if len <= self.limit => MARK_BYTES + len,
            _ => 0,
        }
    }

    fn has_room(&mut self, wanted: usize) -> bool {
        let (start, end) = (self.start, self.end);
        let Some(buffer) = self.buffer.as_mut() else { return false };
        if Arc::get_mut(buffer).is_none() {
            return false;
        }
        let capacity = buffer.len();
        if start == end && capacity == SLAB_BYTES {
            (self.start, self.end) = (0, 0);
            return true;
        }
        let known = wanted > 0 && start + wanted <= capacity && end < start + wanted;
        known || (wanted == 0 && capacity - end >= ROOM_MIN)
    }

    /// How far bytes may be put: in a large buffer not beyond its one record.
    fn upto(&self, wanted: usize) -> usize {
        let capacity = self.buffer.as_ref().map_or(0, |buffer| buffer.len());
        if self.filling.is_some() { (self.start + wanted).min(capacity) } else { capacity }
    }

    fn move_to_fresh(&mut self, wanted: usize, pool: &mut Buffers) -> Option<()> {
        let (mut fresh, filling) = if wanted > SLAB_BYTES {
            let (buffer, permit) = pool.large(wanted)?;
            (buffer, Some(permit))
        } else {
            (pool.slab(), None)
        };
        let pending = self.end - self.start;
        if let (Some(old), Some(room)) = (&self.buffer, Arc::get_mut(&mut fresh)) {
            room[..pending].copy_from_slice(&old[self.start..self.end]);
        }
        if let Some(old) = self.buffer.replace(fresh) {
            pool.put(old);
        }
        self.filling = filling;
        (self.start, self.end) = (0, pending);
        Some(())
    }
}
