//! Sessions and slots: every request is executed once, and only as agreed.

mod support;

use holdfast_proto::nfs4::{
    BindConnToSessionArgs, ChannelAttrs, DirFromClient, DirFromServer, Op, OpBody, OpNum,
    SequenceArgs, SessionId, Status,
};
use holdfast_vfs::{Cred, Groups};
use support::client::{Client, FORE, Reply, create_session};
use support::fixture::{LEASE, Server};
use support::peer::{Peer, credential};
use support::{ops, world::TestWorld};

const OTHER: Cred = Cred { uid: 5, gid: 5, groups: Groups::NONE };
const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

fn terms(change: impl FnOnce(&mut ChannelAttrs)) -> ChannelAttrs {
    let mut terms = FORE;
    change(&mut terms);
    terms
}

/// The record with another transaction number, as a new connection would number it.
fn renumbered(record: &[u8]) -> Vec<u8> {
    let mut record = record.to_vec();
    record[4..8].copy_from_slice(&0xabcd_ef01_u32.to_be_bytes());
    record
}

#[test]
fn a_kept_reply_is_given_again_byte_for_byte_and_nothing_runs_twice() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let record = client.in_session(3, true, &[Op::PutRootFh, ops::mkdir(b"d"), Op::GetFh]);
    let first = client.exchange(&record);
    assert_eq!((first.status(), first.count()), (Status::OK, 4));
    assert_eq!(client.exchange(&record), first);
    assert_eq!(client.exchange(&renumbered(&record)).body(), first.body());
    client.reconnect(&server.instance);
    assert_eq!(client.exchange(&record), first, "on another connection too");
    assert_eq!(probe.calls("make_node"), 1);
    assert_eq!(server.instance.counters().replays, 3);
}

#[test]
fn a_kept_failure_is_given_again() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let record = client.in_session(0, true, &[Op::PutRootFh, ops::remove(b"nothing")]);
    let first = client.exchange(&record);
    assert_eq!(first.last(), (OpNum::REMOVE, Status::NOENT));
    client.status(&[Op::PutRootFh]);
    client.slots[0] -= 1;
    let other = client.in_session(1, false, &[Op::PutRootFh, ops::mkdir(b"nothing")]);
    assert_eq!(client.exchange(&other).status(), Status::OK);
    assert_eq!(probe.calls("remove"), 1);
    let again = client.in_session(2, true, &[Op::PutRootFh, ops::remove(b"absent")]);
    let failed = client.exchange(&again);
    assert_eq!(client.exchange(&again), failed);
    assert_eq!(probe.calls("remove"), 2);
}

#[test]
fn a_reply_that_was_not_kept_is_not_given_again_and_nothing_runs_twice() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let record = client.in_session(0, false, &[Op::PutRootFh, ops::mkdir(b"d")]);
    assert_eq!(client.exchange(&record).status(), Status::OK);
    let again = client.exchange(&record);
    assert_eq!(again.last(), (OpNum::PUTROOTFH, Status::RETRY_UNCACHED_REP));
    assert_eq!(again.count(), 2);
    assert_eq!(probe.calls("make_node"), 1);
    assert_eq!(client.status(&[Op::PutRootFh]), Status::OK, "the slot goes on");
}

#[test]
fn a_retry_that_is_another_request_is_refused() {
    let server = Server::new();
    let mut client = server.client("a");
    let record = client.in_session(0, true, &[Op::PutRootFh, Op::GetFh]);
    let first = client.exchange(&record);
    let refused = Some((OpNum::SEQUENCE, Status::SEQ_FALSE_RETRY));

    let shorter = [client.sequence_again(0, true), Op::PutRootFh];
    assert_eq!(Some(client.bare(&shorter).last()), refused);
    let uncached = [client.sequence_again(0, false), Op::PutRootFh, Op::GetFh];
    assert_eq!(Some(client.bare(&uncached).last()), refused);
    let own = std::mem::replace(&mut client.cred, credential(&OTHER));
    let same = [client.sequence_again(0, true), Op::PutRootFh, Op::GetFh];
    assert_eq!(Some(client.bare(&same).last()), refused, "another's reply is not shown");
    client.cred = own;
    assert_eq!(client.exchange(&record), first, "the slot is as it was");
}

#[test]
fn sequence_ids_count_by_one_on_each_slot_alone() {
    let server = Server::new();
    let mut client = server.client("a");
    for slot in [5, 0, 5, 15, 5] {
        let record = client.in_session(slot, false, &[Op::PutRootFh]);
        assert_eq!(client.exchange(&record).status(), Status::OK);
    }
    for (slot, seqid) in [(5, 5), (5, 2), (5, 0), (15, 3), (14, 2), (14, 0)] {
        let sequence = client.sequence_again(slot, false);
        let Op::Sequence(args) = sequence else { panic!("it is SEQUENCE") };
        let wrong = Op::Sequence(SequenceArgs { sequenceid: seqid, ..args });
        assert_eq!(client.bare(&[wrong]).status(), Status::SEQ_MISORDERED, "{slot} {seqid}");
    }
    let record = client.in_session(5, false, &[]);
    assert_eq!(client.exchange(&record).status(), Status::OK);
}

#[test]
fn slots_and_sessions_that_are_not_there_are_refused() {
    let server = Server::new();
    let mut client = server.client("a");
    let Op::Sequence(args) = client.sequence(0, false) else { panic!("it is SEQUENCE") };
    let status = |client: &mut Client, args| client.bare(&[Op::Sequence(args)]).status();
    let wrong = SequenceArgs { slotid: 16, highest_slotid: 15, sequenceid: 1, ..args };
    assert_eq!(status(&mut client, wrong), Status::BADSLOT);
    let wrong = SequenceArgs { highest_slotid: 16, ..args };
    assert_eq!(status(&mut client, wrong), Status::BAD_HIGH_SLOT);
    let mut id = args.sessionid.0;
    id[8] ^= 1;
    let wrong = SequenceArgs { sessionid: SessionId(id), ..args };
    assert_eq!(status(&mut client, wrong), Status::BADSESSION);
    assert_eq!(status(&mut client, args), Status::OK);
}

#[test]
fn sequence_answers_what_it_was_sent_and_how_many_slots_there_are() {
    let server = Server::new();
    let mut client = server.client("a");
    let record = client.in_session(7, false, &[]);
    let reply = client.exchange(&record);
    let OpBody::Sequence(ok) = reply.last_ok() else { panic!("it is SEQUENCE") };
    assert_eq!((ok.sessionid, ok.sequenceid, ok.slotid), (client.session, 1, 7));
    assert_eq!((ok.highest_slotid, ok.target_highest_slotid), (15, 15));
    assert_eq!(ok.status_flags.0, 0);
}

#[test]
fn a_request_beyond_the_agreed_size_or_length_is_refused_and_leaves_the_slot() {
    let server = Server::new();
    let small = terms(|terms| (terms.maxrequestsize, terms.maxoperations) = (600, 4));
    let mut client = Client::with_terms(&server.instance, "a", 2, small);
    let mut refused = |ops: &[Op<'_>], status| {
        let record = client.in_session(0, false, ops);
        assert_eq!(client.exchange(&record).last(), (OpNum::SEQUENCE, status));
        client.slots[0] -= 1;
    };
    let name = [b'n'; 600];
    refused(&[Op::PutRootFh, ops::lookup(&name)], Status::REQ_TOO_BIG);
    refused(&[Op::PutRootFh, Op::SaveFh, Op::SaveFh, Op::SaveFh], Status::TOO_MANY_OPS);
    assert_eq!(client.status(&[Op::PutRootFh, Op::SaveFh, Op::SaveFh]), Status::OK);
}

#[test]
fn requests_and_replies_of_just_the_agreed_size_pass_and_a_word_more_does_not() {
    let server = Server::new();
    let mut client = server.client("any");
    let ops = [vec![Op::PutRootFh], vec![Op::GetFh; 20], vec![ops::lookup(&[b'n'; 200])]].concat();
    let request = client.in_session(0, false, &ops);
    let reply = client.exchange(&request).0.len() as u32;
    let request = request.len() as u32 - 4;
    let status = |owner, change: fn(&mut ChannelAttrs, u32), bytes: u32, cache| {
        let terms = terms(|terms| change(terms, bytes));
        let mut client = Client::with_terms(&server.instance, owner, 2, terms);
        let record = client.in_session(0, cache, &ops);
        client.exchange(&record).last()
    };
    let requests = |terms: &mut ChannelAttrs, bytes| terms.maxrequestsize = bytes;
    let replies = |terms: &mut ChannelAttrs, bytes| terms.maxresponsesize = bytes;
    let kept = |terms: &mut ChannelAttrs, bytes| terms.maxresponsesize_cached = bytes;
    let passes = (OpNum::LOOKUP, Status::NOENT);
    assert_eq!(status("a", requests, request, false), passes);
    assert_eq!(status("b", requests, request - 4, false), (OpNum::SEQUENCE, Status::REQ_TOO_BIG));
    assert_eq!(status("c", replies, reply, false), passes);
    assert_eq!(status("d", kept, reply, true), passes);
    let short = reply - 12;
    assert_eq!(status("e", replies, short, false), (OpNum::GETFH, Status::REP_TOO_BIG));
    assert_eq!(status("f", kept, short, true), (OpNum::GETFH, Status::REP_TOO_BIG_TO_CACHE));
}

#[test]
fn a_reply_beyond_the_agreed_size_is_refused() {
    let server = Server::new();
    let small = terms(|terms| (terms.maxresponsesize, terms.maxresponsesize_cached) = (600, 300));
    let mut client = Client::with_terms(&server.instance, "a", 2, small);
    let fhs = vec![Op::GetFh; 20];
    let ops = [vec![Op::PutRootFh], fhs].concat();
    let uncached = client.in_session(0, false, &ops);
    let reply = client.exchange(&uncached);
    assert_eq!(reply.last(), (OpNum::GETFH, Status::REP_TOO_BIG));
    assert!(reply.0.len() <= 600, "what is said of it is within the limit");
    let cached = client.in_session(0, true, &ops);
    let reply = client.exchange(&cached);
    assert_eq!(reply.last(), (OpNum::GETFH, Status::REP_TOO_BIG_TO_CACHE));
    assert!(reply.0.len() <= 300);
    assert_eq!(client.exchange(&cached), reply, "what was said is kept");
}

#[test]
fn sequence_that_is_itself_too_big_to_keep_leaves_the_slot() {
    let server = Server::new();
    let none = terms(|terms| terms.maxresponsesize_cached = 64);
    let mut client = Client::with_terms(&server.instance, "a", 2, none);
    let record = client.in_session(0, true, &[Op::PutRootFh]);
    let reply = client.exchange(&record);
    assert_eq!(reply.last(), (OpNum::SEQUENCE, Status::REP_TOO_BIG_TO_CACHE));
    // RFC 8881 §18.46.3: a SEQUENCE that fails changes nothing of the slot.
    client.slots[0] -= 1;
    assert_eq!(client.status(&[Op::PutRootFh]), Status::OK);
}

#[test]
fn create_session_agrees_on_no_more_than_was_asked_for() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    let reply = client.bare(&[ops::exchange_id(b"a", 1)]);
    (client.clientid, _) = support::client::exchanged(&reply);
    let huge = ChannelAttrs {
        headerpadsize: 99,
        maxrequestsize: u32::MAX,
        maxresponsesize: u32::MAX,
        maxresponsesize_cached: u32::MAX,
        maxoperations: u32::MAX,
        maxrequests: u32::MAX,
        rdma_ird: Some(1),
    };
    let ok = client.create_session(1, huge).expect("it is cut to what there is");
    let fore = ok.fore_chan_attrs;
    assert!(fore.maxrequestsize < 4 << 20 && fore.maxresponsesize < 4 << 20);
    assert!(fore.maxresponsesize_cached <= 1 << 16 && fore.maxoperations <= 1024);
    assert!(fore.maxrequests <= 1024 && fore.rdma_ird.is_none() && fore.headerpadsize == 0);
    let few = terms(|terms| (terms.maxrequests, terms.maxoperations) = (1, 2));
    let ok = client.create_session(2, few).expect("little is enough");
    assert_eq!((ok.fore_chan_attrs.maxrequests, ok.fore_chan_attrs.maxoperations), (1, 2));
    for useless in
        [terms(|terms| terms.maxrequestsize = 20), terms(|terms| terms.maxresponsesize = 20)]
    {
        assert_eq!(client.create_session(3, useless), Err(Status::TOOSMALL));
    }
}

#[test]
fn create_session_is_made_once_for_each_sequence_id() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    let (clientid, sequence) =
        support::client::exchanged(&client.bare(&[ops::exchange_id(b"a", 1)]));
    let status = |client: &mut Client, sequence| {
        client.bare(&[create_session(clientid, sequence, FORE)]).status()
    };
    assert_eq!(status(&mut client, sequence + 1), Status::SEQ_MISORDERED);
    assert_eq!(status(&mut client, sequence.wrapping_sub(1)), Status::SEQ_MISORDERED);
    let record = client.record(&[create_session(clientid, sequence, FORE)]);
    let first = client.exchange(&record);
    assert_eq!(first.status(), Status::OK);
    assert_eq!(client.exchange(&record), first);
    let next = client.bare(&[create_session(clientid, sequence + 1, FORE)]);
    assert_eq!(next.status(), Status::OK);
    assert_ne!(next.body(), first.body(), "it is another session");
    assert_eq!(status(&mut client, sequence), Status::SEQ_MISORDERED);
    let unknown = holdfast_proto::nfs4::ClientId(clientid.0 ^ 1 << 40);
    let stale = client.bare(&[create_session(unknown, 1, FORE)]);
    assert_eq!(stale.status(), Status::STALE_CLIENTID);
}

#[test]
fn a_session_is_destroyed_alone_or_at_the_end_of_its_own_compound() {
    let server = Server::new();
    let mut client = server.client("a");
    let session = client.session;
    let not_last = client.status(&[ops::destroy_session(session), Op::PutRootFh]);
    assert_eq!(not_last, Status::NOT_ONLY_OP);
    let not_alone = client.bare(&[ops::destroy_session(session), Op::PutRootFh]);
    assert_eq!(not_alone.status(), Status::NOT_ONLY_OP);
    assert_eq!(client.status(&[ops::destroy_session(session)]), Status::OK);
    assert_eq!(client.status(&[]), Status::BADSESSION);
    assert_eq!(client.bare(&[ops::destroy_session(session)]).status(), Status::BADSESSION);

    client.create_session(2, FORE).expect("the client is still known");
    let alone = [ops::destroy_session(client.session)];
    assert_eq!(client.bare(&alone).status(), Status::OK);
    assert_eq!(client.status(&[]), Status::BADSESSION);
}

#[test]
fn a_session_is_destroyed_only_from_a_connection_that_is_bound_to_it() {
    let server = Server::new();
    let mut client = server.client("a");
    let destroy = [ops::destroy_session(client.session)];
    let bound = std::mem::replace(&mut client.peer, server.peer());
    assert_eq!(client.bare(&destroy).status(), Status::CONN_NOT_BOUND_TO_SESSION);
    let bind = BindConnToSessionArgs {
        sessid: client.session,
        dir: DirFromClient::FORE_OR_BOTH,
        use_conn_in_rdma_mode: true,
    };
    let reply = client.bare(&[Op::BindConnToSession(bind)]);
    let OpBody::BindConnToSession(ok) = reply.last_ok() else { panic!("it was bound") };
    assert_eq!((ok.sessid, ok.dir), (client.session, DirFromServer::BOTH));
    assert!(!ok.use_conn_in_rdma_mode);
    assert_eq!(client.bare(&destroy).status(), Status::OK);
    drop(bound);
}

#[test]
fn a_client_is_destroyed_when_it_has_nothing_left() {
    let server = Server::new();
    let mut client = server.client("a");
    let destroy = [ops::destroy_clientid(client.clientid)];
    assert_eq!(client.bare(&destroy).status(), Status::CLIENTID_BUSY);
    assert_eq!(client.bare(&[ops::destroy_session(client.session)]).status(), Status::OK);
    assert_eq!(client.bare(&destroy).status(), Status::OK);
    assert_eq!(client.bare(&destroy).status(), Status::STALE_CLIENTID);
    assert_eq!(client.create_session(2, FORE).unwrap_err(), Status::STALE_CLIENTID);
}

#[test]
fn a_client_with_an_open_file_is_not_destroyed() {
    let server = Server::new();
    let mut client = server.client("a");
    client.make_file(b"file");
    assert_eq!(client.bare(&[ops::destroy_session(client.session)]).status(), Status::OK);
    let destroy = [ops::destroy_clientid(client.clientid)];
    assert_eq!(client.bare(&destroy).status(), Status::CLIENTID_BUSY);
}

#[test]
fn reclaim_complete_is_said_once_and_before_the_first_open() {
    let server = Server::new();
    let mut client = Client::with_terms(&server.instance, "a", 2, FORE);
    let open = [Op::PutRootFh, ops::create(b"file", b"o", 3, 0)];
    assert_eq!(client.status(&open), Status::GRACE);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(client.status(&[ops::reclaim_complete()]), Status::COMPLETE_ALREADY);
    assert_eq!(client.status(&open), Status::OK);
}

#[test]
fn a_silent_client_loses_all_and_a_used_one_nothing() {
    let server = Server::new();
    let (mut silent, mut used) = (server.client("silent"), server.client("used"));
    assert_eq!(server.instance.counters().clients_confirmed, 2);
    let deny = |name: &'static [u8]| [Op::PutRootFh, ops::create(name, b"o", 3, 3)];
    assert_eq!(silent.status(&deny(b"one")), Status::OK);
    assert_eq!(used.status(&deny(b"two")), Status::OK);
    assert_eq!(used.status(&deny(b"one")), Status::SHARE_DENIED);
    for _ in 0..LEASE.as_secs() / 10 {
        server.world.advance(10 * SECOND);
        assert_eq!(used.status(&[]), Status::OK);
    }
    server.world.advance(5 * SECOND);
    assert_eq!(server.instance.counters().clients_expired, 1);
    assert_eq!(used.status(&deny(b"one")), Status::OK);
    assert_eq!(silent.status(&[]), Status::BADSESSION);
    let reply = silent.bare(&[create_session(silent.clientid, 2, FORE)]);
    assert_eq!(reply.status(), Status::STALE_CLIENTID);
    let mut third = server.client("third");
    assert_eq!(third.status(&deny(b"two")), Status::SHARE_DENIED, "the used one has it open");
}

#[test]
fn a_client_is_kept_to_the_end_of_its_lease() {
    let server = Server::new();
    let mut client = server.client("a");
    server.world.advance(LEASE - SECOND);
    assert_eq!(client.status(&[]), Status::OK);
    server.world.advance(LEASE - SECOND);
    assert_eq!(client.status(&[]), Status::OK);
}

#[test]
fn of_too_many_connections_the_one_that_was_bound_first_is_bound_no_more() {
    let server = Server::new();
    let mut client = server.client("a");
    let mut bound: Vec<Peer> = Vec::new();
    for _ in 0..64 {
        bound.push(std::mem::replace(&mut client.peer, server.peer()));
        assert_eq!(client.status(&[]), Status::OK);
    }
    let destroy = [ops::destroy_session(client.session)];
    std::mem::swap(&mut client.peer, &mut bound[0]);
    assert_eq!(client.bare(&destroy).status(), Status::CONN_NOT_BOUND_TO_SESSION);
    std::mem::swap(&mut client.peer, &mut bound[1]);
    assert_eq!(client.bare(&destroy).status(), Status::OK);
}

#[test]
fn a_connection_is_bound_again_only_for_what_it_is_bound_for() {
    use DirFromClient as Ask;
    use DirFromServer as Is;
    let server = Server::new();
    let client = server.client("a");
    let bind = |connected: &mut Client, dir| {
        let sessid = client.session;
        let args = BindConnToSessionArgs { sessid, dir, use_conn_in_rdma_mode: false };
        let reply = connected.bare(&[Op::BindConnToSession(args)]);
        if reply.status() != Status::OK {
            return Err(reply.status());
        }
        let OpBody::BindConnToSession(ok) = reply.last_ok() else { panic!("it was bound") };
        Ok(ok.dir)
    };
    let refused = Err(Status::INVAL);
    for (first, is, then) in [
        (Ask::FORE, Is::FORE, [Ok(Is::FORE), refused, Ok(Is::BOTH), refused]),
        (Ask::BACK, Is::BACK, [refused, Ok(Is::BACK), refused, Ok(Is::BOTH)]),
        (Ask::FORE_OR_BOTH, Is::BOTH, [refused, refused, Ok(Is::BOTH), Ok(Is::BOTH)]),
        (Ask::BACK_OR_BOTH, Is::BOTH, [refused, refused, Ok(Is::BOTH), Ok(Is::BOTH)]),
    ] {
        let asks = [Ask::FORE, Ask::BACK, Ask::FORE_OR_BOTH, Ask::BACK_OR_BOTH];
        for (ask, answer) in asks.into_iter().zip(then) {
            let mut connected = Client::unknown(&server.instance, 2);
            assert_eq!(bind(&mut connected, first), Ok(is));
            assert_eq!(bind(&mut connected, ask), answer, "{first:?}, then {ask:?}");
        }
    }
    assert_eq!(bind(&mut Client::unknown(&server.instance, 2), DirFromClient(0)), refused);
}

#[test]
fn a_stopped_instance_admits_nothing() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let kept = client.in_session(0, true, &[Op::PutRootFh, ops::mkdir(b"d")]);
    client.exchange(&kept);
    server.instance.begin_stop();
    assert!(!client.peer.connection.wants_input());
    assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(b"e")]), Status::DELAY);
    assert_eq!(probe.calls("make_node"), 1);
    assert!(client.peer.connection.is_quiet());
}

#[test]
fn what_one_instance_gave_out_another_does_not_know() {
    let (first, world) = (Server::new(), TestWorld::new(2));
    let export = holdfast_server::Export::new("/", support::fixture::memfs(&world));
    let second = Server::exporting(world, vec![export]);
    let mut client = first.client("a");
    let (_, stateid) = client.make_file(b"file");
    client.reconnect(&second.instance);
    assert_eq!(client.status(&[]), Status::BADSESSION);
    let reply: Reply = client.bare(&[create_session(client.clientid, 2, FORE)]);
    assert_eq!(reply.status(), Status::STALE_CLIENTID);
    let mut other = second.client("a");
    let fh = other.find(&[]);
    let read = [ops::put(&fh), ops::read(stateid, 0, 1)];
    assert_eq!(other.status(&read), Status::STALE_STATEID);
}
