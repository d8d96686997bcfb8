//! The clients of a run, their users, and what befalls them beside that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::nfs4::DirFromClient;

use crate::client::Client;
use crate::host::Host;
use crate::rng::Rng;
use crate::sim::Sim;
use crate::sync::lock;
use crate::workload::{Actor, looks, reboots, vanishes};

/// The number of the first client that falls silent; the next one wants what that has.
const VANISHES: u32 = 600;

/// The number of the first client that starts anew.
const REBOOTS: u32 = 700;

/// The number of the first client that looks at the exports.
const LOOKS: u32 = 800;

/// What a connection may be bound for.
const DIRECTIONS: [DirFromClient; 4] = [
    DirFromClient::FORE,
    DirFromClient::BACK,
    DirFromClient::FORE_OR_BOTH,
    DirFromClient::BACK_OR_BOTH,
];

/// Starts all clients.
pub fn begin(sim: &Arc<Sim>, hosts: &[Arc<Host>], rng: &Rng) {
    for id in 0..sim.options.clients {
        let host = &hosts[id % hosts.len()];
        let mut own = rng.split(300 + id as u64);
        let client = Client::new(sim, host, id as u32, own.next().to_be_bytes());
        users(sim, &client, &own);
        partitions(sim, &client, own.split(99));
        session_changes(sim, &client, &own.split(98));
    }
    for (host, n) in hosts.iter().zip(0..) {
        lonely_clients(sim, host, n, &rng.split(400 + u64::from(n)));
    }
}

/// Starts the clients of a server that have no users.
fn lonely_clients(sim: &Arc<Sim>, host: &Arc<Host>, n: u32, rng: &Rng) {
    let client = |first: u32, rng: &mut Rng| {
        let client = Client::new(sim, host, first + n, rng.next().to_be_bytes());
        sim.checkers.liveness.begins(&client.name, "begins");
        client
    };
    if sim.options.reboots > 0 {
        let mut own = rng.split(1);
        sim.outside.go(reboots(client(REBOOTS, &mut own), own));
    }
    if sim.options.vanishes > 0 {
        let mut own = rng.split(3);
        let (silent, other) =
            (client(VANISHES + 2 * n, &mut own), client(VANISHES + 2 * n + 1, &mut own));
        sim.outside.go(vanishes(silent, other, own));
    }
    if sim.options.several_exports {
        let mut own = rng.split(2);
        sim.outside.go(looks(client(LOOKS, &mut own), own));
    }
}

/// Binds connections and makes new sessions now and then.
fn session_changes(sim: &Arc<Sim>, client: &Arc<Client>, rng: &Rng) {
    let (mut binds, mut sessions) = (rng.split(1), rng.split(2));
    let (sim2, client2) = (sim.clone(), client.clone());
    sim.outside.go(async move {
        for _ in 0..sim2.options.binds {
            if !pause(&sim2, &mut binds).await {
                return;
            }
            let (anew, dir) = (binds.chance(600), *binds.pick(&DIRECTIONS));
            client2.bind_connection(anew, dir).await;
        }
    });
    let (sim2, client2) = (sim.clone(), client.clone());
    sim.outside.go(async move {
        for _ in 0..sim2.options.new_sessions {
            if !pause(&sim2, &mut sessions).await {
                return;
            }
            client2.replace_session(sessions.below(4) as u32).await;
        }
    });
}

/// Waits for some moment of the time of faults; `false`: that is over.
async fn pause(sim: &Sim, rng: &mut Rng) -> bool {
    let share = u64::from(sim.options.binds.max(sim.options.new_sessions)) + 1;
    let most = sim.options.faults.as_nanos() as u64 * 2 / share;
    sim.after(Duration::from_nanos(rng.below(most))).await;
    sim.faults()
}

/// Cuts a client off now and then.
fn partitions(sim: &Arc<Sim>, client: &Arc<Client>, mut rng: Rng) {
    let (sim2, client) = (sim.clone(), client.clone());
    sim.outside.go(async move {
        for _ in 0..sim2.options.partitions {
            let pause = rng.below(sim2.options.faults.as_nanos() as u64);
            sim2.after(Duration::from_nanos(pause)).await;
            if !sim2.faults() {
                return;
            }
            let most = sim2.options.lease.as_nanos() as u64 * 2;
            client.partition(Duration::from_nanos(rng.below(most)));
        }
    });
}

/// Starts the users of a client; when the last is done, the client unmounts.
fn users(sim: &Arc<Sim>, client: &Arc<Client>, rng: &Rng) {
    let left = Arc::new(Mutex::new(sim.options.actors));
    let name = client.name.to_string();
    sim.checkers.liveness.begins(&name, "unmounts");
    for number in 0..sim.options.actors as u32 {
        let actor = Actor::new(client, number, rng.split(u64::from(number)));
        let (client, left, name, sim2) = (client.clone(), left.clone(), name.clone(), sim.clone());
        sim.outside.go(async move {
            actor.run().await;
            let last = {
                let mut left = lock(&left);
                *left -= 1;
                *left == 0
            };
            if last && !sim2.journal.is_broken() {
                client.unmount().await;
                sim2.checkers.liveness.ends(&name);
            }
        });
    }
}
