//! A simulated server machine: everything that touches [`Server`]. It starts and ends instances
//! and processes, and drives their connections as the loops of the real server do.

mod around;
mod beside;
mod driver;
pub mod group;
mod life;
pub mod setup;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::rpc::Buffers;
use holdfast_server::{ClientRecords, MemoryRecords, Server, SessionStatus};

use self::around::Around;
use self::driver::{Driver, Wake};
use self::group::Group;
use self::setup::{Layout, Served, Setup};
use crate::executor::SimWorld;
use crate::network::{self, End};
use crate::rng::Rng;
use crate::sim::Sim;
use crate::storage::{Storage, View};
use crate::sync::lock;

/// The most that a stop waits before it gives up.
pub const STOP_BUDGET: Duration = Duration::from_secs(5);

/// What a stop takes beyond its budget to end what it gave up on.
pub const STOP_SLACK: Duration = Duration::from_millis(110);

/// Generations of one host: those of another are other numbers.
const GENERATIONS: u64 = 1_000_000;

/// A server machine.
pub struct Host {
    sim: Arc<Sim>,
    /// Its name in the trace.
    pub name: String,
    /// Its disk.
    pub disk: Arc<Storage>,
    /// The servers that it runs beside.
    pub group: Arc<Group>,
    records: Arc<dyn ClientRecords>,
    identity: [u8; 16],
    process: Mutex<Option<Process>>,
    rng: Mutex<Rng>,
    /// Counts instances, over all processes.
    generation: Arc<AtomicU64>,
    connections: AtomicU64,
    setup: Arc<Mutex<Setup>>,
    served: Served,
    /// Counts what its operator has begun.
    events: AtomicU64,
}

/// A program that runs until it is killed.
struct Process {
    /// Of its own, so that what is left of this server can be told from that of others.
    world: SimWorld,
    server: Arc<Server>,
    around: Arc<Around>,
    view: Arc<Mutex<Option<Arc<View>>>>,
    buffers: Arc<Mutex<Buffers>>,
    drivers: Vec<Arc<Driver>>,
}

impl Host {
    /// Machine `index` with this disk, and nothing running.
    pub fn new(
        sim: &Arc<Sim>,
        group: &Arc<Group>,
        index: u64,
        disk: Arc<Storage>,
        mut rng: Rng,
    ) -> Arc<Self> {
        let mut identity = [0; 16];
        rng.fill(&mut identity);
        let host = Arc::new(Self {
            sim: sim.clone(),
            name: format!("server{index}"),
            disk,
            group: group.clone(),
            records: Arc::new(MemoryRecords::new()),
            identity,
            process: Mutex::default(),
            rng: Mutex::new(rng),
            generation: Arc::new(AtomicU64::new(index * GENERATIONS)),
            connections: AtomicU64::new(0),
            setup: Arc::new(Mutex::new(Setup::first(&sim.options))),
            served: Served::default(),
            events: AtomicU64::new(0),
        });
        group.join(&host);
        host
    }

    fn process(&self) -> Process {
        let world = self.sim.executor.world(self.sim.options.pauses, self.sim.options.slow_max);
        let view = Arc::<Mutex<Option<Arc<View>>>>::default();
        let around = Around::new(&self.sim, &self.name, lock(&self.rng).split(7), &view);
        let server = self.server(&world, &around, &view);
        let buffers = self.group.buffers();
        Process { world, server, around, view, buffers, drivers: Vec::new() }
    }

    fn server(
        &self,
        world: &SimWorld,
        around: &Arc<Around>,
        view: &Arc<Mutex<Option<Arc<View>>>>,
    ) -> Arc<Server> {
        let (current, disk, name) = (view.clone(), self.disk.clone(), self.name.clone());
        let (served, records) = (self.served.clone(), self.records.clone());
        let (generation, setup) = (self.generation.clone(), *lock(&self.setup));
        let open = move |_: &Arc<dyn holdfast_base::World>| {
            let generation = generation.fetch_add(1, Ordering::Relaxed) + 1;
            // Nothing changes the record before the instance that is about to start.
            served.begins(generation, setup, records.load().map_or(0, |owners| owners.len()));
            let view = Arc::new(View::new(disk.clone(), name.clone(), generation));
            *lock(&current) = Some(view.clone());
            setup.exports(&view)
        };
        let server = Server::builder(Arc::new(world.clone()))
            .host(around.clone())
            .open_exports(open)
            .records(self.records.clone())
            .lease(setup.lease)
            .grace(setup.grace)
            .identity(self.identity)
            .stop_budget(STOP_BUDGET)
            .build();
        Arc::new(server)
    }

    /// The lease that an instance grants.
    pub fn lease_of(&self, generation: u64) -> Duration {
        self.served.of(generation).map_or(self.sim.options.lease, |(setup, _)| setup.lease)
    }

    /// What an instance exports.
    pub fn layout_of(&self, generation: u64) -> Option<Layout> {
        self.served.of(generation).map(|(setup, _)| setup.layout)
    }

    /// Connects the client of this number: its end, and the generation at the other one. `None`:
    /// refused.
    pub fn connect(&self, id: u32) -> Option<(End, u64)> {
        let mut process = lock(&self.process);
        let process = process.as_mut()?;
        let wake = Arc::new(Wake::default());
        let connection = process.server.connect(wake.clone())?;
        let serial = self.connections.fetch_add(1, Ordering::Relaxed);
        let (client, server) = network::connect(&self.sim, lock(&self.rng).split(serial));
        let driver = Driver::new(&self.sim, &process.buffers, wake, (id, connection, server));
        process.drivers.retain(|driver| !driver.is_over());
        process.drivers.push(driver.clone());
        self.sim.outside.go(async move { driver.run().await });
        self.sim.journal.count("network", "connect");
        Some((client, self.generation.load(Ordering::Relaxed)))
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        let process = lock(&self.process);
        let instance = process.as_ref().and_then(|process| process.server.instance());
        instance.map(|instance| instance.sessions()).unwrap_or_default()
    }

    /// Looks at the slots of all sessions.
    pub fn count_slots(&self) {
        let sessions = self.sessions();
        self.sim.journal.add("checker", "sessions counted", sessions.len() as u64);
        for session in sessions {
            self.sim.checkers.slots.counted(&self.name, &session);
        }
    }

    /// Everybody has left: nobody's session may be there.
    pub fn has_no_session(&self) {
        for session in self.sessions() {
            self.sim.checkers.slots.left(&self.name, &session);
        }
    }
}
