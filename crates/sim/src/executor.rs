//! One thread that runs everything: which ready task goes next is the seed's choice, and time
//! moves only when nothing is ready.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use holdfast_base::{BoxFuture, Closed, Instant, Job, Pause, WallTime, World};

use crate::journal::Journal;
use crate::rng::Rng;
use crate::sync::lock;

/// The wall clock when virtual time begins.
const EPOCH_S: i64 = 1_800_000_000;

/// Polls of one run, beyond which it is taken to go round in circles.
const POLLS_MAX: u64 = 20_000_000;

/// Why a run of the executor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What was waited for came.
    Done,
    /// Nothing is ready and nothing ever will be.
    Idle,
    /// The time was over.
    Deadline,
    /// It went round in circles.
    Livelock,
}

/// What a world has alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    /// Background tasks.
    pub tasks: usize,
    /// Sleeps.
    pub timers: usize,
    /// Jobs that did not run yet.
    pub jobs: usize,
}

#[derive(Default)]
struct WorldState {
    alive: Alive,
    closed: bool,
    refused: u64,
}

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(self.id);
        }
    }
}

struct Task {
    future: BoxFuture<'static, ()>,
    wake: Arc<TaskWaker>,
    waker: Waker,
    world: usize,
    is_job: bool,
}

struct Core {
    now_ns: u64,
    rng: Rng,
    next: u64,
    polls: u64,
    tasks: BTreeMap<u64, Task>,
    timers: BTreeMap<(u64, u64), Waker>,
    worlds: Vec<WorldState>,
}

/// How often a task that gave way is kept waiting, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preemption {
    /// In a thousand.
    pub permille: u32,
    /// At most.
    pub most: Duration,
}

struct Shared {
    preemption: Preemption,
    core: Mutex<Core>,
    ready: Arc<Mutex<Vec<u64>>>,
    journal: Journal,
}

/// The executor of a simulation.
#[derive(Clone)]
pub struct Executor(Arc<Shared>);

impl Executor {
    /// An executor whose choices follow from `rng`.
    pub fn new(rng: Rng, journal: Journal, preemption: Preemption) -> Self {
        let core = Core {
            now_ns: 1_000_000_000,
            rng,
            next: 0,
            polls: 0,
            tasks: BTreeMap::new(),
            timers: BTreeMap::new(),
            worlds: Vec::new(),
        };
        journal.set_now(core.now_ns);
        Self(Arc::new(Shared {
            preemption,
            core: Mutex::new(core),
            ready: Arc::default(),
            journal,
        }))
    }

    /// A world of its own on this executor.
    pub fn world(&self, pauses: u32, job_delay: Duration) -> SimWorld {
        let mut core = lock(&self.0.core);
        core.worlds.push(WorldState::default());
        SimWorld { executor: self.clone(), id: core.worlds.len() - 1, pauses, job_delay }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        Instant::from_ns(lock(&self.0.core).now_ns)
    }

    /// How many polls were made.
    pub fn polls(&self) -> u64 {
        lock(&self.0.core).polls
    }

    /// Runs until `done`, or until `deadline`.
    pub fn run(&self, deadline: Instant, done: impl Fn() -> bool) -> Ended {
        self.run_watched(deadline, done, || ())
    }

    /// As [`Executor::run`]; `quiet` looks on whenever nothing is ready, before time moves.
    pub fn run_watched(
        &self,
        deadline: Instant,
        done: impl Fn() -> bool,
        quiet: impl Fn(),
    ) -> Ended {
        loop {
            if done() {
                return Ended::Done;
            }
            if let Some(id) = self.pick() {
                if self.poll(id) > POLLS_MAX {
                    return Ended::Livelock;
                }
            } else {
                quiet();
                if let Some(ended) = self.advance(deadline.as_ns()) {
                    return ended;
                }
            }
        }
    }

    fn pick(&self) -> Option<u64> {
        let mut ready = lock(&self.0.ready);
        if ready.is_empty() {
            return None;
        }
        let at = lock(&self.0.core).rng.index(ready.len());
        Some(ready.swap_remove(at))
    }

    fn poll(&self, id: u64) -> u64 {
        let (task, polls, now_ns) = {
            let mut core = lock(&self.0.core);
            core.polls += 1;
            (core.tasks.remove(&id), core.polls, core.now_ns)
        };
        let Some(mut task) = task else { return polls };
        self.0.journal.digest(id, now_ns);
        task.wake.queued.store(false, Ordering::Relaxed);
        let waker = task.waker.clone();
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                let gave_way = task.wake.queued.load(Ordering::Relaxed);
                let wake = task.wake.clone();
                lock(&self.0.core).tasks.insert(id, task);
                if gave_way {
                    self.preempt(&wake, waker);
                }
            }
            Poll::Ready(()) => self.ended(&task),
        }
        polls
    }

    /// Keeps a task that gave way waiting, as a thread that lost its processor.
    fn preempt(&self, wake: &TaskWaker, waker: Waker) {
        let Preemption { permille, most } = self.0.preemption;
        let mut core = lock(&self.0.core);
        if permille == 0 || !core.rng.chance(permille) {
            return;
        }
        let at = core.now_ns + core.rng.below(most.as_nanos() as u64);
        core.next += 1;
        let key = (at, core.next);
        core.timers.insert(key, waker);
        lock(&self.0.ready).retain(|id| *id != wake.id);
        wake.queued.store(false, Ordering::Relaxed);
    }

    fn ended(&self, task: &Task) {
        let mut core = lock(&self.0.core);
        let alive = &mut core.worlds[task.world].alive;
        if task.is_job {
            alive.jobs -= 1;
        } else {
            alive.tasks -= 1;
        }
    }

    /// Moves time to the next timer.
    fn advance(&self, deadline_ns: u64) -> Option<Ended> {
        let due = {
            let mut core = lock(&self.0.core);
            let Some(((at, _), _)) = core.timers.first_key_value() else {
                return Some(Ended::Idle);
            };
            let at = *at;
            if at > deadline_ns {
                core.now_ns = core.now_ns.max(deadline_ns);
                self.0.journal.set_now(core.now_ns);
                return Some(Ended::Deadline);
            }
            core.now_ns = core.now_ns.max(at);
            self.0.journal.set_now(core.now_ns);
            let later = core.timers.split_off(&(at + 1, 0));
            std::mem::replace(&mut core.timers, later)
        };
        due.into_values().for_each(Waker::wake);
        None
    }

    fn spawn(
        &self,
        world: usize,
        is_job: bool,
        future: BoxFuture<'static, ()>,
    ) -> Result<(), Closed> {
        let mut core = lock(&self.0.core);
        let state = &mut core.worlds[world];
        if state.closed {
            state.refused += 1;
            return Err(Closed);
        }
        if is_job {
            state.alive.jobs += 1;
        } else {
            state.alive.tasks += 1;
        }
        core.next += 1;
        let id = core.next;
        let ready = self.0.ready.clone();
        let wake = Arc::new(TaskWaker { id, queued: AtomicBool::new(false), ready });
        let waker = Waker::from(wake.clone());
        core.tasks.insert(id, Task { future, wake, waker: waker.clone(), world, is_job });
        drop(core);
        waker.wake();
        Ok(())
    }

    fn sleep(&self, world: usize, until: Instant) -> Sleep {
        Sleep { executor: self.clone(), world, until_ns: until.as_ns(), key: None }
    }
}

/// Ready at its time.
pub struct Sleep {
    executor: Executor,
    world: usize,
    until_ns: u64,
    key: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor.clone();
        let mut core = lock(&executor.0.core);
        if core.now_ns >= self.until_ns {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or_else(|| {
            core.next += 1;
            core.worlds[self.world].alive.timers += 1;
            (self.until_ns, core.next)
        });
        self.key = Some(key);
        core.timers.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut core = lock(&self.executor.0.core);
            core.worlds[self.world].alive.timers -= 1;
            let waker = core.timers.remove(&key);
            drop(core);
            drop(waker);
        }
    }
}

/// The world that one instance, or one group of simulated things, runs in.
#[derive(Clone)]
pub struct SimWorld {
    executor: Executor,
    id: usize,
    pauses: u32,
    job_delay: Duration,
}

impl SimWorld {
    /// What is alive of it.
    pub fn alive(&self) -> Alive {
        lock(&self.executor.0.core).worlds[self.id].alive
    }

    /// How many submissions came after it was closed.
    pub fn refused(&self) -> u64 {
        lock(&self.executor.0.core).worlds[self.id].refused
    }

    /// Takes no more work.
    pub fn close(&self) {
        lock(&self.executor.0.core).worlds[self.id].closed = true;
    }

    /// Drops all its tasks and jobs where they stand, as the end of a process does.
    pub fn kill(&self) {
        self.close();
        let killed = {
            let mut core = lock(&self.executor.0.core);
            let of_world = |task: &Task| task.world == self.id;
            let ids: Vec<u64> =
                core.tasks.iter().filter(|(_, task)| of_world(task)).map(|(id, _)| *id).collect();
            ids.iter().filter_map(|id| core.tasks.remove(id)).collect::<Vec<_>>()
        };
        for task in killed {
            self.executor.ended(&task);
        }
    }

    /// Sleeps for a while.
    pub fn after(&self, time: Duration) -> Sleep {
        self.executor.sleep(self.id, self.executor.now() + time)
    }

    /// Runs a task of the simulator itself.
    pub fn go(&self, task: impl Future<Output = ()> + Send + 'static) {
        // A closed world runs nothing: that is what its kill means.
        let _ = self.executor.spawn(self.id, false, Box::pin(task));
    }
}

impl World for SimWorld {
    fn now(&self) -> Instant {
        self.executor.now()
    }

    fn wall(&self) -> WallTime {
        let ns = self.now().as_ns();
        let sec = EPOCH_S + (ns / 1_000_000_000) as i64;
        WallTime { sec, nsec: (ns % 1_000_000_000) as u32 }
    }

    fn random(&self, bytes: &mut [u8]) {
        lock(&self.executor.0.core).rng.fill(bytes);
    }

    fn sleep(&self, until: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.executor.sleep(self.id, until))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        self.executor.spawn(self.id, false, task)
    }

    fn blocking(&self, job: Job) -> Result<(), Closed> {
        let most = u64::try_from(self.job_delay.as_nanos()).unwrap_or(u64::MAX);
        let delay = lock(&self.executor.0.core).rng.below(most);
        let sleep = self.after(Duration::from_nanos(delay));
        let run = async move {
            sleep.await;
            job();
        };
        self.executor.spawn(self.id, true, Box::pin(run))
    }

    fn pause(&self) -> Pause {
        let pauses = lock(&self.executor.0.core).rng.chance(self.pauses);
        if pauses { Pause::Once } else { Pause::Ready }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Tracing;

    fn executor(seed: u64) -> (Executor, SimWorld) {
        let executor =
            Executor::new(Rng::new(seed), Journal::new(Tracing::Off), Preemption::default());
        let world = executor.world(500, Duration::from_secs(1));
        (executor, world)
    }

    fn order(seed: u64) -> Vec<u32> {
        let (executor, world) = executor(seed);
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..8 {
            let (order, world2) = (order.clone(), world.clone());
            world.go(async move {
                world2.after(Duration::from_secs(u64::from(n % 2))).await;
                lock(&order).push(n);
            });
        }
        let deadline = Instant::from_ns(u64::MAX);
        assert_eq!(executor.run(deadline, || false), Ended::Idle);
        assert_eq!(world.alive(), Alive::default());
        lock(&order).clone()
    }

    #[test]
    fn order_is_the_seeds_choice() {
        assert_eq!(order(3), order(3));
        assert!((0..20).any(|seed| order(seed) != order(3)));
    }

    #[test]
    fn a_closed_world_takes_nothing_and_a_killed_one_keeps_nothing() {
        let (executor, world) = executor(1);
        world.go(std::future::pending());
        assert!(world.blocking(Box::new(|| {})).is_ok());
        assert_eq!(world.alive(), Alive { tasks: 1, timers: 0, jobs: 1 });
        executor.run(Instant::from_ns(1_000_000_001), || false);
        world.kill();
        assert_eq!(world.alive(), Alive::default());
        assert_eq!(world.spawn(Box::pin(async {})), Err(Closed));
        assert_eq!(world.refused(), 1);
    }
}
