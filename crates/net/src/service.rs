//! A server that runs: its sockets, its threads, and the instance they drive.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use holdfast_base::World;
use holdfast_server::{Instance, Running};

use crate::config::{Congestion, ServiceConfig, StartError};
use crate::counters::{Counters, Snapshot};
use crate::listener::{Bound, Gate, Listener};
use crate::mailbox::Mail;
use crate::runtime::Runtime;

/// How long an instance may take beyond the budget of a stop: it waits a while for what it has
/// aborted.
const ABORT_WAIT: Duration = Duration::from_secs(2);

/// A running server. Dropping it stops it without a budget: what runs is cut off.
pub struct Service {
    instance: Arc<Instance>,
    counters: Arc<Counters>,
    local_addrs: Vec<SocketAddr>,
    congestion: Congestion,
    state: Mutex<State>,
}

enum State {
    Running(Runtime),
    Stopped(StopReport),
}

/// What a stop had to give up on. All empty is how it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Connections, compounds and tasks that had not ended when the budget was used up.
    pub given_up: Vec<Running>,
    /// Jobs dropped before they were begun.
    pub jobs_dropped: usize,
    /// Threads that did not end, because the kernel holds them: they end with the process.
    pub threads_left: usize,
}

impl StopReport {
    /// Whether everything was done and nothing is left.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl Service {
    /// Starts to serve. All addresses are bound before `configure` is called; it is given the
    /// world that file systems need. Connections are accepted once it has answered.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn start<E>(
        config: ServiceConfig,
        configure: impl FnOnce(Arc<dyn World>) -> Result<holdfast_server::Config, E>,
    ) -> Result<Self, StartError<E>> {
        let mut bound = Vec::new();
        for &addr in &config.listen {
            let listening = Bound::listen(addr, config.congestion.as_deref());
            bound.push(listening.map_err(|errno| StartError::Listen { addr, errno })?);
        }
        let local_addrs = bound.iter().map(|bound| bound.addr).collect();
        let congestion = bound.first().map_or(Congestion::System, |it| it.congestion.clone());
        let counters = Arc::new(Counters::default());
        let runtime = Runtime::start(&config, &counters).map_err(StartError::Resources)?;
        let world = runtime.world();
        let instance = configure(world.clone()).map_err(StartError::Config).and_then(|config| {
            Instance::start(world, config)
                .map_err(|closed| StartError::Resources(std::io::Error::other(closed)))
        });
        let instance = match instance {
            Ok(instance) => Arc::new(instance),
            Err(error) => {
                runtime.close(Instant::now());
                return Err(error);
            }
        };
        let gate = Gate::new(config.connections, counters.clone(), config.notice);
        let gate = Arc::new(gate);
        let listener =
            |bound| Listener::new(bound, instance.clone(), runtime.loops(), gate.clone());
        let listeners = bound.into_iter().map(listener).collect();
        runtime.send_first(Mail::Listen(listeners));
        let state = Mutex::new(State::Running(runtime));
        Ok(Self { instance, counters, local_addrs, congestion, state })
    }

    /// Where it listens, in the order of the configuration, with the ports that were chosen.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// The congestion control that connections have.
    pub const fn congestion(&self) -> &Congestion {
        &self.congestion
    }

    /// The instance that is served.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// What was counted so far, beside what the instance counts.
    pub fn counters(&self) -> Snapshot {
        self.counters.snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops: listeners close at once, no request is begun any more, and each connection is
    /// closed when its replies are sent. What is not done when the budget is used up is cut off.
    /// A second stop waits for the first one and answers the same.
    ///
    /// Work for the world is taken as long as requests run, because they may need it to end; from
    /// then on it is refused. Tasks that are left are dropped.
    ///
    /// Must not be called from a task or job of this service: it would wait for itself.
    pub fn stop(&self, budget: Duration) -> StopReport {
        let until = Instant::now() + budget;
        let mut state = self.lock();
        let runtime = match std::mem::replace(&mut *state, State::Stopped(StopReport::default())) {
            State::Running(runtime) => runtime,
            State::Stopped(report) => {
                *state = State::Stopped(report.clone());
                return report;
            }
        };
        runtime.send_first(Mail::Unlisten);
        let stopped = wait_for(self.instance.stop(budget), until + ABORT_WAIT);
        // Without an answer a loop is stuck, and nobody drives the deadline.
        let given_up = stopped.map_or_else(|| self.instance.running(), |report| report.given_up);
        let left = runtime.close(until);
        let report = StopReport { given_up, jobs_dropped: left.jobs, threads_left: left.threads };
        *state = State::Stopped(report.clone());
        report
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("local_addrs", &self.local_addrs).finish_non_exhaustive()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for a future that others drive, but not beyond `until`.
fn wait_for<T>(future: impl Future<Output = T>, until: Instant) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}
