//! The real world: the kernel's clocks and random numbers, our loops and threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

use crate::counters::{Counters, count};
use crate::mailbox::Mailbox;
use crate::queue::{LaneId, Queue};
use crate::timers::{Sleep, Timers};

/// A [`World`] over loops and a pool, with a lane of its own to the pool. It may outlive them: then
/// everything is refused, and nothing of theirs is kept open.
pub(crate) struct NetWorld {
    loops: Vec<Weak<Mailbox>>,
    next_loop: AtomicUsize,
    queue: Arc<Queue>,
    lane: LaneId,
    timers: Arc<Timers>,
    counters: Arc<Counters>,
}

impl NetWorld {
    /// `is_known`: the others leave a thread for it before it needs one.
    pub(crate) fn new(
        loops: Vec<Weak<Mailbox>>,
        queue: Arc<Queue>,
        is_known: bool,
        timers: Arc<Timers>,
        counters: Arc<Counters>,
    ) -> Self {
        let lane = queue.open_lane(is_known);
        Self { loops, next_loop: AtomicUsize::new(0), queue, lane, timers, counters }
    }
}

impl Drop for NetWorld {
    fn drop(&mut self) {
        self.queue.close_lane(self.lane);
    }
}

impl World for NetWorld {
    fn now(&self) -> Instant {
        now()
    }

    fn wall(&self) -> WallTime {
        let time = clock_gettime(ClockId::Realtime);
        WallTime { sec: time.tv_sec, nsec: time.tv_nsec as u32 }
    }

    fn random(&self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match getrandom(&mut *bytes, GetRandomFlags::empty()) {
                Ok(n) => bytes = &mut bytes[n..],
                Err(Errno::INTR) => {}
                Err(errno) => panic!("the kernel gives no random numbers: {errno}"),
            }
        }
    }

    fn sleep(&self, until: Instant) -> BoxFuture<'static, ()> {
        Box::pin(Sleep::new(self.timers.clone(), until))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        let at = self.next_loop.fetch_add(1, Ordering::Relaxed) % self.loops.len();
        let spawned = self.loops[at].upgrade().ok_or(Closed).and_then(|to| to.spawn(task));
        spawned.inspect_err(|_| count(&self.counters.work_refused))
    }

    fn blocking(&self, job: Job) -> Result<(), Closed> {
        self.queue.submit(self.lane, job)
    }
}

/// The monotonic clock that counts suspend.
pub(crate) fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    Instant::from_ns(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
