//! The grace period and the record of clients, as the operations see them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_base::Instant;
use holdfast_engine::server::{Dropped, Grace, GraceEnd};
use holdfast_proto::nfs4::{ClientId, Status};

use super::State;
use crate::counters::count;
use crate::records::{ClientRecords, RecordError};

impl State {
    /// Whether something may be done that could conflict with what is yet to be reclaimed
    /// (RFC 8881 §8.4.2.1).
    ///
    /// # Errors
    /// `GRACE`: not yet.
    pub(crate) async fn check_grace(&self) -> Result<(), Status> {
        if !self.grace_is_on.load(Ordering::Acquire) {
            return Ok(());
        }
        self.with(&self.grace, |grace| grace.check_new_state()).await?
    }

    /// Whether a client may open what it did not hold before.
    ///
    /// # Errors
    /// `GRACE`: it has not said RECLAIM_COMPLETE, or others may still reclaim.
    pub(crate) async fn check_new_open(&self, client: ClientId) -> Result<(), Status> {
        self.with(&self.clients, |clients| clients.check_new_state(client)).await??;
        self.check_grace().await
    }

    /// Whether a client may reclaim an open.
    ///
    /// # Errors
    /// `NO_GRACE`, `RECLAIM_BAD`.
    pub(crate) async fn check_reclaim(&self, client: ClientId) -> Result<(), Status> {
        let reclaiming = self.with(&self.clients, |clients| clients.reclaiming(client)).await?;
        let owner = reclaiming.map_err(|status| match status {
            Status::COMPLETE_ALREADY => Status::NO_GRACE,
            other => other,
        })?;
        self.with(&self.grace, |grace| grace.check_reclaim(&owner)).await?
    }

    /// RECLAIM_COMPLETE for everything: the client is on record before it is told that it may
    /// hold state.
    ///
    /// # Errors
    /// `COMPLETE_ALREADY`; `IO`: the record failed.
    pub(crate) async fn reclaim_complete(&self, client: ClientId) -> Result<(), Status> {
        let add = |records: &mut Arc<dyn ClientRecords>| {
            let owner = self.enter(&self.clients, |clients| clients.reclaiming(client))??;
            records.add(&owner).map_err(|error| self.record_failed(&error))?;
            self.enter(&self.clients, |clients| clients.reclaim_complete(client))??;
            Ok::<_, Status>(owner)
        };
        let owner = self.with(&self.records, add).await??;
        let end = self.with(&self.grace, |grace| grace.reclaim_complete(&owner)).await?;
        self.end_grace(end).await;
        Ok(())
    }

    /// Ends the grace period by an administrator's word; `false`: there is none to end, or the
    /// end cannot be recorded.
    pub(crate) async fn force_grace_end(&self) -> bool {
        let end = self.with(&self.grace, Grace::force).await.unwrap_or(None);
        self.end_grace(end).await
    }

    /// Why the grace period ended, if it did.
    pub(crate) async fn grace_ended(&self) -> Option<GraceEnd> {
        self.with(&self.grace, |grace| grace.ended()).await.unwrap_or(None)
    }

    pub(super) async fn tick_grace(&self, now: Instant) {
        if !self.grace_is_on.load(Ordering::Acquire) {
            return;
        }
        let end = self.with(&self.grace, |grace| grace.tick(now)).await.unwrap_or(None);
        self.end_grace(end).await;
    }

    pub(super) async fn forget_record(&self, dropped: &Dropped) {
        if !dropped.confirmed {
            return;
        }
        let owner = &dropped.owner;
        let remove = |records: &mut Arc<dyn ClientRecords>| {
            // It may have come back meanwhile, and be on record for what it holds now.
            if self.enter(&self.clients, |clients| clients.has_reclaimed(owner)) == Ok(false) {
                // Should it stay on record, it is only offered a reclaim that finds nothing.
                let _ = records.remove(owner).map_err(|error| self.record_failed(&error));
            }
        };
        // A poisoned record was counted; the client still goes.
        let _ = self.with(&self.records, remove).await;
        let end = self.with(&self.grace, |grace| grace.forget(owner)).await.unwrap_or(None);
        self.end_grace(end).await;
    }

    /// Records the end, then grants new state: the one caller that was told so does it. `false`:
    /// it was not told, or the record failed. Then nothing new is granted until it can be
    /// recorded, which every sweep tries: a restart would offer reclaims of what others have got
    /// since (RFC 8881 §8.4.3).
    async fn end_grace(&self, end: Option<GraceEnd>) -> bool {
        if end.is_none() {
            return false;
        }
        let record = |records: &mut Arc<dyn ClientRecords>| {
            let reclaimed = self.enter(&self.clients, |clients| clients.reclaimed())?;
            records.end_grace(&reclaimed).map_err(|error| self.record_failed(&error))
        };
        let recorded = self.with(&self.records, record).await.flatten();
        if recorded.is_err() {
            let _ = self.with(&self.grace, Grace::end_failed).await;
            return false;
        }
        let _ = self.with(&self.grace, Grace::end_recorded).await;
        self.grace_is_on.store(false, Ordering::Release);
        count(&self.counters.grace_ends);
        true
    }

    fn record_failed(&self, _error: &RecordError) -> Status {
        count(&self.counters.record_failures);
        Status::IO
    }
}
