//! The threads that may block, and the one queue before them.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use holdfast_base::{Closed, Job};

use crate::counters::{Counters, count};
use crate::threads::Threads;

/// Jobs that wait for a thread. Beyond it a job is refused as after a stop.
const JOBS_MAX: usize = 65_536;

/// Threads and the jobs for them.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Threads,
}

/// Where jobs wait.
pub(crate) struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
    counters: Arc<Counters>,
}

struct Jobs {
    waiting: VecDeque<Job>,
    idle: usize,
    open: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread run the job.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Closed> {
        let mut jobs = self.lock();
        if !jobs.open || jobs.waiting.len() >= JOBS_MAX {
            drop(jobs);
            count(&self.counters.work_refused);
            return Err(Closed);
        }
        jobs.waiting.push_back(job);
        // To notify is a system call even when nobody listens.
        if jobs.idle > 0 {
            self.changed.notify_one();
        }
        Ok(())
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if !jobs.open {
                return None;
            }
            jobs.idle += 1;
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            jobs.idle -= 1;
        }
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                count(&self.counters.jobs_panicked);
            }
        }
    }
}

impl Pool {
    /// Starts the threads.
    pub(crate) fn start(
        threads: usize,
        prepare: &Arc<dyn Fn() + Send + Sync>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let jobs = Jobs { waiting: VecDeque::new(), idle: 0, open: true };
        let queue = Queue { jobs: Mutex::new(jobs), changed: Condvar::new(), counters };
        let mut pool = Self { queue: Arc::new(queue), threads: Threads::default() };
        for number in 0..threads.max(1) {
            let (queue, prepare) = (pool.queue.clone(), prepare.clone());
            let started = pool.threads.start(format!("holdfast-pool-{number}"), move || {
                prepare();
                queue.work();
            });
            if let Err(error) = started {
                pool.stop(Instant::now());
                return Err(error);
            }
        }
        Ok(pool)
    }

    /// Where to put jobs.
    pub(crate) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Refuses jobs from now on, drops those that wait and joins the threads. How many jobs were
    /// dropped, and how many threads are still in one when `until` has come.
    pub(crate) fn stop(&mut self, until: Instant) -> (usize, usize) {
        let mut jobs = self.queue.lock();
        jobs.open = false;
        let dropped = std::mem::take(&mut jobs.waiting);
        drop(jobs);
        self.queue.changed.notify_all();
        let count = dropped.len();
        for job in dropped {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
        }
        (count, self.threads.join(until))
    }
}
