//! Nothing is left when an instance ended: no task, timer, job, open file; and nothing panicked
//! while it ran.

use std::time::Duration;

use holdfast_server::{Snapshot, StopReport};

use crate::executor::Alive;
use crate::host::{STOP_BUDGET, STOP_SLACK};
use crate::journal::Journal;

/// The checker.
pub struct Leaks {
    journal: Journal,
}

impl Leaks {
    /// No instance ended yet.
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
    }

    /// What an instance counted until its end.
    pub fn counters(&self, server: &str, generation: u64, counters: &Snapshot) {
        let wrong = [
            ("compounds that panicked", counters.panics),
            ("poisoned pieces", counters.poisoned),
            ("compounds of garbage", counters.garbage),
            ("refused calls", counters.rpc_refused),
            ("broken streams", counters.connections_broken),
        ];
        for (what, count) in wrong {
            if count > 0 {
                let message = format!("{server} generation {generation}: {count} {what}");
                self.journal.violation("leaks", message);
            }
        }
    }

    /// How a stop went. `hung`: a file system may have kept it waiting.
    pub fn stop(&self, server: &str, report: &StopReport, took: Duration, hung: bool) {
        if took > STOP_BUDGET + STOP_SLACK {
            self.journal.violation("leaks", format!("{server} took {took:?} to stop"));
        }
        if !report.is_clean() && !hung {
            self.journal.violation("leaks", format!("{server}: {report}"));
        }
        if !report.is_clean() && took < STOP_BUDGET {
            self.journal.violation("leaks", format!("{server} gave up after {took:?}"));
        }
    }

    /// How many calls to the file system nobody waited for until the end of a stop.
    pub fn abandoned(&self, server: &str, report: &StopReport, calls: usize) {
        if calls > 0 && report.is_clean() {
            let message = format!("{server} stopped and abandoned {calls} requests");
            self.journal.violation("leaks", message);
        }
    }

    /// What is alive of an instance after its end.
    pub fn left(&self, server: &str, generation: u64, alive: Alive, open_files: usize) {
        if alive != Alive::default() || open_files > 0 {
            let message = format!(
                "{server} generation {generation} ended and left {alive:?}, {open_files} open files"
            );
            self.journal.violation("leaks", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_server::Running;

    use super::*;
    use crate::checkers::testing::verdicts;

    fn given_up() -> StopReport {
        let running = Running { what: "a request".into(), since: STOP_BUDGET };
        StopReport { given_up: vec![running] }
    }

    #[test]
    fn anything_left_is_noticed() {
        let none = Alive::default();
        let right = verdicts(Leaks::new, |leaks| {
            leaks.left("s", 1, none, 0);
            leaks.stop("s", &StopReport::default(), Duration::ZERO, false);
            leaks.stop("s", &given_up(), STOP_BUDGET, true);
            leaks.abandoned("s", &given_up(), 1);
            leaks.counters("s", 1, &Snapshot::default());
        });
        assert!(right.is_empty());
        let wrong = verdicts(Leaks::new, |leaks| {
            leaks.left("s", 1, Alive { tasks: 1, ..none }, 0);
            leaks.left("s", 1, Alive { timers: 1, ..none }, 0);
            leaks.left("s", 1, Alive { jobs: 1, ..none }, 0);
            leaks.left("s", 1, none, 1);
            leaks.stop("s", &StopReport::default(), Duration::from_secs(60), true);
            leaks.stop("s", &given_up(), STOP_BUDGET, false);
            leaks.stop("s", &given_up(), Duration::ZERO, true);
            leaks.abandoned("s", &StopReport::default(), 1);
            leaks.counters("s", 1, &Snapshot { panics: 1, ..Snapshot::default() });
        });
        assert_eq!(wrong.len(), 9);
    }
}
