//! What tasks of the simulator wait with.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Locks what only one thread ever uses.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Rung {
    count: u64,
    wakers: Vec<Waker>,
}

/// Wakes all who wait for a change.
#[derive(Clone, Default)]
pub struct Bell(Arc<Mutex<Rung>>);

impl Bell {
    /// Wakes everybody.
    pub fn ring(&self) {
        let wakers = {
            let mut rung = lock(&self.0);
            rung.count += 1;
            std::mem::take(&mut rung.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ready at the first ring after this call.
    pub fn wait(&self) -> Wait {
        let heard = lock(&self.0).count;
        Wait { bell: self.clone(), heard }
    }
}

/// Ready when the bell was rung.
pub struct Wait {
    bell: Bell,
    heard: u64,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut rung = lock(&self.bell.0);
        if rung.count != self.heard {
            return Poll::Ready(());
        }
        if !rung.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            rung.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Ready when either is; `true`: it was the first.
pub async fn either(
    first: impl Future<Output = ()> + Send,
    second: impl Future<Output = ()> + Send,
) -> bool {
    let mut first = std::pin::pin!(first);
    let mut second = std::pin::pin!(second);
    std::future::poll_fn(move |cx| {
        if first.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        second.as_mut().poll(cx).map(|()| false)
    })
    .await
}
