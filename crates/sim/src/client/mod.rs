//! A client that behaves like Linux's: a client id, a session of several slots, recovery of both
//! when the server does not know them any more, and a lease that is kept.

mod change;
pub mod held;
mod leave;
pub mod rpc;
pub mod session;
pub mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_base::Instant;
use holdfast_proto::nfs4::{
    CallbackSecParms, ChannelAttrs, ClientId, ClientOwner, CreateSessionArgs, CreateSessionFlags,
    CreateSessionOk, ExchangeIdArgs, ExchangeIdFlags, LookupArgs, Op, OpBody, OpNum,
    ReclaimCompleteArgs, StateProtectArgs, Status, Verifier,
};

use self::held::SharedHeld;
use self::rpc::Rpc;
use self::session::{Outcome, Session};
use self::wire::{Reply, Tag};
use crate::host::Host;
use crate::host::setup::MAIN;
use crate::sim::Sim;
use crate::sync::{Bell, either, lock};

const DELAY_FIRST: Duration = Duration::from_millis(20);
const DELAY_MAX: Duration = Duration::from_secs(1);

/// What a request that is not idempotent is answered with.
pub struct Done {
    /// The reply.
    pub reply: Reply,
    /// An earlier attempt may have been executed, too.
    pub in_doubt: bool,
    /// The client's incarnation when it was answered.
    pub epoch: u64,
    /// Names the request.
    pub tag: Tag,
}

#[derive(Default)]
struct State {
    clientid: Option<(ClientId, u32)>,
    session: Option<Arc<Session>>,
    /// Counts client ids: state of an earlier one is gone.
    epoch: u64,
    last_clientid: Option<ClientId>,
    requests: u32,
    used_ns: u64,
    verifier: Verifier,
    /// Changes of the session that are under way.
    changing: u32,
    ending: bool,
    ended: bool,
}

/// A client of one server.
pub struct Client {
    /// The surroundings.
    pub sim: Arc<Sim>,
    /// Its number.
    pub id: u32,
    /// Its name in the trace.
    pub name: Arc<str>,
    /// Its server.
    pub host: Arc<Host>,
    rpc: Rpc,
    minor: u32,
    state: Mutex<State>,
    held: Mutex<Vec<SharedHeld>>,
    changed: Bell,
}

impl Client {
    /// A client that will mount `host`.
    pub fn new(sim: &Arc<Sim>, host: &Arc<Host>, id: u32, verifier: [u8; 8]) -> Arc<Self> {
        let name: Arc<str> = format!("client{id}").into();
        let client = Arc::new(Self {
            sim: sim.clone(),
            id,
            name: name.clone(),
            host: host.clone(),
            rpc: Rpc::new(sim, host, (&name, id)),
            minor: 1 + id % 2,
            state: Mutex::new(State { verifier: Verifier(verifier), ..State::default() }),
            held: Mutex::default(),
            changed: Bell::default(),
        });
        let manager = client.clone();
        sim.outside.go(async move { manager.manage().await });
        client
    }

    /// Whether it speaks minor version 2, which has more operations.
    pub const fn has_newer(&self) -> bool {
        self.minor >= 2
    }

    /// Counts the client ids that it had: state that it got under an earlier one is gone.
    pub fn epoch(&self) -> u64 {
        lock(&self.state).epoch
    }

    /// The way to the files, from nowhere.
    pub fn root(&self) -> Vec<Op<'static>> {
        let mut ops = vec![Op::PutRootFh];
        if self.sim.options.several_exports {
            ops.push(Op::Lookup(LookupArgs { objname: MAIN.as_bytes() }));
        }
        ops
    }

    /// Sends a request until it is answered. DELAY and GRACE are waited out.
    pub async fn request(&self, cachethis: bool, ops: &[Op<'_>]) -> Done {
        let mut in_doubt = false;
        let mut backoff = DELAY_FIRST;
        loop {
            let session = self.session().await;
            let tag = self.tag();
            let sent = (tag, self.minor);
            let outcome =
                session::request(&self.sim, &self.rpc, &session, sent, cachethis, ops).await;
            let reply = match outcome {
                Outcome::Answered(reply) => reply,
                Outcome::Lost(maybe) => {
                    in_doubt |= maybe;
                    self.lose(&session);
                    continue;
                }
            };
            lock(&self.state).used_ns = self.sim.now().as_ns();
            let status = reply.status();
            if matches!(status, Status::DELAY | Status::GRACE) && may_repeat(&reply) {
                self.sim.journal.count("client", "delayed");
                self.sim.after(backoff).await;
                backoff = (backoff * 2).min(DELAY_MAX);
                continue;
            }
            if status == Status::RETRY_UNCACHED_REP {
                self.sim.checkers.exactly_once.uncached(tag, cachethis);
                continue;
            }
            return Done { reply, in_doubt, epoch: session.epoch, tag };
        }
    }

    /// Nothing gets through for a while.
    pub fn partition(&self, time: Duration) {
        self.sim.journal.count("fault", "partition");
        self.sim.journal.line(&self.name, || format!("cut off for {time:?}"));
        self.rpc.partition(time);
    }

    fn tag(&self) -> Tag {
        let mut state = lock(&self.state);
        state.requests += 1;
        Tag { client: self.id, number: state.requests }
    }

    async fn session(&self) -> Arc<Session> {
        loop {
            let changed = self.changed.wait();
            if let Some(session) = &lock(&self.state).session {
                return session.clone();
            }
            changed.await;
        }
    }

    fn lose(&self, session: &Arc<Session>) {
        let mut state = lock(&self.state);
        if state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            state.session = None;
            drop(state);
            session.end();
            self.sim.checkers.shares.lost(self.id);
            self.sim.checkers.locks.lost(self.id);
            self.sim.journal.count("client", "session lost");
            self.sim.journal.line(&self.name, || format!("session {:x?} is gone", session.id.0));
            self.changed.ring();
        }
    }

    /// Keeps a session and the lease, until the client ends.
    async fn manage(&self) {
        loop {
            let changed = self.changed.wait();
            let (ending, session, used_ns) = {
                let state = lock(&self.state);
                (state.ending, state.session.clone(), state.used_ns)
            };
            if ending {
                lock(&self.state).ended = true;
                return self.changed.ring();
            }
            let Some(session) = session else {
                self.recover().await;
                continue;
            };
            let third = session.lease / 3;
            let idle = self.sim.now().as_ns().saturating_sub(used_ns);
            let left = third.saturating_sub(Duration::from_nanos(idle));
            if left.is_zero() {
                self.sim.journal.count("operation", "SEQUENCE alone");
                self.renew(&session).await;
                continue;
            }
            either(changed, self.sim.after(left)).await;
        }
    }

    async fn renew(&self, session: &Arc<Session>) {
        let sent = (self.tag(), self.minor);
        match session::request(&self.sim, &self.rpc, session, sent, false, &[]).await {
            Outcome::Answered(_) => lock(&self.state).used_ns = self.sim.now().as_ns(),
            Outcome::Lost(_) => self.lose(session),
        }
    }

    /// One step towards a session.
    async fn recover(&self) {
        let known = lock(&self.state).clientid;
        let Some((clientid, sequence)) = known else {
            return self.exchange_id().await;
        };
        let args = self.create_session_args(clientid, sequence);
        let sent = self.sim.now();
        let reply = self.alone(Op::CreateSession(Box::new(args))).await;
        let Some(reply) = reply else { return };
        self.sim.journal.count("operation", "CREATE_SESSION");
        match reply.status() {
            Status::OK => self.created((clientid, sent), &reply).await,
            Status::DELAY => {
                self.sim.journal.count("client", "CREATE_SESSION delayed");
                self.sim.after(DELAY_MAX / 2).await;
            }
            other => {
                self.sim.journal.line(&self.name, || format!("CREATE_SESSION: {other:?}"));
                lock(&self.state).clientid = None;
                if !matches!(other, Status::STALE_CLIENTID | Status::SEQ_MISORDERED) {
                    self.sim.checkers.tree.unexpected(&self.name, "CREATE_SESSION", other);
                }
            }
        }
    }

    fn create_session_args(&self, clientid: ClientId, sequence: u32) -> CreateSessionArgs<'static> {
        let channel = ChannelAttrs {
            headerpadsize: 0,
            maxrequestsize: 1 << 20,
            maxresponsesize: 1 << 20,
            maxresponsesize_cached: 4096,
            maxoperations: 16,
            maxrequests: self.sim.options.slots,
            rdma_ird: None,
        };
        CreateSessionArgs {
            clientid,
            sequence,
            flags: CreateSessionFlags::CONN_BACK_CHAN,
            fore_chan_attrs: channel,
            back_chan_attrs: ChannelAttrs { maxrequests: 1, ..channel },
            cb_program: 0x4000_0000,
            sec_parms: vec![CallbackSecParms::None],
        }
    }

    /// A compound of one operation outside of any session.
    async fn alone(&self, op: Op<'_>) -> Option<Reply> {
        self.alone_over(op).await.map(|(reply, _)| reply)
    }

    /// As [`Client::alone`], with the connection that the answer came over.
    async fn alone_over(&self, op: Op<'_>) -> Option<(Reply, u64)> {
        let xid = self.rpc.xid();
        let record = wire::call(xid, self.tag(), self.minor, &[op]);
        let answer = self.rpc.call(xid, &record).await;
        match Reply::new(answer.record, answer.generation) {
            Ok(reply) => Some((reply, answer.link)),
            Err(error) => {
                self.sim.journal.violation("wire", error);
                None
            }
        }
    }

    async fn exchange_id(&self) {
        let owner = format!("holdfast-sim client {}", self.id);
        let verifier = lock(&self.state).verifier;
        let args = ExchangeIdArgs {
            clientowner: ClientOwner { verifier, ownerid: owner.as_bytes() },
            flags: ExchangeIdFlags::SUPP_MOVED_REFER,
            state_protect: StateProtectArgs::None,
            client_impl_id: None,
        };
        let Some(reply) = self.alone(Op::ExchangeId(Box::new(args))).await else { return };
        self.sim.journal.count("operation", "EXCHANGE_ID");
        let ok = reply.find(OpNum::EXCHANGE_ID, |body| {
            if let OpBody::ExchangeId(ok) = body {
                Some((ok.clientid, ok.sequenceid))
            } else {
                None
            }
        });
        match ok {
            Some((clientid, sequence)) => {
                self.sim.checkers.generations.clientid(clientid, reply.generation);
                let mut state = lock(&self.state);
                state.clientid = Some((clientid, sequence));
                if state.last_clientid.replace(clientid) != Some(clientid) {
                    state.epoch += 1;
                }
            }
            None => {
                if reply.status() != Status::DELAY {
                    let status = reply.status();
                    self.sim.checkers.tree.unexpected(&self.name, "EXCHANGE_ID", status);
                }
                self.sim.after(DELAY_MAX / 2).await;
            }
        }
    }

    async fn created(&self, (clientid, sent): (ClientId, Instant), reply: &Reply) {
        let ok: Option<CreateSessionOk> = reply.find(OpNum::CREATE_SESSION, |body| {
            if let OpBody::CreateSession(ok) = body { Some(**ok) } else { None }
        });
        let Some(ok) = ok else {
            return self.sim.journal.violation("wire", "CREATE_SESSION without a body");
        };
        let generation = reply.generation;
        self.sim.checkers.generations.session_made(ok.sessionid, generation);
        let epoch = {
            let mut state = lock(&self.state);
            state.clientid = Some((clientid, ok.sequence.wrapping_add(1)));
            state.epoch
        };
        let slots = ok.fore_chan_attrs.maxrequests;
        let lease = self.host.lease_of(generation);
        self.sim.checkers.shares.lease_begins(self.id, (sent + lease).as_ns());
        let session = Session::new(ok.sessionid, (generation, lease), epoch, slots);
        self.sim.journal.line(&self.name, || format!("session {:x?}", ok.sessionid.0));
        if self.reclaim(&session).await && self.reclaim_complete(&session).await {
            let mut state = lock(&self.state);
            state.session = Some(session);
            state.used_ns = self.sim.now().as_ns();
            drop(state);
            self.changed.ring();
        }
    }

    /// Says that nothing is left to reclaim; `false`: the session is gone.
    async fn reclaim_complete(&self, session: &Arc<Session>) -> bool {
        let op = [Op::ReclaimComplete(ReclaimCompleteArgs { one_fs: false })];
        loop {
            let sent = (self.tag(), self.minor);
            let outcome = session::request(&self.sim, &self.rpc, session, sent, true, &op).await;
            self.sim.journal.count("operation", "RECLAIM_COMPLETE");
            let Outcome::Answered(reply) = outcome else { return false };
            match reply.status() {
                Status::OK | Status::COMPLETE_ALREADY => return true,
                Status::DELAY | Status::GRACE => self.sim.after(DELAY_MAX / 2).await,
                other => {
                    self.sim.checkers.tree.unexpected(&self.name, "RECLAIM_COMPLETE", other);
                    return false;
                }
            }
        }
    }
}

/// Whether a compound that was delayed may be sent again: not when something was done already.
fn may_repeat(reply: &Reply) -> bool {
    let changes = |num: OpNum| {
        matches!(
            num,
            OpNum::OPEN
                | OpNum::CREATE
                | OpNum::REMOVE
                | OpNum::RENAME
                | OpNum::LINK
                | OpNum::SETATTR
                | OpNum::WRITE
                | OpNum::CLOSE
                | OpNum::LOCK
                | OpNum::LOCKU
                | OpNum::FREE_STATEID
                | OpNum::ALLOCATE
                | OpNum::DEALLOCATE
                | OpNum::COPY
                | OpNum::CLONE
                | OpNum::SETXATTR
                | OpNum::REMOVEXATTR
        )
    };
    !reply.results().iter().any(|result| changes(result.num) && result.status == Status::OK)
}
