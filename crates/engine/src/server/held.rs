//! A file's record and a client's states, entered together: opens and locks change in both, as
//! one step.

use alloc::vec::Vec;

use holdfast_proto::nfs4::{ClientId, Stateid, Status};

use crate::server::file::{FileKey, Files, OpenTicket, OpenerId};
use crate::server::locks::{GivenUp, LockRefused, LockerId, Ticket};
use crate::server::ranges::{ByteRange, HeldRange, LockKind, Segment};
use crate::server::share::Share;
use crate::server::stateids::{LockState, OpenState, State, StateName, States};

/// The shard of the file and the shard of the client's states.
pub struct Held<'a, F> {
    /// Has the file's record.
    pub files: &'a mut Files,
    /// Has the client's states.
    pub states: &'a mut States<F>,
}

/// By which state a client locks.
#[derive(Clone, Copy, Debug)]
pub enum LockBy<'a> {
    /// An open, for this lock-owner.
    Open(Stateid, &'a [u8]),
    /// The locks that the owner has.
    Locks(Stateid),
}

/// What a LOCK asks for.
#[derive(Clone, Copy, Debug)]
pub struct LockRequest<'a> {
    /// Who asks.
    pub client: ClientId,
    /// By which state.
    pub by: LockBy<'a>,
    /// Which bytes, and how.
    pub wanted: HeldRange,
}

/// A reserved lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockTicket {
    client: ClientId,
    name: StateName,
    ticket: Ticket,
}

impl<F> Held<'_, F> {
    /// Makes a reserved open real: `open` if the owner has none on the file, else more of that
    /// one, to whose files `add` adds. Answers the state id.
    ///
    /// # Errors
    /// - `DELAY`: there is no room for it.
    /// - `SERVERFAULT`: there is no such reservation.
    pub fn commit_open(
        &mut self,
        ticket: OpenTicket,
        opener: OpenerId<'_>,
        open: OpenState<F>,
        add: impl FnOnce(&mut F, F),
    ) -> Result<Stateid, Status> {
        let file = open.file;
        let stateid = match self.files.reserved(&file, ticket, opener)? {
            None => self.states.insert(open)?,
            Some(name) => {
                self.states.update(opener.client, name, |held| {
                    held.widen(open.access, open.deny);
                    add(&mut held.files, open.files);
                    Ok(())
                })?;
                self.states.changed(opener.client, name)?
            }
        };
        self.files.commit_open(&file, ticket, stateid.other);
        Ok(stateid)
    }

    /// OPEN_DOWNGRADE (RFC 8881 §18.18): goes back to what some OPENs asked for; `reduce` takes
    /// from the files what is left of no use.
    ///
    /// # Errors
    /// - As [`States::open`].
    /// - `INVAL`: no OPENs asked for just that.
    pub fn downgrade(
        &mut self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
        (access, deny): (Share, Share),
        reduce: impl FnOnce(&mut F),
    ) -> Result<Stateid, Status> {
        self.states.open(client, file, stateid)?;
        self.states.update(client, stateid.other, |open| {
            open.narrow(access, deny)?;
            reduce(&mut open.files);
            Ok(())
        })?;
        self.files.narrow(file, stateid.other, access, deny);
        self.states.changed(client, stateid.other)
    }

    /// CLOSE: ends an open, and the locks under it. Answers what was open, and what was locked.
    ///
    /// # Errors
    /// As [`States::open`].
    pub fn close(
        &mut self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<(State<F>, GivenUp), Status> {
        self.states.open(client, file, stateid)?;
        let mut given_up = GivenUp::default();
        for name in self.files.close(file, stateid.other) {
            given_up = given_up.and(self.forget_lock(client, file, name));
        }
        Ok((self.states.remove(client, stateid.other)?, given_up))
    }

    fn forget_lock(&mut self, client: ClientId, file: &FileKey, name: StateName) -> GivenUp {
        let had = self.files.forget(file, name);
        self.states.count_ranges(client, -(had.ranges as isize));
        // What the file knew of, the client had.
        let _ = self.states.remove(client, name);
        had
    }

    /// Reserves a lock, if nobody holds or has reserved what conflicts: it holds off what
    /// conflicts until it is committed or cancelled.
    ///
    /// # Errors
    /// - As [`States::open`] and [`States::lock`].
    /// - `OPENMODE`: the file is not open for what the lock is for, as POSIX has it.
    /// - `Denied`: somebody holds a lock that conflicts.
    /// - `DELAY`: a lock that is not decided yet conflicts, or there are too many lock states.
    /// - `SERVERFAULT`: there are too many ranges.
    pub fn begin_lock(
        &mut self,
        file: &FileKey,
        request: &LockRequest<'_>,
    ) -> Result<LockTicket, LockRefused> {
        let (client, wanted) = (request.client, request.wanted);
        let open = self.open_of(file, request)?;
        self.states.check_room_for_ranges(client)?;
        let locks = self.files.locks(file).ok_or(Status::BAD_STATEID)?;
        let name = match request.by {
            LockBy::Open(_, owner) => {
                let locker = LockerId { client, owner };
                locks.check(locker, wanted)?;
                match locks.state_of(locker, &open) {
                    Some(name) => name,
                    None => self.add_locker(file, locker, open)?,
                }
            }
            LockBy::Locks(stateid) => {
                let locker = locks.locker(&stateid.other).ok_or(Status::BAD_STATEID)?;
                locks.check(locker, wanted)?;
                stateid.other
            }
        };
        self.reserve(file, client, name, wanted).map_err(LockRefused::Status)
    }

    /// The open under which a lock is asked for, which must allow it.
    fn open_of(&self, file: &FileKey, request: &LockRequest<'_>) -> Result<StateName, Status> {
        let client = request.client;
        let name = match request.by {
            LockBy::Open(stateid, _) => {
                self.states.open(client, file, &stateid)?;
                stateid.other
            }
            LockBy::Locks(stateid) => self.states.lock(client, file, &stateid)?.open,
        };
        let access = self.states.open(client, file, &Stateid { seqid: 0, other: name })?.access;
        let needs = match request.wanted.kind {
            LockKind::Read => Share::READ,
            LockKind::Write => Share::WRITE,
        };
        if access.contains(needs) { Ok(name) } else { Err(Status::OPENMODE) }
    }

    fn add_locker(
        &mut self,
        file: &FileKey,
        locker: LockerId<'_>,
        open: StateName,
    ) -> Result<StateName, Status> {
        let client = locker.client;
        let name = self.states.insert_lock(LockState { client, file: *file, open })?;
        let locks = self.files.locks(file).ok_or(Status::BAD_STATEID);
        if let Err(status) = locks.and_then(|locks| locks.add(name, locker, open)) {
            self.states.remove(client, name)?;
            return Err(status);
        }
        Ok(name)
    }

    fn reserve(
        &mut self,
        file: &FileKey,
        client: ClientId,
        name: StateName,
        wanted: HeldRange,
    ) -> Result<LockTicket, Status> {
        let locks = self.files.locks(file).ok_or(Status::BAD_STATEID)?;
        let reserved = locks.reserve(&name, wanted);
        match reserved {
            Ok(ticket) => Ok(LockTicket { client, name, ticket }),
            Err(status) => {
                self.forget_untold(file, client, name);
                Err(status)
            }
        }
    }

    /// Forgets a lock state that holds nothing and that its client has never heard of.
    fn forget_untold(&mut self, file: &FileKey, client: ClientId, name: StateName) {
        let is_held = self.files.locks(file).is_some_and(|locks| locks.is_held(&name));
        if !is_held && self.states.is_untold(client, &name) {
            self.forget_lock(client, file, name);
        }
    }

    /// Makes a reserved lock real; answers its state id.
    ///
    /// # Errors
    /// `BAD_STATEID`: its open is closed meanwhile. Nothing is held.
    pub fn commit_lock(&mut self, file: &FileKey, ticket: LockTicket) -> Result<Stateid, Status> {
        let LockTicket { client, name, ticket } = ticket;
        let locks = self.files.locks(file).ok_or(Status::BAD_STATEID)?;
        let more = locks.commit(&name, ticket)?;
        self.states.count_ranges(client, more);
        self.states.changed(client, name)
    }

    /// Gives a reserved lock up.
    pub fn cancel_lock(&mut self, file: &FileKey, ticket: LockTicket) {
        let LockTicket { client, name, ticket } = ticket;
        if let Some(locks) = self.files.locks(file) {
            locks.cancel(&name, ticket);
            self.forget_untold(file, client, name);
        }
    }

    /// LOCKU (RFC 8881 §18.12); answers the new state id.
    ///
    /// # Errors
    /// - As [`States::lock`].
    /// - `DELAY`: a LOCK of the same owner on some of these bytes is not decided yet.
    /// - `SERVERFAULT`: what is left would be too many ranges.
    pub fn unlock(
        &mut self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
        range: ByteRange,
    ) -> Result<Stateid, Status> {
        self.states.lock(client, file, stateid)?;
        let locks = self.files.locks(file).ok_or(Status::BAD_STATEID)?;
        let more = locks.unlock(&stateid.other, range)?;
        self.states.count_ranges(client, more);
        self.states.changed(client, stateid.other)
    }

    /// FREE_STATEID of a lock state on this file (RFC 8881 §18.38).
    ///
    /// # Errors
    /// - As [`States::lock`].
    /// - `LOCKS_HELD`: there are locks under it.
    pub fn free_lock(
        &mut self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<(), Status> {
        self.states.lock(client, file, stateid)?;
        if self.files.locks(file).is_some_and(|locks| locks.is_held(&stateid.other)) {
            return Err(Status::LOCKS_HELD);
        }
        self.forget_lock(client, file, stateid.other);
        Ok(())
    }
}

impl Files {
    /// LOCKT: whether an owner could have a lock (RFC 8881 §18.11).
    ///
    /// # Errors
    /// - `Denied`: somebody else holds one that conflicts.
    /// - `DELAY`: somebody else's that is not decided yet conflicts.
    pub fn test_lock(
        &mut self,
        file: &FileKey,
        locker: LockerId<'_>,
        wanted: HeldRange,
    ) -> Result<(), LockRefused> {
        self.locks(file).map_or(Ok(()), |locks| locks.check(locker, wanted))
    }

    /// A range of a file in pieces, each with the strongest lock that anybody has of it. What is
    /// reserved does not count.
    pub fn union(&mut self, file: &FileKey, range: ByteRange) -> Vec<Segment> {
        match self.locks(file) {
            Some(locks) => locks.union(range),
            None => [Segment { range, kind: None }].into(),
        }
    }

    /// Whether a file has any lock state, be it one that holds nothing.
    pub fn has_lockers(&mut self, file: &FileKey) -> bool {
        self.locks(file).is_some_and(|locks| !locks.is_empty())
    }
}

#[cfg(test)]
#[path = "held/tests.rs"]
mod tests;
