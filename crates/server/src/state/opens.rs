//! OPEN as reservation, decision and commit; what ends or reduces an open; and the way from a
//! state id to its file.

use holdfast_engine::Principal;
use holdfast_engine::server::{
    FileKey, Files, Held, OpenState, OpenTicket, OpenerId, Share, StateName, States,
};
use holdfast_proto::nfs4::{ClientId, Stateid, Status};
use holdfast_vfs::File;

use super::State;

/// What is open under one state id: the same file, opened for reading, for writing, or both.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenFiles {
    /// The file, and who opened it so.
    pub(crate) read: Option<(File, Principal)>,
    pub(crate) write: Option<(File, Principal)>,
}

impl OpenFiles {
    pub(crate) fn new(file: &File, access: Share, principal: Principal) -> Self {
        let open = || (file.clone(), principal);
        Self { read: access.read.then(open), write: access.write.then(open) }
    }

    /// Adds what is not open yet; answers the rest.
    fn add(&mut self, mut more: Self) -> Self {
        self.read = self.read.take().or_else(|| more.read.take());
        self.write = self.write.take().or_else(|| more.write.take());
        more
    }

    /// Gives up what is not open any more; answers it.
    fn reduce(&mut self, access: Share) -> Self {
        let read = if access.read { None } else { self.read.take() };
        let write = if access.write { None } else { self.write.take() };
        Self { read, write }
    }
}

/// What an OPEN asks of the state, beside the file itself.
#[derive(Clone, Copy)]
pub(crate) struct OpenRequest<'a> {
    pub(crate) client: ClientId,
    pub(crate) owner: &'a [u8],
    pub(crate) access: Share,
    pub(crate) deny: Share,
}

impl<'a> OpenRequest<'a> {
    const fn opener(&self) -> OpenerId<'a> {
        OpenerId { client: self.client, owner: self.owner }
    }
}

/// A reserved open: dropped without [`OpenGuard::commit`] it is given up.
pub(crate) struct OpenGuard<'a> {
    state: &'a State,
    file: FileKey,
    request: OpenRequest<'a>,
    /// None when it is committed.
    ticket: Option<OpenTicket>,
}

impl State {
    /// Enters a file's record and a client's states as one step.
    ///
    /// # Errors
    /// As [`State::with`].
    pub(super) async fn with_held<R>(
        &self,
        client: ClientId,
        file: &FileKey,
        step: impl FnOnce(&mut Held<'_, OpenFiles>) -> R,
    ) -> Result<R, Status> {
        self.world.pause().await;
        self.enter_held(client, file, step)
    }

    pub(super) fn enter_held<R>(
        &self,
        client: ClientId,
        file: &FileKey,
        step: impl FnOnce(&mut Held<'_, OpenFiles>) -> R,
    ) -> Result<R, Status> {
        self.enter(self.files(file), |files| {
            self.enter(self.opens_of(client), |states| step(&mut Held { files, states }))
        })?
    }

    /// Reserves an open: what conflicts is held off until it is committed or dropped.
    ///
    /// # Errors
    /// `SHARE_DENIED`, `DELAY`: another open conflicts.
    pub(crate) async fn begin_open<'a>(
        &'a self,
        file: FileKey,
        request: OpenRequest<'a>,
    ) -> Result<OpenGuard<'a>, Status> {
        let (access, deny) = (request.access, request.deny);
        let begin = |f: &mut Files| f.begin_open(&file, request.opener(), access, deny);
        let ticket = self.with(self.files(&file), begin).await??;
        Ok(OpenGuard { state: self, file, request, ticket: Some(ticket) })
    }

    /// Whether a client may have one more open.
    ///
    /// # Errors
    /// `DELAY`: there is no room for it.
    pub(crate) async fn check_room_for_open(&self, client: ClientId) -> Result<(), Status> {
        let check = |states: &mut States<OpenFiles>| states.check_room_for_open(client);
        self.with(self.opens_of(client), check).await?
    }

    /// The open that `client` calls by this state id, or that is beneath its locks, on this file;
    /// with its name.
    ///
    /// # Errors
    /// `BAD_STATEID`, `OLD_STATEID`, `STALE_STATEID`.
    pub(crate) async fn opened(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<(OpenFiles, StateName), Status> {
        let find = |states: &mut States<OpenFiles>| {
            let (open, name) = states.beneath(client, file, stateid)?;
            Ok((open.files.clone(), name))
        };
        self.with(self.opens_of(client), find).await?
    }

    /// Ends an open, and the locks under it.
    ///
    /// # Errors
    /// `BAD_STATEID`, `OLD_STATEID`, `STALE_STATEID`.
    pub(crate) async fn close(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<(), Status> {
        let closed = self.with_held(client, file, |held| held.close(client, file, stateid));
        let (open, given_up) = closed.await??;
        // Files are closed outside every piece.
        drop(open);
        self.give_up_locally(file, given_up).await;
        Ok(())
    }

    /// Reduces an open to what some OPENs asked for.
    ///
    /// # Errors
    /// `BAD_STATEID`, `OLD_STATEID`, `STALE_STATEID`; `INVAL`: none asked for just that.
    pub(crate) async fn downgrade(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
        (access, deny): (Share, Share),
    ) -> Result<Stateid, Status> {
        let mut unused = OpenFiles::default();
        let step = |held: &mut Held<'_, OpenFiles>| {
            let reduce = |files: &mut OpenFiles| unused = files.reduce(access);
            held.downgrade(client, file, stateid, (access, deny), reduce)
        };
        self.with_held(client, file, step).await?
    }

    /// Whether I/O may be done on a file, as far as opens other than `own` are concerned.
    ///
    /// # Errors
    /// `LOCKED`: an open denies it.
    pub(crate) async fn check_io(
        &self,
        file: &FileKey,
        access: Share,
        own: Option<StateName>,
    ) -> Result<(), Status> {
        self.with(self.files(file), |f| f.check_io(file, access, own)).await?
    }
}

impl OpenGuard<'_> {
    /// Makes the open real; answers its state id.
    ///
    /// # Errors
    /// `DELAY`: there is no room for it.
    pub(crate) async fn commit(mut self, files: OpenFiles) -> Result<Stateid, Status> {
        let ticket = self.ticket.ok_or(Status::SERVERFAULT)?;
        let OpenRequest { client, access, deny, .. } = self.request;
        let (file, opener) = (self.file, self.request.opener());
        let open = OpenState::new(client, file, access, deny, files);
        // Files are closed outside every piece.
        let mut unused = OpenFiles::default();
        let commit = |held: &mut Held<'_, OpenFiles>| {
            held.commit_open(ticket, opener, open, |files, more| unused = files.add(more))
        };
        let stateid = self.state.with_held(client, &file, commit).await??;
        self.ticket = None;
        Ok(stateid)
    }
}

impl Drop for OpenGuard<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let cancel = |f: &mut Files| f.cancel_open(&self.file, ticket);
            // A poisoned piece is not used again: there is nothing to give back.
            let _ = self.state.files(&self.file).enter(cancel);
        }
    }
}
