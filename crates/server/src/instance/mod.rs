//! One run of the service: its exports, its state, its connections as values.

mod connection;
mod place;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_base::{Closed, World};
use holdfast_proto::nfs4::Verifier;

pub use connection::{Connection, ConnectionError, Notify};

use crate::counters::{Snapshot, count};
use crate::exports::Exports;
use crate::state::State;

/// How often the leases are looked after.
const SWEEP: Duration = Duration::from_secs(1);

/// What an instance is started with.
#[derive(Debug)]
pub struct Config {
    /// What is exported.
    pub exports: Exports,
    /// How long a client may be silent before what it holds is taken.
    pub lease: Duration,
    /// Names this server among all servers, over its restarts: clients that find the same name
    /// at two addresses use both as one server.
    pub identity: [u8; 16],
}

/// What the operations of an instance share.
pub(crate) struct Shared {
    pub(crate) state: State,
    pub(crate) exports: Exports,
    /// The identity as text, for the server owner and scope.
    pub(crate) identity: [u8; 32],
    write_verifier: u64,
    next_connection: AtomicU64,
}

impl Shared {
    pub(crate) fn lease_s(&self) -> u32 {
        u32::try_from(self.state.lease.as_secs()).unwrap_or(u32::MAX)
    }

    /// What clients compare to know whether unstable data was lost: by this instance's end, or
    /// by the file system (RFC 8881 §18.32.3).
    pub(crate) const fn write_verifier(&self, file_system: u64) -> Verifier {
        Verifier((self.write_verifier ^ file_system).to_be_bytes())
    }
}

/// A running instance. It ends when it is stopped and its last connection is dropped.
pub struct Instance {
    shared: Arc<Shared>,
}

impl Instance {
    /// Starts an instance.
    ///
    /// # Errors
    /// [`Closed`]: the world is stopping.
    pub fn start(world: Arc<dyn World>, config: Config) -> Result<Self, Closed> {
        let mut verifier = [0; 8];
        world.random(&mut verifier);
        let mut identity = [0; 32];
        for (pair, byte) in identity.chunks_exact_mut(2).zip(config.identity) {
            pair.copy_from_slice(&hex(byte));
        }
        let shared = Arc::new(Shared {
            state: State::new(world.clone(), config.lease),
            exports: config.exports,
            identity,
            write_verifier: u64::from_ne_bytes(verifier),
            next_connection: AtomicU64::new(1),
        });
        let swept = Arc::downgrade(&shared);
        let sweeper_world = world.clone();
        world.spawn(Box::pin(async move {
            loop {
                sweeper_world.sleep(sweeper_world.now() + SWEEP).await;
                let Some(shared) = swept.upgrade() else { return };
                if shared.state.is_stopping() {
                    return;
                }
                shared.state.expire().await;
            }
        }))?;
        Ok(Self { shared })
    }

    /// A new connection's conversation. `notify` is told when a compound that had to wait can go
    /// on.
    pub fn connect(&self, notify: Arc<dyn Notify>) -> Connection {
        count(&self.shared.state.counters.connections);
        let id = self.shared.next_connection.fetch_add(1, Ordering::Relaxed);
        Connection::new(self.shared.clone(), id, notify)
    }

    /// What is exported.
    pub fn exports(&self) -> &Exports {
        &self.shared.exports
    }

    /// What was counted so far.
    pub fn counters(&self) -> Snapshot {
        self.shared.state.counters.snapshot()
    }

    /// Refuses new requests from now on. Those that run go on; a connection tells by
    /// [`Connection::is_quiet`] when its last reply is sent.
    pub fn stop(&self) {
        self.shared.state.stop();
    }
}

const fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}
