//! The order of operations, versions, and what a server says to what it does not know.

mod support;

use holdfast_proto::nfs4::{
    Bitmap, CompoundRes, ExchangeIdFlags, GetDirDelegationArgs, GetDirDelegationOk, Op, OpBody,
    OpNum, Status, Time, attr,
};
use holdfast_proto::rpc::{AcceptStat, AuthStat, CallHeader, Credential};
use holdfast_proto::xdr::{Encode, Reader, Writer};
use support::client::{Client, FORE, Reply, create_session, encode};
use support::fixture::Server;
use support::ops;
use support::peer::{call, call_of};

/// The operations that need no session.
const FREE: [OpNum; 6] = [
    OpNum::SEQUENCE,
    OpNum::EXCHANGE_ID,
    OpNum::CREATE_SESSION,
    OpNum::DESTROY_SESSION,
    OpNum::DESTROY_CLIENTID,
    OpNum::BIND_CONN_TO_SESSION,
];

/// What is decoded and not offered.
const NOT_OFFERED: [OpNum; 35] = [
    OpNum::DELEGPURGE,
    OpNum::DELEGRETURN,
    OpNum::LOCK,
    OpNum::LOCKT,
    OpNum::LOCKU,
    OpNum::OPENATTR,
    OpNum::OPEN_CONFIRM,
    OpNum::OPEN_DOWNGRADE,
    OpNum::RENEW,
    OpNum::SETCLIENTID,
    OpNum::SETCLIENTID_CONFIRM,
    OpNum::RELEASE_LOCKOWNER,
    OpNum::BACKCHANNEL_CTL,
    OpNum::FREE_STATEID,
    OpNum::GETDEVICEINFO,
    OpNum::GETDEVICELIST,
    OpNum::LAYOUTCOMMIT,
    OpNum::LAYOUTGET,
    OpNum::LAYOUTRETURN,
    OpNum::SET_SSV,
    OpNum::TEST_STATEID,
    OpNum::WANT_DELEGATION,
    OpNum::ALLOCATE,
    OpNum::COPY,
    OpNum::COPY_NOTIFY,
    OpNum::DEALLOCATE,
    OpNum::IO_ADVISE,
    OpNum::LAYOUTERROR,
    OpNum::LAYOUTSTATS,
    OpNum::OFFLOAD_CANCEL,
    OpNum::OFFLOAD_STATUS,
    OpNum::READ_PLUS,
    OpNum::SEEK,
    OpNum::WRITE_SAME,
    OpNum::CLONE,
];

fn known() -> impl Iterator<Item = OpNum> {
    OpNum::KNOWN.iter().copied().filter(|num| *num != OpNum::ILLEGAL)
}

#[test]
fn only_operations_that_need_no_session_may_come_without_one() {
    let server = Server::new();
    let mut client = server.client("a");
    for num in known().filter(|num| !FREE.contains(num)) {
        let reply = client.bare(&[ops::any(num)]);
        assert_eq!(reply.last(), (num, Status::OP_NOT_IN_SESSION));
        assert_eq!(reply.count(), 1);
    }
}

#[test]
fn operations_without_a_session_come_alone() {
    let server = Server::new();
    let mut client = server.client("a");
    for num in FREE.into_iter().filter(|num| *num != OpNum::SEQUENCE) {
        let reply = client.bare(&[ops::any(num), Op::PutRootFh]);
        assert_eq!(reply.last(), (num, Status::NOT_ONLY_OP));
        assert_eq!(reply.count(), 1);
    }
    let bind = client.run(&[ops::any(OpNum::BIND_CONN_TO_SESSION)]);
    assert_eq!(bind.last(), (OpNum::BIND_CONN_TO_SESSION, Status::NOT_ONLY_OP));
}

#[test]
fn sequence_comes_first_and_once() {
    let server = Server::new();
    let mut client = server.client("a");
    let second = client.sequence(1, false);
    let reply = client.run(&[Op::PutRootFh, second]);
    assert_eq!(reply.last(), (OpNum::SEQUENCE, Status::SEQUENCE_POS));
    client.slots[1] -= 1;
    let record = client.in_session(1, false, &[]);
    assert_eq!(client.exchange(&record).status(), Status::OK, "the other slot is untouched");
}

#[test]
fn clients_and_sessions_can_be_made_within_a_session() {
    let server = Server::new();
    let mut client = server.client("a");
    let flags = ExchangeIdFlags::empty();
    let reply = client.run(&[ops::exchange_id_with(b"b", 1, flags)]);
    let (clientid, sequence) = support::client::exchanged(&reply);
    let made = client.run(&[create_session(clientid, sequence, FORE)]);
    assert_eq!(made.status(), Status::OK);
    assert_eq!(client.status(&[create_session(client.clientid, 2, FORE)]), Status::OK);
    assert_eq!(client.status(&[]), Status::OK);
}

#[test]
fn a_compound_of_nothing_is_answered_with_nothing() {
    let server = Server::new();
    let mut client = server.client("a");
    let reply = client.bare(&[]);
    assert_eq!((reply.status(), reply.count()), (Status::OK, 0));
}

#[test]
fn the_tag_comes_back_as_it_was() {
    let server = Server::new();
    let mut client = server.client("a");
    for tag in [&b""[..], b"x", "\0 öß".as_bytes(), &[b't'; 1024], b"\xff"] {
        let record = call(9, client.cred, |w| {
            tag.encode(w);
            w.u32(2);
            w.u32(1);
            Op::PutRootFh.encode(w);
        });
        let reply = client.exchange(&record);
        let res = CompoundRes::decode(Reader::new(reply.body())).expect("it decodes");
        let is_text = str::from_utf8(tag).is_ok();
        let status = if is_text { Status::OP_NOT_IN_SESSION } else { Status::INVAL };
        assert_eq!((res.tag, res.status), (tag, status));
    }
}

#[test]
fn other_minor_versions_are_a_mismatch_and_touch_nothing() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    for minor in [0, 3, 4, u32::MAX] {
        client.minor = minor;
        let record = client.in_session(0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
        let reply = client.exchange(&record);
        assert_eq!((reply.0.len(), reply.body()[..4].to_vec()), (24 + 4 + 8 + 4, mismatch()));
        client.slots[0] -= 1;
    }
    client.minor = 2;
    assert_eq!(client.status(&[]), Status::OK);
    assert_eq!(probe.calls("make_node"), 0);
}

fn mismatch() -> Vec<u8> {
    Status::MINOR_VERS_MISMATCH.0.to_be_bytes().to_vec()
}

#[test]
fn unknown_operations_are_illegal() {
    let server = Server::new();
    for minor in [1, 2] {
        let mut client = Client::new(&server.instance, &format!("client {minor}"), minor);
        for number in [0, 1, 2, 76, 10_043, 10_044, 10_045, u32::MAX] {
            let reply = client.run(&[Op::PutRootFh, Op::Illegal(number), Op::PutRootFh]);
            assert_eq!(reply.last(), (OpNum::ILLEGAL, Status::OP_ILLEGAL), "{number}");
            assert_eq!(reply.count(), 3);
        }
    }
}

#[test]
fn operations_of_minor_version_2_are_illegal_in_1() {
    let server = Server::new();
    let mut client = Client::new(&server.instance, "a", 1);
    for num in known().filter(|num| num.0 > OpNum::RECLAIM_COMPLETE.0) {
        let reply = client.run(&[Op::PutRootFh, ops::any(num)]);
        assert_eq!(reply.last(), (OpNum::ILLEGAL, Status::OP_ILLEGAL), "{num:?}");
    }
}

#[test]
fn what_is_not_offered_is_not_supported() {
    let server = Server::new();
    let mut client = server.client("a");
    for num in NOT_OFFERED {
        let reply = client.run(&[Op::PutRootFh, ops::any(num), Op::PutRootFh]);
        assert_eq!((reply.last(), reply.count()), ((num, Status::NOTSUPP), 3));
    }
}

#[test]
fn every_operation_is_answered_with_its_own_number() {
    let server = Server::new();
    for num in known().filter(|num| !FREE.contains(num)) {
        let mut client = server.client(&format!("client {}", num.0));
        let reply = client.run(&[Op::PutRootFh, Op::SaveFh, ops::any(num)]);
        assert_eq!((reply.last().0, reply.count()), (num, 4));
    }
    assert_eq!(server.instance.counters().panics, 0);
}

#[test]
fn a_directory_delegation_is_unavailable_and_the_compound_goes_on() {
    let server = Server::new();
    let mut client = server.client("a");
    let zero = Time { sec: 0, nsec: 0 };
    let want = GetDirDelegationArgs {
        signal_deleg_avail: false,
        notification_types: Bitmap::EMPTY,
        child_attr_delay: zero,
        dir_attr_delay: zero,
        child_attributes: Bitmap::EMPTY,
        dir_attributes: Bitmap::EMPTY,
    };
    let want = Op::GetDirDelegation(Box::new(want));
    let reply = client.run(&[Op::PutRootFh, want, Op::GetFh]);
    assert_eq!(reply.status(), Status::OK);
    let OpBody::GetDirDelegation(ok) = reply.op(2) else { panic!("it has an answer") };
    assert_eq!(*ok, GetDirDelegationOk::Unavailable(false));
}

#[test]
fn the_first_failure_ends_the_compound() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let ops = [Op::PutRootFh, ops::lookup(b"nothing"), ops::mkdir(b"d"), Op::GetFh];
    let reply = client.run(&ops);
    assert_eq!((reply.last(), reply.count()), ((OpNum::LOOKUP, Status::NOENT), 3));
    assert_eq!(probe.calls("make_node"), 0);
}

#[test]
fn operations_on_a_handle_need_one() {
    let server = Server::new();
    let mut client = server.client("a");
    let needy = [3, 4, 5, 6, 9, 10, 11, 14 + 1, 16, 17, 18, 25, 26, 27, 28, 29, 32, 33, 34, 37, 38];
    for num in needy.map(OpNum) {
        let reply = client.run(&[ops::any(num)]);
        assert_eq!(reply.last(), (num, Status::NOFILEHANDLE));
    }
    assert_eq!(client.status(&[Op::RestoreFh]), Status::RESTOREFH);
    assert_eq!(client.status(&[Op::PutRootFh, Op::RestoreFh]), Status::RESTOREFH);
    assert_eq!(client.status(&[Op::PutRootFh, ops::rename(b"a", b"b")]), Status::NOFILEHANDLE);
    assert_eq!(client.status(&[Op::PutRootFh, ops::link(b"a")]), Status::NOFILEHANDLE);
}

#[test]
fn saved_and_current_handles_are_two() {
    let server = Server::new();
    let mut client = server.client("a");
    assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(b"d")]), Status::OK);
    let (root, dir) = (client.find(&[]), client.find(&[b"d"]));
    let reply = client.run(&[
        Op::PutRootFh,
        Op::SaveFh,
        ops::lookup(b"d"),
        Op::GetFh,
        Op::RestoreFh,
        Op::GetFh,
        ops::lookup(b"d"),
        Op::LookupP,
        Op::GetFh,
        Op::LookupP,
    ]);
    assert_eq!(reply.last(), (OpNum::LOOKUPP, Status::NOENT), "there is nothing above the root");
    let handles: Vec<_> = [4, 6, 9].map(|at| handle(&reply, at)).into();
    assert_eq!(handles, [dir, root.clone(), root]);
}

fn handle(reply: &Reply, at: usize) -> Vec<u8> {
    let OpBody::GetFh(ok) = reply.op(at) else { panic!("it is GETFH") };
    ok.object.to_vec()
}

#[test]
fn handles_that_were_not_made_here_are_refused() {
    let server = Server::new();
    let mut client = server.client("a");
    let root = client.find(&[]);
    let mut refused = |fh: &[u8], statuses: &[Status]| {
        let status = client.status(&[ops::put(fh), ops::getattr(&Bitmap::of(&[attr::TYPE]))]);
        assert!(statuses.contains(&status), "{status:?}");
    };
    refused(b"", &[Status::BADHANDLE]);
    refused(&root[..4], &[Status::BADHANDLE]);
    refused(&[0; 128], &[Status::BADHANDLE]);
    refused(&[&[1], &[9; 127][..]].concat(), &[Status::BADHANDLE, Status::STALE]);
    for at in 0..root.len() {
        let mut damaged = root.clone();
        damaged[at] ^= 1;
        refused(&damaged, &[Status::BADHANDLE, Status::STALE]);
    }
}

#[test]
fn arguments_that_do_not_decode_end_the_compound_where_they_are() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let raw = |client: &mut Client, count: u32, tail: &[u32]| {
        let first = [client.sequence(0, false), Op::PutRootFh, ops::mkdir(b"d")];
        let record = call(9, client.cred, |w| {
            let mut args = Writer::default();
            encode(&mut args, 2, &first);
            // The count stands after tag and minor version.
            args.patch_u32(4 + 4 + 4, count);
            w.raw(args.bytes());
            tail.iter().for_each(|word| w.u32(*word));
        });
        client.exchange(&record)
    };
    let lookup = raw(&mut client, 4, &[OpNum::LOOKUP.0, 1000, 0]);
    assert_eq!((lookup.last(), lookup.count()), ((OpNum::LOOKUP, Status::BADXDR), 4));
    let getattr = raw(&mut client, 4, &[OpNum::GETATTR.0, u32::MAX, 0]);
    assert_eq!(getattr.last(), (OpNum::CREATE, Status::EXIST));
    assert_eq!(client.status(&[Op::PutRootFh, ops::remove(b"d")]), Status::OK);
    let getattr = raw(&mut client, 4, &[OpNum::GETATTR.0, u32::MAX, 0]);
    assert_eq!(getattr.last(), (OpNum::GETATTR, Status::BADXDR));
    assert_eq!(client.status(&[Op::PutRootFh, ops::remove(b"d")]), Status::OK);
    let missing = raw(&mut client, 5, &[OpNum::GETFH.0]);
    assert_eq!((missing.last(), missing.count()), ((OpNum::ILLEGAL, Status::BADXDR), 5));
    assert_eq!(client.status(&[Op::PutRootFh, ops::remove(b"d")]), Status::OK);
    let setattr = raw(&mut client, 4, &[OpNum::SETATTR.0, 0]);
    assert_eq!(setattr.last(), (OpNum::SETATTR, Status::BADXDR));
    assert_eq!(probe.calls("make_node"), 5, "what came before was done");
}

#[test]
fn a_header_that_does_not_decode_is_garbage() {
    let server = Server::new();
    let mut client = server.client("a");
    for words in [&[][..], &[0], &[0, 2], &[1025, 2, 0], &[u32::MAX, 2, 0]] {
        let record = call(9, client.cred, |w| words.iter().for_each(|word| w.u32(*word)));
        assert_eq!(client.exchange(&record).accepted(), Some(AcceptStat::GARBAGE_ARGS));
    }
}

fn header(prog: u32, vers: u32, proc: u32) -> CallHeader {
    CallHeader { xid: 5, prog, vers, proc, cred: Credential::None }
}

#[test]
fn other_procedures_versions_and_programs_are_refused_by_name() {
    let server = Server::new();
    let mut client = server.client("a");
    let mut accepted = |prog, vers, proc| {
        let record = call_of(&header(prog, vers, proc), |_| {});
        client.exchange(&record).accepted()
    };
    assert_eq!(accepted(100_003, 4, 0), Some(AcceptStat::SUCCESS));
    assert_eq!(accepted(100_003, 4, 2), Some(AcceptStat::PROC_UNAVAIL));
    assert_eq!(accepted(100_003, 3, 0), Some(AcceptStat::PROG_MISMATCH));
    assert_eq!(accepted(100_005, 3, 0), Some(AcceptStat::PROG_UNAVAIL));
    let record = call_of(&header(100_003, 3, 1), |_| {});
    let reply = client.exchange(&record);
    assert_eq!(reply.0[24..], [0, 0, 0, 4, 0, 0, 0, 4], "versions 4 to 4 are served");
}

#[test]
fn other_rpc_versions_and_credentials_are_denied() {
    let server = Server::new();
    let mut client = server.client("a");
    let mut denied = |at: usize, word: u32| {
        let mut record = call_of(&header(100_003, 4, 1), |w| encode(w, 2, &[]));
        record[at..at + 4].copy_from_slice(&word.to_be_bytes());
        let reply = client.exchange(&record);
        assert_eq!(reply.accepted(), None);
        reply.0[12..].to_vec()
    };
    let words = |words: [u32; 3]| words.map(u32::to_be_bytes).concat();
    assert_eq!(denied(12, 3), words([0, 2, 2]), "version 2 to 2 is spoken");
    assert_eq!(denied(28, 6), words([1, AuthStat::BADCRED.0, 0])[..8], "no Kerberos");
    assert_eq!(denied(28, 2), words([1, AuthStat::REJECTEDCRED.0, 0])[..8]);
    assert_eq!(denied(32, 401), words([1, AuthStat::BADCRED.0, 0])[..8]);
    assert_eq!(server.instance.counters().rpc_refused, 4);
}
