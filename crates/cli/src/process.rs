//! What is the whole process's: its limits, its signals, its panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;
use signal_hook::iterator::Signals;

use crate::log::{error, warn};

/// The status of a process that a second signal ended.
const CUT_OFF: i32 = 130;

/// Has panics told as everything else is.
pub(crate) fn tell_panics() {
    std::panic::set_hook(Box::new(|info| {
        error(format_args!("internal error: {info}"));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            error(format_args!("{trace}"));
        }
    }));
}

/// Allows as many descriptors as this process may have.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(errno) = setrlimit(Resource::Nofile, all) {
            warn(format_args!("cannot raise the limit of open files: {errno}"));
        }
    }
}

/// SIGINT and SIGTERM, caught from now on. SIGHUP does nothing: the server outlives the terminal.
pub(crate) struct Stops {
    signals: Signals,
    begun: Arc<AtomicBool>,
}

impl Stops {
    /// Catches them.
    pub(crate) fn catch() -> std::io::Result<Self> {
        let begun = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            register_conditional_shutdown(signal, CUT_OFF, begun.clone())?;
        }
        Ok(Self { signals: Signals::new([SIGINT, SIGTERM, SIGHUP])?, begun })
    }

    /// Waits for the first. The next one ends the process at once.
    pub(crate) fn wait(&mut self) {
        let _ = self.signals.forever().find(|signal| *signal != SIGHUP);
        self.begun.store(true, Ordering::SeqCst);
    }
}
