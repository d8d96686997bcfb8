//! What one server does disturbs no other one: those that were up while it stopped still are, and
//! answer.

use crate::journal::Journal;

/// The checker.
pub struct Neighbours {
    journal: Journal,
}

/// A server to which its operator does nothing, as another one finds it.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// Its generation when the other began to stop, and now; none while it is not up.
    pub generations: [Option<u64>; 2],
    /// Whether it answers.
    pub answers: bool,
}

impl Neighbours {
    /// No server stopped yet.
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
    }

    /// How `name` is while `other` stops, or after that.
    pub fn seen(&self, name: &str, other: &str, neighbour: Neighbour) {
        self.journal.count("operator", "stop beside another server");
        let [before, now] = neighbour.generations;
        if before != now || !neighbour.answers {
            let message = format!("{other} stopped: {name} is {neighbour:?}");
            self.journal.violation("neighbours", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    #[test]
    fn a_stop_changes_nothing_beside_it() {
        let said = |generations, answers| {
            let neighbour = Neighbour { generations, answers };
            verdicts(Neighbours::new, |checker| checker.seen("a", "b", neighbour)).len()
        };
        assert_eq!(said([Some(1), Some(1)], true), 0);
        assert_eq!(said([Some(1), Some(1)], false), 1);
        assert_eq!(said([Some(1), Some(2)], true), 1);
        assert_eq!(said([Some(1), None], true), 1);
    }
}
