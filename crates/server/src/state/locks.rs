//! LOCK as reservation and commit; LOCKT, LOCKU; and what becomes of lock state ids.

use holdfast_engine::server::{
    ByteRange, FileKey, Files, GivenUp, Held, HeldRange, LockRefused, LockRequest, LockTicket,
    LockerId, State as Kind, States,
};
use holdfast_proto::nfs4::{ClientId, Stateid, Status};

use super::{OpenFiles, State};

/// A reserved lock: dropped without [`LockGuard::commit`] it is given up.
pub(crate) struct LockGuard<'a> {
    state: &'a State,
    file: FileKey,
    client: ClientId,
    /// None when it is committed.
    ticket: Option<LockTicket>,
}

impl State {
    /// Reserves a lock: what conflicts is held off until it is committed or dropped.
    ///
    /// # Errors
    /// As [`Held::begin_lock`].
    pub(crate) async fn begin_lock(
        &self,
        file: FileKey,
        request: &LockRequest<'_>,
    ) -> Result<LockGuard<'_>, LockRefused> {
        let client = request.client;
        let begun = self.with_held(client, &file, |held| held.begin_lock(&file, request)).await;
        let ticket = Some(begun??);
        Ok(LockGuard { state: self, file, client, ticket })
    }

    /// Whether an owner could have a lock.
    ///
    /// # Errors
    /// As [`Files::test_lock`].
    pub(crate) async fn test_lock(
        &self,
        file: &FileKey,
        locker: LockerId<'_>,
        wanted: HeldRange,
    ) -> Result<(), LockRefused> {
        let test = |files: &mut Files| files.test_lock(file, locker, wanted);
        self.with(self.files(file), test).await?
    }

    /// Gives up locks; answers the new state id.
    ///
    /// # Errors
    /// As [`Held::unlock`].
    pub(crate) async fn unlock(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
        range: ByteRange,
    ) -> Result<Stateid, Status> {
        let unlock = |held: &mut Held<'_, OpenFiles>| held.unlock(client, file, stateid, range);
        let stateid = self.with_held(client, file, unlock).await??;
        self.give_up_locally(file, GivenUp::of(range)).await;
        Ok(stateid)
    }

    /// What TEST_STATEID says of state ids.
    ///
    /// # Errors
    /// `SERVERFAULT`: an earlier step panicked.
    pub(crate) async fn test_stateids(
        &self,
        client: ClientId,
        stateids: &[Stateid],
    ) -> Result<Vec<Status>, Status> {
        let test = |states: &mut States<OpenFiles>| {
            stateids.iter().map(|stateid| states.test(client, stateid)).collect()
        };
        self.with(self.opens_of(client), test).await
    }

    /// Frees a state id that nothing is held under.
    ///
    /// # Errors
    /// - `LOCKS_HELD`: it is of an open, or of locks that are held.
    /// - `BAD_STATEID`, `OLD_STATEID`.
    pub(crate) async fn free_stateid(
        &self,
        client: ClientId,
        stateid: &Stateid,
    ) -> Result<(), Status> {
        let file = |states: &mut States<OpenFiles>| match states.get(client, stateid)? {
            Kind::Open(_) => Err(Status::LOCKS_HELD),
            Kind::Lock(lock) => Ok(lock.file),
        };
        let file = self.with(self.opens_of(client), file).await??;
        let free = |held: &mut Held<'_, OpenFiles>| held.free_lock(client, &file, stateid);
        self.with_held(client, &file, free).await??;
        self.give_up_locally(&file, GivenUp::default()).await;
        Ok(())
    }
}

impl LockGuard<'_> {
    pub(super) const fn file(&self) -> FileKey {
        self.file
    }

    /// Makes the lock real; answers its state id.
    ///
    /// # Errors
    /// `BAD_STATEID`: its open is closed meanwhile.
    pub(crate) async fn commit(mut self) -> Result<Stateid, Status> {
        let ticket = self.ticket.ok_or(Status::SERVERFAULT)?;
        let (file, client) = (self.file, self.client);
        let commit = |held: &mut Held<'_, OpenFiles>| held.commit_lock(&file, ticket);
        let stateid = self.state.with_held(client, &file, commit).await??;
        self.ticket = None;
        Ok(stateid)
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let file = &self.file;
            let cancel = |held: &mut Held<'_, OpenFiles>| held.cancel_lock(file, ticket);
            // A poisoned piece is not used again: there is nothing to give back.
            let _ = self.state.enter_held(self.client, file, cancel);
        }
    }
}
