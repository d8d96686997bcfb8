//! A world with a clock and chance, and nothing else.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use holdfast_vfs::memfs::{MemFs, MemFsOptions};
use holdfast_vfs::{Fsid, Reply, Result};

#[derive(Default)]
struct TestWorld {
    ticks: AtomicU64,
}

impl World for TestWorld {
    fn now(&self) -> Instant {
        Instant::from_ns(self.ticks.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallTime {
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        WallTime { sec: 1_700_000_000 + (tick / 1000) as i64, nsec: (tick % 1000) as u32 * 1000 }
    }

    fn random(&self, bytes: &mut [u8]) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        for byte in bytes {
            let next = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (next >> 56) as u8;
        }
    }

    fn sleep(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) -> std::result::Result<(), Closed> {
        Err(Closed)
    }

    fn blocking(&self, _: Job) -> std::result::Result<(), Closed> {
        Err(Closed)
    }
}

pub(crate) fn memfs(limit_bytes: u64, limit_files: u64) -> MemFs {
    let fsid = Fsid { major: 7, minor: 8 };
    MemFs::new(Arc::new(TestWorld::default()), MemFsOptions { limit_bytes, limit_files, fsid })
}

/// What a backend that never waits answers.
pub(crate) fn now<T: Unpin>(reply: Reply<'_, T>) -> Result<T> {
    match pin!(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("memory answers at once"),
    }
}
