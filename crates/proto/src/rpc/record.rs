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

/// What became of the bytes of a fragment.
enum Step {
    /// They made a record whole.
    Record(Record),
    /// The next fragment follows.
    Fragment,
    /// More bytes must come, or a buffer for them.
    Wait,
}

/// Cuts records out of a byte stream. Nothing is allocated for a length that a peer only claims:
/// the memory of a large buffer is touched when its bytes arrive.
#[derive(Debug)]
pub struct RecordReader {
    buffer: Option<Arc<Vec<u8>>>,
    filling: Option<Permit>,
    start: usize,
    end: usize,
    joining: Option<Joining>,
    limit: usize,
}

/// A record in several fragments: their bytes move here as they arrive.
#[derive(Debug)]
struct Joining {
    bytes: Joined,
    fragments: u32,
    /// Of the fragment that is arriving.
    left: usize,
    is_last: bool,
    /// It has outgrown its place, and the pool has no large buffer now.
    is_starved: bool,
}

#[derive(Debug)]
enum Joined {
    /// Up to [`SLAB_BYTES`].
    Small(Vec<u8>),
    /// A large buffer and how many bytes are in it.
    Large(Arc<Vec<u8>>, Permit, usize),
}

impl Joined {
    fn len(&self) -> usize {
        match self {
            Self::Small(bytes) => bytes.len(),
            Self::Large(_, _, len) => *len,
        }
    }

    /// Adds bytes; `false`: the pool has no buffer for so many.
    fn add(&mut self, more: &[u8], limit: usize, pool: &mut Buffers) -> bool {
        if let Self::Small(bytes) = self
            && bytes.len() + more.len() > SLAB_BYTES
        {
            let Some((mut large, permit)) = pool.large(limit) else { return false };
            if let Some(room) = Arc::get_mut(&mut large) {
                room[..bytes.len()].copy_from_slice(bytes);
            }
            *self = Self::Large(large, permit, bytes.len());
        }
        match self {
            Self::Small(bytes) => bytes.extend_from_slice(more),
            Self::Large(large, _, len) => {
                if let Some(room) = Arc::get_mut(large) {
                    room[*len..*len + more.len()].copy_from_slice(more);
                }
                *len += more.len();
            }
        }
        true
    }

    /// The record; the pool has its buffer again when it is dropped.
    fn finish(self, pool: &mut Buffers) -> Record {
        match self {
            Self::Small(bytes) => Record::from_vec(bytes),
            Self::Large(buffer, _permit, end) => {
                pool.lend(buffer.clone());
                Record { buffer, start: 0, end }
            }
        }
    }
}

impl RecordReader {
    /// A reader that takes records of up to `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { buffer: None, filling: None, start: 0, end: 0, joining: None, limit }
    }

    /// Whether a part of a record has arrived.
    pub const fn is_partial(&self) -> bool {
        self.end > self.start || self.joining.is_some()
    }

    /// Room for the next bytes of the stream; `None` while the pool has no buffer large enough:
    /// ask [`RecordReader::next_record`] first when it may have one again.
    pub fn space<'a>(&'a mut self, pool: &mut Buffers) -> Option<&'a mut [u8]> {
        if self.joining.as_ref().is_some_and(|joining| joining.is_starved) {
            return None;
        }
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
            if self.joining.as_ref().is_some_and(|joining| joining.left > 0 || joining.is_last) {
                match self.join(pool) {
                    Step::Record(record) => return Ok(Some(record)),
                    Step::Wait => return Ok(None),
                    Step::Fragment => {}
                }
            }
            let Some((is_last, len)) = self.mark() else { return Ok(None) };
            let joined = self.joining.as_ref().map_or(0, |joining| joining.bytes.len());
            if len > self.limit || joined + len > self.limit {
                return Err(RecordError::TooLong { limit: self.limit });
            }
            if self.joining.is_some() || !is_last {
                self.begin_fragment(len, is_last)?;
                continue;
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
            return Ok(Some(record));
        }
    }

    /// Takes the mark of a fragment of a record that has several.
    fn begin_fragment(&mut self, len: usize, is_last: bool) -> Result<(), RecordError> {
        let joining = self.joining.get_or_insert_with(|| Joining {
            bytes: Joined::Small(Vec::new()),
            fragments: 0,
            left: 0,
            is_last: false,
            is_starved: false,
        });
        joining.fragments += 1;
        if joining.fragments > FRAGMENTS_MAX {
            return Err(RecordError::TooManyFragments);
        }
        (joining.left, joining.is_last) = (len, is_last);
        self.start += MARK_BYTES;
        Ok(())
    }

    /// Moves what has arrived of a fragment to the fragments before it.
    fn join(&mut self, pool: &mut Buffers) -> Step {
        let Some(joining) = &mut self.joining else { return Step::Fragment };
        let arrived = self.buffer.as_ref().and_then(|buffer| buffer.get(self.start..self.end));
        let arrived = arrived.unwrap_or_default();
        let now = &arrived[..arrived.len().min(joining.left)];
        joining.is_starved = !joining.bytes.add(now, self.limit, pool);
        if joining.is_starved {
            return Step::Wait;
        }
        self.start += now.len();
        joining.left -= now.len();
        match (joining.left, joining.is_last) {
            (0, true) => {
                let done = self.joining.take();
                done.map_or(Step::Wait, |done| Step::Record(done.bytes.finish(pool)))
            }
            (0, false) => Step::Fragment,
            _ => Step::Wait,
        }
    }

    fn mark(&self) -> Option<(bool, usize)> {
        let pending = self.buffer.as_ref()?.get(self.start..self.end)?;
        let mark = u32::from_be_bytes(*pending.first_chunk::<MARK_BYTES>()?);
        Some((mark & LAST_FRAGMENT != 0, (mark & !LAST_FRAGMENT) as usize))
    }

    /// Bytes of the record that is arriving, mark and all, when known and within the limit, and
    /// in one fragment: others are joined elsewhere.
    fn wanted(&self) -> usize {
        match self.mark() {
            Some((true, len)) if len <= self.limit && self.joining.is_none() => MARK_BYTES + len,
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
