//! A server: one instance after the other under one name, each started and stopped cleanly.
//!
//! ```text
//!           start          every step done
//! Down ──────────► Starting ─────────────► Up
//!   ▲                 │ a step fails, stop  │ stop
//!   │◄────────────────┘ (undone)            ▼
//!   └─────────────────────────────────── Stopping
//!              everything joined
//! ```

mod builder;
mod life;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use holdfast_base::{BoxFuture, Instant, World};
use holdfast_engine::server::GraceEnd;

pub use builder::Builder;
use life::{Life, Resizing, Starting, StopNow, Stopping, given_up};
pub use life::{Phase, Status};

use crate::counters::Snapshot;
use crate::exports::Exports;
use crate::instance::{
    ABORT_WAIT, Config, Connection, CrashRecord, Heritage, Instance, Notify, Running, StopReport,
};
use crate::records::{ClientRecords, RecordError};
use crate::waiting::{unless, within};

/// How long a stop waits for the listeners to close, if its budget is not used up before.
const UNLISTEN_WAIT: Duration = Duration::from_secs(5);

/// How long a stop waits for the workers to leave, if its budget is used up.
const WORKERS_WAIT: Duration = Duration::from_secs(3);

/// What a server needs of the program around it: listeners and workers. The default has none, for
/// a program that brings connections itself.
pub trait Host: Send + Sync {
    /// Opens the listeners of an instance: from now on they hand connections to it.
    ///
    /// # Errors
    /// Why not, in one line; nothing is left open.
    fn listen(&self, instance: &Arc<Instance>) -> Result<(), String> {
        let _ = instance;
        Ok(())
    }

    /// Closes the listeners: the call begins it, without waiting; what it answers is ready when
    /// no further connection comes.
    fn unlisten(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Makes the number of worker threads `threads`, one at a time: a worker that is too many
    /// ends after the job it has. Answers the number reached. It may be dropped before it is
    /// ready: what it has begun is the next call's to end.
    ///
    /// # Errors
    /// A thread could not be started; those that were started stay.
    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(std::future::ready(Ok(threads)))
    }

    /// Something panicked, and was contained: writes down what it was. Must not wait.
    fn crashed(&self, record: &CrashRecord) {
        let _ = record;
    }
}

/// A [`Host`] that has nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {}

/// Why a server did not start. What the steps before had done is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It is up already.
    AlreadyUp,
    /// An export could not be opened.
    Exports(String),
    /// The record of clients could not be read.
    Records(RecordError),
    /// The world around it is stopping.
    Closed,
    /// A worker thread could not be started.
    Workers(String),
    /// A listener could not be opened.
    Listen(String),
    /// It was stopped before it was up.
    Stopped,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlreadyUp => f.write_str("the server is up already"),
            Self::Records(error) => error.fmt(f),
            Self::Closed => f.write_str("the program is stopping"),
            Self::Stopped => f.write_str("it was stopped before it was up"),
            Self::Exports(why) | Self::Workers(why) | Self::Listen(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StartError {}

type OpenExports = Box<dyn Fn(&Arc<dyn World>) -> Result<Exports, String> + Send + Sync>;

struct Shared {
    world: Arc<dyn World>,
    host: Arc<dyn Host>,
    open_exports: OpenExports,
    records: Arc<dyn ClientRecords>,
    lease: Duration,
    grace: Duration,
    identity: [u8; 16],
    budget: Duration,
    /// Of the first generation; each adds one.
    first_tag: u32,
    life: Life,
}

/// A server. Several may live in one process, each with its own exports, listeners, state and
/// grace period. Dropping it begins the stop and does not wait for it.
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// Describes a server that lives in `world`.
    pub fn builder(world: Arc<dyn World>) -> Builder {
        Builder::new(world)
    }

    /// Starts: opens the exports, reads the record of clients, makes the state and begins the
    /// grace period, all before the first wait, since exports may block; then starts the workers
    /// and opens the listeners, as a task that goes on when the future is dropped. A start or
    /// stop that is under way is waited for.
    ///
    /// # Errors
    /// The step that failed, or that a stop came; the ones before it are undone, and the next
    /// start finds everything as it was.
    pub async fn start(&self) -> Result<(), StartError> {
        let shared = &self.shared;
        let (starting, outcome) = Starting::begin(shared).await?;
        match shared.make_instance(starting.generation) {
            Ok(instance) => shared.spawn_start(starting, instance),
            Err(error) => starting.failed(error, StopReport::default()),
        }
        outcome.wait(&shared.life).await
    }

    /// Stops: no connection, no request, every reply sent, everything joined. Saying it twice
    /// waits for the same stop. A start that is under way is undone; what does not let that happen
    /// within the budget is named, and is undone when it comes to its end. It goes on when the
    /// future is dropped.
    pub fn stop(&self) -> impl Future<Output = StopReport> + Send + use<> {
        let shared = self.shared.clone();
        async move {
            let until = shared.world.now() + shared.budget;
            match Life::begin_stop(&shared, until) {
                StopNow::Down(report) => report,
                StopNow::Wait(generation) => shared.life.ended(generation).await,
                StopNow::Unwind(generation) => shared.unwound(generation, until).await,
                StopNow::Stop(stopping, instance) => {
                    let generation = stopping.generation();
                    shared.spawn_stop(stopping, instance, until);
                    shared.life.ended(generation).await
                }
            }
        }
    }

    /// Makes the number of workers `threads`; zero stops the server. One that is not up has none.
    /// One change after the other is made; later starts bring the number that was reached last.
    ///
    /// # Errors
    /// A thread could not be started; the others stay.
    pub async fn resize(&self, threads: usize) -> Result<usize, String> {
        if threads == 0 {
            self.stop().await;
            return Ok(0);
        }
        let Some(turn) = Resizing::begin(&self.shared.life).await else { return Ok(0) };
        // The stop waits for it, and takes all workers back afterwards.
        let joined = turn.instance.enter("a change of the number of workers");
        let Some(_joined) = joined else { return Ok(0) };
        let reached = self.shared.host.resize(threads).await?;
        turn.keep(reached);
        Ok(reached)
    }

    /// Its phase, its generation and its instance, all of one moment.
    pub fn status(&self) -> Status {
        self.shared.life.status()
    }

    /// Where its life is.
    pub fn phase(&self) -> Phase {
        self.status().phase
    }

    /// How often it was started.
    pub fn generation(&self) -> u64 {
        self.status().generation
    }

    /// The instance that is up.
    pub fn instance(&self) -> Option<Arc<Instance>> {
        let Status { phase, instance, .. } = self.status();
        instance.filter(|_| phase == Phase::Up)
    }

    /// A new connection's conversation; none while the server is not up.
    pub fn connect(&self, notify: Arc<dyn Notify>) -> Option<Connection> {
        self.instance().map(|instance| instance.connect(notify))
    }

    /// What runs now: the step of a start or stop that is under way, and what is of the instance.
    pub fn running(&self) -> Vec<Running> {
        self.shared.life.running(self.shared.world.now())
    }

    /// What the instance has counted; of one that is down, what the last one had.
    pub fn counters(&self) -> Snapshot {
        self.shared.life.counters()
    }

    /// Why the grace period ended; none while it goes on, or while the server is not up.
    pub async fn grace_ended(&self) -> Option<GraceEnd> {
        self.instance()?.grace_ended().await
    }

    /// Ends the grace period by an administrator's word. `false`: there is none to end, or its
    /// end cannot be recorded now.
    pub async fn end_grace(&self) -> bool {
        match self.instance() {
            Some(instance) => instance.end_grace().await,
            None => false,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let shared = &self.shared;
        let until = shared.world.now() + shared.budget;
        if let StopNow::Stop(stopping, instance) = Life::begin_stop(shared, until) {
            shared.spawn_stop(stopping, instance, until);
        }
    }
}

impl Shared {
    /// The steps of a start that wait for nothing but the file systems' own opening.
    fn make_instance(&self, generation: u64) -> Result<Arc<Instance>, StartError> {
        self.doing("the opening of the exports");
        let exports = (self.open_exports)(&self.world).map_err(StartError::Exports)?;
        self.doing("the reading of the record of clients");
        let recorded = self.records.load().map_err(StartError::Records)?;
        let config = Config { exports, lease: self.lease, identity: self.identity };
        let heritage = Heritage {
            tag: self.first_tag.wrapping_add(generation as u32),
            grace: self.grace,
            records: self.records.clone(),
            recorded,
            host: self.host.clone(),
        };
        let instance = Instance::start_after(self.world.clone(), config, heritage);
        instance.map(Arc::new).map_err(|_closed| StartError::Closed)
    }

    fn doing(&self, step: &'static str) {
        self.life.doing(Some((step, self.world.now())));
    }

    /// Runs the rest of a start as a task of the world, so that it ends whoever waits for it.
    fn spawn_start(self: &Arc<Self>, starting: Starting, instance: Arc<Instance>) {
        starting.made(instance.clone());
        let shared = self.clone();
        let start = async move {
            let mut unlisten = None;
            let begun = shared.begin(&instance).await;
            let up = begun.and_then(|()| {
                starting.up().inspect_err(|_| unlisten = Some(shared.host.unlisten()))
            });
            if let Err(error) = up {
                let until = shared.life.unwind_until();
                let until = until.unwrap_or_else(|| shared.world.now() + shared.budget);
                let report = shared.take_down(&instance, unlisten, until).await;
                drop(instance);
                starting.failed(error, report);
            }
        };
        // Refused, the task is dropped, and with it what it was to start.
        let _ = self.world.spawn(Box::pin(start));
    }

    /// Workers, then listeners. What a step that fails leaves is to be taken down.
    async fn begin(&self, instance: &Arc<Instance>) -> Result<(), StartError> {
        if self.life.unwind_until().is_some() {
            return Err(StartError::Stopped);
        }
        self.doing("the start of the workers");
        let workers = self.host.resize(self.life.threads());
        let started = unless(self.life.unwinding(), workers).await;
        started.ok_or(StartError::Stopped)?.map_err(StartError::Workers)?;
        self.host.listen(instance).map_err(StartError::Listen)
    }

    /// Waits until a start that was told to is undone, and names what is in the way.
    async fn unwound(&self, generation: u64, until: Instant) -> StopReport {
        let most = until + ABORT_WAIT + WORKERS_WAIT;
        let ended = within(&*self.world, most, self.life.ended(generation)).await;
        ended.unwrap_or_else(|| StopReport { given_up: self.life.running(self.world.now()) })
    }

    /// Runs the stop as a task of the world, so that it ends whoever waits for it.
    fn spawn_stop(self: &Arc<Self>, stopping: Stopping, instance: Arc<Instance>, until: Instant) {
        let shared = self.clone();
        // Before the task is run: its loop may be busy.
        let unlisten = self.host.unlisten();
        let stop = async move {
            let report = shared.take_down(&instance, Some(unlisten), until).await;
            drop(instance);
            stopping.done(report);
        };
        // Refused, the task is dropped: the world stops everything itself, and joins it.
        let _ = self.world.spawn(Box::pin(stop));
    }

    /// Takes down listeners, instance and workers. What does not end in time is in the report.
    async fn take_down(
        &self,
        instance: &Instance,
        unlisten: Option<BoxFuture<'static, ()>>,
        until: Instant,
    ) -> StopReport {
        let world = &*self.world;
        let mut report = StopReport::default();
        if let Some(unlisten) = unlisten {
            let began = world.now();
            self.doing("the closing of the listeners");
            if within(world, until.min(began + UNLISTEN_WAIT), unlisten).await.is_none() {
                let what = "the closing of the listeners";
                report.given_up.push(given_up(what, began, world.now()));
            }
        }
        self.life.doing(None);
        let stopped = instance.stop(until.since(world.now())).await;
        report.given_up.extend(stopped.given_up);
        let began = world.now();
        self.doing("the end of the workers");
        let workers = self.host.resize(0);
        if within(world, until.max(began + WORKERS_WAIT), workers).await.is_none() {
            report.given_up.push(given_up("the end of the workers", began, world.now()));
        }
        report
    }
}
