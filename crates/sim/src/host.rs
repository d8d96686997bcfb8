//! A simulated server machine: everything that touches [`Instance`]. It starts and ends
//! instances, and drives their connections as the loops of the real server do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdfast_proto::rpc::Buffers;
use holdfast_server::{Config, Connection, Export, Exports, Instance, Notify, Snapshot, Squash};

use crate::executor::SimWorld;
use crate::network::{self, End};
use crate::rng::Rng;
use crate::sim::Sim;
use crate::storage::{Storage, View};
use crate::sync::{Bell, either, lock};

/// After a stop, how long the instance's own background work may take to notice.
pub const STOP_SLACK: Duration = Duration::from_millis(1_100);

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
    identity: [u8; 16],
    buffers: Arc<Mutex<Buffers>>,
    running: Mutex<Option<Running>>,
    rng: Mutex<Rng>,
    generation: AtomicU64,
    gone: Mutex<Vec<Gone>>,
}

struct Running {
    instance: Instance,
    world: SimWorld,
    view: Arc<View>,
    generation: u64,
    connections: Vec<Arc<Driver>>,
    changed: Bell,
}

/// What is left of an instance that ended.
pub struct Gone {
    /// Its generation.
    pub generation: u64,
    /// Its world.
    pub world: SimWorld,
    /// Its view of the disk.
    pub view: Arc<View>,
    /// What it counted.
    pub counters: Snapshot,
}

/// How an instance is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its requests end first, within the budget.
    Graceful(Duration),
    /// Everything is dropped where it stands.
    Kill,
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
            identity,
            buffers: Arc::new(Mutex::new(Connection::buffers(LARGE_BUFFERS))),
            running: Mutex::default(),
            rng: Mutex::new(rng),
            generation: AtomicU64::new(index * GENERATIONS),
            gone: Mutex::default(),
        })
    }

    /// Starts the next instance.
    pub fn start(&self) {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let world = self.sim.executor.world(self.sim.options.pauses, self.sim.options.slow_max);
        let view = Arc::new(View::new(self.disk.clone(), self.name.clone(), generation));
        let export = Export::new("/", view.clone()).squash(Squash::None);
        let exports = Exports::new(vec![export]);
        let exports = exports.unwrap_or_else(|error| unreachable!("one export at /: {error}"));
        let config = Config { exports, lease: self.sim.options.lease, identity: self.identity };
        let instance = Instance::start(Arc::new(world.clone()), config);
        let instance = instance.unwrap_or_else(|closed| unreachable!("a new world: {closed}"));
        self.sim.journal.count("operator", "start");
        self.sim.journal.line(&self.name, || format!("start generation {generation}"));
        let (connections, changed) = (Vec::new(), Bell::default());
        let running = Running { instance, world, view, generation, connections, changed };
        *lock(&self.running) = Some(running);
    }

    /// Whether an instance runs.
    pub fn is_up(&self) -> bool {
        lock(&self.running).is_some()
    }

    /// Connects a client: its end, and the generation at the other one. `None`: refused.
    pub fn connect(&self) -> Option<(End, u64)> {
        let mut running = lock(&self.running);
        let running = running.as_mut().filter(|running| !running.world_is_ending())?;
        let rng = lock(&self.rng).split(running.generation << 32 | running.serial());
        let (client, server) = network::connect(&self.sim, rng);
        let wake = Arc::new(Wake::default());
        let connection = running.instance.connect(wake.clone());
        let driver = Arc::new(Driver {
            sim: self.sim.clone(),
            buffers: self.buffers.clone(),
            wake,
            state: Mutex::new(Some(Driven { connection, end: server, input: None, eof: false })),
            stopping: AtomicBool::new(false),
            changed: running.changed.clone(),
        });
        running.connections.retain(|driver| !driver.is_over());
        running.connections.push(driver.clone());
        let drive = async move { std::future::poll_fn(|cx| driver.poll(cx)).await };
        self.sim.outside.go(drive);
        lock(&self.rng).next();
        self.sim.journal.count("network", "connect");
        Some((client, running.generation))
    }

    /// Ends the instance, if one runs.
    pub async fn stop(&self, how: Stop) {
        let (connections, changed, generation) = {
            let mut running = lock(&self.running);
            let Some(running) = running.as_mut() else { return };
            running.instance.stop();
            (running.connections.clone(), running.changed.clone(), running.generation)
        };
        let journal = &self.sim.journal;
        journal.line(&self.name, || format!("stop generation {generation}: {how:?}"));
        match how {
            Stop::Kill => journal.count("operator", "kill"),
            Stop::Graceful(budget) => {
                journal.count("operator", "stop");
                connections.iter().for_each(|driver| driver.stop());
                if !self.drained(&connections, &changed, budget).await {
                    journal.count("operator", "stop above budget");
                    journal.line(&self.name, || "stop gives up waiting".into());
                }
            }
        }
        let Some(running) = lock(&self.running).take() else { return };
        running.connections.iter().for_each(|driver| driver.cut());
        self.end(running, how);
        journal.line(&self.name, || format!("stopped generation {generation}"));
    }

    async fn drained(&self, all: &[Arc<Driver>], changed: &Bell, budget: Duration) -> bool {
        let deadline = self.sim.now() + budget;
        loop {
            let wait = changed.wait();
            if all.iter().all(|driver| driver.is_over()) {
                return true;
            }
            let left = deadline.since(self.sim.now());
            if left.is_zero() {
                return false;
            }
            either(wait, self.sim.after(left)).await;
        }
    }

    fn end(&self, running: Running, how: Stop) {
        let Running { instance, world, view, generation, .. } = running;
        let counters = instance.counters();
        drop(instance);
        view.end();
        if how == Stop::Kill {
            world.kill();
        }
        self.sim.journal.add("server", "replays", counters.replays);
        self.sim.journal.add("server", "compounds", counters.compounds);
        self.sim.journal.add("server", "clients expired", counters.clients_expired);
        self.sim.checkers.leaks.counters(&self.name, generation, &counters);
        lock(&self.gone).push(Gone { generation, world, view, counters });
    }

    /// What is left of the instances that ended.
    pub fn gone(&self) -> Vec<Gone> {
        std::mem::take(&mut *lock(&self.gone))
    }
}

impl Running {
    /// Counts the connections, so that each has its own chance.
    fn serial(&self) -> u64 {
        self.instance.counters().connections
    }

    fn world_is_ending(&self) -> bool {
        self.connections.iter().any(|driver| driver.stopping.load(Ordering::Relaxed))
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
    state: Mutex<Option<Driven>>,
    stopping: AtomicBool,
    changed: Bell,
}

impl Driver {
    fn is_over(&self) -> bool {
        lock(&self.state).is_none()
    }

    /// Ends when its requests have.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify();
    }

    /// Ends now.
    fn cut(&self) {
        let driven = lock(&self.state).take();
        if let Some(driven) = driven {
            if !driven.connection.is_done() {
                self.sim.journal.count("operator", "requests dropped");
            }
            drop(driven);
            self.changed.ring();
        }
        self.wake.notify();
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        *lock(&self.wake.waker) = Some(cx.waker().clone());
        let mut state = lock(&self.state);
        let Some(driven) = state.as_mut() else { return Poll::Ready(()) };
        let stopping = self.stopping.load(Ordering::Relaxed);
        let resume = self.wake.notified.swap(false, Ordering::Relaxed);
        if driven.step(&self.buffers, resume, stopping, cx) {
            let driven = state.take();
            drop(state);
            drop(driven);
            self.changed.ring();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Driven {
    /// Moves what can be moved; `true`: the connection is over.
    fn step(
        &mut self,
        buffers: &Mutex<Buffers>,
        resume: bool,
        stopping: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut buffers = lock(buffers);
        let mut broken = resume && self.connection.resume(&mut buffers).is_err();
        while !broken && !self.eof && self.connection.wants_input() && !stopping {
            if self.input.is_none() {
                match self.end.poll_recv(cx) {
                    Poll::Ready(Some(bytes)) => self.input = Some(bytes),
                    Poll::Ready(None) => self.eof = true,
                    Poll::Pending => break,
                }
            }
            broken |= self.feed(&mut buffers);
        }
        drop(buffers);
        self.transmit();
        if broken || stopping || self.eof { self.connection.is_done() } else { false }
    }

    /// Hands input over; `true`: the stream is broken.
    fn feed(&mut self, buffers: &mut Buffers) -> bool {
        let Some(mut input) = self.input.take() else { return false };
        let Some(space) = self.connection.space(buffers) else {
            self.input = Some(input);
            return true;
        };
        let len = space.len().min(input.len());
        space[..len].copy_from_slice(&input[..len]);
        if len < input.len() {
            self.input = Some(input.split_off(len));
        }
        self.connection.received(len, buffers).is_err()
    }

    fn transmit(&mut self) {
        let transmit = self.connection.transmit();
        let slices: Vec<Vec<u8>> = transmit.slices().map(<[u8]>::to_vec).collect();
        for slice in slices {
            self.connection.transmit().sent(slice.len());
            self.end.send(&slice);
        }
    }
}

