//! Everybody who waits for a moment, in the order of the moments.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use holdfast_base::Instant;

use crate::mailbox::Mailbox;
use crate::world::now;

/// No timer at all.
pub(crate) const NEVER: u64 = u64::MAX;

/// The timers of a world. One loop drives them.
pub(crate) struct Timers {
    waiting: Mutex<Waiting>,
    /// The first moment, for the loop that is about to sleep.
    earliest: AtomicU64,
    driver: Weak<Mailbox>,
}

#[derive(Default)]
struct Waiting {
    wakers: BTreeMap<Key, Waker>,
    next: u64,
}

/// The moment; then the order in which they came.
type Key = (Instant, u64);

impl Timers {
    /// No timers, to be driven by the loop behind this mailbox.
    pub(crate) fn new(driver: Weak<Mailbox>) -> Self {
        let waiting = Mutex::new(Waiting::default());
        Self { waiting, earliest: AtomicU64::new(NEVER), driver }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the first one is due.
    pub(crate) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::SeqCst)
    }

    /// Wakes all that are due, in their order.
    pub(crate) fn fire(&self, now: Instant) {
        let mut waiting = self.lock();
        let later = waiting.wakers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut waiting.wakers, later);
        self.note_earliest(&waiting);
        drop(waiting);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    fn note_earliest(&self, waiting: &Waiting) {
        let first = waiting.wakers.first_key_value();
        let first = first.map_or(NEVER, |((at, _), _)| at.as_ns());
        self.earliest.store(first, Ordering::SeqCst);
    }

    fn set(&self, until: Instant, known: Option<Key>, waker: &Waker) -> Key {
        let mut waiting = self.lock();
        let key = known.unwrap_or_else(|| {
            waiting.next += 1;
            (until, waiting.next)
        });
        let before = waiting.wakers.insert(key, waker.clone());
        let sooner = until.as_ns() < self.earliest();
        self.note_earliest(&waiting);
        drop(waiting);
        drop(before);
        if sooner && let Some(driver) = self.driver.upgrade() {
            driver.rouse();
        }
        key
    }

    fn forget(&self, key: Key) {
        let mut waiting = self.lock();
        let waker = waiting.wakers.remove(&key);
        self.note_earliest(&waiting);
        drop(waiting);
        drop(waker);
    }
}

/// Ready at a moment.
pub(crate) struct Sleep {
    timers: Arc<Timers>,
    until: Instant,
    key: Option<Key>,
}

impl Sleep {
    /// Ready at `until`.
    pub(crate) const fn new(timers: Arc<Timers>, until: Instant) -> Self {
        Self { timers, until, key: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if now() >= self.until {
            return Poll::Ready(());
        }
        self.key = Some(self.timers.set(self.until, self.key, cx.waker()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.timers.forget(key);
        }
    }
}
