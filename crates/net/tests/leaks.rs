//! What is open before a service starts is open after it stopped, and nothing else. This program
//! has one test, because it counts what belongs to the whole process.

mod common;

use common::{PATIENCE, Peer, config, null, start, wait_until};
use holdfast_net::ServiceConfig;

fn count(dir: &str) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

fn descriptors() -> usize {
    count("/proc/self/fd")
}

#[test]
fn nothing_is_left_of_two_thousand_connections_nor_of_the_service() {
    let (before, threads) = (descriptors(), count("/proc/self/task"));
    let service = start(ServiceConfig { loops: 2, ..config() });
    let serving = descriptors();
    for round in 0..20 {
        let mut peers: Vec<_> = (0..100).map(|_| Peer::connect(&service)).collect();
        for peer in peers.iter_mut().step_by(2) {
            peer.send(&null(round));
            peer.expect_null(round);
        }
        for peer in peers.iter_mut().step_by(5) {
            peer.send(&null(round)[..9]);
        }
    }
    wait_until(|| descriptors() == serving);
    assert_eq!(service.instance().counters().connections, 2000);
    assert!(service.stop(PATIENCE).is_clean());
    // The service itself is still there.
    assert_eq!(descriptors(), before);
    // The kernel lists a thread for a moment after it was joined.
    wait_until(|| count("/proc/self/task") == threads);
    for _ in 0..20 {
        let service = start(config());
        let mut peer = Peer::connect(&service);
        peer.send(&null(1));
        peer.expect_null(1);
        drop(peer);
        assert!(service.stop(PATIENCE).is_clean());
    }
    assert_eq!(descriptors(), before);
}
