//! What an operator can count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts since the instance started.
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
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                const COUNT: usize = [$(stringify!($name)),+].len();
                let all: [(&'static str, u64); COUNT] = [$((stringify!($name), self.$name)),+];
                all.into_iter()
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections closed because their stream broke the rules of record marking.
    connections_broken,
    /// Connections closed because a record did not arrive in time.
    connections_stalled,
    /// Compounds begun.
    compounds,
    /// Requests that SEQUENCE answered from a slot.
    replays,
    /// Calls answered with an RPC-level refusal.
    rpc_refused,
    /// Compounds whose header or operations could not be decoded.
    garbage,
    /// Compounds that panicked; their sessions were dropped.
    panics,
    /// Clients that became known: one that comes back after a restart of its own counts again.
    clients_confirmed,
    /// Clients whose lease ended.
    clients_expired,
    /// Byte-range locks granted.
    locks,
    /// LOCK and LOCKT answered that somebody holds a lock that conflicts.
    locks_denied,
    /// LOCKs that local processes do not see, because the file system turned out to have no locks.
    locks_alone,
    /// Times that a file system did not give up what it had locked; it is tried again.
    local_unlock_failures,
    /// Grace periods that began, be it only to find that nobody can have anything to reclaim: one.
    grace_starts,
    /// Grace periods that ended.
    grace_ends,
    /// Failures of the record of clients.
    record_failures,
    /// Pieces of state found poisoned by a panic.
    poisoned,
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
