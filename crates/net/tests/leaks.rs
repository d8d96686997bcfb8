//! What is open before a service starts is open after it stopped, and nothing else. This program
//! has one test, because it counts what belongs to the whole process.

mod common;

use common::{Peer, config, count_own, null, start, wait_until, with};

#[test]
fn nothing_is_left_of_two_thousand_connections_nor_of_the_service() {
    let (before, threads) = (count_own("fd"), count_own("task"));
    let service = start(with(|runtime, _| runtime.loops = 2));
    let serving = count_own("fd");
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
    wait_until(|| count_own("fd") == serving);
    assert_eq!(service.server().counters().connections, 2000);
    assert!(service.stop().is_clean());
    assert_eq!(count_own("fd"), serving - 1, "the listener is closed, its port is held");
    drop(service);
    assert_eq!(count_own("fd"), before);
    // The kernel lists a thread for a moment after it was joined.
    wait_until(|| count_own("task") == threads);
    for _ in 0..20 {
        let service = start(config());
        let mut peer = Peer::connect(&service);
        peer.send(&null(1));
        peer.expect_null(1);
        drop(peer);
        assert!(service.stop().is_clean());
    }
    assert_eq!(count_own("fd"), before);
}
