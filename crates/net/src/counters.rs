//! What an operator can count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts since the service started.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)+
        }

        /// The counts at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Counters {
            /// The counts now.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl Snapshot {
            /// Names and counts.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Connections closed when they were accepted, because there were too many.
    connections_refused,
    /// Times that no connection could be accepted for want of descriptors or memory.
    accepts_paused,
    /// Times that a connection was not read for a while, because too much of it waited to be
    /// done or to be sent.
    reads_paused,
    /// Times that a connection waited for a large receive buffer.
    buffer_waits,
    /// Times that a connection moved to another event loop.
    connections_moved,
    /// Connections closed because the peer took none of its replies.
    sends_stalled,
    /// Connections dropped because driving them panicked.
    connections_panicked,
    /// Tasks that panicked.
    tasks_panicked,
    /// Jobs of the pool that panicked.
    jobs_panicked,
    /// Tasks and jobs refused because the service was stopping or too many waited.
    work_refused,
    /// Wake-ups of something whose loop had ended.
    wakes_late,
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
