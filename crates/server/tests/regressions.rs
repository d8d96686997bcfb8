//! Bugs that were found by reading: each of these failed before its fix.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::nfs4::{
    AttrValue, ChannelAttrs, CreateHow, Op, OpBody, OpNum, SequenceArgs, Status, Verifier, attr,
};
use holdfast_vfs::{Cred, Groups};
use support::client::{Client, FORE, exchanged};
use support::fixture::{LEASE, Server};
use support::ops;
use support::probe_fs::Mood;

/// RFC 8881 §8.3: the lease begins anew when a compound ends.
#[test]
fn a_lease_begins_anew_after_a_compound_that_outlasted_it() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    probe.set("make_node", Mood::Later);
    let record = client.in_session(0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    client.peer.send(&record).unwrap();
    server.world.advance(2 * LEASE);
    while server.world.run_job() {
        client.peer.resume().unwrap();
    }
    while client.peer.record().is_some() {}
    server.world.advance(Duration::from_secs(2));
    assert_eq!(client.status(&[]), Status::OK);
}

#[test]
fn refused_sequences_on_many_connections_leave_room_for_the_next() {
    let server = Server::new();
    let mut client = server.client("a");
    let Op::Sequence(args) = client.sequence_again(0, false) else { unreachable!() };
    for _ in 0..100 {
        client.reconnect(&server.instance);
        let wrong = Op::Sequence(SequenceArgs { sequenceid: 77, slotid: 3, ..args });
        assert_eq!(client.bare(&[wrong]).status(), Status::SEQ_MISORDERED);
    }
    client.reconnect(&server.instance);
    assert_eq!(client.status(&[Op::PutRootFh]), Status::OK);
}

/// A state id that two users share gives neither the other's access.
#[test]
fn an_open_that_another_user_widened_lends_nobody_access() {
    let server = Server::new();
    let mut client = server.client("a");
    let reader = Cred { uid: 1, gid: 1, groups: Groups::NONE };
    let owner = Cred { uid: 2, gid: 2, groups: Groups::NONE };
    let attrs = ops::Attrs::new(&[AttrValue::Mode(0o644)]);
    let how = CreateHow::Unchecked(attrs.fattr());
    let create = ops::create_how(b"f", b"maker", 3, 0, how);
    let fh = client.run_as(&owner, &[Op::PutRootFh, create, Op::GetFh]).fh();
    client.run_as(&reader, &[Op::PutRootFh, ops::open(b"f", b"own", 1, 0)]);
    let widened = client.run_as(&owner, &[Op::PutRootFh, ops::open(b"f", b"own", 2, 0)]);
    let stateid = widened.open().stateid;
    let write = [ops::put(&fh), ops::write(stateid, 0, b"x")];
    assert_eq!(client.run_as(&reader, &write).last(), (OpNum::WRITE, Status::ACCESS));
    assert_eq!(client.run_as(&owner, &write).status(), Status::OK);
}

/// RFC 8881 §18.36.4: what a number was answered is what its retry is answered.
#[test]
fn a_create_session_that_is_refused_uses_its_number_up() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    let (id, sequence) = exchanged(&client.bare(&[ops::exchange_id(b"x", 1)]));
    client.clientid = id;
    let own = client.cred;
    client.cred = support::peer::credential(&Cred { uid: 9, gid: 9, groups: Groups::NONE });
    let stolen = client.create_session(sequence, FORE).map(drop);
    assert_eq!(stolen, Err(Status::CLID_INUSE));
    client.cred = own;
    assert_eq!(client.create_session(sequence, FORE).map(drop), Err(Status::CLID_INUSE));
    assert_eq!(client.create_session(sequence + 1, FORE).map(drop), Ok(()));
}

#[test]
fn a_retried_exclusive_create_says_again_where_the_verifier_is() {
    let server = Server::new();
    let mut client = server.client("a");
    for _ in 0..2 {
        let how = CreateHow::Exclusive(Verifier([9; 8]));
        let made = client.run(&[Op::PutRootFh, ops::create_how(b"f", b"own", 3, 0, how)]);
        let attrset = made.open().attrset;
        assert!(attrset.contains(attr::TIME_ACCESS_SET) && attrset.contains(attr::TIME_MODIFY_SET));
    }
}

#[test]
fn session_ids_cannot_be_guessed_from_one_another() {
    let server = Server::new();
    let mut nonces = BTreeSet::new();
    for number in 0..32 {
        let client = server.client(&format!("client {number}"));
        nonces.insert(client.session.0[12..].to_vec());
    }
    assert_eq!(nonces.len(), 32);
}

/// An OPEN that was under way when its session died still belongs to a client.
#[test]
fn an_open_never_outlives_its_client() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    probe.set("create", Mood::Later);
    let open = client.in_session(0, false, &[Op::PutRootFh, ops::create(b"f", b"own", 3, 3)]);
    client.peer.send(&open).unwrap();
    probe.set("make_node", Mood::Panic);
    let record = client.in_session(1, false, &[Op::PutRootFh, ops::mkdir(b"d")]);
    client.peer.send(&record).unwrap();
    server.world.advance(2 * LEASE);
    while server.world.run_job() {
        client.peer.resume().unwrap();
    }
    server.world.advance(2 * LEASE);
    probe.set("create", Mood::Now);
    let mut other = server.client("b");
    let status = other.status(&[Op::PutRootFh, ops::create(b"f", b"own", 3, 0)]);
    assert_eq!(status, Status::OK);
}

/// RFC 8881 §18.46.3: a reply that is to be kept is whole or refused, never cut short.
#[test]
fn a_read_that_is_to_be_kept_is_not_cut_short() {
    let server = Server::new();
    let small = ChannelAttrs { maxresponsesize_cached: 1024, ..FORE };
    let mut client = Client::with_terms(&server.instance, "a", 2, small);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::OK);
    let (fh, stateid) = client.make_file(b"f");
    let kept = |client: &mut Client, count| {
        let record = client.in_session(0, true, &[ops::put(&fh), ops::read(stateid, 0, count)]);
        client.exchange(&record)
    };
    let write = ops::write(stateid, 0, &[7; 512]);
    assert_eq!(client.status(&[ops::put(&fh), write]), Status::OK);
    let whole = kept(&mut client, 4096);
    let OpBody::Read(ok) = whole.last_ok() else { panic!("it was read") };
    assert_eq!((ok.data.len(), ok.eof), (512, true), "all there is fits");
    let write = ops::write(stateid, 0, &[7; 2048]);
    assert_eq!(client.status(&[ops::put(&fh), write]), Status::OK);
    assert_eq!(kept(&mut client, 2048).status(), Status::REP_TOO_BIG_TO_CACHE);
    assert_eq!(kept(&mut client, 512).status(), Status::OK);
}
