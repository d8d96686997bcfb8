//! The facade that composes the engine's pieces and locks them. A piece is entered through
//! [`State::with`] only: one synchronous step, never across an await.

mod grace;
mod local;
mod locks;
mod making;
mod opens;
mod piece;
mod session;
mod slot_memory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_base::{Instant, World};
use holdfast_engine::server::{Clients, Dropped, FileKey, Files, Grace, States};
use holdfast_engine::session::Memory;
use holdfast_engine::{Seed, limits};
use holdfast_proto::nfs4::{ClientId, SessionId, Status};

pub(crate) use local::Local;
pub(crate) use making::MakerGuard;
pub(crate) use opens::{OpenFiles, OpenRequest};
pub(crate) use piece::Piece;
pub use session::SessionStatus;
pub(crate) use session::{ConnectionBinding, Session, SessionCell, SlotClaim};
pub(crate) use slot_memory::SlotMemory;

use crate::counters::{Counters, count};
use crate::records::ClientRecords;
use crate::sync::{AtomicBool, PoisonError, RwLock};

const SHARDS: usize = 16;

/// In the order of the ids: a sweep takes the dead in an order that follows from them.
type SessionTable = RwLock<BTreeMap<SessionId, Arc<SessionCell>>>;

/// What tells one instance's state from another's, and where it begins.
pub(crate) struct Origin {
    /// In every id this instance makes.
    pub(crate) tag: [u8; 4],
    pub(crate) lease: Duration,
    pub(crate) grace: Grace,
    pub(crate) records: Arc<dyn ClientRecords>,
}

/// All state of one instance.
pub(crate) struct State {
    pub(crate) world: Arc<dyn World>,
    pub(crate) counters: Counters,
    pub(crate) lease: Duration,
    pub(crate) slot_memory: Arc<SlotMemory>,
    clients: Piece<Clients>,
    sessions: [SessionTable; SHARDS],
    files: [Piece<Files>; SHARDS],
    opens: [Piece<States<OpenFiles>>; SHARDS],
    making: making::Making,
    local: local::LocalLocks,
    grace: Piece<Grace>,
    /// False once the grace period is over: then nobody asks the piece any more.
    grace_is_on: AtomicBool,
    /// Entered before the clients' piece: who is on record and who has reclaimed change as one.
    records: Piece<Arc<dyn ClientRecords>>,
    stopping: AtomicBool,
    /// Whether the last sweep asked sessions for slots back.
    asks_for_slots: AtomicBool,
}

impl State {
    pub(crate) fn new(world: Arc<dyn World>, origin: Origin) -> Self {
        let mut random = [0; 16];
        world.random(&mut random);
        let seed = Seed::new(random);
        let Origin { tag, lease, grace, records } = origin;
        let shard = |n| States::new(tag, n as u8, limits::STATES_PER_SHARD);
        Self {
            world,
            counters: Counters::default(),
            lease,
            slot_memory: Arc::default(),
            clients: Piece::new(Clients::new(u32::from_be_bytes(tag))),
            sessions: std::array::from_fn(|_| RwLock::default()),
            files: std::array::from_fn(|_| Piece::new(Files::new(seed))),
            opens: std::array::from_fn(|n| Piece::new(shard(n))),
            making: making::Making::new(),
            local: local::LocalLocks::new(),
            grace_is_on: AtomicBool::new(grace.is_on()),
            grace: Piece::new(grace),
            records: Piece::new(records),
            stopping: AtomicBool::new(false),
            asks_for_slots: AtomicBool::new(false),
        }
    }

    /// Enters a piece for one synchronous step.
    ///
    /// # Errors
    /// `SERVERFAULT`: an earlier step panicked in this piece.
    pub(crate) async fn with<T, R>(
        &self,
        piece: &Piece<T>,
        step: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Status> {
        self.world.pause().await;
        self.enter(piece, step)
    }

    fn enter<T, R>(&self, piece: &Piece<T>, step: impl FnOnce(&mut T) -> R) -> Result<R, Status> {
        piece.enter(step).map_err(|_poisoned| {
            count(&self.counters.poisoned);
            Status::SERVERFAULT
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.world.now()
    }

    /// The record of all clients: the wide piece.
    pub(crate) const fn clients(&self) -> &Piece<Clients> {
        &self.clients
    }

    pub(crate) fn files(&self, file: &FileKey) -> &Piece<Files> {
        &self.files[shard_of(file)]
    }

    fn opens_of(&self, client: ClientId) -> &Piece<States<OpenFiles>> {
        &self.opens[client.0 as usize % SHARDS]
    }

    /// Whether a client has anything open or locked. For use inside the clients' piece.
    pub(crate) fn has_opens(&self, client: ClientId) -> bool {
        let held = |states: &mut States<OpenFiles>| states.has_client(client);
        self.enter(self.opens_of(client), held).unwrap_or(true)
    }

    fn table(&self, id: &SessionId) -> &SessionTable {
        &self.sessions[usize::from(id.0[7] ^ id.0[11]) % SHARDS]
    }

    /// The session of this id.
    ///
    /// # Errors
    /// `BADSESSION`: there is none.
    pub(crate) fn session(&self, id: &SessionId) -> Result<Arc<SessionCell>, Status> {
        let table = self.table(id).read().unwrap_or_else(PoisonError::into_inner);
        table.get(id).cloned().ok_or(Status::BADSESSION)
    }

    pub(crate) fn add_session(&self, cell: Arc<SessionCell>) {
        let table = self.table(&cell.id).write();
        table.unwrap_or_else(PoisonError::into_inner).insert(cell.id, cell);
    }

    /// Takes a session out of the table. Requests that run on it go on to their end.
    pub(crate) fn remove_session(&self, id: &SessionId) {
        let table = self.table(id).write();
        let cell = table.unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(cell) = cell {
            cell.kill();
        }
    }

    /// Whether any of these sessions executes a request. For use inside the clients' piece.
    pub(crate) fn any_busy(&self, sessions: &[SessionId]) -> bool {
        let busy = |cell: Arc<SessionCell>| cell.peek(|session| session.slots.busy() > 0);
        sessions.iter().any(|id| self.session(id).is_ok_and(busy))
    }

    /// What every session has, by id. Sessions that come or go meanwhile may be missing.
    pub(crate) fn session_statuses(&self) -> Vec<SessionStatus> {
        let mut all = Vec::new();
        for table in &self.sessions {
            let table = table.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(table.values().map(|cell| cell.status()));
        }
        all.sort_by_key(|status| status.id);
        all
    }

    /// Drops sessions, opens and locks of a client that is no more, and its name from the record.
    pub(crate) async fn drop_client(&self, dropped: &Dropped) {
        self.forget_record(dropped).await;
        dropped.sessions.iter().for_each(|id| self.remove_session(id));
        let shard = self.opens_of(dropped.client);
        let opens = self.with(shard, |states| states.remove_client(dropped.client)).await;
        for (name, state) in opens.unwrap_or_default() {
            let file = state.file();
            // A poisoned piece was counted; the rest of the client still goes.
            let forgotten = self.with(self.files(file), |files| files.forget(file, name)).await;
            self.note_given_up(file, forgotten.unwrap_or_default());
        }
    }

    /// Ends the clients whose lease is over, and forgets sessions that died.
    pub(crate) async fn expire(&self) {
        let now = self.now();
        let used = |id| {
            let cell = self.session(&id).ok()?;
            Some(cell.peek(|session| if session.slots.busy() > 0 { now } else { session.used }))
        };
        let expire = |clients: &mut Clients| {
            let expired = clients.expire(now, self.lease, used);
            // In the same step: nobody is admitted whose client is no more.
            let sessions = expired.iter().flat_map(|dropped| &dropped.sessions);
            sessions.for_each(|id| self.remove_session(id));
            expired
        };
        let expired = self.with(&self.clients, expire).await;
        for dropped in expired.unwrap_or_default() {
            count(&self.counters.clients_expired);
            self.drop_client(&dropped).await;
        }
        self.forget_dead_sessions(now).await;
        self.retarget_slots();
        self.tick_grace(now).await;
    }

    async fn forget_dead_sessions(&self, now: Instant) {
        let mut dead = Vec::new();
        for table in &self.sessions {
            let table = table.read().unwrap_or_else(PoisonError::into_inner);
            dead.extend(table.values().filter(|cell| cell.is_over()).cloned());
        }
        for cell in dead {
            self.remove_session(&cell.id);
            // Its death renews nothing; where nobody can tell its last use, the lease is kept.
            let used = cell.peek(|session| Some(session.used)).unwrap_or(now);
            let forget = |c: &mut Clients| c.session_destroyed(cell.client, cell.id, used);
            let _ = self.with(&self.clients, forget).await;
        }
    }

    /// Asks sessions for slots back while memory for them is scarce.
    fn retarget_slots(&self) {
        let asks = self.slot_memory.level() != Memory::Plentiful;
        if !self.asks_for_slots.swap(asks, Ordering::Relaxed) && !asks {
            return;
        }
        for table in &self.sessions {
            let table = table.read().unwrap_or_else(PoisonError::into_inner);
            table.values().for_each(|cell| cell.retarget());
        }
    }

    /// Forgets the dead sessions of one client. For use inside the clients' piece.
    pub(crate) fn forget_dead_sessions_of(&self, clients: &mut Clients, client: ClientId) {
        let now = self.now();
        for id in clients.sessions(client).to_vec() {
            if let Ok(cell) = self.session(&id)
                && cell.is_over()
            {
                let used = cell.peek(|session| Some(session.used)).unwrap_or(now);
                self.remove_session(&id);
                clients.session_destroyed(client, id, used);
            }
        }
    }

    /// Refuses new work from now on.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

fn shard_of(file: &FileKey) -> usize {
    let mix = |hash: usize, byte: &u8| hash.wrapping_mul(31).wrapping_add(usize::from(*byte));
    file.as_slice().iter().fold(0, mix) % SHARDS
}

#[cfg(test)]
mod tests;
