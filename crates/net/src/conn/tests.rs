//! One connection, driven by hand: a tick is a second that nobody waits for.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Weak;
use std::time::Duration;

use holdfast_base::{Id, Slots};
use holdfast_server::{Config, Export, Exports, Instance};
use holdfast_vfs::Fsid;
use holdfast_vfs::memfs::{MemFs, MemFsOptions};
use rustix::event::epoll::CreateFlags;

use super::*;
use crate::config::RuntimeConfig;
use crate::listener::Gate;
use crate::runtime::Runtime;

const TIMEOUTS: Timeouts = Timeouts { record: 30, send: 60 };

/// A connection, its peer, and the loop that they think they are on.
struct Rig {
    epoll: OwnedFd,
    buffers: Buffers,
    counters: Arc<Counters>,
    tick: u64,
    conn: Conn,
    peer: UnixStream,
    instance: Instance,
    _runtime: Runtime,
}

impl Rig {
    fn new() -> Self {
        let runtime = Runtime::start(RuntimeConfig::default()).expect("threads can be started");
        let fsid = Fsid { major: 1, minor: 1 };
        let options = MemFsOptions { limit_bytes: 1 << 20, limit_files: 10, fsid };
        let fs = Arc::new(MemFs::new(runtime.world(), options));
        let exports = Exports::new(vec![Export::new("/", fs)]).expect("one root");
        let config = Config { exports, lease: Duration::from_secs(90), identity: [1; 16] };
        let instance = Instance::start(runtime.world(), config).expect("the runtime runs");
        let counters = Arc::new(Counters::default());
        let (ours, peer) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("it can be set");
        peer.set_nonblocking(true).expect("it can be set");
        let signal = Arc::new(Signal::new(Weak::new(), counters.clone()));
        let talk = instance.connect(signal.clone());
        let gate = Arc::new(Gate::new(1, counters.clone(), Arc::new(|_| {})));
        let permit = gate.enter().expect("there is a place");
        let accepted = Accepted { socket: ours.into(), talk, signal, permit, owner: Owner(1) };
        let conn = Conn::new(accepted, 1);
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll set");
        let buffers = Connection::buffers(4);
        let (tick, _runtime) = (1, runtime);
        let mut rig = Self { epoll, buffers, counters, tick, conn, peer, instance, _runtime };
        let id: Id<Conn> = Slots::new(1).insert(()).map(|id| Id::from_bits(id.to_bits())).unwrap();
        rig.drive(|conn, around| conn.register(id, around));
        rig
    }

    fn drive(&mut self, drive: impl FnOnce(&mut Conn, &mut Around<'_>)) {
        let mut around = Around {
            epoll: &self.epoll,
            buffers: &mut self.buffers,
            counters: &self.counters,
            timeouts: TIMEOUTS,
            tick: self.tick,
        };
        drive(&mut self.conn, &mut around);
    }

    /// The peer sends, and the loop sees it.
    fn send(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).expect("the socket has room");
        self.drive(|conn, around| conn.handle_event(EventFlags::IN, around));
    }

    /// Lets ticks pass; how many it was still there for.
    fn pass(&mut self, ticks: u64) -> u64 {
        for passed in 0..ticks {
            self.tick += 1;
            self.drive(Conn::handle_tick);
            if self.conn.is_over() {
                return passed;
            }
        }
        ticks
    }

    /// Hands the connection over to a loop that counts other ticks.
    fn move_to(&mut self, tick: u64) -> bool {
        let mailbox = Arc::new(Mailbox::new().expect("an eventfd"));
        let mut left = false;
        self.drive(|conn, around| left = conn.leave(&mailbox, around));
        if left {
            self.tick = tick;
            self.epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll set");
            self.buffers = Connection::buffers(4);
            let id = Id::from_bits(self.conn.data);
            self.drive(|conn, around| conn.arrive(id, Instant::from_ns(1), around));
        }
        left
    }

    fn stalled(&self) -> u64 {
        self.instance.counters().connections_stalled
    }

    /// Whether the peer sees the end, after the replies to so many NULL calls.
    fn peer_is_closed_after(&mut self, replies: usize) -> bool {
        let mut bytes = Vec::new();
        let read = self.peer.read_to_end(&mut bytes);
        assert_eq!(bytes.len(), 28 * replies);
        read.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
    }
}

/// The record of a NULL call.
fn null() -> Vec<u8> {
    let words = [0x8000_0028_u32, 1, 0, 2, 100_003, 4, 0, 0, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

#[test]
fn a_record_whose_rest_does_not_come_ends_the_connection() {
    let mut rig = Rig::new();
    rig.send(&null()[..20]);
    assert_eq!(rig.pass(100), TIMEOUTS.record);
    assert_eq!(rig.stalled(), 1);
    assert!(rig.peer_is_closed_after(0));
}

#[test]
fn a_record_that_comes_byte_by_byte_ends_the_connection_after_twice_the_time() {
    let mut rig = Rig::new();
    let record = [&0x8000_1000_u32.to_be_bytes()[..], &[0; 4096]].concat();
    let mut ticks = 0;
    for byte in record {
        rig.send(&[byte]);
        ticks += rig.pass(1);
        if rig.conn.is_over() {
            break;
        }
    }
    assert_eq!((ticks, rig.stalled()), (2 * TIMEOUTS.record, 1));
    assert!(rig.peer_is_closed_after(0));
}

/// Each of them comes within its time: together they may take as long as they like.
#[test]
fn slow_records_one_after_the_other_end_nothing() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        let record = null();
        for part in record.chunks(22) {
            rig.send(part);
            assert_eq!(rig.pass(TIMEOUTS.record - 1), TIMEOUTS.record - 1);
        }
    }
    assert_eq!(rig.stalled(), 0);
    assert!(!rig.peer_is_closed_after(20));
}

#[test]
fn a_connection_without_a_session_is_closed_when_it_is_silent() {
    let mut rig = Rig::new();
    for _ in 0..5 {
        rig.send(&null());
        assert_eq!(rig.pass(SILENT_TICKS), SILENT_TICKS, "a call is a sign of life");
    }
    assert_eq!(rig.pass(2), 0);
    assert_eq!(rig.stalled(), 0, "it did nothing wrong");
    assert!(rig.peer_is_closed_after(5));
}

#[test]
fn a_connection_moves_between_records_only() {
    let mut rig = Rig::new();
    assert!(rig.move_to(1));
    rig.send(&null()[..20]);
    assert!(!rig.move_to(1), "a part of a record is in this loop's buffer");
    rig.send(&null()[20..]);
    assert!(rig.move_to(1));
    rig.send(&null());
    assert!(!rig.peer_is_closed_after(2));
}

#[test]
fn what_arrives_on_the_way_is_seen_where_it_went() {
    let mut rig = Rig::new();
    rig.peer.write_all(&null()).expect("the socket has room");
    assert!(rig.move_to(1));
    let mut events = [const { std::mem::MaybeUninit::uninit() }; 4];
    let (ready, _) = epoll::wait(&rig.epoll, &mut events[..], None).expect("epoll answers");
    assert_eq!(ready.iter().map(|event| event.data.u64()).collect::<Vec<_>>(), [rig.conn.data]);
}

#[test]
fn a_connection_takes_its_age_along() {
    // An age from before the loop began is cut.
    for (before, after, rest) in [(1000, 5, SILENT_TICKS - 5), (5, 1000, 4)] {
        let mut rig = Rig::new();
        rig.tick = before;
        rig.send(&null());
        assert_eq!(rig.pass(SILENT_TICKS - 4), SILENT_TICKS - 4);
        assert!(rig.move_to(after));
        assert_eq!(rig.pass(200), rest, "from {before} to {after}");
    }
}
