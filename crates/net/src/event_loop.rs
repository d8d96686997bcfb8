//! A loop: one thread, one epoll set, and the connections and tasks that are its own.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use holdfast_base::{Id, Instant, Slots};
use holdfast_proto::rpc::Buffers;
use holdfast_server::Connection;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::conn::{Around, Conn, Timeouts};
use crate::counters::{Counters, count};
use crate::listener::{Accepted, Listener};
use crate::mailbox::{Delivery, Mail, Mailbox, Taken, Woken};
use crate::owner::Owner;
use crate::placement::Place;
use crate::tasks::Tasks;
use crate::timers::{NEVER, Timers};
use crate::world::now;

mod moves;

/// Events taken from epoll at once.
const EVENTS_MAX: usize = 64;
/// How often time is looked after.
const TICK: Duration = Duration::from_secs(1);
/// Ticks without a received byte after which a loop frees the buffers it keeps.
const TRIM_TICKS: u64 = 10;

/// Ids begin above 2^32, so smaller numbers are free for what is not a connection.
const MAILBOX: u64 = 0;
const TIMER: u64 = 1;
const LISTENERS: u64 = 2;
const IDS: u64 = 1 << 32;

const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// How a loop is set up.
pub(crate) struct Setup {
    pub(crate) mailbox: Arc<Mailbox>,
    /// The timers this loop drives.
    pub(crate) timers: Option<Arc<Timers>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) timeouts: Timeouts,
    pub(crate) large_records: usize,
    pub(crate) place: Place,
}

/// A loop.
pub(crate) struct EventLoop {
    mailbox: Arc<Mailbox>,
    timers: Option<Arc<Timers>>,
    counters: Arc<Counters>,
    epoll: OwnedFd,
    timer: OwnedFd,
    /// What the timer is set to, and when the next tick is due.
    armed: u64,
    next_tick: u64,
    tick: u64,
    active: u64,
    timeouts: Timeouts,
    /// A place is used again when its listener is closed.
    listeners: Vec<Option<Listener>>,
    conns: Slots<Conn>,
    parked: VecDeque<Id<Conn>>,
    buffers: Buffers,
    tasks: Tasks,
    place: Place,
}

impl EventLoop {
    pub(crate) fn new(setup: Setup) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        // Neither is ever read: each edge is one event.
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, setup.mailbox.event(), EventData::new_u64(MAILBOX), edge)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), edge)?;
        let tasks = Tasks::new(setup.mailbox.clone(), setup.counters.clone());
        Ok(Self {
            mailbox: setup.mailbox,
            timers: setup.timers,
            counters: setup.counters,
            epoll,
            timer,
            armed: NEVER,
            next_tick: (now() + TICK).as_ns(),
            tick: 1,
            active: 1,
            timeouts: setup.timeouts,
            listeners: Vec::new(),
            // The gates of the services bound their number.
            conns: Slots::new(u32::MAX as usize),
            parked: VecDeque::new(),
            buffers: Connection::buffers(setup.large_records),
            tasks,
            place: setup.place,
        })
    }

    /// Has this thread stay on the CPU of the loop, if it has one.
    pub(crate) fn pin(&self) {
        self.place.pin();
    }

    /// Runs until the mailbox is closed.
    pub(crate) fn run(mut self) {
        let mut delivery = Delivery::default();
        let mut events = [MaybeUninit::uninit(); EVENTS_MAX];
        loop {
            let taken = self.mailbox.take(&mut delivery);
            match taken {
                Taken::Exit => break,
                Taken::Some => self.deliver(&mut delivery),
                Taken::Nothing => {}
            }
            if !self.parked.is_empty() {
                self.retry_parked();
            }
            self.arm();
            let timeout = if taken == Taken::Some { Some(&NO_WAIT) } else { None };
            // An interruption is a wake-up without events.
            let ready = epoll::wait(&self.epoll, &mut events[..], timeout);
            self.mailbox.awake();
            if let Ok((ready, _)) = ready {
                for event in &*ready {
                    self.handle_event(*event);
                }
            }
        }
        self.end();
    }

    fn handle_event(&mut self, event: Event) {
        let (data, flags) = (event.data.u64(), event.flags);
        match data {
            MAILBOX => {}
            TIMER => self.handle_timer(),
            IDS.. => {
                let id = Id::from_bits(data);
                self.with_conn(id, |conn, around| conn.handle_event(flags, around));
                self.look_after(id);
            }
            LISTENERS.. => {
                let at = (data - LISTENERS) as usize;
                if let Some(Some(listener)) = self.listeners.get_mut(at) {
                    listener.accept();
                    if listener.paused {
                        self.change_listener(at, EventFlags::empty());
                    }
                }
            }
        }
    }

    /// Drives a connection, if it is still there, and drops it if it is over or panicked.
    fn with_conn(&mut self, id: Id<Conn>, drive: impl FnOnce(&mut Conn, &mut Around<'_>)) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let was_parked = conn.is_parked();
        conn.owner().enter();
        let mut around = Around {
            epoll: &self.epoll,
            buffers: &mut self.buffers,
            counters: &self.counters,
            timeouts: self.timeouts,
            tick: self.tick,
        };
        let driven = catch_unwind(AssertUnwindSafe(|| drive(conn, &mut around)));
        if driven.is_err() {
            count(&self.counters.connections_panicked);
        }
        self.active = self.tick;
        if driven.is_err() || conn.is_over() {
            self.remove(id);
        } else if conn.is_parked() && !was_parked {
            self.parked.push_back(id);
        }
    }

    fn remove(&mut self, id: Id<Conn>) {
        let conn = self.conns.remove(id);
        self.contained(|| drop(conn));
    }

    /// Runs what may drop a connection, and with it foreign code.
    fn contained(&self, run: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            count(&self.counters.connections_panicked);
        }
    }

    fn deliver(&mut self, delivery: &mut Delivery) {
        for mail in delivery.mail.drain(..) {
            match mail {
                Mail::Listen(listeners) => self.listen(listeners),
                Mail::Accepted(accepted) => self.add(*accepted),
                Mail::Moved(conn) => self.take_in(*conn),
                Mail::Task(owner, future) => self.tasks.add(owner, future),
                Mail::Unlisten(owner, done) => {
                    self.unlisten(owner);
                    done.keep(());
                }
            }
        }
        for woken in delivery.woken.drain(..) {
            match woken {
                Woken::Conn(id) => {
                    self.with_conn(id, Conn::resume);
                    self.look_after(id);
                }
                Woken::Task(id) => self.tasks.poll(id),
            }
        }
    }

    fn listen(&mut self, listeners: Vec<Listener>) {
        for mut listener in listeners {
            let free = self.listeners.iter().position(Option::is_none);
            let at = free.unwrap_or(self.listeners.len());
            let data = EventData::new_u64(LISTENERS + at as u64);
            // One that cannot be watched is tried again at the next tick.
            let added = epoll::add(&self.epoll, &*listener.socket, data, EventFlags::IN);
            listener.paused = added.is_err();
            if at == self.listeners.len() {
                self.listeners.push(None);
            }
            self.listeners[at] = Some(listener);
        }
    }

    fn unlisten(&mut self, owner: Owner) {
        for place in &mut self.listeners {
            place.take_if(|listener| listener.owner() == owner);
        }
    }

    fn change_listener(&mut self, at: usize, flags: EventFlags) {
        let data = EventData::new_u64(LISTENERS + at as u64);
        let Some(Some(listener)) = self.listeners.get_mut(at) else { return };
        let changed = match epoll::modify(&self.epoll, &*listener.socket, data, flags) {
            Err(Errno::NOENT) => epoll::add(&self.epoll, &*listener.socket, data, flags),
            changed => changed,
        };
        listener.paused = flags.is_empty() || changed.is_err();
    }

    fn add(&mut self, accepted: Accepted) {
        let signal = accepted.signal.clone();
        let Ok(id) = self.conns.insert(Conn::new(accepted, self.tick)) else { return };
        signal.aim(Woken::Conn(id));
        self.with_conn(id, |conn, around| conn.register(id, around));
    }

    /// Gives buffers that became free to those that waited longest.
    fn retry_parked(&mut self) {
        for _ in 0..self.parked.len() {
            let Some(id) = self.parked.pop_front() else { return };
            self.with_conn(id, Conn::unpark);
            if self.conns.get(id).is_some_and(Conn::is_parked) {
                // None is free: its turn is still the next.
                self.parked.push_front(id);
                return;
            }
        }
    }

    fn handle_timer(&mut self) {
        self.armed = NEVER;
        let now = now();
        if now.as_ns() >= self.next_tick {
            self.next_tick = (now + TICK).as_ns();
            self.handle_tick();
        }
        if let Some(timers) = &self.timers {
            timers.fire(now);
        }
    }

    fn handle_tick(&mut self) {
        self.tick += 1;
        self.place.sample(now());
        let active = self.active;
        for at in 0..self.listeners.len() {
            if self.listeners[at].as_ref().is_some_and(|listener| listener.paused) {
                self.change_listener(at, EventFlags::IN);
            }
        }
        let ids: Vec<_> = self.conns.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.with_conn(id, Conn::handle_tick);
        }
        // Looking after them is no activity.
        self.active = active;
        if self.tick == active + TRIM_TICKS {
            self.buffers.trim();
        }
    }

    /// Sets the timer to what comes first, if that changed.
    fn arm(&mut self) {
        let timers = self.timers.as_ref().map_or(NEVER, |timers| timers.earliest());
        let first = timers.min(self.next_tick);
        if first == self.armed {
            return;
        }
        // A moment of 0 would switch the timer off.
        let at = Instant::from_ns(first.max(1)).as_ns();
        let it_value =
            Timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
        let new = Itimerspec { it_interval: NO_WAIT, it_value };
        let set = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &new);
        if set.is_ok() {
            self.armed = first;
        }
    }

    fn end(mut self) {
        self.listeners.clear();
        let ids: Vec<_> = self.conns.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.remove(id);
        }
        self.tasks.clear();
        for mail in self.mailbox.leftovers().mail {
            self.contained(|| drop(mail));
        }
    }
}
