//! What stands between a call and the files: time before the effect, an error, time after it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_vfs::{Error, Result};

use super::{REFUSALS, Storage};
use crate::rng::Rng;
use crate::sim::Sim;

/// What was drawn for one call.
#[derive(Debug, Default)]
pub(super) struct Gate {
    before: Option<Duration>,
    hang: bool,
    panic: bool,
    error: Option<Error>,
    after: Option<Duration>,
}

impl Gate {
    pub(super) fn draw(sim: &Sim, rng: &mut Rng, call: &'static str) -> Self {
        let options = &sim.options;
        let mut gate = Self::default();
        let time = |rng: &mut Rng| {
            let wait = rng.chance(options.slow_permille);
            wait.then(|| Duration::from_nanos(rng.below(options.slow_max.as_nanos() as u64)))
        };
        (gate.before, gate.after) = (time(rng), time(rng));
        if !sim.faults() {
            return gate;
        }
        if rng.below(10_000) < u64::from(options.hang_per_10k) {
            sim.journal.count("fault", "storage hang");
            gate.hang = true;
        }
        if changes(call) && rng.below(10_000) < u64::from(options.panic_per_10k) {
            gate.panic = true;
        }
        if rng.chance(options.error_permille) {
            let error = refusal(rng, call);
            sim.journal.count("fault", "storage error");
            gate.error = Some(error);
        }
        gate
    }

    pub(super) async fn before(&self, disk: &Storage) -> Result<()> {
        if let Some(time) = self.before {
            disk.sim.after(time).await;
        }
        if self.hang && disk.sim.faults() {
            let wait = disk.released.wait();
            let _hanging = Hanging::new(disk);
            wait.await;
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(super) async fn after(&self, disk: &Storage) {
        if let Some(time) = self.after {
            disk.sim.after(time).await;
        }
        if self.panic {
            disk.sim.journal.count("fault", "storage panic");
            disk.panics.fetch_add(1, Ordering::Relaxed);
            // Without the hook, which would print it.
            std::panic::resume_unwind(Box::new("the storage panics"));
        }
    }
}

fn changes(call: &str) -> bool {
    matches!(
        call,
        "setattr"
            | "create"
            | "make_node"
            | "remove"
            | "rename"
            | "link"
            | "write"
            | "allocate"
            | "deallocate"
            | "clone_range"
            | "copy_range"
            | "setxattr"
            | "removexattr"
    )
}

/// Reading may fail too, but it never fails for want of space.
fn refusal(rng: &mut Rng, call: &str) -> Error {
    if changes(call) { *rng.pick(&REFUSALS) } else { *rng.pick(&REFUSALS[..2]) }
}

struct Hanging<'a>(&'a Storage);

impl<'a> Hanging<'a> {
    fn new(disk: &'a Storage) -> Self {
        disk.hangs.fetch_add(1, Ordering::Relaxed);
        Self(disk)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.hangs.fetch_sub(1, Ordering::Relaxed);
    }
}
