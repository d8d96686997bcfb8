//! When nothing fails any more, everybody comes to an end in time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::journal::Journal;
use crate::sync::lock;

/// The checker.
pub struct Liveness {
    journal: Journal,
    doing: Mutex<BTreeMap<String, String>>,
}

impl Liveness {
    /// Nobody does anything yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, doing: Mutex::default() }
    }

    /// Somebody begins something.
    pub fn begins(&self, who: &str, what: impl Into<String>) {
        lock(&self.doing).insert(who.into(), what.into());
    }

    /// Somebody is done with everything.
    pub fn ends(&self, who: &str) {
        lock(&self.doing).remove(who);
    }

    /// Whether everybody is.
    pub fn all_ended(&self) -> bool {
        lock(&self.doing).is_empty()
    }

    /// The time is over.
    pub fn time_is_over(&self, why: &str) {
        for (who, what) in lock(&self.doing).iter() {
            self.journal.violation("liveness", format!("{why}: {who} still does: {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    #[test]
    fn who_does_not_end_is_named() {
        let stuck = verdicts(Liveness::new, |liveness| {
            liveness.begins("a", "reads");
            liveness.begins("b", "writes");
            liveness.ends("a");
            assert!(!liveness.all_ended());
            liveness.time_is_over("too late");
        });
        assert_eq!(stuck, ["too late: b still does: writes"]);
    }
}
