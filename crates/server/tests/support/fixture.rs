//! Servers to test: an instance, what it exports, and the world it runs in.

use std::sync::Arc;
use std::time::Duration;

use holdfast_server::{Config, Export, Exports, Instance, Squash};
use holdfast_vfs::memfs::{MemFs, MemFsOptions};
use holdfast_vfs::{FileSystem, Fsid};

use super::client::Client;
use super::peer::Peer;
use super::probe_fs::Probe;
use super::world::TestWorld;

/// The lease of every server here.
pub(crate) const LEASE: Duration = Duration::from_secs(90);

/// A running server.
pub(crate) struct Server {
    pub(crate) world: Arc<TestWorld>,
    pub(crate) instance: Instance,
}

impl Server {
    /// Memory at `/`, with nobody squashed.
    pub(crate) fn new() -> Self {
        let world = TestWorld::new(1);
        let export = Export::new("/", memfs(&world)).squash(Squash::None);
        Self::exporting(world, vec![export])
    }

    /// Memory behind a probe, and the probe.
    pub(crate) fn probed() -> (Self, Arc<Probe>) {
        let world = TestWorld::new(1);
        let probe = Arc::new(Probe::new(memfs(&world), world.handle()));
        let export = Export::new("/", probe.clone()).squash(Squash::None);
        (Self::exporting(world, vec![export]), probe)
    }

    pub(crate) fn exporting(world: Arc<TestWorld>, exports: Vec<Export>) -> Self {
        let exports = Exports::new(exports).expect("the exports make a tree");
        let config = Config { exports, lease: LEASE, identity: [7; 16] };
        let instance = Instance::start(world.handle(), config).expect("the world is open");
        Self { world, instance }
    }

    /// A client of minor version 2 that may open files.
    pub(crate) fn client(&self, owner: &str) -> Client {
        Client::new(&self.instance, owner, 2)
    }

    /// A connection without a client.
    pub(crate) fn peer(&self) -> Peer {
        Peer::new(&self.instance)
    }
}

/// A file system in memory.
pub(crate) fn memfs(world: &Arc<TestWorld>) -> Arc<dyn FileSystem> {
    memfs_of(world, 7)
}

/// A file system in memory, by a number of its own.
pub(crate) fn memfs_of(world: &Arc<TestWorld>, number: u64) -> Arc<dyn FileSystem> {
    let fsid = Fsid { major: number, minor: 1 };
    let options = MemFsOptions { limit_bytes: 1 << 30, limit_files: 100_000, fsid };
    Arc::new(MemFs::new(world.handle(), options))
}
