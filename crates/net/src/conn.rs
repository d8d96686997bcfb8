//! One connection on its loop: a socket, its conversation, and what of both is wanted from epoll.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use holdfast_base::{Id, Instant};
use holdfast_proto::rpc::Buffers;
use holdfast_server::Connection;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use crate::counters::{Counters, count};
use crate::listener::{Accepted, Permit};
use crate::mailbox::{Mailbox, Signal, Woken};
use crate::owner::Owner;
use crate::placement::Look;
use crate::send::{Sent, send_all};

/// Receives per wake-up, so that others get their turn.
const ROUNDS_MAX: usize = 16;
/// Ticks without traffic after which a connection gives its memory back.
const IDLE_TICKS: u64 = 5;
/// Ticks without traffic after which a connection that no session is bound to is closed.
const SILENT_TICKS: u64 = 60;
/// Ticks for a peer to close its end after we closed ours.
const LINGER_TICKS: u64 = 2;

/// What a connection sees of its loop.
pub(crate) struct Around<'a> {
    pub(crate) epoll: &'a OwnedFd,
    pub(crate) buffers: &'a mut Buffers,
    pub(crate) counters: &'a Counters,
    pub(crate) timeouts: Timeouts,
    pub(crate) tick: u64,
}

/// How long a peer may take, in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) record: u64,
    pub(crate) send: u64,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is read.
    Open,
    /// It is read no more; it ends when its replies are sent.
    Finishing {
        /// Whether the peer has sent its last byte.
        ended: bool,
    },
    /// Our end is closed. To close a socket with unread bytes in it would take back replies that
    /// are on their way, so bytes are dropped until the peer closes too.
    Lingering {
        /// The last tick it is waited for.
        until: u64,
    },
    /// There is no socket any more; it ends when its compounds are done.
    Gone,
}

/// A connection.
pub(crate) struct Conn {
    socket: Option<OwnedFd>,
    talk: Connection,
    signal: Arc<Signal>,
    /// What epoll reports it as.
    data: u64,
    phase: Phase,
    interest: EventFlags,
    /// The socket took less than was offered.
    blocked: bool,
    /// Waits for a large receive buffer.
    parked: bool,
    idle: bool,
    /// The tick of the last byte received, and of the last one sent.
    heard: u64,
    sent: u64,
    /// The calls that had arrived, and the tick, when the record that arrives now was begun.
    calls: u64,
    began: u64,
    /// Wake-ups since its loop asked where its packets arrive, and the calls that had arrived then.
    wakeups: u32,
    looked: u64,
    /// When it came to this loop, if it came from another one.
    moved: Instant,
    owner: Owner,
    _permit: Permit,
}

impl Conn {
    pub(crate) fn new(accepted: Accepted, tick: u64) -> Self {
        let Accepted { socket, talk, signal, permit, owner } = accepted;
        Self {
            socket: Some(socket),
            talk,
            signal,
            data: 0,
            phase: Phase::Open,
            interest: EventFlags::IN,
            blocked: false,
            parked: false,
            idle: false,
            heard: tick,
            sent: tick,
            calls: 0,
            began: tick,
            wakeups: 0,
            looked: 0,
            moved: Instant::from_ns(0),
            owner,
            _permit: permit,
        }
    }

    /// Puts the socket into the epoll set. It leaves the set when it is closed.
    pub(crate) fn register(&mut self, id: Id<Self>, around: &mut Around<'_>) {
        self.data = id.to_bits();
        let Some(socket) = &self.socket else { return };
        let data = EventData::new_u64(self.data);
        if epoll::add(around.epoll, socket, data, self.interest).is_err() {
            self.lose();
        }
        self.settle(around);
    }

    /// Takes it out of its loop, unless that would cut something in two: from now on nothing wakes
    /// it until it is [there](Self::arrive).
    pub(crate) fn leave(&mut self, to: &Arc<Mailbox>, around: &mut Around<'_>) -> bool {
        let is_settled = self.phase == Phase::Open && !self.parked && !self.blocked;
        if !is_settled || !self.talk.can_move() {
            return false;
        }
        let Some(socket) = &self.socket else { return false };
        if epoll::delete(around.epoll, socket).is_err() {
            return false;
        }
        self.talk.put_back(around.buffers);
        self.signal.leave(Arc::downgrade(to));
        // Ages travel, ticks are the loop's own.
        for at in [&mut self.heard, &mut self.sent, &mut self.began] {
            *at = around.tick.saturating_sub(*at);
        }
        true
    }

    /// Goes on where it has moved to.
    pub(crate) fn arrive(&mut self, id: Id<Self>, now: Instant, around: &mut Around<'_>) {
        for age in [&mut self.heard, &mut self.sent, &mut self.began] {
            *age = around.tick.saturating_sub(*age);
        }
        self.moved = now;
        self.signal.aim(Woken::Conn(id));
        self.register(id, around);
        // Whatever was woken on the way.
        self.resume(around);
    }

    /// Counts a wake-up. What was asked for since the last look, at every so many of them.
    pub(crate) fn count_wakeup(&mut self, look_every: u32) -> Option<Look> {
        self.wakeups += 1;
        if self.wakeups < look_every {
            return None;
        }
        let calls = self.talk.calls();
        let look = Look { wakeups: self.wakeups, calls: calls - self.looked, moved: self.moved };
        (self.wakeups, self.looked) = (0, calls);
        Some(look)
    }

    /// Its socket, while there is one.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// The service it belongs to.
    pub(crate) const fn owner(&self) -> Owner {
        self.owner
    }

    /// Whether it may be dropped.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Gone && (self.talk.is_done() || self.talk.is_aborted())
    }

    /// Whether it waits for a large receive buffer.
    pub(crate) const fn is_parked(&self) -> bool {
        self.parked
    }

    /// Does what epoll says can be done.
    pub(crate) fn handle_event(&mut self, flags: EventFlags, around: &mut Around<'_>) {
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            self.lose();
        }
        if flags.contains(EventFlags::OUT) {
            self.blocked = false;
            self.flush(around);
        }
        if flags.contains(EventFlags::IN) {
            self.read(around);
        }
        self.settle(around);
    }

    /// Goes on with compounds that were woken, or with a stop that began.
    pub(crate) fn resume(&mut self, around: &mut Around<'_>) {
        self.signal.lower();
        if self.talk.resume(around.buffers).is_err() {
            self.finish_reading(false);
        }
        self.flush(around);
        self.settle(around);
    }

    /// Asks again for the buffer it waited for.
    pub(crate) fn unpark(&mut self, around: &mut Around<'_>) {
        if std::mem::take(&mut self.parked) {
            self.heard = around.tick;
            // What has arrived may have waited for the buffer as well.
            if self.talk.run_received(around.buffers).is_err() {
                self.finish_reading(false);
            }
            self.flush(around);
            self.read(around);
            self.settle(around);
        }
    }

    /// Looks after the time that passed.
    pub(crate) fn handle_tick(&mut self, around: &mut Around<'_>) {
        let tick = around.tick;
        let reads = self.interest.contains(EventFlags::IN);
        if self.blocked && tick > self.sent + around.timeouts.send {
            count(&around.counters.sends_stalled);
            self.lose();
        }
        match self.phase {
            Phase::Open => {
                if self.is_late(around, reads) {
                    self.talk.count_stalled();
                    self.lose();
                } else if tick > self.heard + SILENT_TICKS
                    && self.talk.is_quiet()
                    && !self.talk.has_session()
                {
                    self.lose();
                } else if !self.idle && tick > self.heard + IDLE_TICKS && self.talk.is_quiet() {
                    self.idle = true;
                    self.talk.idle(around.buffers);
                }
            }
            Phase::Lingering { until } if tick >= until => self.lose(),
            Phase::Lingering { .. } | Phase::Finishing { .. } | Phase::Gone => {}
        }
        self.settle(around);
    }

    /// Whether the rest of a record is overdue: no byte of it came for a while, or it comes byte
    /// by byte to keep a buffer from others.
    fn is_late(&mut self, around: &Around<'_>, reads: bool) -> bool {
        let (tick, limit) = (around.tick, around.timeouts.record);
        let calls = self.talk.calls();
        if calls != self.calls || !reads || !self.talk.is_partial() {
            (self.calls, self.began) = (calls, tick);
            return false;
        }
        tick > self.heard + limit || tick > self.began + 2 * limit
    }

    fn read(&mut self, around: &mut Around<'_>) {
        for _ in 0..ROUNDS_MAX {
            match self.phase {
                Phase::Open if self.talk.wants_input() => {}
                Phase::Lingering { .. } => return self.discard(),
                Phase::Open | Phase::Finishing { .. } | Phase::Gone => return,
            }
            let Some(socket) = &self.socket else { return };
            let Some(space) = self.talk.space(around.buffers) else {
                count(&around.counters.buffer_waits);
                self.parked = true;
                return;
            };
            let room = space.len();
            if room == 0 {
                return;
            }
            match recv(socket, space, RecvFlags::empty()) {
                Ok((_, 0)) => return self.finish_reading(true),
                Ok((_, n)) => {
                    self.take(n, around);
                    if n < room {
                        return;
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => return self.lose(),
            }
        }
    }

    fn take(&mut self, n: usize, around: &mut Around<'_>) {
        self.heard = around.tick;
        self.idle = false;
        if self.talk.received(n, around.buffers).is_err() {
            self.finish_reading(false);
        }
        self.flush(around);
    }

    /// Sends what waits, then runs what was left lying because so much waited. A peer that has
    /// sent its last call gets all its replies too.
    fn flush(&mut self, around: &mut Around<'_>) {
        for _ in 0..ROUNDS_MAX {
            self.send(around.tick);
            let is_heard = matches!(self.phase, Phase::Open | Phase::Finishing { .. });
            if !is_heard || !self.talk.has_work() {
                return;
            }
            if self.talk.run_received(around.buffers).is_err() {
                self.finish_reading(false);
            }
        }
        self.signal.raise();
    }

    fn send(&mut self, tick: u64) {
        if self.blocked {
            return;
        }
        let Some(socket) = &self.socket else { return };
        let transmit = self.talk.transmit();
        if transmit.pending() == 0 {
            return;
        }
        match send_all(socket, transmit) {
            Ok(sent) => {
                self.blocked = matches!(sent, Sent::Blocked(_));
                if sent != Sent::Blocked(0) {
                    self.sent = tick;
                }
            }
            Err(_) => self.lose(),
        }
    }

    fn finish_reading(&mut self, ended: bool) {
        if self.phase == Phase::Open {
            self.parked = false;
            self.phase = Phase::Finishing { ended };
        }
    }

    fn lose(&mut self) {
        self.socket = None;
        self.parked = false;
        self.blocked = false;
        self.phase = Phase::Gone;
    }

    fn discard(&mut self) {
        let mut bytes = [0; 4096];
        for _ in 0..ROUNDS_MAX {
            let Some(socket) = &self.socket else { return };
            match recv(socket, &mut bytes[..], RecvFlags::empty()) {
                Ok((_, 0)) => return self.lose(),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.lose(),
            }
        }
    }

    /// Moves on to what follows, and tells epoll if that changes what is waited for.
    fn settle(&mut self, around: &mut Around<'_>) {
        // The next connection finds it in the CPU's cache.
        self.talk.put_back(around.buffers);
        let wants_input = self.talk.wants_input();
        if !wants_input && self.talk.is_closing() {
            self.close(around.tick);
        }
        if let Phase::Finishing { ended } = self.phase
            && self.talk.is_quiet()
        {
            let until = around.tick + LINGER_TICKS;
            self.phase = Phase::Lingering { until };
            let socket = self.socket.as_ref();
            if ended || socket.is_none_or(|socket| shutdown(socket, Shutdown::Write).is_err()) {
                self.lose();
            }
        }
        let reads = match self.phase {
            Phase::Open => !self.parked && wants_input,
            Phase::Lingering { .. } => true,
            Phase::Finishing { .. } | Phase::Gone => false,
        };
        let mut wanted = if reads { EventFlags::IN } else { EventFlags::empty() };
        wanted.set(EventFlags::OUT, self.blocked);
        if wanted != self.interest {
            self.change_interest(wanted, around);
        }
    }

    /// The instance stops.
    fn close(&mut self, tick: u64) {
        let last = self.heard.max(self.sent);
        // After a while nothing is on its way any more that closing could take back.
        let is_still = self.talk.is_quiet() && tick > last + LINGER_TICKS;
        if self.talk.is_aborted() || (self.phase == Phase::Open && is_still) {
            self.lose();
        }
        self.finish_reading(false);
    }

    fn change_interest(&mut self, wanted: EventFlags, around: &Around<'_>) {
        let Some(socket) = &self.socket else { return };
        let changed = wanted.symmetric_difference(self.interest);
        if changed.contains(EventFlags::IN) {
            // The peer was kept waiting: its time begins now.
            self.heard = around.tick;
            if self.phase == Phase::Open && !self.parked && !wanted.contains(EventFlags::IN) {
                count(&around.counters.reads_paused);
            }
        }
        if wanted.difference(self.interest).contains(EventFlags::OUT) {
            self.sent = around.tick;
        }
        self.interest = wanted;
        if epoll::modify(around.epoll, socket, EventData::new_u64(self.data), wanted).is_err() {
            self.lose();
        }
    }
}

#[cfg(test)]
mod tests;
