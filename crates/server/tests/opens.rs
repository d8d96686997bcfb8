//! Opens and their state ids: who may, who may not, and what a state id stands for.

mod support;

use holdfast_proto::nfs4::{
    AttrValue, CreateHow, Fattr, LockType, NoDelegation, Op, OpBody, OpNum, OpenArgs, OpenClaim,
    OpenDelegation, ShareAccess, ShareDeny, Stateid, Status, Verifier, WhyNoDelegation,
};
use holdfast_vfs::{Cred, Groups};
use support::client::Client;
use support::fixture::Server;
use support::ops::{self, Attrs};
use support::rig::Rig;

const READ: u32 = 1;
const WRITE: u32 = 2;
const BOTH: u32 = 3;
const USER: Cred = Cred { uid: 1001, gid: 1001, groups: Groups::NONE };

fn two() -> (Server, Client, Client) {
    let server = Server::new();
    let (a, b) = (server.client("a"), server.client("b"));
    (server, a, b)
}

fn open(client: &mut Client, name: &[u8], owner: &[u8], access: u32, deny: u32) -> Status {
    client.status(&[Op::PutRootFh, ops::open(name, owner, access, deny)])
}

fn opened(client: &mut Client, name: &[u8], owner: &[u8], access: u32) -> Stateid {
    client.run(&[Op::PutRootFh, ops::open(name, owner, access, 0)]).open().stateid
}

#[test]
fn a_denied_share_keeps_other_clients_out_until_it_is_closed() {
    let (_server, mut a, mut b) = two();
    let reply = a.run(&[Op::PutRootFh, ops::create(b"file", b"o", BOTH, WRITE), Op::GetFh]);
    let (fh, stateid) = (reply.fh(), reply.open().stateid);
    assert_eq!(open(&mut b, b"file", b"o", WRITE, 0), Status::SHARE_DENIED);
    assert_eq!(open(&mut b, b"file", b"o", READ, READ), Status::SHARE_DENIED);
    assert_eq!(open(&mut b, b"file", b"o", READ, 0), Status::OK);
    assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
    assert_eq!(open(&mut b, b"file", b"o", WRITE, 0), Status::OK);
}

#[test]
fn a_refused_open_does_not_empty_the_file() {
    let (_server, mut a, mut b) = two();
    let reply = a.run(&[Op::PutRootFh, ops::create(b"file", b"o", BOTH, WRITE), Op::GetFh]);
    let (fh, stateid) = (reply.fh(), reply.open().stateid);
    assert_eq!(a.status(&[ops::put(&fh), ops::write(stateid, 0, b"data")]), Status::OK);
    let size = Attrs::new(&[AttrValue::Size(0)]);
    let empty = ops::create_how(b"file", b"o", WRITE, 0, CreateHow::Unchecked(size.fattr()));
    assert_eq!(b.status(&[Op::PutRootFh, empty.clone()]), Status::SHARE_DENIED);
    let reply = a.run(&[ops::put(&fh), ops::read(stateid, 0, 9)]);
    let OpBody::Read(ok) = reply.last_ok() else { panic!("it was read") };
    assert_eq!(ok.data, b"data");
    assert_eq!(a.status(&[Op::PutRootFh, empty]), Status::OK, "its own owner may");
}

#[test]
fn the_same_owner_opens_again_under_one_state_id() {
    let (_server, mut a, _) = two();
    let (fh, first) = a.make_file(b"file");
    assert_eq!(first.seqid, 1);
    assert_eq!(a.status(&[ops::put(&fh), ops::close(first)]), Status::OK);
    let read = opened(&mut a, b"file", b"o", READ);
    let write = [ops::put(&fh), ops::write(read, 0, b"x")];
    assert_eq!(a.status(&write), Status::OPENMODE);
    let both = opened(&mut a, b"file", b"o", WRITE);
    assert_eq!((both.other, both.seqid), (read.other, read.seqid + 1));
    assert_eq!(a.status(&write), Status::OLD_STATEID);
    assert_eq!(a.status(&[ops::put(&fh), ops::write(both, 0, b"x")]), Status::OK);
    assert_eq!(a.status(&[ops::put(&fh), ops::read(both, 0, 1)]), Status::OK);
    let newest = Stateid { seqid: 0, ..both };
    assert_eq!(a.status(&[ops::put(&fh), ops::write(newest, 0, b"x")]), Status::OK);
    assert_ne!(opened(&mut a, b"file", b"other", READ).other, read.other);
    let shut = open(&mut a, b"file", b"o", READ, WRITE);
    assert_eq!(shut, Status::OK, "it denies nobody who writes now but itself");
}

#[test]
fn a_wider_deny_is_refused_where_another_owner_is_in_the_way() {
    let (_server, mut a, mut b) = two();
    a.make_file(b"file");
    assert_eq!(open(&mut b, b"file", b"o", READ, 0), Status::OK);
    assert_eq!(open(&mut b, b"file", b"o", READ, WRITE), Status::SHARE_DENIED);
    assert_eq!(open(&mut a, b"file", b"third", READ, 0), Status::OK);
}

#[test]
fn a_file_is_closed_once() {
    let (_server, mut a, _) = two();
    let (fh, stateid) = a.make_file(b"file");
    let close = [ops::put(&fh), ops::close(stateid)];
    let reply = a.run(&close);
    let OpBody::Close(ok) = reply.last_ok() else { panic!("it was closed") };
    assert!(ok.open_stateid.is_special(), "what comes back is of no use");
    assert_eq!(a.status(&close), Status::BAD_STATEID);
    assert_eq!(a.status(&[ops::put(&fh), ops::read(stateid, 0, 1)]), Status::BAD_STATEID);
}

#[test]
fn a_state_id_is_good_for_its_client_and_file_only() {
    let (_server, mut a, mut b) = two();
    let (fh, stateid) = a.make_file(b"file");
    let (other, _) = a.make_file(b"other");
    for op in [ops::read(stateid, 0, 1), ops::write(stateid, 0, b"x"), ops::close(stateid)] {
        assert_eq!(b.status(&[ops::put(&fh), op.clone()]), Status::BAD_STATEID);
        assert_eq!(a.status(&[ops::put(&other), op]), Status::BAD_STATEID);
    }
    let future = Stateid { seqid: stateid.seqid + 1, ..stateid };
    assert_eq!(a.status(&[ops::put(&fh), ops::read(future, 0, 1)]), Status::BAD_STATEID);
    for at in 0..12 {
        let mut made_up = stateid;
        made_up.other[at] ^= 1;
        let status = a.status(&[ops::put(&fh), ops::read(made_up, 0, 1)]);
        assert!(matches!(status, Status::BAD_STATEID | Status::STALE_STATEID), "{at}: {status:?}");
    }
    assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
}

#[test]
fn special_state_ids_stand_for_no_open() {
    let (_server, mut a, mut b) = two();
    let (fh, stateid) = a.make_file(b"file");
    assert_eq!(a.status(&[ops::put(&fh), ops::write(stateid, 0, b"data")]), Status::OK);
    let io = |client: &mut Client, op: Op<'_>| client.status(&[ops::put(&fh), op]);
    let anonymous = Stateid::ANONYMOUS;
    assert_eq!(io(&mut b, ops::read(anonymous, 0, 4)), Status::OK);
    assert_eq!(io(&mut b, ops::write(anonymous, 0, b"DATA")), Status::OK);
    assert_eq!(io(&mut b, ops::read(Stateid::READ_BYPASS, 0, 4)), Status::OK);
    for invalid in [
        Stateid::INVALID,
        Stateid { seqid: 5, ..Stateid::ANONYMOUS },
        Stateid { seqid: 0, ..Stateid::READ_BYPASS },
        Stateid::CURRENT,
    ] {
        assert_eq!(io(&mut b, ops::read(invalid, 0, 4)), Status::BAD_STATEID, "{invalid:?}");
        assert_eq!(io(&mut b, ops::write(invalid, 0, b"x")), Status::BAD_STATEID);
        assert_eq!(io(&mut b, ops::close(invalid)), Status::BAD_STATEID);
    }
    assert_eq!(io(&mut b, ops::close(anonymous)), Status::BAD_STATEID);
}

#[test]
fn io_without_an_open_respects_what_others_deny() {
    let (_server, mut a, mut b) = two();
    let create = ops::create(b"file", b"o", BOTH, BOTH);
    let fh = a.run(&[Op::PutRootFh, create, Op::GetFh]).fh();
    let io = |client: &mut Client, op: Op<'_>| client.status(&[ops::put(&fh), op]);
    assert_eq!(io(&mut b, ops::read(Stateid::ANONYMOUS, 0, 4)), Status::LOCKED);
    assert_eq!(io(&mut b, ops::write(Stateid::ANONYMOUS, 0, b"x")), Status::LOCKED);
    assert_eq!(io(&mut b, ops::read(Stateid::READ_BYPASS, 0, 4)), Status::OK);
    assert_eq!(io(&mut b, ops::write(Stateid::READ_BYPASS, 0, b"x")), Status::LOCKED);
    let size = Attrs::new(&[AttrValue::Size(0)]);
    let shrink = ops::setattr(Stateid::ANONYMOUS, size.fattr());
    assert_eq!(io(&mut b, shrink), Status::LOCKED);
    let mode = Attrs::new(&[AttrValue::Mode(0o600)]);
    let chmod = ops::setattr(Stateid::ANONYMOUS, mode.fattr());
    assert_eq!(io(&mut b, chmod), Status::OK, "only data is denied");
}

#[test]
fn the_current_state_id_is_that_of_the_last_open() {
    let (_server, mut a, _) = two();
    let current = Stateid::CURRENT;
    let reply = a.run(&[
        Op::PutRootFh,
        ops::create(b"file", b"o", BOTH, 0),
        ops::write(current, 0, b"data"),
        ops::read(current, 0, 4),
        ops::close(current),
        ops::read(current, 0, 4),
    ]);
    assert_eq!((reply.last(), reply.count()), ((OpNum::READ, Status::BAD_STATEID), 7));

    let reply = a.run(&[
        Op::PutRootFh,
        ops::open(b"file", b"o", BOTH, 0),
        Op::SaveFh,
        Op::PutRootFh,
        Op::RestoreFh,
        ops::read(current, 0, 4),
        Op::PutRootFh,
        ops::lookup(b"file"),
        ops::read(current, 0, 4),
    ]);
    assert_eq!(reply.last(), (OpNum::READ, Status::BAD_STATEID));
    assert_eq!(reply.count(), 10, "it is saved and restored with its handle, and goes with it");
}

#[test]
fn access_and_deny_must_make_sense() {
    let (_server, mut a, _) = two();
    a.make_file(b"file");
    assert_eq!(open(&mut a, b"file", b"o", 0, 0), Status::INVAL);
    assert_eq!(open(&mut a, b"file", b"o", READ, 4), Status::INVAL);
}

#[test]
fn what_a_client_wants_of_delegations_is_answered() {
    let (_server, mut a, _) = two();
    a.make_file(b"file");
    for (number, (want, expected)) in [
        (ShareAccess::WANT_NO_PREFERENCE, OpenDelegation::None),
        (
            ShareAccess::WANT_NO_DELEG,
            OpenDelegation::NoneExt(NoDelegation::Why(WhyNoDelegation::NOT_WANTED)),
        ),
        (ShareAccess::WANT_READ_DELEG, OpenDelegation::NoneExt(NoDelegation::Resource(false))),
    ]
    .into_iter()
    .enumerate()
    {
        let owner = [number as u8];
        let open = ops::open(b"file", &owner, READ | want.0, 0);
        let reply = a.run(&[Op::PutRootFh, open]);
        assert_eq!(reply.open().delegation, expected);
    }
}

#[test]
fn nothing_can_be_reclaimed() {
    let (_server, mut a, _) = two();
    let (fh, _) = a.make_file(b"file");
    let none = holdfast_proto::nfs4::DelegationType::NONE;
    for (claim, status) in [
        (OpenClaim::Previous(none), Status::NO_GRACE),
        (OpenClaim::DelegCurFh(Stateid::ANONYMOUS), Status::BAD_STATEID),
        (OpenClaim::DelegPrevFh, Status::NOTSUPP),
    ] {
        let open = ops::claim(b"o", READ, claim);
        assert_eq!(a.status(&[ops::put(&fh), open]), status);
    }
}

#[test]
fn a_repeated_exclusive_create_finds_its_own_file() {
    let (_server, mut a, _) = two();
    let create = |verifier: u8| {
        let how = CreateHow::Exclusive(Verifier([verifier; 8]));
        [Op::PutRootFh, ops::create_how(b"file", b"o", BOTH, 0, how), Op::GetFh]
    };
    let first = a.run(&create(1)).fh();
    assert_eq!(a.run(&create(1)).fh(), first);
    assert_eq!(a.status(&create(2)), Status::EXIST);
    let guarded = ops::create_how(b"file", b"o", BOTH, 0, CreateHow::Guarded(Fattr::EMPTY));
    assert_eq!(a.status(&[Op::PutRootFh, guarded]), Status::EXIST);
}

#[test]
fn who_did_not_open_a_file_needs_the_right_to_it() {
    let (_server, mut a, _) = two();
    let mode = Attrs::new(&[AttrValue::Mode(0o600)]);
    let create = ops::create_how(b"file", b"o", BOTH, 0, CreateHow::Unchecked(mode.fattr()));
    let reply = a.run(&[Op::PutRootFh, create, Op::GetFh]);
    let (fh, stateid) = (reply.fh(), reply.open().stateid);
    let denied = a.run_as(&USER, &[ops::put(&fh), ops::read(stateid, 0, 1)]);
    assert_eq!(denied.status(), Status::ACCESS);
    let denied = a.run_as(&USER, &[ops::put(&fh), ops::write(stateid, 0, b"x")]);
    assert_eq!(denied.status(), Status::ACCESS);
    let open = Attrs::new(&[AttrValue::Mode(0o666)]);
    let chmod = ops::setattr(Stateid::ANONYMOUS, open.fattr());
    assert_eq!(a.status(&[ops::put(&fh), chmod]), Status::OK);
    let allowed = a.run_as(&USER, &[ops::put(&fh), ops::write(stateid, 0, b"x")]);
    assert_eq!(allowed.status(), Status::OK);
}

#[test]
fn an_open_needs_a_regular_file() {
    let (_server, mut a, _) = two();
    let link = holdfast_proto::nfs4::CreateType::Link(b"file");
    assert_eq!(a.status(&[Op::PutRootFh, ops::mkdir(b"dir")]), Status::OK);
    assert_eq!(a.status(&[Op::PutRootFh, ops::create_node(b"link", link)]), Status::OK);
    assert_eq!(open(&mut a, b"dir", b"o", READ, 0), Status::ISDIR);
    assert_eq!(open(&mut a, b"link", b"o", READ, 0), Status::SYMLINK);
    assert_eq!(open(&mut a, b"nothing", b"o", READ, 0), Status::NOENT);
    assert_eq!(a.status(&[Op::PutRootFh, ops::open_fh(b"o", READ, 0)]), Status::ISDIR);
}

#[test]
fn an_open_file_is_used_after_its_name_is_gone_and_is_gone_when_closed() {
    let (_server, mut a, _) = two();
    let (fh, stateid) = a.make_file(b"file");
    assert_eq!(a.status(&[ops::put(&fh), ops::write(stateid, 0, b"data")]), Status::OK);
    assert_eq!(a.status(&[Op::PutRootFh, ops::remove(b"file")]), Status::OK);
    assert_eq!(a.status(&[ops::put(&fh), ops::read(stateid, 0, 4)]), Status::OK);
    assert_eq!(a.status(&[ops::put(&fh), ops::commit(0, 0)]), Status::OK);
    assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
    assert_eq!(a.status(&[ops::put(&fh), ops::commit(0, 0)]), Status::STALE);
}

/// RFC 8881 §18.18.
#[test]
fn an_open_goes_back_only_to_what_was_opened() {
    let (_server, mut a, mut b) = two();
    let (fh, _) = b.make_file(b"file");
    let first = opened(&mut a, b"file", b"o", READ);
    let both = opened(&mut a, b"file", b"o", BOTH);
    let mut down =
        |stateid, access, deny| a.run(&[ops::put(&fh), ops::downgrade(stateid, access, deny)]);
    assert_eq!(down(first, READ, 0).status(), Status::OLD_STATEID);
    for (access, deny) in [(WRITE, 0), (READ, WRITE), (0, 0), (4, 0), (READ, 4)] {
        assert_eq!(down(both, access, deny).status(), Status::INVAL, "{access} {deny}");
    }
    let want_none = READ | ShareAccess::WANT_NO_DELEG.0;
    let read = down(both, want_none, 0).stateid();
    assert_eq!((read.other, read.seqid), (both.other, both.seqid + 1));
    assert_eq!(down(read, BOTH, 0).status(), Status::INVAL, "that is given up");
    let write = |stateid| [ops::put(&fh), ops::write(stateid, 0, b"x")];
    assert_eq!(a.status(&write(read)), Status::OPENMODE);
    assert_eq!(a.status(&[ops::put(&fh), ops::read(read, 0, 1)]), Status::OK);
    let mut bad = |stateid| a.status(&[ops::put(&fh), ops::downgrade(stateid, READ, 0)]);
    assert_eq!(bad(Stateid::ANONYMOUS), Status::BAD_STATEID);
    assert_eq!(bad(Stateid::CURRENT), Status::BAD_STATEID);
    let mut foreign = read;
    foreign.other[0] ^= 1;
    assert_eq!(bad(foreign), Status::STALE_STATEID);
    let (other, _) = a.make_file(b"other");
    assert_eq!(a.status(&[ops::put(&other), ops::downgrade(read, READ, 0)]), Status::BAD_STATEID);
    assert_eq!(a.status(&[ops::downgrade(read, READ, 0)]), Status::NOFILEHANDLE);
}

#[test]
fn a_reduced_open_denies_only_what_is_left() {
    let (_server, mut a, mut b) = two();
    let (fh, stateid) = a.make_file(b"file");
    assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
    assert_eq!(open(&mut a, b"file", b"o", READ, 0), Status::OK);
    let denying = a.run(&[Op::PutRootFh, ops::open(b"file", b"o", READ, BOTH)]).open().stateid;
    assert_eq!(open(&mut b, b"file", b"o", WRITE, 0), Status::SHARE_DENIED);
    let io = [ops::put(&fh), ops::read(Stateid::ANONYMOUS, 0, 1)];
    assert_eq!(b.status(&io), Status::LOCKED);
    let down = ops::downgrade(denying, READ, 0);
    assert_eq!(a.status(&[ops::put(&fh), down]), Status::OK);
    assert_eq!(b.status(&io), Status::OK);
    assert_eq!(open(&mut b, b"file", b"o", WRITE, 0), Status::OK);
}

#[test]
fn a_downgrade_of_locks_is_none() {
    let (_server, mut a, _) = two();
    let (fh, stateid) = a.make_file(b"file");
    let lock = ops::lock_new(stateid, b"l", LockType::READ, (0, 1));
    let lock = a.run(&[ops::put(&fh), lock]).stateid();
    for op in [ops::downgrade(lock, READ, 0), ops::close(lock)] {
        assert_eq!(a.status(&[ops::put(&fh), op]), Status::BAD_STATEID);
    }
}

#[test]
fn a_file_that_is_open_for_writing_alone_is_read_unless_others_deny_it() {
    let (_server, mut a, mut b) = two();
    let (fh, stateid) = a.make_file(b"file");
    assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
    let own = a.run(&[Op::PutRootFh, ops::open(b"file", b"o", WRITE, READ)]).open().stateid;
    let read = [ops::put(&fh), ops::read(own, 0, 1)];
    assert_eq!(a.status(&read), Status::OK, "what it denies, it denies others");
    assert_eq!(open(&mut b, b"file", b"o", WRITE, READ), Status::OK);
    assert_eq!(a.status(&read), Status::LOCKED);
}

#[test]
fn no_open_of_a_device_or_fifo() {
    let (_server, mut a, _) = two();
    let fifo = holdfast_proto::nfs4::CreateType::Fifo;
    let made = a.run(&[Op::PutRootFh, ops::create_node(b"fifo", fifo), Op::GetFh]);
    let fh = made.fh();
    assert_eq!(open(&mut a, b"fifo", b"o", READ, 0), Status::WRONG_TYPE);
    assert_eq!(a.status(&[ops::put(&fh), ops::open_fh(b"o", READ, 0)]), Status::WRONG_TYPE);
}

#[test]
fn a_reclaim_that_others_deny_conflicts() {
    let rig = Rig::up();
    let (fh, _) = rig.client("a").make_file(b"file");
    drop(rig.client("b").make_file(b"other"));
    rig.restart();
    let none = || OpenClaim::Previous(holdfast_proto::nfs4::DelegationType::NONE);
    let (mut a, mut b) = (rig.reclaiming("a"), rig.reclaiming("b"));
    let denying = Op::Open(OpenArgs {
        share_deny: ShareDeny::BOTH,
        ..open_args(ops::claim(b"o", READ, none()))
    });
    assert_eq!(a.status(&[ops::put(&fh), denying]), Status::OK);
    let late = ops::claim(b"o", READ, none());
    assert_eq!(b.status(&[ops::put(&fh), late]), Status::RECLAIM_CONFLICT);
}

fn open_args(op: Op<'_>) -> OpenArgs<'_> {
    let Op::Open(args) = op else { panic!("only an OPEN has these") };
    args
}
