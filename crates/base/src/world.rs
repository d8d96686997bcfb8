//! The outside, as a trait: production implements it with threads and clocks, the simulator with
//! a seed.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::{Instant, WallTime};

/// A future of unknown type that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Work that may block its thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// The executor was closed: the work was dropped without being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the executor is closed")
    }
}

impl core::error::Error for Closed {}

/// Everything a server or client needs from outside. All waiting and all chance of the crates
/// above goes through here.
pub trait World: Send + Sync {
    /// The monotonic clock that counts suspend.
    fn now(&self) -> Instant;

    /// The wall clock, for attribute values and names only.
    fn wall(&self) -> WallTime;

    /// Fills `bytes` with unpredictable ones.
    fn random(&self, bytes: &mut [u8]);

    /// Ready at `until` or soon after.
    fn sleep(&self, until: Instant) -> BoxFuture<'static, ()>;

    /// Runs `task` in the background until it ends.
    ///
    /// # Errors
    /// [`Closed`] when the world is stopping; the task is dropped unpolled.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed>;

    /// Runs `job` on a thread that may block.
    ///
    /// # Errors
    /// [`Closed`] when the world is stopping; the job is dropped without being run. A job that
    /// was accepted may still be dropped unrun by a stop: what it owns must tell on drop.
    fn blocking(&self, job: Job) -> Result<(), Closed>;

    /// A place where another task may run: ready at once in production, the seed's choice in the
    /// simulator.
    fn pause(&self) -> Pause {
        Pause::Ready
    }
}

/// What [`World::pause`] answers.
#[derive(Debug)]
pub enum Pause {
    /// Go on.
    Ready,
    /// Give way once, then go on.
    Once,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match *self {
            Self::Ready => Poll::Ready(()),
            Self::Once => {
                *self = Self::Ready;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
