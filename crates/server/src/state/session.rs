//! A session, and the claim on one of its slots that a running compound holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_base::Instant;
use holdfast_engine::limits;
use holdfast_engine::server::SessionTerms;
use holdfast_engine::session::{Claim, SlotTable};
use holdfast_proto::nfs4::{ClientId, DirFromServer, SessionId, Status};

use super::Piece;
use crate::sync::{AtomicBool, Mutex, PoisonError};

/// The part of a session that changes.
pub(crate) struct Session {
    pub(crate) slots: SlotTable,
    /// When a request was last admitted.
    pub(crate) used: Instant,
    connections: Vec<(u64, DirFromServer)>,
}

impl Session {
    /// Whether a connection is or can be bound.
    ///
    /// # Errors
    /// `DELAY`: too many connections are bound.
    pub(crate) fn check_bind(&self, connection: u64) -> Result<(), Status> {
        if self.connections.len() < limits::CONNECTIONS_PER_SESSION || self.is_bound(connection) {
            return Ok(());
        }
        Err(Status::DELAY)
    }

    /// Binds a connection, if it is not: for requests, unless more is asked for. Answers whether
    /// it was not.
    ///
    /// # Errors
    /// As [`Session::check_bind`].
    pub(crate) fn bind(&mut self, connection: u64, dir: DirFromServer) -> Result<bool, Status> {
        self.check_bind(connection)?;
        if let Some(bound) = self.connections.iter_mut().find(|bound| bound.0 == connection) {
            bound.1 = DirFromServer(bound.1.0 | dir.0);
            return Ok(false);
        }
        self.connections.push((connection, dir));
        Ok(true)
    }

    pub(crate) fn is_bound(&self, connection: u64) -> bool {
        self.connections.iter().any(|bound| bound.0 == connection)
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
    pub(crate) fn new(id: SessionId, client: ClientId, terms: SessionTerms, now: Instant) -> Self {
        let slots = SlotTable::new(terms.fore.maxrequests);
        let piece = Piece::new(Session { slots, used: now, connections: Vec::new() });
        Self { id, client, terms, piece, dead: AtomicBool::new(false) }
    }

    /// No request is admitted from now on.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Whether it died and nothing of it runs any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_dead() && self.peek(|session| session.slots.busy()) == 0
    }

    /// Reads the session for a decision elsewhere. A poisoned one is dead and reads as it is not
    /// there.
    pub(crate) fn peek<R: Default>(&self, read: impl FnOnce(&Session) -> R) -> R {
        self.piece.enter(|session| read(session)).unwrap_or_else(|_poisoned| {
            self.kill();
            R::default()
        })
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
            session.slots.complete(claim, reply)
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
        let _ = self.cell.piece.enter(|session| session.slots.complete(claim, None));
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
        sessions.retain(|other| !other.is_dead());
        sessions.push(cell);
    }
}

impl Drop for ConnectionBinding {
    fn drop(&mut self) {
        let sessions = self.sessions.get_mut().unwrap_or_else(PoisonError::into_inner);
        sessions.drain(..).for_each(|cell| cell.unbind(self.id));
    }
}
