//! A user on a client: one step after the other in its own directory, each answer compared with
//! the model, and now and then something in the directory that all share.

mod copies;
mod data;
mod exports;
mod locks;
mod names;
mod plain;
mod probe;
mod ranges;
mod reboot;
mod shared;
mod vanish;
mod verify;
mod xattrs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::nfs4::{Op, OpNum, SetXattrOption, Status, Verifier};

use crate::checkers::shares::Share;
use crate::client::held::SharedHeld;
use crate::client::{Client, Done};
use crate::model::{Model, NodeId};
use crate::rng::Rng;
use crate::sim::Sim;
use crate::transition::{self, Ranged, Step};

pub use exports::looks;
pub use locks::LOCKED;
pub use probe::probe;
pub use reboot::reboots;
pub use shared::{RECORDS, SHARED_DIR};
pub use vanish::{KEPT, vanishes};

/// Between two attempts at what must be done although the storage fails.
const AGAIN: Duration = Duration::from_millis(50);

/// How many of the steps of a user of minor version 2 are such that 1 does not have.
const NEWER_PERMILLE: u32 = 250;

/// How a user opens its own files.
const BOTH: Share = Share { access: 3, deny: 0 };

/// A file that is held open.
struct Opened {
    node: NodeId,
    held: SharedHeld,
}

/// A write that is not known to be safe.
struct Unsafe {
    offset: u64,
    data: Vec<u8>,
    verifier: Verifier,
    /// How often the storage had crashed before it was sent.
    crashes: u64,
}

/// A user.
pub struct Actor {
    client: Arc<Client>,
    sim: Arc<Sim>,
    name: String,
    number: u32,
    rng: Rng,
    model: Model,
    handles: BTreeMap<NodeId, Vec<u8>>,
    changes: BTreeMap<NodeId, u64>,
    opens: Vec<Opened>,
    dirty: BTreeMap<NodeId, Vec<Unsafe>>,
    owners: u64,
    shared_dir: Vec<u8>,
    tokens: u64,
}

impl Actor {
    /// User `number` of a client.
    pub fn new(client: &Arc<Client>, number: u32, rng: Rng) -> Self {
        let name = format!("c{}u{number}", client.id);
        client.sim.checkers.liveness.begins(&name, "begins");
        Self {
            client: client.clone(),
            sim: client.sim.clone(),
            name,
            number,
            rng,
            model: Model::default(),
            handles: BTreeMap::new(),
            changes: BTreeMap::new(),
            opens: Vec::new(),
            dirty: BTreeMap::new(),
            owners: 0,
            shared_dir: Vec::new(),
            tokens: 0,
        }
    }

    /// All that the user does.
    pub async fn run(mut self) {
        self.set_up().await;
        for _ in 0..self.sim.options.steps {
            let opens = self.opens.len();
            let step = if self.client.has_newer() && self.rng.chance(NEWER_PERMILLE) {
                transition::draw_newer(&mut self.rng, &self.model, opens)
            } else {
                transition::draw(&mut self.rng, &self.sim.options, &self.model, opens)
            };
            self.sim.checkers.liveness.begins(&self.name, format!("{step:?}"));
            self.sim.journal.line(&self.name, || format!("{step:?}"));
            self.step(step).await;
            if self.sim.journal.is_broken() {
                return;
            }
        }
        self.sim.checkers.liveness.begins(&self.name, "closes and compares");
        while !self.opens.is_empty() {
            self.close(0).await;
        }
        self.verify().await;
        self.sim.journal.line(&self.name, || "done".into());
        let (disk, server) = (&self.sim.checkers.disk, &self.client.host.name);
        disk.should_be(server, &self.name, self.model);
        self.sim.checkers.liveness.ends(&self.name);
    }

    async fn step(&mut self, step: Step) {
        let kind = kind(&step);
        self.sim.journal.count("operation", kind);
        match step {
            Step::Change(change, truncate) => self.change(&change, truncate).await,
            Step::Open(dir, name) => self.open(dir, &name).await,
            Step::OpenHandle(node) => self.open_handle(node).await,
            Step::Write(at, offset, len, unstable) => self.write(at, offset, len, unstable).await,
            Step::Read(at) => self.read(at).await,
            Step::Commit(at) => self.flush(self.opens[at].node).await,
            Step::Truncate(at, size) => self.truncate(at, size).await,
            Step::Close(at) => self.close(at).await,
            Step::Chmod(node, mode) => self.chmod(node, mode).await,
            Step::Getattr(node) => self.getattr(node).await,
            Step::Lookup(dir, name) => self.lookup(dir, &name).await,
            Step::Readdir(dir) => self.readdir(dir).await,
            Step::Readlink(node) => self.readlink(node).await,
            Step::Range(what, at, other) => self.range(what, at, other).await,
            Step::SetXattr(node, name, value, how) => {
                self.set_xattr(node, &name, &value, how).await;
            }
            Step::GetXattr(node, name) => {
                let handle = self.handle(node).await;
                self.get_xattr(node, &name, &handle).await;
            }
            Step::ListXattrs(node) => {
                let handle = self.handle(node).await;
                self.list_xattrs(node, &handle).await;
            }
            Step::RemoveXattr(node, name) => self.remove_xattr(node, &name).await,
            Step::Ticket(n) => self.ticket(n).await,
            Step::Token => self.token().await,
            Step::Record(deny) => self.record(deny).await,
            Step::Locks(file, things) => self.locks(file, things).await,
            Step::Rest(ms) => self.sim.after(Duration::from_millis(ms)).await,
        }
    }

    /// A request that changes something. What may have been executed already is asked again until
    /// the answer is certain.
    async fn change_request(&self, ops: &[Op<'_>], num: OpNum) -> (Done, Status, bool) {
        self.change_again(ops, num, false).await
    }

    /// As [`Actor::change_request`], after attempts that may have been executed already.
    async fn change_again(
        &self,
        ops: &[Op<'_>],
        num: OpNum,
        mut in_doubt: bool,
    ) -> (Done, Status, bool) {
        loop {
            let done = self.client.request(true, ops).await;
            in_doubt |= done.in_doubt;
            let status = done.reply.status_of(num);
            if !(in_doubt && is_refusal(status)) {
                if in_doubt {
                    self.sim.journal.count("client", "in doubt");
                }
                return (done, status, in_doubt);
            }
            self.sim.after(AGAIN).await;
        }
    }

    /// A request that changes nothing: done again while the storage fails.
    async fn ask(&self, ops: &[Op<'_>], num: OpNum) -> (Done, Status) {
        loop {
            let done = self.client.request(false, ops).await;
            let status = done.reply.status_of(num);
            let whole = done.reply.status();
            if !self.refused(status) && !self.refused(whole) && whole != Status::DELAY {
                return (done, status);
            }
            self.sim.after(AGAIN).await;
        }
    }

    /// Whether the storage refused; then nothing was done.
    fn refused(&self, status: Status) -> bool {
        is_refusal(status) && self.sim.options.error_permille > 0
    }

    fn expect(&self, what: &str, got: Status, expected: &[Status]) -> bool {
        self.sim.checkers.tree.status(&self.name, what, got, expected)
    }
}

const fn is_refusal(status: Status) -> bool {
    matches!(status, Status::IO | Status::NOSPC)
}

/// The kind of a step, for the report.
const fn kind(step: &Step) -> &'static str {
    use crate::model::Change;
    match step {
        Step::Change(Change::Guarded(..), _) => "OPEN guarded",
        Step::Change(Change::Unchecked(..), false) => "OPEN unchecked",
        Step::Change(Change::Unchecked(..), true) => "OPEN truncating",
        Step::Change(Change::Exclusive(..), _) => "OPEN exclusive",
        Step::Change(Change::Mkdir(..), _) => "CREATE directory",
        Step::Change(Change::Symlink(..), _) => "CREATE symlink",
        Step::Change(Change::Link(..), _) => "LINK",
        Step::Change(Change::Remove(..), _) => "REMOVE",
        Step::Change(Change::Rename(..), _) => "RENAME",
        Step::Open(..) => "OPEN name",
        Step::OpenHandle(_) => "OPEN handle",
        Step::Write(_, _, _, true) => "WRITE unstable",
        Step::Write(_, _, _, false) => "WRITE stable",
        Step::Read(_) => "READ",
        Step::Commit(_) => "COMMIT",
        Step::Truncate(..) => "SETATTR size",
        Step::Close(_) => "CLOSE",
        Step::Chmod(..) => "SETATTR mode",
        Step::Getattr(_) => "GETATTR",
        Step::Lookup(..) => "LOOKUP",
        Step::Readdir(_) => "READDIR",
        Step::Readlink(_) => "READLINK",
        Step::Range(Ranged::Seek, ..) => "SEEK",
        Step::Range(Ranged::Map, ..) => "SEEK over all",
        Step::Range(Ranged::ReadPlus, ..) => "READ_PLUS",
        Step::Range(Ranged::WriteFar, ..) => "WRITE far away",
        Step::Range(Ranged::Allocate, ..) => "ALLOCATE",
        Step::Range(Ranged::Deallocate, ..) => "DEALLOCATE",
        Step::Range(Ranged::Advise, ..) => "IO_ADVISE",
        Step::Range(Ranged::Copy, ..) => "COPY",
        Step::Range(Ranged::Clone, ..) => "CLONE",
        Step::SetXattr(_, _, _, SetXattrOption::CREATE) => "SETXATTR create",
        Step::SetXattr(_, _, _, SetXattrOption::REPLACE) => "SETXATTR replace",
        Step::SetXattr(..) => "SETXATTR either",
        Step::GetXattr(..) => "GETXATTR",
        Step::ListXattrs(_) => "LISTXATTRS",
        Step::RemoveXattr(..) => "REMOVEXATTR",
        Step::Ticket(_) => "shared ticket",
        Step::Token => "shared token",
        Step::Record(0) => "shared record",
        Step::Record(_) => "shared record, denying",
        Step::Locks(..) => "shared locks",
        Step::Rest(_) => "rest",
    }
}
