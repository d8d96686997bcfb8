//! What the engine has granted, towards local processes as well. It decides between lock-owners;
//! between them and local processes the file system does, which holds for a file the union of
//! what all owners have.
//!
//! The file system never has less than the engine: a lock is its first, and given up by the engine
//! first. Who changes what it has of a file takes a turn, one after the other, and makes up for
//! what the engine has given up meanwhile before the turn is over.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use holdfast_engine::limits;
use holdfast_engine::server::{
    ByteRange, FileKey, Files, GivenUp, HeldRange, LockConflict, LockKind, LockRefused, Segment,
};
use holdfast_proto::nfs4::{ClientId, Stateid, Status};
use holdfast_vfs::{self as vfs, Error, File, FileSystem, Handle, LocalLock, LockStep, Locked};

use super::locks::LockGuard;
use super::{Piece, SHARDS, State, shard_of};
use crate::counters::count;
use crate::status;
use crate::sync::AtomicUsize;

/// Who holds a lock that no client has: the id of no client, and this name.
const LOCAL_CLIENT: ClientId = ClientId(0);
const LOCAL_OWNER: &[u8] = b"local process";

const ALL: ByteRange = ByteRange { first: 0, last: u64::MAX };

/// How often one turn gives up what others give up meanwhile.
const ROUNDS_MAX: u32 = 8;

/// A file by its file system.
#[derive(Clone, Copy)]
pub(crate) struct Local<'a> {
    pub(crate) fs: &'a Arc<dyn FileSystem>,
    pub(crate) node: &'a Handle,
}

/// The files that are locked towards local processes: as many as have lock states at most, and
/// those of requests that run.
pub(super) struct LocalLocks {
    /// Zero where no file system has such locks: then nobody looks further.
    count: AtomicUsize,
    shards: [Piece<BTreeMap<FileKey, Entry>>; SHARDS],
}

struct Entry {
    fs: Arc<dyn FileSystem>,
    /// What holds the locks, unless it is somebody's turn.
    locks: Option<File>,
    is_taken: bool,
    /// What the engine has given up, and the file system may have still.
    left: Option<GivenUp>,
    /// Who waits for a turn: requests.
    waiting: Vec<Waker>,
}

impl Entry {
    fn new(fs: Arc<dyn FileSystem>) -> Self {
        Self { fs, locks: None, is_taken: false, left: None, waiting: Vec::new() }
    }

    fn leave(&mut self, given_up: GivenUp) {
        self.left = Some(self.left.take().map_or(given_up, |left| left.and(given_up)));
    }

    /// Takes the turn, if it is nobody's.
    fn take(&mut self) -> Option<(Arc<dyn FileSystem>, Option<File>)> {
        if std::mem::replace(&mut self.is_taken, true) {
            return None;
        }
        Some((self.fs.clone(), self.locks.take()))
    }

    fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }
}

impl LocalLocks {
    pub(super) fn new() -> Self {
        let shards = std::array::from_fn(|_| Piece::new(BTreeMap::new()));
        Self { count: AtomicUsize::new(0), shards }
    }

    fn shard(&self, file: &FileKey) -> &Piece<BTreeMap<FileKey, Entry>> {
        &self.shards[shard_of(file)]
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}

impl State {
    /// Makes a reserved lock real, if no local process is in its way; answers its state id. `open`
    /// is the open file beneath.
    ///
    /// # Errors
    /// - As [`LockGuard::commit`].
    /// - `Denied`: a local process holds one that conflicts.
    /// - `OPENMODE`: the server may open the file neither so nor otherwise.
    /// - `DELAY`: too many files are locked, or the file system cannot now.
    pub(crate) async fn commit_locally(
        &self,
        guard: LockGuard<'_>,
        local: Local<'_>,
        open: &File,
        wanted: HeldRange,
    ) -> Result<Stateid, LockRefused> {
        let mut turn = self.turn(guard.file(), local.fs).await?;
        let (outcome, is_exact) = match turn.lock(local.node, open, wanted).await {
            Ok(is_exact) => (guard.commit().await.map_err(LockRefused::from), is_exact),
            Err(refused) => {
                drop(guard);
                (Err(refused), false)
            }
        };
        if !is_exact || outcome.is_err() {
            turn.leave(wanted.range);
        }
        turn.finish().await;
        outcome
    }

    /// Whether local processes let a lock be had.
    ///
    /// # Errors
    /// As [`State::commit_locally`].
    pub(crate) async fn test_locally(
        &self,
        file: &FileKey,
        local: Local<'_>,
        wanted: HeldRange,
    ) -> Result<(), LockRefused> {
        let turn = self.turn(*file, local.fs).await?;
        let tested = turn.test(local.node, wanted).await;
        turn.finish().await;
        tested
    }

    /// Has the file system give up what the engine has. To be called in the same step: it is noted
    /// before anything is waited for. Who has the turn does it, so this does not wait for others.
    pub(crate) async fn give_up_locally(&self, file: &FileKey, given_up: GivenUp) {
        if let Some(turn) = self.leave_locally(file, given_up, Entry::take) {
            turn.finish().await;
        }
    }

    /// Notes what the engine has given up; it is looked after later.
    pub(super) fn note_given_up(&self, file: &FileKey, given_up: GivenUp) {
        self.leave_locally(file, given_up, |_| None);
    }

    fn leave_locally(
        &self,
        file: &FileKey,
        given_up: GivenUp,
        take: impl FnOnce(&mut Entry) -> Option<(Arc<dyn FileSystem>, Option<File>)>,
    ) -> Option<Turn<'_>> {
        if self.local.is_empty() {
            return None;
        }
        let leave = |files: &mut BTreeMap<FileKey, Entry>| {
            let entry = files.get_mut(file)?;
            entry.leave(given_up);
            take(entry)
        };
        // A poisoned piece was counted: the locks stay until the instance ends.
        let (fs, locks) = self.enter(self.local.shard(file), leave).ok()??;
        Some(Turn { state: self, file: *file, fs, locks, is_over: false })
    }

    /// The files that somebody must look after, by [`State::give_up_locally`] with nothing.
    pub(crate) fn left_locally(&self) -> Vec<FileKey> {
        if self.local.is_empty() {
            return Vec::new();
        }
        let is_left = |entry: &Entry| entry.left.is_some() && !entry.is_taken;
        let left = |files: &mut BTreeMap<FileKey, Entry>| -> Vec<FileKey> {
            files.iter().filter(|(_, entry)| is_left(entry)).map(|(file, _)| *file).collect()
        };
        let shards = self.local.shards.iter();
        shards.flat_map(|shard| self.enter(shard, left).unwrap_or_default()).collect()
    }

    /// Gives up all locks towards local processes: the instance is over.
    pub(crate) fn end_local_locks(&self) {
        for shard in &self.local.shards {
            let files = self.enter(shard, std::mem::take).unwrap_or_default();
            self.local.count.fetch_sub(files.len(), Ordering::AcqRel);
            // They are closed outside every piece.
            drop(files);
        }
    }

    /// Waits for the turn to change what the file system has locked of a file.
    ///
    /// # Errors
    /// `SERVERFAULT`: an earlier step panicked.
    async fn turn(&self, file: FileKey, fs: &Arc<dyn FileSystem>) -> Result<Turn<'_>, Status> {
        self.world.pause().await;
        let taken = poll_fn(|cx| {
            let take = |files: &mut BTreeMap<FileKey, Entry>| {
                let entry = files.entry(file).or_insert_with(|| {
                    self.local.count.fetch_add(1, Ordering::AcqRel);
                    Entry::new(fs.clone())
                });
                let taken = entry.take();
                if taken.is_none() {
                    entry.wait(cx.waker());
                }
                taken
            };
            match self.enter(self.local.shard(&file), take) {
                Ok(None) => Poll::Pending,
                Ok(Some(taken)) => Poll::Ready(Ok(taken)),
                Err(status) => Poll::Ready(Err(status)),
            }
        });
        let (fs, locks) = taken.await?;
        Ok(Turn { state: self, file, fs, locks, is_over: false })
    }
}

/// The right to change what the file system has locked of a file. Dropped without
/// [`Turn::finish`], all of the file is to be looked after by the next.
struct Turn<'a> {
    state: &'a State,
    file: FileKey,
    fs: Arc<dyn FileSystem>,
    locks: Option<File>,
    is_over: bool,
}

impl Turn<'_> {
    /// Locks a range in the file system; `false`: it has more than the engine will have.
    async fn lock(
        &mut self,
        node: &Handle,
        open: &File,
        wanted: HeldRange,
    ) -> Result<bool, LockRefused> {
        if self.locks.is_none() {
            match self.fs.open_locks(node, Some(open)).await {
                Ok(locks) => self.locks = Some(locks),
                Err(error) => return self.alone(error),
            }
        }
        let (steps, is_exact) = self.steps_to(wanted).await?;
        match self.apply(&steps).await {
            Ok(Ok(())) => Ok(is_exact),
            Ok(Err(holder)) => Err(denied(holder)),
            Err(error) => self.alone(error),
        }
    }

    /// Leaves it to the engine alone where the file system has no locks.
    fn alone(&mut self, error: Error) -> Result<bool, LockRefused> {
        if error != Error::NotSupported {
            return Err(refusal(error).into());
        }
        count(&self.state.counters.locks_alone);
        self.locks = None;
        Ok(true)
    }

    /// What makes the file system's locks those of the engine with one more, which is not
    /// committed; and whether nothing is to become less by it.
    async fn steps_to(&self, wanted: HeldRange) -> Result<(Vec<LockStep>, bool), Status> {
        let step = |range| step(range, Some(wanted.kind));
        if wanted.kind == LockKind::Write {
            return Ok((vec![step(wanted.range)], true));
        }
        let segments = self.union(wanted.range).await?;
        let mut ranges: Vec<ByteRange> = Vec::new();
        for Segment { range, .. } in segments.iter().filter(|segment| !is_write(segment)) {
            match ranges.last_mut() {
                Some(before) if before.last.checked_add(1) == Some(range.first) => {
                    before.last = range.last;
                }
                _ => ranges.push(*range),
            }
        }
        Ok((ranges.into_iter().map(step).collect(), !segments.iter().any(is_write)))
    }

    async fn union(&self, range: ByteRange) -> Result<Vec<Segment>, Status> {
        let union = |files: &mut Files| files.union(&self.file, range);
        self.state.with(self.state.files(&self.file), union).await
    }

    async fn apply(&self, steps: &[LockStep]) -> vfs::Result<Locked> {
        let Some(locks) = &self.locks else { return Ok(Ok(())) };
        for steps in steps.chunks(limits::LOCAL_LOCK_STEPS) {
            if let Err(holder) = self.fs.lock_ranges(locks, steps).await? {
                return Ok(Err(holder));
            }
        }
        Ok(Ok(()))
    }

    async fn test(&self, node: &Handle, wanted: HeldRange) -> Result<(), LockRefused> {
        let opened = match &self.locks {
            Some(locks) => Ok(locks.clone()),
            None => self.fs.open_locks(node, None).await,
        };
        let tested = match opened {
            Ok(locks) => self.fs.test_range(&locks, step(wanted.range, Some(wanted.kind))).await,
            Err(error) => Err(error),
        };
        match tested {
            Ok(Ok(())) | Err(Error::NotSupported | Error::AccessDenied) => Ok(()),
            Ok(Err(holder)) => Err(denied(holder)),
            Err(error) => Err(refusal(error).into()),
        }
    }

    /// Notes that the file system may have more of a range than the engine.
    fn leave(&self, range: ByteRange) {
        self.with_entry(|entry| entry.leave(GivenUp::of(range)));
    }

    /// Ends the turn, when what the engine has given up is given up.
    async fn finish(mut self) {
        for round in 1.. {
            // In this order: who ends the last lock state notes it after that.
            let left = self.with_entry(|entry| entry.left.take()).flatten();
            let files = self.state.files(&self.file);
            let is_kept = self.state.with(files, |files| files.has_lockers(&self.file)).await;
            // What an earlier panic has left is not taken for nothing.
            if !is_kept.unwrap_or(true) {
                self.locks = None;
            }
            let hull = left.and_then(|left| left.hull);
            if let Some(range) = hull
                && self.settle(range).await.is_err()
            {
                count(&self.state.counters.local_unlock_failures);
                self.leave(range);
                self.release(true);
            }
            // What is given up all the time is left to the next turn, or the next sweep.
            if self.is_over || self.release(round == ROUNDS_MAX) {
                return;
            }
        }
    }

    /// Makes the file system's locks on a range the engine's.
    async fn settle(&self, range: ByteRange) -> Result<(), Error> {
        if self.locks.is_none() {
            return Ok(());
        }
        let segments = self.union(range).await.map_err(|_| Error::Io)?;
        let steps: Vec<_> = segments.iter().map(|it| step(it.range, it.kind)).collect();
        // Nobody can be in the way of less.
        self.apply(&steps).await?.map_err(|_| Error::Io)
    }

    /// Gives the turn to who waits for it; `false`: there is something to be given up first, which
    /// is not left to others `anyway`.
    fn release(&mut self, anyway: bool) -> bool {
        let locks = &mut self.locks;
        let step = |files: &mut BTreeMap<FileKey, Entry>| {
            // Gone with the instance.
            let Some(entry) = files.get_mut(&self.file) else { return Some(Vec::new()) };
            if entry.left.is_some() && !anyway {
                return None;
            }
            let waiting = std::mem::take(&mut entry.waiting);
            entry.is_taken = false;
            entry.locks = locks.take();
            if entry.locks.is_none() && files.remove(&self.file).is_some() {
                self.state.local.count.fetch_sub(1, Ordering::AcqRel);
            }
            Some(waiting)
        };
        let waiting = self.state.enter(self.state.local.shard(&self.file), step);
        let Some(waiting) = waiting.unwrap_or(Some(Vec::new())) else { return false };
        self.is_over = true;
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    fn with_entry<T>(&self, step: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let step = |files: &mut BTreeMap<FileKey, Entry>| files.get_mut(&self.file).map(step);
        self.state.enter(self.state.local.shard(&self.file), step).ok().flatten()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.leave(ALL);
            self.release(true);
        }
    }
}

const fn is_write(segment: &Segment) -> bool {
    matches!(segment.kind, Some(LockKind::Write))
}

fn step(range: ByteRange, kind: Option<LockKind>) -> LockStep {
    let kind = kind.map(|kind| match kind {
        LockKind::Read => vfs::LockKind::Read,
        LockKind::Write => vfs::LockKind::Write,
    });
    LockStep { range: vfs::LockRange { first: range.first, last: range.last }, kind }
}

fn denied(holder: LocalLock) -> LockRefused {
    let LocalLock { range: vfs::LockRange { first, last }, kind } = holder;
    let kind = match kind {
        vfs::LockKind::Read => LockKind::Read,
        vfs::LockKind::Write => LockKind::Write,
    };
    let held = HeldRange { range: ByteRange { first, last }, kind };
    LockRefused::Denied(LockConflict { client: LOCAL_CLIENT, owner: LOCAL_OWNER.into(), held })
}

/// What LOCK and LOCKT say of a file system's error: not every status is theirs (RFC 8881 §15.2).
const fn refusal(error: Error) -> Status {
    match status::of(error) {
        Status::ACCESS | Status::PERM => Status::OPENMODE,
        known @ (Status::DELAY | Status::STALE | Status::ROFS) => known,
        known @ (Status::ISDIR | Status::SYMLINK | Status::WRONG_TYPE) => known,
        _ => Status::SERVERFAULT,
    }
}
