//! One run: a seed becomes a world, faults go on for a while, then everything must come to an end
//! and leave nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_base::Instant;
use holdfast_vfs::Fsid;
use holdfast_vfs::memfs::{MemFs, MemFsOptions};

use crate::checkers::disk::Disk;
use crate::client::Client;
use crate::executor::{Ended, Executor};
use crate::host::group::Group;
use crate::host::{Host, STOP_BUDGET};
use crate::journal::{Journal, Tracing, Violation};
use crate::options::Options;
use crate::rng::Rng;
use crate::sim::Sim;
use crate::storage::Storage;
use crate::sync::lock;
use crate::workload::{KEPT, LOCKED, RECORDS, SHARED_DIR, probe};
use crate::{operator, participants};

/// Within which everybody must be done when faults are over, beside what leases and the steps
/// left take.
const CALM: Duration = Duration::from_secs(120);

/// After the last stop, for work that comes too late.
const LATE: Duration = Duration::from_secs(2);

/// The number of the first probing client.
const PROBE: u32 = 900;

/// For each step that may be left.
const CALM_STEP: Duration = Duration::from_secs(15);

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The options it drew.
    pub options: Options,
    /// Follows from all that happened.
    pub digest: u64,
    /// What was counted, by group and kind.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
    /// What was wrong.
    pub violations: Vec<Violation>,
    /// The trace.
    pub lines: Vec<String>,
    /// Virtual time that passed.
    pub time: Duration,
    /// Polls of tasks.
    pub polls: u64,
}

/// Runs a seed with the options that it draws.
pub fn run(seed: u64, tracing: Tracing) -> Outcome {
    let options = Options::draw(&mut Rng::new(seed).split(1));
    run_with(seed, options, tracing)
}

/// Runs a seed with these options.
pub fn run_with(seed: u64, options: Options, tracing: Tracing) -> Outcome {
    let journal = Journal::new(tracing);
    let rng = Rng::new(seed);
    let executor = Executor::new(rng.split(2), journal.clone(), options.preemption());
    let sim = Sim::new(executor.clone(), journal.clone(), options.clone());
    let ran = catch_unwind(AssertUnwindSafe(|| World::new(&sim, &rng).run()));
    if let Err(panic) = ran {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        journal.violation("panic", said.unwrap_or("something"));
    }
    let time = executor.now().since(Instant::from_ns(1_000_000_000));
    sim.outside.kill();
    Outcome {
        seed,
        options,
        digest: journal.value(),
        counts: journal.counts(),
        violations: journal.violations(),
        lines: journal.lines(),
        time,
        polls: executor.polls(),
    }
}

struct World {
    sim: Arc<Sim>,
    hosts: Vec<Arc<Host>>,
}

impl World {
    fn new(sim: &Arc<Sim>, rng: &Rng) -> Self {
        let group = Group::new(sim.options.one_process);
        let host = |n: u64| {
            let options = MemFsOptions {
                limit_bytes: 64 << 20,
                limit_files: 100_000,
                fsid: Fsid { major: 7, minor: n },
            };
            let files = MemFs::new(Arc::new(sim.outside.clone()), options);
            let disk = Storage::new(sim, files, rng.split(100 + n));
            Host::new(sim, &group, n, disk, rng.split(200 + n))
        };
        let hosts: Vec<_> = (0..sim.options.hosts as u64).map(host).collect();
        operator::begin(sim, &hosts, &rng.split(3));
        participants::begin(sim, &hosts, rng);
        Self { sim: sim.clone(), hosts }
    }

    fn run(&self) {
        let sim = &self.sim;
        let over = || sim.journal.is_broken() || sim.checkers.liveness.all_ended();
        let calm = sim.now() + sim.options.faults;
        let ended = self.until(calm, over);
        if sim.journal.is_broken() {
            return;
        }
        sim.end_faults();
        self.hosts.iter().for_each(|host| host.disk.release());
        sim.journal.line("world", || format!("faults are over ({ended:?})"));
        let steps = u32::try_from(sim.options.steps).unwrap_or(u32::MAX);
        let deadline = sim.now() + CALM + sim.options.lease_max() * 2 + CALM_STEP * steps;
        let ended = self.until(deadline, over);
        if ended != Ended::Done {
            return sim.checkers.liveness.time_is_over(&format!("{ended:?}"));
        }
        if !sim.journal.is_broken() {
            self.probe();
        }
        if !sim.journal.is_broken() {
            self.end();
        }
    }

    /// Runs, and looks at all slots whenever nothing moves.
    fn until(&self, deadline: Instant, done: impl Fn() -> bool) -> Ended {
        let quiet = || self.hosts.iter().for_each(|host| host.count_slots());
        self.sim.executor.run_watched(deadline, done, quiet)
    }

    /// Looks for what clients that are gone have left behind.
    fn probe(&self) {
        let sim = &self.sim;
        for (n, host) in self.hosts.iter().enumerate() {
            let client = Client::new(sim, host, PROBE + n as u32, [7; 8]);
            sim.checkers.liveness.begins(&client.name, "probes");
            sim.outside.go(probe(client));
        }
        let over = || sim.journal.is_broken() || sim.checkers.liveness.all_ended();
        let ended = self.until(sim.now() + CALM + sim.options.lease_max() * 2, over);
        if ended != Ended::Done {
            sim.checkers.liveness.time_is_over(&format!("{ended:?}"));
        }
    }

    /// Stops the servers, and looks what is left.
    fn end(&self) {
        let sim = &self.sim;
        self.hosts.iter().for_each(|host| host.has_no_session());
        let stopped = Arc::new(Mutex::new(0));
        for host in &self.hosts {
            let (host, stopped) = (host.clone(), stopped.clone());
            sim.outside.go(async move {
                host.stop().await;
                *lock(&stopped) += 1;
            });
        }
        let all = self.hosts.len();
        sim.executor.run(sim.now() + STOP_BUDGET * 2, || *lock(&stopped) == all);
        if *lock(&stopped) != all {
            return sim.journal.violation("operator", "the last stop did not end");
        }
        // Work of an instance that comes too late has time to show itself.
        sim.executor.run(sim.now() + LATE, || false);
        for host in &self.hosts {
            let (name, files) = (&host.name, host.disk.files());
            sim.checkers.disk.compare(name, files);
            let mut names = Disk::names(files, SHARED_DIR);
            names
                .retain(|name| name != RECORDS && name != KEPT && !LOCKED.contains(&name.as_str()));
            sim.checkers.shared.listed(name, &names);
        }
    }
}
