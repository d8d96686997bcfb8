//! Where a server's life is, and who waits for it to move on.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

use holdfast_base::Instant;

use super::{Shared, StartError};
use crate::counters::Snapshot;
use crate::instance::{Instance, Running, StopReport};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Where a server's life is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    #[default]
    Down,
    /// The steps of a start run, or are undone.
    Starting,
    /// It serves.
    Up,
    /// Everything comes to its end.
    Stopping,
}

/// A server at one moment.
#[derive(Clone)]
pub struct Status {
    /// Where its life is.
    pub phase: Phase,
    /// How often it was started.
    pub generation: u64,
    /// The instance: there from a late step of its start until it has stopped.
    pub instance: Option<Arc<Instance>>,
}

#[derive(Default)]
struct Inner {
    phase: Phase,
    generation: u64,
    instance: Option<Arc<Instance>>,
    /// What the start or stop that is under way does, and since when.
    step: Option<(&'static str, Instant)>,
    /// A stop came during the start, which may take so long to be undone.
    unwind: Option<Instant>,
    /// How many workers the next start brings.
    threads: usize,
    resizing: bool,
    last_stop: StopReport,
    last_counters: Snapshot,
    waiting: Vec<Waker>,
}

/// The life of a server. Every move of it is one step under this lock.
pub(super) struct Life(Mutex<Inner>);

/// What a stop has to do.
pub(super) enum StopNow {
    /// Nothing: this is how the last stop went.
    Down(StopReport),
    /// Wait for the stop of this generation, which is under way.
    Wait(u64),
    /// Wait for the start of this generation, which was told to undo what it has done.
    Unwind(u64),
    /// Stop this instance, of this generation.
    Stop(Stopping, Arc<Instance>),
}

impl Life {
    /// A life that has not begun, with this many workers when it does.
    pub(super) fn new(threads: usize) -> Self {
        Self(Mutex::new(Inner { threads, ..Inner::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step<T>(&self, step: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let answer = step(&mut inner);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
        answer
    }

    /// Waits until `decide` answers something.
    async fn until<T>(&self, mut decide: impl FnMut(&mut Inner) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut inner = self.lock();
            if let Some(decided) = decide(&mut inner) {
                return Poll::Ready(decided);
            }
            if !inner.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                inner.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Decides what a stop has to do; a start that is under way may take until `until`.
    pub(super) fn begin_stop(shared: &Arc<Shared>, until: Instant) -> StopNow {
        let mut inner = shared.life.lock();
        let generation = inner.generation;
        let now = match (inner.phase, &inner.instance) {
            (Phase::Up, Some(instance)) => {
                let stopping = Stopping { shared: shared.clone(), generation };
                StopNow::Stop(stopping, instance.clone())
            }
            (Phase::Starting, _) => StopNow::Unwind(generation),
            (Phase::Stopping, _) => return StopNow::Wait(generation),
            (Phase::Down | Phase::Up, _) => return StopNow::Down(inner.last_stop.clone()),
        };
        if inner.phase == Phase::Up {
            inner.phase = Phase::Stopping;
        } else {
            inner.unwind.get_or_insert(until);
        }
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
        now
    }

    /// Ready when a stop wants the start that is under way undone.
    pub(super) async fn unwinding(&self) {
        self.until(|inner| inner.unwind.map(drop)).await;
    }

    /// Until when the start that is under way is to be undone, if a stop asked for that.
    pub(super) fn unwind_until(&self) -> Option<Instant> {
        self.lock().unwind
    }

    /// Says what the start or the stop does from now on.
    pub(super) fn doing(&self, step: Option<(&'static str, Instant)>) {
        self.lock().step = step;
    }

    /// Ready when nothing of `generation` starts or stops, whatever has begun since.
    pub(super) async fn ended(&self, generation: u64) -> StopReport {
        self.until(|inner| {
            let moves = matches!(inner.phase, Phase::Starting | Phase::Stopping);
            let ended = !moves || inner.generation != generation;
            ended.then(|| inner.last_stop.clone())
        })
        .await
    }

    pub(super) fn status(&self) -> Status {
        let inner = self.lock();
        let Inner { phase, generation, .. } = *inner;
        Status { phase, generation, instance: inner.instance.clone() }
    }

    /// What the instance there is has counted, or else the last one.
    pub(super) fn counters(&self) -> Snapshot {
        let inner = self.lock();
        inner.instance.as_ref().map_or(inner.last_counters, |instance| instance.counters())
    }

    /// The step that is under way, then what runs of the instance.
    pub(super) fn running(&self, now: Instant) -> Vec<Running> {
        let inner = self.lock();
        let step = inner.step.map(|(what, began)| given_up(what, began, now));
        let instance = inner.instance.clone();
        drop(inner);
        let of_instance = instance.map(|instance| instance.running()).unwrap_or_default();
        step.into_iter().chain(of_instance).collect()
    }

    /// How many workers a start brings.
    pub(super) fn threads(&self) -> usize {
        self.lock().threads
    }
}

impl Inner {
    /// Nothing is left of the instance.
    fn end(&mut self, report: StopReport) -> Option<Arc<Instance>> {
        self.phase = Phase::Down;
        (self.step, self.unwind) = (None, None);
        self.last_stop = report;
        let instance = self.instance.take();
        if let Some(instance) = &instance {
            self.last_counters = instance.counters();
        }
        // To be dropped outside of the lock.
        instance
    }
}

/// Something that was begun at `began` and is given up on now.
pub(super) fn given_up(what: &str, began: Instant, now: Instant) -> Running {
    Running { what: what.to_owned(), since: now.since(began) }
}

/// How a start went, once it has come to its end.
pub(super) struct Outcome(Arc<OnceLock<Result<(), StartError>>>);

impl Outcome {
    pub(super) async fn wait(&self, life: &Life) -> Result<(), StartError> {
        life.until(|_| self.0.get().cloned()).await
    }
}

/// A start that is under way. Dropped before it is done, as by a world that ends, it has failed.
pub(super) struct Starting {
    shared: Arc<Shared>,
    pub(super) generation: u64,
    outcome: Arc<OnceLock<Result<(), StartError>>>,
}

impl Starting {
    /// Begins a start, when nothing else is under way.
    pub(super) async fn begin(shared: &Arc<Shared>) -> Result<(Self, Outcome), StartError> {
        let begin = |inner: &mut Inner| match inner.phase {
            Phase::Down => {
                inner.phase = Phase::Starting;
                inner.generation += 1;
                Some(Ok(inner.generation))
            }
            Phase::Up => Some(Err(StartError::AlreadyUp)),
            Phase::Starting | Phase::Stopping => None,
        };
        let generation = shared.life.until(begin).await?;
        let outcome = Arc::new(OnceLock::new());
        let starting = Self { shared: shared.clone(), generation, outcome: outcome.clone() };
        Ok((starting, Outcome(outcome)))
    }

    /// The instance can be looked at.
    pub(super) fn made(&self, instance: Arc<Instance>) {
        self.shared.life.lock().instance = Some(instance);
    }

    /// Every step is done.
    ///
    /// # Errors
    /// `Stopped`: a stop came meanwhile, and everything is to be undone.
    pub(super) fn up(&self) -> Result<(), StartError> {
        self.shared.life.step(|inner| {
            if inner.unwind.is_some() {
                return Err(StartError::Stopped);
            }
            (inner.phase, inner.step) = (Phase::Up, None);
            let _ = self.outcome.set(Ok(()));
            Ok(())
        })
    }

    /// It failed, and everything is undone.
    pub(super) fn failed(&self, error: StartError, report: StopReport) {
        let instance = self.shared.life.step(|inner| {
            let _ = self.outcome.set(Err(error));
            inner.end(report)
        });
        // Not yet begun if the world dropped the task; and others may hold the instance.
        instance.inspect(|instance| instance.begin_stop());
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if self.outcome.get().is_none() {
            self.failed(StartError::Closed, StopReport::default());
        }
    }
}

/// A stop that is under way. Dropped before it is done, as by a world that ends, it is over: that
/// world takes everything with it.
pub(super) struct Stopping {
    shared: Arc<Shared>,
    generation: u64,
}

impl Stopping {
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn done(self, report: StopReport) {
        self.end(report);
    }

    fn end(&self, report: StopReport) {
        let instance = self.shared.life.step(|inner| {
            let ours = inner.phase == Phase::Stopping && inner.generation == self.generation;
            if ours { inner.end(report) } else { None }
        });
        instance.inspect(|instance| instance.begin_stop());
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.end(StopReport::default());
    }
}

/// The right to change the number of workers: one has it at a time.
pub(super) struct Resizing<'a> {
    life: &'a Life,
    pub(super) instance: Arc<Instance>,
}

impl<'a> Resizing<'a> {
    /// Waits for the start and for the change that are under way; none if the server is not up.
    pub(super) async fn begin(life: &'a Life) -> Option<Self> {
        let begin = |inner: &mut Inner| match (inner.phase, &inner.instance) {
            (Phase::Starting, _) => None,
            (Phase::Up, Some(_)) if inner.resizing => None,
            (Phase::Up, Some(instance)) => {
                inner.resizing = true;
                Some(Some(instance.clone()))
            }
            (Phase::Down | Phase::Up | Phase::Stopping, _) => Some(None),
        };
        let instance = life.until(begin).await?;
        Some(Self { life, instance })
    }

    /// The number was reached: later starts bring as many.
    pub(super) fn keep(&self, threads: usize) {
        self.life.lock().threads = threads;
    }
}

impl Drop for Resizing<'_> {
    fn drop(&mut self) {
        self.life.step(|inner| inner.resizing = false);
    }
}
