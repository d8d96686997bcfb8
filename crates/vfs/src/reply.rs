//! An answer that is free when it is ready.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use holdfast_base::BoxFuture;

use crate::Result;

/// What a [`FileSystem`](crate::FileSystem) method answers: at once, without an allocation, or
/// later, for a backend that must wait.
#[must_use = "a reply does nothing unless it is awaited"]
pub enum Reply<'a, T> {
    /// The answer; `None` once it was taken.
    Now(Option<Result<T>>),
    /// The answer comes when this future is ready.
    Later(BoxFuture<'a, Result<T>>),
}

impl<'a, T> Reply<'a, T> {
    /// An answer that is ready.
    pub const fn now(result: Result<T>) -> Self {
        Self::Now(Some(result))
    }

    /// An answer to wait for.
    pub fn later(future: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<T> From<Result<T>> for Reply<'_, T> {
    fn from(result: Result<T>) -> Self {
        Self::now(result)
    }
}

impl<T: Unpin> Future for Reply<'_, T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(result) => Poll::Ready(result.take().expect("a reply is awaited once")),
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}
