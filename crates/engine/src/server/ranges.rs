//! The byte ranges that one lock-owner holds on a file: disjoint, in order, split and merged as
//! POSIX has it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use holdfast_proto::nfs4::Status;

/// Bytes of a file, the first and the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte; the last that there can be stands for "to the end".
    pub last: u64,
}

impl ByteRange {
    /// The range of `length` bytes at `offset`; a length of all ones is to the end.
    ///
    /// # Errors
    /// `INVAL`: no bytes, or more than there can be (RFC 8881 §18.10.3).
    pub const fn new(offset: u64, length: u64) -> Result<Self, Status> {
        if length == u64::MAX {
            return Ok(Self { first: offset, last: u64::MAX });
        }
        match offset.checked_add(length) {
            Some(end) if length != 0 => Ok(Self { first: offset, last: end - 1 }),
            _ => Err(Status::INVAL),
        }
    }

    /// How many bytes, as the protocol says it: all ones is to the end.
    pub const fn length(self) -> u64 {
        if self.last == u64::MAX { u64::MAX } else { self.last - self.first + 1 }
    }

    /// Whether some byte is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The smallest range that both are in.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// What a lock lets others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Shared: others may have it as well.
    Read,
    /// Exclusive.
    Write,
}

impl LockKind {
    /// Whether two owners cannot both have a byte so.
    pub const fn conflicts(self, other: Self) -> bool {
        matches!(self, Self::Write) || matches!(other, Self::Write)
    }
}

/// A range that is held, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRange {
    /// The bytes.
    pub range: ByteRange,
    /// How they are held.
    pub kind: LockKind,
}

/// A piece of a range, and how it is held at the most, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The bytes.
    pub range: ByteRange,
    /// How they are held.
    pub kind: Option<LockKind>,
}

/// One owner's ranges. One operation adds at most [`Ranges::GROWTH`] to their number.
#[derive(Debug, Default)]
pub struct Ranges {
    /// By first byte: the last byte, and how the range is held.
    held: BTreeMap<u64, (u64, LockKind)>,
}

impl Ranges {
    /// By how many ranges an operation can add to their number: one is cut out of the middle of
    /// another.
    pub const GROWTH: usize = 2;

    /// None.
    pub const fn new() -> Self {
        Self { held: BTreeMap::new() }
    }

    /// Holds a range, in place of what was held of it.
    pub fn set(&mut self, range: ByteRange, kind: LockKind) {
        self.clear(range);
        let ByteRange { mut first, mut last } = range;
        if let Some((&before, &(end, of))) = self.held.range(..first).next_back()
            && end.checked_add(1) == Some(first)
            && of == kind
        {
            first = before;
        }
        if let Some(next) = last.checked_add(1)
            && let Some(&(end, of)) = self.held.get(&next)
            && of == kind
        {
            self.held.remove(&next);
            last = end;
        }
        self.held.insert(first, (last, kind));
    }

    /// Holds nothing of a range any more.
    pub fn clear(&mut self, range: ByteRange) {
        if let Some((&first, &(last, kind))) = self.held.range(..range.first).next_back()
            && last >= range.first
        {
            self.held.insert(first, (range.first - 1, kind));
            self.keep_tail(range, last, kind);
        }
        while let Some((&first, &(last, kind))) = self.held.range(range.first..=range.last).next() {
            self.held.remove(&first);
            self.keep_tail(range, last, kind);
        }
    }

    /// Whether to hold nothing of a range any more makes two ranges of one.
    pub fn splits(&self, range: ByteRange) -> bool {
        let before = self.held.range(..range.first).next_back();
        before.is_some_and(|(_, (last, _))| *last > range.last)
    }

    /// Keeps what a range that was cut at `cut` has behind it.
    fn keep_tail(&mut self, cut: ByteRange, last: u64, kind: LockKind) {
        if last > cut.last {
            self.held.insert(cut.last + 1, (last, kind));
        }
    }

    /// The ranges that overlap `range`, in order.
    fn overlapping(&self, range: ByteRange) -> impl Iterator<Item = HeldRange> {
        let before = self.held.range(..range.first).next_back();
        let inside = self.held.range(range.first..=range.last);
        before
            .into_iter()
            .chain(inside)
            .map(|(first, (last, kind))| HeldRange {
                range: ByteRange { first: *first, last: *last },
                kind: *kind,
            })
            .filter(move |held| held.range.overlaps(range))
    }

    /// The first range that overlaps `range` and keeps others from holding it as `kind`.
    pub fn conflict(&self, range: ByteRange, kind: LockKind) -> Option<HeldRange> {
        self.overlapping(range).find(|held| held.kind.conflicts(kind))
    }

    /// What is held of a range, in order.
    pub fn within(&self, range: ByteRange) -> impl Iterator<Item = HeldRange> {
        self.overlapping(range).map(move |held| {
            let ByteRange { first, last } = held.range;
            let range = ByteRange { first: first.max(range.first), last: last.min(range.last) };
            HeldRange { range, kind: held.kind }
        })
    }

    /// A range in pieces: what is held of it, and what is not.
    pub fn segments(&self, range: ByteRange) -> Vec<Segment> {
        let (mut segments, mut next) = (Vec::new(), Some(range.first));
        for HeldRange { range: ByteRange { first, last }, kind } in self.within(range) {
            if let Some(free) = next.filter(|next| *next < first) {
                let range = ByteRange { first: free, last: first - 1 };
                segments.push(Segment { range, kind: None });
            }
            segments.push(Segment { range: ByteRange { first, last }, kind: Some(kind) });
            next = last.checked_add(1);
        }
        if let Some(free) = next.filter(|next| *next <= range.last) {
            segments.push(Segment { range: ByteRange { first: free, ..range }, kind: None });
        }
        segments
    }

    /// From the first byte that is held to the last.
    pub fn hull(&self) -> Option<ByteRange> {
        let ((first, _), (_, (last, _))) =
            (self.held.first_key_value()?, self.held.last_key_value()?);
        Some(ByteRange { first: *first, last: *last })
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
#[path = "ranges/tests.rs"]
mod tests;
