//! Everything that runs for an instance, under one owner. Closing a scope refuses, cancels and
//! joins; nothing that was registered outlives the join.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdfast_base::{Closed, Instant};

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Something that runs, as a stop names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// What it is and what it waits for.
    pub what: String,
    /// For how long it has run.
    pub since: Duration,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, for {:.1} s", self.what, self.since.as_secs_f64())
    }
}

/// Says what a registered thing is doing now.
pub(crate) trait Describe: Send + Sync {
    fn describe(&self) -> String;
}

impl Describe for &'static str {
    fn describe(&self) -> String {
        (*self).to_owned()
    }
}

struct Entry {
    what: Arc<dyn Describe>,
    since: Instant,
    cancel: Option<Waker>,
}

#[derive(Default)]
struct Inner {
    closed: bool,
    next: u64,
    running: BTreeMap<u64, Entry>,
    joining: Vec<Waker>,
}

/// A scope. Clones are the same scope.
#[derive(Clone, Default)]
pub(crate) struct Scope(Arc<Mutex<Inner>>);

impl Scope {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers something that begins to run; it runs until the ticket is dropped.
    ///
    /// # Errors
    /// [`Closed`]: it must not begin.
    pub(crate) fn enter(&self, what: Arc<dyn Describe>, now: Instant) -> Result<Ticket, Closed> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Closed);
        }
        inner.next += 1;
        let id = inner.next;
        inner.running.insert(id, Entry { what, since: now, cancel: None });
        drop(inner);
        Ok(Ticket { scope: self.clone(), id })
    }

    /// Refuses from now on, and tells what runs to end.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let cancelled: Vec<_> =
            inner.running.values_mut().filter_map(|entry| entry.cancel.take()).collect();
        drop(inner);
        cancelled.into_iter().for_each(Waker::wake);
    }

    /// Ready when nothing runs any more.
    pub(crate) fn join(&self) -> impl Future<Output = ()> + Send + use<> {
        let scope = self.clone();
        poll_fn(move |cx| {
            let mut inner = scope.lock();
            if inner.running.is_empty() {
                return Poll::Ready(());
            }
            if !inner.joining.iter().any(|waker| waker.will_wake(cx.waker())) {
                inner.joining.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// What runs, oldest first.
    pub(crate) fn running(&self, now: Instant) -> Vec<Running> {
        let inner = self.lock();
        let name =
            |entry: &Entry| Running { what: entry.what.describe(), since: now.since(entry.since) };
        inner.running.values().map(name).collect()
    }
}

/// The registration of something that runs.
pub(crate) struct Ticket {
    scope: Scope,
    id: u64,
}

impl Ticket {
    /// Ready when the scope is closed.
    pub(crate) fn poll_cancelled(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.scope.lock();
        if inner.closed {
            return Poll::Ready(());
        }
        if let Some(entry) = inner.running.get_mut(&self.id) {
            entry.cancel = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits for `future`, or for the scope to be closed: then there is no output.
    pub(crate) async fn unless_cancelled<F: Future + Unpin>(
        &self,
        mut future: F,
    ) -> Option<F::Output> {
        poll_fn(|cx| {
            if self.poll_cancelled(cx).is_ready() {
                return Poll::Ready(None);
            }
            std::pin::Pin::new(&mut future).poll(cx).map(Some)
        })
        .await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.scope.lock();
        inner.running.remove(&self.id);
        if inner.running.is_empty() {
            let joining = std::mem::take(&mut inner.joining);
            drop(inner);
            joining.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn closing_refuses_and_joining_waits_for_the_last() {
        let scope = Scope::default();
        let now = Instant::from_ns(5);
        let ticket = scope.enter(Arc::new("a worker"), now).unwrap();
        scope.close();
        assert!(scope.enter(Arc::new("late"), now).is_err());
        assert!(!is_ready(scope.join()));
        let later = now + Duration::from_secs(2);
        let running = scope.running(later);
        assert_eq!(running[0].to_string(), "a worker, for 2.0 s");
        drop(ticket);
        assert!(is_ready(scope.join()));
        assert!(scope.running(later).is_empty());
    }

    #[test]
    fn a_cancelled_wait_ends_without_output() {
        let scope = Scope::default();
        let ticket = scope.enter(Arc::new("a wait"), Instant::default()).unwrap();
        let mut wait = pin!(ticket.unless_cancelled(std::future::pending::<()>()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        scope.close();
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(None));
    }
}
