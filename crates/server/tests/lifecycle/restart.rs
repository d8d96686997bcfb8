//! One generation after the other: what the next one takes over, and what it does not.

use holdfast_proto::nfs4::{
    AttrValue, BindConnToSessionArgs, DirFromClient, Op, OpBody, SessionId, Stateid, Status,
    Verifier,
};
use holdfast_server::Phase;

use crate::support::client::{Client, FORE, create_session, exchanged};
use crate::support::fixture::LEASE;
use crate::support::ops;
use crate::support::probe_fs::Mood;
use crate::support::rig::Rig;
use crate::support::worker::Worker;

fn bind(sessid: SessionId) -> Op<'static> {
    let dir = DirFromClient::FORE_OR_BOTH;
    Op::BindConnToSession(BindConnToSessionArgs { sessid, dir, use_conn_in_rdma_mode: false })
}

/// T01. The worker stands behind the step that made the session and before the last of what the
/// client that it replaces held is dropped.
#[test]
fn a_stop_waits_for_create_session_and_a_start_for_the_stop() {
    let rig = Rig::up();
    let mut idle = Worker::new(rig.client("a"));
    let mut client = Client::unknown(&rig.instance(), 2);
    let (clientid, sequence) = exchanged(&client.bare(&[ops::exchange_id(b"a", 2)]));
    client.clientid = clientid;
    let mut other = Client::unknown(&rig.instance(), 2);
    other.clientid = clientid;
    let first = rig.instance();
    rig.log.take();

    rig.world.set_pausing(true);
    let mut worker = Worker::with_bare(client, &[create_session(clientid, sequence, FORE)]);
    worker.step();
    worker.step();
    rig.world.set_pausing(false);
    assert!(worker.replies.is_empty(), "it is paused");
    other.create_session(sequence, FORE).expect("the answer to the retry is there");
    assert_eq!(other.status(&[]), Status::OK, "and the session is in the table");
    drop(other);

    let (mut stop, mut start) = (rig.stopping(), rig.starting());
    assert!(!stop.settle(&rig.world) && !start.settle(&rig.world));
    idle.step();
    assert!(idle.client.is_none(), "a quiet connection is closed");
    assert!(!stop.settle(&rig.world), "the worker has not left");
    assert!(!start.settle(&rig.world));
    assert_eq!((rig.server.phase(), rig.server.generation()), (Phase::Stopping, 1));
    assert_eq!(rig.log.take(), ["unlisten"]);
    assert!(first.running().iter().any(|it| it.what.contains("CREATE_SESSION")));

    worker.step();
    assert_eq!(worker.status(), Status::OK);
    assert!(worker.client.is_none(), "what was answered is closed");
    assert!(first.running().is_empty());
    assert!(stop.settle(&rig.world) && stop.out.is_some_and(|report| report.is_clean()));
    assert!(start.settle(&rig.world));
    assert_eq!((start.out, rig.server.generation()), (Some(Ok(())), 2));
    let done = ["records.remove a", "resize 0", "records.load", "resize 1", "listen"];
    assert_eq!(rig.log.take(), done, "one grace period begins, after everything has ended");
    let mut late = Client::unknown(&rig.instance(), 2);
    late.clientid = clientid;
    assert_eq!(late.create_session(2, FORE).unwrap_err(), Status::STALE_CLIENTID);
    rig.world.advance(3 * LEASE);
    assert_eq!(rig.server.counters().clients_expired, 0, "there is no client");
}

fn verifier(client: &mut Client, fh: &[u8], stateid: Stateid) -> Verifier {
    let reply = client.run(&[ops::put(fh), ops::write(stateid, 0, b"data")]);
    let OpBody::Write(ok) = reply.last_ok() else { panic!("it was WRITE") };
    ok.writeverf
}

/// T04.
#[test]
fn what_one_generation_named_means_nothing_in_the_next_of_the_same_instant() {
    let rig = Rig::up();
    let began = rig.world.clock();
    let mut old = rig.client("a");
    let (fh, stateid) = old.make_file(b"file");
    let old_verifier = verifier(&mut old, &fh, stateid);
    assert_eq!(verifier(&mut old, &fh, stateid), old_verifier);
    let (clientid, session, sequence) = (old.clientid, old.session, old.slots.clone());
    drop(old);
    rig.restart();
    assert!(rig.end_grace());
    assert_eq!(rig.world.clock(), began, "no time has passed");

    let mut new = rig.client("a");
    assert_ne!((new.clientid, new.session), (clientid, session));
    let (mut fresh, size) = (Client::unknown(&rig.instance(), 2), [AttrValue::Size(0)]);
    let attrs = ops::Attrs::new(&size);
    for op in [
        ops::write(stateid, 0, b"late"),
        ops::read(stateid, 0, 4),
        ops::close(stateid),
        ops::setattr(stateid, attrs.fattr()),
    ] {
        assert_eq!(new.status(&[ops::put(&fh), op]), Status::STALE_STATEID);
    }
    assert_eq!(new.status(&[ops::destroy_clientid(clientid)]), Status::STALE_CLIENTID);
    fresh.clientid = clientid;
    assert_eq!(fresh.create_session(2, FORE).unwrap_err(), Status::STALE_CLIENTID);
    (fresh.session, fresh.slots) = (session, sequence);
    assert_eq!(fresh.status(&[]), Status::BADSESSION);
    assert_eq!(fresh.bare(&[bind(session)]).status(), Status::BADSESSION);
    assert_eq!(fresh.bare(&[ops::destroy_session(session)]).status(), Status::BADSESSION);
    let (fh, stateid) = new.make_file(b"file");
    assert_ne!(verifier(&mut new, &fh, stateid), old_verifier);
}

#[test]
fn a_handle_and_the_identity_outlive_a_restart() {
    let rig = Rig::up();
    let scope = |client: &mut Client| {
        let reply = client.bare(&[ops::exchange_id(b"asks", 1)]);
        let OpBody::ExchangeId(ok) = reply.last_ok() else { panic!("it was EXCHANGE_ID") };
        (ok.server_scope.to_vec(), ok.server_owner.major_id.to_vec())
    };
    let mut old = rig.client("a");
    let (fh, _) = old.make_file(b"file");
    let names = scope(&mut old);
    assert_eq!(names, (b"07".repeat(16), b"07".repeat(16)), "the identity, as text");
    drop(old);
    rig.restart();
    let mut new = rig.client("a");
    assert_eq!(scope(&mut new), names);
    assert_eq!(new.find(&[b"file"]), fh);
}

#[test]
fn whatever_bit_of_the_file_systems_verifier_changes_clients_see_it() {
    let rig = Rig::up();
    let mut client = rig.client("a");
    let (fh, _) = client.make_file(b"file");
    let mut commit = |bits: u64| {
        rig.probe.lose_writes(bits);
        let reply = client.run(&[ops::put(&fh), ops::commit(0, 0)]);
        let OpBody::Commit(ok) = reply.last_ok() else { panic!("it was COMMIT") };
        u64::from_be_bytes(ok.writeverf.0)
    };
    let all = [commit(0), commit(u64::MAX)];
    assert_eq!(all[0], commit(0));
    for bit in 0..64 {
        assert_eq!(commit(1 << bit) ^ all[0], 1 << bit);
    }
    assert_eq!(all[0], !all[1]);
}

/// The other life of a client must not pull the ground from under a request that runs.
#[test]
fn a_client_is_not_replaced_while_a_request_of_it_runs() {
    let rig = Rig::up();
    rig.probe.set("make_node", Mood::Later);
    let mut old = Worker::new(rig.client("a"));
    old.send_on(0, &[Op::PutRootFh, ops::mkdir(b"d")]);
    let mut new = Client::unknown(&rig.instance(), 2);
    new.clientid = exchanged(&new.bare(&[ops::exchange_id(b"a", 2)])).0;
    assert_eq!(new.create_session(1, FORE).unwrap_err(), Status::DELAY);
    assert!(rig.world.run_job());
    old.settle();
    assert_eq!(old.status(), Status::OK);
    assert!(new.create_session(1, FORE).is_ok());
}

#[test]
fn a_server_that_is_up_is_not_started_again() {
    let rig = Rig::up();
    let mut client = rig.client("a");
    assert_eq!(rig.start(), Err(holdfast_server::StartError::AlreadyUp));
    assert_eq!((rig.server.phase(), rig.server.generation()), (Phase::Up, 1));
    assert_eq!(client.status(&[]), Status::OK);
}
