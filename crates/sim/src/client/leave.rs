//! How a client leaves: its session, its record, its connection.

use std::sync::Arc;

use holdfast_proto::nfs4::{
    ClientId, DestroyClientIdArgs, DestroySessionArgs, DirFromClient, Op, Status,
};

use super::session::Session;
use super::{Client, DELAY_MAX};
use crate::sync::lock;

/// How often a client asks again whether its record can be destroyed.
const BUSY_MAX: u32 = 3;

impl Client {
    /// Ends the client's session, its record and its connection.
    pub async fn unmount(&self) {
        lock(&self.state).ending = true;
        self.changed.ring();
        loop {
            let changed = self.changed.wait();
            let is_idle = {
                let state = lock(&self.state);
                state.ended && state.changing == 0
            };
            if is_idle {
                break;
            }
            changed.await;
        }
        let session = lock(&self.state).session.clone();
        if let Some(session) = session {
            session.give_up();
            while !self.destroy(&session).await {
                self.sim.after(DELAY_MAX).await;
            }
            session.end();
        }
        let clientid = lock(&self.state).clientid;
        if let Some((clientid, _)) = clientid {
            self.destroy_clientid(clientid).await;
        }
        self.rpc.disconnect();
        self.sim.journal.line(&self.name, || "unmounted".into());
    }

    /// DESTROY_SESSION; `false`: a request is in progress.
    pub(super) async fn destroy(&self, session: &Arc<Session>) -> bool {
        let mut bound = None;
        loop {
            let args = DestroySessionArgs { sessionid: session.id };
            let Some((reply, link)) = self.alone_over(Op::DestroySession(args)).await else {
                return true;
            };
            self.sim.journal.count("operation", "DESTROY_SESSION");
            match reply.status() {
                Status::OK | Status::BADSESSION => return true,
                Status::DELAY => return false,
                Status::CONN_NOT_BOUND_TO_SESSION if bound != Some(link) => {
                    bound = self.bind(session, DirFromClient::FORE).await;
                }
                other => {
                    let name = &self.name;
                    self.sim.checkers.tree.unexpected(name, "DESTROY_SESSION", other);
                    return true;
                }
            }
        }
    }

    async fn destroy_clientid(&self, clientid: ClientId) {
        let mut busy = 0;
        loop {
            let args = DestroyClientIdArgs { clientid };
            let Some(reply) = self.alone(Op::DestroyClientId(args)).await else { continue };
            self.sim.journal.count("operation", "DESTROY_CLIENTID");
            match reply.status() {
                Status::OK | Status::STALE_CLIENTID => return,
                Status::DELAY => self.sim.after(DELAY_MAX).await,
                // As Linux does: a session that died may not be forgotten yet.
                Status::CLIENTID_BUSY if busy < BUSY_MAX => {
                    busy += 1;
                    self.sim.journal.count("client", "client id busy");
                    self.sim.after(DELAY_MAX).await;
                }
                other => {
                    self.sim.checkers.tree.unexpected(&self.name, "DESTROY_CLIENTID", other);
                    return;
                }
            }
        }
    }
}
