//! Loops, timers and pool: what services run on, and the worlds it makes.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use holdfast_base::World;
use holdfast_server::Builder;

use crate::config::{RuntimeConfig, ServeConfig, StartError};
use crate::conn::Timeouts;
use crate::counters::{Counters, Snapshot};
use crate::cpus::Cpus;
use crate::event_loop::{EventLoop, Setup};
use crate::host::Shares;
use crate::mailbox::Mailbox;
use crate::owner::Owner;
use crate::placement::Place;
use crate::pool::{Left, Pool};
use crate::service::Service;
use crate::threads::Threads;
use crate::timers::Timers;
use crate::waiting::{Promised, promise, wait_for};
use crate::world::NetWorld;

/// How long threads may take to end: they have been told, and one that does not end is stuck in
/// the kernel.
const GRACE: Duration = Duration::from_secs(1);
/// How long threads may take to start.
const START: Duration = Duration::from_secs(60);

/// Loops and threads on which services run, several if there are several. Clones are the same
/// runtime, and each [`Service`] holds one: what is left is cut off when the last one is dropped,
/// which takes up to a second if a thread is stuck. Not to be dropped in a task or job of its own.
///
/// The pool has [`RuntimeConfig::threads`] and, while a service is up,
/// [`ServeConfig::threads`] more: whoever brings threads, they work for all.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    mailboxes: Vec<Arc<Mailbox>>,
    timers: Arc<Timers>,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    next_owner: AtomicU64,
    loops: Mutex<Loops>,
}

#[derive(Default)]
struct Loops {
    threads: Threads,
    handles: Vec<JoinHandle<()>>,
}

impl Runtime {
    /// Starts the loops and threads.
    ///
    /// # Errors
    /// [`StartError::Resources`]; nothing is left running.
    pub fn start(config: RuntimeConfig) -> Result<Self, StartError> {
        Self::open(&config).map_err(StartError::Resources)
    }

    fn open(config: &RuntimeConfig) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let count = config.loops.max(1);
        let mailboxes: Vec<_> =
            (0..count).map(|_| Mailbox::new().map(Arc::new)).collect::<rustix::io::Result<_>>()?;
        let timers = Arc::new(Timers::new(Arc::downgrade(&mailboxes[0])));
        let mut loops = Vec::new();
        let places = Place::of_all(config.placement, &mailboxes);
        // A loop that stays on its CPU starts threads for services.
        let cpus = if places[0].is_pinned() { Cpus::own() } else { None };
        for ((at, mailbox), place) in mailboxes.iter().enumerate().zip(places) {
            loops.push(EventLoop::new(Setup {
                mailbox: mailbox.clone(),
                timers: (at == 0).then(|| timers.clone()),
                counters: counters.clone(),
                timeouts: Timeouts {
                    record: config.record_timeout.as_secs(),
                    send: config.send_timeout.as_secs(),
                },
                large_records: config.large_records.div_ceil(config.loops.max(1)).max(1),
                place,
            })?);
        }
        let pool = Arc::new(Pool::new(config.prepare_thread.clone(), cpus, counters.clone()));
        let (next_owner, threads) = (AtomicU64::new(1), Mutex::default());
        let inner = Inner { mailboxes, timers, pool, counters, next_owner, loops: threads };
        let runtime = Self { inner: Arc::new(inner) };
        for (number, event_loop) in loops.into_iter().enumerate() {
            let runs = runtime.start_loop(number, event_loop, config)?;
            let runs = wait_for(runs, Instant::now() + START).flatten();
            runs.ok_or_else(|| io::Error::other("an event loop ended before it was ready"))?;
        }
        let resized = runtime.inner.pool.resize(Owner::RUNTIME, config.threads);
        let resized = wait_for(resized, Instant::now() + START);
        resized.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
        Ok(runtime)
    }

    fn start_loop(
        &self,
        number: usize,
        event_loop: EventLoop,
        config: &RuntimeConfig,
    ) -> io::Result<Promised<()>> {
        let (ready, is_ready) = promise();
        let prepare = config.prepare_thread.clone();
        let mut loops = self.inner.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = loops.threads.start(format!("holdfast-loop-{number}"), move || {
            event_loop.pin();
            prepare();
            ready.keep(());
            event_loop.run();
        })?;
        loops.handles.push(handle);
        Ok(is_ready)
    }

    /// A world for a file system. What may block has a lane of its own to the pool: a file system
    /// that never answers stops those of its world, and not those with another one.
    pub fn world(&self) -> Arc<dyn World> {
        self.inner.world(true)
    }

    /// Starts a service: a server with its own exports, listeners, state and grace period.
    /// `describe` says what the server is made of; its host, threads and stop budget are those of
    /// this runtime and of `config`.
    ///
    /// All addresses are taken first, and stay taken until the service is dropped. Waits until the
    /// service is up, so not to be called from a task or job of the runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn serve(
        &self,
        config: ServeConfig,
        describe: impl FnOnce(Builder) -> Builder,
    ) -> Result<Service, StartError> {
        Service::open(self, config, describe)
    }

    /// How many threads there are that may block.
    pub fn threads(&self) -> usize {
        self.inner.pool.threads()
    }

    /// What was counted so far, beside what instances count.
    pub fn counters(&self) -> Snapshot {
        self.inner.counters.snapshot()
    }

    /// Ends everything: what still runs is cut off, so services are to be stopped before. Waits
    /// for threads until `budget` is used up, but at least a second.
    pub fn stop(&self, budget: Duration) -> Left {
        self.inner.close(budget)
    }

    pub(crate) fn counting(&self) -> Arc<Counters> {
        self.inner.counters.clone()
    }

    /// What a new service has of this runtime.
    pub(crate) fn shares(&self) -> Shares {
        Shares {
            owner: Owner(self.inner.next_owner.fetch_add(1, Ordering::Relaxed)),
            loops: self.inner.loops(),
            pool: self.inner.pool.clone(),
            world: self.inner.world(false),
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("loops", &self.inner.mailboxes.len())
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn loops(&self) -> Vec<Weak<Mailbox>> {
        self.mailboxes.iter().map(Arc::downgrade).collect()
    }

    fn world(&self, is_known: bool) -> Arc<dyn World> {
        let (queue, timers) = (self.pool.queue().clone(), self.timers.clone());
        Arc::new(NetWorld::new(self.loops(), queue, is_known, timers, self.counters.clone()))
    }

    /// Connections and tasks first, then the jobs that worked for them.
    fn close(&self, budget: Duration) -> Left {
        let until = Instant::now() + budget.max(GRACE);
        for mailbox in &self.mailboxes {
            mailbox.close();
        }
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let (threads, handles) = (loops.threads.clone(), std::mem::take(&mut loops.handles));
        drop(loops);
        let stuck = threads.join(handles, until);
        let left = self.pool.close(until);
        Left { threads_left: left.threads_left + stuck, ..left }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(GRACE);
    }
}
