//! Two and three threads on one instance, in every order that chance finds: what a world of one
//! thread cannot interleave. Built with the feature `shuttle`.
#![cfg(feature = "shuttle")]

mod support;

use std::sync::Arc;

use holdfast_proto::nfs4::{LockType, Op, OpBody, Stateid, Status};
use shuttle::thread;
use support::client::{Client, Reply};
use support::fixture::Server;
use support::ops;
use support::peer::Peer;

const SCHEDULES: usize = 5000;

fn check(scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    let scheduler = shuttle::scheduler::RandomScheduler::new(SCHEDULES);
    shuttle::Runner::new(scheduler, config).run(scenario);
}

/// Another connection of the same session.
fn second_connection(server: &Server, first: &Client) -> Client {
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

fn send(mut client: Client, record: Vec<u8>) -> thread::JoinHandle<(Client, Reply)> {
    thread::spawn(move || {
        let reply = client.exchange(&record);
        (client, reply)
    })
}

/// B-22, B-23: the same request on two connections at the same time runs once.
#[test]
fn a_request_on_two_connections_is_executed_once() {
    check(|| {
        let (server, probe) = Server::probed();
        let mut first = server.client("a");
        let second = second_connection(&server, &first);
        let record = first.in_session(1, true, &[Op::PutRootFh, ops::mkdir(b"once")]);
        let threads = [send(first, record.clone()), send(second, record)];
        let replies = threads.map(|thread| thread.join().expect("it ends").1.status());
        assert!(replies.contains(&Status::OK), "{replies:?}");
        assert!(replies.iter().all(|status| matches!(*status, Status::OK | Status::DELAY)));
        assert_eq!(probe.calls("make_node"), 1);
    });
}

/// Opens that deny each other are never both granted.
#[test]
fn opens_that_deny_each_other_are_granted_to_one() {
    check(|| {
        let server = Arc::new(Server::new());
        let mut maker = server.client("maker");
        let (fh, stateid) = maker.make_file(b"file");
        let closed = maker.status(&[ops::put(&fh), ops::close(stateid)]);
        assert_eq!(closed, Status::OK);
        let open = |owner: &'static str| {
            let mut client = server.client(owner);
            let open = ops::open_fh(owner.as_bytes(), 3, 3);
            let record = client.in_session(0, false, &[ops::put(&fh), open]);
            send(client, record)
        };
        let threads = [open("a"), open("b")];
        let replies = threads.map(|thread| thread.join().expect("it ends").1.status());
        let granted = replies.iter().filter(|status| **status == Status::OK).count();
        assert!(granted <= 1, "{replies:?}");
        let refused = [Status::SHARE_DENIED, Status::DELAY];
        assert!(replies.iter().all(|status| *status == Status::OK || refused.contains(status)));
    });
}

/// Two clients lock and unlock one file, and an open is closed under its lock: nothing is left.
#[test]
fn locks_come_and_go_and_leave_nothing() {
    check(|| {
        let server = Arc::new(Server::new());
        let (mut a, mut b) = (server.client("a"), server.client("b"));
        let (fh, open_a) = a.make_file(b"file");
        let open_b = b.run(&[ops::put(&fh), ops::open_fh(b"owner", 3, 0)]).open().stateid;
        let all = (0, u64::MAX);
        let in_turn = |open| {
            let lock = ops::lock_new(open, b"l", LockType::WRITE, all);
            [ops::put(&fh), lock, ops::unlock(Stateid::CURRENT, all)]
        };
        let mut closer = second_connection(&server, &a);
        let close = closer.in_session(1, false, &[ops::put(&fh), ops::close(open_a)]);
        let (at_a, at_b) =
            (a.in_session(0, false, &in_turn(open_a)), b.in_session(0, false, &in_turn(open_b)));
        let threads = [send(a, at_a), send(b, at_b), send(closer, close)];
        let replies = threads.map(|thread| thread.join().expect("it ends").1.status());
        let busy = [Status::OK, Status::DENIED, Status::DELAY];
        assert!(replies[0] == Status::BAD_STATEID || busy.contains(&replies[0]), "{replies:?}");
        assert!(busy.contains(&replies[1]), "{replies:?}");
        assert_eq!(replies[2], Status::OK);
        let test = [ops::put(&fh), ops::test_lock(b"m", LockType::WRITE, all)];
        assert_eq!(server.client("c").status(&test), Status::OK);
    });
}

/// T02 on threads: sessions come and go while the instance stops.
#[test]
fn sessions_come_and_go_while_the_instance_stops() {
    check(|| {
        let server = Arc::new(Server::new());
        let mut one = server.client("one");
        let session = one.session;
        let create = support::client::create_session(one.clientid, 2, support::client::FORE);
        let record = one.in_session(0, false, &[create]);
        let making = send(one, record);
        let mut two = server.client("two");
        let destroy = two.record(&[ops::destroy_session(session)]);
        let ending = send(two, destroy);
        let stopped = server.clone();
        let stopping = thread::spawn(move || stopped.instance.begin_stop());
        let (one, made) = making.join().expect("it ends");
        if made.status() == Status::OK {
            assert!(matches!(made.last_ok(), OpBody::CreateSession(_)));
        }
        drop((one, ending.join().expect("it ends")));
        stopping.join().expect("it ends");
        assert!(server.instance.connect(Arc::new(Quiet)).is_closing());
        server.world.advance(support::fixture::LEASE);
        assert_eq!(server.instance.running(), [], "nothing outlives its connection");
    });
}

struct Quiet;

impl holdfast_server::Notify for Quiet {
    fn notify(&self) {}
}
