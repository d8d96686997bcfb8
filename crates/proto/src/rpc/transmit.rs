//! What waits to be sent on a connection, in order.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::convert::Infallible;

/// Below this size a message is copied behind its neighbours, to leave in one send.
const COPY_BELOW: usize = 16 * 1024;
/// A segment of copied messages that is larger is followed by a new one.
const SEGMENT_TARGET: usize = 256 * 1024;

/// Segments of bytes to send. Small messages share a segment; a large one keeps its own. Between
/// them may be data that is elsewhere: `T` is what knows where.
#[derive(Debug)]
pub struct Transmit<T = Infallible> {
    segments: VecDeque<Segment<T>>,
    /// Bytes of the first segment that are sent.
    sent: usize,
    pending: usize,
    spare: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Segment<T> {
    Bytes { bytes: Vec<u8>, shared: bool },
    Elsewhere { data: T, len: usize },
}

impl<T> Segment<T> {
    const fn len(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            Self::Elsewhere { len, .. } => *len,
        }
    }

    /// Whether small messages may still be copied behind it.
    const fn has_room(&self) -> bool {
        matches!(self, Self::Bytes { bytes, shared: true } if bytes.len() < SEGMENT_TARGET)
    }

    const fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes { bytes, .. } => Some(bytes.as_slice()),
            Self::Elsewhere { .. } => None,
        }
    }
}

impl<T> Default for Transmit<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Transmit<T> {
    /// Nothing to send.
    pub const fn new() -> Self {
        Self { segments: VecDeque::new(), sent: 0, pending: 0, spare: None }
    }

    /// How many bytes wait.
    pub const fn pending(&self) -> usize {
        self.pending
    }

    /// Adds a message. Gives the vector back when its bytes were copied.
    pub fn push(&mut self, message: Vec<u8>) -> Option<Vec<u8>> {
        self.pending += message.len();
        if message.len() < COPY_BELOW {
            self.tail().extend_from_slice(&message);
            return Some(message);
        }
        self.segments.push_back(Segment::Bytes { bytes: message, shared: false });
        None
    }

    /// Adds `len` bytes that are elsewhere.
    pub fn push_elsewhere(&mut self, data: T, len: usize) {
        if len > 0 {
            self.pending += len;
            self.segments.push_back(Segment::Elsewhere { data, len });
        }
    }

    /// Adds a copy of a message.
    pub fn push_copy(&mut self, message: &[u8]) {
        self.pending += message.len();
        self.tail().extend_from_slice(message);
    }

    fn tail(&mut self) -> &mut Vec<u8> {
        let has_room = self.segments.back().is_some_and(Segment::has_room);
        if !has_room {
            let bytes = self.spare.take().unwrap_or_default();
            self.segments.push_back(Segment::Bytes { bytes, shared: true });
        }
        match self.segments.back_mut() {
            Some(Segment::Bytes { bytes, .. }) => bytes,
            Some(Segment::Elsewhere { .. }) | None => unreachable!("one was just pushed"),
        }
    }

    /// The bytes to send next, in order, as few slices as there are segments: up to what is
    /// elsewhere.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let skip = |at: usize| if at == 0 { self.sent } else { 0 };
        let bytes = self.segments.iter().map_while(Segment::bytes);
        bytes.enumerate().map(move |(at, bytes)| &bytes[skip(at)..])
    }

    /// What is to be sent next, where that is elsewhere, and how many bytes of it are left.
    pub fn elsewhere(&mut self) -> Option<(&mut T, usize)> {
        match self.segments.front_mut() {
            Some(Segment::Elsewhere { data, len }) => Some((data, *len - self.sent)),
            Some(Segment::Bytes { .. }) | None => None,
        }
    }

    /// Counts the first `n` bytes as sent.
    pub fn sent(&mut self, n: usize) {
        self.pending -= n.min(self.pending);
        self.sent += n;
        while let Some(first) = self.segments.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            if let Some(done) = self.segments.pop_front() {
                self.keep(done);
            }
        }
        self.sent = 0;
    }

    fn keep(&mut self, done: Segment<T>) {
        if let Segment::Bytes { mut bytes, shared: true } = done
            && bytes.capacity() <= 2 * SEGMENT_TARGET
        {
            bytes.clear();
            self.spare = Some(bytes);
        }
    }

    /// Frees what is kept for the next message.
    pub fn idle(&mut self) {
        self.spare = None;
        if self.segments.is_empty() {
            self.segments.shrink_to_fit();
        }
    }
}
