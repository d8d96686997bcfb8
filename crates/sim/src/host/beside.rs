//! How the servers fare beside which one stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_server::Phase;

use super::Host;
use super::driver::Wake;
use crate::checkers::neighbours::Neighbour;
use crate::client::wire;
use crate::sync::lock;

/// A server that was up when another one began to stop.
struct Seen {
    host: Arc<Host>,
    generation: Option<u64>,
    events: u64,
}

/// The servers beside one that stops.
pub(super) struct Beside {
    stops: String,
    seen: Vec<Seen>,
}

impl Host {
    /// Notes who is up as a stop begins, and looks at them again within a second.
    pub(super) fn look_around(&self) -> Arc<Beside> {
        let mut all = self.group.hosts();
        all.retain(|host| host.name != self.name && host.generation_up().is_some());
        let seen = |host: Arc<Self>| Seen {
            generation: host.generation_up(),
            events: host.events.load(Ordering::Relaxed),
            host,
        };
        let seen: Vec<_> = all.into_iter().map(seen).collect();
        let beside = Arc::new(Beside { stops: self.name.clone(), seen });
        if !beside.seen.is_empty() {
            let (later, sim) = (beside.clone(), self.sim.clone());
            let wait = Duration::from_millis(lock(&self.rng).below(1_000));
            self.sim.outside.go(async move {
                sim.after(wait).await;
                later.look();
            });
        }
        beside
    }

    /// The generation that is up.
    fn generation_up(&self) -> Option<u64> {
        let process = lock(&self.process);
        let is_up = process.as_ref()?.server.phase() == Phase::Up;
        is_up.then(|| self.generation.load(Ordering::Relaxed))
    }

    /// Whether a NULL call over a new connection is answered at once.
    fn answers(&self) -> bool {
        let process = lock(&self.process);
        let Some(process) = process.as_ref() else { return false };
        let Some(mut connection) = process.server.connect(Arc::new(Wake::default())) else {
            return false;
        };
        let mut buffers = lock(&process.buffers);
        let call = wire::null();
        let Some(space) = connection.space(&mut buffers) else { return false };
        let Some(space) = space.get_mut(..call.len()) else { return false };
        space.copy_from_slice(&call);
        let received = connection.received(call.len(), &mut buffers);
        received.is_ok() && connection.transmit().slices().next().is_some()
    }
}

impl Beside {
    /// Looks at those to whom nothing else was done meanwhile.
    pub(super) fn look(&self) {
        for Seen { host, generation, events } in &self.seen {
            if host.events.load(Ordering::Relaxed) == *events {
                let generations = [*generation, host.generation_up()];
                let neighbour = Neighbour { generations, answers: host.answers() };
                host.sim.checkers.neighbours.seen(&host.name, &self.stops, neighbour);
            }
        }
    }
}
