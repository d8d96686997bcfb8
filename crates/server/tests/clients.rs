//! EXCHANGE_ID over the wire, in the cases of RFC 8881 §18.35.4.

mod support;

use holdfast_proto::nfs4::{
    Bitmap, ClientId, ClientOwner, ExchangeIdArgs, ExchangeIdFlags, Op, OpBody, SsvParms,
    StateProtectArgs, StateProtectOps, Status, Verifier,
};
use holdfast_vfs::{Cred, Groups};
use support::client::{Client, FORE, Reply, exchanged};
use support::fixture::Server;
use support::ops;
use support::peer::credential;

const UPDATE: ExchangeIdFlags = ExchangeIdFlags::UPD_CONFIRMED_REC_A;
const OTHER: Cred = Cred { uid: 5, gid: 5, groups: Groups::NONE };

fn id(reply: &Reply) -> ClientId {
    exchanged(reply).0
}

fn flags(reply: &Reply) -> ExchangeIdFlags {
    let OpBody::ExchangeId(ok) = reply.last_ok() else { panic!("it was EXCHANGE_ID") };
    ok.flags
}

fn update(client: &mut Client, owner: &[u8], boot: u8) -> Reply {
    client.bare(&[ops::exchange_id_with(owner, boot, UPDATE)])
}

#[test]
fn a_new_owner_gets_a_new_id_that_is_not_confirmed() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    let a = client.bare(&[ops::exchange_id(b"a", 1)]);
    let b = client.bare(&[ops::exchange_id(b"b", 1)]);
    assert_ne!(id(&a), id(&b));
    assert!(!flags(&a).contains(ExchangeIdFlags::CONFIRMED_R));
    assert!(flags(&a).contains(ExchangeIdFlags::USE_NON_PNFS));
    assert!(!flags(&a).intersects(ExchangeIdFlags::USE_PNFS_MDS | ExchangeIdFlags::USE_PNFS_DS));
}

#[test]
fn an_unconfirmed_owner_that_comes_again_gets_another_id() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    let first = id(&client.bare(&[ops::exchange_id(b"a", 1)]));
    let second = id(&client.bare(&[ops::exchange_id(b"a", 1)]));
    assert_ne!(first, second);
    client.clientid = first;
    assert_eq!(client.create_session(1, FORE).unwrap_err(), Status::STALE_CLIENTID);
    client.clientid = second;
    assert!(client.create_session(1, FORE).is_ok());
}

#[test]
fn a_confirmed_owner_that_comes_again_gets_its_id_and_keeps_all() {
    let server = Server::new();
    let mut client = server.client("a");
    let again = client.bare(&[ops::exchange_id(b"a", 1)]);
    assert_eq!(exchanged(&again), (client.clientid, 2));
    assert!(flags(&again).contains(ExchangeIdFlags::CONFIRMED_R));
    assert_eq!(client.status(&[]), Status::OK);
}

#[test]
fn a_restarted_client_replaces_itself_when_its_new_id_is_confirmed() {
    let server = Server::new();
    let mut old = server.client("a");
    let deny = [Op::PutRootFh, ops::create(b"file", b"o", 3, 3)];
    assert_eq!(old.status(&deny), Status::OK);
    let mut new = Client::unknown(&server.instance, 2);
    let reply = new.bare(&[ops::exchange_id(b"a", 2)]);
    assert_ne!(id(&reply), old.clientid);
    assert_eq!(old.status(&[]), Status::OK, "until then the old one goes on");
    new.clientid = id(&reply);
    new.create_session(1, FORE).expect("the new id is confirmed");
    assert_eq!(old.status(&[]), Status::BADSESSION);
    assert_eq!(new.status(&[ops::reclaim_complete()]), Status::OK);
    assert_eq!(new.status(&deny), Status::OK, "what the old one held is free");
}

#[test]
fn an_owner_of_another_principal_is_in_use_as_long_as_it_has_something() {
    let server = Server::new();
    let mut client = server.client("a");
    client.make_file(b"file");
    client.cred = credential(&OTHER);
    let take = [ops::exchange_id(b"a", 1)];
    assert_eq!(client.bare(&take).status(), Status::CLID_INUSE);
    client.cred = credential(&Cred::ROOT);
    assert_eq!(client.bare(&[ops::destroy_session(client.session)]).status(), Status::OK);
    client.cred = credential(&OTHER);
    assert_eq!(client.bare(&take).status(), Status::CLID_INUSE, "it has a file open");

    let mut idle = server.client("b");
    assert_eq!(idle.bare(&[ops::destroy_session(idle.session)]).status(), Status::OK);
    idle.cred = credential(&OTHER);
    let taken = idle.bare(&[ops::exchange_id(b"b", 1)]);
    assert_ne!(id(&taken), idle.clientid);
    assert_eq!(idle.create_session(2, FORE).unwrap_err(), Status::STALE_CLIENTID);
}

#[test]
fn an_update_is_for_a_confirmed_record_of_the_same_client_and_principal() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    assert_eq!(update(&mut client, b"a", 1).status(), Status::NOENT);
    client.bare(&[ops::exchange_id(b"a", 1)]);
    assert_eq!(update(&mut client, b"a", 1).status(), Status::NOENT, "it is not confirmed");

    let mut client = server.client("b");
    let updated = update(&mut client, b"b", 1);
    assert_eq!(id(&updated), client.clientid);
    assert!(flags(&updated).contains(ExchangeIdFlags::CONFIRMED_R));
    assert_eq!(update(&mut client, b"b", 2).status(), Status::NOT_SAME);
    client.cred = credential(&OTHER);
    assert_eq!(update(&mut client, b"b", 1).status(), Status::PERM);
    client.cred = credential(&Cred::ROOT);
    assert_eq!(client.status(&[]), Status::OK);
}

#[test]
fn flags_that_are_not_the_clients_to_set_are_invalid() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    for flags in [ExchangeIdFlags::CONFIRMED_R, ExchangeIdFlags(0x8), ExchangeIdFlags(0x2000_0000)]
    {
        let reply = client.bare(&[ops::exchange_id_with(b"a", 1, flags)]);
        assert_eq!(reply.status(), Status::INVAL, "{flags:?}");
    }
}

#[test]
fn protection_that_needs_kerberos_is_refused() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    let ops = StateProtectOps { must_enforce: Bitmap::EMPTY, must_allow: Bitmap::EMPTY };
    let der = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01][..];
    let sha256 = &der[2..];
    let ssv = |hash_algs, encr_algs, window| {
        StateProtectArgs::Ssv(SsvParms { ops, hash_algs, encr_algs, window, num_gss_handles: 1 })
    };
    let any = || vec![&b"\x01"[..]];
    for (state_protect, status) in [
        (StateProtectArgs::MachCred(ops), Status::INVAL),
        (ssv(vec![], any(), 1), Status::INVAL),
        (ssv(vec![sha256], vec![], 1), Status::INVAL),
        (ssv(vec![sha256], any(), 0), Status::INVAL),
        (ssv(any(), any(), 1), Status::HASH_ALG_UNSUPP),
        (ssv(vec![b"\x01", sha256], any(), 1), Status::ENCR_ALG_UNSUPP),
        (ssv(vec![der], any(), 1), Status::ENCR_ALG_UNSUPP),
        (ssv(vec![b"\x06"], any(), 1), Status::HASH_ALG_UNSUPP),
    ] {
        let args = ExchangeIdArgs {
            clientowner: ClientOwner { verifier: Verifier([1; 8]), ownerid: b"a" },
            flags: ExchangeIdFlags::empty(),
            state_protect,
            client_impl_id: None,
        };
        let reply = client.bare(&[Op::ExchangeId(Box::new(args))]);
        assert_eq!(reply.status(), status);
    }
}

#[test]
fn exchange_id_names_the_server_the_same_on_every_connection() {
    let server = Server::new();
    let ask = |owner: &'static [u8]| {
        let mut client = Client::unknown(&server.instance, 2);
        let reply = client.bare(&[ops::exchange_id(owner, 1)]);
        let OpBody::ExchangeId(ok) = reply.last_ok() else { panic!("it was EXCHANGE_ID") };
        (ok.server_owner.minor_id, ok.server_owner.major_id.to_vec(), ok.server_scope.to_vec())
    };
    let first = ask(b"a");
    assert_eq!(first, ask(b"b"));
    assert!(!first.1.is_empty() && !first.2.is_empty());
}
