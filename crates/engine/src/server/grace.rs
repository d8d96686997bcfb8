//! The grace period: after a restart, who may reclaim, and when new state is granted again
//! (RFC 8881 §8.4.2).
//!
//! ```text
//!            nothing recorded
//! start ───────────────────────────────► Over
//!   │ clients recorded                    ▲
//!   ▼      all reclaimed, time, forced    │ end_recorded
//!  Open ─────────────────────────────► Ending ◄─► Unrecorded
//! ```

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use core::time::Duration;

use holdfast_base::Instant;
use holdfast_proto::nfs4::Status;

/// Why a grace period ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraceEnd {
    /// No client can have anything to reclaim: it never began.
    NothingToReclaim,
    /// Every recorded client said that it has reclaimed everything.
    AllReclaimed,
    /// Its time is over, and nobody reclaimed anything since the last look.
    TimeOver,
    /// Twice the lease has passed since it began, whatever is still being reclaimed.
    TwoLeases,
    /// An administrator ended it.
    Forced,
}

#[derive(Debug)]
enum State {
    Open(Open),
    /// The end is being recorded: nothing can be reclaimed, nothing new is granted.
    Ending(GraceEnd),
    /// The end could not be recorded: as before, until an attempt works.
    Unrecorded(GraceEnd),
    Over(GraceEnd),
}

#[derive(Debug)]
struct Open {
    until: Instant,
    until_at_most: Instant,
    recorded: BTreeSet<Box<[u8]>>,
    missing: BTreeSet<Box<[u8]>>,
    reclaimed_since_tick: bool,
}

/// One instance's grace period.
#[derive(Debug)]
pub struct Grace {
    state: State,
}

impl Grace {
    /// Starts a grace period of `grace` for the owners of the record; without any it is over.
    pub fn start(
        now: Instant,
        grace: Duration,
        lease: Duration,
        recorded: impl IntoIterator<Item = Box<[u8]>>,
    ) -> Self {
        let recorded: BTreeSet<_> = recorded.into_iter().collect();
        if recorded.is_empty() {
            return Self { state: State::Over(GraceEnd::NothingToReclaim) };
        }
        let missing = recorded.clone();
        let until = now + grace;
        let until_at_most = (now + lease + lease).max(until);
        let open = Open { until, until_at_most, recorded, missing, reclaimed_since_tick: false };
        Self { state: State::Open(open) }
    }

    /// Whether new state is refused.
    pub const fn is_on(&self) -> bool {
        !matches!(self.state, State::Over(_))
    }

    /// Why it ended, if it did.
    pub const fn ended(&self) -> Option<GraceEnd> {
        match self.state {
            State::Over(reason) => Some(reason),
            State::Open(_) | State::Ending(_) | State::Unrecorded(_) => None,
        }
    }

    /// Whether something that was not held before may be granted.
    ///
    /// # Errors
    /// `GRACE`: not yet.
    pub const fn check_new_state(&self) -> Result<(), Status> {
        if self.is_on() { Err(Status::GRACE) } else { Ok(()) }
    }

    /// Whether an owner may reclaim.
    ///
    /// # Errors
    /// - `NO_GRACE`: the time for it is over, or the owner said that it has reclaimed all.
    /// - `RECLAIM_BAD`: the owner held nothing when the server stopped.
    pub fn check_reclaim(&mut self, owner: &[u8]) -> Result<(), Status> {
        let State::Open(open) = &mut self.state else { return Err(Status::NO_GRACE) };
        if !open.recorded.contains(owner) {
            return Err(Status::RECLAIM_BAD);
        }
        if !open.missing.contains(owner) {
            return Err(Status::NO_GRACE);
        }
        open.reclaimed_since_tick = true;
        Ok(())
    }

    /// An owner has reclaimed everything. `Some`: that was the last one, and the caller must
    /// record the end, then call [`Grace::end_recorded`] or [`Grace::end_failed`]. Of all that can
    /// end a grace period, exactly one answers so; after a failure, the next look or word does.
    pub fn reclaim_complete(&mut self, owner: &[u8]) -> Option<GraceEnd> {
        let State::Open(open) = &mut self.state else { return None };
        open.missing.remove(owner);
        if open.missing.is_empty() { self.begin_end(GraceEnd::AllReclaimed) } else { None }
    }

    /// A recorded owner will not reclaim: its record was removed.
    pub fn forget(&mut self, owner: &[u8]) -> Option<GraceEnd> {
        if let State::Open(open) = &mut self.state {
            open.recorded.remove(owner);
        }
        self.reclaim_complete(owner)
    }

    /// Looks at the clock. `Some` as in [`Grace::reclaim_complete`].
    pub fn tick(&mut self, now: Instant) -> Option<GraceEnd> {
        #[cfg(feature = "bugs")]
        if crate::bugs::is_on(crate::bugs::Bug::GraceEndsTwice)
            && let State::Ending(reason) = self.state
        {
            return Some(reason);
        }
        if let State::Unrecorded(reason) = self.state {
            return self.begin_end(reason);
        }
        let State::Open(open) = &mut self.state else { return None };
        if now >= open.until_at_most {
            return self.begin_end(GraceEnd::TwoLeases);
        }
        let quiet = !core::mem::take(&mut open.reclaimed_since_tick);
        if now >= open.until && quiet { self.begin_end(GraceEnd::TimeOver) } else { None }
    }

    /// Ends it by an administrator's word. `Some` as in [`Grace::reclaim_complete`].
    pub fn force(&mut self) -> Option<GraceEnd> {
        match self.state {
            State::Open(_) => self.begin_end(GraceEnd::Forced),
            State::Unrecorded(reason) => self.begin_end(reason),
            State::Ending(_) | State::Over(_) => None,
        }
    }

    fn begin_end(&mut self, reason: GraceEnd) -> Option<GraceEnd> {
        self.state = State::Ending(reason);
        Some(reason)
    }

    /// The end is on record: new state may be granted from now on.
    pub fn end_recorded(&mut self) {
        if let State::Ending(reason) = self.state {
            self.state = State::Over(reason);
        }
    }

    /// The end could not be recorded: nothing is granted, and it is to be tried again.
    pub fn end_failed(&mut self) {
        if let State::Ending(reason) = self.state {
            self.state = State::Unrecorded(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(90);
    const START: Instant = Instant::from_ns(1_000_000_000);

    fn grace(owners: &[&[u8]]) -> Grace {
        Grace::start(START, LEASE, LEASE, owners.iter().map(|owner| Box::<[u8]>::from(*owner)))
    }

    #[test]
    fn nobody_recorded_is_no_grace() {
        let mut grace = grace(&[]);
        assert_eq!(grace.ended(), Some(GraceEnd::NothingToReclaim));
        assert_eq!(grace.check_new_state(), Ok(()));
        assert_eq!(grace.check_reclaim(b"a"), Err(Status::NO_GRACE));
        assert_eq!(grace.force(), None);
    }

    #[test]
    fn the_last_to_reclaim_ends_it_once_and_only_after_the_record() {
        let mut grace = grace(&[b"a", b"b"]);
        assert_eq!(grace.check_new_state(), Err(Status::GRACE));
        assert_eq!(grace.check_reclaim(b"a"), Ok(()));
        assert_eq!(grace.check_reclaim(b"c"), Err(Status::RECLAIM_BAD));
        assert_eq!(grace.reclaim_complete(b"a"), None);
        assert_eq!(grace.check_reclaim(b"a"), Err(Status::NO_GRACE));
        assert_eq!(grace.reclaim_complete(b"c"), None);
        assert_eq!(grace.reclaim_complete(b"b"), Some(GraceEnd::AllReclaimed));
        assert_eq!(grace.reclaim_complete(b"b"), None);
        assert_eq!(grace.tick(START + 10 * LEASE), None);
        assert_eq!(grace.force(), None);
        assert_eq!(grace.check_new_state(), Err(Status::GRACE), "not before it is on record");
        grace.end_recorded();
        assert_eq!(grace.check_new_state(), Ok(()));
        assert_eq!(grace.ended(), Some(GraceEnd::AllReclaimed));
    }

    #[test]
    fn time_ends_it_when_nobody_reclaims_and_twice_the_lease_in_any_case() {
        let mut quiet = grace(&[b"a"]);
        assert_eq!(quiet.tick(START + (LEASE - Duration::from_nanos(1))), None);
        assert_eq!(quiet.tick(START + LEASE), Some(GraceEnd::TimeOver));

        let mut busy = grace(&[b"a"]);
        busy.check_reclaim(b"a").unwrap();
        assert_eq!(busy.tick(START + LEASE), None, "somebody is still reclaiming");
        busy.check_reclaim(b"a").unwrap();
        assert_eq!(busy.tick(START + 2 * LEASE), Some(GraceEnd::TwoLeases));
    }

    #[test]
    fn a_record_that_is_removed_is_not_waited_for() {
        let mut grace = grace(&[b"a"]);
        assert_eq!(grace.forget(b"a"), Some(GraceEnd::AllReclaimed));
    }

    #[test]
    fn an_end_that_is_not_on_record_is_tried_again_by_one_at_a_time() {
        let mut grace = grace(&[b"a"]);
        assert_eq!(grace.reclaim_complete(b"a"), Some(GraceEnd::AllReclaimed));
        for _ in 0..2 {
            grace.end_failed();
            assert_eq!((grace.is_on(), grace.ended()), (true, None));
            assert_eq!(grace.check_new_state(), Err(Status::GRACE));
            assert_eq!(grace.check_reclaim(b"a"), Err(Status::NO_GRACE));
            assert_eq!(grace.tick(START), Some(GraceEnd::AllReclaimed));
            assert_eq!((grace.tick(START), grace.force()), (None, None), "one is at it");
        }
        grace.end_failed();
        assert_eq!(grace.force(), Some(GraceEnd::AllReclaimed));
        grace.end_recorded();
        grace.end_failed();
        assert_eq!(grace.ended(), Some(GraceEnd::AllReclaimed), "what is over is over");
    }

    #[test]
    fn force_ends_it_at_once() {
        let mut grace = grace(&[b"a"]);
        assert_eq!(grace.force(), Some(GraceEnd::Forced));
        assert_eq!(grace.force(), None);
        assert_eq!(grace.check_reclaim(b"a"), Err(Status::NO_GRACE));
    }
}
