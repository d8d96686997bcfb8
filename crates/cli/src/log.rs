//! Lines for the operator, on standard error.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// What failed.
    Error,
    /// What is not as it should be.
    Warn,
    /// What is served and what was counted.
    Info,
    /// What else happens.
    Debug,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets how much is told from now on.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Says what is said at every level.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    // Nobody is left to tell that standard error is gone.
    let _ = writeln!(io::stderr().lock(), "holdfast: {what}");
}

pub(crate) fn error(what: fmt::Arguments<'_>) {
    tell(Level::Error, what);
}

pub(crate) fn warn(what: fmt::Arguments<'_>) {
    tell(Level::Warn, what);
}

pub(crate) fn info(what: fmt::Arguments<'_>) {
    tell(Level::Info, what);
}

pub(crate) fn debug(what: fmt::Arguments<'_>) {
    tell(Level::Debug, what);
}

fn tell(level: Level, what: fmt::Arguments<'_>) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        say(what);
    }
}
