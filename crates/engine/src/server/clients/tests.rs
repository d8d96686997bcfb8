//! The cases of EXCHANGE_ID and CREATE_SESSION, one by one.

use super::*;

const ALICE: Principal = Principal::Sys { uid: 1, gid: 1 };
const MALLORY: Principal = Principal::Sys { uid: 2, gid: 2 };
const NOW: Instant = Instant::from_ns(1_000_000_000);

fn exchange(owner: &[u8], boot: u8, principal: Principal, update: bool) -> ExchangeId<'_> {
    ExchangeId { owner, verifier: Verifier([boot; 8]), principal, update }
}

fn terms() -> SessionTerms {
    let channel = ChannelAttrs {
        maxrequestsize: 1 << 30,
        maxresponsesize: 1 << 30,
        maxresponsesize_cached: 1 << 30,
        maxoperations: 1000,
        maxrequests: 1000,
        ..ChannelAttrs::default()
    };
    SessionTerms { flags: CreateSessionFlags::CONN_BACK_CHAN, fore: channel, back: channel }
}

fn session(client: ClientId, sequence: u32) -> CreateSession {
    let (nonce, slots) = ([sequence as u8; 4], limits::SLOTS);
    CreateSession { client, sequence, principal: ALICE, terms: terms(), slots, nonce }
}

fn create(clients: &mut Clients, client: ClientId, sequence: u32) -> CreateSessionOk {
    match clients.create_session(&session(client, sequence), NOW, |_| false).unwrap() {
        Created::New { ok, .. } | Created::Again(ok) => ok,
    }
}

fn confirmed(clients: &mut Clients, boot: u8) -> ClientId {
    let id = clients.exchange_id(&exchange(b"a", boot, ALICE, false), NOW, |_| false).unwrap();
    create(clients, id.clientid, 1);
    id.clientid
}

#[test]
fn a_new_owner_is_unconfirmed_until_its_session() {
    let mut clients = Clients::new(7);
    let first = clients.exchange_id(&exchange(b"a", 1, ALICE, false), NOW, |_| true).unwrap();
    assert!(!first.confirmed);
    assert_eq!(first.sequence, 1);
    assert_eq!(first.clientid.0 >> 32, 7);
    let again = clients.exchange_id(&exchange(b"a", 1, ALICE, false), NOW, |_| true).unwrap();
    assert_ne!(first.clientid, again.clientid, "an unconfirmed record is replaced");
    let stale = clients.create_session(&session(first.clientid, 1), NOW, |_| false);
    assert_eq!(stale, Err(Status::STALE_CLIENTID));
    create(&mut clients, again.clientid, 1);
    let known = clients.exchange_id(&exchange(b"a", 1, ALICE, false), NOW, |_| true).unwrap();
    assert!(known.confirmed);
    assert_eq!((known.clientid, known.sequence), (again.clientid, 2));
}

#[test]
fn the_first_session_confirms_and_a_second_one_does_not() {
    let mut clients = Clients::new(7);
    let id = clients.exchange_id(&exchange(b"a", 1, ALICE, false), NOW, |_| true).unwrap();
    for (sequence, first) in [(1, true), (2, false)] {
        let made = clients.create_session(&session(id.clientid, sequence), NOW, |_| false);
        let Ok(Created::New { confirmed, .. }) = made else { panic!("{made:?}") };
        assert_eq!(confirmed, first);
    }
}

#[test]
fn a_restarted_client_replaces_itself_when_it_is_confirmed() {
    let mut clients = Clients::new(7);
    let old = confirmed(&mut clients, 1);
    let new = clients.exchange_id(&exchange(b"a", 2, ALICE, false), NOW, |_| true).unwrap();
    assert_eq!(new.dropped, None);
    let busy = clients.create_session(&session(new.clientid, 1), NOW, |_| true);
    assert_eq!(busy, Err(Status::DELAY), "the old one has a request in progress");
    let made = clients.create_session(&session(new.clientid, 1), NOW, |_| false).unwrap();
    let Created::New { replaced: Some(replaced), .. } = made else { panic!("{made:?}") };
    assert_eq!(replaced.client, old);
    assert_eq!(replaced.sessions.len(), 1);
    assert_eq!(clients.len(), 1);
}

#[test]
fn another_principal_gets_in_only_where_nothing_is_held() {
    let mut clients = Clients::new(7);
    let old = confirmed(&mut clients, 1);
    let theft = exchange(b"a", 1, MALLORY, false);
    assert_eq!(clients.exchange_id(&theft, NOW, |_| true), Err(Status::CLID_INUSE));
    assert_eq!(clients.exchange_id(&theft, NOW, |_| false), Err(Status::CLID_INUSE));
    let sessions = clients.records[&old].sessions.clone();
    clients.session_destroyed(old, sessions[0], NOW);
    assert_eq!(clients.exchange_id(&theft, NOW, |_| true), Err(Status::CLID_INUSE));
    let new = clients.exchange_id(&theft, NOW, |_| false).unwrap();
    assert_eq!(new.dropped.map(|dropped| dropped.client), Some(old));
    let stolen = clients.create_session(&session(new.clientid, 1), NOW, |_| false);
    assert_eq!(stolen, Err(Status::CLID_INUSE), "alice did not make this record");
}

#[test]
fn updates_need_the_record_they_name() {
    let mut clients = Clients::new(7);
    let update = |boot, principal| exchange(b"a", boot, principal, true);
    assert_eq!(clients.exchange_id(&update(1, ALICE), NOW, |_| true), Err(Status::NOENT));
    let id = confirmed(&mut clients, 1);
    assert_eq!(clients.exchange_id(&update(2, ALICE), NOW, |_| true), Err(Status::NOT_SAME));
    assert_eq!(clients.exchange_id(&update(1, MALLORY), NOW, |_| true), Err(Status::PERM));
    let updated = clients.exchange_id(&update(1, ALICE), NOW, |_| true).unwrap();
    assert!(updated.confirmed && updated.clientid == id);
}

#[test]
fn create_session_is_executed_once_per_number() {
    let mut clients = Clients::new(7);
    let id = confirmed(&mut clients, 1);
    let again = clients.create_session(&session(id, 1), NOW, |_| false).unwrap();
    assert!(matches!(again, Created::Again(_)));
    for sequence in [0, 3] {
        let misordered = clients.create_session(&session(id, sequence), NOW, |_| false);
        assert_eq!(misordered, Err(Status::SEQ_MISORDERED));
    }
    let second = create(&mut clients, id, 2);
    assert_eq!(clients.records[&id].sessions.len(), 2);
    assert_eq!(second.fore_chan_attrs.maxrequests, limits::SLOTS);
    assert_eq!(second.fore_chan_attrs.maxrequestsize, limits::REQUEST_BYTES);
}

#[test]
fn terms_that_cannot_be_met_leave_no_session() {
    let mut clients = Clients::new(7);
    let id = clients.exchange_id(&exchange(b"a", 1, ALICE, false), NOW, |_| false).unwrap();
    let mut args = session(id.clientid, 1);
    args.terms.fore.maxresponsesize = 100;
    assert_eq!(clients.create_session(&args, NOW, |_| false), Err(Status::TOOSMALL));
    args = session(id.clientid, 1);
    args.terms.fore.maxrequests = 0;
    assert_eq!(clients.create_session(&args, NOW, |_| false), Err(Status::INVAL));
    args = session(id.clientid, 1);
    args.terms.flags = CreateSessionFlags(0x10);
    assert_eq!(clients.create_session(&args, NOW, |_| false), Err(Status::INVAL));
    create(&mut clients, id.clientid, 1);
}

#[test]
fn everything_a_peer_can_grow_is_bounded() {
    let mut clients = Clients::new(7);
    for n in 0..limits::UNCONFIRMED_CLIENTS as u32 + 10 {
        let at = NOW + Duration::from_secs(u64::from(n));
        let owner = n.to_be_bytes();
        clients.exchange_id(&exchange(&owner, 1, ALICE, false), at, |_| false).unwrap();
    }
    assert_eq!(clients.len(), limits::UNCONFIRMED_CLIENTS);
    assert!(!clients.owners.contains_key(&0u32.to_be_bytes()[..]), "the oldest are forgotten");
    let id = confirmed(&mut clients, 1);
    let fits = limits::SESSIONS_PER_CLIENT as u32;
    for sequence in 2..=fits {
        create(&mut clients, id, sequence);
    }
    let full = clients.create_session(&session(id, fits + 1), NOW, |_| false);
    assert_eq!(full, Err(Status::NOSPC));
}

#[test]
fn a_lease_ends_only_without_use() {
    let mut clients = Clients::new(7);
    let id = confirmed(&mut clients, 1);
    let lease = Duration::from_secs(90);
    let later = NOW + Duration::from_secs(91);
    assert!(clients.expire(later, lease, |_| Some(later)).is_empty());
    assert!(clients.expire(NOW + lease, lease, |_| None).is_empty());
    let expired = clients.expire(later, lease, |_| None);
    assert_eq!(expired[0].client, id);
    assert!(clients.is_empty() && clients.owners.is_empty());
}

#[test]
fn a_client_is_destroyed_when_it_holds_nothing() {
    let mut clients = Clients::new(7);
    let id = confirmed(&mut clients, 1);
    assert_eq!(clients.destroy(id, |_| false).unwrap_err(), Status::CLIENTID_BUSY);
    let sessions = clients.records[&id].sessions.clone();
    clients.session_destroyed(id, sessions[0], NOW);
    assert_eq!(clients.destroy(id, |_| true).unwrap_err(), Status::CLIENTID_BUSY);
    assert_eq!(clients.destroy(id, |_| false).unwrap().owner, Box::from(*b"a"));
    assert_eq!(clients.destroy(id, |_| false).unwrap_err(), Status::STALE_CLIENTID);
}

#[test]
fn new_state_waits_for_reclaim_complete() {
    let mut clients = Clients::new(7);
    let id = confirmed(&mut clients, 1);
    assert_eq!(clients.check_new_state(id), Err(Status::GRACE));
    assert_eq!(clients.reclaim_complete(id), Ok(()));
    assert_eq!(clients.check_new_state(id), Ok(()));
    assert_eq!(clients.reclaim_complete(id), Err(Status::COMPLETE_ALREADY));
}

#[test]
fn a_record_that_was_never_confirmed_is_told_from_the_one_that_was() {
    let mut clients = Clients::new(7);
    let old = confirmed(&mut clients, 1);
    assert!(!clients.has_reclaimed(b"a"));
    assert_eq!(clients.reclaim_complete(old), Ok(()));
    let new = clients.exchange_id(&exchange(b"a", 2, ALICE, false), NOW, |_| true).unwrap();
    assert!(clients.has_reclaimed(b"a") && !clients.has_reclaimed(b"b"));
    assert!(!clients.remove(new.clientid).unwrap().confirmed);
    assert!(clients.has_reclaimed(b"a"), "the confirmed one is still there");
    assert!(clients.remove(old).unwrap().confirmed);
    assert!(!clients.has_reclaimed(b"a"));
}

#[test]
fn records_that_are_confirmed_or_gone_are_not_counted_as_unconfirmed() {
    let mut clients = Clients::new(7);
    let of = |n: u32| n.to_be_bytes();
    let ids: Vec<_> = (0..6)
        .map(|n| clients.exchange_id(&exchange(&of(n), 1, ALICE, false), NOW, |_| false))
        .map(|exchanged| exchanged.unwrap().clientid)
        .collect();
    assert_eq!(clients.unconfirmed, 6);
    for id in &ids[..3] {
        create(&mut clients, *id, 1);
    }
    assert_eq!(clients.unconfirmed, 3);
    clients.remove(ids[3]);
    assert_eq!(clients.unconfirmed, 2, "it was not confirmed");
    clients.remove(ids[0]);
    assert_eq!(clients.unconfirmed, 2, "it was");
}

#[test]
fn channels_of_the_least_size_are_taken_and_any_below_are_not() {
    let least = |channel: &mut ChannelAttrs| {
        channel.maxrequestsize = limits::CHANNEL_BYTES_MIN;
        channel.maxresponsesize = limits::CHANNEL_BYTES_MIN;
    };
    let mut asked = terms();
    least(&mut asked.fore);
    least(&mut asked.back);
    (asked.fore.maxoperations, asked.fore.maxrequests) = (1, 1);
    asked.back.maxoperations = limits::BACK_OPERATIONS_MIN;
    assert!(agree(&asked, limits::SLOTS).is_ok());
    for change in [
        (|it: &mut SessionTerms| it.fore.maxrequestsize -= 1) as fn(&mut SessionTerms),
        |it| it.fore.maxresponsesize -= 1,
        |it| it.back.maxrequestsize -= 1,
        |it| it.back.maxresponsesize -= 1,
        |it| it.back.maxoperations -= 1,
    ] {
        let mut less = asked;
        change(&mut less);
        assert_eq!(agree(&less, limits::SLOTS), Err(Status::TOOSMALL));
    }
}

#[test]
fn a_session_gets_the_slots_there_is_memory_for_and_always_one() {
    for (room, slots) in [(0, 1), (1, 1), (9, 9), (u32::MAX, limits::SLOTS)] {
        assert_eq!(agree(&terms(), room).unwrap().fore.maxrequests, slots);
    }
}

#[test]
fn neither_padding_nor_rdma_is_agreed_on() {
    let mut asked = terms();
    for channel in [&mut asked.fore, &mut asked.back] {
        (channel.headerpadsize, channel.rdma_ird) = (8, Some(1));
    }
    let agreed = agree(&asked, limits::SLOTS).unwrap();
    for channel in [agreed.fore, agreed.back] {
        assert_eq!((channel.headerpadsize, channel.rdma_ird), (0, None));
    }
}
