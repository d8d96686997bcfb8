//! Byte-range locks: LOCK, LOCKT, LOCKU, each with every error.

mod support;

use holdfast_proto::nfs4::{
    ClientId, CreateType, LockArgs, LockType, LockUArgs, Op, OpBody, OpNum, OpenClaim, Stateid,
    Status,
};
use support::client::{Client, FORE, Reply};
use support::fixture::{LEASE, Server};
use support::ops::{self, Bytes};
use support::rig::Rig;

const READ: LockType = LockType::READ;
const WRITE: LockType = LockType::WRITE;
const END: u64 = u64::MAX;
const ALL: Bytes = (0, END);

/// Two clients that have one file open for reading and writing.
struct Two {
    server: Server,
    a: Client,
    b: Client,
    fh: Vec<u8>,
    open_a: Stateid,
    open_b: Stateid,
}

fn two() -> Two {
    let server = Server::new();
    let (mut a, mut b) = (server.client("a"), server.client("b"));
    let (fh, open_a) = a.make_file(b"file");
    let open_b = b.run(&[ops::put(&fh), ops::open_fh(b"owner", 3, 0)]).open().stateid;
    Two { server, a, b, fh, open_a, open_b }
}

impl Two {
    #[track_caller]
    fn lock_a(&mut self, owner: &[u8], locktype: LockType, bytes: Bytes) -> Reply {
        let lock = ops::lock_new(self.open_a, owner, locktype, bytes);
        self.a.run(&[ops::put(&self.fh), lock])
    }

    #[track_caller]
    fn lock_b(&mut self, owner: &[u8], locktype: LockType, bytes: Bytes) -> Reply {
        let lock = ops::lock_new(self.open_b, owner, locktype, bytes);
        self.b.run(&[ops::put(&self.fh), lock])
    }

    #[track_caller]
    fn a(&mut self, op: Op<'_>) -> Reply {
        self.a.run(&[ops::put(&self.fh), op])
    }

    #[track_caller]
    fn b(&mut self, op: Op<'_>) -> Reply {
        self.b.run(&[ops::put(&self.fh), op])
    }
}

/// The lock in the way: whose, which bytes, and how.
#[track_caller]
fn denied(reply: &Reply) -> (ClientId, Vec<u8>, Bytes, LockType) {
    assert_eq!(reply.status(), Status::DENIED);
    let (_, mut results) = reply.results();
    let Some(OpBody::LockDenied(denied)) = results.pop().map(|result| result.body) else {
        panic!("it says who has the lock");
    };
    let bytes = (denied.offset, denied.length);
    (denied.owner.clientid, denied.owner.owner.to_vec(), bytes, denied.locktype)
}

#[test]
fn a_lock_keeps_other_owners_out_until_it_is_given_up() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, (10, 10)).stateid();
    assert_eq!(lock.seqid, 1);
    let a = t.a.clientid;
    assert_eq!(denied(&t.lock_b(b"l", READ, ALL)), (a, b"l".to_vec(), (10, 10), WRITE));
    assert_eq!(denied(&t.lock_a(b"other", WRITE, (19, 1))).1, b"l");
    assert_eq!(t.lock_b(b"l", WRITE, (0, 10)).status(), Status::OK);
    assert_eq!(t.lock_b(b"l", WRITE, (20, END)).status(), Status::OK);
    let unlocked = t.a(ops::unlock(lock, (0, END))).stateid();
    assert_eq!((unlocked.other, unlocked.seqid), (lock.other, 2));
    assert_eq!(t.lock_b(b"l", WRITE, ALL).status(), Status::OK);
    assert_eq!(denied(&t.a(ops::lock_more(unlocked, READ, (5, 1)))).2, ALL, "merged to one");
    let counters = t.server.instance.counters();
    assert_eq!((counters.locks, counters.locks_denied), (4, 3));
}

#[test]
fn two_may_read_and_one_may_write() {
    let mut t = two();
    let lock = t.lock_a(b"l", READ, ALL).stateid();
    assert_eq!(t.lock_b(b"l", READ, (5, 5)).stateid().seqid, 1);
    let (b, upgrade) = (t.b.clientid, ops::lock_more(lock, WRITE, ALL));
    assert_eq!(denied(&t.a(upgrade)), (b, b"l".to_vec(), (5, 5), READ));
    let upgraded = t.a(ops::lock_more(lock, WRITE, (10, END))).stateid();
    assert_eq!(denied(&t.lock_b(b"l", READ, ALL)).2, (10, END));
    let downgraded = t.a(ops::lock_more(upgraded, READ, ALL)).stateid();
    assert_eq!(downgraded.seqid, 3);
    assert_eq!(t.lock_b(b"l", READ, ALL).status(), Status::OK);
}

#[test]
fn who_would_wait_is_answered_like_any_other() {
    let mut t = two();
    assert_eq!(t.lock_a(b"l", LockType::WRITEW, ALL).status(), Status::OK);
    assert_eq!(denied(&t.lock_b(b"l", LockType::READW, ALL)).3, WRITE);
    assert_eq!(denied(&t.b(ops::test_lock(b"l", LockType::WRITEW, ALL))).3, WRITE);
}

#[test]
fn an_owner_has_one_state_under_an_open_however_it_asks() {
    let mut t = two();
    let first = t.lock_a(b"l", WRITE, (0, 1)).stateid();
    let again = t.lock_a(b"l", WRITE, (5, 1)).stateid();
    assert_eq!((again.other, again.seqid), (first.other, 2));
    assert_eq!(t.a(ops::lock_more(first, WRITE, (9, 1))).status(), Status::OLD_STATEID);
    let third = t.a(ops::lock_more(again, WRITE, (9, 1))).stateid();
    assert_eq!(third.seqid, 3);
    assert_ne!(t.lock_a(b"other", WRITE, (20, 1)).stateid().other, first.other);
    let newest = Stateid { seqid: 0, ..first };
    assert_eq!(t.a(ops::unlock(newest, ALL)).stateid().seqid, 4);
}

#[test]
fn a_range_must_have_bytes_and_end_where_bytes_end() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, (0, 1)).stateid();
    for bytes in [(0, 0), (END, 0), (END, 1), (1, END - 1), (2, END - 1)] {
        let expected = if bytes == (1, END - 1) { Status::OK } else { Status::INVAL };
        assert_eq!(t.lock_a(b"l", READ, bytes).status(), expected, "{bytes:?}");
        assert_eq!(t.a(ops::test_lock(b"l", READ, bytes)).status(), expected);
        let newest = Stateid { seqid: 0, ..lock };
        assert_eq!(t.a(ops::unlock(newest, bytes)).status(), expected);
    }
    assert_eq!(t.lock_a(b"l", READ, (END, END)).status(), Status::OK, "the last byte");
    assert_eq!(denied(&t.lock_b(b"l", WRITE, (7, END))).2, (END, END));
}

#[test]
fn a_lock_type_that_nobody_defined_is_refused() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, (0, 1)).stateid();
    assert_eq!(t.lock_a(b"l", LockType(5), ALL).status(), Status::BADXDR);
    assert_eq!(t.a(ops::test_lock(b"l", LockType(0), ALL)).status(), Status::BADXDR);
    let unlock = |locktype| {
        let (offset, length) = ALL;
        Op::LockU(LockUArgs { locktype, seqid: 7, lock_stateid: lock, offset, length })
    };
    assert_eq!(t.a(unlock(LockType(9))).status(), Status::BADXDR);
    assert_eq!(t.a(unlock(LockType::WRITEW)).status(), Status::OK, "which one is the same");
}

#[test]
fn a_lock_needs_an_open_for_what_it_is_for() {
    let mut t = two();
    let open = |t: &mut Two, owner: &[u8], access| {
        t.a.run(&[ops::put(&t.fh), ops::open_fh(owner, access, 0)]).open().stateid
    };
    let (reading, writing) = (open(&mut t, b"r", 1), open(&mut t, b"w", 2));
    assert_eq!(t.a(ops::lock_new(reading, b"l", WRITE, ALL)).status(), Status::OPENMODE);
    assert_eq!(t.a(ops::lock_new(writing, b"l", READ, ALL)).status(), Status::OPENMODE);
    let lock = t.a(ops::lock_new(reading, b"l", READ, ALL)).stateid();
    assert_eq!(t.a(ops::lock_more(lock, WRITE, ALL)).status(), Status::OPENMODE);
    assert_eq!(t.a(ops::unlock(lock, ALL)).status(), Status::OK);
    assert_eq!(t.a(ops::lock_new(writing, b"l", WRITE, ALL)).status(), Status::OK);
}

#[test]
fn a_lock_needs_a_state_id_of_the_right_kind_client_and_file() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, ALL).stateid();
    let bad = Status::BAD_STATEID;
    let open = t.open_a;
    assert_eq!(t.a(ops::lock_more(open, WRITE, ALL)).status(), bad);
    assert_eq!(t.a(ops::unlock(open, ALL)).status(), bad);
    assert_eq!(t.a(ops::lock_new(lock, b"m", WRITE, ALL)).status(), bad);
    assert_eq!(t.b(ops::lock_more(lock, WRITE, ALL)).status(), bad);
    assert_eq!(t.b(ops::lock_new(open, b"m", WRITE, ALL)).status(), bad);
    assert_eq!(t.b(ops::unlock(lock, ALL)).status(), bad);
    for special in [Stateid::ANONYMOUS, Stateid::READ_BYPASS, Stateid::INVALID, Stateid::CURRENT] {
        assert_eq!(t.a(ops::lock_new(special, b"m", WRITE, ALL)).status(), bad);
        assert_eq!(t.a(ops::lock_more(special, WRITE, ALL)).status(), bad);
        assert_eq!(t.a(ops::unlock(special, ALL)).status(), bad);
    }
    let future = Stateid { seqid: lock.seqid + 1, ..lock };
    assert_eq!(t.a(ops::unlock(future, ALL)).status(), bad);
    let mut foreign = lock;
    foreign.other[0] ^= 1;
    assert_eq!(t.a(ops::unlock(foreign, ALL)).status(), Status::STALE_STATEID);
    let (other, _) = t.a.make_file(b"other");
    assert_eq!(t.a.status(&[ops::put(&other), ops::unlock(lock, ALL)]), bad);
    assert_eq!(t.a.status(&[ops::put(&other), ops::lock_more(lock, READ, ALL)]), bad);
}

#[test]
fn only_regular_files_are_locked() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, ALL).stateid();
    for (name, kind, status) in [
        (&b"dir"[..], CreateType::Directory, Status::ISDIR),
        (b"link", CreateType::Link(b"file"), Status::SYMLINK),
        (b"fifo", CreateType::Fifo, Status::WRONG_TYPE),
    ] {
        let made = t.a.run(&[Op::PutRootFh, ops::create_node(name, kind), Op::GetFh]);
        let fh = made.fh();
        let mut on = |op: Op<'_>| t.a.status(&[ops::put(&fh), op]);
        assert_eq!(on(ops::test_lock(b"l", READ, ALL)), status);
        assert_eq!(on(ops::lock_new(t.open_a, b"l", READ, ALL)), status);
        assert_eq!(on(ops::lock_more(lock, READ, ALL)), status);
        assert_eq!(on(ops::unlock(lock, ALL)), status);
    }
    for op in
        [ops::test_lock(b"l", READ, ALL), ops::lock_more(lock, READ, ALL), ops::unlock(lock, ALL)]
    {
        assert_eq!(t.a.status(&[op]), Status::NOFILEHANDLE);
    }
}

#[test]
fn a_test_for_a_lock_takes_none_and_needs_no_open() {
    let mut t = two();
    let mut stranger = t.server.client("stranger");
    let fh = t.fh.clone();
    let test = [ops::put(&fh), ops::test_lock(b"l", WRITE, (5, 10))];
    assert_eq!(stranger.status(&test), Status::OK);
    let lock = t.lock_a(b"l", READ, (0, 6)).stateid();
    let holder = (t.a.clientid, b"l".to_vec(), (0, 6), READ);
    assert_eq!(denied(&stranger.run(&test)), holder);
    assert_eq!(t.a(ops::test_lock(b"l", WRITE, ALL)).status(), Status::OK, "its own");
    assert_eq!(t.b(ops::test_lock(b"l", READ, ALL)).status(), Status::OK, "two may read");
    assert_eq!(t.b(ops::test_lock(b"l", WRITE, (6, END))).status(), Status::OK);
    assert_eq!(t.a(ops::unlock(lock, ALL)).status(), Status::OK);
    assert_eq!(stranger.status(&test), Status::OK);
}

#[test]
fn a_closed_file_is_unlocked() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, ALL).stateid();
    t.lock_a(b"m", READ, (0, 1)).status();
    assert_eq!(t.a(ops::close(t.open_a)).status(), Status::OK);
    assert_eq!(t.a(ops::unlock(lock, ALL)).status(), Status::BAD_STATEID);
    assert_eq!(t.lock_b(b"l", WRITE, ALL).status(), Status::OK);
}

#[test]
fn what_was_left_of_a_lock_is_still_held() {
    let mut t = two();
    let lock = t.lock_a(b"l", WRITE, ALL).stateid();
    assert_eq!(t.a(ops::unlock(lock, (10, 10))).status(), Status::OK);
    assert_eq!(t.lock_b(b"l", WRITE, (10, 10)).status(), Status::OK);
    assert_eq!(denied(&t.lock_b(b"l", READ, (9, 1))).2, (0, 10));
    assert_eq!(denied(&t.lock_b(b"l", READ, (20, 1))).2, (20, END));
}

#[test]
fn a_client_that_expires_restarts_or_leaves_has_no_locks_any_more() {
    let mut t = two();
    t.lock_a(b"l", WRITE, ALL);
    let busy = t.b.bare(&[ops::destroy_clientid(t.a.clientid)]);
    assert_eq!(busy.status(), Status::CLIENTID_BUSY);
    let session = t.a.session;
    assert_eq!(t.a.bare(&[ops::destroy_session(session)]).status(), Status::OK);
    let busy = t.b.bare(&[ops::destroy_clientid(t.a.clientid)]);
    assert_eq!(busy.status(), Status::CLIENTID_BUSY, "it has locks");
    for _ in 0..3 {
        t.server.world.advance(LEASE / 2);
        assert_eq!(t.b.status(&[]), Status::OK);
    }
    assert_eq!(t.lock_b(b"l", WRITE, ALL).status(), Status::OK, "its lease is over");

    let mut again = Client::unknown(&t.server.instance, 2);
    let reply = again.bare(&[ops::exchange_id(b"b", 2)]);
    let (clientid, sequence) = support::client::exchanged(&reply);
    again.clientid = clientid;
    again.create_session(sequence, FORE).unwrap();
    assert_eq!(again.status(&[ops::reclaim_complete()]), Status::OK);
    let opened = again.run(&[ops::put(&t.fh), ops::open_fh(b"o", 3, 0)]).open().stateid;
    let lock = [ops::put(&t.fh), ops::lock_new(opened, b"l", WRITE, ALL)];
    assert_eq!(again.status(&lock), Status::OK, "it restarted");
}

#[test]
fn a_lock_is_refused_where_its_holder_does_not_fit_the_reply() {
    let mut t = two();
    let owner = [7; 1024];
    t.lock_a(&owner, WRITE, ALL);
    let small = holdfast_proto::nfs4::ChannelAttrs { maxresponsesize: 512, ..FORE };
    let mut client = Client::with_terms(&t.server.instance, "small", 2, small);
    let test = [ops::put(&t.fh), ops::test_lock(b"l", WRITE, ALL)];
    assert_eq!(client.status(&test), Status::REP_TOO_BIG);
}

/// RFC 8881 §8.4.2.1, §9.11.
#[test]
fn in_grace_locks_are_reclaimed_and_not_taken() {
    let rig = Rig::up();
    let (fh, _) = rig.client("old").make_file(b"file");
    rig.client("slow").make_file(b"other");
    rig.restart();
    let previous = OpenClaim::Previous(holdfast_proto::nfs4::DelegationType::NONE);
    let mut old = rig.reclaiming("old");
    let open = old.run(&[ops::put(&fh), ops::claim(b"o", 3, previous)]).open().stateid;
    let lock = || ops::lock_new(open, b"l", WRITE, (0, 9));
    assert_eq!(old.status(&[ops::put(&fh), lock()]), Status::GRACE);
    let locked = old.run(&[ops::put(&fh), ops::reclaiming(lock())]).stateid();
    let test = [ops::put(&fh), ops::test_lock(b"m", WRITE, (50, 1))];
    assert_eq!(old.status(&test), Status::GRACE);
    let other = ops::reclaiming(ops::lock_new(open, b"m", WRITE, (8, 2)));
    assert_eq!(old.status(&[ops::put(&fh), other]), Status::RECLAIM_CONFLICT);
    assert_eq!(old.status(&[ops::reclaim_complete()]), Status::OK);
    let late = ops::reclaiming(ops::lock_more(locked, WRITE, (20, 1)));
    assert_eq!(old.status(&[ops::put(&fh), late]), Status::NO_GRACE);
    let more = || ops::lock_more(locked, WRITE, (20, 1));
    assert_eq!(old.status(&[ops::put(&fh), more()]), Status::GRACE, "others still reclaim");
    assert!(rig.end_grace());
    assert_eq!(old.status(&[ops::put(&fh), more()]), Status::OK);
    assert_eq!(old.status(&test), Status::OK);
}

#[test]
fn a_client_that_held_nothing_reclaims_no_lock() {
    let mut t = two();
    let Op::Lock(args) = ops::lock_new(t.open_a, b"l", WRITE, ALL) else { unreachable!() };
    let reclaim = Op::Lock(LockArgs { reclaim: true, ..args });
    assert_eq!(t.a(reclaim).last(), (OpNum::LOCK, Status::NO_GRACE));
}
