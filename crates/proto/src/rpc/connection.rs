//! One connection's conversation, without a socket: bytes in, messages out, bytes out. Both ends
//! may call. The methods are of four kinds, used in this order:
//!
//! 1. input: [`Connection::space`], [`Connection::received`];
//! 2. what arrived: [`Connection::poll_message`], until it gives none;
//! 3. what to say: [`Connection::reply`], [`Connection::call`];
//! 4. output: [`Connection::transmit`].

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

use super::buffers::Buffers;
use super::message::{
    AcceptStat, CallHeader, Head, Refusal, RefusalReason, ReplyHeader, finish_record, read_head,
    start_accepted, write_call_header, write_denied_auth, write_denied_version,
};
use super::record::{Record, RecordError, RecordReader};
use super::transmit::Transmit;
use crate::xdr::{Reader, Writer, padding};

/// The most calls of this side that wait for their replies on one connection.
const CALLS_MAX: usize = 128;

/// A received call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its header.
    pub header: CallHeader,
    /// The record it came in.
    pub record: Record,
    args: usize,
}

impl Call {
    /// The procedure's arguments.
    pub fn args(&self) -> &[u8] {
        self.record.bytes().get(self.args..).unwrap_or_default()
    }
}

/// What the other end said.
#[derive(Clone, Debug)]
pub enum Message {
    /// It calls.
    Call(Call),
    /// It answers a call of ours.
    Reply {
        /// Which call.
        xid: u32,
        /// How it went; `None`: the header could not be decoded.
        header: Option<ReplyHeader>,
        /// The record it came in.
        record: Record,
        /// Where in the record the results begin.
        results: usize,
    },
}

/// Counts what was answered or dropped without being looked at further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Calls of another RPC version.
    pub version: u64,
    /// Calls whose credential was refused.
    pub auth: u64,
    /// Calls with a header that could not be decoded.
    pub garbage: u64,
    /// Replies to no call of ours.
    pub unknown_xid: u64,
}

/// Too many calls wait for their replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCalls;

impl fmt::Display for TooManyCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "over {CALLS_MAX} calls wait for their replies on this connection")
    }
}

/// The conversation of one connection; `T` knows where data is that is sent from elsewhere.
#[derive(Debug)]
pub struct Connection<T = Infallible> {
    reader: RecordReader,
    transmit: Transmit<T>,
    waiting: BTreeSet<u32>,
    next_xid: u32,
    refusals: Refusals,
}

impl<T> Connection<T> {
    /// A conversation that takes records of up to `record_max` bytes.
    pub const fn new(record_max: usize) -> Self {
        Self {
            reader: RecordReader::new(record_max),
            transmit: Transmit::new(),
            waiting: BTreeSet::new(),
            next_xid: 1,
            refusals: Refusals { version: 0, auth: 0, garbage: 0, unknown_xid: 0 },
        }
    }

    /// Room for the next bytes of the stream; `None` while the pool has no buffer large enough:
    /// ask again when a record was dropped.
    pub fn space<'a>(&'a mut self, pool: &mut Buffers) -> Option<&'a mut [u8]> {
        self.reader.space(pool)
    }

    /// Counts `n` bytes that were put at the front of [`Connection::space`].
    pub fn received(&mut self, n: usize) {
        self.reader.received(n);
    }

    /// The next message. Calls that must be refused are refused here.
    ///
    /// # Errors
    /// The stream is broken; the connection must be closed once its replies are sent.
    pub fn poll_message(&mut self, pool: &mut Buffers) -> Result<Option<Message>, RecordError> {
        while let Some(record) = self.reader.next_record(pool)? {
            let mut r = Reader::new(record.bytes());
            let head = read_head(&mut r)?;
            let body = r.position();
            match head {
                Head::Call(Ok(header)) => {
                    return Ok(Some(Message::Call(Call { header, record, args: body })));
                }
                Head::Call(Err(refusal)) => self.refuse(refusal),
                Head::Reply(xid, header) => {
                    if self.waiting.remove(&xid) {
                        let header = header.ok();
                        return Ok(Some(Message::Reply { xid, header, record, results: body }));
                    }
                    self.refusals.unknown_xid += 1;
                }
            }
        }
        Ok(None)
    }

    fn refuse(&mut self, refusal: Refusal) {
        let mut w = Writer::new(Vec::new());
        match refusal.why {
            RefusalReason::RpcVersion => {
                self.refusals.version += 1;
                write_denied_version(&mut w, refusal.xid);
            }
            RefusalReason::Auth(stat) => {
                self.refusals.auth += 1;
                write_denied_auth(&mut w, refusal.xid, stat);
            }
            RefusalReason::Garbage => {
                self.refusals.garbage += 1;
                start_accepted(&mut w, refusal.xid, AcceptStat::GARBAGE_ARGS);
                finish_record(&mut w, 0);
            }
        }
        self.transmit.push_copy(w.bytes());
    }

    /// Sends a whole reply record. Gives the vector back when its bytes were copied.
    pub fn reply(&mut self, record: Vec<u8>) -> Option<Vec<u8>> {
        self.transmit.push(record)
    }

    /// Sends a reply record that ends in `len` bytes from elsewhere, which the record's mark counts
    /// with their padding. Gives the vector back when its bytes were copied.
    pub fn reply_with(&mut self, record: Vec<u8>, data: T, len: usize) -> Option<Vec<u8>> {
        let given_back = self.transmit.push(record);
        self.transmit.push_elsewhere(data, len);
        self.transmit.push_copy(&[0; 4][..padding(len)]);
        given_back
    }

    /// Sends a small whole reply record.
    pub fn reply_copy(&mut self, record: &[u8]) {
        self.transmit.push_copy(record);
    }

    /// Calls the other end; `args` writes the arguments. The `xid` of `header` is chosen here.
    ///
    /// # Errors
    /// [`TooManyCalls`]: nothing was sent.
    pub fn call(
        &mut self,
        mut header: CallHeader,
        args: impl FnOnce(&mut Writer),
    ) -> Result<u32, TooManyCalls> {
        if self.waiting.len() >= CALLS_MAX {
            return Err(TooManyCalls);
        }
        while !self.waiting.insert(self.next_xid) {
            self.next_xid = self.next_xid.wrapping_add(1);
        }
        header.xid = self.next_xid;
        self.next_xid = self.next_xid.wrapping_add(1);
        let mut w = Writer::new(Vec::new());
        write_call_header(&mut w, &header, b"holdfast");
        args(&mut w);
        finish_record(&mut w, 0);
        self.transmit.push(w.into_inner());
        Ok(header.xid)
    }

    /// Gives up waiting for a reply; one that still comes is dropped and counted.
    pub fn forget(&mut self, xid: u32) {
        self.waiting.remove(&xid);
    }

    /// What waits to be sent.
    pub const fn transmit(&mut self) -> &mut Transmit<T> {
        &mut self.transmit
    }

    /// How many bytes wait to be sent.
    pub const fn pending(&self) -> usize {
        self.transmit.pending()
    }

    /// Whether a part of a record has arrived.
    pub const fn is_partial(&self) -> bool {
        self.reader.is_partial()
    }

    /// What was refused so far.
    pub const fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// Gives the receive buffer back while nothing is in it: others may have it until the next
    /// bytes come.
    pub fn put_back(&mut self, pool: &mut Buffers) {
        self.reader.idle(pool);
    }

    /// Gives back memory that an idle connection does not need.
    pub fn idle(&mut self, pool: &mut Buffers) {
        self.reader.idle(pool);
        self.transmit.idle();
    }
}
