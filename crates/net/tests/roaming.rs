//! Connections that move from loop to loop, as often as they can: nothing is lost, nothing comes
//! twice, nothing goes to another peer, and nothing is left.

mod common;

use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::gated_fs::{Gate, GatedFs};
use common::session::Session;
use common::{PATIENCE, Peer, Setup, memory, null, serve, start, wait_until, with};
use holdfast_net::{Follow, Left, Placement, Service};
use holdfast_proto::nfs4::Status;
use rustix::thread::{CpuSet, sched_getaffinity};

const PEERS: u32 = 8;
const SLOTS: u32 = 64;

fn roaming() -> Setup {
    with(|runtime, _| {
        runtime.loops = 3;
        runtime.placement = Placement::Roam;
    })
}

fn moved(service: &Service) -> u64 {
    service.runtime().counters().connections_moved
}

/// A service whose attributes are got by the threads of the pool, so that compounds wait while
/// their connection moves.
fn slow(gate: &Arc<Gate>) -> Service {
    let (gate, (runtime, mut config)) = (gate.clone(), roaming());
    config.threads = 4;
    serve((runtime, config), |world| {
        Arc::new(GatedFs { inner: memory(world.clone()), world, gate })
    })
}

fn opened() -> Arc<Gate> {
    let gate = Arc::new(Gate::default());
    gate.open();
    gate
}

/// Sends batches of calls, cut anywhere, and reads the replies in their order.
fn call(peer: &mut Peer, base: u32, rounds: u32) {
    for round in 0..rounds {
        let first = base + 100 * round;
        let calls = first..first + 1 + round % 40;
        let bytes: Vec<_> = calls.clone().flat_map(null).collect();
        let piece = 1 + (round as usize * 37) % bytes.len();
        bytes.chunks(piece.max(20)).for_each(|piece| peer.send(piece));
        calls.for_each(|xid| peer.expect_null(xid));
    }
}

/// Every slot of a new session asks, and is answered once.
fn ask_all(mut session: Session, base: u32) -> Peer {
    (0..SLOTS).for_each(|slot| session.ask(base + slot, slot));
    expect_all(&mut session, base);
    session.peer
}

fn expect_all(session: &mut Session, base: u32) {
    let mut answers: Vec<_> = (0..SLOTS).map(|_| session.answer()).collect();
    answers.sort_by_key(|(xid, _)| *xid);
    let all: Vec<_> = (base..base + SLOTS).map(|xid| (xid, Status::OK)).collect();
    assert_eq!(answers, all);
}

#[test]
fn each_call_is_answered_once_in_order_and_to_its_peer() {
    let service = start(roaming());
    std::thread::scope(|scope| {
        for number in 0..PEERS {
            let mut peer = Peer::connect(&service);
            scope.spawn(move || call(&mut peer, number << 24, 200));
        }
    });
    assert!(moved(&service) > u64::from(PEERS), "they did not move");
    assert!(service.stop().is_clean());
}

#[test]
fn compounds_that_wait_are_woken_where_their_connection_is() {
    let service = slow(&opened());
    std::thread::scope(|scope| {
        for number in 0..PEERS {
            let service = &service;
            scope.spawn(move || {
                let mut peer = Peer::connect(service);
                for round in 0..20 {
                    let session = Session::on(peer, format!("owner {number}").as_bytes());
                    peer = ask_all(session, (number << 24) + (round << 16));
                }
            });
        }
    });
    assert!(moved(&service) > u64::from(PEERS), "they did not move");
    assert!(service.stop().is_clean());
}

/// All of them wait for the gate, wherever their connection goes meanwhile.
#[test]
fn a_peer_that_has_sent_its_last_request_gets_every_reply_from_wherever() {
    let gate = Arc::new(Gate::default());
    let service = slow(&gate);
    let _at_last = gate.open_at_last();
    let session = |number: u32| {
        let peer = Peer::connect(&service);
        Session::on(peer, format!("owner {number}").as_bytes())
    };
    let mut sessions: Vec<_> = (0..PEERS).map(session).collect();
    for (session, number) in sessions.iter_mut().zip(0..) {
        (0..SLOTS).for_each(|slot| session.ask((number << 24) + slot, slot));
        session.peer.send(&null(1));
        session.peer.expect_null(1);
    }
    let so_far = moved(&service);
    for round in 0..10 {
        sessions.iter_mut().for_each(|session| session.peer.send(&null(round)));
        sessions.iter_mut().for_each(|session| session.peer.expect_null(round));
    }
    assert!(moved(&service) > so_far, "they do not move while compounds wait");
    for session in &sessions {
        session.peer.0.shutdown(Shutdown::Write).unwrap();
    }
    gate.open();
    for (session, number) in sessions.iter_mut().zip(0..) {
        expect_all(session, number << 24);
        assert!(session.peer.is_closed());
    }
    assert!(service.stop().is_clean());
}

/// Asks until the connection is closed: what was asked before the stop may be answered, and what
/// is answered is an answer to this peer.
fn ask_until_closed(mut peer: Peer, base: u32, asked: &AtomicUsize) {
    use std::io::{Read, Write};
    for xid in base.. {
        let reply = &mut [0; 28];
        if peer.0.write_all(&null(xid)).is_err() || peer.0.read_exact(reply).is_err() {
            return;
        }
        assert_eq!(reply[4..8], xid.to_be_bytes());
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_stop_finds_connections_that_are_on_their_way() {
    let (runtime, mut config) = roaming();
    config.connections = PEERS as usize;
    let service = start((runtime, config));
    for round in 1..=20 {
        let asked = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..PEERS {
                // A place is free as soon as the service has seen that a peer is gone.
                let peer = Peer::connect(&service);
                let asked = &asked;
                scope.spawn(move || ask_until_closed(peer, number << 24, asked));
            }
            wait_until(|| asked.load(Ordering::Relaxed) > 10 * round);
            assert!(service.stop().is_clean());
        });
        assert_eq!(service.server().running().len(), 0);
        assert_eq!(
            service.runtime().counters().connections_refused,
            0,
            "a place was not given back"
        );
        service.start().unwrap();
    }
    assert_eq!(service.runtime().counters().connections_panicked, 0);
}

#[test]
fn a_runtime_that_ends_cuts_off_connections_that_are_on_their_way() {
    for round in 1..=20 {
        let service = start(roaming());
        let asked = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..PEERS {
                let (peer, asked) = (Peer::connect(&service), &asked);
                scope.spawn(move || ask_until_closed(peer, number << 24, asked));
            }
            wait_until(|| asked.load(Ordering::Relaxed) > 10 * round);
            assert_eq!(service.runtime().stop(PATIENCE), Left::default());
        });
        assert_eq!(service.server().running().len(), 0, "a connection was not dropped");
    }
}

#[test]
fn a_slow_record_is_waited_for_as_long_as_on_one_loop() {
    let (mut runtime, config) = roaming();
    runtime.record_timeout = Duration::from_secs(1);
    let service = start((runtime, config));
    let mut half = Peer::connect(&service);
    call(&mut half, 0, 50);
    half.send(&null(1)[..20]);
    assert!(half.is_closed());
    assert_eq!(service.server().counters().connections_stalled, 1);
}

/// The CPUs of this process.
static CPUS: OnceLock<Vec<usize>> = OnceLock::new();
static TURN: AtomicUsize = AtomicUsize::new(0);
static IS_KNOWN: AtomicBool = AtomicBool::new(true);

/// As if the packets of all peers arrived now on this CPU and now on that one.
fn anywhere(_: BorrowedFd<'_>) -> Option<usize> {
    let cpus = CPUS.get()?;
    let turn = TURN.fetch_add(1, Ordering::Relaxed) % cpus.len();
    IS_KNOWN.load(Ordering::Relaxed).then_some(cpus[turn])
}

#[test]
fn connections_follow_where_there_is_a_cpu_to_follow_and_are_served_where_there_is_none() {
    let follow = Follow {
        look_every: 1,
        target_busy_max: 100,
        shed_above: 100,
        stay: Duration::ZERO,
        incoming_cpu: anywhere,
        ..Follow::default()
    };
    // A loop keeps to one of them, and could not tell.
    let set = sched_getaffinity(None).unwrap();
    CPUS.get_or_init(|| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect());
    let own = set.count() as usize;
    // A loop for each CPU; without knowing CPUs; more loops than CPUs; one loop.
    for (loops, is_known) in [(own, true), (own, false), (own + 1, true), (1, true)] {
        IS_KNOWN.store(is_known, Ordering::Relaxed);
        let (mut runtime, config) = roaming();
        (runtime.loops, runtime.placement) = (loops, Placement::Follow(follow));
        let service = start((runtime, config));
        std::thread::scope(|scope| {
            for number in 0..PEERS {
                let mut peer = Peer::connect(&service);
                scope.spawn(move || call(&mut peer, number << 24, 50));
            }
        });
        let may_move = loops > 1 && loops == own && is_known;
        let tested = format!("{loops} loops, CPUs known: {is_known}");
        assert_eq!(moved(&service) > 0, may_move, "{tested}");
        assert!(service.stop().is_clean());
    }
}
