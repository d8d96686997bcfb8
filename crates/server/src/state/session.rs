//! A session, and the claim on one of its slots that a running compound holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_base::Instant;
use holdfast_engine::limits;
use holdfast_engine::server::SessionTerms;
use holdfast_engine::session::{Claim, Memory, SlotTable};
use holdfast_proto::nfs4::{ClientId, DirFromClient, DirFromServer, SessionId, Status};

use super::Piece;
use super::slot_memory::{SlotMemory, SlotShare};
use crate::sync::{AtomicBool, Mutex, PoisonError};

/// The part of a session that changes.
pub(crate) struct Session {
    pub(crate) slots: SlotTable,
    /// When a request was last admitted.
    pub(crate) used: Instant,
    connections: Vec<(u64, DirFromServer)>,
    share: SlotShare,
}

impl Session {
    /// How much memory there is for slots.
    pub(crate) fn memory(&self) -> Memory {
        self.share.level()
    }

    /// Counts what the slots take after a change.
    pub(crate) fn account(&mut self) {
        self.share.set(self.slots.bytes());
    }

    fn complete(&mut self, claim: Claim, reply: Option<&[u8]>) -> bool {
        let done = self.slots.complete(claim, reply);
        self.account();
        done
    }

    /// Binds a connection for requests, if it is not bound. Answers whether it was not. When
    /// there are too many, the one that was bound first is not any more.
    pub(crate) fn bind(&mut self, connection: u64, dir: DirFromServer) -> bool {
        if self.is_bound(connection) {
            return false;
        }
        if self.connections.len() >= limits::CONNECTIONS_PER_SESSION {
            self.connections.remove(0);
        }
        self.connections.push((connection, dir));
        true
    }

    /// BIND_CONN_TO_SESSION: answers for what the connection is bound now, and whether it was
    /// not bound before.
    ///
    /// # Errors
    /// `INVAL`: it is bound for something else (RFC 8881 §18.34.3).
    pub(crate) fn rebind(
        &mut self,
        connection: u64,
        asked: DirFromClient,
    ) -> Result<(DirFromServer, bool), Status> {
        let dir = match asked {
            DirFromClient::FORE => DirFromServer::FORE,
            DirFromClient::BACK => DirFromServer::BACK,
            DirFromClient::FORE_OR_BOTH | DirFromClient::BACK_OR_BOTH => DirFromServer::BOTH,
            _ => return Err(Status::INVAL),
        };
        let Some(bound) = self.connections.iter_mut().find(|bound| bound.0 == connection) else {
            return Ok((dir, self.bind(connection, dir)));
        };
        let may_be_both = match asked {
            DirFromClient::FORE_OR_BOTH => bound.1 != DirFromServer::BACK,
            DirFromClient::BACK_OR_BOTH => bound.1 != DirFromServer::FORE,
            _ => false,
        };
        if bound.1 != dir && !may_be_both {
            return Err(Status::INVAL);
        }
        bound.1 = dir;
        Ok((dir, false))
    }

    pub(crate) fn is_bound(&self, connection: u64) -> bool {
        self.connections.iter().any(|bound| bound.0 == connection)
    }

    /// Asks the client for slots back, or not any more.
    pub(super) fn retarget(&mut self) {
        match self.share.level() {
            Memory::Plentiful => self.slots.relax(),
            Memory::Scarce | Memory::Full => self.slots.shrink(),
        }
    }
}

/// A session in the table: what never changes, and the piece that does.
pub(crate) struct SessionCell {
    pub(crate) id: SessionId,
    pub(crate) client: ClientId,
    pub(crate) terms: SessionTerms,
    pub(crate) piece: Piece<Session>,
    dead: AtomicBool,
}

impl SessionCell {
    /// A session of which the client asked for `asked` slots.
    pub(crate) fn new(
        (id, client): (SessionId, ClientId),
        terms: SessionTerms,
        asked: u32,
        memory: Arc<SlotMemory>,
        now: Instant,
    ) -> Self {
        let slots = SlotTable::new(terms.fore.maxrequests, asked.min(limits::SLOTS));
        let (connections, share) = (Vec::new(), SlotShare::new(memory));
        let piece = Piece::new(Session { slots, used: now, connections, share });
        Self { id, client, terms, piece, dead: AtomicBool::new(false) }
    }

    /// No request is admitted from now on.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Reads the session for a decision elsewhere. A poisoned one is dead and reads as it is not
    /// there.
    pub(crate) fn peek<R: Default>(&self, read: impl FnOnce(&Session) -> R) -> R {
        self.piece.enter(|session| read(session)).unwrap_or_else(|_poisoned| {
            self.kill();
            R::default()
        })
    }

    /// Asks for slots back while memory is scarce.
    pub(super) fn retarget(&self) {
        if self.piece.enter(Session::retarget).is_err() {
            self.kill();
        }
    }

    /// Forgets a connection that was closed.
    pub(crate) fn unbind(&self, connection: u64) {
        let unbind = |session: &mut Session| session.connections.retain(|b| b.0 != connection);
        if self.piece.enter(unbind).is_err() {
            self.kill();
        }
    }
}

/// The right to execute one request. Dropped without [`SlotClaim::complete`] - by a panic, or by
/// a stop that ran out of time - it takes the session with it: what was half done is never done
/// again, and the client learns that it must ask what became of it.
pub(crate) struct SlotClaim {
    cell: Arc<SessionCell>,
    claim: Option<Claim>,
}

impl SlotClaim {
    pub(crate) const fn new(cell: Arc<SessionCell>, claim: Claim) -> Self {
        Self { cell, claim: Some(claim) }
    }

    pub(crate) const fn cell(&self) -> &Arc<SessionCell> {
        &self.cell
    }

    /// Ends the request with its true result. The lease begins anew (RFC 8881 §8.3).
    pub(crate) fn complete(mut self, reply: Option<&[u8]>, now: Instant) {
        let Some(claim) = self.claim.take() else { return };
        let done = self.cell.piece.enter(|session| {
            session.used = session.used.max(now);
            session.complete(claim, reply)
        });
        if done != Ok(true) {
            self.cell.kill();
        }
    }
}

impl Drop for SlotClaim {
    fn drop(&mut self) {
        let Some(claim) = self.claim else { return };
        #[cfg(feature = "bugs")]
        if holdfast_engine::bugs::is_on(holdfast_engine::bugs::Bug::ClaimForgotten) {
            let _ = self.cell.piece.enter(|session| session.slots.forget(claim));
            return;
        }
        self.cell.kill();
        // The session is forgotten when nothing of it runs any more; a poisoned one is anyway.
        let _ = self.cell.piece.enter(|session| session.complete(claim, None));
    }
}

/// A connection, as sessions know it, and the sessions it is bound to.
pub(crate) struct ConnectionBinding {
    pub(crate) id: u64,
    sessions: Mutex<Vec<Arc<SessionCell>>>,
}

impl ConnectionBinding {
    pub(crate) const fn new(id: u64) -> Self {
        Self { id, sessions: Mutex::new(Vec::new()) }
    }

    pub(crate) fn has_session(&self) -> bool {
        !self.sessions.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Remembers that a session is bound to this connection.
    pub(crate) fn bound(&self, cell: Arc<SessionCell>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|other| !other.is_dead() && other.id != cell.id);
        sessions.push(cell);
    }
}

impl Drop for ConnectionBinding {
    fn drop(&mut self) {
        let sessions = self.sessions.get_mut().unwrap_or_else(PoisonError::into_inner);
        sessions.drain(..).for_each(|cell| cell.unbind(self.id));
    }
}
