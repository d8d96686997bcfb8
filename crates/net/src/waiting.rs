//! Waiting: for a word from another thread, for a turn, and on a thread that may sleep.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

enum Word<T> {
    Due(Option<Waker>),
    Given(Option<T>),
}

/// A value that will come from elsewhere. Dropped unkept, it tells that none will come.
pub(crate) struct Promise<T>(Arc<Mutex<Word<T>>>);

/// The other end of a [`Promise`]: ready with the value, or with none.
pub(crate) struct Promised<T>(Arc<Mutex<Word<T>>>);

/// A promise and who waits for it.
pub(crate) fn promise<T>() -> (Promise<T>, Promised<T>) {
    let word = Arc::new(Mutex::new(Word::Due(None)));
    (Promise(word.clone()), Promised(word))
}

impl<T> Promise<T> {
    /// Gives the value.
    pub(crate) fn keep(self, value: T) {
        self.give(Some(value));
    }

    fn give(&self, value: Option<T>) {
        let mut word = lock(&self.0);
        if let Word::Due(waker) = &mut *word {
            let waker = waker.take();
            *word = Word::Given(value);
            drop(word);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.give(None);
    }
}

impl<T> Future for Promised<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut *lock(&self.0) {
            Word::Due(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Word::Given(value) => Poll::Ready(value.take()),
        }
    }
}

/// Lets one at a time go on, without holding a thread.
#[derive(Default)]
pub(crate) struct Turn(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    taken: bool,
    waiting: Vec<Waker>,
}

impl Turn {
    /// Waits until nobody else has the turn.
    pub(crate) async fn take(&self) -> Taken<'_> {
        poll_fn(|cx| {
            let mut queue = lock(&self.0);
            if std::mem::replace(&mut queue.taken, true) {
                queue.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        Taken(self)
    }
}

/// The turn, until it is dropped.
pub(crate) struct Taken<'a>(&'a Turn);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.0);
        queue.taken = false;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for a future that others drive, but not beyond `until`.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>, until: Instant) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
