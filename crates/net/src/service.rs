//! A service: a server with its listeners and threads, on a runtime. It may be stopped and started
//! again as often as one likes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_server::{Builder, Running, Server};

use crate::config::{Congestion, ServeConfig, StartError};
use crate::host::NetHost;
use crate::listener::Gate;
use crate::runtime::Runtime;
use crate::waiting::wait_for;

/// How long a stop may take beyond its budget: what was aborted and what is in a job each have a
/// second to end, and threads leave.
const BEYOND_BUDGET: Duration = Duration::from_secs(5);
/// How long a start may take once the stop before it is over.
const START: Duration = Duration::from_secs(60);

/// A server on a [`Runtime`]. Dropping it begins the stop and does not wait for it.
pub struct Service {
    // The order of the fields: the stop begins while the runtime is there.
    server: Server,
    host: Arc<NetHost>,
    local_addrs: Vec<SocketAddr>,
    congestion: Congestion,
    budget: Duration,
    runtime: Runtime,
}

/// What a stop had to give up on. All empty is how it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Connections, compounds and tasks that had not ended when the budget was used up.
    pub given_up: Vec<Running>,
    /// Jobs dropped before they were begun.
    pub jobs_dropped: usize,
    /// Threads that are still in a job, because the kernel holds them. The pool has them no more:
    /// each ends with the call it is in.
    pub threads_left: usize,
}

impl StopReport {
    /// Whether everything was done and nothing is left.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl Service {
    pub(crate) fn open(
        runtime: &Runtime,
        config: ServeConfig,
        describe: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self, StartError> {
        let (shares, counters) = (runtime.shares(), runtime.counting());
        let builder = Server::builder(shares.world.clone());
        let gate = Gate::new(config.connections, counters, config.notice);
        let host = NetHost::new(shares, &config.listen, config.congestion.as_deref(), gate)?;
        let host = Arc::new(host);
        let budget = config.stop_budget;
        let server = describe(builder)
            .host(host.clone())
            .threads(config.threads.max(1))
            .stop_budget(budget)
            .build();
        let (local_addrs, congestion) = (host.local_addrs(), host.congestion());
        let runtime = runtime.clone();
        let service = Self { server, host, local_addrs, congestion, budget, runtime };
        service.start()?;
        Ok(service)
    }

    /// Starts again after a stop, where it listened before. A stop that is under way is waited
    /// for. Not to be called from a task or job of the runtime: it would wait for itself.
    ///
    /// # Errors
    /// [`StartError`]; it is down or about to be, and may be started again.
    pub fn start(&self) -> Result<(), StartError> {
        let until = Instant::now() + self.budget + BEYOND_BUDGET + START;
        let Some(started) = wait_for(self.server.start(), until) else {
            // Should it still come to its end, it is undone.
            let _ = wait_for(self.server.stop(), Instant::now());
            return Err(StartError::Stuck);
        };
        started.map_err(StartError::Server)
    }

    /// Stops: listeners close at once, no request is begun any more, and each connection is
    /// closed when its replies are sent. What is not done when the budget is used up is cut off.
    /// A second stop waits for the first one and answers the same.
    ///
    /// When it has returned, nothing of the service runs or is open, unless the report says so;
    /// its addresses stay taken. Not to be called from a task or job of the runtime: those await
    /// the [`Server`]'s own stop.
    pub fn stop(&self) -> StopReport {
        let until = Instant::now() + self.budget + BEYOND_BUDGET;
        let stopped = wait_for(self.server.stop(), until);
        // Without an answer a loop is stuck, and nobody drives the deadline.
        let given_up = stopped.map_or_else(|| self.server.running(), |report| report.given_up);
        let left = self.host.left();
        StopReport { given_up, jobs_dropped: left.jobs_dropped, threads_left: left.threads_left }
    }

    /// Makes the threads that the service brings this many, while it serves: those that lack start
    /// one by one, those that are too many leave one by one, each after the job it has, however
    /// long that takes. How many it has then: there are 8192 at most in a runtime. Zero stops the
    /// service.
    ///
    /// # Errors
    /// A thread could not be started: why, and how many the service has now.
    pub fn resize(&self, threads: usize) -> Result<usize, String> {
        let forever = Instant::now() + Duration::from_secs(u64::from(u32::MAX));
        wait_for(self.server.resize(threads), forever).unwrap_or_else(|| Ok(self.threads()))
    }

    /// How many threads the service brings now: none while it is down.
    pub fn threads(&self) -> usize {
        self.host.threads()
    }

    /// The server: its phase, its instance, and to start and stop it as futures.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// What it runs on.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where it listens, in the order of the configuration, with the ports that were chosen.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// The congestion control that connections have.
    pub const fn congestion(&self) -> &Congestion {
        &self.congestion
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("local_addrs", &self.local_addrs).finish_non_exhaustive()
    }
}
