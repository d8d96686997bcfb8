//! Several services on one runtime, and one service over several generations.

mod common;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use common::gated_fs::{Gate, GatedFs};
use common::session::Session;
use common::{Peer, config, memory, null, start, wait_until, with};
use holdfast_net::{Runtime, Service, StartError};
use holdfast_proto::nfs4::Status;
use holdfast_server::Phase;

fn ping(peer: &mut Peer) {
    peer.send(&null(7));
    peer.expect_null(7);
}

fn three() -> (Runtime, [Service; 3]) {
    let (runtime, serve) = with(|runtime, _| runtime.loops = 2);
    let runtime = Runtime::start(runtime).unwrap();
    let services = [(); 3].map(|()| {
        let fs = memory(runtime.world());
        runtime.serve(serve.clone(), |server| server.root(fs)).unwrap()
    });
    (runtime, services)
}

#[test]
fn a_stop_of_one_leaves_the_others() {
    let (runtime, [one, two, three]) = three();
    assert_eq!(runtime.threads(), 6);
    let mut peers = [&one, &two, &three].map(Peer::connect);
    peers.iter_mut().for_each(ping);
    assert!(two.stop().is_clean());
    assert_eq!((runtime.threads(), two.threads()), (4, 0));
    let [of_one, of_two, of_three] = &mut peers;
    assert!(of_two.is_closed());
    assert!(TcpStream::connect(two.local_addrs()[0]).is_err());
    for (service, peer) in [(&one, of_one), (&three, of_three)] {
        ping(peer);
        ping(&mut Peer::connect(service));
        assert_eq!(service.server().generation(), 1);
    }
    two.start().unwrap();
    ping(&mut Peer::connect(&two));
    assert_eq!(two.server().generation(), 2);
    drop(one);
    ping(&mut Peer::connect(&two));
    ping(&mut Peer::connect(&three));
    wait_until(|| runtime.threads() == 4);
}

#[test]
fn a_service_listens_where_it_did_in_every_generation() {
    let service = start(config());
    let addr = service.local_addrs()[0];
    for generation in 1..=20 {
        assert_eq!(service.server().generation(), generation);
        ping(&mut Peer::connect_to(addr));
        assert!(service.stop().is_clean());
        assert_eq!(service.server().phase(), Phase::Down);
        assert!(TcpStream::connect(addr).is_err());
        service.start().unwrap();
    }
}

#[test]
fn a_start_of_what_is_up_is_an_error() {
    let service = start(config());
    let error = service.start().unwrap_err();
    assert!(matches!(error, StartError::Server(holdfast_server::StartError::AlreadyUp)));
    ping(&mut Peer::connect(&service));
}

#[test]
fn a_start_waits_for_the_stop() {
    let gate = Arc::new(Gate::default());
    let service = common::serve(config(), |world| {
        Arc::new(GatedFs { inner: memory(world.clone()), world, gate: gate.clone() })
    });
    let mut session = Session::new(&service);
    session.ask(100, 0);
    wait_until(|| gate.came() == 1);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| service.stop());
        wait_until(|| service.server().phase() == Phase::Stopping);
        let starting = scope.spawn(|| service.start());
        gate.open();
        assert_eq!(session.answer(), (100, Status::OK));
        drop(session);
        assert!(stopping.join().unwrap().is_clean());
        starting.join().unwrap().unwrap();
    });
    assert_eq!((service.server().phase(), service.server().generation()), (Phase::Up, 2));
}

#[test]
fn a_service_that_hangs_takes_its_threads_along_and_no_others() {
    let (runtime, serve) = with(|_, serve| serve.threads = 4);
    let runtime = Runtime::start(runtime).unwrap();
    let gate = Arc::new(Gate::default());
    let world = runtime.world();
    let hung = Arc::new(GatedFs { inner: memory(world.clone()), world, gate: gate.clone() });
    let at_once = holdfast_net::ServeConfig { stop_budget: Duration::ZERO, ..serve.clone() };
    let hung = runtime.serve(at_once, |server| server.root(hung)).unwrap();
    let opened = Arc::new(Gate::default());
    opened.open();
    let world = runtime.world();
    let well = Arc::new(GatedFs { inner: memory(world.clone()), world, gate: opened.clone() });
    let well = runtime.serve(serve, |server| server.root(well)).unwrap();
    let mut session = Session::new(&hung);
    (0..20).for_each(|number| session.ask(100 + number, number));
    // One of the eight is for the other.
    wait_until(|| gate.came() == 7);
    assert_eq!(hung.stop().threads_left, 7);
    assert_eq!((runtime.threads(), well.threads()), (4, 4));
    let mut session = Session::new(&well);
    (0..20).for_each(|number| session.ask(100 + number, number));
    (0..20).for_each(|_| assert_eq!(session.answer().1, Status::OK));
    assert!(well.stop().is_clean());
    gate.open();
}
