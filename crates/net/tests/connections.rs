//! Peers that behave, and peers that do not.

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Peer, config, null, start, wait_until, with};
use holdfast_net::{Congestion, StartError};

#[test]
fn a_null_call_is_answered() {
    let service = start(config());
    let mut peer = Peer::connect(&service);
    for xid in [1, 0, u32::MAX] {
        peer.send(&null(xid));
        peer.expect_null(xid);
    }
    assert!(service.stop().is_clean());
}

#[test]
fn every_loop_and_every_address_serves() {
    let both = vec!["127.0.0.1:0".parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
    let service = start(with(|runtime, serve| {
        runtime.loops = 3;
        serve.listen = both;
    }));
    let addrs = service.local_addrs();
    let mut peers: Vec<_> = (0..8).map(|number| Peer::connect_to(addrs[number % 2])).collect();
    for (peer, xid) in peers.iter_mut().zip(0..) {
        peer.send(&null(xid));
        peer.expect_null(xid);
    }
}

#[test]
fn a_batch_of_a_thousand_calls_is_answered_in_order() {
    let service = start(config());
    let mut peer = Peer::connect(&service);
    for _ in 0..3 {
        let batch: Vec<_> = (0..1000).flat_map(null).collect();
        peer.send(&batch);
        (0..1000).for_each(|xid| peer.expect_null(xid));
    }
}

#[test]
fn a_call_may_come_byte_by_byte() {
    let service = start(config());
    let mut peer = Peer::connect(&service);
    peer.0.set_nodelay(true).unwrap();
    for byte in null(1).into_iter().chain(null(2)) {
        peer.send(&[byte]);
    }
    peer.expect_null(1);
    peer.expect_null(2);
}

#[test]
fn a_peer_that_has_sent_its_last_call_still_gets_the_replies() {
    let service = start(config());
    let mut peer = Peer::connect(&service);
    peer.send(&(0..100).flat_map(null).collect::<Vec<_>>());
    peer.0.shutdown(Shutdown::Write).unwrap();
    (0..100).for_each(|xid| peer.expect_null(xid));
    assert!(peer.is_closed());
}

#[test]
fn a_giant_record_ends_the_connection_after_the_replies_before_it() {
    let service = start(config());
    let mut peer = Peer::connect(&service);
    let mut bytes = null(1).to_vec();
    bytes.extend_from_slice(&0xffff_ffff_u32.to_be_bytes());
    bytes.extend_from_slice(&[7; 5000]);
    peer.send(&bytes);
    peer.expect_null(1);
    assert!(peer.is_closed());
    assert_eq!(service.server().counters().connections_broken, 1);
    let mut other = Peer::connect(&service);
    other.send(&null(2));
    other.expect_null(2);
}

#[test]
fn a_record_that_does_not_arrive_in_time_ends_the_connection() {
    let service = start(with(|runtime, _| runtime.record_timeout = Duration::from_secs(1)));
    let mut half = Peer::connect(&service);
    let mut whole = Peer::connect(&service);
    half.send(&null(1)[..20]);
    assert!(half.is_closed());
    assert_eq!(service.server().counters().connections_stalled, 1);
    whole.send(&null(2));
    whole.expect_null(2);
}

#[test]
fn large_records_wait_for_a_buffer() {
    let service = start(with(|runtime, _| runtime.large_records = 1));
    let mut peers: Vec<_> = (0..8).map(|_| Peer::connect(&service)).collect();
    for (peer, xid) in peers.iter_mut().zip(0..) {
        let mut record = null(xid).to_vec();
        record.resize(100_000, 0);
        record[..4].copy_from_slice(&(0x8000_0000_u32 + 100_000 - 4).to_be_bytes());
        peer.send(&record[..99_999]);
    }
    wait_until(|| service.runtime().counters().buffer_waits >= 7);
    peers.iter_mut().for_each(|peer| peer.send(&[0]));
    for (peer, xid) in peers.iter_mut().zip(0..) {
        peer.expect_null(xid);
    }
}

#[test]
fn a_peer_that_reads_nothing_is_not_read_either() {
    const CALLS_MAX: u32 = 8_000_000;
    let service = start(config());
    let mut peer = Peer::connect(&service);
    let mut sender = Peer(peer.0.try_clone().unwrap());
    let enough = Arc::new(AtomicBool::new(false));
    let sent = std::thread::spawn({
        let enough = enough.clone();
        move || {
            let mut sent = 0;
            while sent < CALLS_MAX && !enough.load(Ordering::Relaxed) {
                sender.send(&(sent..sent + 1000).flat_map(null).collect::<Vec<_>>());
                sent += 1000;
            }
            sender.0.shutdown(Shutdown::Write).unwrap();
            sent
        }
    });
    wait_until(|| service.runtime().counters().reads_paused > 0 || sent.is_finished());
    assert!(!sent.is_finished(), "replies are kept without bound for a silent peer");
    enough.store(true, Ordering::Relaxed);
    let mut replies = Vec::new();
    peer.0.read_to_end(&mut replies).unwrap();
    let xids = replies.chunks_exact(28).map(|reply| *reply[4..].first_chunk().unwrap());
    assert!(xids.map(u32::from_be_bytes).eq(0..sent.join().unwrap()));
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    let service = start(with(|runtime, _| runtime.send_timeout = Duration::from_secs(1)));
    let peer = Peer::connect(&service);
    let mut sender = peer.0.try_clone().unwrap();
    let batch: Vec<_> = (0..1000).flat_map(null).collect();
    while sender.write_all(&batch).is_ok() {}
    assert_eq!(service.runtime().counters().sends_stalled, 1);
}

#[test]
fn beyond_the_limit_a_connection_is_closed_at_once() {
    let service = start(with(|_, serve| serve.connections = 2));
    let mut peers = [Peer::connect(&service), Peer::connect(&service)];
    for peer in &mut peers {
        peer.send(&null(1));
        peer.expect_null(1);
    }
    assert!(Peer::connect(&service).is_closed());
    assert_eq!(service.runtime().counters().connections_refused, 1);
    let [first, mut second] = peers;
    drop(first);
    // Its place is free once the service has seen that it is gone.
    wait_until(|| {
        let mut peer = Peer::connect(&service);
        let _ = peer.0.write_all(&null(2));
        matches!(peer.0.read(&mut [0; 28]), Ok(28))
    });
    second.send(&null(3));
    second.expect_null(3);
}

#[test]
fn a_port_that_is_taken_is_an_error_before_anything_starts() {
    let service = start(config());
    let taken = service.local_addrs()[0];
    let (_, again) = with(|_, serve| serve.listen = vec![taken]);
    let error = service.runtime().serve(again, |_| panic!("it got this far")).unwrap_err();
    assert!(matches!(&error, StartError::Listen(error) if error.addr == taken));
    assert_eq!(error.to_string(), format!("cannot listen on {taken}: address in use"));
}

#[test]
fn a_configuration_that_fails_is_an_error() {
    let ((_, first), before) = (config(), start(config()));
    let runtime = before.runtime();
    let threads = runtime.threads();
    let open = |_: &_| Err("no such directory".to_owned());
    let error = runtime.serve(first, |server| server.open_exports(open)).unwrap_err();
    assert_eq!(error.to_string(), "no such directory");
    assert_eq!(runtime.threads(), threads);
}

#[test]
fn an_unknown_congestion_control_is_told() {
    let congestion = Some("no-such-control".to_owned());
    let service = start(with(|_, serve| serve.congestion = congestion));
    let told = service.congestion();
    assert!(matches!(told, Congestion::Refused { wanted, .. } if wanted == "no-such-control"));
    assert_eq!(start(with(|_, serve| serve.congestion = None)).congestion(), &Congestion::System);
}
