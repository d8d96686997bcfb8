//! A server: one instance after the other under one name, each started and stopped cleanly.
//!
//! ```text
//!           start          every step done
//! Down ──────────► Starting ─────────────► Up
//!   ▲                 │ a step fails        │ stop
//!   │◄────────────────┘ (unwound)           ▼
//!   └─────────────────────────────────── Stopping
//!              everything joined
//! ```

mod builder;
mod life;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use holdfast_base::{BoxFuture, World};
use holdfast_engine::server::GraceEnd;

pub use builder::Builder;
pub use life::Phase;
use life::{Life, StopNow};

use crate::counters::Snapshot;
use crate::exports::Exports;
use crate::instance::{Config, Connection, Heritage, Instance, Notify, Running, StopReport};
use crate::records::{ClientRecords, RecordError};

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

    /// Closes the listeners. Ready when no further connection comes.
    fn unlisten(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Makes the number of worker threads `threads`, one at a time: a worker that is too many
    /// ends after the job it has. Answers the number reached.
    ///
    /// # Errors
    /// A thread could not be started; those that were started stay.
    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(std::future::ready(Ok(threads)))
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
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlreadyUp => f.write_str("the server is up already"),
            Self::Records(error) => error.fmt(f),
            Self::Closed => f.write_str("the program is stopping"),
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
    threads: usize,
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
    /// grace period, starts the workers, opens the listeners. A stop that is under way is waited
    /// for.
    ///
    /// # Errors
    /// The step that failed; the ones before it are undone, and the next start finds everything
    /// as it was.
    pub async fn start(&self) -> Result<(), StartError> {
        let shared = &self.shared;
        let starting = shared.life.begin_start().await?;
        let instance = shared.start_instance(starting.generation).await?;
        starting.done(instance);
        Ok(())
    }

    /// Stops: no connection, no request, every reply sent, everything joined. Saying it twice
    /// waits for the same stop. It goes on when the future is dropped.
    pub fn stop(&self) -> impl Future<Output = StopReport> + Send + use<> {
        let shared = self.shared.clone();
        async move {
            match shared.life.begin_stop().await {
                StopNow::Down(report) => report,
                StopNow::Wait(generation) => shared.life.stopped(generation).await,
                StopNow::Stop(generation, instance) => {
                    shared.spawn_stop(instance);
                    shared.life.stopped(generation).await
                }
            }
        }
    }

    /// Makes the number of workers `threads`; zero stops the server. One that is not up has none.
    ///
    /// # Errors
    /// A thread could not be started; the others stay.
    pub async fn resize(&self, threads: usize) -> Result<usize, String> {
        if threads == 0 {
            self.stop().await;
            return Ok(0);
        }
        let joined = self.instance().and_then(|it| it.enter("a change of the number of workers"));
        // The stop waits for it, and takes all workers back afterwards.
        let Some(_joined) = joined else { return Ok(0) };
        self.shared.host.resize(threads).await
    }

    /// Where its life is.
    pub fn phase(&self) -> Phase {
        self.shared.life.phase()
    }

    /// How often it was started.
    pub fn generation(&self) -> u64 {
        self.shared.life.generation()
    }

    /// The instance that is up.
    pub fn instance(&self) -> Option<Arc<Instance>> {
        self.shared.life.instance()
    }

    /// A new connection's conversation; none while the server is not up.
    pub fn connect(&self, notify: Arc<dyn Notify>) -> Option<Connection> {
        self.instance().map(|instance| instance.connect(notify))
    }

    /// What runs now.
    pub fn running(&self) -> Vec<Running> {
        self.shared.life.instance().map(|instance| instance.running()).unwrap_or_default()
    }

    /// What the instance that is up has counted.
    pub fn counters(&self) -> Snapshot {
        self.shared.life.instance().map(|instance| instance.counters()).unwrap_or_default()
    }

    /// Why the grace period ended; none while it goes on, or while the server is not up.
    pub async fn grace_ended(&self) -> Option<GraceEnd> {
        self.instance()?.grace_ended().await
    }

    /// Ends the grace period by an administrator's word. `false`: there is none to end.
    pub async fn end_grace(&self) -> bool {
        match self.instance() {
            Some(instance) => instance.end_grace().await,
            None => false,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(instance) = self.shared.life.stop_at_once() {
            self.shared.spawn_stop(instance);
        }
    }
}

impl Shared {
    /// The steps of a start, in order. What a failing step leaves is undone by the drop of the
    /// instance and the calls here, last first.
    async fn start_instance(&self, generation: u64) -> Result<Arc<Instance>, StartError> {
        let exports = (self.open_exports)(&self.world).map_err(StartError::Exports)?;
        let recorded = self.records.load().map_err(StartError::Records)?;
        let config = Config { exports, lease: self.lease, identity: self.identity };
        let heritage = Heritage {
            tag: self.first_tag.wrapping_add(generation as u32),
            grace: self.grace,
            records: self.records.clone(),
            recorded,
        };
        let instance = Instance::start_after(self.world.clone(), config, heritage);
        let instance = Arc::new(instance.map_err(|_closed| StartError::Closed)?);
        if let Err(why) = self.host.resize(self.threads).await {
            let _ = self.host.resize(0).await;
            instance.stop(self.budget).await;
            return Err(StartError::Workers(why));
        }
        if let Err(why) = self.host.listen(&instance) {
            let _ = self.host.resize(0).await;
            instance.stop(self.budget).await;
            return Err(StartError::Listen(why));
        }
        Ok(instance)
    }

    /// Runs the stop as a task of the world, so that it ends whoever waits for it.
    fn spawn_stop(self: &Arc<Self>, instance: Arc<Instance>) {
        let shared = self.clone();
        let stop = async move {
            shared.host.unlisten().await;
            let report = instance.stop(shared.budget).await;
            let _ = shared.host.resize(0).await;
            drop(instance);
            shared.life.ended(report);
        };
        if self.world.spawn(Box::pin(stop)).is_err() {
            // The world stops everything itself, and joins it.
            self.life.ended(StopReport::default());
        }
    }
}
