//! Attributes: asked for, set, compared, and listed with names.

mod support;

use holdfast_proto::nfs4::{
    AttrValue, Bitmap, Fattr, ModeUmask, NVerifyArgs, Op, OpBody, OpNum, ReadDirArgs, SetTime,
    Stateid, Status, Time, Verifier, VerifyArgs, attr,
};
use support::client::{Client, Reply};
use support::fixture::Server;
use support::ops::{self, Attrs};

fn client() -> (Server, Client) {
    let server = Server::new();
    let client = server.client("a");
    (server, client)
}

fn supported(client: &mut Client) -> Bitmap {
    let reply = client.run(&[Op::PutRootFh, ops::getattr(&Bitmap::of(&[attr::SUPPORTED_ATTRS]))]);
    match reply.attrs().iter().next() {
        Some(Ok((_, AttrValue::SupportedAttrs(set)))) => set,
        other => panic!("{other:?}"),
    }
}

fn size_of(client: &mut Client, fh: &[u8]) -> u64 {
    match client.attrs(fh, &[attr::SIZE]).attrs().iter().next() {
        Some(Ok((_, AttrValue::Size(size)))) => size,
        other => panic!("{other:?}"),
    }
}

const SET_ONLY: Bitmap =
    Bitmap::of(&[attr::TIME_ACCESS_SET, attr::TIME_MODIFY_SET, attr::MODE_UMASK]);

#[test]
fn every_attribute_that_can_be_read_decodes() {
    let server = Server::new();
    for minor in [1, 2] {
        let mut client = Client::new(&server.instance, &minor.to_string(), minor);
        let supported = supported(&mut client);
        assert_eq!(supported.contains(attr::MODE_UMASK), minor == 2);
        assert_eq!(supported.contains(attr::CHANGE_ATTR_TYPE), minor == 2);
        let all = (0..256).collect::<Bitmap>().without(&SET_ONLY);
        for ops in [
            vec![Op::PutRootFh, ops::getattr(&all)],
            vec![Op::PutRootFh, ops::mkdir(&[b'0' + minor as u8]), ops::getattr(&all)],
        ] {
            let reply = client.run(&ops);
            let fattr = reply.attrs();
            assert!(fattr.iter().all(|value| value.is_ok()));
            assert!(fattr.mask.is_subset(&supported.without(&SET_ONLY)));
            let missing = supported.without(&SET_ONLY).without(&fattr.mask);
            assert!(missing.is_subset(&Bitmap::of(&[attr::TIME_CREATE])), "{missing:?}");
        }
    }
}

#[test]
fn attributes_that_are_not_there_are_left_out() {
    let (_server, mut client) = client();
    let want = Bitmap::of(&[attr::TYPE, attr::ACL, attr::HIDDEN, attr::MIMETYPE, 200]);
    let reply = client.run(&[Op::PutRootFh, ops::getattr(&want)]);
    assert_eq!(reply.attrs().mask, Bitmap::of(&[attr::TYPE]));
    let reply = client.run(&[Op::PutRootFh, ops::getattr(&Bitmap::EMPTY)]);
    assert_eq!(reply.attrs(), Fattr::EMPTY);
}

#[test]
fn setattr_says_what_it_set() {
    let (_server, mut client) = client();
    let (fh, stateid) = client.make_file(b"file");
    let time = SetTime::ClientTime(Time { sec: 1, nsec: 2 });
    let values = [
        AttrValue::Size(100),
        AttrValue::Mode(0o640),
        AttrValue::Owner(b"5"),
        AttrValue::TimeAccessSet(SetTime::ServerTime),
        AttrValue::TimeModifySet(time),
    ];
    let attrs = Attrs::new(&values);
    let reply = client.run(&[ops::put(&fh), ops::setattr(stateid, attrs.fattr())]);
    let OpBody::SetAttr(res) = reply.last_ok() else { panic!("it is SETATTR") };
    assert_eq!(res.attrsset, attrs.fattr().mask);
    assert_eq!(size_of(&mut client, &fh), 100);
}

#[test]
fn attributes_that_cannot_be_set_are_refused_and_nothing_is_set() {
    let (_server, mut client) = client();
    let (fh, stateid) = client.make_file(b"file");
    let bad_time = SetTime::ClientTime(Time { sec: 0, nsec: 1_000_000_000 });
    let umask = ModeUmask { mode: 0o666, umask: 0o22 };
    for (values, status) in [
        (vec![AttrValue::Size(9), AttrValue::Archive(true)], Status::ATTRNOTSUPP),
        (vec![AttrValue::Size(9), AttrValue::FileId(3)], Status::INVAL),
        (vec![AttrValue::Change(1), AttrValue::Size(9)], Status::INVAL),
        (vec![AttrValue::Size(9), AttrValue::Mode(0o10_000)], Status::INVAL),
        (vec![AttrValue::Size(9), AttrValue::Owner(b"nobody@example.org")], Status::BADOWNER),
        (vec![AttrValue::Size(9), AttrValue::OwnerGroup(b"")], Status::BADOWNER),
        (vec![AttrValue::Size(9), AttrValue::Owner(b"4294967296")], Status::BADOWNER),
        (vec![AttrValue::Size(9), AttrValue::TimeModifySet(bad_time)], Status::INVAL),
        (vec![AttrValue::Size(9), AttrValue::ModeUmask(umask)], Status::INVAL),
    ] {
        let mut values = values;
        values.sort_by_key(AttrValue::number);
        let attrs = Attrs::new(&values);
        let reply = client.run(&[ops::put(&fh), ops::setattr(stateid, attrs.fattr())]);
        assert_eq!(reply.last(), (OpNum::SETATTR, status), "{values:?}");
        let OpBody::SetAttr(res) = reply.op(2) else { panic!("it is SETATTR") };
        assert!(res.attrsset.is_empty());
    }
    assert_eq!(size_of(&mut client, &fh), 0);
}

#[test]
fn values_that_do_not_fit_their_mask_are_no_xdr() {
    let (_server, mut client) = client();
    let (fh, stateid) = client.make_file(b"file");
    let mask = Bitmap::of(&[attr::SIZE, attr::MODE]);
    for values in [&[0; 8][..], &[0; 16], &[]] {
        let set = ops::setattr(stateid, Fattr { mask, values });
        assert_eq!(client.status(&[ops::put(&fh), set]), Status::BADXDR);
    }
}

fn verify(fattr: Fattr<'_>) -> Op<'_> {
    Op::Verify(VerifyArgs { obj_attributes: fattr })
}

fn nverify(fattr: Fattr<'_>) -> Op<'_> {
    Op::NVerify(NVerifyArgs { obj_attributes: fattr })
}

#[test]
fn verify_and_nverify_compare_and_let_the_compound_go_on_or_not() {
    let (_server, mut client) = client();
    let (fh, stateid) = client.make_file(b"file");
    let write = [ops::put(&fh), ops::write(stateid, 0, b"12345")];
    assert_eq!(client.status(&write), Status::OK);
    let same = Attrs::new(&[AttrValue::Size(5), AttrValue::Mode(0o644)]);
    let mode = Attrs::new(&[AttrValue::Mode(0o644)]);
    let set = ops::setattr(stateid, mode.fattr());
    assert_eq!(client.status(&[ops::put(&fh), set]), Status::OK);
    let other = Attrs::new(&[AttrValue::Size(5), AttrValue::Mode(0o600)]);
    let mut run = |op: Op<'_>| client.run(&[ops::put(&fh), op, Op::GetFh]).last();
    assert_eq!(run(verify(same.fattr())), (OpNum::GETFH, Status::OK));
    assert_eq!(run(verify(other.fattr())), (OpNum::VERIFY, Status::NOT_SAME));
    assert_eq!(run(nverify(same.fattr())), (OpNum::NVERIFY, Status::SAME));
    assert_eq!(run(nverify(other.fattr())), (OpNum::GETFH, Status::OK));
}

#[test]
fn verify_is_for_attributes_that_can_be_read() {
    let (_server, mut client) = client();
    for (value, status) in [
        (AttrValue::Hidden(true), Status::ATTRNOTSUPP),
        (AttrValue::RdattrError(Status::OK), Status::INVAL),
        (AttrValue::TimeAccessSet(SetTime::ServerTime), Status::INVAL),
    ] {
        let attrs = Attrs::new(&[value]);
        assert_eq!(client.status(&[Op::PutRootFh, verify(attrs.fattr())]), status);
        assert_eq!(client.status(&[Op::PutRootFh, nverify(attrs.fattr())]), status);
    }
}

#[test]
fn verify_answers_for_everything_that_getattr_gives() {
    let (_server, mut client) = client();
    let changing = Bitmap::of(&[attr::RDATTR_ERROR]);
    let want = supported(&mut client).without(&SET_ONLY).without(&changing);
    let reply = client.run(&[Op::PutRootFh, ops::getattr(&want)]);
    assert_eq!(client.status(&[Op::PutRootFh, verify(reply.attrs())]), Status::OK);
    assert_eq!(client.status(&[Op::PutRootFh, nverify(reply.attrs())]), Status::SAME);
}

/// A directory with entries `name-00` and on.
fn filled(client: &mut Client, count: usize) -> Vec<u8> {
    assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(b"dir")]), Status::OK);
    let dir = client.find(&[b"dir"]);
    for number in 0..count {
        let name = format!("name-{number:02}");
        let make = [ops::put(&dir), ops::mkdir(name.as_bytes())];
        assert_eq!(client.status(&make), Status::OK);
    }
    dir
}

fn listed(reply: &Reply) -> (Vec<(u64, Vec<u8>)>, bool) {
    let OpBody::ReadDir(ok) = reply.last_ok() else { panic!("it is a listing") };
    (ok.iter().map(|entry| (entry.cookie, entry.name.to_vec())).collect(), ok.eof)
}

fn body_bytes(reply: &Reply) -> usize {
    // SEQUENCE and PUTFH come before: 12 bytes of header and tag, 44 and 8 of results.
    reply.body().len() - (4 + 8 + 4) - 44 - 8 - 8
}

#[test]
fn a_listing_stays_within_maxcount() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 40);
    let want = Bitmap::of(&[attr::FILEID, attr::MODE]);
    for maxcount in [100, 200, 333, 1000, 4096] {
        let reply = client.run(&[ops::put(&dir), ops::readdir(0, 0, maxcount, want)]);
        let bytes = body_bytes(&reply);
        assert!(bytes <= maxcount as usize, "{bytes} of {maxcount}");
        let (entries, eof) = listed(&reply);
        assert!(!entries.is_empty());
        assert_eq!(eof, entries.len() == 40);
    }
}

#[test]
fn a_listing_with_no_room_for_one_entry_is_too_small() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 2);
    for maxcount in [0, 16, 30, 47] {
        let list = [ops::put(&dir), ops::readdir(0, 0, maxcount, Bitmap::EMPTY)];
        assert_eq!(client.status(&list), Status::TOOSMALL, "{maxcount}");
    }
    let top = [Op::PutRootFh, ops::readdir(0, 0, 20, Bitmap::EMPTY)];
    assert_eq!(client.status(&top), Status::TOOSMALL);
}

#[test]
fn dircount_bounds_the_names() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 40);
    let list = |client: &mut Client, dircount| {
        let list = ops::readdir(0, dircount, 8192, Bitmap::of(&[attr::FILEID]));
        listed(&client.run(&[ops::put(&dir), list])).0.len()
    };
    assert_eq!(list(&mut client, 0), 40, "zero is no bound");
    assert_eq!(list(&mut client, 1), 1, "one entry is always given");
    // A cookie, a length and a name of eight bytes.
    assert_eq!(list(&mut client, 5 * 20), 5);
}

#[test]
fn a_listing_goes_on_from_any_of_its_cookies() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 30);
    let list = |client: &mut Client, cookie, maxcount| {
        let list = ops::readdir(cookie, 0, maxcount, Bitmap::EMPTY);
        listed(&client.run(&[ops::put(&dir), list]))
    };
    let (all, eof) = list(&mut client, 0, 8192);
    assert!(eof && all.len() == 30);
    for (at, (cookie, _)) in all.iter().enumerate() {
        assert_eq!(list(&mut client, *cookie, 8192), (all[at + 1..].to_vec(), true));
    }
    let (mut seen, mut cookie) = (Vec::new(), 0);
    loop {
        let (some, eof) = list(&mut client, cookie, 128);
        cookie = some.last().map_or(cookie, |entry| entry.0);
        seen.extend(some);
        if eof {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[test]
fn cookies_and_verifiers_that_were_never_given_are_refused() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 3);
    for cookie in [1, 2, u64::MAX] {
        let list = [ops::put(&dir), ops::readdir(cookie, 0, 8192, Bitmap::EMPTY)];
        assert_eq!(client.status(&list), Status::BAD_COOKIE);
        let top = [Op::PutRootFh, ops::readdir(cookie, 0, 8192, Bitmap::EMPTY)];
        assert_eq!(client.status(&top), Status::BAD_COOKIE);
    }
    let list = [ops::put(&dir), ops::readdir(0, 0, 8192, Bitmap::EMPTY)];
    let cookie = listed(&client.run(&list)).0[0].0;
    let strange = Op::ReadDir(ReadDirArgs {
        cookie,
        cookieverf: Verifier([1; 8]),
        dircount: 0,
        maxcount: 8192,
        attr_request: Bitmap::EMPTY,
    });
    assert_eq!(client.status(&[ops::put(&dir), strange]), Status::NOT_SAME);
}

#[test]
fn listed_attributes_are_those_of_getattr() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 3);
    let space = Bitmap::of(&[
        attr::FILES_AVAIL,
        attr::FILES_FREE,
        attr::FILES_TOTAL,
        attr::SPACE_AVAIL,
        attr::SPACE_FREE,
        attr::SPACE_TOTAL,
    ]);
    let want = supported(&mut client).without(&SET_ONLY).without(&space);
    let reply = client.run(&[ops::put(&dir), ops::readdir(0, 0, 16_384, want)]);
    let OpBody::ReadDir(listing) = reply.last_ok() else { panic!("it is a listing") };
    for entry in listing.iter() {
        let one = client.run(&[ops::put(&dir), ops::lookup(entry.name), ops::getattr(&want)]);
        assert_eq!(one.attrs(), entry.attrs);
    }
}

#[test]
fn a_listing_gives_space_if_that_is_asked_for() {
    let (_server, mut client) = client();
    let dir = filled(&mut client, 1);
    let want = Bitmap::of(&[attr::TYPE, attr::SPACE_TOTAL]);
    let one = client.run(&[ops::put(&dir), ops::lookup(b"name-00"), ops::getattr(&want)]);
    let reply = client.run(&[ops::put(&dir), ops::readdir(0, 0, 16_384, want)]);
    let OpBody::ReadDir(listing) = reply.last_ok() else { panic!("it is a listing") };
    let entry = listing.iter().next().expect("there is one");
    assert_eq!(entry.attrs.mask, one.attrs().mask);
}

#[test]
fn a_small_session_gets_short_reads_and_listings() {
    let server = Server::new();
    let terms =
        holdfast_proto::nfs4::ChannelAttrs { maxresponsesize: 1000, ..support::client::FORE };
    let mut big = server.client("big");
    let (fh, stateid) = big.make_file(b"file");
    let data = vec![7; 100_000];
    assert_eq!(big.status(&[ops::put(&fh), ops::write(stateid, 0, &data)]), Status::OK);
    let mut client = Client::with_terms(&server.instance, "a", 2, terms);
    let reply = client.run(&[ops::put(&fh), ops::read(Stateid::ANONYMOUS, 0, 100_000)]);
    let OpBody::Read(ok) = reply.last_ok() else { panic!("it was read") };
    assert!(!ok.eof && ok.data.len() > 500 && ok.data.iter().all(|byte| *byte == 7));
    assert!(reply.0.len() <= 1000);
    let dir = filled(&mut big, 99);
    let reply = client.run(&[ops::put(&dir), ops::readdir(0, 0, 100_000, Bitmap::EMPTY)]);
    assert!(reply.0.len() <= 1000);
    assert!(!listed(&reply).1);
}
