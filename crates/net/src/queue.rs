//! Jobs that wait for a thread, in lanes, and who may take which.
//!
//! A lane is the jobs of one [`World`](holdfast_base::World), so of one file system if each has a
//! world of its own. A lane that holds threads already leaves one free for each lane that holds
//! none, up to half of all: a file system that never answers stops itself, and not the others.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use holdfast_base::{Closed, Job};

use crate::counters::{Counters, count};
use crate::owner::Owner;

/// Jobs that wait for a thread. Beyond it a job is refused as after a stop.
const JOBS_MAX: usize = 65_536;

/// A lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneId(u64);

/// A thread of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerId(pub(crate) u64);

/// Where jobs wait.
pub(crate) struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<(Owner, Job)>,
    held: usize,
    /// Its world is gone.
    is_closed: bool,
}

struct Worker {
    /// What it is at.
    job: Option<(LaneId, Owner)>,
}

#[derive(Default)]
struct Jobs {
    closed: bool,
    next_lane: u64,
    lanes: BTreeMap<LaneId, Lane>,
    /// The lanes in which jobs wait, the next one first.
    turns: VecDeque<LaneId>,
    waiting: usize,
    workers: BTreeMap<WorkerId, Worker>,
    busy: usize,
    /// Threads that sleep.
    idle: usize,
    /// Threads that shall leave.
    leaving: usize,
    /// Those that have left, to be joined.
    left: Vec<WorkerId>,
    /// Counts changes of the number of threads that are or shall be.
    changes: u64,
    /// Told of those, and when a job has ended.
    watching: Vec<Waker>,
}

impl Jobs {
    /// Where in `turns` the next lane is whose job a thread may take.
    fn next_turn(&self) -> Option<usize> {
        let free = self.workers.len() - self.busy;
        let without = self.lanes.values().filter(|lane| lane.held == 0).count();
        let kept = without.min(self.workers.len() / 2);
        let holds = |id| self.lanes.get(id).is_some_and(|lane| lane.held > 0);
        self.turns.iter().position(|id| free > if holds(id) { kept } else { 0 })
    }

    /// Takes the next job that a thread may take.
    fn pick(&mut self, worker: WorkerId) -> Option<(Owner, Job)> {
        let id = self.turns.remove(self.next_turn()?)?;
        let lane = self.lanes.get_mut(&id)?;
        let (owner, job) = lane.waiting.pop_front()?;
        lane.held += 1;
        if !lane.waiting.is_empty() {
            self.turns.push_back(id);
        }
        self.waiting -= 1;
        self.busy += 1;
        self.workers.insert(worker, Worker { job: Some((id, owner)) });
        Some((owner, job))
    }

    /// Frees what a job held. `false`: its thread belongs to the pool no more.
    fn ended(&mut self, worker: WorkerId) -> bool {
        let Some(known) = self.workers.get_mut(&worker) else { return false };
        if let Some((lane, _)) = known.job.take() {
            self.busy -= 1;
            self.release(lane);
        }
        true
    }

    fn release(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.held -= 1;
            self.prune(id);
        }
    }

    fn prune(&mut self, id: LaneId) {
        let is_over = |lane: &Lane| lane.is_closed && lane.held == 0 && lane.waiting.is_empty();
        if self.lanes.get(&id).is_some_and(is_over) {
            self.lanes.remove(&id);
        }
    }

    /// Takes out the jobs of one owner, or of all.
    fn take_out(&mut self, of: Option<Owner>) -> Vec<Job> {
        let mut out = Vec::new();
        for lane in self.lanes.values_mut() {
            for (owner, job) in std::mem::take(&mut lane.waiting) {
                if of.is_none_or(|of| of == owner) {
                    out.push(job);
                } else {
                    lane.waiting.push_back((owner, job));
                }
            }
        }
        let lanes = &self.lanes;
        self.turns.retain(|id| lanes.get(id).is_some_and(|lane| !lane.waiting.is_empty()));
        self.waiting -= out.len();
        let ids: Vec<_> = self.lanes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.prune(id));
        out
    }

    fn take_watching(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.watching)
    }
}

fn drop_all(jobs: Vec<Job>) -> usize {
    let count = jobs.len();
    for job in jobs {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }
    count
}

impl Queue {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self { jobs: Mutex::default(), changed: Condvar::new(), counters }
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new lane. `is_known`: others leave a thread for it before its first job.
    pub(crate) fn open_lane(&self, is_known: bool) -> LaneId {
        let mut jobs = self.lock();
        jobs.next_lane += 1;
        let id = LaneId(jobs.next_lane);
        if is_known {
            jobs.lanes.insert(id, Lane::default());
        }
        id
    }

    /// Forgets a lane when its last job is done.
    pub(crate) fn close_lane(&self, id: LaneId) {
        let mut jobs = self.lock();
        if let Some(lane) = jobs.lanes.get_mut(&id) {
            lane.is_closed = true;
            jobs.prune(id);
            // A thread less is kept free.
            self.changed.notify_one();
        }
    }

    /// Has a thread run the job. Refused while there is no thread.
    pub(crate) fn submit(&self, lane: LaneId, job: Job) -> Result<(), Closed> {
        let mut jobs = self.lock();
        if jobs.closed || jobs.workers.is_empty() || jobs.waiting >= JOBS_MAX {
            drop(jobs);
            count(&self.counters.work_refused);
            return Err(Closed);
        }
        let queue = &mut jobs.lanes.entry(lane).or_default().waiting;
        queue.push_back((Owner::current(), job));
        if queue.len() == 1 {
            jobs.turns.push_back(lane);
        }
        jobs.waiting += 1;
        // To notify is a system call even when nobody listens.
        if jobs.idle > 0 {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Works until the thread shall leave.
    pub(crate) fn work(&self, worker: WorkerId) {
        while let Some((owner, job)) = self.next(worker) {
            owner.enter();
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                count(&self.counters.jobs_panicked);
            }
            if !self.ended(worker) {
                return;
            }
        }
    }

    fn ended(&self, worker: WorkerId) -> bool {
        let mut jobs = self.lock();
        let belongs = jobs.ended(worker);
        let watching = jobs.take_watching();
        drop(jobs);
        watching.into_iter().for_each(Waker::wake);
        belongs
    }

    fn next(&self, worker: WorkerId) -> Option<(Owner, Job)> {
        let mut jobs = self.lock();
        loop {
            if jobs.closed {
                jobs.workers.remove(&worker);
                return None;
            }
            if jobs.leaving > 0 {
                jobs.leaving -= 1;
                jobs.workers.remove(&worker);
                jobs.left.push(worker);
                jobs.changes += 1;
                // It may have been woken for a job.
                if jobs.waiting > 0 && jobs.idle > 0 {
                    self.changed.notify_one();
                }
                let watching = jobs.take_watching();
                drop(jobs);
                watching.into_iter().for_each(Waker::wake);
                return None;
            }
            if let Some(job) = jobs.pick(worker) {
                // One who ends a job may make way for two.
                if jobs.idle > 0 && jobs.next_turn().is_some() {
                    self.changed.notify_one();
                }
                return Some(job);
            }
            jobs.idle += 1;
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            jobs.idle -= 1;
        }
    }

    /// A thread is there. `false`: it shall end at once.
    pub(crate) fn join(&self, worker: WorkerId) -> bool {
        let mut jobs = self.lock();
        if !jobs.closed {
            jobs.workers.insert(worker, Worker { job: None });
        }
        !jobs.closed
    }

    /// How many threads there are.
    pub(crate) fn workers(&self) -> usize {
        self.lock().workers.len()
    }

    /// Has this many threads leave, each after the job it has.
    pub(crate) fn set_leaving(&self, threads: usize) {
        self.lock().leaving = threads;
        if threads > 0 {
            self.changed.notify_one();
        }
    }

    /// The threads that have left since the last time.
    pub(crate) fn take_left(&self) -> Vec<WorkerId> {
        std::mem::take(&mut self.lock().left)
    }

    /// Counts changes of the number of threads that are or shall be.
    pub(crate) fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// The number of threads that shall be has changed.
    pub(crate) fn note_change(&self) {
        let mut jobs = self.lock();
        jobs.changes += 1;
        let watching = jobs.take_watching();
        drop(jobs);
        watching.into_iter().for_each(Waker::wake);
    }

    /// Ready when there was a change since this many.
    pub(crate) fn poll_change(&self, seen: u64, cx: &Context<'_>) -> Poll<()> {
        self.poll(cx, |jobs| jobs.changes != seen)
    }

    /// Ready when no job of this owner runs.
    pub(crate) fn poll_done(&self, owner: Owner, cx: &Context<'_>) -> Poll<()> {
        let is_its = |worker: &Worker| worker.job.is_some_and(|(_, whose)| whose == owner);
        self.poll(cx, |jobs| !jobs.workers.values().any(is_its))
    }

    fn poll(&self, cx: &Context<'_>, is_so: impl Fn(&Jobs) -> bool) -> Poll<()> {
        let mut jobs = self.lock();
        if is_so(&jobs) {
            return Poll::Ready(());
        }
        if !jobs.watching.iter().any(|waker| waker.will_wake(cx.waker())) {
            jobs.watching.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Drops the jobs of this owner that were not begun, and says how many.
    pub(crate) fn drop_jobs(&self, owner: Owner) -> usize {
        let jobs = self.lock().take_out(Some(owner));
        drop_all(jobs)
    }

    /// Gives up on the threads that are in a job of this owner: each ends when its job does. The
    /// threads.
    pub(crate) fn abandon(&self, owner: Owner) -> Vec<WorkerId> {
        let mut jobs = self.lock();
        let mut given_up = Vec::new();
        let workers = std::mem::take(&mut jobs.workers);
        for (id, worker) in workers {
            match worker.job {
                Some((lane, whose)) if whose == owner => {
                    jobs.busy -= 1;
                    jobs.release(lane);
                    given_up.push(id);
                }
                Some(_) | None => {
                    jobs.workers.insert(id, worker);
                }
            }
        }
        drop(jobs);
        self.changed.notify_all();
        given_up
    }

    /// Refuses everything from now on and has every thread leave. How many jobs were dropped.
    pub(crate) fn close(&self) -> usize {
        let mut jobs = self.lock();
        jobs.closed = true;
        let out = jobs.take_out(None);
        let watching = jobs.take_watching();
        drop(jobs);
        self.changed.notify_all();
        watching.into_iter().for_each(Waker::wake);
        drop_all(out)
    }
}
