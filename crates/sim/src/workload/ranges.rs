//! Ranges of open files: what is data and what a hole, room that is taken and given back, advice.

use holdfast_proto::nfs4::{
    AllocateArgs, Bitmap, DataContent, DeallocateArgs, IoAdvice, IoAdviseArgs, Op, OpBody, OpNum,
    ReadPlusArgs, ReadPlusContent, SeekArgs, Status,
};

use super::Actor;
use crate::checkers::sparse::{Found, Segment};
use crate::client::Done;
use crate::model::NodeId;
use crate::transition::{Ranged, SIZE_MAX};

/// What a CLONE's places are multiples of, and the least hole, as memory has it.
pub(super) const BLOCK: u64 = 64 << 10;

/// No step makes a file longer.
pub(super) const FILE_MAX: u64 = 3 * BLOCK;

/// Bytes of a range, most of the time.
const RANGE_MAX: u64 = 2_000;

/// The advice that is given.
const HINTS: [IoAdvice; 4] =
    [IoAdvice::SEQUENTIAL, IoAdvice::RANDOM, IoAdvice::WILLNEED, IoAdvice::DONTNEED];

impl Actor {
    pub(super) async fn range(&mut self, what: Ranged, at: usize, other: usize) {
        match what {
            Ranged::Seek => {
                let from = self.spot(at);
                let is_data = self.rng.chance(500);
                let what = if is_data { DataContent::DATA } else { DataContent::HOLE };
                self.seek(at, from, what).await;
            }
            Ranged::Map => self.map(at).await,
            Ranged::ReadPlus => self.read_plus(at).await,
            Ranged::WriteFar => {
                let offset = BLOCK * self.rng.between(1, 2) + self.rng.below(RANGE_MAX);
                let (len, unstable) = (self.rng.between(1, 700) as usize, self.rng.chance(650));
                self.write(at, offset, len, unstable).await;
            }
            Ranged::Allocate => self.allocate(at).await,
            Ranged::Deallocate => self.deallocate(at).await,
            Ranged::Advise => self.advise(at).await,
            Ranged::Copy => self.copy(at, other).await,
            Ranged::Clone => self.clone_range(at, other).await,
        }
    }

    fn size(&self, node: NodeId) -> u64 {
        self.model.bytes(node).map_or(0, |bytes| bytes.len() as u64)
    }

    /// Somewhere in an open file, or near its end.
    fn spot(&mut self, at: usize) -> u64 {
        let size = self.size(self.opens[at].node);
        match self.rng.below(8) {
            0 => 0,
            1 => BLOCK * self.rng.between(1, 2),
            2 => size + self.rng.below(3),
            _ => self.rng.below(size.max(1)),
        }
    }

    /// SEEK; answers what was found, if that is certain.
    async fn seek(&mut self, at: usize, from: u64, what: DataContent) -> Option<Found> {
        let node = self.opens[at].node;
        let seek = |stateid| Op::Seek(SeekArgs { stateid, offset: from, what });
        let (done, status, certain) = self.look_in(at, seek).await?;
        if !certain {
            return None;
        }
        let is_beyond = from >= self.size(node);
        let expected = if is_beyond { Status::NXIO } else { Status::OK };
        if !self.expect("SEEK", status, &[expected]) || is_beyond {
            return None;
        }
        let found = done.reply.find(OpNum::SEEK, |body| {
            let OpBody::Seek(ok) = body else { return None };
            Some(Found { eof: ok.eof, offset: ok.offset })
        })?;
        let kind = match (found.eof, what) {
            (true, _) => "nothing found",
            (false, DataContent::DATA) => "data found",
            (false, _) => "hole found",
        };
        self.sim.journal.count("ranges", kind);
        let bytes = self.model.bytes(node)?;
        self.sim.checkers.sparse.sought(&self.name, bytes, from, what, found);
        Some(found)
    }

    /// Goes from data to hole to data, to the end.
    async fn map(&mut self, at: usize) {
        let mut from = 0;
        while from < self.size(self.opens[at].node) && !self.sim.journal.is_broken() {
            let Some(data) = self.seek(at, from, DataContent::DATA).await else { return };
            if data.eof {
                return;
            }
            let Some(hole) = self.seek(at, data.offset, DataContent::HOLE).await else { return };
            self.sim.checkers.sparse.hole_behind(&self.name, data.offset, hole);
            from = hole.offset;
        }
    }

    async fn read_plus(&mut self, at: usize) {
        let (node, offset) = (self.opens[at].node, self.spot(at));
        let count = match self.rng.below(4) {
            0 => FILE_MAX as u32 + 1,
            _ => self.rng.below(RANGE_MAX) as u32,
        };
        let read = |stateid| Op::ReadPlus(ReadPlusArgs { stateid, offset, count });
        let Some((done, status, certain)) = self.look_in(at, read).await else { return };
        if self.expect("READ_PLUS", status, &[Status::OK]) && certain {
            self.compare_segments(node, (offset, count), &done);
        }
    }

    pub(super) fn compare_segments(&self, node: NodeId, (from, count): (u64, u32), done: &Done) {
        let Some(bytes) = self.model.bytes(node) else { return };
        let results = done.reply.results();
        let read = results.iter().find(|result| result.num == OpNum::READ_PLUS);
        let Some(OpBody::ReadPlus(ok)) = read.map(|result| &result.body) else { return };
        let segments: Vec<_> = ok.contents.iter().map(segment).collect();
        if segments.iter().any(|(_, content)| content.is_err()) {
            self.sim.journal.count("ranges", "hole read");
        }
        let range = (from, u64::from(count));
        self.sim.checkers.sparse.read(&self.name, bytes, range, (ok.eof, &segments));
    }

    /// A range to change, and how a server answers; sometimes it is none.
    fn range_to_change(&mut self, at: usize) -> ((u64, u64), Status) {
        let offset = self.spot(at).min(FILE_MAX);
        match self.rng.below(10) {
            0 => ((offset, 0), Status::INVAL),
            1 => ((offset + 1, u64::MAX), Status::INVAL),
            2 => ((offset, i64::MAX as u64 - offset + 1), Status::FBIG),
            3 => ((offset, (FILE_MAX - offset).max(1)), Status::OK),
            _ => {
                let len = self.rng.between(1, RANGE_MAX).min((FILE_MAX - offset).max(1));
                ((offset, len), Status::OK)
            }
        }
    }

    async fn allocate(&mut self, at: usize) {
        let node = self.opens[at].node;
        let (mut range, status) = self.range_to_change(at);
        // Files do not grow for nothing: what is read to the end costs time.
        range.1 = if status == Status::OK { range.1.min(SIZE_MAX) } else { range.1 };
        self.flush(node).await;
        let Some(at) = self.open_of(node) else { return };
        let (offset, length) = range;
        let allocate = |stateid| Op::Allocate(AllocateArgs { stateid, offset, length });
        let what = ("ALLOCATE", "allocate");
        let Some(done) = self.change_in(at, what, status, allocate).await else { return };
        if status != Status::OK {
            return self.sim.journal.count("ranges", "range refused");
        }
        self.sim.journal.count("ranges", "allocated");
        self.model.grow(node, (offset + length) as usize);
        self.compare(node, &done.reply);
    }

    async fn deallocate(&mut self, at: usize) {
        let node = self.opens[at].node;
        let ((offset, length), status) = self.range_to_change(at);
        self.flush(node).await;
        let Some(at) = self.open_of(node) else { return };
        let deallocate = |stateid| Op::Deallocate(DeallocateArgs { stateid, offset, length });
        let what = ("DEALLOCATE", "deallocate");
        let Some(done) = self.change_in(at, what, status, deallocate).await else { return };
        if status != Status::OK {
            return self.sim.journal.count("ranges", "range refused");
        }
        let zeroed = self.model.part(node, offset as usize, length as usize);
        if zeroed.iter().any(|byte| *byte != 0) {
            self.sim.journal.count("ranges", "zeroed");
        }
        self.model.zero(node, offset as usize, length as usize);
        self.compare(node, &done.reply);
    }

    /// IO_ADVISE: no advice is taken that was not given.
    async fn advise(&mut self, at: usize) {
        let (offset, count) = (self.spot(at), self.rng.below(RANGE_MAX));
        let given: Bitmap =
            HINTS.iter().filter(|_| self.rng.chance(500)).map(|hint| hint.0).collect();
        let advise = |stateid| Op::IoAdvise(IoAdviseArgs { stateid, offset, count, hints: given });
        let Some((done, status, _)) = self.look_in(at, advise).await else { return };
        if !self.expect("IO_ADVISE", status, &[Status::OK]) {
            return;
        }
        let taken = done.reply.find(OpNum::IO_ADVISE, |body| {
            let OpBody::IoAdvise(ok) = body else { return None };
            Some(ok.hints.iter().all(|hint| given.contains(hint)))
        });
        self.sim.checkers.tree.equal(&self.name, "advice taken", &taken, &Some(true));
        self.sim.journal.count("ranges", "advised");
    }
}

/// What the checker needs of a segment.
const fn segment<'a>(content: &ReadPlusContent<'a>) -> Segment<'a> {
    match content {
        ReadPlusContent::Data(data) => (data.offset, Ok(data.data)),
        ReadPlusContent::Hole(hole) => (hole.offset, Err(hole.length)),
    }
}
