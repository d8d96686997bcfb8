//! Whose work a thread does: what is spawned and what is queued for the pool belongs to the
//! service for which it was asked, so that a stop takes along what is its own and nothing else.

use std::cell::Cell;

/// A service of a runtime, or the runtime itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(pub(crate) u64);

impl Owner {
    /// Work that is asked for outside of any service.
    pub(crate) const RUNTIME: Self = Self(0);

    /// For whom this thread works now.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    /// What this thread does from now on is for this owner.
    pub(crate) fn enter(self) {
        CURRENT.set(self);
    }
}

thread_local! {
    static CURRENT: Cell<Owner> = const { Cell::new(Owner::RUNTIME) };
}
