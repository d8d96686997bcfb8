//! Files as POSIX has them: what a request answers is what the model of its user's tree says.

use std::fmt::Debug;

use holdfast_proto::nfs4::Status;

use crate::journal::Journal;

/// The checker.
pub struct Tree {
    journal: Journal,
}

impl Tree {
    /// Nothing was asked yet.
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
    }

    /// A request was answered with a status that cannot be.
    pub fn unexpected(&self, who: &str, what: &str, status: Status) {
        self.journal.violation("tree", format!("{who}: {what} answered {status:?}"));
    }

    /// Whether an answer is one of those that can be.
    pub fn status(&self, who: &str, what: &str, got: Status, expected: &[Status]) -> bool {
        let right = expected.contains(&got);
        if !right {
            let message = format!("{who}: {what} answered {got:?}, not {expected:?}");
            self.journal.violation("tree", message);
        }
        right
    }

    /// Whether a value is the one that the model has.
    pub fn equal<T: PartialEq + Debug>(&self, who: &str, what: &str, got: &T, expected: &T) {
        if got != expected {
            let message = format!("{who}: {what} is {got:?}, not {expected:?}");
            self.journal.violation("tree", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    #[test]
    fn what_the_model_does_not_say_is_wrong() {
        let right = verdicts(Tree::new, |tree| {
            tree.status("x", "REMOVE", Status::NOENT, &[Status::OK, Status::NOENT]);
            tree.equal("x", "size", &1, &1);
        });
        assert!(right.is_empty());
        let wrong = verdicts(Tree::new, |tree| {
            tree.status("x", "REMOVE", Status::IO, &[Status::OK]);
            tree.equal("x", "size", &1, &2);
            tree.unexpected("x", "OPEN", Status::GRACE);
        });
        assert_eq!(wrong.len(), 3);
    }
}
