//! A file system whose futures need a runtime around them: an adaptor that enters it for every
//! call and every poll.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use holdfast_base::BoxFuture;

use crate::{FileSystem, Handle, Properties, Reply, Result};

/// Runs something inside a runtime: with tokio, `let _guard = handle.enter(); run()`.
pub trait Runtime: Send + Sync + 'static {
    /// Calls `run` once, inside the runtime.
    fn enter(&self, run: &mut dyn FnMut());
}

impl<T: Fn(&mut dyn FnMut()) + Send + Sync + 'static> Runtime for T {
    fn enter(&self, run: &mut dyn FnMut()) {
        self(run);
    }
}

/// A file system that is called and polled inside a runtime, whichever thread serves it.
pub struct OnRuntime<F, R> {
    fs: F,
    runtime: Arc<R>,
}

impl<F: FileSystem, R: Runtime> OnRuntime<F, R> {
    /// Puts `fs` inside `runtime`.
    pub fn new(fs: F, runtime: R) -> Self {
        Self { fs, runtime: Arc::new(runtime) }
    }

    fn forward<'a, T: Send + 'a>(
        &'a self,
        _: &'static str,
        call: impl FnOnce(&'a F) -> Reply<'a, T>,
    ) -> Reply<'a, T> {
        match enter(&*self.runtime, || call(&self.fs)) {
            Reply::Later(future) => {
                let runtime = self.runtime.clone();
                Reply::Later(Box::pin(Inside { future, runtime }))
            }
            now @ Reply::Now(_) => now,
        }
    }
}

fn enter<R: Runtime, T>(runtime: &R, run: impl FnOnce() -> T) -> T {
    let (mut run, mut output) = (Some(run), None);
    runtime.enter(&mut || output = run.take().map(|run| run()));
    output.expect("a runtime calls what it is given once")
}

struct Inside<'a, T, R> {
    future: BoxFuture<'a, Result<T>>,
    runtime: Arc<R>,
}

impl<T, R: Runtime> Future for Inside<'_, T, R> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        enter(&*this.runtime, || this.future.as_mut().poll(cx))
    }
}

impl<F: FileSystem, R: Runtime> FileSystem for OnRuntime<F, R> {
    fn properties(&self) -> Properties {
        self.fs.properties()
    }

    fn properties_of(&self, node: &Handle) -> Properties {
        self.fs.properties_of(node)
    }

    fn root(&self) -> Handle {
        self.fs.root()
    }

    crate::forward!(all);
}
