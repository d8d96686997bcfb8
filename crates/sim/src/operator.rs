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
}

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
    events.sort_by_key(|(at, _)| *at);
    events
}

async fn run(sim: &Arc<Sim>, host: &Arc<Host>, mut rng: Rng) {
    let began = sim.now();
    host.start().await;
    for (at, event) in plan(sim, &mut rng) {
        let until = Duration::from_nanos(at).saturating_sub(sim.now().since(began));
        sim.after(until).await;
        match event {
            Event::Stop if rng.chance(250) => host.stop_twice_and_start().await,
            Event::Stop => {
                host.stop().await;
                start(sim, host, &mut rng).await;
            }
            Event::Kill => {
                host.kill();
                if rng.chance(500) {
                    host.disk.crash();
                }
                start(sim, host, &mut rng).await;
            }
            Event::Crash => host.disk.crash(),
            Event::Release => host.disk.release(),
        }
    }
}

async fn start(sim: &Sim, host: &Host, rng: &mut Rng) {
    if !sim.options.restart_at_once {
        sim.after(Duration::from_millis(rng.below(3_000))).await;
    }
    host.start().await;
}
