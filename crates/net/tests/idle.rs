//! What a connection costs between two calls. This program has one test, because it looks at the
//! memory of the whole process.

mod common;

use std::io::Write;

use common::{Peer, null, start, with};
use rustix::process::{Resource, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
/// What each may take of the process's memory.
const BYTES_MAX: usize = 8 * 1024;

/// How many connections, with both of their ends here, this process may have.
fn allowed() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let files = limit.current.and_then(|files| usize::try_from(files).ok());
    files.map_or(CONNECTIONS, |files| (files.saturating_sub(200) / 2).min(CONNECTIONS))
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

#[test]
fn ten_thousand_connections_between_two_calls_take_8_kib_each_at_most() {
    let count = allowed();
    let service = start(with(|runtime, serve| {
        runtime.loops = 2;
        serve.connections = count;
    }));
    let mut peers = Vec::with_capacity(count);
    let call = |peer: &mut Peer| {
        peer.send(&null(1));
        peer.expect_null(1);
    };
    peers.push(Peer::connect(&service));
    call(&mut peers[0]);
    let before = resident();
    for _ in 1..count {
        let mut peer = Peer::connect(&service);
        call(&mut peer);
        peers.push(peer);
    }
    let each = resident().saturating_sub(before) / count;
    let _ = writeln!(std::io::stdout(), "{count} connections: {each} bytes each");
    assert!(each <= BYTES_MAX, "each of {count} connections takes {each} bytes");
    peers.iter_mut().for_each(call);
    assert!(service.stop().is_clean());
}
