//! Where a server's life is, and who waits for it to move on.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::StartError;
use crate::instance::{Instance, StopReport};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Where a server's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    Down,
    /// The steps of a start run.
    Starting,
    /// It serves.
    Up,
    /// Everything comes to its end.
    Stopping,
}

#[derive(Default)]
struct Inner {
    phase: Option<Phase>,
    generation: u64,
    instance: Option<Arc<Instance>>,
    last_stop: StopReport,
    waiting: Vec<Waker>,
}

impl Inner {
    fn phase(&self) -> Phase {
        self.phase.unwrap_or(Phase::Down)
    }
}

/// The life of a server. Every move of it is one step under this lock.
#[derive(Default)]
pub(super) struct Life(Mutex<Inner>);

/// What a stop has to do.
pub(super) enum StopNow {
    /// Nothing: this is how the last stop went.
    Down(StopReport),
    /// Wait for the stop of this generation, which is under way.
    Wait(u64),
    /// Stop this instance, of this generation.
    Stop(u64, Arc<Instance>),
}

impl Life {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, step: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        step(&mut inner);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until `decide` answers something.
    async fn until<T>(&self, mut decide: impl FnMut(&mut Inner) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut inner = self.lock();
            if let Some(decided) = decide(&mut inner) {
                return Poll::Ready(decided);
            }
            inner.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Begins a start, when nothing else is under way.
    pub(super) async fn begin_start(&self) -> Result<Starting<'_>, StartError> {
        self.until(|inner| match inner.phase() {
            Phase::Down => {
                inner.phase = Some(Phase::Starting);
                inner.generation += 1;
                Some(Ok(Starting { life: self, generation: inner.generation, done: false }))
            }
            Phase::Up => Some(Err(StartError::AlreadyUp)),
            Phase::Starting | Phase::Stopping => None,
        })
        .await
    }

    /// Decides what a stop has to do, when no start is under way.
    pub(super) async fn begin_stop(&self) -> StopNow {
        self.until(|inner| match inner.phase() {
            Phase::Down => Some(StopNow::Down(inner.last_stop.clone())),
            Phase::Stopping => Some(StopNow::Wait(inner.generation)),
            Phase::Up => {
                let generation = inner.generation;
                inner.take_up().map(|instance| StopNow::Stop(generation, instance))
            }
            Phase::Starting => None,
        })
        .await
    }

    /// The instance to stop now, for one who cannot wait.
    pub(super) fn stop_at_once(&self) -> Option<Arc<Instance>> {
        self.lock().take_up()
    }

    pub(super) fn ended(&self, report: StopReport) {
        self.step(|inner| {
            inner.phase = Some(Phase::Down);
            inner.last_stop = report;
        });
    }

    /// Ready when the stop of `generation` has ended, whatever has begun since.
    pub(super) async fn stopped(&self, generation: u64) -> StopReport {
        self.until(|inner| {
            let stopping = inner.phase() == Phase::Stopping && inner.generation == generation;
            (!stopping).then(|| inner.last_stop.clone())
        })
        .await
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase()
    }

    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    pub(super) fn instance(&self) -> Option<Arc<Instance>> {
        self.lock().instance.clone()
    }
}

/// A start that is under way: dropped before it is done, it has failed.
pub(super) struct Starting<'a> {
    life: &'a Life,
    pub(super) generation: u64,
    done: bool,
}

impl Starting<'_> {
    pub(super) fn done(mut self, instance: Arc<Instance>) {
        self.done = true;
        self.life.step(|inner| {
            inner.phase = Some(Phase::Up);
            inner.instance = Some(instance);
        });
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.life.step(|inner| inner.phase = Some(Phase::Down));
        }
    }
}

impl Inner {
    fn take_up(&mut self) -> Option<Arc<Instance>> {
        let instance = self.instance.take()?;
        self.phase = Some(Phase::Stopping);
        Some(instance)
    }
}
