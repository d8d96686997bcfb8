//! What an operator or an embedding program has under way: a future that a test polls by hand.

use std::future::Future;
use std::sync::Arc;

use holdfast_base::BoxFuture;

use super::world::{TestWorld, Woken};

/// A future, polled when the test says so, and what came of it.
pub(crate) struct Admin<T> {
    future: Option<BoxFuture<'static, T>>,
    woken: Arc<Woken>,
    pub(crate) out: Option<T>,
}

impl<T> Admin<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), woken: Woken::new(), out: None }
    }

    /// Whether a poll could make a difference.
    pub(crate) fn is_woken(&self) -> bool {
        self.future.is_some() && self.woken.is_set()
    }

    /// Polls once; whether it is done.
    pub(crate) fn poll(&mut self) -> bool {
        if let Some(future) = &mut self.future
            && let std::task::Poll::Ready(out) = self.woken.poll(future)
        {
            (self.future, self.out) = (None, Some(out));
        }
        self.out.is_some()
    }

    /// Polls it and the world's tasks until nothing moves; whether it is done.
    pub(crate) fn settle(&mut self, world: &TestWorld) -> bool {
        world.run_tasks();
        while self.is_woken() {
            self.poll();
            world.run_tasks();
        }
        self.out.is_some()
    }
}

/// The output of a future that needs nothing but the world's tasks, and no time.
#[track_caller]
pub(crate) fn wait<T>(world: &TestWorld, future: impl Future<Output = T> + Send + 'static) -> T {
    let mut admin = Admin::new(future);
    admin.settle(world);
    admin.out.expect("it ends without time or a peer")
}
