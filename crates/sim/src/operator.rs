//! Who starts and stops the servers, and crashes what can crash, while faults go on.

use std::sync::Arc;
use std::time::Duration;

use crate::host::Host;
use crate::rng::Rng;
use crate::sim::Sim;

/// One thing that happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Stop,
    Kill,
    Crash,
    Release,
    Resize,
    Reconfigure,
}

/// The most workers that a resize asks for.
const WORKERS_MAX: u64 = 8;

/// Starts the servers, and lets happen to each what the options say.
pub fn begin(sim: &Arc<Sim>, hosts: &[Arc<Host>], rng: &Rng) {
    for (n, host) in hosts.iter().enumerate() {
        let (sim2, host, rng) = (sim.clone(), host.clone(), rng.split(n as u64));
        let who = format!("operator of {}", host.name);
        sim.checkers.liveness.begins(&who, "waits");
        sim.outside.go(async move {
            run(&sim2, &host, rng).await;
            sim2.checkers.liveness.ends(&who);
        });
    }
}

fn plan(sim: &Sim, rng: &mut Rng) -> Vec<(u64, Event)> {
    let options = &sim.options;
    let end = options.faults.as_nanos() as u64;
    let mut events = Vec::new();
    let mut add = |count: u32, event: Event| {
        events.extend((0..count).map(|_| (rng.below(end), event)));
    };
    add(options.restarts, Event::Stop);
    add(options.kills, Event::Kill);
    add(options.storage_crashes, Event::Crash);
    add(u32::from(options.hang_per_10k > 0) * 3, Event::Release);
    add(options.resizes, Event::Resize);
    add(options.reconfigures, Event::Reconfigure);
    events.sort_by_key(|(at, _)| *at);
    events
}

async fn run(sim: &Arc<Sim>, host: &Arc<Host>, mut rng: Rng) {
    let began = sim.now();
    let turn = host.group.turn(false).await;
    start(sim, host, &mut rng, true).await;
    drop(turn);
    for (at, event) in plan(sim, &mut rng) {
        let until = Duration::from_nanos(at).saturating_sub(sim.now().since(began));
        sim.after(until).await;
        let _turn = host.group.turn(event == Event::Kill).await;
        happen(sim, host, event, &mut rng).await;
    }
}

async fn happen(sim: &Arc<Sim>, host: &Arc<Host>, event: Event, rng: &mut Rng) {
    match event {
        Event::Stop if rng.chance(250) => host.stop_twice_and_start().await,
        Event::Stop => {
            host.stop().await;
            start(sim, host, rng, false).await;
        }
        Event::Kill => {
            let fellows = host.group.fellows(host);
            if fellows.len() > 1 {
                sim.journal.count("operator", "kill of several servers");
            }
            fellows.iter().for_each(|fellow| fellow.kill());
            if rng.chance(500) {
                host.disk.crash();
            }
            for fellow in fellows {
                start(sim, &fellow, rng, false).await;
            }
        }
        Event::Crash => host.disk.crash(),
        Event::Release => host.disk.release(),
        Event::Resize => resize(sim, host, rng).await,
        Event::Reconfigure => {
            host.reconfigure(rng).await;
            end_grace(sim, host, rng).await;
        }
    }
}

async fn start(sim: &Sim, host: &Host, rng: &mut Rng, at_once: bool) {
    if !at_once && !sim.options.restart_at_once {
        sim.after(Duration::from_millis(rng.below(3_000))).await;
    }
    host.start().await;
    end_grace(sim, host, rng).await;
}

/// The administrator does not always wait for the grace period's own end.
async fn end_grace(sim: &Sim, host: &Host, rng: &mut Rng) {
    if rng.chance(sim.options.force_grace_permille) {
        sim.after(Duration::from_millis(rng.below(2_000))).await;
        host.end_grace().await;
    }
}

async fn resize(sim: &Arc<Sim>, host: &Arc<Host>, rng: &mut Rng) {
    let workers = rng.between(1, WORKERS_MAX) as usize;
    if rng.chance(600) {
        return host.resize(workers, false).await;
    }
    let resized = host.clone();
    sim.outside.go(async move { resized.resize(workers, true).await });
    host.stop().await;
    start(sim, host, rng, false).await;
}
