//! A world without threads: time moves when a test says so, and jobs run when it says so.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};

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
    inner: Mutex<Inner>,
}

struct Inner {
    random: Seeded,
    tasks: Vec<Task>,
    sleepers: Vec<(Instant, Waker)>,
    jobs: VecDeque<Job>,
}

struct Task {
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

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
            tasks: Vec::new(),
            sleepers: Vec::new(),
            jobs: VecDeque::new(),
        };
        Arc::new(Self {
            now_ns: AtomicU64::new(1_000_000_000),
            ticks: AtomicU64::new(0),
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

    fn clock(&self) -> Instant {
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

    fn run_tasks(&self) {
        loop {
            let mut tasks = std::mem::take(&mut self.inner().tasks);
            let mut any = false;
            tasks.retain_mut(|task| {
                if !task.woken.0.swap(false, Ordering::AcqRel) {
                    return true;
                }
                any = true;
                let waker = Waker::from(task.woken.clone());
                task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            self.inner().tasks.extend(tasks);
            if !any {
                return;
            }
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
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        world.inner().tasks.push(Task { future: task, woken });
        Ok(())
    }

    fn blocking(&self, job: Job) -> Result<(), Closed> {
        let world = self.0.upgrade().ok_or(Closed)?;
        world.inner().jobs.push_back(job);
        Ok(())
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
