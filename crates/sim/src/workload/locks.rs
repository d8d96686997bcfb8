//! Byte-range locks of all users on a few files. An owner does one thing after the other, so that
//! it knows what it holds; what others hold is the checker's business.

use std::ops::Range;
use std::time::Duration;

use holdfast_proto::nfs4::{
    ClientId, FreeStateidArgs, LockArgs, LockTArgs, LockType, LockUArgs, Op, OpBody, OpNum,
    ReadArgs, StableHow, StateOwner, Stateid, Status, TestStateidArgs, WriteArgs,
};

use super::Actor;
use super::data::is_state_lost;
use super::names::put;
use crate::checkers::locks::{Asked, Bytes, CELLS, InTheWay, Kind, cells};
use crate::checkers::shares::Share;
use crate::client::Done;
use crate::client::held::{Held, HeldLocks, SharedHeld, locker};
use crate::sync::lock;

/// The files that are locked.
pub const LOCKED: [&str; 2] = ["locked0", "locked1"];

/// How often a server looks after leases, at the least.
const SWEEP: Duration = Duration::from_millis(1_010);

/// File-system calls that a request of a silent client still makes, at the most.
const SLOW_CALLS: u32 = 20;

/// Pauses that this takes, and the end of all that silent clients have.
const LONG_PAUSES: u32 = 60;

/// Lock-owners of a user.
const OWNERS: usize = 2;

/// What one lock-owner of this user has on the open file. What it is called is with the open.
struct Owner {
    name: Vec<u8>,
    holds: Bytes,
}

/// A file that is open to be locked.
pub(super) struct Locking {
    open: SharedHeld,
    /// The open as it was at first, or was reclaimed.
    was: Held,
    owners: Vec<Owner>,
}

/// The locks may be gone, or what was done to them is not known: close the file.
pub(super) struct Over;

/// What was asked before the server restarted, and is to be asked again, or not.
type Answer = Option<(Done, Status)>;

impl Locking {
    /// Whether its first lock-owner has all.
    pub(super) fn has_all(&self) -> bool {
        self.owners[0].holds == [Some(Kind::Write); CELLS]
    }
}

impl Actor {
    /// Opens a file, does so many things to its locks, and closes it, with locks or without.
    pub(super) async fn locks(&mut self, file: usize, things: u64) {
        let access = *self.rng.pick(&[3, 3, 3, 3, 3, 1, 2]);
        let Some(mut at) = self.begin_locks(LOCKED[file], access).await else { return };
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

    /// Opens a file to be locked. `None`: it was refused.
    pub(super) async fn begin_locks(&mut self, file: &str, access: u32) -> Option<Locking> {
        let open = match self.open_shared(file, false, Share { access, deny: 0 }).await {
            Ok(open) => open,
            Err(status) => {
                if !self.refused(status) {
                    self.expect("OPEN of a file to lock", status, &[Status::OK]);
                }
                return None;
            }
        };
        let name = |n| format!("{} l{n}", self.name).into_bytes();
        let owner = |n| Owner { name: name(n), holds: [None; CELLS] };
        let owners: Vec<_> = (0..OWNERS).map(owner).collect();
        let held = |n| HeldLocks { owner: name(n), stateid: None, bytes: [None; CELLS] };
        lock(&open).locks = (0..OWNERS).map(held).collect();
        let was = lock(&open).clone();
        Some(Locking { open, was, owners })
    }

    pub(super) async fn close_locked(&self, at: &Locking) {
        if at.owners.iter().any(|owner| owner.holds != [None; CELLS]) {
            self.sim.journal.count("locks", "closed with locks");
        }
        lock(&at.open).locks.clear();
        let all = |n| self.asked(at, n, 0..CELLS, Kind::Read);
        (0..OWNERS).for_each(|n| self.sim.checkers.locks.unlocking(&all(n)));
        self.close_shared(&at.open).await;
        let now = self.sim.now().as_ns();
        (0..OWNERS).for_each(|n| self.sim.checkers.locks.unlocked(&all(n), now));
    }

    async fn lock_step(&mut self, at: &mut Locking) -> Result<(), Over> {
        self.catch_up(at)?;
        let n = self.rng.index(OWNERS);
        let first = self.rng.below(CELLS as u64);
        let rest = CELLS as u64 - 1 - first;
        let length = if rest == 0 || self.rng.chance(200) {
            u64::MAX
        } else {
            self.rng.between(1, rest.min(6))
        };
        let kind = if self.rng.chance(500) { Kind::Read } else { Kind::Write };
        match self.rng.below(12) {
            0..5 => self.lock_range(at, n, (first, length), kind).await,
            5..7 => {
                let is_all = self.rng.chance(300);
                let range = if is_all { (0, u64::MAX) } else { (first, length) };
                self.unlock_range(at, n, range).await
            }
            7 => self.test_range(at, n, (first, length), kind).await,
            8 => self.test_state(at, n).await,
            9 => self.free_state(at, n).await,
            _ => self.use_lock(at, n).await,
        }
    }

    fn asked(&self, at: &Locking, n: usize, cells: Range<usize>, kind: Kind) -> Asked {
        let file = (self.client.host.name.clone(), at.was.handle.clone());
        let locker = (self.client.id, at.owners[n].name.clone());
        Asked { file, locker, cells, kind, sent: self.sim.now().as_ns() }
    }

    /// Takes over what a reclaim has changed.
    fn catch_up(&self, at: &mut Locking) -> Result<(), Over> {
        let held = lock(&at.open).clone();
        if held.is_lost || held.locks.len() != OWNERS {
            return Err(Over);
        }
        if is_of(&at.was, (held.epoch, held.generation)) {
            return Ok(());
        }
        self.sim.journal.count("locks", "went on after a restart");
        for (owner, locks) in at.owners.iter_mut().zip(&held.locks) {
            owner.holds = locks.bytes;
        }
        at.was = held;
        Ok(())
    }

    /// Whether an answer is of the instance and the client id that the locks are of. `false`:
    /// the locks have been reclaimed since the request was made.
    fn same(&self, at: &mut Locking, done: &Done) -> Result<bool, Over> {
        let by = (done.epoch, done.reply.generation);
        if is_of(&at.was, by) {
            return Ok(true);
        }
        self.catch_up(at)?;
        if is_of(&at.was, by) { Ok(false) } else { Err(Over) }
    }

    /// A request on the file under the state of its open or its locks. None: it is not of the
    /// state that there is since a restart, and was not executed.
    async fn change_locks(&self, at: &mut Locking, op: Op<'_>) -> Result<Answer, Over> {
        let num = op.num();
        let handle = at.was.handle.clone();
        let (done, status, in_doubt) = self.change_request(&[put(&handle), op], num).await;
        if self.same(at, &done)? {
            return if in_doubt { Err(Over) } else { Ok(Some((done, status))) };
        }
        if !is_state_lost(status) && !self.refused(status) {
            self.sim.checkers.tree.unexpected(&self.name, "state of before a restart", status);
        }
        Ok(None)
    }

    /// Says what an owner asks back after a restart, unless there was one already.
    fn ask_back(&self, at: &Locking, n: usize, change: impl FnOnce(&mut HeldLocks)) {
        let mut held = lock(&at.open);
        if is_of(&held, (at.was.epoch, at.was.generation))
            && let Some(locks) = held.locks.get_mut(n)
        {
            change(locks);
        }
    }

    fn stateid(&self, at: &Locking, n: usize) -> Option<Stateid> {
        lock(&at.open).locks.get(n)?.stateid
    }

    pub(super) async fn lock_range(
        &mut self,
        at: &mut Locking,
        n: usize,
        (offset, length): (u64, u64),
        kind: Kind,
    ) -> Result<(), Over> {
        self.catch_up(at)?;
        let asked = self.asked(at, n, cells(offset, length).ok_or(Over)?, kind);
        let owner = at.owners[n].name.clone();
        let locker = locker(self.stateid(at, n), at.was.stateid, &owner);
        let waits = self.rng.chance(300);
        let locktype = lock_type(kind, waits);
        let args = LockArgs { locktype, reclaim: false, offset, length, locker };
        self.sim.checkers.locks.locking(&asked);
        let is_open_for_it = at.was.share.access & access_of(kind) != 0;
        // While it is not known which of the two it has, an owner asks for the weaker one.
        self.ask_back(at, n, |locks| {
            if is_open_for_it && kind == Kind::Read {
                locks.bytes[asked.cells.clone()].iter_mut().flatten().for_each(|held| *held = kind);
            }
        });
        let answer = self.change_locks(at, Op::Lock(args)).await?;
        let now = self.sim.now().as_ns();
        let Some((done, status)) = answer else {
            self.sim.checkers.locks.refused(&asked, &at.owners[n].holds, now);
            return Ok(());
        };
        if status == Status::OK {
            let generation = done.reply.generation;
            self.sim.checkers.locks.granted(&asked, generation, now);
            let ok = |body: &OpBody<'_>| {
                if let OpBody::Lock(ok) = body { Some(ok.lock_stateid) } else { None }
            };
            self.count_granted(&at.owners[n].holds[asked.cells.clone()], kind);
            at.owners[n].holds[asked.cells.clone()].fill(Some(kind));
            self.ask_back(at, n, |locks| locks.bytes[asked.cells].fill(Some(kind)));
            return self.renamed(at, n, done.reply.find(OpNum::LOCK, ok), generation);
        }
        let holds = at.owners[n].holds;
        self.sim.checkers.locks.refused(&asked, &holds, now);
        self.ask_back(at, n, |locks| locks.bytes = holds);
        if status == Status::DENIED {
            self.sim.journal.count("locks", if waits { "denied, would wait" } else { "denied" });
            self.denied(&asked, &done, OpNum::LOCK);
        } else if status == Status::OPENMODE && !is_open_for_it {
            self.sim.journal.count("locks", "not open for it");
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
        at: &Locking,
        n: usize,
        new: Option<Stateid>,
        generation: u64,
    ) -> Result<(), Over> {
        let new = new.ok_or(Over)?;
        let mut old = None;
        self.ask_back(at, n, |locks| old = Some(locks.stateid.replace(new)));
        match old {
            Some(Some(old)) => {
                let next = Stateid { seqid: old.seqid.wrapping_add(1), other: old.other };
                self.sim.checkers.tree.equal(&self.name, "the lock's state id", &new, &next);
            }
            Some(None) => self.sim.checkers.generations.stateid_made(&new, generation),
            None => {}
        }
        Ok(())
    }

    /// How long a server may keep the locks of a client that it does not hear of: its lease, and
    /// what passes until the server looks, and has ended what the client had asked for before.
    fn patience(&self, generation: u64) -> Option<u64> {
        let options = &self.sim.options;
        if options.hang_per_10k > 0 {
            return None;
        }
        let (mut calls, mut pauses) = (Duration::ZERO, Duration::ZERO);
        if options.slow_permille > 0 {
            calls = options.slow_max * SLOW_CALLS;
        }
        if options.preempt_permille > 0 {
            pauses = options.preempt_max * LONG_PAUSES;
        }
        let all = self.client.host.lease_of(generation) + SWEEP + calls + pauses;
        Some(all.as_nanos() as u64)
    }

    fn denied(&self, asked: &Asked, done: &Done, num: OpNum) {
        let way = done.reply.find(num, |body| {
            let OpBody::LockDenied(denied) = body else { return None };
            let kind = if denied.locktype == LockType::READ { Kind::Read } else { Kind::Write };
            let cells = cells(denied.offset, denied.length);
            Some(InTheWay { owner: denied.owner.owner.to_vec(), cells, kind })
        });
        let patience = self.patience(done.reply.generation);
        match way {
            Some(way) => self.sim.checkers.locks.denied(asked, &way, patience),
            None => self.sim.journal.violation("wire", "DENIED without a body"),
        }
    }

    async fn unlock_range(
        &self,
        at: &mut Locking,
        n: usize,
        (offset, length): (u64, u64),
    ) -> Result<(), Over> {
        let Some(lock_stateid) = self.stateid(at, n) else { return Ok(()) };
        let asked = self.asked(at, n, cells(offset, length).ok_or(Over)?, Kind::Write);
        self.ask_back(at, n, |locks| locks.bytes[asked.cells.clone()].fill(None));
        let locktype = LockType::WRITE;
        let args = LockUArgs { locktype, seqid: 0, lock_stateid, offset, length };
        self.sim.checkers.locks.unlocking(&asked);
        let answer = self.change_locks(at, Op::LockU(args)).await?;
        let holds = at.owners[n].holds;
        let Some((done, status)) = answer.filter(|(_, status)| !self.refused(*status)) else {
            self.sim.checkers.locks.refused(&asked, &holds, self.sim.now().as_ns());
            self.ask_back(at, n, |locks| locks.bytes = holds);
            return Ok(());
        };
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
        at: &mut Locking,
        n: usize,
        (offset, length): (u64, u64),
        kind: Kind,
    ) -> Result<(), Over> {
        let asked = self.asked(at, n, cells(offset, length).ok_or(Over)?, kind);
        let owner = StateOwner { clientid: ClientId(0), owner: &asked.locker.1 };
        let test = Op::LockT(LockTArgs { locktype: lock_type(kind, false), offset, length, owner });
        let (done, status) = self.ask(&[put(&at.was.handle), test], OpNum::LOCKT).await;
        if !self.same(at, &done)? {
            return Ok(());
        }
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
    async fn test_state(&self, at: &mut Locking, n: usize) -> Result<(), Over> {
        let Some(now) = self.stateid(at, n) else { return Ok(()) };
        let mut right = vec![Status::OK];
        let mut stateids = vec![now];
        if now.seqid > 1 {
            stateids.push(Stateid { seqid: now.seqid - 1, other: now.other });
            right.push(Status::OLD_STATEID);
        }
        let test = Op::TestStateid(TestStateidArgs { stateids });
        let (done, _) = self.ask(&[test], OpNum::TEST_STATEID).await;
        if !self.same(at, &done)? {
            return Ok(());
        }
        self.sim.journal.count("locks", "state tested");
        let codes = done.reply.find(OpNum::TEST_STATEID, |body| {
            if let OpBody::TestStateid(ok) = body { Some(ok.status_codes.clone()) } else { None }
        });
        self.sim.checkers.tree.equal(&self.name, "TEST_STATEID", &codes, &Some(right));
        Ok(())
    }

    /// FREE_STATEID, which is refused while the owner holds something.
    async fn free_state(&self, at: &mut Locking, n: usize) -> Result<(), Over> {
        let Some(stateid) = self.stateid(at, n) else { return Ok(()) };
        let free = Op::FreeStateid(FreeStateidArgs { stateid });
        let answer = self.change_locks(at, free).await?;
        let Some((_, status)) = answer.filter(|(_, status)| !self.refused(*status)) else {
            return Ok(());
        };
        let is_free = at.owners[n].holds == [None; CELLS];
        let right = if is_free { Status::OK } else { Status::LOCKS_HELD };
        self.expect("FREE_STATEID", status, &[right]);
        self.sim.journal.count("locks", if is_free { "state freed" } else { "state not freed" });
        if is_free {
            self.ask_back(at, n, |locks| locks.stateid = None);
        }
        Ok(())
    }

    /// Writes a byte under the state of the locks, or of the open, and reads it: who has it
    /// locked alone finds what it wrote.
    async fn use_lock(&mut self, at: &mut Locking, n: usize) -> Result<(), Over> {
        let stateid = self.stateid(at, n).unwrap_or(at.was.stateid);
        let stateid = Stateid { seqid: 0, other: stateid.other };
        let holds = &at.owners[n].holds[..CELLS - 1];
        let alone = holds.iter().position(|held| *held == Some(Kind::Write));
        let may_write = at.was.share.access & access_of(Kind::Write) != 0;
        let (offset, data) = (alone.unwrap_or(0) as u64, [self.rng.next() as u8]);
        if alone.is_some() || !may_write {
            let stable = StableHow::FILE_SYNC;
            let write = Op::Write(WriteArgs { stateid, offset, stable, data: &data });
            let Some((_, status)) = self.change_locks(at, write).await? else { return Ok(()) };
            if self.refused(status) {
                return Ok(());
            }
            let expected = if may_write { Status::OK } else { Status::OPENMODE };
            self.expect("WRITE under a lock", status, &[expected]);
        }
        let read = Op::Read(ReadArgs { stateid, offset, count: 1 });
        let (done, status) = self.ask(&[put(&at.was.handle), read], OpNum::READ).await;
        if !self.same(at, &done)? || !self.expect("READ under a lock", status, &[Status::OK]) {
            return Ok(());
        }
        if !may_write {
            self.sim.journal.count("locks", "not open for writing");
        } else if alone.is_some() {
            self.sim.journal.count("locks", "written and read alone");
            let read = done.reply.find(OpNum::READ, |body| {
                if let OpBody::Read(ok) = body { Some(ok.data.to_vec()) } else { None }
            });
            self.sim.checkers.shared.read(&self.name, &data, &read.unwrap_or_default());
        }
        Ok(())
    }
}

/// Whether state is of a client id and an instance.
fn is_of(held: &Held, (epoch, generation): (u64, u64)) -> bool {
    held.epoch == epoch && held.generation == generation
}

/// As LOCK has it. Who would wait is answered like all others.
const fn lock_type(kind: Kind, waits: bool) -> LockType {
    match (kind, waits) {
        (Kind::Read, false) => LockType::READ,
        (Kind::Read, true) => LockType::READW,
        (Kind::Write, false) => LockType::WRITE,
        (Kind::Write, true) => LockType::WRITEW,
    }
}

/// What a file must be open for to be locked so.
const fn access_of(kind: Kind) -> u32 {
    match kind {
        Kind::Read => 1,
        Kind::Write => 2,
    }
}
