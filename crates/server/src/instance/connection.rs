//! One connection to an instance, without a socket: bytes in, compounds run, bytes out.
//!
//! The driver's order: [`Connection::space`] and [`Connection::received`] while
//! [`Connection::wants_input`]; [`Connection::resume`] when notified; then send what
//! [`Connection::transmit`] holds.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use holdfast_base::Slots;
use holdfast_engine::limits;
use holdfast_proto::nfs4;
use holdfast_proto::rpc::{
    self, AcceptStat, Buffers, Call, Message, RecordError, Transmit, finish_record, start_accepted,
    write_program_mismatch,
};
use holdfast_proto::xdr::Writer;
use holdfast_vfs::Piped;

use super::Shared;
use super::place::{self, Place, Ran};
use super::progress::Progress;
use super::scope::{Describe, Ticket};
use crate::compound;
use crate::counters::count;
use crate::principal;
use crate::request::{Reply, Request};
use crate::state::ConnectionBinding;

/// Bytes of RPC header before the compound: credential, verifier and the rest.
const RPC_HEADER_BYTES: usize = 1024;
/// Bytes of the largest record taken.
const RECORD_BYTES: usize = limits::REQUEST_BYTES as usize + RPC_HEADER_BYTES;
/// Bytes of a record that is in no large buffer, whatever its marks.
const SMALL_MAX: usize = rpc::SLAB_BYTES - 1024;
/// Compounds of one connection that wait for a file system, beyond which no more input is taken.
const WAITING_MAX: usize = 256;
/// Bytes of unsent replies, beyond which no more input is taken.
const UNSENT_MAX: usize = 4 << 20;
/// Bytes of unsent replies and of those that waiting compounds can still give, beyond which no
/// more input is taken: file systems that are slow together make no connection hold more.
const HELD_MAX: usize = 16 << 20;
/// Places kept for the next compounds.
const PLACES_KEPT: usize = 4;
/// A reply buffer that grew beyond this is not kept.
const REPLY_KEPT_BYTES: usize = 256 * 1024;

/// Told when a connection should be resumed. Called from any thread.
pub trait Notify: Send + Sync {
    /// Makes the driver call [`Connection::resume`] soon.
    fn notify(&self);
}

/// The connection cannot go on: close it when what it has to say is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError(RecordError);

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ConnectionError {}

/// A compound that waits for a file system.
struct Waiting {
    xid: u32,
    place: Box<dyn Place>,
    /// The most bytes that its reply can have.
    owed: usize,
    /// Its record may be in one of the loop's large buffers.
    is_large: bool,
    /// A stop waits for it, and names it.
    _ticket: Option<Ticket>,
}

/// A connection's conversation.
pub struct Connection {
    server: Arc<Shared>,
    binding: Arc<ConnectionBinding>,
    notify: Arc<dyn Notify>,
    rpc: rpc::Connection<Box<dyn Piped>>,
    takes_pipes: bool,
    waiting: Slots<Waiting>,
    /// The most bytes that the replies to what waits can have.
    owed: usize,
    /// Whether something that arrived was left lying, because too much waits.
    is_behind: bool,
    places: Vec<Box<dyn Place>>,
    reply: Vec<u8>,
    refused: u64,
    is_broken: bool,
    calls: u64,
    /// None: the instance took no connections any more when this one came.
    ticket: Option<Ticket>,
}

impl Connection {
    pub(super) fn new(
        server: Arc<Shared>,
        id: u64,
        notify: Arc<dyn Notify>,
        ticket: Option<Ticket>,
    ) -> Self {
        Self {
            server,
            binding: Arc::new(ConnectionBinding::new(id)),
            notify,
            rpc: rpc::Connection::new(RECORD_BYTES),
            takes_pipes: false,
            waiting: Slots::new(WAITING_MAX),
            owed: 0,
            is_behind: false,
            places: Vec::new(),
            reply: Vec::new(),
            refused: 0,
            is_broken: false,
            calls: 0,
            ticket,
        }
    }

    /// Receive buffers for the connections of one loop, at most `large_limit` of them for records
    /// above 64 KiB.
    pub fn buffers(large_limit: usize) -> Buffers {
        Buffers::new(RECORD_BYTES + 4, large_limit)
    }

    /// From now on, what [`Connection::transmit`] holds may be in pipes.
    pub const fn take_pipes(&mut self) {
        self.takes_pipes = true;
    }

    /// Room for the next bytes of the stream; `None` while no buffer is large enough.
    pub fn space<'a>(&'a mut self, buffers: &mut Buffers) -> Option<&'a mut [u8]> {
        self.rpc.space(buffers)
    }

    /// Takes `n` bytes that were put at the front of [`Connection::space`], and runs the
    /// compounds that are whole now.
    ///
    /// # Errors
    /// The stream is broken.
    pub fn received(&mut self, n: usize, buffers: &mut Buffers) -> Result<(), ConnectionError> {
        self.rpc.received(n);
        self.run_received(buffers)
    }

    /// Runs compounds that arrived whole, while more may wait to be done and to be sent. What is
    /// left lying is run by the next call: make one when it [has work](Self::has_work).
    ///
    /// # Errors
    /// The stream is broken.
    pub fn run_received(&mut self, buffers: &mut Buffers) -> Result<(), ConnectionError> {
        loop {
            self.is_behind = self.is_full();
            if self.is_behind {
                return Ok(());
            }
            let message = self.rpc.poll_message(buffers).map_err(|error| self.broken(error));
            self.count_refusals();
            match message? {
                Some(Message::Call(call)) => self.call(call),
                // No call is made from this end yet, so `poll_message` dropped the reply.
                Some(Message::Reply { .. }) => {}
                None => return Ok(()),
            }
        }
    }

    /// Whether too much waits to be done or to be sent.
    fn is_full(&self) -> bool {
        let pending = self.rpc.pending();
        self.waiting.len() >= WAITING_MAX
            || pending >= UNSENT_MAX
            || pending + self.owed >= HELD_MAX
    }

    fn broken(&mut self, error: RecordError) -> ConnectionError {
        if !std::mem::replace(&mut self.is_broken, true) {
            count(&self.server.state.counters.connections_broken);
        }
        ConnectionError(error)
    }

    fn count_refusals(&mut self) {
        let refusals = self.rpc.refusals();
        let all = refusals.version + refusals.auth + refusals.garbage;
        if all > self.refused {
            let new = all - self.refused;
            self.refused = all;
            let counter = &self.server.state.counters.rpc_refused;
            counter.fetch_add(new, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn call(&mut self, call: Call) {
        self.calls += 1;
        let header = &call.header;
        match (header.prog, header.vers, header.proc) {
            (nfs4::PROGRAM, nfs4::VERSION, nfs4::PROC_COMPOUND) => self.start(call),
            (nfs4::PROGRAM, nfs4::VERSION, nfs4::PROC_NULL) => {
                self.answer(header.xid, AcceptStat::SUCCESS);
            }
            (nfs4::PROGRAM, nfs4::VERSION, _) => {
                self.refuse(header.xid, AcceptStat::PROC_UNAVAIL);
            }
            (nfs4::PROGRAM, _, _) => {
                count(&self.server.state.counters.rpc_refused);
                let mut w = Writer::default();
                write_program_mismatch(&mut w, header.xid, nfs4::VERSION, nfs4::VERSION);
                self.rpc.reply_copy(w.bytes());
            }
            _ => self.refuse(header.xid, AcceptStat::PROG_UNAVAIL),
        }
    }

    fn refuse(&mut self, xid: u32, stat: AcceptStat) {
        count(&self.server.state.counters.rpc_refused);
        self.answer(xid, stat);
    }

    fn answer(&mut self, xid: u32, stat: AcceptStat) {
        let mut w = Writer::new(std::mem::take(&mut self.reply));
        start_accepted(&mut w, xid, stat);
        finish_record(&mut w, 0);
        self.finish(Reply { record: w, piped: None });
    }

    fn start(&mut self, call: Call) {
        let xid = call.header.xid;
        let credential = &call.header.cred;
        let mut request = Request::new(
            self.server.clone(),
            self.binding.clone(),
            (principal::of(credential), principal::rights(credential)),
            call.record.bytes().len(),
            Writer::new(std::mem::take(&mut self.reply)),
        );
        request.takes_pipes = self.takes_pipes;
        let place = self.places.pop();
        let mut place = place.unwrap_or_else(|| {
            let progress = Progress::new(&self.server, self.binding.id);
            place::new(self.notify.clone(), progress)
        });
        // Looked at again only if it waits.
        let (record, args) = (call.record.clone(), call.args().len());
        match place.start(request, call) {
            Ran::Done(reply) => {
                self.finish(reply);
                self.keep(place);
            }
            Ran::Waiting => {
                // `run_received` starts nothing when the table is full.
                let _ticket = self.server.enter(place.progress().clone());
                let bytes = record.bytes();
                let owed = compound::reply_bytes(&bytes[bytes.len() - args..]);
                let is_large = bytes.len() > SMALL_MAX;
                self.owed += owed;
                let _ = self.waiting.insert(Waiting { xid, place, owed, is_large, _ticket });
            }
            Ran::Panicked(panic) => self.panicked(xid, place.progress(), &*panic),
        }
    }

    fn panicked(&mut self, xid: u32, progress: &Progress, panic: &dyn Any) {
        count(&self.server.state.counters.panics);
        self.server.crashed(progress.describe(), progress.held(), panic);
        self.answer(xid, AcceptStat::SYSTEM_ERR);
    }

    fn keep(&mut self, place: Box<dyn Place>) {
        if self.places.len() < PLACES_KEPT {
            self.places.push(place);
        }
    }

    fn finish(&mut self, Reply { record, piped }: Reply) {
        let given_back = match piped {
            None => self.rpc.reply(record.into_inner()),
            Some(piped) => {
                let len = piped.len();
                self.rpc.reply_with(record.into_inner(), piped, len)
            }
        };
        if let Some(mut buffer) = given_back
            && buffer.capacity() <= REPLY_KEPT_BYTES
        {
            buffer.clear();
            self.reply = buffer;
        }
    }

    /// Goes on with the compounds that were woken, then with what arrived meanwhile.
    ///
    /// # Errors
    /// The stream is broken.
    pub fn resume(&mut self, buffers: &mut Buffers) -> Result<(), ConnectionError> {
        let ids: Vec<_> = self.waiting.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Some(waiting) = self.waiting.get_mut(id) else { continue };
            let xid = waiting.xid;
            match waiting.place.resume() {
                Ran::Waiting => continue,
                Ran::Done(reply) => self.finish(reply),
                Ran::Panicked(panic) => {
                    let progress = waiting.place.progress().clone();
                    self.panicked(xid, &progress, &*panic);
                }
            }
            if let Some(done) = self.waiting.remove(id) {
                self.owed -= done.owed;
                self.keep(done.place);
            }
        }
        self.run_received(buffers)
    }

    /// Whether something that arrived whole was left lying and can be run now.
    pub fn has_work(&self) -> bool {
        self.is_behind && !self.is_full()
    }

    /// Whether more input should be read: not while too much waits to be done or to be sent.
    pub fn wants_input(&self) -> bool {
        !self.is_full() && !self.is_closing()
    }

    /// Whether the instance stops: the connection is to be dropped when it is
    /// [quiet](Self::is_quiet).
    pub fn is_closing(&self) -> bool {
        self.ticket.is_none() || self.server.state.is_stopping()
    }

    /// Whether the instance has given up waiting: the connection is to be dropped now.
    pub fn is_aborted(&self) -> bool {
        self.ticket.is_none() || self.server.is_aborted()
    }

    /// What waits to be sent.
    pub const fn transmit(&mut self) -> &mut Transmit<Box<dyn Piped>> {
        self.rpc.transmit()
    }

    /// Whether nothing runs, nothing waits to be sent, and nothing whole was left lying.
    pub fn is_quiet(&self) -> bool {
        self.is_done() && self.rpc.pending() == 0 && !self.is_behind
    }

    /// Whether no compound runs. A connection whose peer is gone is dropped only then, so that
    /// what its compounds did gets into their slots.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it may go on with the receive buffers of another loop: it is between two records,
    /// and has nothing to send. Compounds may wait, but none whose record keeps a large buffer
    /// from the other connections of this loop: they would not be told when it is free.
    pub fn can_move(&self) -> bool {
        let is_between = !self.is_partial() && !self.is_behind && self.rpc.pending() == 0;
        is_between && self.waiting.iter().all(|(_, waiting)| !waiting.is_large)
    }

    /// Whether a part of a record has arrived: its rest is due soon.
    pub const fn is_partial(&self) -> bool {
        self.rpc.is_partial()
    }

    /// How many calls have arrived.
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether a session is bound to the connection: one without is of no use to a client.
    pub fn has_session(&self) -> bool {
        self.binding.has_session()
    }

    /// Counts that the connection is closed because a record did not arrive in time.
    pub fn count_stalled(&self) {
        count(&self.server.state.counters.connections_stalled);
    }

    /// Gives the receive buffer back while nothing is in it. Before it moves to another loop it
    /// has to, if it [can](Self::can_move).
    pub fn put_back(&mut self, buffers: &mut Buffers) {
        self.rpc.put_back(buffers);
    }

    /// Gives back memory that an idle connection does not need.
    pub fn idle(&mut self, buffers: &mut Buffers) {
        self.rpc.idle(buffers);
        self.places.truncate(1);
        self.reply = Vec::new();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.forget_notify(self.binding.id);
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_compound_that_waits_takes_less_than_2_kib() {
        let bytes = place::future_bytes();
        assert!(bytes < 2048, "the future of a compound has {bytes} bytes");
    }
}
