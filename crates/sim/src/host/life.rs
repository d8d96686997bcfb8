//! What an operator does to a simulated server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_server::{Phase, Server, StartError, StopReport};

use super::Host;
use super::around::Around;
use crate::executor::SimWorld;
use crate::rng::Rng;
use crate::storage::View;
use crate::sync::lock;

/// What is needed to look at an end.
struct Running {
    server: Arc<Server>,
    world: SimWorld,
    around: Arc<Around>,
    view: Option<Arc<View>>,
}

impl Host {
    fn begins(&self, what: &'static str) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.sim.journal.count("operator", what);
        self.sim.journal.line(&self.name, || what.into());
    }

    fn now_running(&self) -> Option<Running> {
        let process = lock(&self.process);
        let process = process.as_ref()?;
        let (server, world) = (process.server.clone(), process.world.clone());
        let (around, view) = (process.around.clone(), lock(&process.view).clone());
        Some(Running { server, world, around, view })
    }

    /// Starts the next instance, in the process there is or in a new one.
    pub async fn start(&self) {
        let server = {
            let mut process = lock(&self.process);
            process.get_or_insert_with(|| self.process()).server.clone()
        };
        self.begins("start");
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
        let (view, alive, workers) = {
            let process = lock(&self.process);
            let Some(process) = process.as_ref() else { return };
            (lock(&process.view).take(), process.world.alive(), process.around.workers())
        };
        if server.phase() != Phase::Down {
            let message = format!("{}: {:?} after a failed start", self.name, server.phase());
            self.sim.journal.violation("operator", message);
        }
        self.sim.checkers.lives.stopped(&self.name, workers);
        if let Some(view) = view {
            view.end();
            let (generation, open) = (view.generation(), view.open_files());
            self.sim.checkers.leaks.left(&self.name, generation, alive, open);
        }
    }

    /// Two stops and a start at the same time.
    pub async fn stop_twice_and_start(self: &Arc<Self>) {
        let Some(Running { server, view, .. }) = self.now_running() else { return };
        self.begins("two stops and a start");
        self.count(&server);
        let (began, beside) = (self.sim.now(), self.look_around());
        let (first, second) = (server.stop(), server.stop());
        let (host, view2) = (self.clone(), view.clone());
        self.sim.outside.go(async move {
            let report = first.await;
            host.stopped(&report, host.sim.now().since(began));
            view2.inspect(|view| view.end());
        });
        let report = second.await;
        view.inspect(|view| view.end());
        beside.look();
        self.stopped(&report, self.sim.now().since(began));
        self.start().await;
    }

    /// Stops the instance and waits for its end; the process stays.
    pub async fn stop(&self) {
        let Some(Running { server, world, around, view }) = self.now_running() else { return };
        self.begins("stop");
        self.count(&server);
        let (began, beside) = (self.sim.now(), self.look_around());
        let report = server.stop().await;
        if let Some(view) = &view {
            view.end();
            self.sim.checkers.leaks.abandoned(&self.name, &report, view.abandoned());
        }
        beside.look();
        self.stopped(&report, self.sim.now().since(began));
        self.sim.checkers.lives.stopped(&self.name, around.workers());
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

    /// Stops, and starts with another lease or another list of exports.
    pub async fn reconfigure(&self, rng: &mut Rng) {
        self.stop().await;
        self.begins("reconfigure");
        {
            let mut setup = lock(&self.setup);
            *setup = setup.other(&self.sim.options, rng);
            self.sim.journal.line(&self.name, || format!("{setup:?}"));
        }
        if let Some(process) = lock(&self.process).as_mut() {
            process.server = self.server(&process.world, &process.around, &process.view);
        }
        self.start().await;
    }

    /// Changes the number of workers while everything goes on, with a stop beside it or not.
    pub async fn resize(&self, threads: usize, beside_a_stop: bool) {
        let Some(Running { server, around, .. }) = self.now_running() else { return };
        self.sim.journal.count("operator", "resize");
        self.sim.journal.line(&self.name, || format!("{threads} workers"));
        match server.resize(threads).await {
            Ok(_) if beside_a_stop => self.sim.journal.count("operator", "resize at a stop"),
            Ok(reached) if reached == threads && around.workers() == threads => {}
            Err(_) if self.may_fail() => {}
            other => {
                let (name, workers) = (&self.name, around.workers());
                let message = format!("{name}: {threads} workers became {workers}, {other:?}");
                self.sim.journal.violation("operator", message);
            }
        }
    }

    /// Ends the grace period by an administrator's word.
    pub async fn end_grace(&self) {
        let Some(Running { server, .. }) = self.now_running() else { return };
        if !server.end_grace().await {
            return self.sim.journal.count("operator", "no grace to end");
        }
        self.sim.journal.count("operator", "grace ended by word");
        self.sim.journal.line(&self.name, || "grace ended by word".into());
        if server.grace_ended().await.is_none() || server.end_grace().await {
            let message = format!("{}: the grace period did not end", self.name);
            self.sim.journal.violation("operator", message);
        }
    }

    /// Ends the process without a word.
    pub fn kill(&self) {
        let Some(process) = lock(&self.process).take() else { return };
        self.begins("kill");
        self.count(&process.server);
        process.world.kill();
        process.drivers.iter().for_each(|driver| driver.cut());
        self.sim.checkers.lives.killed(&self.name);
        self.group.forget_buffers();
        if let Some(view) = lock(&process.view).as_ref() {
            view.end();
        }
    }

    /// Adds up what an instance counted.
    fn count(&self, server: &Server) {
        let panics = self.disk.take_panics() as u64;
        let Some(instance) = server.instance() else { return };
        let mut counters = instance.counters();
        // Those that the storage began are contained, and no fault of the server.
        counters.panics = counters.panics.saturating_sub(panics);
        self.sim.journal.add("server", "replays", counters.replays);
        self.sim.journal.add("server", "compounds", counters.compounds);
        self.sim.journal.add("server", "clients expired", counters.clients_expired);
        let generation = self.generation.load(Ordering::Relaxed);
        self.sim.checkers.leaks.counters(&self.name, generation, &counters);
        let recorded = self.served.of(generation).map_or(0, |(_, recorded)| recorded);
        self.sim.checkers.lives.grace(&self.name, generation, &counters, recorded);
    }
}
