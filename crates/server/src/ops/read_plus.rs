//! READ_PLUS (RFC 7862 §15.10): data, and holes in place of zeros.

use holdfast_engine::limits;
use holdfast_engine::server::Share;
use holdfast_proto::nfs4::{DataContent, ReadPlusArgs, Status};
use holdfast_proto::xdr::Writer;
use holdfast_vfs::ReadSink;

use crate::ops::io;
use crate::request::Request;
use crate::status;

/// What there may be beside the data: the counts, a data segment, a hole, and a data segment again.
/// A further hole takes less room than its zeros.
const HEADERS: usize = 8 + 16 + 20 + 16 + 2 * 3;

/// Bytes of a hole that is told of: fewer are zeros, which costs a client less.
const HOLE_MIN: usize = 512;

/// READ_PLUS.
pub(super) async fn read_plus(rq: &mut Request, args: &ReadPlusArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let file = io::file_for(rq, &fh, &args.stateid, Share::READ).await?;
    let room = rq.room().saturating_sub(HEADERS);
    let asked = args.count.min(limits::IO_BYTES) as usize;
    let len = asked.min(room);
    if len == 0 && args.count > 0 {
        return Err(rq.too_big());
    }
    let eof_at = rq.out.reserve_u32();
    let count_at = rq.out.reserve_u32();
    let mut segments = Segments::new(&mut rq.out, args.offset);
    let fs = &rq.server.exports.get(&fh).fs;
    let end = fs.read_plus(&file, args.offset, len, &mut segments).await.map_err(status::of)?;
    if rq.cache_this && len < asked && end.count == len && !end.eof {
        // The client would take what fits for all that it asked to be kept.
        return Err(Status::REP_TOO_BIG_TO_CACHE);
    }
    let count = segments.finish();
    rq.out.patch_u32(eof_at, u32::from(end.eof));
    rq.out.patch_u32(count_at, count);
    Ok(())
}

/// A data segment that is being written.
struct Open {
    /// Where it begins in the reply.
    start: usize,
    /// Where its data begins, 4 bytes after the place of its length.
    data: usize,
}

/// Puts segments behind what the reply holds already.
struct Segments<'w> {
    w: &'w mut Writer,
    /// Where the next segment begins in the file.
    offset: u64,
    count: u32,
    open: Option<Open>,
    /// How far the reply is written.
    end: usize,
    /// Bytes of a hole that is not written yet: more of it may come.
    hole: usize,
}

impl<'w> Segments<'w> {
    const fn new(w: &'w mut Writer, offset: u64) -> Self {
        let end = w.position();
        Self { w, offset, count: 0, open: None, end, hole: 0 }
    }

    fn begin(&mut self, content: DataContent) {
        self.w.truncate(self.end);
        self.w.u32(content.0);
        self.w.u64(self.offset);
        self.count += 1;
    }

    fn open_data(&mut self) {
        if self.open.is_none() {
            let start = self.end;
            self.begin(DataContent::DATA);
            self.w.reserve_u32();
            self.end = self.w.position();
            self.open = Some(Open { start, data: self.end });
        }
    }

    fn close_data(&mut self) {
        let Some(open) = self.open.take() else { return };
        let len = self.end - open.data;
        if len == 0 {
            self.end = open.start;
            self.count -= 1;
        } else {
            self.w.truncate(self.end);
            self.w.pad(len);
            self.w.patch_u32(open.data - 4, len as u32);
            self.end = self.w.position();
            self.offset += len as u64;
        }
        self.w.truncate(self.end);
    }

    fn settle_hole(&mut self) {
        let len = std::mem::take(&mut self.hole);
        if len >= HOLE_MIN {
            self.close_data();
            self.begin(DataContent::HOLE);
            self.w.u64(len as u64);
            self.end = self.w.position();
            self.offset += len as u64;
        } else if len > 0 {
            self.open_data();
            self.w.truncate(self.end);
            self.w.padded_tail(len)[..len].fill(0);
            self.end += len;
        }
    }

    /// Completes the segments; answers how many there are: one at least, if only of nothing.
    fn finish(mut self) -> u32 {
        self.settle_hole();
        self.close_data();
        if self.count == 0 {
            self.begin(DataContent::DATA);
            self.w.u32(0);
        }
        self.count
    }
}

impl ReadSink for Segments<'_> {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.settle_hole();
        self.open_data();
        self.w.truncate(self.end);
        &mut self.w.padded_tail(len)[..len]
    }

    fn filled(&mut self, len: usize) {
        self.end = (self.end + len).min(self.w.position());
        self.w.truncate(self.end);
    }

    fn hole(&mut self, len: usize) {
        self.hole += len;
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::nfs4::{ReadPlusContent, ReadPlusData, ReadPlusHole, ReadPlusOk};
    use holdfast_proto::xdr::{Decode, Reader};

    use super::*;

    fn segments(fill: impl FnOnce(&mut Segments<'_>), check: impl FnOnce(&[ReadPlusContent<'_>])) {
        let mut w = Writer::default();
        w.bool(true);
        let at = w.reserve_u32();
        let mut segments = Segments::new(&mut w, 100);
        fill(&mut segments);
        let count = segments.finish();
        w.patch_u32(at, count);
        let mut r = Reader::new(w.bytes());
        let ok = ReadPlusOk::decode(&mut r).expect("it decodes");
        assert_eq!(r.remaining(), 0, "and nothing is left");
        check(&ok.contents);
    }

    const fn data(offset: u64, data: &[u8]) -> ReadPlusContent<'_> {
        ReadPlusContent::Data(ReadPlusData { offset, data })
    }

    #[test]
    fn data_and_holes_follow_each_other() {
        let fill = |s: &mut Segments<'_>| {
            s.hole(1000);
            s.hole(1000);
            s.bytes(b"abc");
            s.bytes(b"de");
            s.hole(600);
        };
        let hole = |offset, length| ReadPlusContent::Hole(ReadPlusHole { offset, length });
        segments(fill, |found| {
            assert_eq!(found, [hole(100, 2000), data(2100, b"abcde"), hole(2105, 600)]);
        });
    }

    #[test]
    fn a_small_hole_is_zeros() {
        let fill = |s: &mut Segments<'_>| {
            s.hole(2);
            s.bytes(b"a");
            s.hole(3);
            s.bytes(b"b");
            s.hole(1);
        };
        segments(fill, |found| assert_eq!(found, [data(100, b"\0\0a\0\0\0b\0")]));
    }

    #[test]
    fn nothing_is_a_segment_of_nothing() {
        segments(|_| {}, |found| assert_eq!(found, [data(100, b"")]));
        let nothing_filled = |s: &mut Segments<'_>| {
            s.buf(100)[0] = 1;
            s.filled(0);
        };
        segments(nothing_filled, |found| assert_eq!(found, [data(100, b"")]));
    }
}
