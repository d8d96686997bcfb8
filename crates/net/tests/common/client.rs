//! A client as a kernel has one: it keeps a session, sends again what was not answered, and begins
//! anew when the server has.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use holdfast_proto::nfs4::{
    ClientOwner, CreateHow, CreateSessionArgs, CreateSessionFlags, ExchangeIdArgs, ExchangeIdFlags,
    Fattr, Op, OpBody, OpNum, OpenArgs, OpenClaim, OpenHow, OpenOk, ReclaimCompleteArgs,
    SequenceArgs, SessionId, ShareAccess, ShareDeny, StateOwner, StateProtectArgs, Status,
    Verifier,
};

use super::PATIENCE;
use super::session::{CHANNEL, compound, results};

/// Between two attempts at what the server cannot do now.
const PAUSE: Duration = Duration::from_millis(2);

/// Why a request has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The session is gone: the request may or may not have been executed, and what was open is
    /// not.
    Session,
    /// There was no server for as long as the client has patience.
    Server,
}

/// The reply to a compound.
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    /// The status of the compound.
    pub(crate) fn status(&self) -> Status {
        results(&self.0).status
    }

    /// Takes something out of the result of an operation.
    pub(crate) fn find<T>(&self, num: OpNum, take: impl FnOnce(&OpBody<'_>) -> Option<T>) -> T {
        let mut all = results(&self.0);
        while let Some(result) = all.next_result() {
            let result = result.expect("a result decodes");
            if result.num == num {
                return take(&result.body).expect("the operation was done");
            }
        }
        panic!("no result of {num:?} in a reply of status {:?}", self.status());
    }
}

/// A client with one slot.
pub(crate) struct Client {
    addr: SocketAddr,
    name: String,
    minor: u32,
    stream: Option<TcpStream>,
    xid: u32,
    session: Option<(SessionId, u32)>,
    /// Whether the server is to remember its replies, which must be short then.
    pub(crate) is_cached: bool,
    /// How often it began anew.
    pub(crate) sessions: usize,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr, name: &str, minor: u32) -> Self {
        let name = name.to_owned();
        Self {
            addr,
            name,
            minor,
            stream: None,
            xid: 0,
            session: None,
            is_cached: true,
            sessions: 0,
        }
    }

    /// Sends a compound behind a SEQUENCE until it is answered, or its session is gone.
    pub(crate) fn request(&mut self, ops: &[Op<'_>]) -> Result<Reply, Lost> {
        let (sessionid, sequenceid) = match self.session {
            Some(session) => session,
            None => self.establish()?,
        };
        let cachethis = self.is_cached;
        let sequence =
            SequenceArgs { sessionid, sequenceid, slotid: 0, highest_slotid: 0, cachethis };
        let all: Vec<_> = std::iter::once(Op::Sequence(sequence)).chain(ops.to_vec()).collect();
        loop {
            let reply = self.call(&all)?;
            let first = results(&reply.0).next_result().expect("SEQUENCE is answered");
            match first.expect("it decodes").status {
                Status::OK => {
                    self.session = Some((sessionid, sequenceid + 1));
                    return Ok(reply);
                }
                Status::DELAY => std::thread::park_timeout(PAUSE),
                Status::BADSESSION | Status::DEADSESSION => {
                    self.session = None;
                    return Err(Lost::Session);
                }
                other => panic!("SEQUENCE was answered with {other:?}"),
            }
        }
    }

    /// The same, again while the server asks for patience.
    pub(crate) fn insist(&mut self, ops: &[Op<'_>]) -> Result<Reply, Lost> {
        loop {
            let reply = self.request(ops)?;
            if !matches!(reply.status(), Status::GRACE | Status::DELAY) {
                return Ok(reply);
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Opens a file of the root's, and makes it if it is not there.
    pub(crate) fn open(&mut self, name: &[u8], access: ShareAccess) -> Result<Reply, Lost> {
        let owner = self.name.clone();
        let create = OpenHow::Create(CreateHow::Unchecked(Fattr::EMPTY));
        let open = OpenArgs {
            seqid: 0,
            share_access: access,
            share_deny: ShareDeny::NONE,
            owner: StateOwner { clientid: Default::default(), owner: owner.as_bytes() },
            openhow: if access == ShareAccess::READ { OpenHow::NoCreate } else { create },
            claim: OpenClaim::Null(name),
        };
        self.insist(&[Op::PutRootFh, Op::Open(open), Op::GetFh])
    }

    fn establish(&mut self) -> Result<(SessionId, u32), Lost> {
        loop {
            let name = self.name.clone();
            let exchange = Op::ExchangeId(Box::new(ExchangeIdArgs {
                clientowner: ClientOwner { verifier: Verifier([1; 8]), ownerid: name.as_bytes() },
                flags: ExchangeIdFlags::empty(),
                state_protect: StateProtectArgs::None,
                client_impl_id: None,
            }));
            let reply = self.call(&[exchange])?;
            if reply.status() == Status::DELAY {
                std::thread::park_timeout(PAUSE);
                continue;
            }
            let (clientid, sequence) = reply.find(OpNum::EXCHANGE_ID, |body| {
                if let OpBody::ExchangeId(ok) = body {
                    Some((ok.clientid, ok.sequenceid))
                } else {
                    None
                }
            });
            let create = Op::CreateSession(Box::new(CreateSessionArgs {
                clientid,
                sequence,
                flags: CreateSessionFlags::empty(),
                fore_chan_attrs: CHANNEL,
                back_chan_attrs: CHANNEL,
                cb_program: 0x4000_0000,
                sec_parms: Vec::new(),
            }));
            let reply = self.call(&[create])?;
            match reply.status() {
                Status::OK => {}
                // The server started anew in between.
                Status::STALE_CLIENTID | Status::DELAY => continue,
                other => panic!("CREATE_SESSION was answered with {other:?}"),
            }
            let id = reply.find(OpNum::CREATE_SESSION, |body| {
                if let OpBody::CreateSession(ok) = body { Some(ok.sessionid) } else { None }
            });
            self.session = Some((id, 1));
            self.sessions += 1;
            let complete = ReclaimCompleteArgs { one_fs: false };
            match self.request(&[Op::ReclaimComplete(complete)]) {
                Ok(reply) => {
                    // A connection that was lost may have hidden the first answer.
                    assert!(matches!(reply.status(), Status::OK | Status::COMPLETE_ALREADY));
                    return Ok(self.session.expect("the request was answered in it"));
                }
                Err(Lost::Session) => {}
                Err(Lost::Server) => return Err(Lost::Server),
            }
        }
    }

    /// Sends a compound, over new connections as long as they break.
    pub(crate) fn call(&mut self, ops: &[Op<'_>]) -> Result<Reply, Lost> {
        let begin = std::time::Instant::now();
        self.xid += 1;
        let record = compound(self.xid, self.minor, ops);
        while begin.elapsed() < PATIENCE {
            match self.exchange(&record) {
                Ok(reply) => return Ok(Reply(reply)),
                Err(error) => {
                    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "no answer comes");
                    self.stream = None;
                    std::thread::park_timeout(PAUSE);
                }
            }
        }
        Err(Lost::Server)
    }

    fn exchange(&mut self, record: &[u8]) -> io::Result<Vec<u8>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.addr)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                self.stream.insert(stream)
            }
        };
        stream.write_all(record)?;
        let mut mark = [0; 4];
        stream.read_exact(&mut mark)?;
        let mut reply = vec![0; (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize];
        stream.read_exact(&mut reply)?;
        assert_eq!(reply[..4], self.xid.to_be_bytes(), "the reply to another call");
        Ok(reply)
    }
}

/// What an OPEN gave.
pub(crate) fn opened<T>(reply: &Reply, take: impl FnOnce(&OpenOk<'_>) -> T) -> T {
    reply.find(OpNum::OPEN, |body| if let OpBody::Open(ok) = body { Some(take(ok)) } else { None })
}
