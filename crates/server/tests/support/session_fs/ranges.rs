//! The operations of NFSv4.2 on ranges of files.

use holdfast_proto::nfs4::{
    AllocateArgs, Bitmap, CloneArgs, CopyArgs, DataContent, DeallocateArgs, IoAdvice, IoAdviseArgs,
    Op, OpBody, ReadPlusArgs, ReadPlusContent, SeekArgs,
};
use holdfast_vfs::{Advice, Content, Cred, Error, File, ReadEnd, ReadSink, Result, Written};

use super::SessionFs;
use super::convert::stable_of;
use super::open_file::OpenFile;
use crate::support::client::Reply;
use crate::support::ops;

impl SessionFs {
    /// Falls back to READ where READ_PLUS is not offered, as clients do.
    pub(super) fn read_pieces(
        &self,
        file: &File,
        offset: u64,
        len: usize,
        sink: &mut dyn ReadSink,
    ) -> Result<ReadEnd> {
        let open = readable(file)?;
        let count = u32::try_from(len).unwrap_or(u32::MAX);
        let op = Op::ReadPlus(ReadPlusArgs { stateid: open.stateid(), offset, count });
        let answer = match self.on(&open.cred, open, op) {
            Err(Error::NotSupported) => return self.read_some(file, offset, len, sink),
            answer => answer?,
        };
        let OpBody::ReadPlus(ok) = answer.last_ok() else { return Err(Error::Io) };
        let mut at = offset;
        for content in &ok.contents {
            let (from, len) = match content {
                ReadPlusContent::Data(part) => {
                    sink.bytes(part.data);
                    (part.offset, part.data.len())
                }
                ReadPlusContent::Hole(hole) => {
                    let len = usize::try_from(hole.length).map_err(|_| Error::Io)?;
                    sink.hole(len);
                    (hole.offset, len)
                }
            };
            assert_eq!(from, at, "the segments follow each other");
            at += len as u64;
        }
        Ok(ReadEnd { count: (at - offset) as usize, eof: ok.eof })
    }

    pub(super) fn find(&self, file: &File, offset: u64, what: Content) -> Result<Option<u64>> {
        let open = readable(file)?;
        let content = match what {
            Content::Data => DataContent::DATA,
            Content::Hole => DataContent::HOLE,
        };
        let op = Op::Seek(SeekArgs { stateid: open.stateid(), offset, what: content });
        let answer = self.on(&open.cred, open, op)?;
        let OpBody::Seek(ok) = answer.last_ok() else { return Err(Error::Io) };
        Ok((what == Content::Hole || !ok.eof).then_some(ok.offset))
    }

    pub(super) fn give_room(
        &self,
        cred: &Cred,
        file: &File,
        (offset, length): (u64, u64),
    ) -> Result<()> {
        let open: &OpenFile = file.get()?;
        let op = Op::Allocate(AllocateArgs { stateid: open.stateid(), offset, length });
        self.on(cred, open, op).map(drop)
    }

    pub(super) fn punch(
        &self,
        cred: &Cred,
        file: &File,
        (offset, length): (u64, u64),
    ) -> Result<()> {
        let open: &OpenFile = file.get()?;
        let op = Op::Deallocate(DeallocateArgs { stateid: open.stateid(), offset, length });
        self.on(cred, open, op).map(drop)
    }

    pub(super) fn share(
        &self,
        cred: &Cred,
        (source, src_offset): (&File, u64),
        (target, dst_offset): (&File, u64),
        count: u64,
    ) -> Result<()> {
        let (source, target) = (readable(source)?, target.get::<OpenFile>()?);
        let (src_stateid, dst_stateid) = (source.stateid(), target.stateid());
        let op = CloneArgs { src_stateid, dst_stateid, src_offset, dst_offset, count };
        self.between(cred, source, target, Op::Clone(op)).map(drop)
    }

    pub(super) fn copy_some(
        &self,
        cred: &Cred,
        (source, src_offset): (&File, u64),
        (target, dst_offset): (&File, u64),
        len: u64,
    ) -> Result<Written> {
        let (source, target) = (readable(source)?, target.get::<OpenFile>()?);
        // A client knows how long the source is (RFC 7862 §15.2.3).
        let attr = self.attr(cred, &source.node)?;
        let op = CopyArgs {
            src_stateid: source.stateid(),
            dst_stateid: target.stateid(),
            src_offset,
            dst_offset,
            count: len.min(attr.size.saturating_sub(src_offset)),
            consecutive: true,
            synchronous: true,
            source_server: Vec::new(),
        };
        let answer = self.between(cred, source, target, Op::Copy(Box::new(op)))?;
        let OpBody::Copy(ok) = answer.last_ok() else { return Err(Error::Io) };
        assert!(ok.requirements.consecutive && ok.requirements.synchronous);
        assert_eq!(ok.response.callback_id, None);
        Ok(Written {
            count: ok.response.count as usize,
            stability: stable_of(ok.response.committed)?,
            verifier: u64::from_be_bytes(ok.response.writeverf.0),
        })
    }

    pub(super) fn hint(
        &self,
        file: &File,
        (offset, count): (u64, u64),
        advice: Advice,
    ) -> Result<()> {
        let open: &OpenFile = file.get()?;
        let hint = match advice {
            Advice::Normal => IoAdvice::NORMAL,
            Advice::Sequential => IoAdvice::SEQUENTIAL,
            Advice::Random => IoAdvice::RANDOM,
            Advice::WillNeed => IoAdvice::WILLNEED,
            Advice::DontNeed => IoAdvice::DONTNEED,
            Advice::NoReuse => IoAdvice::NOREUSE,
        };
        let hints = Bitmap::of(&[hint.0]);
        let op = Op::IoAdvise(IoAdviseArgs { stateid: open.stateid(), offset, count, hints });
        let answer = self.on(&open.cred, open, op)?;
        let OpBody::IoAdvise(ok) = answer.last_ok() else { return Err(Error::Io) };
        if ok.hints.contains(hint.0) { Ok(()) } else { Err(Error::NotSupported) }
    }

    fn on(&self, cred: &Cred, file: &OpenFile, op: Op<'_>) -> Result<Reply> {
        self.wire.run(cred, &[ops::put(file.node.as_slice()), op])
    }

    fn between(
        &self,
        cred: &Cred,
        source: &OpenFile,
        target: &OpenFile,
        op: Op<'_>,
    ) -> Result<Reply> {
        let (source, target) = (source.node.as_slice(), target.node.as_slice());
        self.wire.run(cred, &[ops::put(source), Op::SaveFh, ops::put(target), op])
    }
}

/// The open file, if its user may read it: here as well it is the client that holds him to it.
fn readable(file: &File) -> Result<&OpenFile> {
    let open: &OpenFile = file.get()?;
    if open.mode.read { Ok(open) } else { Err(Error::AccessDenied) }
}
