//! Group commit: a change is answered after a flush that began when it was made. While one runs,
//! later changes gather for the next; one flush serves all of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use holdfast_base::World;
use holdfast_vfs::{Error, Result};

/// Puts changes on stable storage.
pub(crate) trait Flush: Send + Sync + 'static {
    /// What an operation changed.
    type Change;
    /// What many operations changed: bounded, however many they are.
    type Changes: Default + Send;

    /// Adds a change.
    fn gather(&self, changes: &mut Self::Changes, change: Self::Change);

    /// Answers when all of it is on stable storage. May block.
    fn flush(&self, changes: &Self::Changes) -> Result<()>;
}

/// How many changes waited for stable storage, and how many flushes served them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Changes whose answer waited.
    pub changes: u64,
    /// Flushes that were begun.
    pub flushes: u64,
    /// Those of them that failed: all that waited for one got its error.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    changes: AtomicU64,
    flushes: AtomicU64,
    failed: AtomicU64,
}

/// The changes of one file system on their way to stable storage.
pub(crate) struct Group<F: Flush> {
    flush: Arc<F>,
    world: Arc<dyn World>,
    state: Mutex<State<F::Changes>>,
    counters: Counters,
}

struct State<C> {
    /// What waits for a flush that has not begun.
    next: Round<C>,
    /// Whether there is a job that flushes or will.
    is_busy: bool,
}

/// Changes that one flush serves.
#[derive(Default)]
struct Round<C> {
    changes: C,
    /// Whether there is a change.
    is_wanted: bool,
    outcome: Arc<Outcome>,
}

/// What became of a round. As many wait for it as there are requests, which the server bounds.
struct Outcome(Mutex<Progress>);

enum Progress {
    /// Those to wake, each at a place of its own.
    Waiting(Vec<Option<Waker>>),
    Done(Result<()>),
}

impl<F: Flush> Group<F> {
    pub(crate) fn new(flush: Arc<F>, world: Arc<dyn World>) -> Arc<Self> {
        let state = Mutex::new(State { next: Round::default(), is_busy: false });
        Arc::new(Self { flush, world, state, counters: Counters::default() })
    }

    pub(crate) fn flushed(&self) -> Flushed {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { changes, flushes, failed } = &self.counters;
        Flushed { changes: of(changes), flushes: of(flushes), failed: of(failed) }
    }

    /// Ready when a change that was just made is on stable storage, or failed to get there.
    /// [`Error::Io`] also when nobody flushes any more: the change may be kept or not.
    pub(crate) fn settle(self: &Arc<Self>, change: F::Change) -> Settled<F> {
        self.counters.changes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        self.flush.gather(&mut state.next.changes, change);
        state.next.is_wanted = true;
        let outcome = state.next.outcome.clone();
        let starts = !std::mem::replace(&mut state.is_busy, true);
        drop(state);
        if starts {
            self.start();
        }
        Settled { group: self.clone(), outcome, place: None }
    }

    fn lock(&self) -> MutexGuard<'_, State<F::Changes>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread that may block flush. The caller has set `is_busy`.
    fn start(self: &Arc<Self>) {
        let turn = Turn { group: self.clone(), is_done: false };
        if self.world.blocking(Box::new(move || turn.run())).is_ok() {
            return;
        }
        // The turn is dropped and has made way: nobody will come for those who wait.
        let mut state = self.lock();
        let refused = if state.is_busy { None } else { Some(std::mem::take(&mut state.next)) };
        drop(state);
        if let Some(round) = refused {
            round.outcome.finish(Err(Error::Io));
        }
    }

    /// Starts again where the job of others was dropped: it went with the service that asked for
    /// it, which need not be the one that waits for this round.
    fn restart(self: &Arc<Self>, outcome: &Arc<Outcome>) {
        let mut state = self.lock();
        let starts = !state.is_busy && Arc::ptr_eq(&state.next.outcome, outcome);
        state.is_busy |= starts;
        drop(state);
        if starts {
            self.start();
        }
    }
}

/// A job that flushes once.
struct Turn<F: Flush> {
    group: Arc<Group<F>>,
    is_done: bool,
}

impl<F: Flush> Turn<F> {
    fn run(mut self) {
        let group = &self.group;
        let round = std::mem::take(&mut group.lock().next);
        group.counters.flushes.fetch_add(1, Ordering::Relaxed);
        let answer = Answer(Some(round.outcome));
        let result = group.flush.flush(&round.changes);
        if result.is_err() {
            group.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        // What the changes hold is let go before anybody goes on.
        drop(round.changes);
        answer.give(result);
        self.is_done = true;
    }
}

impl<F: Flush> Drop for Turn<F> {
    /// A turn that is done has another one follow, if anything gathered: a job of its own, so that
    /// other work gets its turn too.
    fn drop(&mut self) {
        let mut state = self.group.lock();
        let goes_on = self.is_done && state.next.is_wanted;
        state.is_busy = goes_on;
        if !self.is_done && Arc::strong_count(&state.next.outcome) == 1 {
            // Nobody waits.
            state.next = Round::default();
        }
        let waiting = state.next.outcome.clone();
        drop(state);
        if goes_on {
            self.group.start();
        } else {
            // One of them starts again.
            waiting.wake();
        }
    }
}

/// Tells those who wait, also when a flush panics.
struct Answer(Option<Arc<Outcome>>);

impl Answer {
    fn give(mut self, result: Result<()>) {
        if let Some(outcome) = self.0.take() {
            outcome.finish(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(outcome) = self.0.take() {
            outcome.finish(Err(Error::Io));
        }
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self(Mutex::new(Progress::Waiting(Vec::new())))
    }
}

impl Outcome {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: Result<()>) {
        let before = std::mem::replace(&mut *self.lock(), Progress::Done(result));
        if let Progress::Waiting(wakers) = before {
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Has all who wait look again.
    fn wake(&self) {
        let wakers = match &*self.lock() {
            Progress::Waiting(wakers) => wakers.clone(),
            Progress::Done(_) => Vec::new(),
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// One who waits.
pub(crate) struct Settled<F: Flush> {
    group: Arc<Group<F>>,
    outcome: Arc<Outcome>,
    place: Option<usize>,
}

impl<F: Flush> Future for Settled<F> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match &mut *this.outcome.lock() {
            Progress::Done(result) => return Poll::Ready(*result),
            Progress::Waiting(wakers) => {
                let place = *this.place.get_or_insert_with(|| {
                    wakers.push(None);
                    wakers.len() - 1
                });
                wakers[place] = Some(cx.waker().clone());
            }
        }
        this.group.restart(&this.outcome);
        Poll::Pending
    }
}

impl<F: Flush> Drop for Settled<F> {
    fn drop(&mut self) {
        if let (Some(place), Progress::Waiting(wakers)) = (self.place, &mut *self.outcome.lock()) {
            wakers[place] = None;
        }
    }
}

#[cfg(test)]
mod tests;
