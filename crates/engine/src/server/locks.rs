//! The byte-range locks of one file: who holds what, who has reserved what, and what that keeps
//! others from (RFC 8881 §9).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use holdfast_proto::nfs4::{ClientId, Status};

use crate::limits;
use crate::server::ranges::{ByteRange, HeldRange, LockKind, Ranges, Segment};
use crate::server::stateids::StateName;

/// Who locks: a client and its lock-owner. Equal names of two clients are two owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockerId<'a> {
    /// The client.
    pub client: ClientId,
    /// The lock-owner's opaque name.
    pub owner: &'a [u8],
}

/// A lock that is held, and is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockConflict {
    /// Whose client it is.
    pub client: ClientId,
    /// The lock-owner's opaque name.
    pub owner: Box<[u8]>,
    /// The bytes, and how they are held.
    pub held: HeldRange,
}

/// Why a lock is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockRefused {
    /// Somebody holds one that conflicts: `DENIED`.
    Denied(LockConflict),
    /// Something else.
    Status(Status),
}

impl From<Status> for LockRefused {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// The ranges that somebody had and has no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// How many, where that is known.
    pub ranges: usize,
    /// A range that all of them are in.
    pub hull: Option<ByteRange>,
}

impl GivenUp {
    /// Whatever somebody had of a range.
    pub const fn of(range: ByteRange) -> Self {
        Self { ranges: 0, hull: Some(range) }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let hulls = self.hull.zip(other.hull).map(|(one, other)| one.hull(other));
        let hull = hulls.or(self.hull).or(other.hull);
        Self { ranges: self.ranges + other.ranges, hull }
    }
}

/// A reservation's name within its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Reserved {
    ticket: Ticket,
    wanted: HeldRange,
}

/// What one lock state holds on the file.
#[derive(Debug)]
struct Holder {
    client: ClientId,
    owner: Box<[u8]>,
    open: StateName,
    ranges: Ranges,
    reserved: Vec<Reserved>,
}

impl Holder {
    fn is(&self, locker: LockerId<'_>) -> bool {
        self.client == locker.client && *self.owner == *locker.owner
    }

    /// Whether a reservation of this holder is in the way of another one's wish.
    fn has_reserved(&self, wanted: HeldRange) -> bool {
        let in_the_way = |reserved: &Reserved| {
            reserved.wanted.range.overlaps(wanted.range)
                && reserved.wanted.kind.conflicts(wanted.kind)
        };
        self.reserved.iter().any(in_the_way)
    }

    /// Whether an undecided wish of this holder touches a range.
    fn is_deciding(&self, range: ByteRange) -> bool {
        self.reserved.iter().any(|reserved| reserved.wanted.range.overlaps(range))
    }

    fn is_idle(&self) -> bool {
        self.ranges.is_empty() && self.reserved.is_empty()
    }
}

/// The locks of one file. A search looks at every holder once, and at that holder's ranges in
/// order: however many ranges one holder has, it costs the others next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    holders: BTreeMap<StateName, Holder>,
    ranges: usize,
    tickets: u64,
}

impl Locks {
    pub(crate) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// The lock state of an owner under an open.
    pub(crate) fn state_of(&self, locker: LockerId<'_>, open: &StateName) -> Option<StateName> {
        let of = |holder: &Holder| holder.open == *open && holder.is(locker);
        self.holders.iter().find(|(_, holder)| of(holder)).map(|(name, _)| *name)
    }

    /// The owner behind a lock state.
    pub(crate) fn locker(&self, name: &StateName) -> Option<LockerId<'_>> {
        let holder = self.holders.get(name)?;
        Some(LockerId { client: holder.client, owner: &holder.owner })
    }

    /// Whether an owner could have a lock now.
    ///
    /// # Errors
    /// - `Denied`: the first byte that somebody else holds, of all that conflicts.
    /// - `DELAY`: somebody has reserved what conflicts, and it is not decided yet.
    pub(crate) fn check(&self, locker: LockerId<'_>, wanted: HeldRange) -> Result<(), LockRefused> {
        let others = || self.holders.values().filter(|holder| !holder.is(locker));
        let conflict = |holder: &'_ Holder| holder.ranges.conflict(wanted.range, wanted.kind);
        let conflicts = others().filter_map(|holder| Some((conflict(holder)?, holder)));
        if let Some((held, by)) = conflicts.min_by_key(|(held, _)| held.range) {
            let (client, owner) = (by.client, by.owner.clone());
            return Err(LockRefused::Denied(LockConflict { client, owner, held }));
        }
        if others().any(|holder| holder.has_reserved(wanted)) {
            return Err(Status::DELAY.into());
        }
        Ok(())
    }

    /// Adds a holder that holds nothing yet.
    ///
    /// # Errors
    /// `SERVERFAULT`: the file has too many.
    pub(crate) fn add(
        &mut self,
        name: StateName,
        locker: LockerId<'_>,
        open: StateName,
    ) -> Result<(), Status> {
        if self.holders.len() >= limits::LOCK_STATES_PER_FILE {
            return Err(Status::SERVERFAULT);
        }
        let (client, owner) = (locker.client, Box::from(locker.owner));
        let (ranges, reserved) = (Ranges::new(), Vec::new());
        self.holders.insert(name, Holder { client, owner, open, ranges, reserved });
        Ok(())
    }

    /// Reserves what [`Locks::check`] allowed: it holds off what conflicts.
    ///
    /// # Errors
    /// - `DELAY`: the holder has an undecided wish for some of the range.
    /// - `SERVERFAULT`: the file has too many ranges. The protocol has no status for that, and to
    ///   say DELAY would keep who asks waiting for ever.
    pub(crate) fn reserve(
        &mut self,
        name: &StateName,
        wanted: HeldRange,
    ) -> Result<Ticket, Status> {
        self.check_room()?;
        let holder = self.holders.get_mut(name).ok_or(Status::BAD_STATEID)?;
        if holder.is_deciding(wanted.range) {
            return Err(Status::DELAY);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        holder.reserved.push(Reserved { ticket, wanted });
        Ok(ticket)
    }

    fn check_room(&self) -> Result<(), Status> {
        let fits = self.ranges + Ranges::GROWTH <= limits::LOCK_RANGES_PER_FILE;
        if fits { Ok(()) } else { Err(Status::SERVERFAULT) }
    }

    /// Turns a reservation into a lock; answers by how many ranges the holder has more or less.
    ///
    /// # Errors
    /// `BAD_STATEID`: the holder is gone, and the reservation with it.
    pub(crate) fn commit(&mut self, name: &StateName, ticket: Ticket) -> Result<isize, Status> {
        let holder = self.holders.get_mut(name).ok_or(Status::BAD_STATEID)?;
        let at = holder.reserved.iter().position(|reserved| reserved.ticket == ticket);
        let HeldRange { range, kind } =
            holder.reserved.swap_remove(at.ok_or(Status::BAD_STATEID)?).wanted;
        self.change(name, |ranges| ranges.set(range, kind))
    }

    /// Gives a reservation up; answers whether the holder has nothing any more.
    pub(crate) fn cancel(&mut self, name: &StateName, ticket: Ticket) -> bool {
        let Some(holder) = self.holders.get_mut(name) else { return false };
        holder.reserved.retain(|reserved| reserved.ticket != ticket);
        holder.is_idle()
    }

    /// Gives up what a holder has of a range; answers as [`Locks::commit`].
    ///
    /// # Errors
    /// - `BAD_STATEID`: there is no such holder.
    /// - `DELAY`: it has an undecided wish for some of the range.
    /// - `SERVERFAULT`: two ranges would be left of one, and there are too many.
    pub(crate) fn unlock(&mut self, name: &StateName, range: ByteRange) -> Result<isize, Status> {
        let holder = self.holders.get(name).ok_or(Status::BAD_STATEID)?;
        if holder.is_deciding(range) {
            return Err(Status::DELAY);
        }
        // A client has given its lock up when it asks, so this may go beyond what LOCK may.
        if holder.ranges.splits(range) && self.ranges >= limits::LOCK_RANGES_PER_FILE_SPLIT {
            return Err(Status::SERVERFAULT);
        }
        self.change(name, |ranges| ranges.clear(range))
    }

    fn change(
        &mut self,
        name: &StateName,
        change: impl FnOnce(&mut Ranges),
    ) -> Result<isize, Status> {
        let holder = self.holders.get_mut(name).ok_or(Status::BAD_STATEID)?;
        let before = holder.ranges.len();
        change(&mut holder.ranges);
        let after = holder.ranges.len();
        self.ranges = self.ranges - before + after;
        Ok(after as isize - before as isize)
    }

    /// Whether a holder has anything, or may get something.
    pub(crate) fn is_held(&self, name: &StateName) -> bool {
        self.holders.get(name).is_some_and(|holder| !holder.is_idle())
    }

    /// Ends a holder with all it has.
    pub(crate) fn remove(&mut self, name: &StateName) -> GivenUp {
        let Some(holder) = self.holders.remove(name) else { return GivenUp::default() };
        let (ranges, hull) = (holder.ranges.len(), holder.ranges.hull());
        self.ranges -= ranges;
        GivenUp { ranges, hull }
    }

    /// A range in pieces, each with the strongest lock that anybody has of it. What is reserved
    /// does not count.
    pub(crate) fn union(&self, range: ByteRange) -> Vec<Segment> {
        let held = || self.holders.values().flat_map(|holder| holder.ranges.within(range));
        let mut union = Ranges::new();
        for kind in [LockKind::Read, LockKind::Write] {
            let of_kind = held().filter(|held| held.kind == kind);
            of_kind.for_each(|held| union.set(held.range, kind));
        }
        union.segments(range)
    }

    /// The lock states under an open.
    pub(crate) fn under(&self, open: &StateName) -> Vec<StateName> {
        let under = self.holders.iter().filter(|(_, holder)| holder.open == *open);
        under.map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
#[path = "locks/tests.rs"]
mod tests;
