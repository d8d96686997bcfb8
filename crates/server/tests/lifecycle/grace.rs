//! The grace period: who may do what in it, and who ends it.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::nfs4::{AttrValue, DelegationType, Op, OpBody, OpenClaim, Stateid, Status};
use holdfast_server::{GraceEnd, Server};

use crate::support::admin::Admin;
use crate::support::client::Client;
use crate::support::explore::{explore, say};
use crate::support::fixture::{LEASE, memfs};
use crate::support::ops;
use crate::support::probe_fs::Probe;
use crate::support::rig::{Rig, run};
use crate::support::worker::Worker;
use crate::support::world::TestWorld;

const CLAIM: OpenClaim<'static> = OpenClaim::Previous(DelegationType::NONE);

/// A server in grace for these owners, who held one file each, and the handles of the files.
fn in_grace(owners: &[&str]) -> (Rig, Vec<Vec<u8>>) {
    let rig = Rig::up();
    let handles = hold(&rig, owners);
    rig.restart();
    assert_eq!(rig.grace_ended(), None);
    (rig, handles)
}

fn hold(rig: &Rig, owners: &[&str]) -> Vec<Vec<u8>> {
    let hold = |owner: &&str| rig.client(owner).make_file(owner.as_bytes()).0;
    owners.iter().map(hold).collect()
}

fn reclaim(client: &mut Client, fh: &[u8]) -> Status {
    client.status(&[ops::put(fh), ops::claim(b"owner", 3, CLAIM)])
}

/// What must wait for the end of a grace period, each on something of its own.
fn new_state(client: &mut Client, prefix: &str) -> Vec<Status> {
    let name = |suffix: &str| format!("{prefix}{suffix}").into_bytes();
    let [new, gone, from, to] = ["new", "gone", "from", "to"].map(name);
    let size = ops::Attrs::new(&[AttrValue::Size(1)]);
    let file = client.find(&[&name("file")]);
    let all: [&[Op<'_>]; 7] = [
        &[Op::PutRootFh, ops::create(&new, b"owner", 3, 0)],
        &[ops::put(&file), ops::open_fh(b"owner", 1, 0)],
        &[Op::PutRootFh, ops::remove(&gone)],
        &[Op::PutRootFh, Op::SaveFh, ops::rename(&from, &to)],
        &[ops::put(&file), ops::read(Stateid::ANONYMOUS, 0, 1)],
        &[ops::put(&file), ops::write(Stateid::ANONYMOUS, 0, b"x")],
        &[ops::put(&file), ops::setattr(Stateid::ANONYMOUS, size.fattr())],
    ];
    all.into_iter().map(|ops| client.status(ops)).collect()
}

/// Makes what [`new_state`] uses.
fn prepare(client: &mut Client, prefix: &str) {
    for suffix in ["file", "gone", "from"] {
        let name = format!("{prefix}{suffix}").into_bytes();
        let make =
            [Op::PutRootFh, ops::create(&name, b"owner", 3, 0), ops::close(Stateid::CURRENT)];
        assert_eq!(client.status(&make), Status::OK);
    }
}

/// T05.
#[test]
fn the_grace_period_of_one_server_is_not_anothers() {
    let world = TestWorld::new(1);
    let probe = Arc::new(Probe::new(memfs(&world), world.handle()));
    let [a, b, c] = [(); 3].map(|()| {
        let rig = Rig::of(world.clone(), probe.clone(), |builder| builder);
        rig.start().expect("it starts");
        rig
    });
    let mut maker = b.client("maker");
    ["a", "b", "c"].iter().for_each(|prefix| prepare(&mut maker, prefix));
    drop((hold(&a, &["old"]), hold(&c, &["old"])));
    a.restart();
    c.restart();
    let mut at_a = a.client("new");
    let mut at_b = b.client("new");
    assert_eq!(new_state(&mut at_a, "a"), [Status::GRACE; 7]);
    assert_eq!(new_state(&mut at_b, "b"), [Status::OK; 7]);
    assert_eq!(b.grace_ended(), Some(GraceEnd::NothingToReclaim));

    assert!(a.end_grace());
    assert_eq!(new_state(&mut at_a, "a"), [Status::OK; 7]);
    assert_eq!(c.grace_ended(), None, "another one goes on");
    assert_eq!(new_state(&mut c.client("new"), "c"), [Status::GRACE; 7]);
    assert_eq!(b.grace_ended(), Some(GraceEnd::NothingToReclaim));
    assert_eq!((b.log.count("records.end_grace"), c.log.count("records.end_grace")), (0, 0));
}

/// T05: what is not new goes on.
#[test]
fn what_cannot_conflict_is_done_in_grace() {
    let (rig, handles) = in_grace(&["old"]);
    let mut client = rig.client("new");
    let mode = ops::Attrs::new(&[AttrValue::Mode(0o600)]);
    for op in
        [ops::read(Stateid::READ_BYPASS, 0, 1), ops::setattr(Stateid::ANONYMOUS, mode.fattr())]
    {
        assert_eq!(client.status(&[ops::put(&handles[0]), op]), Status::OK);
    }
    assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(b"d")]), Status::OK);
    assert_eq!(client.status(&[Op::PutRootFh, ops::lookup(b"old"), Op::GetFh]), Status::OK);
}

/// T05: reclaims.
#[test]
fn only_a_recorded_client_reclaims_and_only_until_it_says_that_it_is_done() {
    let (rig, handles) = in_grace(&["a", "b"]);
    let mut a = rig.reclaiming("a");
    let mut b = rig.reclaiming("b");
    let mut stranger = rig.reclaiming("stranger");
    assert_eq!(reclaim(&mut stranger, &handles[0]), Status::RECLAIM_BAD);
    assert_eq!(stranger.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(reclaim(&mut stranger, &handles[0]), Status::NO_GRACE);
    let reply = a.run(&[ops::put(&handles[0]), ops::claim(b"owner", 3, CLAIM)]);
    let stateid = reply.open().stateid;
    let write = [ops::put(&handles[0]), ops::write(stateid, 0, b"mine")];
    assert_eq!(a.status(&write), Status::OK, "what was reclaimed is used in grace");
    assert_eq!(a.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(reclaim(&mut a, &handles[0]), Status::NO_GRACE);
    assert_eq!(rig.grace_ended(), None, "b has not reclaimed");

    assert_eq!(b.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(rig.grace_ended(), Some(GraceEnd::AllReclaimed));
    assert_eq!(reclaim(&mut b, &handles[1]), Status::NO_GRACE);
    assert_eq!(rig.records.owners(), ["a", "b", "stranger"]);
    let mut late = rig.reclaiming("late");
    assert_eq!(reclaim(&mut late, &handles[1]), Status::NO_GRACE);
    let open = [Op::PutRootFh, ops::create(b"new", b"owner", 3, 0)];
    assert_eq!(late.status(&open), Status::GRACE, "it has not said that it is done");
    assert_eq!(late.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(late.status(&[ops::reclaim_complete()]), Status::COMPLETE_ALREADY);
    assert_eq!(late.status(&open), Status::OK);
}

#[test]
fn a_reclaimed_open_denies_what_it_denied_before() {
    let (rig, handles) = in_grace(&["a"]);
    let mut a = rig.reclaiming("a");
    let deny = Op::Open(holdfast_proto::nfs4::OpenArgs {
        seqid: 0,
        share_access: holdfast_proto::nfs4::ShareAccess(3),
        share_deny: holdfast_proto::nfs4::ShareDeny(2),
        owner: holdfast_proto::nfs4::StateOwner { clientid: a.clientid, owner: b"owner" },
        openhow: holdfast_proto::nfs4::OpenHow::NoCreate,
        claim: CLAIM,
    });
    assert_eq!(a.status(&[ops::put(&handles[0]), deny, Op::GetFh]), Status::OK);
    assert_eq!(a.status(&[ops::reclaim_complete()]), Status::OK);
    let mut b = rig.client("b");
    let open = [ops::put(&handles[0]), ops::open_fh(b"owner", 2, 0)];
    assert_eq!(b.status(&open), Status::SHARE_DENIED);
}

#[test]
fn time_ends_a_grace_period_that_nobody_uses() {
    let (rig, _) = in_grace(&["a"]);
    rig.world.advance(LEASE - Duration::from_nanos(1));
    assert_eq!(rig.grace_ended(), None);
    rig.world.advance(Duration::from_nanos(1));
    assert_eq!(rig.grace_ended(), Some(GraceEnd::TimeOver));
    assert_eq!(rig.server.counters().grace_ends, 1);
    assert!(rig.records.owners().is_empty(), "who did not come holds nothing");
    rig.restart();
    assert_eq!(rig.grace_ended(), Some(GraceEnd::NothingToReclaim));
}

#[test]
fn twice_the_lease_ends_a_grace_period_in_any_case() {
    let (rig, handles) = in_grace(&["a"]);
    let mut a = rig.reclaiming("a");
    for _ in 0..179 {
        assert_eq!(reclaim(&mut a, &handles[0]), Status::OK);
        rig.world.advance(Duration::from_secs(1));
        assert_eq!(rig.grace_ended(), None, "it reclaims every second");
    }
    assert_eq!(reclaim(&mut a, &handles[0]), Status::OK);
    rig.world.advance(Duration::from_secs(1));
    assert_eq!(rig.grace_ended(), Some(GraceEnd::TwoLeases));
    assert_eq!(reclaim(&mut a, &handles[0]), Status::NO_GRACE);
}

#[test]
fn a_grace_period_is_as_long_as_it_was_said_to_be() {
    let rig = Rig::down_with(|builder| builder.grace(Duration::from_secs(20)));
    rig.start().expect("it starts");
    hold(&rig, &["a"]);
    rig.restart();
    rig.world.advance(Duration::from_secs(19));
    assert_eq!(rig.grace_ended(), None);
    rig.world.advance(Duration::from_secs(1));
    assert_eq!(rig.grace_ended(), Some(GraceEnd::TimeOver));
}

#[test]
fn an_administrator_ends_only_what_goes_on() {
    let rig = Rig::down();
    assert!(!rig.end_grace(), "it is down");
    rig.start().expect("it starts");
    assert!(!rig.end_grace(), "there was nothing to reclaim");
    hold(&rig, &["a"]);
    rig.restart();
    assert!(rig.end_grace());
    assert!(!rig.end_grace(), "it has ended");
    assert_eq!(rig.grace_ended(), Some(GraceEnd::Forced));
    assert_eq!(rig.server.counters().grace_ends, 1);
    assert_eq!(rig.log.count("records.end_grace"), 1);
}

/// T06.
#[test]
fn of_three_who_end_a_grace_period_at_once_one_does() {
    let mut reasons = std::collections::BTreeMap::new();
    let schedules = explore(usize::MAX, |chooser| {
        let (rig, _) = in_grace(&["a", "b"]);
        rig.world.advance(LEASE - Duration::from_millis(500));
        drop(rig.client("b"));
        let last = rig.reclaiming("a");
        rig.world.pass(Duration::from_millis(500));
        rig.world.set_pausing(true);
        let mut workers = [Worker::with(last, &[ops::reclaim_complete()])];
        let mut admins = [rig.ending_grace()];
        run(&rig.world, chooser, &mut workers, &mut admins, |_| {});
        rig.world.set_pausing(false);

        assert_eq!(workers[0].status(), Status::OK);
        assert_eq!(rig.log.count("records.end_grace"), 1);
        assert_eq!(rig.server.counters().grace_ends, 1);
        assert_eq!(rig.server.counters().grace_starts, 1);
        let ended = rig.grace_ended().expect("it has ended");
        assert_eq!(admins[0].out, Some(ended == GraceEnd::Forced));
        assert_eq!(rig.records.owners(), ["a", "b"], "who may hold state is on record");
        let mut client = workers[0].client.take().expect("the connection lives");
        let open = [Op::PutRootFh, ops::create(b"new", b"owner", 3, 0)];
        assert_eq!(client.status(&open), Status::OK);
        *reasons.entry(format!("{ended:?}")).or_insert(0) += 1;
    });
    say(&format!("T06: {schedules} schedules, ended by {reasons:?}"));
    assert_eq!(reasons.len(), 3, "each of the three was first once");
}

async fn end_then_nothing(server: Arc<Server>) -> Option<bool> {
    Some(server.end_grace().await)
}

async fn stop_then_nothing(server: Arc<Server>) -> Option<bool> {
    server.stop().await;
    None
}

/// T06: with a stop.
#[test]
fn an_administrator_who_ends_a_grace_period_during_a_stop_touches_nothing_afterwards() {
    let mut seen = std::collections::BTreeSet::new();
    let schedules = explore(usize::MAX, |chooser| {
        let (rig, _) = in_grace(&["a"]);
        rig.log.take();
        rig.world.set_pausing(true);
        let end = end_then_nothing(rig.server.clone());
        let mut admins = [Admin::new(end), Admin::new(stop_then_nothing(rig.server.clone()))];
        run(&rig.world, chooser, &mut [], &mut admins, |_| {});
        let ended = admins[0].out.expect("it is answered").expect("by yes or no");
        assert!(admins[1].out.is_some(), "the stop ends");
        assert_eq!(rig.log.count("records.end_grace"), usize::from(ended));
        let lines = rig.log.take();
        assert_eq!(lines.last().map(String::as_str), Some("resize 0"), "no work after stop");
        let left: &[&str] = if ended { &[] } else { &["a"] };
        assert_eq!(rig.records.owners(), left);
        assert_eq!(rig.world.tasks(), 0);
        seen.insert(ended);
    });
    say(&format!("T06: {schedules} schedules of a forced end and a stop"));
    assert_eq!(seen.len(), 2, "it was in time, and it was too late");
}

/// A client that is on record and comes back only to destroy its id is not waited for.
#[test]
fn a_client_that_leaves_is_not_waited_for() {
    let (rig, _) = in_grace(&["a"]);
    let mut a = rig.reclaiming("a");
    let destroy = [ops::destroy_session(a.session)];
    assert_eq!(a.bare(&destroy).status(), Status::OK);
    let gone = [ops::destroy_clientid(a.clientid)];
    assert_eq!(a.bare(&gone).status(), Status::OK);
    assert_eq!(rig.grace_ended(), Some(GraceEnd::AllReclaimed));
    assert!(rig.records.owners().is_empty());
}

#[test]
fn a_reclaim_is_an_open_of_what_is_there() {
    let (rig, handles) = in_grace(&["a"]);
    let mut a = rig.reclaiming("a");
    let OpBody::Open(_) = a.run(&[ops::put(&handles[0]), ops::claim(b"owner", 3, CLAIM)]).op(2)
    else {
        panic!("it was OPEN")
    };
    assert_eq!(rig.probe.calls("create"), 1, "made once, before the restart");
}
