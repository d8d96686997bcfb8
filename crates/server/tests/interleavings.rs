//! Opens and locks of several requests at once, in every order of their steps.

mod support;

use std::collections::BTreeSet;

use holdfast_proto::nfs4::{CreateHow, Fattr, LockType, Op, Status};
use support::admin::Admin;
use support::client::Client;
use support::explore::explore;
use support::fixture::Server;
use support::ops;
use support::peer::Peer;
use support::rig::run;
use support::worker::Worker;

const WRITE: LockType = LockType::WRITE;
const ALL: ops::Bytes = (0, u64::MAX);

/// Runs each client's request to its end, in some order of their steps; answers the statuses.
fn at_once<const N: usize>(
    server: &Server,
    chooser: &mut support::explore::Chooser,
    workers: [Worker; N],
) -> [Status; N] {
    let mut workers = workers;
    server.world.set_pausing(true);
    let nobody: &mut [Admin<()>] = &mut [];
    run(&server.world, chooser, &mut workers, nobody, |_| {});
    server.world.set_pausing(false);
    workers.map(|worker| worker.status())
}

/// The same client on another connection.
fn beside(server: &Server, first: &Client) -> Client {
    Client {
        peer: Peer::new(&server.instance),
        minor: first.minor,
        cred: first.cred,
        clientid: first.clientid,
        session: first.session,
        terms: first.terms,
        slots: first.slots.clone(),
    }
}

/// A worker on slot 1 of a session whose slot 0 is another's.
fn on_slot_1(mut client: Client, ops: &[Op<'_>]) -> Worker {
    let sequence = client.sequence(1, true);
    Worker::with_bare(client, &[&[sequence], ops].concat())
}

fn guarded(deny: u32) -> [Op<'static>; 2] {
    let how = CreateHow::Guarded(Fattr::EMPTY);
    [Op::PutRootFh, ops::create_how(b"new", b"o", 3, deny, how)]
}

/// What a GUARDED create has made it opens: its retry would find the file in its way.
#[test]
fn a_guarded_create_is_not_refused_once_the_file_is_there() {
    let mut seen = BTreeSet::new();
    for (deny, others) in [(0, 3), (3, 0)] {
        explore(3, |chooser| {
            let server = Server::new();
            let (maker, other) = (server.client("maker"), server.client("other"));
            let open = [Op::PutRootFh, ops::open(b"new", b"o", 1, others)];
            let workers = [Worker::with(maker, &guarded(deny)), Worker::with(other, &open)];
            let [made, opened] = at_once(&server, chooser, workers);
            assert_eq!(made, Status::OK, "the other was told {opened:?}");
            seen.insert(format!("{opened:?}"));
        });
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["DELAY", "NOENT", "SHARE_DENIED"]);
}

#[test]
fn of_two_guarded_creates_one_makes_the_file() {
    explore(2, |chooser| {
        let server = Server::new();
        let clients = [server.client("a"), server.client("b")];
        let workers = clients.map(|client| Worker::with(client, &guarded(0)));
        let all = at_once(&server, chooser, workers);
        assert!(all.contains(&Status::OK), "{all:?}");
        let other = all.iter().find(|status| **status != Status::OK);
        assert!(matches!(other, Some(&Status::EXIST | &Status::DELAY)), "{all:?}");
    });
}

#[test]
fn locks_that_exclude_each_other_are_granted_to_one() {
    let mut seen = BTreeSet::new();
    explore(usize::MAX, |chooser| {
        let server = Server::new();
        let (mut a, mut b) = (server.client("a"), server.client("b"));
        let (fh, open_a) = a.make_file(b"file");
        let open_b = b.run(&[ops::put(&fh), ops::open_fh(b"o", 3, 0)]).open().stateid;
        let lock = |open| [ops::put(&fh), ops::lock_new(open, b"l", WRITE, ALL)];
        let workers = [Worker::with(a, &lock(open_a)), Worker::with(b, &lock(open_b))];
        let all = at_once(&server, chooser, workers);
        assert_eq!(all.iter().filter(|status| **status == Status::OK).count(), 1, "{all:?}");
        seen.extend(all.map(|status| format!("{status:?}")));
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["DELAY", "DENIED", "OK"]);
}

#[test]
fn a_lock_under_way_does_not_outlive_its_open() {
    let mut seen = BTreeSet::new();
    explore(usize::MAX, |chooser| {
        let server = Server::new();
        let (mut a, mut b) = (server.client("a"), server.client("b"));
        let (fh, open_a) = a.make_file(b"file");
        let open_b = b.run(&[ops::put(&fh), ops::open_fh(b"o", 3, 0)]).open().stateid;
        let closer = beside(&server, &a);
        let lock = [ops::put(&fh), ops::lock_new(open_a, b"l", WRITE, ALL)];
        let close = [ops::put(&fh), ops::close(open_a)];
        let workers = [Worker::with(a, &lock), on_slot_1(closer, &close)];
        let [locked, closed] = at_once(&server, chooser, workers);
        assert_eq!(closed, Status::OK);
        seen.insert(format!("{locked:?}"));
        let lock = [ops::put(&fh), ops::lock_new(open_b, b"l", WRITE, ALL)];
        assert_eq!(b.status(&lock), Status::OK);
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["BAD_STATEID", "OK"]);
}

#[test]
fn opens_of_one_owner_at_once_are_one_open() {
    explore(2, |chooser| {
        let server = Server::new();
        let mut a = server.client("a");
        let (fh, stateid) = a.make_file(b"file");
        assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
        let other = beside(&server, &a);
        let open = |access| [ops::put(&fh), ops::open_fh(b"o", access, 3)];
        let mut after = beside(&server, &a);
        let workers = [Worker::with(a, &open(1)), on_slot_1(other, &open(2))];
        assert_eq!(at_once(&server, chooser, workers), [Status::OK; 2]);
        let sequence = after.sequence(2, false);
        let third = after.bare(&[&[sequence], &open(1)[..]].concat()).open().stateid;
        assert_eq!(third.seqid, 3, "all three count on one state id");
    });
}
