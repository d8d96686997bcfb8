//! One run of the service: its exports, its state, its connections as values, and its end.

mod connection;
mod crash;
mod place;
mod progress;
mod scope;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_base::{Closed, World};
use holdfast_engine::server::{GivenUp, Grace, GraceEnd};
use holdfast_proto::nfs4::{SessionId, Verifier};

pub use connection::{Connection, ConnectionError, Notify};
pub use crash::CrashRecord;
use crash::{Crashes, caught};
pub(crate) use progress::Progress;
pub use scope::Running;
pub(crate) use scope::Ticket;
use scope::{Describe, Scope};

use crate::counters::{Snapshot, count};
use crate::exports::Exports;
use crate::records::{ClientRecords, MemoryRecords};
use crate::service::{Host, NoHost};
use crate::state::{Origin, SessionStatus, State};
use crate::sync::{AtomicBool, Mutex, PoisonError};
use crate::waiting::within;

/// How often the leases are looked after.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a stop that ran out of its budget waits for what it has aborted.
pub(crate) const ABORT_WAIT: Duration = Duration::from_secs(1);

/// What an instance is started with.
#[derive(Debug)]
pub struct Config {
    /// What is exported.
    pub exports: Exports,
    /// How long a client may be silent before what it holds is taken.
    pub lease: Duration,
    /// Names this server among all servers, over its restarts: clients that find the same name
    /// at two addresses use both as one server.
    pub identity: [u8; 16],
}

/// What an instance takes over from those before it.
pub(crate) struct Heritage {
    /// In every id that the instance makes; differs from that of any instance before it.
    pub(crate) tag: u32,
    /// How long clients may reclaim what the instance before gave them.
    pub(crate) grace: Duration,
    /// Which clients may.
    pub(crate) records: Arc<dyn ClientRecords>,
    /// The record as it was read at the start.
    pub(crate) recorded: Vec<Box<[u8]>>,
    /// Told what panics.
    pub(crate) host: Arc<dyn Host>,
}

/// What the operations of an instance share.
pub(crate) struct Shared {
    pub(crate) state: State,
    pub(crate) exports: Exports,
    /// The identity as text, for the server owner and scope.
    pub(crate) identity: [u8; 32],
    write_verifier: u64,
    next_connection: AtomicU64,
    /// Connections, compounds that wait, and background tasks.
    scope: Scope,
    notifies: Mutex<BTreeMap<u64, Arc<dyn Notify>>>,
    aborted: AtomicBool,
    crashes: Crashes,
}

impl Shared {
    pub(crate) fn lease_s(&self) -> u32 {
        u32::try_from(self.state.lease.as_secs()).unwrap_or(u32::MAX)
    }

    /// What clients compare to know whether unstable data was lost: by this instance's end, or
    /// by the file system (RFC 8881 §18.32.3).
    pub(crate) const fn write_verifier(&self, file_system: u64) -> Verifier {
        Verifier((self.write_verifier ^ file_system).to_be_bytes())
    }

    /// Registers something that a stop must wait for; none when the scope is closed, which what
    /// runs already does not care about.
    fn enter(&self, what: Arc<dyn Describe>) -> Option<Ticket> {
        self.scope.enter(what, self.state.now()).ok()
    }

    /// Writes down a panic that was contained.
    fn crashed(&self, what: String, session: Option<(SessionId, u32)>, panic: &dyn Any) {
        let world = &self.state.world;
        self.crashes.add((world.wall(), world.now()), what, session, panic);
    }

    fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    fn forget_notify(&self, connection: u64) {
        self.notifies.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
    }

    /// Makes every connection look at the instance again.
    fn notify_all(&self) {
        let notifies = self.notifies.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = notifies.values().cloned().collect();
        drop(notifies);
        all.iter().for_each(|notify| notify.notify());
    }
}

/// How a stop went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// What was given up on when the budget was used up; empty after a clean stop.
    pub given_up: Vec<Running>,
}

impl StopReport {
    /// Whether everything came to its own end.
    pub const fn is_clean(&self) -> bool {
        self.given_up.is_empty()
    }
}

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("stopped");
        }
        f.write_str("stopped; gave up on ")?;
        for (at, running) in self.given_up.iter().enumerate() {
            write!(f, "{}{running}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// A running instance.
pub struct Instance {
    shared: Arc<Shared>,
}

impl Instance {
    /// Starts an instance that takes over nothing: no client can reclaim.
    ///
    /// # Errors
    /// [`Closed`]: the world is stopping.
    pub fn start(world: Arc<dyn World>, config: Config) -> Result<Self, Closed> {
        let mut tag = [0; 4];
        world.random(&mut tag);
        let heritage = Heritage {
            tag: u32::from_ne_bytes(tag),
            grace: config.lease,
            records: Arc::new(MemoryRecords::new()),
            recorded: Vec::new(),
            host: Arc::new(NoHost),
        };
        Self::start_after(world, config, heritage)
    }

    /// Starts an instance after others.
    ///
    /// # Errors
    /// [`Closed`]: the world is stopping.
    pub(crate) fn start_after(
        world: Arc<dyn World>,
        config: Config,
        heritage: Heritage,
    ) -> Result<Self, Closed> {
        let mut verifier = [0; 8];
        world.random(&mut verifier);
        let (now, lease) = (world.now(), config.lease);
        let origin = Origin {
            tag: heritage.tag.to_be_bytes(),
            lease,
            grace: Grace::start(now, heritage.grace, lease, heritage.recorded),
            records: heritage.records,
        };
        let mut identity = [0; 32];
        for (pair, byte) in identity.chunks_exact_mut(2).zip(config.identity) {
            pair.copy_from_slice(&hex(byte));
        }
        let shared = Arc::new(Shared {
            state: State::new(world.clone(), origin),
            exports: config.exports,
            identity,
            write_verifier: u64::from_ne_bytes(verifier),
            next_connection: AtomicU64::new(1),
            scope: Scope::default(),
            notifies: Mutex::default(),
            aborted: AtomicBool::new(false),
            crashes: Crashes::new(heritage.tag, heritage.host),
        });
        count(&shared.state.counters.grace_starts);
        let ticket = shared.scope.enter(Arc::new("the sweep of leases"), world.now())?;
        world.spawn(Box::pin(sweep(shared.clone(), ticket)))?;
        Ok(Self { shared })
    }

    /// A new connection's conversation. `notify` is told when the driver should look at it again.
    /// Once the instance stops, the conversation is over before it begins.
    pub fn connect(&self, notify: Arc<dyn Notify>) -> Connection {
        let shared = &self.shared;
        count(&shared.state.counters.connections);
        let id = shared.next_connection.fetch_add(1, Ordering::Relaxed);
        let ticket = shared.enter(Arc::new(ConnectionName(id)));
        let mut notifies = shared.notifies.lock().unwrap_or_else(PoisonError::into_inner);
        notifies.insert(id, notify.clone());
        drop(notifies);
        Connection::new(shared.clone(), id, notify, ticket)
    }

    /// What is exported.
    pub fn exports(&self) -> &Exports {
        &self.shared.exports
    }

    /// What was counted so far.
    pub fn counters(&self) -> Snapshot {
        self.shared.state.counters.snapshot()
    }

    /// What panicked and was contained, oldest first: the last few.
    pub fn crashes(&self) -> Vec<CrashRecord> {
        self.shared.crashes.kept()
    }

    /// What runs now: connections, compounds that wait for a file system, background tasks.
    pub fn running(&self) -> Vec<Running> {
        self.shared.scope.running(self.shared.state.now())
    }

    /// The sessions that clients have now, by id.
    pub fn sessions(&self) -> Vec<SessionStatus> {
        self.shared.state.session_statuses()
    }

    /// Why the grace period ended; none while it goes on.
    pub async fn grace_ended(&self) -> Option<GraceEnd> {
        self.shared.state.grace_ended().await
    }

    /// Ends the grace period now; `false`: there is none, or the record of clients fails: then it
    /// goes on for those who want something new, and its end is recorded as soon as that works.
    pub async fn end_grace(&self) -> bool {
        let Some(_joined) = self.enter("a forced end of the grace period") else { return false };
        self.shared.state.force_grace_end().await
    }

    /// Registers what someone from outside does to the instance: a stop waits for it. None: it
    /// stops.
    pub(crate) fn enter(&self, what: &'static str) -> Option<Ticket> {
        self.shared.enter(Arc::new(what))
    }

    /// Begins the end: no connection and no request is taken any more, every reply is still sent.
    /// Saying it again changes nothing.
    pub fn begin_stop(&self) {
        self.shared.state.stop();
        self.shared.scope.close();
        self.shared.notify_all();
    }

    /// Stops: ready when nothing of this instance runs. What has not come to its end after
    /// `budget` is given up on and named.
    pub fn stop(&self, budget: Duration) -> impl Future<Output = StopReport> + Send + use<> {
        self.begin_stop();
        let shared = self.shared.clone();
        async move {
            if joined_within(&shared, budget).await {
                shared.state.end_local_locks();
                return StopReport::default();
            }
            let given_up = shared.scope.running(shared.state.now());
            shared.aborted.store(true, Ordering::Release);
            shared.notify_all();
            joined_within(&shared, ABORT_WAIT).await;
            shared.state.end_local_locks();
            StopReport { given_up }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

/// Waits for the join, but not longer than this.
async fn joined_within(shared: &Shared, budget: Duration) -> bool {
    #[cfg(feature = "bugs")]
    if holdfast_engine::bugs::is_on(holdfast_engine::bugs::Bug::StopDoesNotJoin) {
        return true;
    }
    let world = &*shared.state.world;
    within(world, world.now() + budget, shared.scope.join()).await.is_some()
}

/// Looks after the leases until the instance stops, whatever panics in one look.
async fn sweep(shared: Arc<Shared>, ticket: Ticket) {
    let world = shared.state.world.clone();
    loop {
        let next = world.sleep(world.now() + SWEEP);
        if ticket.unless_cancelled(next).await.is_none() {
            return;
        }
        if let Err(panic) = caught(shared.state.expire()).await {
            count(&shared.state.counters.panics);
            shared.crashed("the sweep of leases".to_owned(), None, &*panic);
        }
        settle_local_locks(&shared);
    }
}

/// Has file systems give up the locks of clients that are gone. Each file is waited for by itself:
/// a file system that does not answer keeps no other.
fn settle_local_locks(shared: &Arc<Shared>) {
    for file in shared.state.left_locally() {
        let Some(ticket) = shared.enter(Arc::new("giving up local locks")) else { return };
        let (world, shared) = (&shared.state.world, shared.clone());
        let settle = async move {
            let _ticket = ticket;
            shared.state.give_up_locally(&file, GivenUp::default()).await;
        };
        // Refused, the world ends, and the locks with it.
        let _ = world.spawn(Box::pin(settle));
    }
}

struct ConnectionName(u64);

impl Describe for ConnectionName {
    fn describe(&self) -> String {
        format!("connection {}", self.0)
    }
}

const fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}
