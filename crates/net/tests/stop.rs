//! How a service ends.

mod common;

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use common::gated_fs::{Gate, GatedFs};
use common::session::Session;
use common::{PATIENCE, Peer, config, memory, null, serve, start, wait_until, with};
use holdfast_base::Closed;
use holdfast_net::{Left, Service};
use holdfast_proto::nfs4::Status;

/// More than there are threads: some wait for a thread, the others for the gate.
const ASKED: u32 = 20;

/// A service whose attributes wait for a gate.
fn gated(stop_budget: Duration) -> (Service, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let setup = with(|runtime, serve| {
        runtime.loops = 2;
        serve.threads = 4;
        serve.stop_budget = stop_budget;
    });
    let service = serve(setup, |world| {
        Arc::new(GatedFs { inner: memory(world.clone()), world, gate: gate.clone() })
    });
    (service, gate)
}

#[test]
fn every_reply_in_flight_is_sent() {
    let (service, gate) = gated(PATIENCE);
    let mut session = Session::new(&service);
    (0..ASKED).for_each(|number| session.ask(100 + number, number));
    wait_until(|| gate.came() == 4);
    // All are received, as the reply to a later call tells.
    session.peer.send(&null(1));
    session.peer.expect_null(1);
    let addr = service.local_addrs()[0];
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| service.stop());
        wait_until(|| TcpStream::connect(addr).is_err());
        gate.open();
        let mut answered: Vec<_> = (0..ASKED).map(|_| session.answer()).collect();
        answered.sort_by_key(|(xid, _)| *xid);
        let all: Vec<_> = (100..100 + ASKED).map(|xid| (xid, Status::OK)).collect();
        assert_eq!(answered, all);
        assert!(session.peer.is_closed());
        drop(session);
        let report = stopping.join().unwrap();
        assert!(report.is_clean(), "{report:?}");
    });
}

#[test]
fn what_does_not_end_is_given_up_and_named() {
    let (service, gate) = gated(Duration::ZERO);
    let mut session = Session::new(&service);
    (0..ASKED).for_each(|number| session.ask(100 + number, number));
    // All are received, as the reply to a later call tells.
    session.peer.send(&null(1));
    session.peer.expect_null(1);
    wait_until(|| gate.came() == 4);
    let report = service.stop();
    assert!(!report.given_up.is_empty());
    assert_eq!(report.threads_left, 4);
    assert_eq!(report.jobs_dropped, ASKED as usize - 4);
    assert_eq!(service.stop(), report, "a second stop answers the same");
    // The next generation has threads of its own.
    service.start().unwrap();
    assert_eq!(service.threads(), 4);
    let mut next = Session::new(&service);
    next.ask(100, 0);
    wait_until(|| gate.came() == 5);
    gate.open();
    assert_eq!(next.answer(), (100, Status::OK));
    let report = service.stop();
    assert_eq!((report.jobs_dropped, report.threads_left), (0, 0));
}

#[test]
fn a_peer_that_is_gone_does_not_take_its_compounds_with_it() {
    let (service, gate) = gated(PATIENCE);
    let mut session = Session::new(&service);
    session.ask(100, 0);
    wait_until(|| gate.came() == 1);
    drop(session);
    let running = || service.server().running().len();
    assert_eq!(running(), 3, "the sweep of leases, the connection, its compound");
    gate.open();
    wait_until(|| running() == 1);
    assert!(service.stop().is_clean());
}

/// More than a connection has under way at a time: what waits beyond that is begun later.
#[test]
fn a_peer_that_has_sent_its_last_request_gets_every_reply() {
    const SLOTS: u32 = 64;
    let (service, gate) = gated(PATIENCE);
    let owners: Vec<_> = (0..5).map(|number| format!("owner {number}")).collect();
    let mut session = Session::new(&service);
    let mut ids = Vec::new();
    for owner in &owners {
        session = Session::on(session.peer, owner.as_bytes());
        ids.push(session.id);
    }
    let mut asked = Vec::new();
    for (id, base) in ids.into_iter().zip((1000..).step_by(1000)) {
        session.id = id;
        for slot in 0..SLOTS {
            session.ask(base + slot, slot);
            asked.push((base + slot, Status::OK));
        }
    }
    session.peer.0.shutdown(Shutdown::Write).unwrap();
    wait_until(|| gate.came() == 4);
    gate.open();
    let mut answered: Vec<_> = asked.iter().map(|_| session.answer()).collect();
    answered.sort_by_key(|(xid, _)| *xid);
    assert_eq!(answered, asked);
    assert!(session.peer.is_closed());
    assert!(service.stop().is_clean());
}

/// The loop that has the listeners is busy: the kernel closes them without it.
#[test]
fn listeners_close_at_once_even_if_their_loop_is_busy() {
    let service = start(config());
    let addr = service.local_addrs()[0];
    let gate = Arc::new(Gate::default());
    let in_task = gate.clone();
    let busy = Box::pin(async move { in_task.pass() });
    service.runtime().world().spawn(busy).unwrap();
    wait_until(|| gate.came() == 1);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| service.stop());
        wait_until(|| TcpStream::connect(addr).is_err());
        assert!(!stopping.is_finished(), "it waits for the loop");
        gate.open();
        assert!(stopping.join().unwrap().is_clean());
    });
    service.start().unwrap();
    let mut peer = Peer::connect(&service);
    peer.send(&null(1));
    peer.expect_null(1);
}

#[test]
fn a_second_stop_answers_the_same() {
    let service = start(config());
    let mut idle = Peer::connect(&service);
    idle.send(&null(1));
    idle.expect_null(1);
    std::thread::scope(|scope| {
        let stops: Vec<_> = (0..3).map(|_| scope.spawn(|| service.stop())).collect();
        assert!(idle.is_closed());
        drop(idle);
        assert!(stops.into_iter().all(|stop| stop.join().unwrap().is_clean()));
    });
    assert!(service.stop().is_clean());
    assert!(TcpStream::connect(service.local_addrs()[0]).is_err());
}

#[test]
fn a_stop_does_not_wait_for_a_peer_that_stays() {
    let service = start(config());
    let mut peers: Vec<_> = (0..10).map(|_| Peer::connect(&service)).collect();
    for peer in &mut peers {
        peer.send(&null(1));
        peer.expect_null(1);
        peer.send(&null(2)[..30]);
    }
    assert!(service.stop().is_clean());
}

#[test]
fn without_a_thread_what_may_block_is_refused() {
    let service = start(config());
    let world = service.runtime().world();
    assert!(service.stop().is_clean());
    let kept = Arc::new(());
    let in_job = kept.clone();
    assert_eq!(world.blocking(Box::new(move || drop(in_job))), Err(Closed));
    assert_eq!(Arc::strong_count(&kept), 1, "what was refused is dropped");
    assert_eq!(service.runtime().counters().work_refused, 1);
}

#[test]
fn after_the_end_of_its_runtime_a_world_refuses() {
    let service = start(config());
    let world = service.runtime().world();
    assert_eq!(service.runtime().stop(PATIENCE), Left::default());
    let kept = Arc::new(());
    let (in_task, in_job) = (kept.clone(), kept.clone());
    let task = Box::pin(async move { drop(in_task) });
    assert_eq!(world.spawn(task), Err(Closed));
    assert_eq!(world.blocking(Box::new(move || drop(in_job))), Err(Closed));
    assert_eq!(Arc::strong_count(&kept), 1, "what was refused is dropped");
    assert_eq!(service.runtime().counters().work_refused, 2);
}

#[test]
fn a_dropped_service_is_stopped() {
    let service = start(config());
    let (runtime, addr) = (service.runtime().clone(), service.local_addrs()[0]);
    let mut peer = Peer::connect(&service);
    drop(service);
    assert!(peer.is_closed());
    assert!(TcpStream::connect(addr).is_err());
    wait_until(|| runtime.threads() == 0);
}

#[test]
fn with_the_last_service_the_runtime_ends() {
    let service = start(config());
    let (world, addr) = (service.runtime().world(), service.local_addrs()[0]);
    let mut peer = Peer::connect(&service);
    drop(service);
    assert!(peer.is_closed());
    assert!(TcpStream::connect(addr).is_err());
    assert_eq!(world.spawn(Box::pin(async {})), Err(Closed));
}
