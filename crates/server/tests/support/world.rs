//! A world without threads: time moves when a test says so, and jobs run when it says so.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use holdfast_base::{BoxFuture, Closed, Instant, Job, Pause, WallTime, World};

/// A seeded sequence of numbers (splitmix64).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.next() as u8);
    }
}

/// The world of one test.
pub(crate) struct TestWorld {
    now_ns: AtomicU64,
    ticks: AtomicU64,
    /// Whether every step on a piece of state gives way first.
    pausing: AtomicBool,
    /// Whether nothing is spawned any more.
    closed: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    random: Seeded,
    spawned: u64,
    tasks: Vec<Task>,
    sleepers: Vec<(Instant, Waker)>,
    jobs: VecDeque<Job>,
}

struct Task {
    number: u64,
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
}

/// Whether a task is to be polled again.
pub(crate) struct Woken(AtomicBool);

impl Woken {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Polls a future whose waker this is.
    pub(crate) fn poll<T>(self: &Arc<Self>, future: &mut BoxFuture<'static, T>) -> Poll<T> {
        self.0.store(false, Ordering::Release);
        let waker = Waker::from(self.clone());
        future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// The world, as a sleeping task reaches it.
struct Shared(Weak<TestWorld>);

impl TestWorld {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let inner = Inner {
            random: Seeded(seed),
            spawned: 0,
            tasks: Vec::new(),
            sleepers: Vec::new(),
            jobs: VecDeque::new(),
        };
        Arc::new(Self {
            now_ns: AtomicU64::new(1_000_000_000),
            ticks: AtomicU64::new(0),
            pausing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            inner: Mutex::new(inner),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics in here")
    }

    /// The world as what is started in it needs it.
    pub(crate) fn handle(self: &Arc<Self>) -> Arc<dyn World> {
        Arc::new(Shared(Arc::downgrade(self)))
    }

    /// Moves the clock, and runs what was waiting for each moment on the way.
    pub(crate) fn advance(&self, by: Duration) {
        let end = self.clock() + by;
        self.run_tasks();
        loop {
            let next = self.inner().sleepers.iter().map(|sleeper| sleeper.0).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.set_clock(next);
            self.run_tasks();
        }
        self.set_clock(end);
    }

    /// Runs the oldest job that waits; `false`: there is none.
    pub(crate) fn run_job(&self) -> bool {
        let job = self.inner().jobs.pop_front();
        job.map(|job| job()).is_some()
    }

    /// Runs the newest job that waits; `false`: there is none.
    pub(crate) fn run_newest_job(&self) -> bool {
        let job = self.inner().jobs.pop_back();
        job.map(|job| job()).is_some()
    }

    /// How many jobs wait.
    pub(crate) fn jobs(&self) -> usize {
        self.inner().jobs.len()
    }

    /// From now on every step on a piece of state gives way first, or none does.
    pub(crate) fn set_pausing(&self, pausing: bool) {
        self.pausing.store(pausing, Ordering::Release);
    }

    /// From now on nothing is spawned, or everything.
    pub(crate) fn set_closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Release);
    }

    /// Drops all background tasks, as the end of a process does.
    pub(crate) fn drop_tasks(&self) {
        let tasks = std::mem::take(&mut self.inner().tasks);
        drop(tasks);
    }

    /// How many background tasks there are.
    pub(crate) fn tasks(&self) -> usize {
        self.inner().tasks.len()
    }

    /// The numbers of the background tasks that can go on, oldest first.
    pub(crate) fn woken_tasks(&self) -> Vec<u64> {
        let inner = self.inner();
        let woken = inner.tasks.iter().filter(|task| task.woken.is_set());
        woken.map(|task| task.number).collect()
    }

    /// Polls one background task once.
    pub(crate) fn poll_task(&self, number: u64) {
        let mut inner = self.inner();
        let at = inner.tasks.iter().position(|task| task.number == number);
        let mut task = inner.tasks.remove(at.expect("the task is there"));
        drop(inner);
        if task.woken.poll(&mut task.future).is_pending() {
            let mut inner = self.inner();
            let at = inner.tasks.partition_point(|other| other.number < number);
            inner.tasks.insert(at, task);
        }
    }

    /// Moves the clock, and runs nothing.
    pub(crate) fn pass(&self, by: Duration) {
        self.set_clock(self.clock() + by);
    }

    pub(crate) fn clock(&self) -> Instant {
        Instant::from_ns(self.now_ns.load(Ordering::Acquire))
    }

    fn set_clock(&self, to: Instant) {
        self.now_ns.fetch_max(to.as_ns(), Ordering::AcqRel);
        let now = self.clock();
        let mut due = Vec::new();
        self.inner().sleepers.retain(|(until, waker)| {
            if *until <= now {
                due.push(waker.clone());
            }
            *until > now
        });
        due.into_iter().for_each(Waker::wake);
    }

    /// Runs the background tasks until none can go on.
    pub(crate) fn run_tasks(&self) {
        loop {
            let woken = self.woken_tasks();
            if woken.is_empty() {
                return;
            }
            woken.into_iter().for_each(|number| self.poll_task(number));
        }
    }
}

impl World for Shared {
    fn now(&self) -> Instant {
        self.0.upgrade().map_or_else(Instant::default, |world| world.clock())
    }

    fn wall(&self) -> WallTime {
        let tick = self.0.upgrade().map_or(0, |world| world.ticks.fetch_add(1, Ordering::Relaxed));
        WallTime { sec: 1_700_000_000 + (tick / 1000) as i64, nsec: (tick % 1000) as u32 * 1000 }
    }

    fn random(&self, bytes: &mut [u8]) {
        if let Some(world) = self.0.upgrade() {
            world.inner().random.fill(bytes);
        }
    }

    fn sleep(&self, until: Instant) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { world: self.0.clone(), until })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        let world = self.0.upgrade().ok_or(Closed)?;
        if world.closed.load(Ordering::Acquire) {
            return Err(Closed);
        }
        let mut inner = world.inner();
        inner.spawned += 1;
        let number = inner.spawned;
        inner.tasks.push(Task { number, future: task, woken: Woken::new() });
        Ok(())
    }

    fn blocking(&self, job: Job) -> Result<(), Closed> {
        let world = self.0.upgrade().ok_or(Closed)?;
        world.inner().jobs.push_back(job);
        Ok(())
    }

    fn pause(&self) -> Pause {
        let pausing = |world: Arc<TestWorld>| world.pausing.load(Ordering::Acquire);
        if self.0.upgrade().is_some_and(pausing) { Pause::Once } else { Pause::Ready }
    }
}

struct Sleep {
    world: Weak<TestWorld>,
    until: Instant,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(world) = self.world.upgrade() else { return Poll::Pending };
        if world.clock() >= self.until {
            return Poll::Ready(());
        }
        world.inner().sleepers.push((self.until, cx.waker().clone()));
        Poll::Pending
    }
}
