//! State ids of opens and locks: what they are good for, tested, freed, and passed on within a
//! compound.

mod support;

use holdfast_proto::nfs4::{
    AttrValue, LockType, Op, OpBody, OpNum, ReclaimCompleteArgs, Stateid, Status,
};
use support::client::{Client, Reply};
use support::fixture::Server;
use support::ops::{self, Attrs, Bytes};

const WRITE: LockType = LockType::WRITE;
const ALL: Bytes = (0, u64::MAX);
const CURRENT: Stateid = Stateid::CURRENT;

fn one() -> (Server, Client, Vec<u8>, Stateid) {
    let server = Server::new();
    let mut client = server.client("a");
    let (fh, open) = client.make_file(b"file");
    (server, client, fh, open)
}

#[track_caller]
fn tested(reply: &Reply) -> Vec<Status> {
    let OpBody::TestStateid(ok) = reply.last_ok() else { panic!("state ids were tested") };
    ok.status_codes
}

#[test]
fn state_ids_are_tested_without_a_file() {
    let (server, mut a, fh, open) = one();
    let lock = a.run(&[ops::put(&fh), ops::lock_new(open, b"l", WRITE, ALL)]).stateid();
    let newer = a.run(&[ops::put(&fh), ops::lock_more(lock, WRITE, (0, 1))]).stateid();
    let mut foreign = open;
    foreign.other[0] ^= 1;
    let all = [
        open,
        newer,
        lock,
        Stateid { seqid: 0, ..lock },
        Stateid { seqid: 9, ..lock },
        foreign,
        Stateid::ANONYMOUS,
        Stateid::READ_BYPASS,
        CURRENT,
        Stateid::INVALID,
    ];
    let (ok, old, bad) = (Status::OK, Status::OLD_STATEID, Status::BAD_STATEID);
    let expected = [ok, ok, old, ok, bad, bad, bad, bad, bad, bad];
    assert_eq!(tested(&a.run(&[ops::test_stateids(&all)])), expected);
    assert_eq!(tested(&a.run(&[ops::test_stateids(&[])])), []);
    let mut b = server.client("b");
    assert_eq!(tested(&b.run(&[ops::test_stateids(&[open, newer])])), [bad, bad]);
}

#[test]
fn more_state_ids_than_the_reply_can_hold_are_not_tested() {
    let server = Server::new();
    let small = support::client::FORE;
    let small = holdfast_proto::nfs4::ChannelAttrs { maxresponsesize: 512, ..small };
    let mut client = Client::with_terms(&server.instance, "small", 2, small);
    let test = ops::test_stateids(&[Stateid::ANONYMOUS; 200]);
    assert_eq!(client.run(&[test]).last(), (OpNum::TEST_STATEID, Status::REP_TOO_BIG));
}

#[test]
fn a_state_id_is_freed_when_nothing_is_held_under_it() {
    let (server, mut a, fh, open) = one();
    let lock = a.run(&[ops::put(&fh), ops::lock_new(open, b"l", WRITE, ALL)]).stateid();
    let free = |client: &mut Client, stateid| client.status(&[ops::free_stateid(stateid)]);
    assert_eq!(free(&mut a, open), Status::LOCKS_HELD);
    assert_eq!(free(&mut a, lock), Status::LOCKS_HELD);
    let unlocked = a.run(&[ops::put(&fh), ops::unlock(lock, ALL)]).stateid();
    assert_eq!(free(&mut a, lock), Status::OLD_STATEID);
    assert_eq!(free(&mut server.client("b"), unlocked), Status::BAD_STATEID);
    assert_eq!(free(&mut a, unlocked), Status::OK);
    assert_eq!(free(&mut a, unlocked), Status::BAD_STATEID);
    for special in [Stateid::ANONYMOUS, Stateid::READ_BYPASS, Stateid::INVALID, CURRENT] {
        assert_eq!(free(&mut a, special), Status::BAD_STATEID);
    }
    let mut foreign = open;
    foreign.other[1] ^= 1;
    assert_eq!(free(&mut a, foreign), Status::BAD_STATEID);
    let again = a.run(&[ops::put(&fh), ops::lock_new(open, b"l", WRITE, ALL)]).stateid();
    assert_ne!(again.other, lock.other);
    assert_eq!(a.status(&[ops::put(&fh), ops::close(open)]), Status::OK);
    assert_eq!(free(&mut a, open), Status::BAD_STATEID);
}

/// RFC 8881 §16.2.3.1.2.
#[test]
fn the_current_state_id_goes_from_operation_to_operation() {
    let (_server, mut a, fh, open) = one();
    let lock = ops::lock_new(open, b"l", WRITE, ALL);
    let size = Attrs::new(&[AttrValue::Size(3)]);
    let reply = a.run(&[
        ops::put(&fh),
        lock.clone(),
        ops::write(CURRENT, 0, b"data"),
        ops::setattr(CURRENT, size.fattr()),
        Op::SaveFh,
        Op::PutRootFh,
        Op::RestoreFh,
        ops::read(CURRENT, 0, 4),
        ops::lock_more(CURRENT, WRITE, (0, 9)),
        ops::unlock(CURRENT, ALL),
        ops::free_stateid(CURRENT),
    ]);
    assert_eq!(reply.status(), Status::OK);
    let through = ops::lock_new(CURRENT, b"l", WRITE, ALL);
    let reply = a.run(&[Op::PutRootFh, ops::open(b"file", b"owner", 3, 0), through.clone()]);
    assert_eq!(reply.status(), Status::OK);
    assert_eq!(a.run(&[ops::put(&fh), through]).last(), (OpNum::LOCK, Status::BAD_STATEID));
    let gone = a.run(&[
        Op::PutRootFh,
        ops::open(b"file", b"second", 3, 0),
        ops::close(CURRENT),
        ops::test_stateids(&[]),
        ops::close(CURRENT),
    ]);
    assert_eq!(gone.last(), (OpNum::CLOSE, Status::BAD_STATEID));
    assert_eq!(gone.count(), 6);
}

#[test]
fn the_current_state_id_of_another_file_is_bad() {
    let (_server, mut a, fh, open) = one();
    let lock = ops::lock_new(open, b"l", WRITE, ALL);
    let lookup = [ops::put(&fh), lock, Op::PutRootFh, ops::lookup(b"file")];
    let reply = a.run(&[&lookup[..], &[ops::unlock(CURRENT, ALL)]].concat());
    assert_eq!((reply.last(), reply.count()), ((OpNum::LOCKU, Status::BAD_STATEID), 6));
}

#[test]
fn a_close_and_a_downgrade_take_the_current_state_id_to_the_number() {
    let (_server, mut a, ..) = one();
    let reply = a.run(&[
        Op::PutRootFh,
        ops::open(b"file", b"new", 1, 0),
        Op::SaveFh,
        Op::PutRootFh,
        ops::open(b"file", b"new", 2, 0),
        Op::RestoreFh,
        ops::read(CURRENT, 0, 1),
        ops::downgrade(CURRENT, 1, 0),
    ]);
    assert_eq!((reply.last(), reply.count()), ((OpNum::OPEN_DOWNGRADE, Status::OLD_STATEID), 9));
    let reply = a.run(&[
        Op::PutRootFh,
        ops::open(b"file", b"new", 3, 0),
        ops::downgrade(CURRENT, 1, 0),
        ops::read(CURRENT, 0, 1),
        ops::close(CURRENT),
    ]);
    assert_eq!(reply.status(), Status::OK);
}

#[test]
fn io_under_locks_is_io_under_the_open_beneath() {
    let (server, mut a, fh, open) = one();
    let lock = a.run(&[ops::put(&fh), ops::lock_new(open, b"l", WRITE, (0, 1))]).stateid();
    let size = Attrs::new(&[AttrValue::Size(3)]);
    for op in
        [ops::write(lock, 0, b"data"), ops::read(lock, 0, 4), ops::setattr(lock, size.fattr())]
    {
        assert_eq!(a.status(&[ops::put(&fh), op]), Status::OK);
    }
    let read = a.run(&[ops::put(&fh), ops::open_fh(b"r", 1, 0)]).open().stateid;
    let read_lock = ops::lock_new(read, b"m", LockType::READ, (9, 1));
    let read_lock = a.run(&[ops::put(&fh), read_lock]).stateid();
    let write = ops::write(read_lock, 0, b"x");
    assert_eq!(a.status(&[ops::put(&fh), write]), Status::OPENMODE);
    let mut b = server.client("b");
    assert_eq!(b.status(&[ops::put(&fh), ops::read(lock, 0, 1)]), Status::BAD_STATEID);
    let (other, _) = a.make_file(b"other");
    assert_eq!(a.status(&[ops::put(&other), ops::read(lock, 0, 1)]), Status::BAD_STATEID);
}

/// RFC 8881 §18.51.3.
#[test]
fn reclaims_are_completed_once_and_file_systems_need_no_completion() {
    let server = Server::new();
    let mut a = Client::with_terms(&server.instance, "a", 2, support::client::FORE);
    let one_fs = Op::ReclaimComplete(ReclaimCompleteArgs { one_fs: true });
    assert_eq!(a.status(std::slice::from_ref(&one_fs)), Status::NOFILEHANDLE);
    assert_eq!(a.status(&[Op::PutRootFh, one_fs]), Status::OK);
    let create = [Op::PutRootFh, ops::create(b"file", b"o", 3, 0)];
    assert_eq!(a.status(&create), Status::GRACE, "that was not for everything");
    assert_eq!(a.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(a.status(&[ops::reclaim_complete()]), Status::COMPLETE_ALREADY);
    assert_eq!(a.status(&create), Status::OK);
}
