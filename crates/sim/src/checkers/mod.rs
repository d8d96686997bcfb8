//! Who looks whether all is right, a file each.

pub mod disk;
pub mod exactly_once;
pub mod generations;
pub mod leaks;
pub mod liveness;
pub mod lives;
pub mod locks;
pub mod losses;
pub mod neighbours;
pub mod shared;
pub mod shares;
pub mod slots;
pub mod sparse;
pub mod tree;

use std::sync::Arc;

use crate::journal::Journal;

/// All checkers of a run.
pub struct Checkers {
    /// What is on the disk at the end.
    pub disk: disk::Disk,
    /// Every request is executed at most once, and before it is answered.
    pub exactly_once: exactly_once::ExactlyOnce,
    /// Nothing of one instance is seen in another.
    pub generations: generations::Generations,
    /// Nothing is left when an instance ended.
    pub leaks: leaks::Leaks,
    /// Everybody comes to an end when nothing fails any more.
    pub liveness: liveness::Liveness,
    /// Every instance is up once and down once, with one grace period.
    pub lives: lives::Lives,
    /// No two locks that exclude each other.
    pub locks: locks::Locks,
    /// A session is lost for a reason.
    pub losses: losses::Losses,
    /// One server's stop is not another's.
    pub neighbours: neighbours::Neighbours,
    /// What many do in one directory.
    pub shared: shared::Shared,
    /// No two opens that exclude each other.
    pub shares: Arc<shares::Shares>,
    /// Slots as both ends see them.
    pub slots: slots::Slots,
    /// Holes are zeros.
    pub sparse: sparse::Sparse,
    /// Files as POSIX has them.
    pub tree: tree::Tree,
}

impl Checkers {
    /// Checkers that have seen nothing.
    pub fn new(journal: Journal) -> Self {
        let shares = Arc::new(shares::Shares::new(journal.clone()));
        Self {
            disk: disk::Disk::new(journal.clone()),
            exactly_once: exactly_once::ExactlyOnce::new(journal.clone()),
            generations: generations::Generations::new(journal.clone()),
            leaks: leaks::Leaks::new(journal.clone()),
            liveness: liveness::Liveness::new(journal.clone()),
            lives: lives::Lives::new(journal.clone()),
            locks: locks::Locks::new(journal.clone(), shares.clone()),
            losses: losses::Losses::new(journal.clone()),
            neighbours: neighbours::Neighbours::new(journal.clone()),
            shared: shared::Shared::new(journal.clone()),
            shares,
            slots: slots::Slots::new(journal.clone()),
            sparse: sparse::Sparse::new(journal.clone()),
            tree: tree::Tree::new(journal),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use crate::journal::{Journal, Tracing};

    /// What a checker says of a history.
    pub(crate) fn verdicts<C>(
        make: impl FnOnce(Journal) -> C,
        history: impl FnOnce(&C),
    ) -> Vec<String> {
        let journal = Journal::new(Tracing::Off);
        history(&make(journal.clone()));
        journal.violations().into_iter().map(|violation| violation.message).collect()
    }
}
