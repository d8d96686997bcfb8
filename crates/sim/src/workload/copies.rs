//! COPY and CLONE from one open file to another, or to itself where that is refused.

use holdfast_proto::nfs4::{CloneArgs, CopyArgs, Op, OpBody, OpNum, StableHow, Stateid, Status};

use super::data::{is_state_lost, newest};
use super::names::{compared, put};
use super::ranges::{BLOCK, FILE_MAX};
use super::{AGAIN, Actor, Unsafe};
use crate::client::Done;
use crate::client::held::Held;
use crate::model::NodeId;
use crate::rng::Rng;

/// Bytes of most copies.
const COPY_MAX: u64 = 9_000;

/// A range of one file, and its place in another.
#[derive(Clone, Copy, Debug)]
struct Wish {
    source: NodeId,
    target: NodeId,
    from: u64,
    to: u64,
    /// As the request has it: 0 is to the source's end.
    count: u64,
}

/// Why a request for two files has no answer that counts.
enum Without {
    /// The storage refused, and nothing was done; or the answer was wrong.
    Refused,
    /// A file is gone. `true`: the request may have been executed.
    Gone(bool),
}

/// How a server copies: the length, or the status that refuses it.
fn copies(wish: &Wish, size: u64) -> Result<u64, Status> {
    if wish.source == wish.target {
        return Err(Status::INVAL);
    }
    let left = size.checked_sub(wish.from).ok_or(Status::INVAL)?;
    match wish.count {
        0 => Ok(left),
        count if count <= left => Ok(count),
        _ => Err(Status::INVAL),
    }
}

/// How memory clones: the length, or the status that refuses it.
fn clones(wish: &Wish, (source, target): (u64, u64)) -> Result<u64, Status> {
    let left = source.checked_sub(wish.from).ok_or(Status::INVAL)?;
    let len = if wish.count == 0 { left } else { wish.count };
    let is_whole = len.is_multiple_of(BLOCK);
    let are_placed = wish.from.is_multiple_of(BLOCK) && wish.to.is_multiple_of(BLOCK);
    let overlaps = wish.source == wish.target && wish.from.abs_diff(wish.to) < len;
    let fits = is_whole || (len == left && wish.to + len >= target);
    if len <= left && are_placed && fits && !overlaps { Ok(len) } else { Err(Status::INVAL) }
}

impl Actor {
    fn len_of(&self, node: NodeId) -> u64 {
        self.model.bytes(node).map_or(0, |bytes| bytes.len() as u64)
    }

    /// A request from one open file to another, until its answer is certain and of state that
    /// the server has; and how often the storage had crashed before it was sent.
    async fn between<'a>(
        &mut self,
        wish: &Wish,
        maybe: &mut bool,
        op: impl Fn(Stateid, Stateid) -> Op<'a>,
    ) -> Result<(Done, Status, u64), Without> {
        loop {
            let crashes = self.client.host.disk.crashes();
            let ats = (self.open_of(wish.source), self.open_of(wish.target));
            let (Some(source), Some(target)) = ats else { return Err(Without::Gone(*maybe)) };
            let (from, to) = (self.held(source), self.held(target));
            let op = op(newest(&from), newest(&to));
            let num = op.num();
            let ops = [put(&from.handle), Op::SaveFh, put(&to.handle), op, compared()];
            let (done, status, in_doubt) = self.change_again(&ops, num, *maybe).await;
            *maybe = in_doubt;
            if is_state_lost(status) {
                self.reopen_old(wish, [&from, &to], &done, status).await;
                if self.sim.journal.is_broken() {
                    return Err(Without::Refused);
                }
                continue;
            }
            if self.refused(status) {
                return Err(Without::Refused);
            }
            if status == Status::OK {
                self.used(&from, &done);
                self.used(&to, &done);
            }
            return Ok((done, status, crashes));
        }
    }

    /// Opens again which of two opens is older than the answer that does not know one of them.
    async fn reopen_old(&mut self, wish: &Wish, pair: [&Held; 2], done: &Done, status: Status) {
        let is_old =
            |held: &Held| held.epoch != done.epoch || held.generation != done.reply.generation;
        if !pair.into_iter().any(is_old) {
            self.lost(pair[0], done, status);
        }
        for (node, held) in [wish.source, wish.target].into_iter().zip(pair) {
            if let Some(at) = self.open_of(node).filter(|_| is_old(held)) {
                self.reopen(at, held).await;
            }
        }
    }

    fn draw_copy(&mut self, source: NodeId, target: NodeId) -> Wish {
        let size = self.len_of(source);
        let from = if self.rng.chance(300) { 0 } else { self.rng.below(size + 1) };
        let left = size - from;
        let most = if self.rng.chance(200) { left } else { left.min(COPY_MAX) };
        let count = match self.rng.below(10) {
            0 => left + 1,
            1..3 if left <= COPY_MAX => 0,
            _ if left == 0 => 0,
            _ => self.rng.between(1, most),
        };
        let to = match self.rng.below(4) {
            0 => BLOCK * self.rng.between(1, 2),
            _ => self.rng.below(COPY_MAX),
        };
        let to = if to + left > FILE_MAX { 0 } else { to };
        Wish { source, target, from, to, count }
    }

    pub(super) async fn copy(&mut self, at: usize, other: usize) {
        let (source, target) = (self.opens[at].node, self.opens[other].node);
        let mut wish = self.draw_copy(source, target);
        self.sim.journal.line(&self.name, || format!("{wish:?}"));
        // What is copied is what the server has.
        self.flush(source).await;
        let mut left = match copies(&wish, self.len_of(source)) {
            Ok(len) => len,
            Err(status) => return self.copy_refused(&wish, status).await,
        };
        let mut maybe = false;
        loop {
            match self.copy_once(&wish, left, &mut maybe).await {
                Ok(count) => {
                    left -= count;
                    if left == 0 {
                        return self.sim.journal.count("ranges", "copied");
                    }
                    self.sim.journal.count("ranges", "copied in part");
                    (wish.from, wish.to, wish.count) = (wish.from + count, wish.to + count, left);
                }
                Err(Without::Gone(true)) => return self.settle_copy(&wish, left).await,
                Err(Without::Refused | Without::Gone(false)) => return,
            }
        }
    }

    async fn copy_refused(&mut self, wish: &Wish, status: Status) {
        let answer = self.between(wish, &mut false, |from, to| copy_op(wish, from, to)).await;
        if let Ok((_, got, _)) = answer {
            self.expect("COPY", got, &[status]);
            self.sim.journal.count("ranges", "copy refused");
        }
    }

    /// COPY of what is left: how much of it was copied.
    async fn copy_once(
        &mut self,
        wish: &Wish,
        left: u64,
        maybe: &mut bool,
    ) -> Result<u64, Without> {
        let (done, status, crashes) =
            self.between(wish, maybe, |from, to| copy_op(wish, from, to)).await?;
        if !self.expect("COPY", status, &[Status::OK]) {
            return Err(Without::Refused);
        }
        self.sim.checkers.exactly_once.succeeded(done.tag, "copy_range");
        let ok = done.reply.find(OpNum::COPY, |body| {
            let OpBody::Copy(ok) = body else { return None };
            let (how, in_line) = (&ok.response, ok.requirements.synchronous);
            Some((how.count, how.committed, how.writeverf, in_line))
        });
        let (count, committed, verifier, in_line) = ok.ok_or(Without::Refused)?;
        let is_some = count <= left && (count > 0 || left == 0);
        self.sim.checkers.tree.equal(&self.name, "some was copied", &is_some, &true);
        self.sim.checkers.tree.equal(&self.name, "copied in line", &in_line, &true);
        if !is_some {
            return Err(Without::Refused);
        }
        self.verifier(&done, verifier, crashes);
        let data = self.model.part(wish.source, wish.from as usize, count as usize).to_vec();
        if count > 0 {
            self.model.write(wish.target, wish.to as usize, &data);
        }
        if committed != StableHow::FILE_SYNC || self.dirty.contains_key(&wish.target) {
            let written = Unsafe { offset: wish.to, data, verifier, crashes };
            self.dirty.entry(wish.target).or_default().push(written);
        }
        self.compare(wish.target, &done.reply);
        Ok(count)
    }

    fn draw_clone(&mut self, source: NodeId, target: NodeId) -> Wish {
        let size = self.len_of(source);
        let place = |rng: &mut Rng| BLOCK * rng.below(2);
        let (from, to) = (place(&mut self.rng).min(size / BLOCK * BLOCK), place(&mut self.rng));
        let left = size - from;
        let count = *self.rng.pick(&[0, left, left, left / BLOCK * BLOCK, BLOCK]);
        let wish = Wish { source, target, from, to, count };
        match self.rng.below(12) {
            0 => Wish { from: from + 1, ..wish },
            1 => Wish { to: to + 5, ..wish },
            2 => Wish { count: left + 1, ..wish },
            3 => Wish { from: size + 1, ..wish },
            _ if to + left > FILE_MAX => Wish { to: 0, ..wish },
            _ => wish,
        }
    }

    pub(super) async fn clone_range(&mut self, at: usize, other: usize) {
        let (source, target) = (self.opens[at].node, self.opens[other].node);
        let wish = self.draw_clone(source, target);
        self.sim.journal.line(&self.name, || format!("{wish:?}"));
        self.flush(source).await;
        self.flush(target).await;
        let expected = clones(&wish, (self.len_of(source), self.len_of(target)));
        let mut maybe = false;
        let answer = self.between(&wish, &mut maybe, |from, to| clone_op(&wish, from, to)).await;
        let (done, status, _) = match answer {
            Ok(answer) => answer,
            Err(Without::Gone(true)) => {
                return self.settle_copy(&wish, expected.unwrap_or(0)).await;
            }
            Err(Without::Refused | Without::Gone(false)) => return,
        };
        let mut possible = vec![expected.err().unwrap_or(Status::OK)];
        if maybe && source == target {
            // A file that its own clone has made longer can not be cloned so again.
            possible.push(Status::INVAL);
        }
        if !self.expect("CLONE", status, &possible) {
            return;
        }
        let Ok(len) = expected else {
            return self.sim.journal.count("ranges", "clone refused");
        };
        if status == Status::OK {
            self.sim.checkers.exactly_once.succeeded(done.tag, "clone_range");
        }
        self.sim.journal.count("ranges", "cloned");
        if len > 0 {
            let data = self.model.part(source, wish.from as usize, len as usize).to_vec();
            self.model.write(target, wish.to as usize, &data);
        }
        self.compare(target, &done.reply);
    }

    /// Writes what can not be copied any more, though some of it may have been.
    async fn settle_copy(&mut self, wish: &Wish, len: u64) {
        let data = self.model.part(wish.source, wish.from as usize, len as usize).to_vec();
        while let Some(at) = self.open_of(wish.target).filter(|_| !data.is_empty()) {
            self.sim.journal.count("ranges", "written, not copied");
            if let Some(written) = self.put_data(at, wish.to, &data, true).await {
                self.model.write(wish.target, wish.to as usize, &data);
                return self.dirty.entry(wish.target).or_default().push(written);
            }
            if self.sim.journal.is_broken() {
                return;
            }
            self.sim.after(AGAIN).await;
        }
    }
}

fn copy_op(wish: &Wish, from: Stateid, to: Stateid) -> Op<'static> {
    Op::Copy(Box::new(CopyArgs {
        src_stateid: from,
        dst_stateid: to,
        src_offset: wish.from,
        dst_offset: wish.to,
        count: wish.count,
        consecutive: true,
        synchronous: true,
        source_server: Vec::new(),
    }))
}

const fn clone_op(wish: &Wish, from: Stateid, to: Stateid) -> Op<'static> {
    Op::Clone(CloneArgs {
        src_stateid: from,
        dst_stateid: to,
        src_offset: wish.from,
        dst_offset: wish.to,
        count: wish.count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: Wish = Wish { source: 1, target: 2, from: 0, to: 0, count: 0 };

    #[test]
    fn what_is_not_there_is_not_copied_nor_a_file_to_itself() {
        assert_eq!(copies(&WISH, 9), Ok(9));
        assert_eq!(copies(&Wish { from: 4, ..WISH }, 9), Ok(5));
        assert_eq!(copies(&Wish { from: 9, ..WISH }, 9), Ok(0));
        assert_eq!(copies(&Wish { from: 10, ..WISH }, 9), Err(Status::INVAL));
        assert_eq!(copies(&Wish { count: 10, ..WISH }, 9), Err(Status::INVAL));
        assert_eq!(copies(&Wish { target: 1, ..WISH }, 9), Err(Status::INVAL));
    }

    #[test]
    fn blocks_are_cloned_and_the_rest_of_a_file_at_the_end_of_another() {
        let all = (BLOCK + 9, BLOCK);
        assert_eq!(clones(&WISH, all), Ok(BLOCK + 9));
        assert_eq!(clones(&Wish { count: BLOCK, ..WISH }, all), Ok(BLOCK));
        assert_eq!(clones(&Wish { from: BLOCK, ..WISH }, all), Err(Status::INVAL), "in the middle");
        assert_eq!(clones(&Wish { from: BLOCK, to: BLOCK, ..WISH }, all), Ok(9));
        for wrong in [
            Wish { from: 1, ..WISH },
            Wish { to: 1, ..WISH },
            Wish { count: 9, ..WISH },
            Wish { count: BLOCK + 10, ..WISH },
            Wish { target: 1, ..WISH },
        ] {
            assert_eq!(clones(&wrong, all), Err(Status::INVAL), "{wrong:?}");
        }
    }
}
