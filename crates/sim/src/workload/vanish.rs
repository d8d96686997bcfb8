//! A client that falls silent with a lock that another one wants: that one gets it when the lease
//! is over.

use std::sync::Arc;
use std::time::Duration;

use super::Actor;
use crate::checkers::locks::Kind;
use crate::client::Client;
use crate::rng::Rng;

/// The file that a client locks and then falls silent.
pub const KEPT: &str = "kept";

/// All bytes of a file.
const ALL: (u64, u64) = (0, u64::MAX);

/// The most that a client is silent beyond its lease.
const SILENT_MS: u64 = 20_000;

/// A client that falls silent again and again, with a lock that another one wants.
pub async fn vanishes(silent: Arc<Client>, other: Arc<Client>, rng: Rng) {
    let sim = silent.sim.clone();
    let mut actors = [Actor::new(&silent, 0, rng.split(1)), Actor::new(&other, 0, rng.split(2))];
    for actor in &mut actors {
        actor.set_up().await;
    }
    let [vanishing, waiting] = &mut actors;
    for _ in 0..sim.options.vanishes {
        if sim.faults() && !sim.journal.is_broken() {
            vanishing.vanish(waiting).await;
        }
    }
    for actor in actors {
        if sim.journal.is_broken() {
            return;
        }
        sim.checkers.liveness.ends(&actor.name);
        actor.client.unmount().await;
        sim.checkers.liveness.ends(&actor.client.name);
    }
}

impl Actor {
    /// Locks a file and falls silent for longer than its lease; another one gets the lock.
    async fn vanish(&mut self, other: &mut Self) {
        let Some(mut at) = self.begin_locks(KEPT, 3).await else { return };
        let _ = self.lock_range(&mut at, 0, ALL, Kind::Write).await;
        let silent =
            self.sim.options.lease_max() + Duration::from_millis(self.rng.between(1, SILENT_MS));
        self.client.partition(silent);
        let until = self.sim.now() + silent;
        if let Some(mut taken) = other.begin_locks(KEPT, 3).await {
            while self.sim.now() < until && !self.sim.journal.is_broken() {
                let locked = other.lock_range(&mut taken, 0, ALL, Kind::Write).await;
                if locked.is_err() || taken.has_all() {
                    break;
                }
                self.sim.after(Duration::from_millis(self.rng.between(1, 1_000))).await;
            }
            if at.has_all() && taken.has_all() {
                self.sim.journal.count("locks", "taken over");
            }
            other.close_locked(&taken).await;
        }
        self.close_locked(&at).await;
    }
}
