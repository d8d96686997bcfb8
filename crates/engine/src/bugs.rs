//! Known bugs, to be switched on in test builds: what a simulator does not find with them on, it
//! would not have found in the field. Each changes one place of the code.

use core::sync::atomic::{AtomicU8, Ordering};

/// A bug that was real somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// A stop does not wait for what runs: late work reaches what the stop took down.
    StopDoesNotJoin = 1,
    /// A request that was cut off leaves its slot as if it had never been sent.
    ClaimForgotten = 2,
    /// Two of those that can end a grace period both do.
    GraceEndsTwice = 3,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StopDoesNotJoin, Self::ClaimForgotten, Self::GraceEndsTwice];

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StopDoesNotJoin => "stop-does-not-join",
            Self::ClaimForgotten => "claim-forgotten",
            Self::GraceEndsTwice => "grace-ends-twice",
        }
    }
}

static ON: AtomicU8 = AtomicU8::new(0);

/// Switches one bug on, and all others off.
pub fn switch_on(bug: Option<Bug>) {
    ON.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
}

/// Whether a bug is switched on.
pub fn is_on(bug: Bug) -> bool {
    ON.load(Ordering::Relaxed) == bug as u8
}
