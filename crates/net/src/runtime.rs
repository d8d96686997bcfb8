//! Loops, timers and pool: what a service runs on, and the world it makes.

use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use holdfast_base::World;

use crate::config::ServiceConfig;
use crate::conn::Timeouts;
use crate::counters::Counters;
use crate::event_loop::{EventLoop, Setup};
use crate::mailbox::{Mail, Mailbox};
use crate::pool::Pool;
use crate::threads::Threads;
use crate::timers::Timers;
use crate::world::NetWorld;

/// How long threads may take to end beyond the budget of a stop: they have been told, and one
/// that does not end is stuck in the kernel.
const GRACE: Duration = Duration::from_secs(1);

/// What was left when a runtime was closed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Left {
    pub(crate) jobs: usize,
    pub(crate) threads: usize,
}

/// Running loops and threads.
pub(crate) struct Runtime {
    mailboxes: Vec<Arc<Mailbox>>,
    loops: Threads,
    pool: Pool,
    world: Arc<NetWorld>,
}

impl Runtime {
    /// Starts everything; nothing of it is left if that fails.
    pub(crate) fn start(config: &ServiceConfig, counters: &Arc<Counters>) -> io::Result<Self> {
        let count = config.loops.max(1);
        let mailboxes: Vec<_> =
            (0..count).map(|_| Mailbox::new().map(Arc::new)).collect::<rustix::io::Result<_>>()?;
        let timers = Arc::new(Timers::new(Arc::downgrade(&mailboxes[0])));
        let mut loops = Vec::new();
        for (at, mailbox) in mailboxes.iter().enumerate() {
            loops.push(EventLoop::new(Setup {
                mailbox: mailbox.clone(),
                timers: (at == 0).then(|| timers.clone()),
                counters: counters.clone(),
                timeouts: timeouts(config),
                connections: config.connections,
                large_records: config.large_records.max(1),
            })?);
        }
        let pool = Pool::start(config.threads, &config.prepare_thread, counters.clone())?;
        let weak: Vec<_> = mailboxes.iter().map(Arc::downgrade).collect();
        let world = NetWorld::new(weak, pool.queue().clone(), timers, counters.clone());
        let world = Arc::new(world);
        let mut runtime = Self { mailboxes, loops: Threads::default(), pool, world };
        for (number, event_loop) in loops.into_iter().enumerate() {
            let prepare = config.prepare_thread.clone();
            let started = runtime.loops.start(format!("holdfast-loop-{number}"), move || {
                prepare();
                event_loop.run();
            });
            if let Err(error) = started {
                runtime.close(Instant::now());
                return Err(error);
            }
        }
        Ok(runtime)
    }

    /// The world that runs here.
    pub(crate) fn world(&self) -> Arc<dyn World> {
        self.world.clone()
    }

    /// Where to send connections.
    pub(crate) fn loops(&self) -> Vec<Weak<Mailbox>> {
        self.mailboxes.iter().map(Arc::downgrade).collect()
    }

    /// Sends mail to the loop that listens.
    pub(crate) fn send_first(&self, mail: Mail) {
        let _ = self.mailboxes[0].send(mail);
    }

    /// Ends everything: connections and tasks first, then the jobs that worked for them.
    pub(crate) fn close(mut self, until: Instant) -> Left {
        for mailbox in &self.mailboxes {
            mailbox.close();
        }
        let until = until.max(Instant::now() + GRACE);
        let loops = self.loops.join(until);
        let (jobs, threads) = self.pool.stop(until);
        Left { jobs, threads: threads + loops }
    }
}

fn timeouts(config: &ServiceConfig) -> Timeouts {
    Timeouts { record: config.record_timeout.as_secs(), send: config.send_timeout.as_secs() }
}
