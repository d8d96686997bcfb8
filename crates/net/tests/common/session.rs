//! A session with one connection: as little of a client as it takes to ask a file system.

use holdfast_net::Service;
use holdfast_proto::nfs4::{
    self, Bitmap, ChannelAttrs, ClientOwner, CompoundArgs, CompoundRes, CreateSessionArgs,
    CreateSessionFlags, ExchangeIdArgs, ExchangeIdFlags, GetAttrArgs, Op, OpBody, SequenceArgs,
    SessionId, StateProtectArgs, Status, Verifier,
};
use holdfast_proto::rpc::{CallHeader, Credential, finish_record, write_call_header};
use holdfast_proto::xdr::{Encode, Reader, Writer};

use super::Peer;

/// Bytes of the header of an accepted reply.
const REPLY_HEADER: usize = 24;

pub(crate) const CHANNEL: ChannelAttrs = ChannelAttrs {
    headerpadsize: 0,
    maxrequestsize: 1 << 20,
    maxresponsesize: 1 << 20,
    maxresponsesize_cached: 4096,
    maxoperations: 16,
    maxrequests: 64,
    rdma_ird: None,
};

/// A client with a session.
pub(crate) struct Session {
    pub(crate) peer: Peer,
    pub(crate) id: SessionId,
}

impl Session {
    pub(crate) fn new(service: &Service) -> Self {
        Self::on(Peer::connect(service), b"owner")
    }

    /// The same on a connection there is already.
    pub(crate) fn on(mut peer: Peer, ownerid: &[u8]) -> Self {
        let exchange = Op::ExchangeId(Box::new(ExchangeIdArgs {
            clientowner: ClientOwner { verifier: Verifier([1; 8]), ownerid },
            flags: ExchangeIdFlags::empty(),
            state_protect: StateProtectArgs::None,
            client_impl_id: None,
        }));
        peer.send(&compound(1, 1, &[exchange]));
        let reply = peer.record();
        let OpBody::ExchangeId(known) = only_result(&reply) else { panic!("it was EXCHANGE_ID") };
        let create = Op::CreateSession(Box::new(CreateSessionArgs {
            clientid: known.clientid,
            sequence: known.sequenceid,
            flags: CreateSessionFlags::empty(),
            fore_chan_attrs: CHANNEL,
            back_chan_attrs: ChannelAttrs { maxrequests: 1, ..CHANNEL },
            cb_program: 0x4000_0000,
            sec_parms: Vec::new(),
        }));
        peer.send(&compound(2, 1, &[create]));
        let reply = peer.record();
        let OpBody::CreateSession(made) = only_result(&reply) else { panic!("it made a session") };
        Self { peer, id: made.sessionid }
    }

    /// Asks for the attributes of the root, as the first request of a slot.
    pub(crate) fn ask(&mut self, xid: u32, slotid: u32) {
        self.ask_of(&[], xid, slotid);
    }

    /// The same of what these operations lead to from the root.
    pub(crate) fn ask_of(&mut self, way: &[Op<'_>], xid: u32, slotid: u32) {
        let sequence = Op::Sequence(SequenceArgs {
            sessionid: self.id,
            sequenceid: 1,
            slotid,
            highest_slotid: CHANNEL.maxrequests - 1,
            cachethis: true,
        });
        let attrs = Op::GetAttr(GetAttrArgs { attr_request: Bitmap::of(&[nfs4::attr::SIZE]) });
        let ops: Vec<_> =
            [sequence, Op::PutRootFh].into_iter().chain(way.to_vec()).chain([attrs]).collect();
        self.peer.send(&compound(xid, 1, &ops));
    }

    /// The xid and the status of the next reply.
    pub(crate) fn answer(&mut self) -> (u32, Status) {
        let reply = self.peer.record();
        let xid = reply.first_chunk().copied().map(u32::from_be_bytes);
        (xid.expect("a reply has an xid"), results(&reply).status)
    }
}

/// A COMPOUND call as a record.
pub(crate) fn compound(xid: u32, minor: u32, ops: &[Op<'_>]) -> Vec<u8> {
    let (prog, vers, proc) = (nfs4::PROGRAM, nfs4::VERSION, nfs4::PROC_COMPOUND);
    let header = CallHeader { xid, prog, vers, proc, cred: Credential::None };
    let mut w = Writer::default();
    write_call_header(&mut w, &header, b"test");
    let count = CompoundArgs::begin(&mut w, b"", minor);
    w.patch_u32(count, ops.len() as u32);
    ops.iter().for_each(|op| op.encode(&mut w));
    finish_record(&mut w, 0);
    w.into_inner()
}

/// The results in a reply record without its mark.
pub(crate) fn results(reply: &[u8]) -> CompoundRes<'_> {
    CompoundRes::decode(Reader::new(&reply[REPLY_HEADER..])).expect("the reply decodes")
}

fn only_result(reply: &[u8]) -> OpBody<'_> {
    let result = results(reply).next_result().expect("there is a result");
    result.expect("the result decodes").body
}
