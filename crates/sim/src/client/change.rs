//! What a client does to its session while requests use it: bind a connection, put another one in
//! its place, and forget everything as a machine does that starts anew.

use std::sync::Arc;

use holdfast_proto::nfs4::{
    BindConnToSessionArgs, ClientId, DestroyClientIdArgs, DirFromClient, DirFromServer, Op, OpBody,
    OpNum, PutFhArgs, SessionId, Status, Verifier,
};

use super::session::{self, Session};
use super::{Client, DELAY_FIRST, DELAY_MAX};
use crate::sync::{either, lock};

/// What a client had before it started anew.
#[derive(Clone)]
pub struct Former {
    session: Arc<Session>,
    clientid: ClientId,
}

/// A change of the session that is under way; over when dropped. An unmount waits for it.
struct Changing<'a>(&'a Client);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).changing -= 1;
        self.0.changed.ring();
    }
}

/// New connections for one BIND_CONN_TO_SESSION: others may use each of them first.
const NEW_CONNECTIONS_MAX: u32 = 16;

impl Client {
    /// The session there is now, to be changed; none while there is none, or none is wanted.
    fn begin_change(&self) -> Option<(Changing<'_>, Arc<Session>)> {
        let mut state = lock(&self.state);
        let session = state.session.clone().filter(|_| !state.ending)?;
        state.changing += 1;
        Some((Changing(self), session))
    }

    /// Destroys the session although requests use it, `patience` times; then lets them end first.
    pub async fn replace_session(&self, patience: u32) {
        let Some((_changing, session)) = self.begin_change() else { return };
        self.sim.journal.count("client", "session replaced");
        session.give_up();
        let mut tries = 0;
        let mut backoff = DELAY_FIRST;
        while !self.destroy(&session).await {
            self.sim.journal.count("client", "DESTROY_SESSION delayed");
            tries += 1;
            if tries >= patience {
                session.drain();
            }
            self.sim.after(backoff).await;
            backoff = (backoff * 2).min(DELAY_MAX);
        }
        self.lose(&session);
    }

    /// Binds a connection to the session: a new one, if `anew`.
    pub async fn bind_connection(&self, anew: bool, dir: DirFromClient) {
        let Some((_changing, session)) = self.begin_change() else { return };
        if anew {
            self.rpc.disconnect();
        }
        self.bind(&session, dir).await;
    }

    /// BIND_CONN_TO_SESSION: the connection that is bound now. `None`: the session is gone.
    pub(super) async fn bind(&self, session: &Session, dir: DirFromClient) -> Option<u64> {
        let args = BindConnToSessionArgs { sessid: session.id, dir, use_conn_in_rdma_mode: false };
        let mut anew = 0;
        loop {
            let (reply, link) = self.alone_over(Op::BindConnToSession(args)).await?;
            self.sim.journal.count("operation", "BIND_CONN_TO_SESSION");
            match reply.status() {
                Status::OK => {
                    let bound = reply.find(OpNum::BIND_CONN_TO_SESSION, |body| {
                        let OpBody::BindConnToSession(ok) = body else { return None };
                        Some((ok.sessid, ok.dir))
                    });
                    let right = bound.is_some_and(|bound| is_bound_as(args, bound));
                    self.sim.checkers.tree.equal(&self.name, "bound as asked", &right, &true);
                    return Some(link);
                }
                Status::BADSESSION | Status::DEADSESSION => return None,
                Status::DELAY => self.sim.after(DELAY_MAX / 2).await,
                // Bound for something else, by a SEQUENCE perhaps: RFC 8881 §18.34.3.
                Status::INVAL if anew < NEW_CONNECTIONS_MAX => {
                    self.sim.journal.count("client", "bound otherwise");
                    self.rpc.disconnect();
                    anew += 1;
                }
                other => {
                    let name = &self.name;
                    self.sim.checkers.tree.unexpected(name, "BIND_CONN_TO_SESSION", other);
                    return None;
                }
            }
        }
    }

    /// Sends an operation on a file and does not wait for it: it goes on as long as its session.
    pub fn send(self: &Arc<Self>, file: &[u8], op: Op<'static>) {
        let Some(session) = lock(&self.state).session.clone() else { return };
        let (client, sent, file) = (self.clone(), (self.tag(), self.minor), file.to_vec());
        self.sim.outside.go(async move {
            let (sim, rpc) = (&client.sim, &client.rpc);
            let ops = [Op::PutFh(PutFhArgs { object: &file }), op];
            let request = session::request(sim, rpc, &session, sent, true, &ops);
            either(async { drop(request.await) }, session.ended()).await;
        });
    }

    /// The client's machine ends where it stands, and starts anew with this verifier.
    pub async fn reboot(&self, verifier: [u8; 8]) -> Former {
        loop {
            let session = self.session().await;
            let clientid = {
                let mut state = lock(&self.state);
                let is_current =
                    state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, &session));
                let known = state.clientid.filter(|_| is_current);
                if known.is_some() {
                    (state.session, state.clientid) = (None, None);
                    state.verifier = Verifier(verifier);
                }
                known
            };
            let Some((clientid, _)) = clientid else { continue };
            self.sim.journal.count("client", "reboot");
            self.sim.journal.line(&self.name, || "starts anew".into());
            session.end();
            lock(&self.held).clear();
            self.sim.checkers.shares.lost(self.id);
            self.sim.checkers.locks.lost(self.id);
            self.rpc.disconnect();
            self.changed.ring();
            return Former { session, clientid };
        }
    }

    /// Nothing of what the client had before it started anew means anything any more.
    pub async fn check_gone(&self, former: &Former) {
        let session = former.session.next(0);
        let gone = &[Status::BADSESSION, Status::DEADSESSION];
        self.check_refused("SEQUENCE before the reboot", session, gone).await;
        let args = DestroyClientIdArgs { clientid: former.clientid };
        let (what, op) = ("DESTROY_CLIENTID before the reboot", Op::DestroyClientId(args));
        self.check_refused(what, op, &[Status::STALE_CLIENTID]).await;
    }

    async fn check_refused(&self, what: &str, op: Op<'static>, expected: &[Status]) {
        loop {
            let Some(reply) = self.alone(op.clone()).await else { return };
            if reply.status() != Status::DELAY {
                self.sim.checkers.tree.status(&self.name, what, reply.status(), expected);
                return;
            }
            self.sim.after(DELAY_MAX / 2).await;
        }
    }
}

/// Whether a connection is bound as was asked for (RFC 8881 §18.34.3).
fn is_bound_as(asked: BindConnToSessionArgs, got: (SessionId, DirFromServer)) -> bool {
    let one_of: &[DirFromServer] = match asked.dir {
        DirFromClient::FORE => &[DirFromServer::FORE],
        DirFromClient::BACK => &[DirFromServer::BACK],
        DirFromClient::FORE_OR_BOTH => &[DirFromServer::FORE, DirFromServer::BOTH],
        _ => &[DirFromServer::BACK, DirFromServer::BOTH],
    };
    got.0 == asked.sessid && one_of.contains(&got.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_bound_as_asked_or_for_both() {
        let sessid = SessionId([1; 16]);
        let bound = |dir, got| {
            let asked = BindConnToSessionArgs { sessid, dir, use_conn_in_rdma_mode: false };
            is_bound_as(asked, (sessid, got))
        };
        assert!(bound(DirFromClient::FORE, DirFromServer::FORE));
        assert!(!bound(DirFromClient::FORE, DirFromServer::BOTH));
        assert!(!bound(DirFromClient::BACK, DirFromServer::FORE));
        assert!(bound(DirFromClient::FORE_OR_BOTH, DirFromServer::BOTH));
        assert!(!bound(DirFromClient::BACK_OR_BOTH, DirFromServer::FORE));
    }
}
