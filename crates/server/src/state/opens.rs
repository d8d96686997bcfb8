//! OPEN as reservation, decision and commit; CLOSE; and the way from a state id to its file.

use holdfast_engine::Principal;
use holdfast_engine::server::{BeginOpen, FileKey, Files, OpenState, OpenerId, Share, States};
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

    fn add(&mut self, more: Self) {
        self.read = self.read.take().or(more.read);
        self.write = self.write.take().or(more.write);
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
    begun: BeginOpen,
    done: bool,
}

impl State {
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
        let begun = self.with(self.files(&file), begin).await??;
        Ok(OpenGuard { state: self, file, request, begun, done: false })
    }

    /// The open that `client` calls by this state id, on this file.
    ///
    /// # Errors
    /// `BAD_STATEID`, `OLD_STATEID`, `STALE_STATEID`.
    pub(crate) async fn opened(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<OpenFiles, Status> {
        let find = |states: &mut States<OpenFiles>| {
            let open = states.get(client, stateid)?;
            if open.file != *file {
                return Err(Status::BAD_STATEID);
            }
            Ok(open.files.clone())
        };
        self.with(self.opens(stateid)?, find).await?
    }

    /// Ends an open.
    ///
    /// # Errors
    /// `BAD_STATEID`, `OLD_STATEID`, `STALE_STATEID`.
    pub(crate) async fn close(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<(), Status> {
        let remove = |states: &mut States<OpenFiles>| {
            if states.get(client, stateid)?.file != *file {
                return Err(Status::BAD_STATEID);
            }
            states.remove(client, stateid)
        };
        let open = self.with(self.opens(stateid)?, remove).await??;
        self.with(self.files(file), |f| f.close(file, &stateid.other)).await?;
        drop(open);
        Ok(())
    }

    /// Whether I/O without an open may be done on a file.
    ///
    /// # Errors
    /// `LOCKED`: an open denies it.
    pub(crate) async fn check_io(&self, file: &FileKey, access: Share) -> Result<(), Status> {
        self.with(self.files(file), |f| f.check_io(file, access)).await?
    }
}

impl OpenGuard<'_> {
    /// Makes the open real; answers its state id.
    ///
    /// # Errors
    /// `DELAY`: there is no room for it, or the open that it widens was closed meanwhile.
    pub(crate) async fn commit(mut self, files: OpenFiles) -> Result<Stateid, Status> {
        let stateid = match self.begun {
            BeginOpen::New => self.commit_new(files).await?,
            BeginOpen::Again(other) => self.widen(other, files).await?,
        };
        self.done = true;
        Ok(stateid)
    }

    async fn commit_new(&self, files: OpenFiles) -> Result<Stateid, Status> {
        let (state, request) = (self.state, &self.request);
        let open = OpenState {
            client: request.client,
            file: self.file,
            access: request.access,
            deny: request.deny,
            files,
        };
        let shard = state.opens_of(request.client);
        let stateid = state.with(shard, |states| states.insert(open)).await??;
        let commit = |f: &mut Files| f.commit_open(&self.file, request.opener(), &stateid);
        if !state.with(state.files(&self.file), commit).await? {
            return Err(Status::SERVERFAULT);
        }
        Ok(stateid)
    }

    async fn widen(&self, other: [u8; 12], files: OpenFiles) -> Result<Stateid, Status> {
        let (state, request) = (self.state, &self.request);
        let (access, deny) = (request.access, request.deny);
        let update = |states: &mut States<OpenFiles>| {
            states.update(request.client, other, |open| {
                open.access = open.access.union(access);
                open.deny = open.deny.union(deny);
                open.files.add(files);
            })
        };
        let updated = state.with(state.opens_of(request.client), update).await?;
        let stateid = updated.map_err(|_closed| Status::DELAY)?;
        let widen = |f: &mut Files| {
            f.widen(&self.file, request.opener(), &other);
        };
        state.with(state.files(&self.file), widen).await?;
        Ok(stateid)
    }
}

impl Drop for OpenGuard<'_> {
    fn drop(&mut self) {
        if !self.done {
            let (file, opener) = (self.file, self.request.opener());
            let cancel = |f: &mut Files| f.cancel_open(&file, opener);
            // A poisoned piece is not used again: there is nothing to give back.
            let _ = self.state.files(&file).enter(cancel);
        }
    }
}
