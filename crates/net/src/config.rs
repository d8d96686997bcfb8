//! What a service is started with, what it tells, and why it cannot start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// The most connections, where the process may have descriptors enough.
const CONNECTIONS_MAX: usize = 65_536;
/// The fewest connections worth serving.
const CONNECTIONS_MIN: usize = 64;

/// What a service is started with.
#[derive(Clone)]
pub struct ServiceConfig {
    /// Where to listen. Port 0 is any free port: [`Service::local_addrs`] tells which.
    ///
    /// [`Service::local_addrs`]: crate::Service::local_addrs
    pub listen: Vec<SocketAddr>,
    /// How many event loops; at least one.
    pub loops: usize,
    /// How many threads for work that may block; at least one.
    pub threads: usize,
    /// How many connections at a time; those beyond it are closed when they are accepted.
    pub connections: usize,
    /// How many records above 64 KiB one loop receives at a time.
    pub large_records: usize,
    /// How long the rest of a record may take while nothing of it arrives. Counted in seconds.
    pub record_timeout: Duration,
    /// How long a peer may take none of its replies. Counted in seconds.
    pub send_timeout: Duration,
    /// The TCP congestion control to use, where the kernel has it. The default suits one machine
    /// and a local network: a control that paces, as BBR does, costs two thirds of the rate
    /// there.
    pub congestion: Option<String>,
    /// Run first on each thread of the service.
    pub prepare_thread: Arc<dyn Fn() + Send + Sync>,
    /// Told what an operator should know. Called from the service's threads.
    pub notice: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Default for ServiceConfig {
    /// Listens nowhere; one loop; 4 threads and 2 per CPU.
    fn default() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: Vec::new(),
            loops: 1,
            threads: 4 + 2 * cpus,
            connections: connections(),
            large_records: 128,
            record_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            congestion: Some("cubic".to_owned()),
            prepare_thread: Arc::new(|| {}),
            notice: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceConfig")
            .field("listen", &self.listen)
            .field("loops", &self.loops)
            .field("threads", &self.threads)
            .field("connections", &self.connections)
            .field("congestion", &self.congestion)
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

/// Something an operator should know. Each kind is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A connection was closed at once because there are this many.
    TooManyConnections(usize),
    /// No connection can be accepted for want of descriptors or memory; it is tried again every
    /// second.
    CannotAccept(Errno),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyConnections(limit) => {
                write!(f, "there are {limit} connections: further ones are closed at once")
            }
            Self::CannotAccept(errno) => write!(f, "cannot accept connections now: {errno}"),
        }
    }
}

/// Why a service cannot start. `E` is why its instance could not be configured.
#[derive(Debug)]
pub enum StartError<E> {
    /// An address cannot be listened on.
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        errno: Errno,
    },
    /// A loop or thread could not be made.
    Resources(io::Error),
    /// The instance could not be configured.
    Config(E),
}

impl<E: fmt::Display> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { addr, errno } => {
                write!(f, "cannot listen on {addr}: ")?;
                match *errno {
                    Errno::ADDRINUSE => f.write_str("address in use"),
                    Errno::ADDRNOTAVAIL => f.write_str("this machine does not have the address"),
                    Errno::ACCESS | Errno::PERM => f.write_str("permission denied"),
                    Errno::AFNOSUPPORT => f.write_str("the kernel has no such addresses"),
                    other => other.fmt(f),
                }
            }
            Self::Resources(error) => write!(f, "cannot start a thread: {error}"),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for StartError<E> {}
