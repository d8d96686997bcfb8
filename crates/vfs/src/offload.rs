//! Blocking work as a future: a job on the world's pool, and the place its answer appears.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use holdfast_base::World;

use crate::{Error, Result};

enum State<T> {
    Waiting(Option<Waker>),
    Done(Result<T>),
    Taken,
}

struct Shared<T>(Mutex<State<T>>);

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: Result<T>) {
        let before = std::mem::replace(&mut *self.lock(), State::Done(result));
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// Tells the waiter when a job is dropped before it answered: by a stop, or by a panic in it.
struct Answer<T>(Option<Arc<Shared<T>>>);

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.finish(Err(Error::Io));
        }
    }
}

struct Waiting<T>(Arc<Shared<T>>);

impl<T> Future for Waiting<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match &mut *state {
            State::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            State::Done(_) | State::Taken => match std::mem::replace(&mut *state, State::Taken) {
                State::Done(result) => Poll::Ready(result),
                State::Waiting(_) | State::Taken => panic!("an answer is awaited once"),
            },
        }
    }
}

/// Runs `job` where it may block. [`Error::Busy`] when the world is stopping; [`Error::Io`] when
/// the job was dropped or panicked.
pub fn offload<T: Send + 'static>(
    world: &dyn World,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send + 'static {
    let shared = Arc::new(Shared(Mutex::new(State::Waiting(None))));
    let mut answer = Answer(Some(shared.clone()));
    let accepted = world.blocking(Box::new(move || {
        let result = job();
        if let Some(shared) = answer.0.take() {
            shared.finish(result);
        }
    }));
    if accepted.is_err() {
        shared.finish(Err(Error::Busy));
    }
    Waiting(shared)
}
