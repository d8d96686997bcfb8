//! Panics below an operation, at once and after a wait: who notices.

use std::time::Duration;

use holdfast_proto::nfs4::{Op, Status};
use holdfast_proto::rpc::AcceptStat;

use crate::support::client::FORE;
use crate::support::fixture::LEASE;
use crate::support::ops;
use crate::support::probe_fs::Mood;
use crate::support::rig::Rig;
use crate::support::worker::Worker;

fn settle(rig: &Rig, worker: &mut Worker) {
    while rig.world.run_job() {
        worker.settle();
    }
}

/// T09: one request that panics below `method`, and what its client and others see.
fn panics_in(method: &'static str, mood: Mood) {
    let rig = Rig::up();
    let mut other = rig.client("other");
    let (other_fh, other_stateid) = other.make_file(b"theirs");
    let mut client = rig.client("a");
    let (fh, stateid) = client.make_file(b"mine");
    rig.probe.set(method, mood);
    let request: [Op<'_>; 2] = match method {
        "write" => [ops::put(&fh), ops::write(stateid, 0, b"data")],
        "open" => [ops::put(&fh), ops::open_fh(b"second", 1, 0)],
        _ => [Op::PutRootFh, ops::create(b"new", b"second", 3, 0)],
    };
    let before = rig.probe.calls(method);
    let mut worker = Worker::new(client);
    worker.send_on(0, &request);
    settle(&rig, &mut worker);
    assert_eq!(worker.replies.len(), 1, "{method}");
    assert_eq!(worker.replies[0].accepted(), Some(AcceptStat::SYSTEM_ERR), "{method}");
    assert_eq!((rig.server.counters().panics, rig.server.counters().poisoned), (1, 0));
    assert!(worker.client.is_some(), "the connection lives");
    check_record(&rig, &worker, method);

    let mut client = worker.client.take().expect("the connection lives");
    assert_eq!(client.status(&[]), Status::BADSESSION, "{method}");
    assert_eq!(rig.probe.calls(method), before + 1, "it is not tried again");
    rig.probe.set(method, Mood::Now);
    let write = [ops::put(&other_fh), ops::write(other_stateid, 0, b"fine")];
    assert_eq!(other.status(&write), Status::OK);
    client.create_session(2, FORE).expect("the client goes on");
    let recovered = client.status(&request);
    assert_eq!(recovered, Status::OK, "{method}: nothing is left locked");
    let write = [ops::put(&fh), ops::write(stateid, 0, b"again")];
    assert_eq!(client.status(&write), Status::OK, "what it held it still holds");
    drop((client, other));
    assert!(rig.stop().is_clean());
    assert_eq!(rig.world.tasks(), 0);
}

/// T09, A-4: what is written down of the one panic there was.
fn check_record(rig: &Rig, worker: &Worker, method: &str) {
    let session = worker.client.as_ref().expect("the connection lives").session;
    let records = rig.host.crashes();
    let [record] = &records[..] else { panic!("there is one record: {records:?}") };
    assert_eq!(rig.instance().crashes(), records);
    assert_eq!((record.number, record.at), (1, rig.world.clock()));
    assert_eq!(record.session, Some((session, 0)));
    let op = if method == "write" { "WRITE" } else { "OPEN" };
    assert!(record.what.starts_with("request 0x"), "{record}");
    assert!(record.what.ends_with(&format!("{op} on the file system of export /")), "{record}");
    assert!(record.message.contains(method), "{record}");
    assert!(!record.to_string().contains('\n'), "one line");
}

/// T09.
#[test]
fn a_panic_in_write_is_answered_and_ends_that_session_only() {
    panics_in("write", Mood::Panic);
    panics_in("write", Mood::PanicLater);
}

/// T09.
#[test]
fn a_panic_in_open_is_answered_and_leaves_no_reservation() {
    for method in ["open", "create"] {
        panics_in(method, Mood::Panic);
        panics_in(method, Mood::PanicLater);
    }
}

/// T09: the open is reserved when the panic comes.
#[test]
fn a_panic_between_reservation_and_commit_gives_the_reservation_back() {
    for mood in [Mood::Panic, Mood::PanicLater] {
        let rig = Rig::up();
        let mut other = rig.client("other");
        let (fh, stateid) = other.make_file(b"file");
        assert_eq!(other.status(&[ops::put(&fh), ops::close(stateid)]), Status::OK);
        let size = ops::Attrs::new(&[holdfast_proto::nfs4::AttrValue::Size(0)]);
        let how = holdfast_proto::nfs4::CreateHow::Unchecked(size.fattr());
        rig.probe.set("setattr", mood);
        let mut worker = Worker::new(rig.client("a"));
        worker.send_on(0, &[Op::PutRootFh, ops::create_how(b"file", b"x", 3, 3, how)]);
        settle(&rig, &mut worker);
        assert_eq!(worker.replies[0].accepted(), Some(AcceptStat::SYSTEM_ERR));
        let open = [Op::PutRootFh, ops::open(b"file", b"o", 3, 3)];
        assert_eq!(other.status(&open), Status::OK, "neither denied nor put off");
    }
}

/// T09: during a stop.
#[test]
fn a_panic_during_a_stop_does_not_hold_it_up() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::PanicLater);
    let mut worker = Worker::new(rig.client("a"));
    worker.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let mut stop = rig.stopping();
    assert!(!stop.settle(&rig.world));
    worker.settle();
    assert!(worker.client.is_some(), "its request runs");
    settle(&rig, &mut worker);
    assert_eq!(worker.replies[0].accepted(), Some(AcceptStat::SYSTEM_ERR));
    assert!(worker.client.is_none());
    assert!(stop.settle(&rig.world) && stop.out.is_some_and(|report| report.is_clean()));
}

#[test]
fn a_client_whose_session_a_panic_took_can_leave_at_once() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::Panic);
    let mut client = rig.client("a");
    let reply = client.run(&[Op::PutRootFh, ops::mkdir(b"d")]);
    assert_eq!(reply.accepted(), Some(AcceptStat::SYSTEM_ERR));
    let leave = [ops::destroy_clientid(client.clientid)];
    assert_eq!(client.bare(&leave).status(), Status::OK);
    assert!(rig.records.owners().is_empty());
}

/// The session is dead, but a request of it is not done yet.
#[test]
fn a_client_that_leaves_waits_for_what_still_runs_of_a_dead_session() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::Later);
    let mut worker = Worker::new(rig.client("a"));
    worker.send_on(1, &[Op::PutRootFh, ops::mkdir(b"slow")]);
    rig.probe.set("make_node", Mood::Panic);
    worker.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    assert_eq!(rig.server.counters().panics, 1);
    let id = worker.client.as_ref().expect("the connection lives").clientid;
    worker.replies.clear();
    worker.send_bare(&[ops::destroy_clientid(id)]);
    assert_eq!(worker.status(), Status::CLIENTID_BUSY);
    settle(&rig, &mut worker);
    worker.replies.clear();
    worker.send_bare(&[ops::destroy_clientid(id)]);
    assert_eq!(worker.status(), Status::OK);
}

/// Leases are looked after whatever becomes of one look, and what became of it is written down.
#[test]
fn a_sweep_that_panics_is_written_down_and_the_next_one_comes() {
    let rig = Rig::up();
    drop(rig.client("a"));
    rig.records.fail(&["panic"]);
    rig.world.advance(LEASE + Duration::from_secs(2));
    let records = rig.host.crashes();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((records[0].what.as_str(), records[0].session), ("the sweep of leases", None));
    assert_eq!(records[0].message, "the record was told to panic");
    rig.records.fail(&[]);
    drop(rig.reclaiming("b"));
    rig.world.advance(LEASE + Duration::from_secs(2));
    assert_eq!(rig.server.counters().clients_expired, 2, "the lease of b ended too");
    assert!(rig.stop().is_clean());
}

#[test]
fn of_many_panics_a_few_are_kept_and_some_are_told() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::Panic);
    let mut client = rig.client("a");
    for sequence in 2..102 {
        let reply = client.run(&[Op::PutRootFh, ops::mkdir(b"d")]);
        assert_eq!(reply.accepted(), Some(AcceptStat::SYSTEM_ERR));
        rig.world.advance(Duration::from_secs(1));
        client.create_session(sequence, FORE).expect("the client goes on");
    }
    assert_eq!((rig.server.counters().panics, rig.host.crashes().len()), (100, 64));
    let numbers = rig.instance().crashes().into_iter().map(|record| record.number);
    assert!(numbers.eq(85..=100));
}
