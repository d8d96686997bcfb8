//! A whole server under test: its world, its files, its record of clients and its host.

use std::sync::Arc;
use std::time::Duration;

use holdfast_server::{Builder, Export, Instance, Server, Squash, StartError, StopReport};

use super::admin::{Admin, wait};
use super::client::Client;
use super::doubles::{Log, ScriptedHost, ScriptedRecords};
use super::explore::{Actor, Chooser};
use super::fixture::{LEASE, memfs};
use super::probe_fs::Probe;
use super::worker::Worker;
use super::world::TestWorld;

/// How long a stop waits here.
pub(crate) const BUDGET: Duration = Duration::from_secs(30);

/// A server and all it stands on.
pub(crate) struct Rig {
    pub(crate) world: Arc<TestWorld>,
    pub(crate) probe: Arc<Probe>,
    pub(crate) log: Arc<Log>,
    pub(crate) records: Arc<ScriptedRecords>,
    pub(crate) host: Arc<ScriptedHost>,
    pub(crate) server: Arc<Server>,
}

impl Rig {
    /// A server that is down.
    pub(crate) fn down() -> Self {
        Self::down_with(|builder| builder)
    }

    /// A server that is down, described further.
    pub(crate) fn down_with(more: impl FnOnce(Builder) -> Builder) -> Self {
        let world = TestWorld::new(1);
        let probe = Arc::new(Probe::new(memfs(&world), world.handle()));
        Self::of(world, probe, more)
    }

    /// A server over this file system.
    pub(crate) fn of(
        world: Arc<TestWorld>,
        probe: Arc<Probe>,
        more: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let log = Arc::new(Log::default());
        let records = Arc::new(ScriptedRecords::new(log.clone()));
        let host = Arc::new(ScriptedHost::new(world.handle(), log.clone()));
        let builder = Server::builder(world.handle())
            .export(Export::new("/", probe.clone()).squash(Squash::None))
            .records(records.clone())
            .host(host.clone())
            .lease(LEASE)
            .stop_budget(BUDGET)
            .identity([7; 16]);
        let server = Arc::new(more(builder).build());
        Self { world, probe, log, records, host, server }
    }

    /// A server that is up.
    pub(crate) fn up() -> Self {
        let rig = Self::down();
        rig.start().expect("it starts");
        rig
    }

    /// A start that is under way.
    pub(crate) fn starting(&self) -> Admin<Result<(), StartError>> {
        let server = self.server.clone();
        Admin::new(async move { server.start().await })
    }

    /// A stop that is under way.
    pub(crate) fn stopping(&self) -> Admin<StopReport> {
        Admin::new(self.server.stop())
    }

    /// A forced end of the grace period that is under way.
    pub(crate) fn ending_grace(&self) -> Admin<bool> {
        let server = self.server.clone();
        Admin::new(async move { server.end_grace().await })
    }

    #[track_caller]
    pub(crate) fn start(&self) -> Result<(), StartError> {
        let server = self.server.clone();
        wait(&self.world, async move { server.start().await })
    }

    #[track_caller]
    pub(crate) fn stop(&self) -> StopReport {
        wait(&self.world, self.server.stop())
    }

    #[track_caller]
    pub(crate) fn restart(&self) {
        assert!(self.stop().is_clean());
        self.start().expect("it starts again");
    }

    #[track_caller]
    pub(crate) fn instance(&self) -> Arc<Instance> {
        self.server.instance().expect("the server is up")
    }

    /// A client that has said RECLAIM_COMPLETE.
    #[track_caller]
    pub(crate) fn client(&self, owner: &str) -> Client {
        Client::new(&self.instance(), owner, 2)
    }

    /// A client that has not.
    #[track_caller]
    pub(crate) fn reclaiming(&self, owner: &str) -> Client {
        Client::with_terms(&self.instance(), owner, 2, super::client::FORE)
    }

    /// Why the grace period ended.
    #[track_caller]
    pub(crate) fn grace_ended(&self) -> Option<holdfast_server::GraceEnd> {
        let server = self.server.clone();
        wait(&self.world, async move { server.grace_ended().await })
    }

    #[track_caller]
    pub(crate) fn end_grace(&self) -> bool {
        let server = self.server.clone();
        wait(&self.world, async move { server.end_grace().await })
    }
}

/// Lets everyone take steps, in the order of the chooser, until nobody can.
pub(crate) fn run<T>(
    world: &TestWorld,
    chooser: &mut Chooser,
    workers: &mut [Worker],
    admins: &mut [Admin<T>],
    mut look: impl FnMut(&mut [Worker]),
) {
    loop {
        let mut ready = Vec::new();
        ready.extend((0..workers.len()).filter(|at| workers[*at].is_ready()).map(Actor::Worker));
        ready.extend((0..admins.len()).filter(|at| admins[*at].is_woken()).map(Actor::Admin));
        ready.extend(world.woken_tasks().into_iter().map(Actor::Task));
        if ready.is_empty() {
            return;
        }
        match chooser.pick(&ready) {
            Actor::Worker(at) => workers[at].step(),
            Actor::Admin(at) => {
                admins[at].poll();
            }
            Actor::Task(number) => world.poll_task(number),
        }
        look(workers);
    }
}
