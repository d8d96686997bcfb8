//! Large reads of a local file go from its pages to the socket: the bytes are right, whatever the
//! socket takes at a time, and pipes come back however a connection ends.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::session::{CHANNEL, Session, compound, results};
use common::{Peer, config, count_own};
use holdfast_localfs::{LocalFs, Options, Probes};
use holdfast_net::Service;
use holdfast_proto::nfs4::{LookupArgs, Op, OpBody, ReadArgs, SequenceArgs, Stateid, Status};

/// Bytes of the file: the last page is not whole.
const SIZE: usize = (3 << 20) + 70_001;
/// Ranges, as offset and length: whole pages, parts, the end, beyond it, and what is too small.
const RANGES: [(u64, u32); 8] = [
    (0, 1 << 20),
    (1 << 20, 512 << 10),
    (5000, 200_000),
    (1, 1 << 20),
    ((3 << 20) + 4096, 1 << 20),
    (SIZE as u64 - 33_000, 33_000),
    (SIZE as u64 - 10, 1 << 20),
    (123, 40),
];

struct Place {
    dir: PathBuf,
    data: Vec<u8>,
}

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("holdfast-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let data: Vec<u8> = (0..SIZE as u64).map(|at| ((at * 2_654_435_761) >> 11) as u8).collect();
        fs::write(dir.join("file"), &data).unwrap();
        Self { dir, data }
    }

    fn serve(&self, options: Options) -> Service {
        let dir: &Path = &self.dir;
        common::serve(config(), |world| {
            Arc::new(LocalFs::open(dir, world, options).expect("it can be exported"))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

fn ask(session: &mut Session, round: u32, slotid: u32, (offset, count): (u64, u32), kept: bool) {
    let sequence = Op::Sequence(SequenceArgs {
        sessionid: session.id,
        sequenceid: round,
        slotid,
        highest_slotid: CHANNEL.maxrequests - 1,
        cachethis: kept,
    });
    let read = Op::Read(ReadArgs { stateid: Stateid::ANONYMOUS, offset, count });
    let way = Op::Lookup(LookupArgs { objname: b"file" });
    session.peer.send(&compound(slotid, 2, &[sequence, Op::PutRootFh, way, read]));
}

/// The slot that a reply belongs to, its data and whether it said that the file ends there.
fn take(session: &mut Session) -> (usize, Vec<u8>, bool) {
    let reply = session.peer.record();
    let slot = u32::from_be_bytes(*reply.first_chunk().unwrap());
    let mut all = results(&reply);
    assert_eq!(all.status, Status::OK);
    while let Some(result) = all.next_result() {
        if let OpBody::Read(read) = result.expect("it decodes").body {
            return (slot as usize, read.data.to_vec(), read.eof);
        }
    }
    panic!("the reply has a READ");
}

fn check(place: &Place, options: Options) {
    let service = place.serve(options);
    let mut session = Session::new(&service);
    for round in 1..=4 {
        for (slot, range) in RANGES.into_iter().enumerate() {
            ask(&mut session, round, slot as u32, range, false);
        }
        for _ in RANGES {
            let (slot, data, eof) = take(&mut session);
            let (offset, count) = RANGES[slot];
            let rest = &place.data[offset as usize..];
            assert!(!data.is_empty() && data.len() <= count as usize);
            assert!(data == rest[..data.len()], "{count} bytes at {offset}");
            assert_eq!(eof, data.len() == rest.len(), "{count} bytes at {offset}");
        }
    }
    assert!(service.stop().is_clean());
}

#[test]
fn a_read_gives_the_bytes_of_the_file_with_pipes_and_without() {
    let place = Place::new("piped");
    for (pipes, always_offload) in [(true, false), (false, false), (true, true)] {
        let probes = Probes { pipes, ..Probes::ALL };
        check(&place, Options { probes, always_offload, ..Options::new([3; 16]) });
    }
}

#[test]
fn pipes_come_back_from_connections_that_end_in_the_middle() {
    let place = Place::new("piped-lost");
    let service = place.serve(Options::new([3; 16]));
    let mut most = 0;
    for number in 0..100 {
        let peer = Peer::connect(&service);
        let mut session = Session::on(peer, format!("owner{number}").as_bytes());
        for slot in 0..4 {
            ask(&mut session, 1, slot, (0, 1 << 20), false);
        }
        // Some of it, so that a reply is under way.
        session.peer.record();
        most = most.max(count_own("fd"));
    }
    let mut session = Session::on(Peer::connect(&service), b"last");
    ask(&mut session, 1, 0, (0, 512 << 10), false);
    assert!(take(&mut session).1 == place.data[..512 << 10]);
    assert!(most < 400, "{most} descriptors at once");
    assert!(service.stop().is_clean());
}

#[test]
fn a_reply_that_is_kept_is_the_same_again() {
    let place = Place::new("piped-kept");
    let service = place.serve(Options::new([3; 16]));
    let mut session = Session::new(&service);
    // 3,000 bytes fit what a slot of this session keeps.
    ask(&mut session, 1, 0, (7, 3000), true);
    let first = take(&mut session);
    ask(&mut session, 1, 0, (7, 3000), true);
    assert!(take(&mut session) == first);
    assert!(service.stop().is_clean());
}
