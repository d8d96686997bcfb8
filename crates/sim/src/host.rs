//! A simulated server machine: everything that touches [`Server`]. It starts and ends instances
//! and processes, and drives their connections as the loops of the real server do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdfast_base::BoxFuture;
use holdfast_proto::rpc::Buffers;
use holdfast_server::{
    ClientRecords, Connection, Export, Exports, Instance, MemoryRecords, Notify, Phase, Server,
    Squash, StartError, StopReport,
};

use crate::executor::{SimWorld, Sleep};
use crate::network::{self, End};
use crate::rng::Rng;
use crate::sim::Sim;
use crate::storage::{Storage, View};
use crate::sync::lock;

/// The most that a stop waits before it gives up.
pub const STOP_BUDGET: Duration = Duration::from_secs(5);

/// What a stop takes beyond its budget to end what it gave up on.
pub const STOP_SLACK: Duration = Duration::from_millis(110);

/// What listeners and workers take to end.
const AROUND_MAX: Duration = Duration::from_millis(50);

/// Large receive buffers of one host.
const LARGE_BUFFERS: usize = 16;

/// Generations of one host: those of another are other numbers.
const GENERATIONS: u64 = 1_000_000;

/// A server machine.
pub struct Host {
    sim: Arc<Sim>,
    /// Its name in the trace.
    pub name: String,
    /// Its disk.
    pub disk: Arc<Storage>,
    records: Arc<dyn ClientRecords>,
    identity: [u8; 16],
    process: Mutex<Option<Process>>,
    rng: Mutex<Rng>,
    /// Counts instances, over all processes.
    generation: Arc<AtomicU64>,
    connections: AtomicU64,
}

/// A program that runs until it is killed.
struct Process {
    world: SimWorld,
    server: Arc<Server>,
    view: Arc<Mutex<Option<Arc<View>>>>,
    buffers: Arc<Mutex<Buffers>>,
    drivers: Vec<Arc<Driver>>,
}

impl Host {
    /// Machine `index` with this disk, and nothing running.
    pub fn new(sim: &Arc<Sim>, index: u64, disk: Arc<Storage>, mut rng: Rng) -> Arc<Self> {
        let mut identity = [0; 16];
        rng.fill(&mut identity);
        Arc::new(Self {
            sim: sim.clone(),
            name: format!("server{index}"),
            disk,
            records: Arc::new(MemoryRecords::new()),
            identity,
            process: Mutex::default(),
            rng: Mutex::new(rng),
            generation: Arc::new(AtomicU64::new(index * GENERATIONS)),
            connections: AtomicU64::new(0),
        })
    }

    fn process(&self) -> Process {
        let world = self.sim.executor.world(self.sim.options.pauses, self.sim.options.slow_max);
        let view = Arc::<Mutex<Option<Arc<View>>>>::default();
        let (current, disk, name) = (view.clone(), self.disk.clone(), self.name.clone());
        let generation = self.generation.clone();
        let open = move |_: &Arc<dyn holdfast_base::World>| {
            let generation = generation.fetch_add(1, Ordering::Relaxed) + 1;
            let view = Arc::new(View::new(disk.clone(), name.clone(), generation));
            *lock(&current) = Some(view.clone());
            let export = Export::new("/", view).squash(Squash::None);
            Exports::new(vec![export]).map_err(|error| error.to_string())
        };
        let around = Around { sim: self.sim.clone(), rng: Mutex::new(lock(&self.rng).split(7)) };
        let server = Server::builder(Arc::new(world.clone()))
            .host(Arc::new(around))
            .open_exports(open)
            .records(self.records.clone())
            .lease(self.sim.options.lease)
            .identity(self.identity)
            .stop_budget(STOP_BUDGET)
            .build();
        let buffers = Arc::new(Mutex::new(Connection::buffers(LARGE_BUFFERS)));
        Process { world, server: Arc::new(server), view, buffers, drivers: Vec::new() }
    }

    /// Starts the next instance, in the process there is or in a new one.
    pub async fn start(&self) {
        let server = {
            let mut process = lock(&self.process);
            process.get_or_insert_with(|| self.process()).server.clone()
        };
        self.sim.journal.count("operator", "start");
        while let Err(error) = server.start().await {
            self.sim.journal.line(&self.name, || format!("start failed: {error}"));
            let step = matches!(error, StartError::Listen(_) | StartError::Workers(_));
            if step && self.may_fail() {
                self.sim.journal.count("operator", "start failed");
                self.check_down(&server);
            } else {
                // A start that was asked for while another one was under way finds it done, and
                // a stop that came during a start undoes it.
                if !matches!(error, StartError::AlreadyUp | StartError::Stopped) {
                    let message = format!("{}: {error}", self.name);
                    self.sim.journal.violation("operator", message);
                }
                return;
            }
        }
        let generation = self.generation.load(Ordering::Relaxed);
        self.sim.journal.line(&self.name, || format!("up, generation {generation}"));
    }

    fn may_fail(&self) -> bool {
        self.sim.options.start_fail_permille > 0
    }

    /// After a start that failed everything is as before.
    fn check_down(&self, server: &Server) {
        let (view, alive) = {
            let process = lock(&self.process);
            let Some(process) = process.as_ref() else { return };
            (lock(&process.view).take(), process.world.alive())
        };
        if server.phase() != Phase::Down {
            let message = format!("{}: {:?} after a failed start", self.name, server.phase());
            self.sim.journal.violation("operator", message);
        }
        if let Some(view) = view {
            view.end();
            let (generation, open) = (view.generation(), view.open_files());
            self.sim.checkers.leaks.left(&self.name, generation, alive, open);
        }
    }

    /// Two stops and a start at the same time.
    pub async fn stop_twice_and_start(self: &Arc<Self>) {
        let (server, view) = {
            let process = lock(&self.process);
            let Some(process) = process.as_ref() else { return };
            (process.server.clone(), lock(&process.view).clone())
        };
        self.sim.journal.count("operator", "two stops and a start");
        self.sim.journal.line(&self.name, || "two stops and a start".into());
        self.count(&server);
        let began = self.sim.now();
        let (first, second) = (server.stop(), server.stop());
        let (host, view2) = (self.clone(), view.clone());
        self.sim.outside.go(async move {
            let report = first.await;
            host.stopped(&report, host.sim.now().since(began));
            view2.inspect(|view| view.end());
        });
        let report = second.await;
        view.inspect(|view| view.end());
        self.stopped(&report, self.sim.now().since(began));
        self.start().await;
    }

    /// Connects a client: its end, and the generation at the other one. `None`: refused.
    pub fn connect(&self) -> Option<(End, u64)> {
        let mut process = lock(&self.process);
        let process = process.as_mut()?;
        let wake = Arc::new(Wake::default());
        let connection = process.server.connect(wake.clone())?;
        let serial = self.connections.fetch_add(1, Ordering::Relaxed);
        let (client, server) = network::connect(&self.sim, lock(&self.rng).split(serial));
        let driven = Driven { connection, end: server, input: None, eof: false };
        let driver = Arc::new(Driver {
            sim: self.sim.clone(),
            buffers: process.buffers.clone(),
            wake,
            driven: Mutex::new(Some(driven)),
        });
        process.drivers.retain(|driver| !driver.is_over());
        process.drivers.push(driver.clone());
        let drive = async move { std::future::poll_fn(|cx| driver.poll(cx)).await };
        self.sim.outside.go(drive);
        self.sim.journal.count("network", "connect");
        Some((client, self.generation.load(Ordering::Relaxed)))
    }

    /// Stops the instance and waits for its end; the process stays.
    pub async fn stop(&self) {
        let (server, world, view) = {
            let process = lock(&self.process);
            let Some(process) = process.as_ref() else { return };
            (process.server.clone(), process.world.clone(), lock(&process.view).clone())
        };
        let (journal, began) = (&self.sim.journal, self.sim.now());
        journal.count("operator", "stop");
        journal.line(&self.name, || "stop".into());
        self.count(&server);
        let report = server.stop().await;
        if let Some(view) = &view {
            view.end();
            self.sim.checkers.leaks.abandoned(&self.name, &report, view.abandoned());
        }
        self.stopped(&report, self.sim.now().since(began));
        if let Some(view) = view {
            let generation = view.generation();
            self.sim.checkers.leaks.left(&self.name, generation, world.alive(), view.open_files());
        }
    }

    fn stopped(&self, report: &StopReport, took: Duration) {
        let journal = &self.sim.journal;
        journal.line(&self.name, || format!("{report} after {took:?}"));
        if !report.is_clean() {
            journal.count("operator", "stop above budget");
        }
        let options = &self.sim.options;
        let hung = options.hang_per_10k > 0 || options.preempt_permille > 20;
        self.sim.checkers.leaks.stop(&self.name, report, took, hung);
    }

    /// Ends the process without a word.
    pub fn kill(&self) {
        let Some(process) = lock(&self.process).take() else { return };
        self.sim.journal.count("operator", "kill");
        self.sim.journal.line(&self.name, || "killed".into());
        self.count(&process.server);
        process.world.kill();
        process.drivers.iter().for_each(|driver| driver.cut());
        if let Some(view) = lock(&process.view).as_ref() {
            view.end();
        }
    }

    /// Adds up what an instance counted.
    fn count(&self, server: &Server) {
        let mut counters = server.counters();
        // Those that the storage began are contained, and no fault of the server.
        counters.panics = counters.panics.saturating_sub(self.disk.take_panics() as u64);
        self.sim.journal.add("server", "replays", counters.replays);
        self.sim.journal.add("server", "compounds", counters.compounds);
        self.sim.journal.add("server", "clients expired", counters.clients_expired);
        let generation = self.generation.load(Ordering::Relaxed);
        self.sim.checkers.leaks.counters(&self.name, generation, &counters);
    }
}

/// What the server finds around it: listeners that may not open, workers that may not start.
struct Around {
    sim: Arc<Sim>,
    rng: Mutex<Rng>,
}

impl Around {
    fn fails(&self) -> bool {
        self.sim.faults() && lock(&self.rng).chance(self.sim.options.start_fail_permille)
    }

    fn pause(&self) -> Sleep {
        let most = AROUND_MAX.as_nanos() as u64;
        self.sim.after(Duration::from_nanos(lock(&self.rng).below(most)))
    }
}

impl holdfast_server::Host for Around {
    fn listen(&self, _: &Arc<Instance>) -> Result<(), String> {
        if self.fails() { Err("no listener".into()) } else { Ok(()) }
    }

    fn unlisten(&self) -> BoxFuture<'static, ()> {
        Box::pin(self.pause())
    }

    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            self.pause().await;
            if threads > 0 && self.fails() { Err("no thread".into()) } else { Ok(threads) }
        })
    }
}

/// Wakes a driver when a compound can go on.
#[derive(Default)]
struct Wake {
    notified: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Notify for Wake {
    fn notify(&self) {
        self.notified.store(true, Ordering::Relaxed);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }
}

struct Driven {
    connection: Connection,
    end: End,
    input: Option<Vec<u8>>,
    eof: bool,
}

/// Moves the bytes of one connection.
struct Driver {
    sim: Arc<Sim>,
    buffers: Arc<Mutex<Buffers>>,
    wake: Arc<Wake>,
    driven: Mutex<Option<Driven>>,
}

impl Driver {
    fn is_over(&self) -> bool {
        lock(&self.driven).is_none()
    }

    /// Ends now.
    fn cut(&self) {
        let driven = lock(&self.driven).take();
        self.drop_driven(driven);
        self.wake.notify();
    }

    fn drop_driven(&self, driven: Option<Driven>) {
        if driven.is_some_and(|driven| !driven.connection.is_done()) {
            self.sim.journal.count("operator", "requests dropped");
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        *lock(&self.wake.waker) = Some(cx.waker().clone());
        let mut place = lock(&self.driven);
        let Some(driven) = place.as_mut() else { return Poll::Ready(()) };
        let resume = self.wake.notified.swap(false, Ordering::Relaxed);
        if driven.step(&mut lock(&self.buffers), resume, cx) {
            let driven = place.take();
            drop(place);
            self.drop_driven(driven);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Driven {
    /// Moves what can be moved; `true`: the connection is over.
    fn step(&mut self, buffers: &mut Buffers, resume: bool, cx: &mut Context<'_>) -> bool {
        let mut broken = resume && self.connection.resume(buffers).is_err();
        self.transmit();
        while !broken && !self.eof && self.connection.wants_input() {
            if self.input.is_none() {
                match self.end.poll_recv(cx) {
                    Poll::Ready(Some(bytes)) => self.input = Some(bytes),
                    Poll::Ready(None) => self.eof = true,
                    Poll::Pending => break,
                }
            }
            broken |= self.feed(buffers);
            self.transmit();
        }
        if self.connection.is_aborted() {
            return true;
        }
        let ending = broken || self.eof || self.connection.is_closing();
        ending && self.connection.is_quiet()
    }

    /// Hands input over; `true`: the stream is broken.
    fn feed(&mut self, buffers: &mut Buffers) -> bool {
        let Some(mut input) = self.input.take() else { return false };
        let Some(space) = self.connection.space(buffers) else { return true };
        let len = space.len().min(input.len());
        space[..len].copy_from_slice(&input[..len]);
        if len < input.len() {
            self.input = Some(input.split_off(len));
        }
        self.connection.received(len, buffers).is_err()
    }

    fn transmit(&mut self) {
        let slices: Vec<Vec<u8>> =
            self.connection.transmit().slices().map(<[u8]>::to_vec).collect();
        for slice in slices {
            self.connection.transmit().sent(slice.len());
            self.end.send(&slice);
        }
    }
}
