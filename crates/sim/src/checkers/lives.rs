//! The life of a server as events: it is up once and down once in each generation, has one grace
//! period that ends at most once, and keeps no worker when it is down.

use std::collections::BTreeMap;
use std::sync::Mutex;

use holdfast_server::Snapshot;

use crate::journal::Journal;
use crate::sync::lock;

#[derive(Default)]
struct Life {
    last: u64,
    is_up: bool,
}

/// The checker.
pub struct Lives {
    journal: Journal,
    lives: Mutex<BTreeMap<String, Life>>,
}

impl Lives {
    /// No server is up.
    pub fn new(journal: Journal) -> Self {
        Self { journal, lives: Mutex::default() }
    }

    fn wrong(&self, message: String) {
        self.journal.violation("lives", message);
    }

    /// An instance is up: its listeners are open.
    pub fn up(&self, server: &str, generation: u64) {
        let mut lives = lock(&self.lives);
        let life = lives.entry(server.into()).or_default();
        if life.is_up || generation <= life.last {
            self.wrong(format!("{server}: {generation} is up after {}", life.last));
        }
        *life = Life { last: generation, is_up: true };
        self.journal.count("life", "up");
    }

    /// An instance goes down: its listeners are to be closed.
    pub fn down(&self, server: &str) {
        let mut lives = lock(&self.lives);
        let life = lives.entry(server.into()).or_default();
        if !std::mem::take(&mut life.is_up) {
            self.wrong(format!("{server}: {} goes down again", life.last));
        }
        self.journal.count("life", "down");
    }

    /// A process ended without a word.
    pub fn killed(&self, server: &str) {
        lock(&self.lives).entry(server.into()).or_default().is_up = false;
    }

    /// A stop has returned, and so many workers are left.
    pub fn stopped(&self, server: &str, workers: usize) {
        let is_up = lock(&self.lives).get(server).is_some_and(|life| life.is_up);
        if is_up || workers > 0 {
            self.wrong(format!("{server}: stopped with {workers} workers; up: {is_up}"));
        }
    }

    /// What an instance counted of its grace period, which began with so many clients on record.
    pub fn grace(&self, server: &str, generation: u64, counters: &Snapshot, recorded: usize) {
        let (starts, ends) = (counters.grace_starts, counters.grace_ends);
        if starts != 1 || ends > u64::from(recorded > 0) {
            let what = format!("grace started {starts} times and ended {ends} times");
            self.wrong(format!("{server} generation {generation}: {what}, {recorded} on record"));
        }
        self.journal.add("life", "grace start", starts);
        self.journal.add("life", "grace end", ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    #[test]
    fn every_up_has_its_down() {
        let right = verdicts(Lives::new, |lives| {
            lives.up("s", 1);
            lives.up("t", 1);
            lives.down("s");
            lives.stopped("s", 0);
            lives.up("s", 3);
            lives.killed("s");
            lives.up("s", 4);
        });
        assert_eq!(right, Vec::<String>::new());
        let wrong = verdicts(Lives::new, |lives| {
            lives.up("s", 1);
            lives.up("s", 2);
            lives.stopped("s", 0);
            lives.down("s");
            lives.down("s");
            lives.stopped("s", 1);
            lives.up("s", 2);
        });
        assert_eq!(wrong.len(), 5);
    }

    #[test]
    fn grace_starts_once_and_ends_at_most_once() {
        let said = |grace_starts, grace_ends, recorded| {
            let counters = Snapshot { grace_starts, grace_ends, ..Snapshot::default() };
            verdicts(Lives::new, |lives| lives.grace("s", 1, &counters, recorded)).len()
        };
        assert_eq!([said(1, 0, 0), said(1, 0, 2), said(1, 1, 2)], [0; 3]);
        assert_eq!([said(0, 0, 0), said(2, 0, 2), said(1, 2, 2), said(1, 1, 0)], [1; 4]);
    }
}
