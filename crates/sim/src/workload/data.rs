//! Opens and data.

use holdfast_proto::nfs4::{
    AttrValue, CloseArgs, CommitArgs, Op, OpBody, OpNum, OpenClaim, OpenHow, ReadArgs, SetAttrArgs,
    StableHow, Stateid, Status, Verifier, WriteArgs,
};

use super::names::{Attrs, compared, handle_of, put};
use super::{AGAIN, Actor, BOTH, Opened, Unsafe};
use crate::client::Done;
use crate::client::held::{Held, SharedHeld, open_op};
use crate::model::NodeId;
use crate::sync::lock;

/// What a READ asks for.
pub(super) const READ_MAX: u32 = 10_000;

pub(super) const fn is_state_lost(status: Status) -> bool {
    matches!(status, Status::BAD_STATEID | Status::STALE_STATEID | Status::EXPIRED)
}

/// The newest version of a state id, as Linux sends it: an OPEN whose session died may still
/// change the state.
pub(super) const fn newest(held: &Held) -> Stateid {
    Stateid { seqid: 0, other: held.stateid.other }
}

fn stateid_of(done: &Done) -> Option<Stateid> {
    done.reply
        .find(OpNum::OPEN, |body| if let OpBody::Open(ok) = body { Some(ok.stateid) } else { None })
}

impl Actor {
    /// Keeps what OPEN gave.
    pub(super) fn opened(&mut self, done: &Done, node: NodeId, owner: Vec<u8>) {
        let (stateid, handle) = (stateid_of(done), handle_of(&done.reply));
        let (Some(stateid), Some(handle)) = (stateid, handle) else {
            return self.sim.journal.violation("wire", "OPEN without state id or handle");
        };
        let generation = done.reply.generation;
        self.sim.checkers.generations.stateid_made(&stateid, generation);
        let known = self.handles.entry(node).or_insert_with(|| handle.clone());
        self.sim.checkers.tree.equal(&self.name, "handle", &handle, known);
        self.compare(node, &done.reply);
        let epoch = done.epoch;
        let held = Held {
            handle,
            owner,
            share: BOTH,
            stateid,
            epoch,
            generation,
            is_lost: false,
            locks: Vec::new(),
        };
        self.opens.push(Opened { node, held: self.client.hold(held) });
    }

    pub(super) async fn open(&mut self, dir: NodeId, name: &str) {
        let found = self.model.entries(dir).ok().and_then(|names| names.get(name).copied());
        let expected = found.ok_or(Status::NOENT).and_then(|node| self.model.openable(node));
        let handle = self.handle(dir).await;
        let owner = self.owner();
        let claim = OpenClaim::Null(name.as_bytes());
        let open = open_op(&owner, BOTH, OpenHow::NoCreate, claim);
        let ops = [put(&handle), open, Op::GetFh, compared()];
        let (done, status, _) = self.change_request(&ops, OpNum::OPEN).await;
        let wanted = expected.err().unwrap_or(Status::OK);
        if self.refused(status) || !self.expect(&format!("OPEN {name}"), status, &[wanted]) {
            return;
        }
        if let Ok(node) = expected {
            self.opened(&done, node, owner);
        }
    }

    pub(super) async fn open_handle(&mut self, node: NodeId) {
        let handle = self.handle(node).await;
        let owner = self.owner();
        let open = open_op(&owner, BOTH, OpenHow::NoCreate, OpenClaim::Fh);
        let ops = [put(&handle), open, Op::GetFh, compared()];
        let (done, status, _) = self.change_request(&ops, OpNum::OPEN).await;
        if !self.refused(status) && self.expect("OPEN by handle", status, &[Status::OK]) {
            self.opened(&done, node, owner);
        }
    }

    /// What an open is called now.
    pub(super) fn held(&self, at: usize) -> Held {
        lock(&self.opens[at].held).clone()
    }

    /// Forgets an open whose file is gone.
    fn forget(&mut self, at: usize) {
        let gone = self.opens.remove(at);
        self.client.give_up(&gone.held);
        self.dirty.remove(&gone.node);
    }

    /// Opens again what a server forgot; `false`: the file is gone, as it had no name.
    pub(super) async fn reopen(&mut self, at: usize, lost: &Held) -> bool {
        if self.held(at).stateid != lost.stateid {
            return true;
        }
        self.sim.journal.count("client", "open again");
        loop {
            let held = self.held(at);
            let open = open_op(&held.owner, BOTH, OpenHow::NoCreate, OpenClaim::Fh);
            let ops = [put(&held.handle), open, Op::GetFh];
            let (done, status, _) = self.change_request(&ops, OpNum::OPEN).await;
            if status == Status::STALE && self.model.node(self.opens[at].node).names == 0 {
                self.forget(at);
                return false;
            }
            if self.refused(status) {
                self.sim.after(AGAIN).await;
                continue;
            }
            let stateid = stateid_of(&done);
            if !self.expect("OPEN again", status, &[Status::OK]) {
                return false;
            }
            let Some(stateid) = stateid else { return false };
            let generation = done.reply.generation;
            self.sim.checkers.generations.stateid_made(&stateid, generation);
            lock(&self.opens[at].held).opened_again(stateid, done.epoch, generation);
            return true;
        }
    }

    /// Whether a status says that the open is lost, and may be.
    pub(super) fn lost(&self, held: &Held, done: &Done, status: Status) -> bool {
        if !is_state_lost(status) {
            return false;
        }
        if held.epoch == done.epoch && held.generation == done.reply.generation {
            let what = "a state id that is still good";
            self.sim.checkers.tree.unexpected(&self.name, what, status);
        }
        true
    }

    pub(super) fn used(&self, held: &Held, done: &Done) {
        self.sim.checkers.generations.stateid_used(&held.stateid, done.reply.generation);
    }

    pub(super) async fn write(&mut self, at: usize, offset: u64, len: usize, unstable: bool) {
        let mut data = vec![0; len];
        self.rng.fill(&mut data);
        let node = self.opens[at].node;
        let Some(written) = self.put_data(at, offset, &data, unstable).await else { return };
        self.model.write(node, offset as usize, &data);
        if unstable || self.dirty.contains_key(&node) {
            self.dirty.entry(node).or_default().push(written);
        }
    }

    /// WRITE; nothing when the storage refused, or the file is gone.
    pub(super) async fn put_data(
        &mut self,
        at: usize,
        offset: u64,
        data: &[u8],
        unstable: bool,
    ) -> Option<Unsafe> {
        let mut maybe = false;
        loop {
            let held = self.held(at);
            let stable = if unstable { StableHow::UNSTABLE } else { StableHow::FILE_SYNC };
            let args = WriteArgs { stateid: newest(&held), offset, stable, data };
            let ops = [put(&held.handle), Op::Write(args)];
            let crashes = self.client.host.disk.crashes();
            let (done, status, in_doubt) = self.change_again(&ops, OpNum::WRITE, maybe).await;
            maybe = in_doubt;
            if self.lost(&held, &done, status) {
                if !self.reopen(at, &held).await {
                    return None;
                }
                continue;
            }
            if self.refused(status) || !self.expect("WRITE", status, &[Status::OK]) {
                return None;
            }
            self.used(&held, &done);
            self.sim.checkers.exactly_once.succeeded(done.tag, "write");
            let ok = done.reply.find(OpNum::WRITE, |body| {
                if let OpBody::Write(ok) = body {
                    Some((ok.count as usize, ok.committed, ok.writeverf))
                } else {
                    None
                }
            });
            let (count, committed, verifier) = ok?;
            self.sim.checkers.tree.equal(&self.name, "bytes written", &count, &data.len());
            let safe = committed.0 >= stable.0;
            self.sim.checkers.tree.equal(&self.name, "written as asked", &safe, &true);
            self.verifier(&done, verifier, crashes);
            return Some(Unsafe { offset, data: data.to_vec(), verifier, crashes });
        }
    }

    pub(super) fn verifier(&self, done: &Done, verifier: Verifier, crashes: u64) {
        let now = self.client.host.disk.crashes();
        let generation = done.reply.generation;
        self.sim.checkers.generations.verifier(verifier, generation, (crashes, now));
    }

    /// Whether all that was written to a file must be there: no crash took any of it.
    pub(super) fn is_certain(&self, node: NodeId) -> bool {
        let crashes = self.client.host.disk.crashes();
        let writes = self.dirty.get(&node).map_or(&[][..], Vec::as_slice);
        writes.iter().all(|write| write.crashes == crashes)
    }

    /// A request on an open file that changes nothing, made of its state id. `true`: all that was
    /// written to the file was certain meanwhile. `None`: the file is gone.
    pub(super) async fn look_in<'a>(
        &mut self,
        at: usize,
        op: impl Fn(Stateid) -> Op<'a>,
    ) -> Option<(Done, Status, bool)> {
        loop {
            let held = self.held(at);
            let (node, op) = (self.opens[at].node, op(newest(&held)));
            let num = op.num();
            let certain = self.is_certain(node);
            let (done, status) = self.ask(&[put(&held.handle), op], num).await;
            if self.lost(&held, &done, status) {
                if !self.reopen(at, &held).await {
                    return None;
                }
                continue;
            }
            if status == Status::OK {
                self.used(&held, &done);
            }
            return Some((done, status, certain && self.is_certain(node)));
        }
    }

    /// A request on an open file that changes it, as [`Actor::look_in`]. `None` also: the storage
    /// refused, or it was answered otherwise than expected.
    pub(super) async fn change_in<'a>(
        &mut self,
        at: usize,
        (what, call): (&str, &'static str),
        expected: Status,
        op: impl Fn(Stateid) -> Op<'a>,
    ) -> Option<Done> {
        let mut maybe = false;
        loop {
            let held = self.held(at);
            let op = op(newest(&held));
            let num = op.num();
            let ops = [put(&held.handle), op, compared()];
            let (done, status, in_doubt) = self.change_again(&ops, num, maybe).await;
            maybe = in_doubt;
            if self.lost(&held, &done, status) {
                if !self.reopen(at, &held).await {
                    return None;
                }
                continue;
            }
            if self.refused(status) || !self.expect(what, status, &[expected]) {
                return None;
            }
            if status == Status::OK {
                self.used(&held, &done);
                self.sim.checkers.exactly_once.succeeded(done.tag, call);
            }
            return Some(done);
        }
    }

    pub(super) async fn read(&mut self, at: usize) {
        let node = self.opens[at].node;
        let read = |stateid| Op::Read(ReadArgs { stateid, offset: 0, count: READ_MAX });
        let Some((done, status, certain)) = self.look_in(at, read).await else { return };
        if self.expect("READ", status, &[Status::OK]) {
            self.compare_data(node, &done, certain);
        }
    }

    pub(super) fn compare_data(&self, node: NodeId, done: &Done, certain: bool) {
        if !certain {
            return;
        }
        let expected = self.model.part(node, 0, READ_MAX as usize);
        let is_all = self.model.bytes(node).is_some_and(|bytes| bytes.len() == expected.len());
        let results = done.reply.results();
        let read = results.iter().find(|result| result.num == OpNum::READ);
        let Some(OpBody::Read(ok)) = read.map(|result| &result.body) else { return };
        let (tree, who) = (&self.sim.checkers.tree, &self.name);
        if ok.data != expected {
            let differs = ok.data.iter().zip(expected).position(|(a, b)| a != b);
            let (got, should) = (ok.data.len(), expected.len());
            let what = format!("data: {got} bytes of {should}, first difference at {differs:?}");
            tree.equal(who, &what, &"other bytes", &"what was written");
        }
        tree.equal(who, "end of file", &ok.eof, &is_all);
    }

    /// Makes all that was written to a file safe: commits, and writes again what was lost.
    pub(super) async fn flush(&mut self, node: NodeId) {
        while self.dirty.get(&node).is_some_and(|writes| !writes.is_empty()) {
            let Some(at) = self.open_of(node) else {
                return self.sim.journal.violation("simulator", "unsafe writes without an open");
            };
            let crashes = self.client.host.disk.crashes();
            let commit = Op::Commit(CommitArgs { offset: 0, count: 0 });
            let held = self.held(at);
            let ops = [put(&held.handle), commit];
            let (done, status) = self.ask(&ops, OpNum::COMMIT).await;
            if status == Status::STALE && self.model.node(node).names == 0 {
                return self.forget(at);
            }
            if !self.expect("COMMIT", status, &[Status::OK]) {
                return;
            }
            let verifier = done.reply.find(OpNum::COMMIT, |body| {
                if let OpBody::Commit(ok) = body { Some(ok.writeverf) } else { None }
            });
            let Some(verifier) = verifier else { return };
            self.verifier(&done, verifier, crashes);
            self.write_again(at, node, verifier).await;
            if self.sim.journal.is_broken() {
                return;
            }
        }
        self.dirty.remove(&node);
    }

    /// Writes again what a commit with this verifier did not make safe.
    async fn write_again(&mut self, at: usize, node: NodeId, verifier: Verifier) {
        let writes = self.dirty.remove(&node).unwrap_or_default();
        if writes.iter().all(|write| write.verifier == verifier) {
            return;
        }
        let mut left = Vec::new();
        for write in writes {
            self.sim.journal.count("client", "write again");
            loop {
                let handle = self.opens.get(at).map(|opened| opened.node);
                if handle != Some(node) || self.sim.journal.is_broken() {
                    return;
                }
                if let Some(written) = self.put_data(at, write.offset, &write.data, true).await {
                    left.push(written);
                    break;
                }
                self.sim.after(AGAIN).await;
            }
        }
        self.dirty.insert(node, left);
    }

    pub(super) async fn truncate(&mut self, at: usize, size: u64) {
        let node = self.opens[at].node;
        self.flush(node).await;
        let Some(at) = self.open_of(node) else { return };
        let attrs = Attrs::new(&[AttrValue::Size(size)]);
        let set = |stateid| Op::SetAttr(SetAttrArgs { stateid, obj_attributes: attrs.fattr() });
        let what = ("truncate", "setattr");
        if let Some(done) = self.change_in(at, what, Status::OK, set).await {
            self.model.resize(node, size as usize);
            self.compare(node, &done.reply);
        }
    }

    /// An open of this file.
    pub(super) fn open_of(&self, node: NodeId) -> Option<usize> {
        self.opens.iter().position(|opened| opened.node == node)
    }

    pub(super) async fn close(&mut self, at: usize) {
        let node = self.opens[at].node;
        self.flush(node).await;
        let Some(at) = self.open_of(node) else { return };
        let opened = self.opens.remove(at);
        self.close_held(&opened.held).await;
    }

    /// An OPEN of which nobody knows whether it was executed: opens by the same owner and closes.
    pub(super) async fn settle(&self, dir: &[u8], name: &str, owner: Vec<u8>) {
        loop {
            let claim = OpenClaim::Null(name.as_bytes());
            let open = open_op(&owner, BOTH, OpenHow::NoCreate, claim);
            let (done, status, _) =
                self.change_request(&[put(dir), open, Op::GetFh], OpNum::OPEN).await;
            if self.refused(status) {
                self.sim.after(AGAIN).await;
                continue;
            }
            let (stateid, handle) = (stateid_of(&done), handle_of(&done.reply));
            if let (Some(stateid), Some(handle)) = (stateid, handle) {
                let (epoch, generation) = (done.epoch, done.reply.generation);
                self.sim.checkers.generations.stateid_made(&stateid, generation);
                let held = Held {
                    handle,
                    owner,
                    share: BOTH,
                    stateid,
                    epoch,
                    generation,
                    is_lost: false,
                    locks: Vec::new(),
                };
                self.close_held(&self.client.hold(held)).await;
            }
            return;
        }
    }

    /// CLOSE, once more where a reclaim has given the open another name meanwhile.
    pub(super) async fn close_held(&self, shared: &SharedHeld) {
        self.client.give_up(shared);
        let mut maybe = false;
        let mut any = false;
        loop {
            let held = lock(shared).clone();
            let open_stateid = if any { newest(&held) } else { held.stateid };
            let args = CloseArgs { seqid: 0, open_stateid };
            let ops = [put(&held.handle), Op::Close(args)];
            let (done, status, in_doubt) = self.change_again(&ops, OpNum::CLOSE, maybe).await;
            maybe = in_doubt;
            if status == Status::OLD_STATEID && !any {
                self.sim.journal.count("client", "old state id");
                any = true;
                continue;
            }
            let same = held.epoch == done.epoch && held.generation == done.reply.generation;
            if !is_state_lost(status) || (same && !in_doubt) {
                self.expect("CLOSE", status, &[Status::OK]);
                return;
            }
            if lock(shared).stateid == held.stateid {
                return;
            }
        }
    }
}
