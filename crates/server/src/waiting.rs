//! Waiting for one thing, but not beyond another.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use holdfast_base::{Instant, World};

/// The output of `future`, unless `end` is ready before.
pub(crate) async fn unless<T>(
    end: impl Future<Output = ()>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let (mut end, mut future) = (pin!(end), pin!(future));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        end.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// The output of `future`, unless it takes until after `until`.
pub(crate) async fn within<T>(
    world: &dyn World,
    until: Instant,
    future: impl Future<Output = T>,
) -> Option<T> {
    unless(world.sleep(until), future).await
}
