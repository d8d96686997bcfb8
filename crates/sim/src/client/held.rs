//! What a client holds open, and how it gets that back from a server that restarted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::nfs4::{
    ClientId, DelegationType, Op, OpBody, OpNum, OpenArgs, OpenClaim, OpenHow, PutFhArgs,
    ShareAccess, ShareDeny, StateOwner, Stateid, Status,
};

use super::Client;
use super::session::{self, Outcome, Session};
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
        loop {
            let held = lock(shared).clone();
            let claim = OpenClaim::Previous(DelegationType::NONE);
            let open = open_op(&held.owner, held.share, OpenHow::NoCreate, claim);
            let ops = [Op::PutFh(PutFhArgs { object: &held.handle }), open];
            let sent = (self.tag(), self.minor);
            let outcome = session::request(&self.sim, &self.rpc, session, sent, true, &ops).await;
            let Outcome::Answered(reply) = outcome else { return false };
            let status = reply.status();
            self.sim.journal.line(&self.name, || format!("reclaim: {status:?}"));
            match status {
                Status::OK => {
                    let ok = |body: &OpBody<'_>| {
                        if let OpBody::Open(ok) = body { Some(ok.stateid) } else { None }
                    };
                    if let Some(stateid) = reply.find(OpNum::OPEN, ok) {
                        self.sim.journal.count("client", "reclaimed");
                        let generation = reply.generation;
                        self.sim.checkers.generations.stateid_made(&stateid, generation);
                        lock(shared).opened_again(stateid, session.epoch, generation);
                    }
                    return true;
                }
                Status::DELAY => self.sim.after(AGAIN).await,
                // It is opened anew when it is used.
                Status::NO_GRACE | Status::RECLAIM_BAD | Status::STALE => {
                    self.sim.journal.count("client", "reclaim refused");
                    lock(shared).is_lost = true;
                    return true;
                }
                Status::IO if self.sim.options.error_permille > 0 => {
                    lock(shared).is_lost = true;
                    return true;
                }
                other => {
                    self.sim.checkers.tree.unexpected(&self.name, "reclaim", other);
                    return true;
                }
            }
        }
    }
}
