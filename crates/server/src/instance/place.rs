//! A place on a connection where one compound at a time runs. Its allocation is made once.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use holdfast_proto::rpc::Call;

use super::Notify;
use super::progress::Progress;
use crate::compound;
use crate::request::{Reply, Request};
use crate::sync::AtomicBool;

/// How a poll of a place went.
pub(super) enum Ran {
    /// The compound is done: its whole reply record.
    Done(Reply),
    /// It waits.
    Waiting,
    /// It panicked with this, and is gone.
    Panicked(Box<dyn Any + Send>),
}

/// A place, without the type of the future in it.
pub(super) trait Place: Send {
    /// Puts a compound in the place and polls it for the first time.
    fn start(&mut self, request: Request, call: Call) -> Ran;
    /// Polls the compound again, if it was woken since.
    fn resume(&mut self) -> Ran;
    /// What the compound is doing.
    fn progress(&self) -> &Arc<Progress>;
}

/// A place for compounds.
pub(super) fn new(notify: Arc<dyn Notify>, progress: Progress) -> Box<dyn Place> {
    Box::new(Of::new(compound::run, notify, progress))
}

/// Bytes of a compound's future.
#[cfg(test)]
pub(super) fn future_bytes() -> usize {
    fn of<F>(_make: fn(Request, Call) -> F) -> usize {
        size_of::<F>()
    }
    of(compound::run)
}

struct Of<F, M> {
    make: M,
    future: Option<Pin<Box<F>>>,
    wake: Arc<PlaceWake>,
    waker: Waker,
    progress: Arc<Progress>,
}

struct PlaceWake {
    woken: AtomicBool,
    notify: Arc<dyn Notify>,
}

impl Wake for PlaceWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.notify.notify();
        }
    }
}

impl<F, M> Of<F, M>
where
    F: Future<Output = Reply> + Send,
    M: FnMut(Request, Call) -> F + Send,
{
    fn new(make: M, notify: Arc<dyn Notify>, progress: Progress) -> Self {
        let wake = Arc::new(PlaceWake { woken: AtomicBool::new(false), notify });
        let progress = Arc::new(progress);
        Self { make, future: None, waker: wake.clone().into(), wake, progress }
    }

    fn poll(&mut self) -> Ran {
        let Some(future) = &mut self.future else { return Ran::Panicked(Box::new("polled again")) };
        let mut cx = Context::from_waker(&self.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        match polled {
            Ok(Poll::Ready(reply)) => Ran::Done(reply),
            Ok(Poll::Pending) => Ran::Waiting,
            Err(panic) => {
                // Dropping what panicked drops its slot claim, and with it the session.
                let future = self.future.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
                Ran::Panicked(panic)
            }
        }
    }
}

impl<F, M> Place for Of<F, M>
where
    F: Future<Output = Reply> + Send,
    M: FnMut(Request, Call) -> F + Send,
{
    fn start(&mut self, mut request: Request, call: Call) -> Ran {
        self.progress.begin(call.header.xid);
        request.progress = Some(self.progress.clone());
        let future = (self.make)(request, call);
        match &mut self.future {
            Some(place) => place.set(future),
            None => self.future = Some(Box::pin(future)),
        }
        self.wake.woken.store(false, Ordering::Release);
        self.poll()
    }

    fn resume(&mut self) -> Ran {
        if self.wake.woken.swap(false, Ordering::AcqRel) { self.poll() } else { Ran::Waiting }
    }

    fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}
