//! What a client holds open, and how it gets that back from a server that restarted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::nfs4::{
    ClientId, DelegationType, ExistLockOwner, LockArgs, LockType, Locker, Op, OpBody, OpenArgs,
    OpenClaim, OpenHow, OpenToLockOwner, PutFhArgs, ShareAccess, ShareDeny, StateOwner, Stateid,
    Status,
};

use super::Client;
use super::session::{self, Outcome, Session};
use crate::checkers::locks::{Asked, Bytes, Kind, range_of, runs};
use crate::checkers::shares::Share;
use crate::sync::lock;

/// Between two attempts at a reclaim that was delayed.
const AGAIN: Duration = Duration::from_millis(100);

/// An open as its client knows it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The file.
    pub handle: Vec<u8>,
    /// The open-owner.
    pub owner: Vec<u8>,
    /// What it does and denies.
    pub share: Share,
    /// Its name at the server.
    pub stateid: Stateid,
    /// The incarnation of the client that has it.
    pub epoch: u64,
    /// The instance that gave it.
    pub generation: u64,
    /// Whether a server refused to give it back: then it is not asked for it again, but opened
    /// anew (RFC 8881 §8.4.2.1).
    pub is_lost: bool,
    /// The locks under it, an owner each. A server that does not give them back has none of them.
    pub locks: Vec<HeldLocks>,
}

/// What a lock-owner asks back from a server that restarted: what it surely holds.
#[derive(Clone, Debug)]
pub struct HeldLocks {
    /// The lock-owner.
    pub owner: Vec<u8>,
    /// Its name at the server.
    pub stateid: Option<Stateid>,
    /// The bytes.
    pub bytes: Bytes,
}

/// What became of a reclaim.
enum Reclaim {
    Done(Stateid, u64),
    Refused,
    /// The session is gone.
    Lost,
}

impl Held {
    /// It was opened anew.
    pub const fn opened_again(&mut self, stateid: Stateid, epoch: u64, generation: u64) {
        (self.stateid, self.epoch, self.generation) = (stateid, epoch, generation);
        self.is_lost = false;
    }
}

/// An open that a restart of the server may rename.
pub type SharedHeld = Arc<Mutex<Held>>;

/// The lock-owner of a request: known to the server by a state id, or new to it.
pub const fn locker<'a>(known: Option<Stateid>, open: Stateid, owner: &'a [u8]) -> Locker<'a> {
    match known {
        Some(lock_stateid) => Locker::Existing(ExistLockOwner { lock_stateid, lock_seqid: 0 }),
        None => Locker::New(OpenToLockOwner {
            open_seqid: 0,
            open_stateid: Stateid { seqid: 0, other: open.other },
            lock_seqid: 0,
            lock_owner: StateOwner { clientid: ClientId(0), owner },
        }),
    }
}

/// OPEN by an owner.
pub const fn open_op<'a>(
    owner: &'a [u8],
    share: Share,
    openhow: OpenHow<'a>,
    claim: OpenClaim<'a>,
) -> Op<'a> {
    Op::Open(OpenArgs {
        seqid: 0,
        share_access: ShareAccess(share.access | ShareAccess::WANT_NO_DELEG.0),
        share_deny: ShareDeny(share.deny),
        owner: StateOwner { clientid: ClientId(0), owner },
        openhow,
        claim,
    })
}

impl Client {
    /// Keeps an open until it is given up.
    pub fn hold(&self, held: Held) -> SharedHeld {
        let held = Arc::new(Mutex::new(held));
        lock(&self.held).push(held.clone());
        held
    }

    /// An open is about to be closed, or is gone.
    pub fn give_up(&self, held: &SharedHeld) {
        lock(&self.held).retain(|other| !Arc::ptr_eq(other, held));
    }

    /// Asks a server that restarted for what was held before; `false`: the session is gone.
    pub(super) async fn reclaim(&self, session: &Arc<Session>) -> bool {
        let all: Vec<SharedHeld> = lock(&self.held).clone();
        for held in all {
            let is_due = {
                let held = lock(&held);
                held.epoch != session.epoch && !held.is_lost
            };
            if is_due && !self.reclaim_one(session, &held).await {
                return false;
            }
        }
        true
    }

    async fn reclaim_one(&self, session: &Arc<Session>, shared: &SharedHeld) -> bool {
        let mut held = lock(shared).clone();
        match self.reclaim_open(session, &held).await {
            Reclaim::Done(stateid, generation) => {
                held.opened_again(stateid, session.epoch, generation);
            }
            Reclaim::Refused => {
                if held.locks.iter().any(|locks| !runs(&locks.bytes).is_empty()) {
                    self.sim.journal.count("locks", "reclaim refused");
                }
                lock(shared).is_lost = true;
                return true;
            }
            Reclaim::Lost => return false,
        }
        if !self.reclaim_locks(session, &mut held, shared).await {
            return false;
        }
        if lock(shared).locks.is_empty() {
            held.locks.clear();
        }
        *lock(shared) = held;
        true
    }

    async fn reclaim_open(&self, session: &Arc<Session>, held: &Held) -> Reclaim {
        let claim = OpenClaim::Previous(DelegationType::NONE);
        let open = open_op(&held.owner, held.share, OpenHow::NoCreate, claim);
        let ok = |body: &OpBody<'_>| {
            if let OpBody::Open(ok) = body { Some(ok.stateid) } else { None }
        };
        let done = self.reclaim_op(session, &held.handle, open, ok).await;
        match done {
            Reclaim::Done(..) => self.sim.journal.count("client", "reclaimed"),
            Reclaim::Refused => self.sim.journal.count("client", "reclaim refused"),
            Reclaim::Lost => {}
        }
        done
    }

    /// Asks for all locks under an open that was given back: for all of them, or it has none.
    /// `false`: the session is gone.
    async fn reclaim_locks(
        &self,
        session: &Arc<Session>,
        held: &mut Held,
        shared: &SharedHeld,
    ) -> bool {
        for n in 0..held.locks.len() {
            held.locks[n].stateid = None;
            for (cells, kind) in runs(&held.locks[n].bytes) {
                let file = (self.host.name.clone(), held.handle.clone());
                let locker = (self.id, held.locks[n].owner.clone());
                let sent = self.sim.now().as_ns();
                let asked = Asked { file, locker, cells, kind, sent };
                match self.reclaim_lock(session, held, n, &asked).await {
                    Reclaim::Done(stateid, generation) => {
                        self.sim.journal.count("locks", "reclaimed");
                        held.locks[n].stateid = Some(stateid);
                        // Else it is about to be closed.
                        if !lock(shared).locks.is_empty() {
                            let now = self.sim.now().as_ns();
                            self.sim.checkers.locks.granted(&asked, generation, now);
                        }
                    }
                    Reclaim::Refused => {
                        self.sim.journal.count("locks", "reclaim refused");
                        held.locks.clear();
                        return true;
                    }
                    Reclaim::Lost => return false,
                }
            }
        }
        true
    }

    async fn reclaim_lock(
        &self,
        session: &Arc<Session>,
        held: &Held,
        n: usize,
        asked: &Asked,
    ) -> Reclaim {
        let (offset, length) = range_of(&asked.cells);
        let locktype = match asked.kind {
            Kind::Read => LockType::READ,
            Kind::Write => LockType::WRITE,
        };
        let HeldLocks { owner, stateid, .. } = &held.locks[n];
        let locker = locker(*stateid, held.stateid, owner);
        let lock = Op::Lock(LockArgs { locktype, reclaim: true, offset, length, locker });
        self.sim.checkers.locks.locking(asked);
        let ok = |body: &OpBody<'_>| {
            if let OpBody::Lock(ok) = body { Some(ok.lock_stateid) } else { None }
        };
        self.reclaim_op(session, &held.handle, lock, ok).await
    }

    /// A reclaim, until it is answered for good.
    async fn reclaim_op(
        &self,
        session: &Arc<Session>,
        handle: &[u8],
        op: Op<'_>,
        ok: impl Fn(&OpBody<'_>) -> Option<Stateid>,
    ) -> Reclaim {
        let num = op.num();
        let ops = [Op::PutFh(PutFhArgs { object: handle }), op];
        loop {
            let sent = (self.tag(), self.minor);
            let outcome = session::request(&self.sim, &self.rpc, session, sent, true, &ops).await;
            let Outcome::Answered(reply) = outcome else { return Reclaim::Lost };
            let status = reply.status();
            self.sim.journal.line(&self.name, || format!("reclaim: {status:?}"));
            match status {
                Status::OK => {
                    let Some(stateid) = reply.find(num, &ok) else {
                        self.sim.journal.violation("wire", "a reclaim without a state id");
                        return Reclaim::Refused;
                    };
                    self.sim.checkers.generations.stateid_made(&stateid, reply.generation);
                    return Reclaim::Done(stateid, reply.generation);
                }
                Status::DELAY => self.sim.after(AGAIN).await,
                // It is opened anew when it is used.
                Status::NO_GRACE | Status::RECLAIM_BAD | Status::STALE => return Reclaim::Refused,
                Status::IO if self.sim.options.error_permille > 0 => return Reclaim::Refused,
                other => {
                    self.sim.checkers.tree.unexpected(&self.name, "reclaim", other);
                    return Reclaim::Refused;
                }
            }
        }
    }
}
