//! The record of clients: who is on it when, and what its failures do.

use std::time::Duration;

use holdfast_proto::nfs4::{Op, Status};
use holdfast_server::{Phase, StartError};

use crate::support::client::{Client, FORE, exchanged};
use crate::support::fixture::LEASE;
use crate::support::ops;
use crate::support::rig::Rig;
use crate::support::worker::Worker;

const OPEN: [Op<'static>; 2] = [Op::PutRootFh, ops::create(b"file", b"owner", 3, 0)];

#[test]
fn a_client_is_on_record_before_it_may_hold_anything_and_until_it_leaves() {
    let rig = Rig::up();
    let mut client = rig.reclaiming("a");
    assert!(rig.records.owners().is_empty());
    assert_eq!(client.status(&OPEN), Status::GRACE);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(rig.records.owners(), ["a"]);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::COMPLETE_ALREADY);
    assert_eq!(rig.log.count("records.add"), 1);
    let session = [ops::destroy_session(client.session)];
    assert_eq!(client.bare(&session).status(), Status::OK);
    let leave = [ops::destroy_clientid(client.clientid)];
    assert_eq!(client.bare(&leave).status(), Status::OK);
    assert!(rig.records.owners().is_empty());
}

#[test]
fn a_client_whose_lease_ended_is_off_the_record() {
    let rig = Rig::up();
    drop(rig.client("a"));
    rig.world.advance(LEASE + Duration::from_secs(2));
    assert_eq!(rig.server.counters().clients_expired, 1);
    assert!(rig.records.owners().is_empty());
}

#[test]
fn a_client_that_cannot_be_recorded_holds_nothing() {
    let rig = Rig::up();
    let mut client = rig.reclaiming("a");
    rig.records.fail(&["add"]);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::IO);
    assert_eq!(client.status(&OPEN), Status::GRACE);
    assert_eq!(rig.server.counters().record_failures, 1);
    rig.records.fail(&[]);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::OK, "it can be tried again");
    assert_eq!(client.status(&OPEN), Status::OK);
    assert_eq!(rig.records.owners(), ["a"]);
}

#[test]
fn a_server_that_cannot_read_its_record_does_not_start() {
    let rig = Rig::down();
    rig.records.fail(&["load"]);
    let error = rig.start().unwrap_err();
    assert!(matches!(error, StartError::Records(_)));
    assert_eq!(error.to_string(), "the record of clients: the disk is full");
    assert_eq!(rig.server.phase(), Phase::Down);
    rig.records.fail(&[]);
    rig.start().expect("it starts");
}

#[test]
fn failures_to_forget_are_counted() {
    let rig = Rig::up();
    drop(rig.client("a"));
    drop(rig.client("b"));
    rig.restart();
    rig.records.fail(&["remove", "end_grace"]);
    let mut a = rig.reclaiming("a");
    assert_eq!(a.bare(&[ops::destroy_session(a.session)]).status(), Status::OK);
    assert_eq!(a.bare(&[ops::destroy_clientid(a.clientid)]).status(), Status::OK);
    assert_eq!(rig.server.counters().record_failures, 1);
    assert!(!rig.end_grace());
    assert_eq!(rig.server.counters().record_failures, 2);
}

/// marked, recorded, and only then is anything new granted.
#[test]
fn an_end_of_grace_that_cannot_be_recorded_grants_nothing_until_it_can() {
    let rig = Rig::up();
    drop(rig.client("a"));
    rig.restart();
    rig.records.fail(&["end_grace"]);
    let mut a = rig.client("a");
    assert_eq!(a.status(&OPEN), Status::GRACE);
    assert!(!rig.end_grace(), "nor by an administrator's word");
    for failures in 3..6 {
        rig.world.advance(Duration::from_secs(1));
        assert_eq!((rig.grace_ended(), a.status(&OPEN)), (None, Status::GRACE));
        assert_eq!(rig.server.counters().record_failures, failures, "each sweep tries once");
    }
    assert_eq!(rig.server.counters().grace_ends, 0);
    rig.records.fail(&[]);
    rig.world.advance(Duration::from_secs(1));
    assert_eq!(rig.grace_ended(), Some(holdfast_server::GraceEnd::AllReclaimed));
    assert_eq!(a.status(&OPEN), Status::OK);
    assert_eq!((rig.server.counters().grace_ends, rig.log.count("records.end_grace")), (1, 6));
    rig.world.advance(Duration::from_secs(5));
    assert_eq!(rig.log.count("records.end_grace"), 6, "it is on record once");
}

/// The record is of those who may hold state: one who only asked for an id is not among them.
#[test]
fn an_id_that_was_never_confirmed_takes_nobody_off_the_record() {
    let rig = Rig::up();
    let mut client = rig.client("a");
    let mut other = Client::unknown(&rig.instance(), 2);
    exchanged(&other.bare(&[ops::exchange_id(b"a", 2)]));
    for _ in 0..3 {
        rig.world.advance(LEASE / 2);
        assert_eq!(client.status(&[]), Status::OK);
    }
    assert_eq!(rig.server.counters().clients_expired, 1, "the other one");
    assert_eq!(rig.records.owners(), ["a"]);
    assert_eq!(client.status(&OPEN), Status::OK);

    let second = exchanged(&other.bare(&[ops::exchange_id(b"a", 3)])).0;
    assert_eq!(other.bare(&[ops::destroy_clientid(second)]).status(), Status::OK);
    assert_eq!(rig.records.owners(), ["a"]);
}

#[test]
fn an_id_that_was_never_confirmed_ends_no_grace_period() {
    let rig = Rig::up();
    drop(rig.client("a"));
    rig.restart();
    let mut other = Client::unknown(&rig.instance(), 2);
    let id = exchanged(&other.bare(&[ops::exchange_id(b"a", 2)])).0;
    assert_eq!(other.bare(&[ops::destroy_clientid(id)]).status(), Status::OK);
    assert_eq!(rig.grace_ended(), None);
    assert_eq!(rig.records.owners(), ["a"]);
}

/// The sweep drops one expired client after the other; meanwhile one of them comes back.
#[test]
fn a_client_that_comes_back_while_its_past_is_dropped_stays_on_record() {
    let rig = Rig::up();
    drop((rig.client("a"), rig.client("b")));
    rig.world.advance(LEASE);
    rig.world.set_pausing(true);
    rig.world.pass(Duration::from_secs(2));
    let mut steps = 0;
    while rig.server.counters().clients_expired == 0 {
        let woken = rig.world.woken_tasks();
        woken.into_iter().for_each(|task| rig.world.poll_task(task));
        steps += 1;
        assert!(steps < 100, "the leases are over");
    }
    rig.world.set_pausing(false);
    let mut back = rig.client("b");
    rig.world.run_tasks();
    assert_eq!(rig.server.counters().clients_expired, 2);
    assert_eq!(rig.records.owners(), ["b"]);
    assert_eq!(back.status(&OPEN), Status::OK);
}

/// What is in the way when the record itself breaks.
#[test]
fn a_record_that_panics_takes_only_the_session_that_asked() {
    let rig = Rig::up();
    let mut other = rig.client("other");
    let mut client = rig.reclaiming("a");
    rig.records.fail(&["panic"]);
    let reply = client.run(&[ops::reclaim_complete()]);
    assert_eq!(reply.accepted(), Some(holdfast_proto::rpc::AcceptStat::SYSTEM_ERR));
    rig.records.fail(&[]);
    assert_eq!(rig.server.counters().panics, 1);
    assert_eq!(client.status(&[]), Status::BADSESSION);
    client.create_session(2, FORE).expect("the client goes on");
    assert_eq!(client.status(&OPEN), Status::GRACE);
    assert_eq!(other.status(&OPEN), Status::OK);
    let mut worker = Worker::with(client, &[ops::reclaim_complete()]);
    worker.settle();
    assert_eq!(worker.status(), Status::SERVERFAULT, "the record may be half done");
    assert_eq!(rig.server.counters().poisoned, 1);
}
