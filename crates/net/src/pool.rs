//! The threads that may block: how many there are, for whom, and how that changes while they
//! work.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use holdfast_base::World;

use crate::counters::Counters;
use crate::cpus::Cpus;
use crate::owner::Owner;
use crate::queue::{Queue, WorkerId};
use crate::threads::Threads;
use crate::waiting::{Promised, Turn, promise};

/// The most threads of a pool.
const THREADS_MAX: usize = 8192;
/// How long jobs may take to end once nobody waits for their answers.
const ABANDON_AFTER: Duration = Duration::from_secs(1);

/// What was left when a service gave its threads back, or when a runtime ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Jobs dropped before they were begun.
    pub jobs_dropped: usize,
    /// Threads that did not end, because the kernel holds them: each ends with the call it is in.
    pub threads_left: usize,
}

/// Threads and the jobs for them. There are as many as all owners together ask for.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    prepare: Arc<dyn Fn() + Send + Sync>,
    /// Where threads run, if not where the thread does that starts them.
    cpus: Option<Cpus>,
    state: Mutex<State>,
    /// One at a time changes the number of threads.
    turn: Turn,
}

#[derive(Default)]
struct State {
    shares: BTreeMap<Owner, usize>,
    threads: Threads,
    handles: BTreeMap<WorkerId, JoinHandle<()>>,
    next: u64,
}

impl State {
    fn wanted(&self) -> usize {
        self.shares.values().sum()
    }
}

impl Pool {
    /// A pool without threads. They are to run on these CPUs, if it is not where the thread runs
    /// that starts them.
    pub(crate) fn new(
        prepare: Arc<dyn Fn() + Send + Sync>,
        cpus: Option<Cpus>,
        counters: Arc<Counters>,
    ) -> Self {
        let queue = Arc::new(Queue::new(counters));
        Self { queue, prepare, cpus, state: Mutex::default(), turn: Turn::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to put jobs.
    pub(crate) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.queue.workers()
    }

    /// How many threads an owner has brought.
    pub(crate) fn share(&self, owner: Owner) -> usize {
        self.lock().shares.get(&owner).copied().unwrap_or_default()
    }

    /// Makes the threads of an owner this many: starts those that lack one by one, each when the
    /// one before it runs; or has those that are too many leave one by one, each after the job it
    /// has. How many it has then: less than asked for at the limit of 8192 for all.
    ///
    /// # Errors
    /// A thread could not be started; those before it stay.
    pub(crate) async fn resize(&self, owner: Owner, threads: usize) -> io::Result<usize> {
        let (before, threads) = self.set_share(owner, threads);
        let adjusted = self.adjust(threads >= before, threads < before).await;
        let mut state = self.lock();
        let lacking = state.wanted().saturating_sub(self.queue.workers());
        let reached = if adjusted.is_err() { threads.saturating_sub(lacking) } else { threads };
        // Unless the threads were taken back meanwhile.
        if let Some(share) = state.shares.get_mut(&owner) {
            *share = reached;
        }
        adjusted.map(|()| reached)
    }

    /// Takes back the threads of an owner who waits for no answer any more: its jobs are dropped,
    /// and those that do not end soon are left to themselves, threads and all.
    pub(crate) async fn withdraw(&self, owner: Owner, world: &dyn World) -> Left {
        let jobs_dropped = self.queue.drop_jobs(owner);
        let done = poll_fn(|cx| self.queue.poll_done(owner, cx));
        within(world, ABANDON_AFTER, done).await;
        let stuck = self.queue.abandon(owner);
        self.forget(owner, &stuck);
        // Others may be in long jobs: their threads leave when they can.
        within(world, ABANDON_AFTER, self.adjust(true, true)).await;
        Left { jobs_dropped, threads_left: stuck.len() }
    }

    /// How many the owner had, and how many of those asked for there may be.
    fn set_share(&self, owner: Owner, threads: usize) -> (usize, usize) {
        let mut state = self.lock();
        let before = state.shares.remove(&owner).unwrap_or_default();
        let threads = threads.min(THREADS_MAX.saturating_sub(state.wanted()));
        state.shares.insert(owner, threads);
        drop(state);
        self.queue.note_change();
        (before, threads)
    }

    fn forget(&self, owner: Owner, stuck: &[WorkerId]) {
        let mut state = self.lock();
        state.shares.remove(&owner);
        // To drop a handle is never to join.
        stuck.iter().for_each(|id| drop(state.handles.remove(id)));
        drop(state);
        self.queue.note_change();
    }

    /// Moves the number of threads to what is asked for. Nobody has the turn while he waits for a
    /// job to end: it may never.
    async fn adjust(&self, grows: bool, shrinks: bool) -> io::Result<()> {
        loop {
            let turn = self.turn.take().await;
            self.queue.set_leaving(0);
            self.join_left();
            let seen = self.queue.changes();
            let (have, wanted) = (self.queue.workers(), self.lock().wanted());
            if have < wanted && grows {
                self.start_one().await?;
            } else if have > wanted && shrinks {
                self.queue.set_leaving(1);
                drop(turn);
                poll_fn(|cx| self.queue.poll_change(seen, cx)).await;
            } else {
                self.queue.set_leaving(have.saturating_sub(wanted).min(1));
                return Ok(());
            }
        }
    }

    async fn start_one(&self) -> io::Result<()> {
        let (id, runs) = self.launch()?;
        if runs.await.is_some() {
            return Ok(());
        }
        let handle = self.lock().handles.remove(&id);
        let _ = handle.map(JoinHandle::join);
        Err(io::Error::other("it ended before it was ready"))
    }

    /// Starts a thread, and tells when it runs.
    fn launch(&self) -> io::Result<(WorkerId, Promised<()>)> {
        let (ready, is_ready) = promise();
        let mut state = self.lock();
        state.next += 1;
        let id = WorkerId(state.next);
        let (queue, prepare) = (self.queue.clone(), self.prepare.clone());
        let cpus = self.cpus;
        let handle = state.threads.start(format!("holdfast-pool-{}", id.0), move || {
            // A loop that stays on its CPU may have started it.
            cpus.iter().for_each(Cpus::enter);
            prepare();
            if queue.join(id) {
                ready.keep(());
                queue.work(id);
            }
        })?;
        state.handles.insert(id, handle);
        Ok((id, is_ready))
    }

    fn join_left(&self) {
        for id in self.queue.take_left() {
            let handle = self.lock().handles.remove(&id);
            // It has nothing left to do but to end.
            let _ = handle.map(JoinHandle::join);
        }
    }

    /// Refuses jobs from now on, drops those that wait and joins the threads, but waits for none
    /// beyond `until`.
    pub(crate) fn close(&self, until: Instant) -> Left {
        let jobs_dropped = self.queue.close();
        let mut state = self.lock();
        let (threads, handles) = (state.threads.clone(), std::mem::take(&mut state.handles));
        drop(state);
        let threads_left = threads.join(handles.into_values(), until);
        Left { jobs_dropped, threads_left }
    }
}

/// Waits for a future, but not longer than this.
async fn within<T>(world: &dyn World, limit: Duration, future: impl Future<Output = T>) {
    let mut deadline = world.sleep(world.now() + limit);
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        deadline.as_mut().poll(cx)
    })
    .await;
}
