//! As much of an NFSv4.1 client as it takes to change files and to look at them: one connection,
//! one session, one request at a time.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use holdfast_proto::nfs4::{
    self, AttrValue, ChannelAttrs, ClientOwner, CompoundArgs, CompoundRes, CreateSessionArgs,
    CreateSessionFlags, ExchangeIdArgs, ExchangeIdFlags, Fattr, Op, OpBody, OpNum,
    ReclaimCompleteArgs, SequenceArgs, SessionId, StateProtectArgs, Status, Verifier, encode_fattr,
};
use holdfast_proto::rpc::{
    AuthSys, CallHeader, Credential, REPLY_HEADER_BYTES, finish_record, write_call_header,
};
use holdfast_proto::xdr::{Decode, Encode, Reader, Writer};

/// How long an answer may take, on an emulated machine that shares ours.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts at what the server cannot do now.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest reply that is read.
const REPLY_MAX: usize = 4 << 20;

const CHANNEL: ChannelAttrs = ChannelAttrs {
    headerpadsize: 0,
    maxrequestsize: 1 << 20,
    maxresponsesize: 1 << 20,
    maxresponsesize_cached: 4096,
    maxoperations: 16,
    maxrequests: 1,
    rdma_ird: None,
};

/// A client with a session.
pub(super) struct Client {
    stream: TcpStream,
    xid: u32,
    session: SessionId,
    sequence: u32,
}

/// The reply to a compound.
pub(super) struct Reply(Vec<u8>);

impl Reply {
    pub(super) fn status(&self) -> Status {
        self.results().map_or(Status::BADXDR, |results| results.status)
    }

    /// Takes something out of the result of the first operation of a kind.
    pub(super) fn find<T>(
        &self,
        num: OpNum,
        take: impl FnOnce(&OpBody<'_>) -> Option<T>,
    ) -> io::Result<T> {
        let mut results = self.results().ok_or_else(|| bad("a reply does not decode"))?;
        while let Some(Ok(result)) = results.next_result() {
            if result.num == num {
                return take(&result.body).ok_or_else(|| bad("a result lacks what was asked for"));
            }
        }
        Err(bad("a reply lacks a result"))
    }

    fn results(&self) -> Option<CompoundRes<'_>> {
        // Without the record's mark.
        let body = self.0.get(REPLY_HEADER_BYTES - 4..)?;
        CompoundRes::decode(Reader::new(body)).ok()
    }
}

/// Attribute values, encoded.
pub(super) struct Attrs(Vec<u8>);

impl Attrs {
    pub(super) fn new(values: &[AttrValue<'_>]) -> Self {
        let mut w = Writer::default();
        encode_fattr(&mut w, values);
        Self(w.into_inner())
    }

    pub(super) fn fattr(&self) -> Fattr<'_> {
        Fattr::decode(&mut Reader::new(&self.0)).unwrap_or(Fattr::EMPTY)
    }
}

impl Client {
    /// Connects to a port of ours, as soon as a server answers there, and makes a session.
    pub(super) fn connect(port: u16, name: &str) -> io::Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            match Self::connect_once(port, name) {
                Err(error) if Instant::now() > end => return Err(error),
                // The forwarded port takes connections before there is anybody behind it.
                Err(_) => std::thread::sleep(PAUSE),
                connected => return connected,
            }
        }
    }

    fn connect_once(port: u16, name: &str) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream, xid: 0, session: SessionId::default(), sequence: 0 };
        let reply = client.call(&[Op::ExchangeId(Box::new(ExchangeIdArgs {
            clientowner: ClientOwner { verifier: Verifier([1; 8]), ownerid: name.as_bytes() },
            flags: ExchangeIdFlags::empty(),
            state_protect: StateProtectArgs::None,
            client_impl_id: None,
        }))])?;
        let (clientid, sequence) = reply.find(OpNum::EXCHANGE_ID, |body| {
            let OpBody::ExchangeId(ok) = body else { return None };
            Some((ok.clientid, ok.sequenceid))
        })?;
        let reply = client.call(&[Op::CreateSession(Box::new(CreateSessionArgs {
            clientid,
            sequence,
            flags: CreateSessionFlags::empty(),
            fore_chan_attrs: CHANNEL,
            back_chan_attrs: CHANNEL,
            cb_program: 0x4000_0000,
            sec_parms: Vec::new(),
        }))])?;
        client.session = reply.find(OpNum::CREATE_SESSION, |body| {
            let OpBody::CreateSession(ok) = body else { return None };
            Some(ok.sessionid)
        })?;
        client.request(&[Op::ReclaimComplete(ReclaimCompleteArgs { one_fs: false })])?;
        Ok(client)
    }

    /// Does a request, again while the server asks for patience.
    ///
    /// # Errors
    /// No reply came: it may have been done or not.
    pub(super) fn request(&mut self, ops: &[Op<'_>]) -> io::Result<Reply> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.sequence += 1;
            let sequence = SequenceArgs {
                sessionid: self.session,
                sequenceid: self.sequence,
                slotid: 0,
                highest_slotid: 0,
                cachethis: false,
            };
            let all: Vec<_> = [Op::Sequence(sequence)].into_iter().chain(ops.to_vec()).collect();
            let reply = self.call(&all)?;
            if !matches!(reply.status(), Status::DELAY | Status::GRACE) || Instant::now() > end {
                return Ok(reply);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn call(&mut self, ops: &[Op<'_>]) -> io::Result<Reply> {
        self.xid += 1;
        let cred = AuthSys::new(0, 0, &[]).map_or(Credential::None, Credential::Sys);
        let (prog, vers, proc) = (nfs4::PROGRAM, nfs4::VERSION, nfs4::PROC_COMPOUND);
        let mut w = Writer::default();
        write_call_header(&mut w, &CallHeader { xid: self.xid, prog, vers, proc, cred }, b"xtask");
        let count = CompoundArgs::begin(&mut w, b"", 1);
        w.patch_u32(count, ops.len() as u32);
        ops.iter().for_each(|op| op.encode(&mut w));
        finish_record(&mut w, 0);
        self.stream.write_all(&w.into_inner())?;
        let mut mark = [0; 4];
        self.stream.read_exact(&mut mark)?;
        let len = (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize;
        if len > REPLY_MAX {
            return Err(bad("a reply is too long"));
        }
        let mut reply = vec![0; len];
        self.stream.read_exact(&mut reply)?;
        Ok(Reply(reply))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
