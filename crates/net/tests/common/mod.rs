//! A service over memory, and a peer that speaks to it over a real socket.
#![allow(dead_code)] // Each test program uses a part of it.

pub(crate) mod client;
pub(crate) mod fuse;
pub(crate) mod gated_fs;
pub(crate) mod session;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use holdfast_base::World;
use holdfast_net::{Placement, Runtime, RuntimeConfig, ServeConfig, Service};
use holdfast_vfs::memfs::{MemFs, MemFsOptions};
use holdfast_vfs::{FileSystem, Fsid};

/// Longer than anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Set: connections go on to another loop after each record, whatever the test asks for.
const ROAM: &str = "HOLDFAST_TEST_ROAM";

/// What a runtime and its one service are started with.
pub(crate) type Setup = (RuntimeConfig, ServeConfig);

/// A service on any port of the loopback address, whose threads are all the threads there are.
pub(crate) fn config() -> Setup {
    with(|_, _| {})
}

/// The same, with a change.
pub(crate) fn with(change: impl FnOnce(&mut RuntimeConfig, &mut ServeConfig)) -> Setup {
    let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    let mut runtime = RuntimeConfig { loops: 1, threads: 0, ..RuntimeConfig::default() };
    let mut serve =
        ServeConfig { listen, threads: 2, stop_budget: PATIENCE, ..ServeConfig::default() };
    change(&mut runtime, &mut serve);
    if std::env::var_os(ROAM).is_some() {
        runtime.loops = runtime.loops.max(2);
        runtime.placement = Placement::Roam;
    }
    (runtime, serve)
}

/// An empty file system in memory.
pub(crate) fn memory(world: Arc<dyn World>) -> Arc<MemFs> {
    let fsid = Fsid { major: 1, minor: 1 };
    let options = MemFsOptions { limit_bytes: 1 << 26, limit_files: 1000, fsid };
    Arc::new(MemFs::new(world, options))
}

/// A service over what `fs` makes.
pub(crate) fn serve(
    (runtime, serve): Setup,
    fs: impl FnOnce(Arc<dyn World>) -> Arc<dyn FileSystem>,
) -> Service {
    let runtime = Runtime::start(runtime).expect("threads can be started");
    let fs = fs(runtime.world());
    let service = runtime.serve(serve, |server| server.root(fs));
    service.expect("the loopback address can be listened on")
}

/// A service over memory.
pub(crate) fn start(setup: Setup) -> Service {
    serve(setup, |world| memory(world))
}

/// How many entries a directory of this process's has in `/proc`.
pub(crate) fn count_own(dir: &str) -> usize {
    let entries = std::fs::read_dir(format!("/proc/self/{dir}"));
    entries.expect("a process may see itself").count()
}

/// A client's end of a connection.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) fn connect(service: &Service) -> Self {
        Self::connect_to(service.local_addrs()[0])
    }

    pub(crate) fn connect_to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the service listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the service takes it");
    }

    /// The next record, without its mark.
    pub(crate) fn record(&mut self) -> Vec<u8> {
        let mut mark = [0; 4];
        self.0.read_exact(&mut mark).expect("a reply comes");
        let len = u32::from_be_bytes(mark) & 0x7fff_ffff;
        let mut record = vec![0; len as usize];
        self.0.read_exact(&mut record).expect("a reply comes whole");
        record
    }

    /// Reads the reply to a NULL call.
    #[track_caller]
    pub(crate) fn expect_null(&mut self, xid: u32) {
        let words = [xid, 1, 0, 0, 0, 0];
        assert_eq!(self.record(), words.map(u32::to_be_bytes).concat());
    }

    /// Whether the service has closed the connection, in whichever way.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(n) => n == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// The record of a NULL call.
pub(crate) fn null(xid: u32) -> [u8; 44] {
    let words = [0x8000_0028, xid, 0, 2, 100_003, 4, 0, 0, 0, 0, 0];
    let mut record = [0; 44];
    for (place, word) in record.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&u32::to_be_bytes(word));
    }
    record
}

/// Waits until something is so that another thread makes so.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it never comes");
        std::thread::yield_now();
    }
}
