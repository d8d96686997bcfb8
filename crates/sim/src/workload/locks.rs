//! Byte-range locks of all users on a few files. An owner does one thing after the other, so that
//! it knows what it holds; what others hold is the checker's business.

use std::ops::Range;
use std::time::Duration;

use holdfast_proto::nfs4::{
    ClientId, ExistLockOwner, FreeStateidArgs, LockArgs, LockTArgs, LockType, LockUArgs, Locker,
    Op, OpBody, OpNum, OpenToLockOwner, StateOwner, Stateid, Status, TestStateidArgs,
};

use super::Actor;
use super::names::put;
use crate::checkers::locks::{Asked, Bytes, CELLS, InTheWay, Kind, cells};
use crate::checkers::shares::Share;
use crate::client::Done;
use crate::client::held::{Held, SharedHeld};
use crate::sync::lock;

/// The files that are locked.
pub const LOCKED: [&str; 2] = ["locked0", "locked1"];

/// Lock-owners of a user.
const OWNERS: usize = 2;

/// What one lock-owner of this user has on the open file.
struct Owner {
    name: Vec<u8>,
    stateid: Option<Stateid>,
    holds: Bytes,
}

/// A file that is open to be locked.
struct Locking {
    open: SharedHeld,
    /// The open as it was at first: a restart of the server ends the locks.
    was: Held,
    owners: Vec<Owner>,
}

/// The locks may be gone, or what was done to them is not known: close the file.
struct Over;

impl Actor {
    /// Opens a file, does so many things to its locks, and closes it, with locks or without.
    pub(super) async fn locks(&mut self, file: usize, things: u64) {
        let share = Share { access: 3, deny: 0 };
        let open = match self.open_shared(LOCKED[file], false, share).await {
            Ok(open) => open,
            Err(status) => {
                if !self.refused(status) {
                    self.expect("OPEN of a file to lock", status, &[Status::OK]);
                }
                return;
            }
        };
        let was = lock(&open).clone();
        let name = |n| format!("{} l{n}", self.name).into_bytes();
        let owner = |n| Owner { name: name(n), stateid: None, holds: [None; CELLS] };
        let mut at = Locking { open, was, owners: (0..OWNERS).map(owner).collect() };
        for _ in 0..things {
            if self.lock_step(&mut at).await.is_err() {
                self.sim.journal.count("locks", "over");
                break;
            }
            if self.rng.chance(400) {
                self.sim.after(Duration::from_millis(self.rng.between(1, 600))).await;
            }
        }
        self.close_locked(&at).await;
    }

    async fn close_locked(&self, at: &Locking) {
        if at.owners.iter().any(|owner| owner.holds != [None; CELLS]) {
            self.sim.journal.count("locks", "closed with locks");
        }
        let all = |n| self.asked(at, n, 0..CELLS, Kind::Read);
        (0..OWNERS).for_each(|n| self.sim.checkers.locks.unlocking(&all(n)));
        self.close_shared(&at.open).await;
        let now = self.sim.now().as_ns();
        (0..OWNERS).for_each(|n| self.sim.checkers.locks.unlocked(&all(n), now));
    }

    async fn lock_step(&mut self, at: &mut Locking) -> Result<(), Over> {
        let n = self.rng.index(OWNERS);
        let first = self.rng.below(CELLS as u64);
        let rest = CELLS as u64 - 1 - first;
        let length = if rest == 0 || self.rng.chance(200) {
            u64::MAX
        } else {
            self.rng.between(1, rest.min(6))
        };
        let kind = if self.rng.chance(500) { Kind::Read } else { Kind::Write };
        match self.rng.below(10) {
            0..5 => self.lock_range(at, n, (first, length), kind).await,
            5..7 => self.unlock_range(at, n, (first, length)).await,
            7 => self.test_range(at, n, (first, length), kind).await,
            8 => self.test_state(at, n).await,
            _ => self.free_state(at, n).await,
        }
    }

    fn asked(&self, at: &Locking, n: usize, cells: Range<usize>, kind: Kind) -> Asked {
        let file = (self.client.host.name.clone(), at.was.handle.clone());
        let locker = (self.client.id, at.owners[n].name.clone());
        Asked { file, locker, cells, kind, sent: self.sim.now().as_ns() }
    }

    /// Whether an answer is of the instance and the client id that the locks are of.
    fn same(&self, at: &Locking, done: &Done) -> Result<(), Over> {
        let (epoch, generation) = (done.epoch, done.reply.generation);
        let same = at.was.epoch == epoch && at.was.generation == generation;
        if same { Ok(()) } else { Err(Over) }
    }

    /// A request on the file that changes its locks.
    async fn change_locks(&self, at: &Locking, op: Op<'_>) -> Result<(Done, Status), Over> {
        let num = op.num();
        let (done, status, in_doubt) = self.change_request(&[put(&at.was.handle), op], num).await;
        if in_doubt {
            return Err(Over);
        }
        self.same(at, &done)?;
        Ok((done, status))
    }

    async fn lock_range(
        &self,
        at: &mut Locking,
        n: usize,
        (offset, length): (u64, u64),
        kind: Kind,
    ) -> Result<(), Over> {
        let asked = self.asked(at, n, cells(offset, length).ok_or(Over)?, kind);
        let owner = &at.owners[n];
        let open_stateid = Stateid { seqid: 0, other: at.was.stateid.other };
        let lock_owner = StateOwner { clientid: ClientId(0), owner: &asked.locker.1 };
        let locker = match owner.stateid {
            Some(lock_stateid) => Locker::Existing(ExistLockOwner { lock_stateid, lock_seqid: 0 }),
            None => Locker::New(OpenToLockOwner {
                open_seqid: 0,
                open_stateid,
                lock_seqid: 0,
                lock_owner,
            }),
        };
        let locktype = lock_type(kind);
        let args = LockArgs { locktype, reclaim: false, offset, length, locker };
        self.sim.checkers.locks.locking(&asked);
        let (done, status) = self.change_locks(at, Op::Lock(args)).await?;
        let now = self.sim.now().as_ns();
        if status == Status::OK {
            let generation = done.reply.generation;
            self.sim.checkers.locks.granted(&asked, generation, now);
            let ok = |body: &OpBody<'_>| {
                if let OpBody::Lock(ok) = body { Some(ok.lock_stateid) } else { None }
            };
            self.count_granted(&at.owners[n].holds[asked.cells.clone()], kind);
            at.owners[n].holds[asked.cells].fill(Some(kind));
            return self.renamed(at, n, done.reply.find(OpNum::LOCK, ok), generation);
        }
        self.sim.checkers.locks.refused(&asked, &at.owners[n].holds, now);
        if status == Status::DENIED {
            self.sim.journal.count("locks", "denied");
            self.denied(&asked, &done, OpNum::LOCK);
        } else if !self.refused(status) {
            self.expect("LOCK", status, &[Status::OK, Status::DENIED]);
        }
        Ok(())
    }

    fn count_granted(&self, before: &[Option<Kind>], kind: Kind) {
        let kind = match kind {
            Kind::Write if before.contains(&Some(Kind::Read)) => "upgraded",
            Kind::Read if before.contains(&Some(Kind::Write)) => "downgraded",
            Kind::Read | Kind::Write => "granted",
        };
        self.sim.journal.count("locks", kind);
    }

    /// The state of an owner has another number, and the same name if it had one.
    fn renamed(
        &self,
        at: &mut Locking,
        n: usize,
        new: Option<Stateid>,
        generation: u64,
    ) -> Result<(), Over> {
        let new = new.ok_or(Over)?;
        match at.owners[n].stateid.replace(new) {
            Some(old) => {
                let next = Stateid { seqid: old.seqid.wrapping_add(1), other: old.other };
                self.sim.checkers.tree.equal(&self.name, "the lock's state id", &new, &next);
            }
            None => self.sim.checkers.generations.stateid_made(&new, generation),
        }
        Ok(())
    }

    fn denied(&self, asked: &Asked, done: &Done, num: OpNum) {
        let way = done.reply.find(num, |body| {
            let OpBody::LockDenied(denied) = body else { return None };
            let kind = if denied.locktype == LockType::READ { Kind::Read } else { Kind::Write };
            let cells = cells(denied.offset, denied.length);
            Some(InTheWay { owner: denied.owner.owner.to_vec(), cells, kind })
        });
        match way {
            Some(way) => self.sim.checkers.locks.denied(asked, &way),
            None => self.sim.journal.violation("wire", "DENIED without a body"),
        }
    }

    async fn unlock_range(
        &self,
        at: &mut Locking,
        n: usize,
        (offset, length): (u64, u64),
    ) -> Result<(), Over> {
        let Some(lock_stateid) = at.owners[n].stateid else { return Ok(()) };
        let asked = self.asked(at, n, cells(offset, length).ok_or(Over)?, Kind::Write);
        let locktype = LockType::WRITE;
        let args = LockUArgs { locktype, seqid: 0, lock_stateid, offset, length };
        self.sim.checkers.locks.unlocking(&asked);
        let (done, status) = self.change_locks(at, Op::LockU(args)).await?;
        if self.refused(status) {
            return Ok(());
        }
        if !self.expect("LOCKU", status, &[Status::OK]) {
            return Err(Over);
        }
        self.sim.checkers.locks.unlocked(&asked, self.sim.now().as_ns());
        let holds = &mut at.owners[n].holds;
        let Range { start, end } = asked.cells;
        let is_held = |cell: Option<usize>| cell.and_then(|cell| holds.get(cell)?.as_ref());
        let is_split = is_held(start.checked_sub(1)).is_some() && is_held(Some(end)).is_some();
        let is_any = holds[start..end].iter().any(Option::is_some);
        holds[start..end].fill(None);
        let kind = match (is_any, is_split) {
            (true, true) => "unlocked within",
            (true, false) => "unlocked",
            (false, _) => "unlocked nothing",
        };
        self.sim.journal.count("locks", kind);
        let ok = |body: &OpBody<'_>| {
            if let OpBody::LockU(ok) = body { Some(ok.lock_stateid) } else { None }
        };
        self.renamed(at, n, done.reply.find(OpNum::LOCKU, ok), done.reply.generation)
    }

    async fn test_range(
        &self,
        at: &Locking,
        n: usize,
        (offset, length): (u64, u64),
        kind: Kind,
    ) -> Result<(), Over> {
        let asked = self.asked(at, n, cells(offset, length).ok_or(Over)?, kind);
        let owner = StateOwner { clientid: ClientId(0), owner: &asked.locker.1 };
        let test = Op::LockT(LockTArgs { locktype: lock_type(kind), offset, length, owner });
        let (done, status) = self.ask(&[put(&at.was.handle), test], OpNum::LOCKT).await;
        self.same(at, &done)?;
        match status {
            Status::OK => {
                self.sim.journal.count("locks", "test: free");
                let (generation, now) = (done.reply.generation, self.sim.now().as_ns());
                self.sim.checkers.locks.free(&asked, generation, now);
            }
            Status::DENIED => {
                self.sim.journal.count("locks", "test: denied");
                self.denied(&asked, &done, OpNum::LOCKT);
            }
            other => {
                self.expect("LOCKT", other, &[Status::OK, Status::DENIED]);
            }
        }
        Ok(())
    }

    /// TEST_STATEID of the owner's state, and of what it was called before.
    async fn test_state(&self, at: &Locking, n: usize) -> Result<(), Over> {
        let Some(now) = at.owners[n].stateid else { return Ok(()) };
        let mut right = vec![Status::OK];
        let mut stateids = vec![now];
        if now.seqid > 1 {
            stateids.push(Stateid { seqid: now.seqid - 1, other: now.other });
            right.push(Status::OLD_STATEID);
        }
        let test = Op::TestStateid(TestStateidArgs { stateids });
        let (done, _) = self.ask(&[test], OpNum::TEST_STATEID).await;
        self.same(at, &done)?;
        self.sim.journal.count("locks", "state tested");
        let codes = done.reply.find(OpNum::TEST_STATEID, |body| {
            if let OpBody::TestStateid(ok) = body { Some(ok.status_codes.clone()) } else { None }
        });
        self.sim.checkers.tree.equal(&self.name, "TEST_STATEID", &codes, &Some(right));
        Ok(())
    }

    /// FREE_STATEID, which is refused while the owner holds something.
    async fn free_state(&self, at: &mut Locking, n: usize) -> Result<(), Over> {
        let Some(stateid) = at.owners[n].stateid else { return Ok(()) };
        let free = Op::FreeStateid(FreeStateidArgs { stateid });
        let (_, status) = self.change_locks(at, free).await?;
        if self.refused(status) {
            return Ok(());
        }
        let is_free = at.owners[n].holds == [None; CELLS];
        let right = if is_free { Status::OK } else { Status::LOCKS_HELD };
        self.expect("FREE_STATEID", status, &[right]);
        self.sim.journal.count("locks", if is_free { "state freed" } else { "state not freed" });
        if is_free {
            at.owners[n].stateid = None;
        }
        Ok(())
    }
}

const fn lock_type(kind: Kind) -> LockType {
    match kind {
        Kind::Read => LockType::READ,
        Kind::Write => LockType::WRITE,
    }
}
