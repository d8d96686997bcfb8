//! What waits to be sent on a connection, in order.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Below this size a message is copied behind its neighbours, to leave in one send.
const COPY_BELOW: usize = 16 * 1024;
/// A segment of copied messages that is larger is followed by a new one.
const SEGMENT_TARGET: usize = 256 * 1024;

/// Segments of bytes to send. Small messages share a segment; a large one keeps its own.
#[derive(Debug, Default)]
pub struct Transmit {
    segments: VecDeque<Segment>,
    sent: usize,
    pending: usize,
    spare: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    shared: bool,
}

impl Transmit {
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
        self.segments.push_back(Segment { bytes: message, shared: false });
        None
    }

    /// Adds a copy of a message.
    pub fn push_copy(&mut self, message: &[u8]) {
        self.pending += message.len();
        self.tail().extend_from_slice(message);
    }

    fn tail(&mut self) -> &mut Vec<u8> {
        let open = |s: &Segment| s.shared && s.bytes.len() < SEGMENT_TARGET;
        if !self.segments.back().is_some_and(open) {
            let bytes = self.spare.take().unwrap_or_default();
            self.segments.push_back(Segment { bytes, shared: true });
        }
        let last = self.segments.len() - 1;
        &mut self.segments[last].bytes
    }

    /// The bytes to send, in order, as few slices as there are segments.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let skip = |at: usize| if at == 0 { self.sent } else { 0 };
        self.segments.iter().enumerate().map(move |(at, s)| &s.bytes[skip(at)..])
    }

    /// Counts the first `n` bytes as sent.
    pub fn sent(&mut self, n: usize) {
        self.pending -= n.min(self.pending);
        self.sent += n;
        while let Some(first) = self.segments.front() {
            if self.sent < first.bytes.len() {
                return;
            }
            self.sent -= first.bytes.len();
            if let Some(done) = self.segments.pop_front() {
                self.keep(done);
            }
        }
        self.sent = 0;
    }

    fn keep(&mut self, done: Segment) {
        if done.shared && done.bytes.capacity() <= 2 * SEGMENT_TARGET {
            let mut bytes = done.bytes;
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
