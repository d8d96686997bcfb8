//! A process without descriptors left: alone in its program, because all of it is without.

mod common;

use std::fs::File;

use common::{Peer, config, null, start, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn who_comes_when_there_are_no_descriptors_is_served_when_there_are() {
    const CALLS: u32 = 1000;
    let service = start(config());
    let mut first = Peer::connect(&service);
    first.send(&null(1));
    first.expect_null(1);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), ..limit }).unwrap();
    let mut fillers: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One for the client's end, and none for the service's.
    fillers.pop();
    let mut second = Peer::connect(&service);
    second.send(&null(2));
    let paused = || service.runtime().counters().accepts_paused;
    wait_until(|| paused() > 0);
    for xid in 0..CALLS {
        first.send(&null(xid));
        first.expect_null(xid);
    }
    assert!(paused() < u64::from(CALLS) / 2, "it does not try again with every event");
    drop(fillers);
    second.expect_null(2);
    assert!(service.stop().is_clean());
}
