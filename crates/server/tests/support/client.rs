//! An NFSv4.1 or 4.2 client over one connection: a client id, a session, and its slots.

use holdfast_proto::nfs4::{
    Bitmap, ChannelAttrs, ClientId, CompoundArgs, CompoundRes, CreateSessionArgs,
    CreateSessionFlags, CreateSessionOk, Fattr, Op, OpBody, OpNum, OpResult, OpenOk, SequenceArgs,
    SessionId, Stateid, Status,
};
use holdfast_proto::rpc::{AcceptStat, Credential};
use holdfast_proto::xdr::{Encode, Reader, Writer};
use holdfast_server::Instance;
use holdfast_vfs::Cred;

use super::ops;
use super::peer::{Peer, call, credential};

/// A reply record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply(pub(crate) Vec<u8>);

impl Reply {
    /// The accept status of an accepted reply.
    pub(crate) fn accepted(&self) -> Option<AcceptStat> {
        let mut r = Reader::new(&self.0);
        let (_xid, kind, denied) = (r.u32().ok()?, r.u32().ok()?, r.u32().ok()?);
        assert_eq!(kind, 1, "it is a reply");
        if denied != 0 {
            return None;
        }
        let (_flavor, _verifier) = (r.u32().ok()?, r.opaque(400).ok()?);
        r.u32().ok().map(AcceptStat)
    }

    /// The bytes of the compound's result.
    pub(crate) fn body(&self) -> &[u8] {
        assert_eq!(self.accepted(), Some(AcceptStat::SUCCESS), "the call was executed");
        &self.0[24..]
    }

    /// The compound's result, all of which must decode.
    #[track_caller]
    pub(crate) fn results(&self) -> (Status, Vec<OpResult<'_>>) {
        let mut res = CompoundRes::decode(Reader::new(self.body())).expect("the header decodes");
        let mut results = Vec::new();
        while let Some(result) = res.next_result() {
            results.push(result.expect("a result decodes"));
        }
        assert!(res.results.finish().is_ok(), "nothing is left after the last result");
        let last = results.last().map_or(res.status, |last: &OpResult<'_>| last.status);
        assert_eq!(last, res.status, "the compound's status is its last operation's");
        assert!(results.iter().rev().skip(1).all(|result| result.status == Status::OK));
        (res.status, results)
    }

    /// The compound's status.
    #[track_caller]
    pub(crate) fn status(&self) -> Status {
        self.results().0
    }

    /// How many operations were run.
    #[track_caller]
    pub(crate) fn count(&self) -> usize {
        self.results().1.len()
    }

    /// The last operation that was run, and how it went.
    #[track_caller]
    pub(crate) fn last(&self) -> (OpNum, Status) {
        let (_, results) = self.results();
        let last = results.last().expect("an operation was run");
        (last.num, last.status)
    }

    /// What the operation at `at` gave.
    #[track_caller]
    pub(crate) fn op(&self, at: usize) -> OpBody<'_> {
        self.results().1.swap_remove(at).body
    }

    /// What the last operation gave, when all went well.
    #[track_caller]
    pub(crate) fn last_ok(&self) -> OpBody<'_> {
        let (status, mut results) = self.results();
        assert_eq!(status, Status::OK);
        results.pop().expect("an operation was run").body
    }

    /// The handle of the only GETFH.
    #[track_caller]
    pub(crate) fn fh(&self) -> Vec<u8> {
        let (status, results) = self.results();
        let fh = results.into_iter().find_map(|result| {
            let OpBody::GetFh(ok) = result.body else { return None };
            Some(ok.object.to_vec())
        });
        fh.unwrap_or_else(|| panic!("there is a handle: {status:?}"))
    }

    /// The result of the only OPEN.
    #[track_caller]
    pub(crate) fn open(&self) -> OpenOk<'_> {
        let (status, results) = self.results();
        let open = results.into_iter().find_map(|result| {
            let OpBody::Open(ok) = result.body else { return None };
            Some(ok)
        });
        open.unwrap_or_else(|| panic!("a file was opened: {status:?}"))
    }

    /// The state id of the last operation: LOCK, LOCKU or OPEN_DOWNGRADE.
    #[track_caller]
    pub(crate) fn stateid(&self) -> Stateid {
        let body = self.last_ok();
        if let OpBody::Lock(ok) = body {
            return ok.lock_stateid;
        }
        if let OpBody::LockU(ok) = body {
            return ok.lock_stateid;
        }
        let OpBody::OpenDowngrade(ok) = body else { panic!("there is a state id: {body:?}") };
        ok.open_stateid
    }

    /// The attributes of the only GETATTR.
    #[track_caller]
    pub(crate) fn attrs(&self) -> Fattr<'_> {
        let (status, results) = self.results();
        let attrs = results.into_iter().find_map(|result| {
            let OpBody::GetAttr(ok) = result.body else { return None };
            Some(ok.obj_attributes)
        });
        attrs.unwrap_or_else(|| panic!("there are attributes: {status:?}"))
    }
}

/// What a client asks of its session.
pub(crate) const FORE: ChannelAttrs = ChannelAttrs {
    headerpadsize: 0,
    maxrequestsize: 2 << 20,
    maxresponsesize: 2 << 20,
    maxresponsesize_cached: 8192,
    maxoperations: 64,
    maxrequests: 16,
    rdma_ird: None,
};

/// A client: what it knows of itself and of the server.
pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) minor: u32,
    pub(crate) cred: Credential,
    pub(crate) clientid: ClientId,
    pub(crate) session: SessionId,
    pub(crate) terms: ChannelAttrs,
    /// The last sequence id of each slot.
    pub(crate) slots: Vec<u32>,
}

impl Client {
    /// A client on a connection, and nothing more.
    pub(crate) fn unknown(instance: &Instance, minor: u32) -> Self {
        Self {
            peer: Peer::new(instance),
            minor,
            cred: credential(&Cred::ROOT),
            clientid: ClientId(0),
            session: SessionId([0; 16]),
            terms: FORE,
            slots: Vec::new(),
        }
    }

    /// A client that may open files.
    pub(crate) fn new(instance: &Instance, owner: &str, minor: u32) -> Self {
        let mut client = Self::with_terms(instance, owner, minor, FORE);
        let status = client.run(&[ops::reclaim_complete()]).status();
        assert_eq!(status, Status::OK);
        client
    }

    /// A client whose session is on these terms, and who has not said RECLAIM_COMPLETE.
    pub(crate) fn with_terms(
        instance: &Instance,
        owner: &str,
        minor: u32,
        terms: ChannelAttrs,
    ) -> Self {
        let mut client = Self::unknown(instance, minor);
        let reply = client.bare(&[ops::exchange_id(owner.as_bytes(), 1)]);
        let (clientid, sequence) = exchanged(&reply);
        client.clientid = clientid;
        client.create_session(sequence, terms).expect("a session can be made");
        client
    }

    /// Another connection for the same session.
    pub(crate) fn reconnect(&mut self, instance: &Instance) {
        self.peer = Peer::new(instance);
    }

    pub(crate) fn create_session(
        &mut self,
        sequence: u32,
        terms: ChannelAttrs,
    ) -> Result<CreateSessionOk, Status> {
        let reply = self.bare(&[create_session(self.clientid, sequence, terms)]);
        if reply.status() != Status::OK {
            return Err(reply.status());
        }
        let OpBody::CreateSession(ok) = reply.last_ok() else { panic!("it made a session") };
        self.session = ok.sessionid;
        self.terms = ok.fore_chan_attrs;
        self.slots = vec![0; ok.fore_chan_attrs.maxrequests as usize];
        Ok(*ok)
    }

    /// The record of a compound of just these operations.
    pub(crate) fn record(&mut self, ops: &[Op<'_>]) -> Vec<u8> {
        let (xid, minor) = (self.peer.next_xid(), self.minor);
        call(xid, self.cred, |w| encode(w, minor, ops))
    }

    /// SEQUENCE for the next request of a slot.
    pub(crate) fn sequence(&mut self, slot: usize, cachethis: bool) -> Op<'static> {
        self.slots[slot] = self.slots[slot].wrapping_add(1);
        self.sequence_again(slot, cachethis)
    }

    /// SEQUENCE for the last request of a slot.
    pub(crate) fn sequence_again(&self, slot: usize, cachethis: bool) -> Op<'static> {
        Op::Sequence(SequenceArgs {
            sessionid: self.session,
            sequenceid: self.slots[slot],
            slotid: slot as u32,
            highest_slotid: self.slots.len() as u32 - 1,
            cachethis,
        })
    }

    /// The record of a compound under SEQUENCE.
    pub(crate) fn in_session(&mut self, slot: usize, cachethis: bool, ops: &[Op<'_>]) -> Vec<u8> {
        let mut all = vec![self.sequence(slot, cachethis)];
        all.extend_from_slice(ops);
        self.record(&all)
    }

    /// Sends a record whose reply comes at once.
    #[track_caller]
    pub(crate) fn exchange(&mut self, record: &[u8]) -> Reply {
        self.peer.send(record).expect("the connection lives");
        let reply = Reply(self.peer.record_in_time().expect("the reply is there"));
        assert_eq!(reply.0[..4], record[4..8], "the reply is to this call");
        reply
    }

    /// Runs a compound of just these operations.
    #[track_caller]
    pub(crate) fn bare(&mut self, ops: &[Op<'_>]) -> Reply {
        let record = self.record(ops);
        self.exchange(&record)
    }

    /// Runs operations under SEQUENCE on slot 0, with a reply that need not be kept.
    #[track_caller]
    pub(crate) fn run(&mut self, ops: &[Op<'_>]) -> Reply {
        let record = self.in_session(0, false, ops);
        self.exchange(&record)
    }

    /// [`Client::run`] with another credential.
    #[track_caller]
    pub(crate) fn run_as(&mut self, cred: &Cred, ops: &[Op<'_>]) -> Reply {
        let own = std::mem::replace(&mut self.cred, credential(cred));
        let reply = self.run(ops);
        self.cred = own;
        reply
    }

    /// The status of a compound under SEQUENCE.
    #[track_caller]
    pub(crate) fn status(&mut self, ops: &[Op<'_>]) -> Status {
        self.run(ops).status()
    }

    /// The handle at the end of a path from the root.
    #[track_caller]
    pub(crate) fn find(&mut self, path: &[&[u8]]) -> Vec<u8> {
        let mut all = vec![Op::PutRootFh];
        all.extend(path.iter().map(|name| ops::lookup(name)));
        all.push(Op::GetFh);
        self.run(&all).fh()
    }

    /// Makes a file in the root and keeps it open: its handle and state id.
    #[track_caller]
    pub(crate) fn make_file(&mut self, name: &[u8]) -> (Vec<u8>, Stateid) {
        let reply = self.run(&[Op::PutRootFh, ops::create(name, b"owner", 3, 0), Op::GetFh]);
        (reply.fh(), reply.open().stateid)
    }

    /// Attributes of an object by its handle.
    #[track_caller]
    pub(crate) fn attrs(&mut self, fh: &[u8], numbers: &[u32]) -> Reply {
        self.run(&[ops::put(fh), ops::getattr(&Bitmap::of(numbers))])
    }
}

/// Writes the arguments of a compound.
pub(crate) fn encode(w: &mut Writer, minor: u32, ops: &[Op<'_>]) {
    let count_at = CompoundArgs::begin(w, b"tag", minor);
    w.patch_u32(count_at, ops.len() as u32);
    ops.iter().for_each(|op| op.encode(w));
}

/// The client id and sequence id that EXCHANGE_ID gave.
#[track_caller]
pub(crate) fn exchanged(reply: &Reply) -> (ClientId, u32) {
    let OpBody::ExchangeId(ok) = reply.last_ok() else { panic!("it was EXCHANGE_ID") };
    (ok.clientid, ok.sequenceid)
}

/// CREATE_SESSION with a back channel.
pub(crate) fn create_session(
    clientid: ClientId,
    sequence: u32,
    terms: ChannelAttrs,
) -> Op<'static> {
    Op::CreateSession(Box::new(CreateSessionArgs {
        clientid,
        sequence,
        flags: CreateSessionFlags::CONN_BACK_CHAN,
        fore_chan_attrs: terms,
        back_chan_attrs: ChannelAttrs { maxrequests: 1, ..FORE },
        cb_program: 0x4000_0000,
        sec_parms: Vec::new(),
    }))
}
