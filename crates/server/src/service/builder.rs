//! What a server is made of.

use std::sync::Arc;
use std::time::Duration;

use holdfast_base::World;
use holdfast_vfs::FileSystem;

use super::{Host, NoHost, OpenExports, Server, Shared};
use crate::exports::{Export, Exports};
use crate::records::{ClientRecords, MemoryRecords};
use crate::service::life::Life;

const LEASE: Duration = Duration::from_secs(90);
const BUDGET: Duration = Duration::from_secs(30);

/// Describes a [`Server`]. What is not said has a default: a lease of 90 s, a grace period as
/// long, 30 s for a stop, a record of clients that ends with the process, a random identity.
pub struct Builder {
    world: Arc<dyn World>,
    host: Arc<dyn Host>,
    exports: Vec<Export>,
    open_exports: Option<OpenExports>,
    records: Arc<dyn ClientRecords>,
    lease: Duration,
    grace: Option<Duration>,
    identity: Option<[u8; 16]>,
    budget: Duration,
    threads: usize,
}

impl Builder {
    pub(super) fn new(world: Arc<dyn World>) -> Self {
        Self {
            world,
            host: Arc::new(NoHost),
            exports: Vec::new(),
            open_exports: None,
            records: Arc::new(MemoryRecords::new()),
            lease: LEASE,
            grace: None,
            identity: None,
            budget: BUDGET,
            threads: 1,
        }
    }

    /// Exports a file system as the root of the server.
    #[must_use]
    pub fn root(self, fs: Arc<dyn FileSystem>) -> Self {
        self.export(Export::new("/", fs))
    }

    /// Adds an export. Its file system is the same in every generation.
    #[must_use]
    pub fn export(mut self, export: Export) -> Self {
        self.exports.push(export);
        self
    }

    /// Opens the exports anew at every start, in place of those added one by one.
    #[must_use]
    pub fn open_exports(
        mut self,
        open: impl Fn(&Arc<dyn World>) -> Result<Exports, String> + Send + Sync + 'static,
    ) -> Self {
        self.open_exports = Some(Box::new(open));
        self
    }

    /// Who provides listeners and workers.
    #[must_use]
    pub fn host(mut self, host: Arc<dyn Host>) -> Self {
        self.host = host;
        self
    }

    /// Who remembers the clients over a restart.
    #[must_use]
    pub fn records(mut self, records: Arc<dyn ClientRecords>) -> Self {
        self.records = records;
        self
    }

    /// How long a client may be silent before what it holds is taken.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long clients may reclaim after a start; at least the lease that they had.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Names this server among all servers, over its restarts.
    #[must_use]
    pub const fn identity(mut self, identity: [u8; 16]) -> Self {
        self.identity = Some(identity);
        self
    }

    /// How long a stop waits for what runs before it gives up on it.
    #[must_use]
    pub const fn stop_budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// How many worker threads the host is asked for.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// A server that is down.
    pub fn build(self) -> Server {
        let mut random = [0; 20];
        self.world.random(&mut random);
        let [t0, t1, t2, t3, fresh @ ..] = random;
        let exports = self.exports;
        let open_exports = self.open_exports.unwrap_or_else(|| {
            Box::new(move |_world| Exports::new(exports.clone()).map_err(|error| error.to_string()))
        });
        let shared = Shared {
            world: self.world,
            host: self.host,
            open_exports,
            records: self.records,
            lease: self.lease,
            grace: self.grace.unwrap_or(self.lease),
            identity: self.identity.unwrap_or(fresh),
            budget: self.budget,
            first_tag: u32::from_ne_bytes([t0, t1, t2, t3]),
            life: Life::new(self.threads),
        };
        Server { shared: Arc::new(shared) }
    }

    /// Starts the server that was described.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start(self) -> Result<Server, super::StartError> {
        let server = self.build();
        server.start().await?;
        Ok(server)
    }
}
