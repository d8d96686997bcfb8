//! A flush that the test ends, on threads that the test lends.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime};

use super::*;

/// Keeps jobs until the test runs or drops them.
#[derive(Default)]
struct Jobs {
    waiting: Mutex<Vec<Job>>,
    is_closed: AtomicBool,
}

impl Jobs {
    fn take(&self) -> Option<Job> {
        self.waiting.lock().unwrap().pop()
    }

    fn count(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }
}

impl World for Jobs {
    fn now(&self) -> Instant {
        Instant::default()
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    fn random(&self, _: &mut [u8]) {}

    fn sleep(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) -> std::result::Result<(), Closed> {
        Err(Closed)
    }

    fn blocking(&self, job: Job) -> std::result::Result<(), Closed> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(Closed);
        }
        self.waiting.lock().unwrap().push(job);
        Ok(())
    }
}

/// Says what it flushes, and ends as it is told.
struct Disk {
    begun: Sender<Vec<u32>>,
    answers: Mutex<Receiver<Result<()>>>,
}

impl Flush for Disk {
    type Change = Arc<u32>;
    type Changes = Vec<Arc<u32>>;

    fn gather(&self, changes: &mut Self::Changes, change: Arc<u32>) {
        changes.push(change);
    }

    fn flush(&self, changes: &Self::Changes) -> Result<()> {
        self.begun.send(changes.iter().map(|change| **change).collect()).unwrap();
        self.answers.lock().unwrap().recv().expect("a flush that is never answered panics")
    }
}

struct Rig {
    jobs: Arc<Jobs>,
    group: Arc<Group<Disk>>,
    begun: Receiver<Vec<u32>>,
    answer: Option<Sender<Result<()>>>,
}

impl Rig {
    fn new() -> Self {
        let (begun_in, begun) = channel();
        let (answer, answers) = channel();
        let jobs = Arc::new(Jobs::default());
        let disk = Arc::new(Disk { begun: begun_in, answers: Mutex::new(answers) });
        let group = Group::new(disk, jobs.clone());
        Self { jobs, group, begun, answer: Some(answer) }
    }

    fn change(&self, number: u32) -> Waiter {
        let mut waiter =
            Waiter { settled: self.group.settle(Arc::new(number)), woken: Woken::new() };
        assert_eq!(waiter.poll(), None);
        waiter
    }

    /// Runs the job that waits, whose flush ends with this; what it flushed.
    fn flush(&self, result: Result<()>) -> Vec<u32> {
        self.answer.as_ref().unwrap().send(result).unwrap();
        self.jobs.take().expect("a flush was asked for")();
        self.begun.try_recv().expect("it has begun")
    }

    /// Whether the group holds nothing of anybody.
    fn is_empty(&self) -> bool {
        let state = self.group.lock();
        let idle = !state.is_busy && !state.next.is_wanted && state.next.changes.is_empty();
        idle && self.jobs.count() == 0 && Arc::strong_count(&self.group) == 1
    }
}

struct Woken(AtomicBool);

impl Woken {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(false)))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Waiter {
    settled: Settled<Disk>,
    woken: Arc<Woken>,
}

impl Waiter {
    fn poll(&mut self) -> Option<Result<()>> {
        let waker = Waker::from(self.woken.clone());
        match Pin::new(&mut self.settled).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Whether it was woken since the last time.
    fn is_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::SeqCst)
    }
}

#[test]
fn a_change_is_answered_when_its_flush_has_ended() {
    let rig = Rig::new();
    let mut one = rig.change(1);
    assert!(!one.is_woken());
    assert_eq!(rig.flush(Ok(())), [1]);
    assert!(one.is_woken());
    assert_eq!(one.poll(), Some(Ok(())));
    drop(one);
    assert!(rig.is_empty());
}

#[test]
fn one_flush_serves_all_that_gathered() {
    let rig = Rig::new();
    let mut all: Vec<_> = (0..5).map(|number| rig.change(number)).collect();
    assert_eq!(rig.jobs.count(), 1);
    assert_eq!(rig.flush(Ok(())), [0, 1, 2, 3, 4]);
    assert!(all.iter_mut().all(|waiter| waiter.poll() == Some(Ok(()))));
    assert_eq!(rig.group.flushed(), Flushed { changes: 5, flushes: 1, failed: 0 });
}

#[test]
fn a_change_made_while_a_flush_runs_waits_for_the_next_one() {
    let rig = Rig::new();
    let mut early = rig.change(1);
    let job = rig.jobs.take().unwrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(job);
        assert_eq!(rig.begun.recv().unwrap(), [1]);
        let mut late = rig.change(2);
        rig.answer.as_ref().unwrap().send(Ok(())).unwrap();
        running.join().unwrap();
        assert_eq!(early.poll(), Some(Ok(())));
        assert_eq!(late.poll(), None);
        assert_eq!(rig.flush(Ok(())), [2]);
        assert_eq!(late.poll(), Some(Ok(())));
    });
}

#[test]
fn a_failure_reaches_all_of_its_round_and_no_others() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.change(1), rig.change(2));
    let job = rig.jobs.take().unwrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(job);
        rig.begun.recv().unwrap();
        let mut late = rig.change(3);
        rig.answer.as_ref().unwrap().send(Err(Error::NoSpace)).unwrap();
        running.join().unwrap();
        // The next one succeeds, which makes nothing good for those before.
        assert_eq!(rig.flush(Ok(())), [3]);
        assert_eq!(one.poll(), Some(Err(Error::NoSpace)));
        assert_eq!(two.poll(), Some(Err(Error::NoSpace)));
        assert_eq!(late.poll(), Some(Ok(())));
    });
    assert_eq!(rig.group.flushed(), Flushed { changes: 3, flushes: 2, failed: 1 });
}

#[test]
fn dropped_replies_leave_nothing_behind() {
    let rig = Rig::new();
    let held = Arc::new(7);
    let settled = rig.group.settle(held.clone());
    drop(settled);
    // The change was made, so it is flushed all the same.
    assert_eq!(rig.flush(Ok(())), [7]);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(rig.is_empty());
}

#[test]
fn a_flush_dropped_unrun_with_nobody_waiting_leaves_nothing_behind() {
    let rig = Rig::new();
    drop(rig.change(1));
    drop(rig.jobs.take());
    assert!(rig.is_empty());
}

#[test]
fn one_who_waits_starts_again_what_a_stop_of_others_dropped() {
    let rig = Rig::new();
    let (one, mut two) = (rig.change(1), rig.change(2));
    drop(one);
    drop(rig.jobs.take());
    assert!(two.is_woken());
    assert_eq!(two.poll(), None);
    assert_eq!(rig.flush(Ok(())), [1, 2]);
    assert_eq!(two.poll(), Some(Ok(())));
}

#[test]
fn a_stop_fails_who_waits_and_does_not_hang() {
    let rig = Rig::new();
    let mut waits = rig.change(1);
    rig.jobs.is_closed.store(true, Ordering::Relaxed);
    drop(rig.jobs.take());
    assert!(waits.is_woken());
    assert_eq!(waits.poll(), None);
    assert!(waits.is_woken());
    assert_eq!(waits.poll(), Some(Err(Error::Io)));
    let mut late = Waiter { settled: rig.group.settle(Arc::new(2)), woken: Woken::new() };
    assert_eq!(late.poll(), Some(Err(Error::Io)));
    drop((waits, late));
    assert!(rig.is_empty());
}

#[test]
fn a_flush_that_panics_fails_its_round_and_the_next_one_goes_on() {
    let mut rig = Rig::new();
    let mut first = rig.change(1);
    let job = rig.jobs.take().unwrap();
    let answer = rig.answer.take();
    std::thread::scope(|scope| {
        let running = scope.spawn(job);
        rig.begun.recv().unwrap();
        let mut next = rig.change(2);
        drop(answer);
        assert!(running.join().is_err());
        assert_eq!(first.poll(), Some(Err(Error::Io)));
        assert!(next.is_woken());
        assert_eq!(next.poll(), None);
        assert_eq!(rig.jobs.count(), 1);
    });
}
