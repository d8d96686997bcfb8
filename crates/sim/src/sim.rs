//! What every part of a simulation shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_base::Instant;

use crate::checkers::Checkers;
use crate::executor::{Executor, SimWorld, Sleep};
use crate::journal::Journal;
use crate::options::Options;

/// The surroundings of one run.
pub struct Sim {
    /// Runs it.
    pub executor: Executor,
    /// The world of all that is not server: clients, network, operator.
    pub outside: SimWorld,
    /// What happens.
    pub journal: Journal,
    /// What kind of world it is.
    pub options: Options,
    /// Who looks whether all is right.
    pub checkers: Checkers,
    faults: AtomicBool,
}

impl Sim {
    /// The surroundings for these options.
    pub fn new(executor: Executor, journal: Journal, options: Options) -> Arc<Self> {
        let outside = executor.world(0, Duration::from_secs(1));
        let checkers = Checkers::new(journal.clone());
        let faults = AtomicBool::new(true);
        Arc::new(Self { executor, outside, journal, options, checkers, faults })
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.executor.now()
    }

    /// Sleeps for a while.
    pub fn after(&self, time: Duration) -> Sleep {
        self.outside.after(time)
    }

    /// Whether faults may happen.
    pub fn faults(&self) -> bool {
        self.faults.load(Ordering::Relaxed)
    }

    /// No fault happens from now on.
    pub fn end_faults(&self) {
        self.faults.store(false, Ordering::Relaxed);
    }
}
