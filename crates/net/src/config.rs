//! What a runtime and its services are started with, what they tell, and why one cannot start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use holdfast_server::{CrashRecord, StartError as ServerError};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::placement::{Follow, Placement};

/// The most connections, where the process may have descriptors enough.
const CONNECTIONS_MAX: usize = 65_536;
/// The fewest connections worth serving.
const CONNECTIONS_MIN: usize = 64;
/// How long a stop waits for what runs, where nothing else is said.
const STOP_BUDGET: Duration = Duration::from_secs(30);

/// What a runtime is started with.
#[derive(Clone)]
pub struct RuntimeConfig {
    /// How many event loops; at least one.
    pub loops: usize,
    /// On which of them a connection lives.
    pub placement: Placement,
    /// How many threads for work that may block there are besides those that services bring. With
    /// none, work that may block is refused while no service is up.
    pub threads: usize,
    /// How many records above 64 KiB are received at a time: each loop has its share.
    pub large_records: usize,
    /// How long the rest of a record may take while nothing of it arrives. Counted in seconds.
    pub record_timeout: Duration,
    /// How long a peer may take none of its replies. Counted in seconds.
    pub send_timeout: Duration,
    /// Run first on each thread.
    pub prepare_thread: Arc<dyn Fn() + Send + Sync>,
}

impl Default for RuntimeConfig {
    /// A loop for each CPU that the process may use, with connections that follow their packets;
    /// one thread.
    fn default() -> Self {
        Self {
            loops: available_parallelism().map_or(1, usize::from),
            placement: Placement::Follow(Follow::default()),
            threads: 1,
            large_records: 128,
            record_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            prepare_thread: Arc::new(|| {}),
        }
    }
}

impl fmt::Debug for RuntimeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeConfig")
            .field("loops", &self.loops)
            .field("placement", &self.placement)
            .field("threads", &self.threads)
            .field("large_records", &self.large_records)
            .finish_non_exhaustive()
    }
}

/// What a service is started with, besides what its server is made of.
#[derive(Clone)]
pub struct ServeConfig {
    /// Where to listen. Port 0 is any free port: [`Service::local_addrs`] tells which.
    ///
    /// [`Service::local_addrs`]: crate::Service::local_addrs
    pub listen: Vec<SocketAddr>,
    /// How many threads for work that may block the service brings while it is up; at least one.
    pub threads: usize,
    /// How many connections at a time; those beyond it are closed when they are accepted.
    pub connections: usize,
    /// The TCP congestion control to use, where the kernel has it. The default suits one machine
    /// and a local network: a control that paces, as BBR does, costs two thirds of the rate
    /// there.
    pub congestion: Option<String>,
    /// How long a stop waits for what runs before it gives up on it.
    pub stop_budget: Duration,
    /// Told what an operator should know. Called from the runtime's threads.
    pub notice: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Default for ServeConfig {
    /// Listens nowhere; 4 threads and 2 per CPU; 30 s for a stop.
    fn default() -> Self {
        let cpus = available_parallelism().map_or(1, usize::from);
        Self {
            listen: Vec::new(),
            threads: 4 + 2 * cpus,
            connections: connections(),
            congestion: Some("cubic".to_owned()),
            stop_budget: STOP_BUDGET,
            notice: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig")
            .field("listen", &self.listen)
            .field("threads", &self.threads)
            .field("connections", &self.connections)
            .field("congestion", &self.congestion)
            .field("stop_budget", &self.stop_budget)
            .finish_non_exhaustive()
    }
}

/// A quarter of the descriptors the process may have: files need the others.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let quarter = limit.and_then(|limit| usize::try_from(limit / 4).ok());
    quarter.map_or(CONNECTIONS_MAX, |quarter| quarter.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX))
}

/// The congestion control that new connections have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// The system's default: no other was asked for.
    System,
    /// The one that was asked for.
    Set(String),
    /// The system's default: the kernel refused the one that was asked for.
    Refused {
        /// What was asked for.
        wanted: String,
        /// What is used.
        used: String,
    },
}

/// Something an operator should know. Each kind is told once, but for panics: the first of each
/// instance are told one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A connection was closed at once because there are this many.
    TooManyConnections(usize),
    /// No connection can be accepted for want of descriptors or memory; it is tried again every
    /// second.
    CannotAccept(Errno),
    /// Something panicked, and was contained.
    Crashed(CrashRecord),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyConnections(limit) => {
                write!(f, "there are {limit} connections: further ones are closed at once")
            }
            Self::CannotAccept(errno) => write!(f, "cannot accept connections now: {errno}"),
            Self::Crashed(record) => record.fmt(f),
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenError {
    /// The address.
    pub addr: SocketAddr,
    /// Why.
    pub errno: Errno,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.addr)?;
        match self.errno {
            Errno::ADDRINUSE => f.write_str("address in use"),
            Errno::ADDRNOTAVAIL => f.write_str("this machine does not have the address"),
            Errno::ACCESS | Errno::PERM => f.write_str("permission denied"),
            Errno::AFNOSUPPORT => f.write_str("the kernel has no such addresses"),
            other => other.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {}

/// Why a runtime or a service cannot start. Nothing is left running.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen(ListenError),
    /// A loop or thread could not be made.
    Resources(io::Error),
    /// The server did not start.
    Server(ServerError),
    /// The stop before this start has not ended, or the start has not: a loop is stuck, and with
    /// it the runtime.
    Stuck,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Resources(error) => write!(f, "cannot start a thread: {error}"),
            Self::Server(error) => error.fmt(f),
            Self::Stuck => f.write_str("the stop before has not ended: an event loop is stuck"),
        }
    }
}

impl std::error::Error for StartError {}
