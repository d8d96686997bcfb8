//! What a simulated server finds around it: listeners that may not open, workers that may not
//! start.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_base::BoxFuture;
use holdfast_server::Instance;

use crate::executor::Sleep;
use crate::rng::Rng;
use crate::sim::Sim;
use crate::storage::View;
use crate::sync::lock;

/// What listeners and workers take to end.
const AROUND_MAX: Duration = Duration::from_millis(50);

/// The surroundings of one server.
pub(super) struct Around {
    sim: Arc<Sim>,
    name: String,
    rng: Mutex<Rng>,
    view: Arc<Mutex<Option<Arc<View>>>>,
    workers: AtomicUsize,
}

impl Around {
    /// The surroundings of the server of this name, which has no workers.
    pub(super) fn new(
        sim: &Arc<Sim>,
        name: &str,
        rng: Rng,
        view: &Arc<Mutex<Option<Arc<View>>>>,
    ) -> Arc<Self> {
        let (name, rng, workers) = (name.into(), Mutex::new(rng), AtomicUsize::new(0));
        Arc::new(Self { sim: sim.clone(), name, rng, view: view.clone(), workers })
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.workers.load(Ordering::Relaxed)
    }

    fn fails(&self) -> bool {
        self.sim.faults() && lock(&self.rng).chance(self.sim.options.start_fail_permille)
    }

    fn pause(&self) -> Sleep {
        let most = AROUND_MAX.as_nanos() as u64;
        self.sim.after(Duration::from_nanos(lock(&self.rng).below(most)))
    }
}

impl holdfast_server::Host for Around {
    fn listen(&self, instance: &Arc<Instance>) -> Result<(), String> {
        if self.fails() {
            return Err("no listener".into());
        }
        if let Some(view) = lock(&self.view).as_ref() {
            view.served_by(instance);
            self.sim.checkers.lives.up(&self.name, view.generation());
        }
        Ok(())
    }

    fn unlisten(&self) -> BoxFuture<'static, ()> {
        // A server that is dropped stops; that of a killed process is dropped as well.
        if !lock(&self.view).as_ref().is_some_and(|view| view.has_ended()) {
            self.sim.checkers.lives.down(&self.name);
        }
        Box::pin(self.pause())
    }

    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            self.pause().await;
            if threads > 0 && self.fails() {
                return Err("no thread".into());
            }
            self.workers.store(threads, Ordering::Relaxed);
            Ok(threads)
        })
    }
}
