//! How a service ends.

mod common;

use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::gated_fs::{Gate, GatedFs};
use common::session::Session;
use common::{PATIENCE, Peer, config, memory, null, serve, start, start_with_world, wait_until};
use holdfast_base::Closed;
use holdfast_net::{Service, ServiceConfig};
use holdfast_proto::nfs4::Status;
use holdfast_vfs::FileSystem;

/// More than there are threads: some wait for a thread, the others for the gate.
const ASKED: u32 = 20;

/// A service whose attributes wait for a gate.
fn gated() -> (Service, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let service = serve(ServiceConfig { threads: 4, loops: 2, ..config() }, |world| {
        let fs = GatedFs { inner: memory(world), world: world.clone(), gate: gate.clone() };
        Arc::new(fs) as Arc<dyn FileSystem>
    });
    (service, gate)
}

#[test]
fn every_reply_in_flight_is_sent() {
    let (service, gate) = gated();
    let mut session = Session::new(&service);
    (0..ASKED).for_each(|number| session.ask(100 + number, number));
    wait_until(|| gate.came() == 4);
    // All are received, as the reply to a later call tells.
    session.peer.send(&null(1));
    session.peer.expect_null(1);
    let addr = service.local_addrs()[0];
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| service.stop(PATIENCE));
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
    let (service, gate) = gated();
    let mut session = Session::new(&service);
    (0..ASKED).for_each(|number| session.ask(100 + number, number));
    // All are received, as the reply to a later call tells.
    session.peer.send(&null(1));
    session.peer.expect_null(1);
    wait_until(|| gate.came() == 4);
    let report = service.stop(Duration::ZERO);
    assert!(!report.given_up.is_empty());
    assert_eq!(report.threads_left, 4);
    assert_eq!(report.jobs_dropped, ASKED as usize - 4);
    gate.open();
}

#[test]
fn a_peer_that_is_gone_does_not_take_its_compounds_with_it() {
    let (service, gate) = gated();
    let mut session = Session::new(&service);
    session.ask(100, 0);
    wait_until(|| gate.came() == 1);
    drop(session);
    let running = || service.instance().running().len();
    assert_eq!(running(), 3, "the sweep of leases, the connection, its compound");
    gate.open();
    wait_until(|| running() == 1);
    assert!(service.stop(PATIENCE).is_clean());
}

#[test]
fn a_second_stop_answers_the_same() {
    let service = start(config());
    let mut idle = Peer::connect(&service);
    idle.send(&null(1));
    idle.expect_null(1);
    std::thread::scope(|scope| {
        let stops: Vec<_> = (0..3).map(|_| scope.spawn(|| service.stop(PATIENCE))).collect();
        assert!(idle.is_closed());
        drop(idle);
        assert!(stops.into_iter().all(|stop| stop.join().unwrap().is_clean()));
    });
    assert!(service.stop(PATIENCE).is_clean());
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
    assert!(service.stop(PATIENCE).is_clean());
}

#[test]
fn after_the_stop_the_world_refuses() {
    let (service, world) = start_with_world(config());
    assert!(service.stop(PATIENCE).is_clean());
    let kept = Arc::new(Mutex::new(()));
    let (in_task, in_job) = (kept.clone(), kept.clone());
    let task = Box::pin(async move { drop(in_task) });
    assert_eq!(world.spawn(task), Err(Closed));
    assert_eq!(world.blocking(Box::new(move || drop(in_job))), Err(Closed));
    assert_eq!(Arc::strong_count(&kept), 1, "what was refused is dropped");
    assert_eq!(service.counters().work_refused, 2);
}

#[test]
fn a_dropped_service_is_stopped() {
    let (service, world) = start_with_world(config());
    let addr = service.local_addrs()[0];
    let mut peer = Peer::connect(&service);
    drop(service);
    assert!(peer.is_closed());
    assert!(TcpStream::connect(addr).is_err());
    assert_eq!(world.spawn(Box::pin(async {})), Err(Closed));
}
