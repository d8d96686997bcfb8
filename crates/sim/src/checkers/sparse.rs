//! What a server says of holes: they are zeros, data and holes follow each other, and the end is
//! where the file ends.

use holdfast_proto::nfs4::DataContent;

use crate::journal::Journal;

/// What SEEK answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether the end of the file came first.
    pub eof: bool,
    /// Where it is.
    pub offset: u64,
}

/// A part of what READ_PLUS answered: where it begins, and its bytes or how many zeros it is.
pub type Segment<'a> = (u64, Result<&'a [u8], u64>);

/// The checker.
pub struct Sparse {
    journal: Journal,
}

impl Sparse {
    /// Nothing was said yet.
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
    }

    fn wrong(&self, who: &str, message: &str) {
        self.journal.violation("sparse", format!("{who}: {message}"));
    }

    /// SEEK from a place in these bytes.
    pub fn sought(&self, who: &str, bytes: &[u8], from: u64, what: DataContent, found: Found) {
        let (size, Found { eof, offset }) = (bytes.len() as u64, found);
        let is_there = if eof { offset == size } else { offset >= from && offset < size };
        let skipped = bytes.get(from as usize..offset as usize);
        let is_right = match what {
            DataContent::DATA => skipped.is_some_and(is_zero),
            _ => bytes.get(offset as usize).is_none_or(|byte| *byte == 0),
        };
        if !(is_there && is_right) {
            self.wrong(who, &format!("{what:?} from {from} of {size}: {found:?}"));
        }
    }

    /// SEEK for a hole from where SEEK has found data.
    pub fn hole_behind(&self, who: &str, data: u64, hole: Found) {
        if hole.offset <= data {
            self.wrong(who, &format!("data at {data}, and behind it {hole:?}"));
        }
    }

    /// READ_PLUS of a range of these bytes: the whole range, as far as the file goes.
    pub fn read(
        &self,
        who: &str,
        bytes: &[u8],
        (from, count): (u64, u64),
        (eof, segments): (bool, &[Segment<'_>]),
    ) {
        let size = bytes.len() as u64;
        let expected = from.max(size.min(from.saturating_add(count)));
        let mut at = from;
        for (offset, content) in segments {
            let len = content.map_or_else(|zeros| zeros, |data| data.len() as u64);
            let should = bytes.get(at as usize..at.saturating_add(len) as usize);
            let is_right = should.map_or(len == 0, |should| match content {
                Ok(data) => *data == should,
                Err(_) => is_zero(should),
            });
            if *offset != at || !is_right {
                let kind = if content.is_ok() { "data" } else { "hole" };
                return self.wrong(who, &format!("{len} of {kind} at {offset}, read to {at}"));
            }
            at += len;
        }
        if at != expected || eof != (expected >= size) {
            let what = format!("read {from} to {at} of {size}, {count} asked for, end: {eof}");
            self.wrong(who, &what);
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    const BYTES: &[u8] = b"ab\0\0c\0";

    fn said(history: impl FnOnce(&Sparse)) -> usize {
        verdicts(Sparse::new, history).len()
    }

    #[test]
    fn data_is_not_skipped_and_holes_are_zeros() {
        let sought = |from, what, eof, offset| {
            said(|sparse| sparse.sought("u", BYTES, from, what, Found { eof, offset }))
        };
        assert_eq!(sought(2, DataContent::DATA, false, 4), 0);
        assert_eq!(sought(2, DataContent::DATA, false, 2), 0, "zeros may be data");
        assert_eq!(sought(5, DataContent::DATA, true, 6), 0);
        assert_eq!(sought(2, DataContent::DATA, true, 6), 1, "there is data");
        assert_eq!(sought(2, DataContent::DATA, false, 5), 1);
        assert_eq!(sought(2, DataContent::DATA, false, 1), 1, "before where it began");
        assert_eq!(sought(0, DataContent::HOLE, false, 2), 0);
        assert_eq!(sought(0, DataContent::HOLE, true, 6), 0);
        assert_eq!(sought(0, DataContent::HOLE, false, 1), 1);
        assert_eq!(sought(0, DataContent::HOLE, false, 6), 1, "the end, and it does not say so");
        assert_eq!(sought(0, DataContent::HOLE, true, 7), 1);
    }

    #[test]
    fn where_data_is_no_hole_is() {
        let behind =
            |offset| said(|sparse| sparse.hole_behind("u", 4, Found { eof: false, offset }));
        assert_eq!((behind(5), behind(4)), (0, 1));
    }

    #[test]
    fn segments_are_the_bytes_one_after_the_other() {
        let read = |range, eof, segments: &[Segment<'_>]| {
            said(|sparse| sparse.read("u", BYTES, range, (eof, segments)))
        };
        let all: [Segment<'_>; 3] = [(0, Ok(b"ab")), (2, Err(2)), (4, Ok(b"c\0"))];
        assert_eq!(read((0, 100), true, &all), 0);
        assert_eq!(read((0, 6), true, &all), 0);
        assert_eq!(read((0, 4), false, &all[..2]), 0);
        assert_eq!(read((9, 4), true, &[(9, Ok(b""))]), 0);
        assert_eq!(read((0, 100), false, &all), 1, "it is the end");
        assert_eq!(read((0, 100), true, &all[..2]), 1, "there is more");
        assert_eq!(read((0, 100), false, &[(0, Err(2))]), 1, "data in a hole");
        assert_eq!(read((0, 2), false, &[(0, Ok(b"ax"))]), 1);
        assert_eq!(read((0, 2), false, &[(1, Ok(b"ab"))]), 1);
        assert_eq!(read((4, 9), true, &[(4, Ok(b"c\0\0"))]), 1, "beyond the end");
    }
}
