//! File systems that answer later or panic, and what becomes of the compounds that used them.

mod support;

use std::sync::Arc;

use holdfast_proto::nfs4::{
    BindConnToSessionArgs, DestroySessionArgs, DirFromClient, Op, OpNum, Status,
};
use holdfast_proto::rpc::AcceptStat;
use support::client::{Client, Reply};
use support::fixture::Server;
use support::ops;
use support::probe_fs::{Mood, Probe};

fn late() -> (Server, Arc<Probe>, Client) {
    let (server, probe) = Server::probed();
    let client = server.client("a");
    (server, probe, client)
}

/// Sends a compound and answers its number.
fn send(client: &mut Client, slot: usize, cachethis: bool, ops: &[Op<'_>]) -> Vec<u8> {
    let record = client.in_session(slot, cachethis, ops);
    client.peer.send(&record).expect("the connection lives");
    record
}

fn replies(client: &mut Client) -> Vec<Reply> {
    std::iter::from_fn(|| client.peer.record()).map(Reply).collect()
}

fn xid(bytes: &[u8]) -> [u8; 4] {
    *bytes.first_chunk().expect("there is a number")
}

/// Runs all jobs, and the connection with them.
fn settle(server: &Server, client: &mut Client) {
    while server.world.run_job() {
        client.peer.resume().expect("the connection lives");
    }
}

#[test]
fn slots_that_wait_are_answered_in_the_order_they_become_ready() {
    let (server, probe, mut client) = late();
    probe.set("make_node", Mood::Later);
    let names = [b"d0", b"d1", b"d2", b"d3"];
    let sent: Vec<_> = (0..4)
        .map(|slot| send(&mut client, slot, true, &[Op::PutRootFh, ops::mkdir(names[slot])]))
        .collect();
    assert!(replies(&mut client).is_empty() && !client.peer.connection.is_done());
    let quick = send(&mut client, 9, false, &[Op::PutRootFh, Op::GetFh]);
    let first = replies(&mut client);
    assert_eq!(first.len(), 1, "one that need not wait passes those that do");
    assert_eq!(xid(&first[0].0), xid(&quick[4..]));

    let mut answered = Vec::new();
    while server.world.run_newest_job() {
        client.peer.resume().expect("the connection lives");
        let new = replies(&mut client);
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].status(), Status::OK);
        answered.push(xid(&new[0].0));
    }
    let expected: Vec<_> = sent.iter().rev().map(|record| xid(&record[4..])).collect();
    assert_eq!(answered, expected);
    assert!(client.peer.connection.is_quiet());
    for (slot, record) in sent.iter().enumerate() {
        assert_eq!(client.exchange(record).status(), Status::OK, "slot {slot} keeps its reply");
    }
    assert_eq!(probe.calls("make_node"), 4);
}

#[test]
fn an_operator_sees_which_slots_run_and_the_sums_are_right() {
    let (server, probe, mut client) = late();
    let mut other = server.client("b");
    let sums = |server: &Server| {
        let sessions = server.instance.sessions();
        assert!(sessions.is_sorted_by_key(|session| session.id));
        assert!(sessions.iter().all(|s| s.busy + s.free == s.slots && !s.is_dead));
        sessions.iter().map(|session| session.busy).collect::<Vec<_>>()
    };
    assert_eq!(sums(&server), [0, 0]);
    probe.set("make_node", Mood::Later);
    for slot in 0..3 {
        send(&mut client, slot, true, &[Op::PutRootFh, ops::mkdir(&[b'0' + slot as u8])]);
    }
    assert_eq!(sums(&server), [3, 0]);
    let shown = server.instance.sessions()[0].to_string();
    assert!(shown.starts_with("session ") && shown.contains(": 3 of "), "{shown}");
    settle(&server, &mut client);
    assert_eq!(sums(&server), [0, 0]);
    let session = other.session;
    let gone = other.bare(&[Op::DestroySession(DestroySessionArgs { sessionid: session })]);
    assert_eq!(gone.status(), Status::OK);
    assert_eq!(sums(&server), [0]);
}

#[test]
fn a_retry_of_what_still_runs_is_put_off() {
    let (server, probe, mut client) = late();
    probe.set("make_node", Mood::Later);
    let record = send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let again = client.exchange(&record);
    assert_eq!(again.last(), (OpNum::SEQUENCE, Status::DELAY));
    settle(&server, &mut client);
    assert_eq!(replies(&mut client)[0].status(), Status::OK);
    assert_eq!(client.exchange(&record).status(), Status::OK);
    assert_eq!(probe.calls("make_node"), 1);
}

#[test]
fn a_session_in_use_is_not_destroyed() {
    let (server, probe, mut client) = late();
    probe.set("make_node", Mood::Later);
    send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let destroy = [ops::destroy_session(client.session)];
    assert_eq!(client.bare(&destroy).status(), Status::DELAY);
    settle(&server, &mut client);
    assert_eq!(replies(&mut client).len(), 1);
    assert_eq!(client.bare(&destroy).status(), Status::OK);
}

#[test]
fn a_lease_does_not_end_while_a_request_runs() {
    let (server, probe, mut client) = late();
    probe.set("make_node", Mood::Later);
    send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    server.world.advance(4 * support::fixture::LEASE);
    settle(&server, &mut client);
    assert_eq!(replies(&mut client)[0].status(), Status::OK);
    assert_eq!(server.instance.counters().clients_expired, 0);
    assert_eq!(client.status(&[]), Status::OK);
}

#[test]
fn every_operation_can_wait() {
    let (server, probe, mut client) = late();
    for method in
        ["getattr", "setattr", "access", "lookup", "open", "create", "read", "write", "readdir"]
    {
        probe.set(method, Mood::Later);
    }
    let current = holdfast_proto::nfs4::Stateid::CURRENT;
    let all = holdfast_proto::nfs4::Bitmap::of(&[1, 3, 4, 8, 20, 42, 43, 44, 55]);
    send(
        &mut client,
        0,
        true,
        &[
            Op::PutRootFh,
            ops::create(b"file", b"o", 3, 0),
            ops::write(current, 0, b"data"),
            ops::read(current, 0, 4),
            ops::getattr(&all),
            ops::close(current),
            Op::PutRootFh,
            ops::lookup(b"file"),
            Op::PutRootFh,
            ops::readdir(0, 0, 4096, all),
            ops::open(b"file", b"o", 3, 3),
            Op::GetFh,
        ],
    );
    settle(&server, &mut client);
    let reply = replies(&mut client).pop().expect("it is answered");
    assert_eq!((reply.status(), reply.count()), (Status::OK, 13));
}

#[test]
fn a_conflict_with_an_open_that_is_being_decided_is_put_off() {
    let (server, probe, mut a) = late();
    let mut b = server.client("b");
    let (fh, stateid) = a.make_file(b"file");
    assert_eq!(a.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
    let size = ops::Attrs::new(&[holdfast_proto::nfs4::AttrValue::Size(0)]);
    let how = holdfast_proto::nfs4::CreateHow::Unchecked(size.fattr());
    probe.set("setattr", Mood::Later);
    let empty = [Op::PutRootFh, ops::create_how(b"file", b"x", 2, 2, how)];
    send(&mut a, 1, true, &empty);
    let other = [Op::PutRootFh, ops::open(b"file", b"o", 2, 0)];
    assert_eq!(b.status(&other), Status::DELAY, "not denied: it is not known yet");
    settle(&server, &mut a);
    assert_eq!(replies(&mut a)[0].status(), Status::OK);
    assert_eq!(b.status(&other), Status::SHARE_DENIED);
}

#[test]
fn a_panic_is_answered_and_ends_that_session_only() {
    for mood in [Mood::Panic, Mood::PanicLater] {
        let (server, probe, mut client) = late();
        let mut other = server.client("b");
        probe.set("make_node", mood);
        let record = send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
        settle(&server, &mut client);
        let replies = replies(&mut client);
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].accepted(), Some(AcceptStat::SYSTEM_ERR));
        assert_eq!(xid(&replies[0].0), xid(&record[4..]));
        assert_eq!(server.instance.counters().panics, 1);

        assert_eq!(client.exchange(&record).status(), Status::BADSESSION, "it is not tried again");
        assert_eq!(client.status(&[]), Status::BADSESSION);
        assert_eq!(probe.calls("make_node"), 1);
        let bind = BindConnToSessionArgs {
            sessid: client.session,
            dir: DirFromClient::FORE,
            use_conn_in_rdma_mode: false,
        };
        let bound = client.bare(&[Op::BindConnToSession(bind)]);
        assert_eq!(bound.status(), Status::BADSESSION);
        assert_eq!(other.status(&[Op::PutRootFh, Op::GetFh]), Status::OK);
        client.create_session(2, support::client::FORE).expect("the client goes on");
        assert_eq!(client.status(&[Op::PutRootFh, Op::GetFh]), Status::OK);
    }
}

#[test]
fn a_panic_while_others_wait_leaves_them_alone() {
    let (server, probe, mut client) = late();
    let mut other = server.client("b");
    probe.set("make_node", Mood::Later);
    send(&mut other, 0, true, &[Op::PutRootFh, ops::mkdir(b"other")]);
    send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"one")]);
    probe.set("remove", Mood::Panic);
    send(&mut client, 1, true, &[Op::PutRootFh, ops::remove(b"two")]);
    assert_eq!(replies(&mut client)[0].accepted(), Some(AcceptStat::SYSTEM_ERR));
    settle(&server, &mut client);
    assert_eq!(replies(&mut client)[0].status(), Status::OK, "what ran comes to its end");
    other.peer.resume().expect("the connection lives");
    assert_eq!(replies(&mut other)[0].status(), Status::OK);
    assert_eq!(other.status(&[]), Status::OK);
}

#[test]
fn what_a_lost_connection_asked_for_is_done_and_its_reply_kept() {
    let (server, probe, mut client) = late();
    probe.set("make_node", Mood::Later);
    let record = send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let mut lost = std::mem::replace(&mut client.peer, server.peer());
    // Its driver keeps it until nothing runs on it.
    assert!(!lost.connection.is_done());
    while server.world.run_job() {
        lost.resume().expect("the connection lives");
    }
    assert!(lost.connection.is_done());
    drop(lost);
    assert_eq!(client.exchange(&record).status(), Status::OK);
    assert_eq!(probe.calls("make_node"), 1);
}

#[test]
fn a_connection_dropped_too_early_takes_the_session_with_it() {
    let (server, probe, mut client) = late();
    probe.set("make_node", Mood::Later);
    let record = send(&mut client, 0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    drop(std::mem::replace(&mut client.peer, server.peer()));
    while server.world.run_job() {}
    assert_eq!(client.exchange(&record).status(), Status::BADSESSION);
    assert_eq!(probe.calls("make_node"), 1, "nothing is done twice");
}

#[test]
fn no_more_compounds_wait_than_there_is_room_for() {
    let (server, probe, mut client) = late();
    let mut sessions = vec![client];
    for number in 0..20 {
        sessions.push(server.client(&format!("client {number}")));
    }
    probe.set("lookup", Mood::Later);
    let records: Vec<_> = sessions
        .iter_mut()
        .flat_map(|client| {
            (0..16)
                .map(|slot| client.in_session(slot, false, &[Op::PutRootFh, ops::lookup(b"x")]))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(records.len() > 300);
    client = sessions.remove(0);
    for record in &records {
        client.peer.send(record).expect("the connection lives");
    }
    let waiting = server.world.jobs();
    assert!(waiting < records.len() && !client.peer.connection.wants_input());
    settle(&server, &mut client);
    let replies = replies(&mut client);
    assert_eq!(replies.len(), records.len(), "the rest goes on when there is room");
    assert!(replies.iter().all(|reply| reply.status() == Status::NOENT));
}

/// A slow file system and a client with many large reads under way: the replies that can come are
/// counted before they do.
#[test]
fn replies_to_come_are_bounded_in_bytes_and_what_was_left_lying_is_answered() {
    const READS: usize = 60;
    let (server, probe) = Server::probed();
    let terms = holdfast_proto::nfs4::ChannelAttrs {
        maxrequests: 64,
        maxrequestsize: 2 << 20,
        maxresponsesize: 2 << 20,
        ..support::client::FORE
    };
    let mut client = Client::with_terms(&server.instance, "a", 2, terms);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::OK);
    let (fh, stateid) = client.make_file(b"file");
    let half = vec![5; 1 << 19];
    for offset in [0, 1 << 19] {
        let write = [ops::put(&fh), ops::write(stateid, offset, &half)];
        assert_eq!(client.status(&write), Status::OK);
    }
    probe.set("read", Mood::Later);
    for slot in 0..READS {
        send(&mut client, slot, false, &[ops::put(&fh), ops::read(stateid, 0, 1 << 20)]);
    }
    assert_eq!(probe.calls("read"), 16, "16 MiB may come");
    assert!(!client.peer.connection.wants_input() && !client.peer.connection.is_quiet());
    let mut answered = 0;
    while server.world.run_job() {
        client.peer.resume().expect("the connection lives");
        answered += replies(&mut client).iter().filter(|it| it.status() == Status::OK).count();
        assert!(probe.calls("read") <= answered + 16);
    }
    assert_eq!((answered, probe.calls("read")), (READS, READS));
    assert!(client.peer.connection.wants_input() && client.peer.connection.is_quiet());

    for slot in 0..READS {
        send(&mut client, slot, false, &[ops::put(&fh), ops::read(stateid, 0, 100)]);
    }
    assert_eq!(probe.calls("read"), 2 * READS, "small ones are all begun");
    settle(&server, &mut client);
    assert_eq!(replies(&mut client).len(), READS);
}
