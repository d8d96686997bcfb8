//! Which CPUs there are, and on which of them a thread may run. Where the kernel does not say,
//! threads run where it likes.

use std::os::fd::BorrowedFd;

use rustix::net::sockopt;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// CPUs on which a thread may run.
#[derive(Clone, Copy)]
pub(crate) struct Cpus(CpuSet);

impl Cpus {
    /// Those of this thread.
    pub(crate) fn own() -> Option<Self> {
        sched_getaffinity(None).ok().map(Self)
    }

    /// Their numbers, in order.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        (0..CpuSet::MAX_CPU).filter(|cpu| self.0.is_set(*cpu)).collect()
    }

    /// Has this thread, and those that it starts, run on these.
    pub(crate) fn enter(&self) {
        // It may run elsewhere than is best.
        let _ = sched_setaffinity(None, &self.0);
    }

    /// One of them.
    pub(crate) fn only(cpu: usize) -> Self {
        let mut set = CpuSet::new();
        set.set(cpu);
        Self(set)
    }
}

/// Where the last packet of a socket arrived, if the kernel knows.
pub(crate) fn incoming_cpu(socket: BorrowedFd<'_>) -> Option<usize> {
    let cpu = sockopt::socket_incoming_cpu(socket).ok()?;
    // None yet is -1.
    usize::try_from(cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU)
}

/// Nanoseconds that this thread has run.
pub(crate) fn run_time_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
