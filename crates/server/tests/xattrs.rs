//! Extended attributes (RFC 8276): each operation and each of its refusals.

mod support;

use holdfast_proto::nfs4::{
    Access, AccessArgs, AttrValue, ChannelAttrs, CreateType, Op, OpBody, OpNum, Status, attr,
};
use holdfast_server::{Export, Squash};
use support::client::{Client, FORE};
use support::fixture::{Server, memfs_of};
use support::ops;
use support::world::TestWorld;

const EITHER: u32 = 0;
const CREATE: u32 = 1;
const REPLACE: u32 = 2;

fn client() -> (Server, Client, Vec<u8>) {
    let server = Server::new();
    let mut client = server.client("a");
    let (fh, _) = client.make_file(b"file");
    (server, client, fh)
}

fn set(client: &mut Client, fh: &[u8], name: &[u8], value: &[u8]) -> Status {
    client.status(&[ops::put(fh), ops::setxattr(name, value, EITHER)])
}

fn list(client: &mut Client, fh: &[u8], cookie: u64, maxcount: u32) -> (u64, Vec<Vec<u8>>, bool) {
    let reply = client.run(&[ops::put(fh), ops::listxattrs(cookie, maxcount)]);
    let OpBody::ListXattrs(ok) = reply.last_ok() else { panic!("it is a listing") };
    (ok.cookie, ok.names.iter().map(|name| name.to_vec()).collect(), ok.eof)
}

fn change_of(client: &mut Client, fh: &[u8]) -> u64 {
    match client.attrs(fh, &[attr::CHANGE]).attrs().iter().next() {
        Some(Ok((_, AttrValue::Change(change)))) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_set_read_and_removed() {
    let (_server, mut client, fh) = client();
    let before = change_of(&mut client, &fh);
    let reply = client.run(&[ops::put(&fh), ops::setxattr(b"name", b"value", CREATE)]);
    let OpBody::SetXattr(ok) = reply.last_ok() else { panic!("it is SETXATTR") };
    let after = change_of(&mut client, &fh);
    assert_eq!((ok.info.atomic, ok.info.before, ok.info.after), (true, before, after));
    assert_ne!(before, after);

    let reply = client.run(&[ops::put(&fh), ops::getxattr(b"name")]);
    let OpBody::GetXattr(ok) = reply.last_ok() else { panic!("it is GETXATTR") };
    assert_eq!(ok.value, b"value");

    let reply = client.run(&[ops::put(&fh), ops::removexattr(b"name")]);
    let OpBody::RemoveXattr(ok) = reply.last_ok() else { panic!("it is REMOVEXATTR") };
    assert_eq!((ok.info.before, ok.info.after), (after, change_of(&mut client, &fh)));
    assert_eq!(client.status(&[ops::put(&fh), ops::getxattr(b"name")]), Status::NOXATTR);
}

#[test]
fn what_must_or_must_not_exist_is_said() {
    let (_server, mut client, fh) = client();
    let mut run = |op: Op<'_>| client.status(&[ops::put(&fh), op]);
    assert_eq!(run(ops::getxattr(b"name")), Status::NOXATTR);
    assert_eq!(run(ops::removexattr(b"name")), Status::NOXATTR);
    assert_eq!(run(ops::setxattr(b"name", b"1", REPLACE)), Status::NOXATTR);
    assert_eq!(run(ops::setxattr(b"name", b"1", CREATE)), Status::OK);
    assert_eq!(run(ops::setxattr(b"name", b"1", CREATE)), Status::EXIST);
    assert_eq!(run(ops::setxattr(b"name", b"1", REPLACE)), Status::OK);
    assert_eq!(run(ops::setxattr(b"name", b"1", 3)), Status::INVAL);
}

#[test]
fn a_value_that_stays_changes_nothing() {
    let (_server, mut client, fh) = client();
    assert_eq!(set(&mut client, &fh, b"name", b"value"), Status::OK);
    let change = change_of(&mut client, &fh);
    assert_eq!(set(&mut client, &fh, b"name", b"value"), Status::OK);
    assert_eq!(change_of(&mut client, &fh), change);
}

#[test]
fn names_and_values_that_cannot_be_are_refused() {
    let (_server, mut client, fh) = client();
    let mut run = |op: Op<'_>| client.status(&[ops::put(&fh), op]);
    let (long, longest) = ([b'n'; 251], [b'n'; 250]);
    for (name, status) in
        [(&b""[..], Status::INVAL), (b"a\0b", Status::BADCHAR), (&long, Status::NAMETOOLONG)]
    {
        assert_eq!(run(ops::setxattr(name, b"1", EITHER)), status);
        assert_eq!(run(ops::removexattr(name)), status);
        let status = if status == Status::BADCHAR { Status::INVAL } else { status };
        assert_eq!(run(ops::getxattr(name)), status);
    }
    assert_eq!(run(ops::setxattr(&longest, b"1", EITHER)), Status::OK);
    let large = vec![7; 65_537];
    assert_eq!(run(ops::setxattr(b"name", &large, EITHER)), Status::XATTR2BIG);
    assert_eq!(run(ops::setxattr(b"name", &large[1..], EITHER)), Status::OK);
}

#[test]
fn a_value_larger_than_the_reply_is_too_big() {
    let (server, mut big, fh) = client();
    assert_eq!(set(&mut big, &fh, b"name", &[7; 1000]), Status::OK);
    let terms = ChannelAttrs { maxresponsesize: 1000, ..FORE };
    let mut client = Client::with_terms(&server.instance, "b", 2, terms);
    assert_eq!(client.status(&[ops::put(&fh), ops::getxattr(b"name")]), Status::REP_TOO_BIG);
    assert_eq!(set(&mut big, &fh, b"name", &[7; 800]), Status::OK);
    assert_eq!(client.status(&[ops::put(&fh), ops::getxattr(b"name")]), Status::OK);
}

#[test]
fn a_listing_that_does_not_fit_goes_on_by_its_cookie() {
    let (_server, mut client, fh) = client();
    let mut all: Vec<_> = (0..40).map(|number| format!("name-{number:02}").into_bytes()).collect();
    for name in &all {
        assert_eq!(set(&mut client, &fh, name, b"value"), Status::OK);
    }
    for maxcount in [28, 100, 333, 16 + 40 * 12, 100_000] {
        let (mut names, mut cookie) = (Vec::new(), 0);
        loop {
            let (next, some, eof) = list(&mut client, &fh, cookie, maxcount);
            assert!(16 + some.len() * 12 <= maxcount as usize);
            names.extend(some);
            cookie = next;
            if eof {
                break;
            }
        }
        names.sort();
        all.sort();
        assert_eq!(names, all);
    }
}

#[test]
fn a_listing_gives_survivors_once_while_others_come_and_go() {
    let (_server, mut client, fh) = client();
    for number in 0..20 {
        assert_eq!(set(&mut client, &fh, format!("stays-{number}").as_bytes(), b""), Status::OK);
        assert_eq!(set(&mut client, &fh, format!("goes-{number}").as_bytes(), b""), Status::OK);
    }
    let (mut names, mut cookie, mut eof, mut round) = (Vec::new(), 0, false, 0);
    while !eof {
        let some;
        (cookie, some, eof) = list(&mut client, &fh, cookie, 80);
        names.extend(some.into_iter().filter(|name| name.starts_with(b"stays")));
        let gone = format!("goes-{round}");
        let new = format!("new-{round}");
        client.run(&[ops::put(&fh), ops::removexattr(gone.as_bytes())]);
        assert_eq!(set(&mut client, &fh, new.as_bytes(), b""), Status::OK);
        round += 1;
    }
    names.sort();
    let mut expected: Vec<_> = (0..20).map(|n| format!("stays-{n}").into_bytes()).collect();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_listing_with_no_room_for_one_name_is_too_small() {
    let (server, mut client, fh) = client();
    assert_eq!(list(&mut client, &fh, 0, 16), (0, vec![], true));
    let too_small = [ops::put(&fh), ops::listxattrs(0, 15)];
    assert_eq!(client.status(&too_small), Status::TOOSMALL);
    assert_eq!(set(&mut client, &fh, b"abcde", b""), Status::OK);
    let too_small = [ops::put(&fh), ops::listxattrs(0, 27)];
    assert_eq!(client.status(&too_small), Status::TOOSMALL);
    assert_eq!(list(&mut client, &fh, 0, 28).1, [b"abcde"]);
    let name = [b'n'; 250];
    assert_eq!(set(&mut client, &fh, &name, b""), Status::OK);
    let terms = ChannelAttrs { maxresponsesize: 300, ..FORE };
    let mut small = Client::with_terms(&server.instance, "b", 2, terms);
    let (_, names, _) = list(&mut client, &fh, 0, 10_000);
    let before_long = names.iter().position(|found| found == &name).expect("it is listed");
    let cookie = if before_long == 0 { 0 } else { list(&mut client, &fh, 0, 28).0 };
    let list = [ops::put(&fh), ops::listxattrs(cookie, 10_000)];
    assert_eq!(small.status(&list), Status::REP_TOO_BIG);
}

#[test]
fn a_cookie_at_the_end_gives_nothing() {
    let (_server, mut client, fh) = client();
    assert_eq!(set(&mut client, &fh, b"name", b""), Status::OK);
    assert_eq!(list(&mut client, &fh, u64::MAX, 1000), (u64::MAX, vec![], true));
}

#[test]
fn links_and_special_files_have_none() {
    let (_server, mut client, _) = client();
    for (name, kind) in [(&b"link"[..], CreateType::Link(b"file")), (b"fifo", CreateType::Fifo)] {
        let reply = client.run(&[Op::PutRootFh, ops::create_node(name, kind), Op::GetFh]);
        let fh = reply.fh();
        assert_eq!(set(&mut client, &fh, b"name", b"value"), Status::PERM);
        assert_eq!(client.status(&[ops::put(&fh), ops::removexattr(b"name")]), Status::PERM);
        assert_eq!(client.status(&[ops::put(&fh), ops::getxattr(b"name")]), Status::NOXATTR);
        assert_eq!(list(&mut client, &fh, 0, 1000), (0, vec![], true));
    }
}

#[test]
fn a_read_only_export_keeps_its_attributes() {
    let world = TestWorld::new(1);
    let memory = memfs_of(&world, 1);
    let writable = Export::new("/rw", memory.clone()).squash(Squash::None);
    let read_only = Export::new("/ro", memory).squash(Squash::None).read_only(true);
    let server = Server::exporting(world, vec![writable, read_only]);
    let mut client = server.client("a");
    let dir = client.find(&[b"rw"]);
    assert_eq!(set(&mut client, &dir, b"name", b"value"), Status::OK);
    let dir = client.find(&[b"ro"]);
    assert_eq!(client.status(&[ops::put(&dir), ops::getxattr(b"name")]), Status::OK);
    assert_eq!(set(&mut client, &dir, b"name", b"other"), Status::ROFS);
    assert_eq!(client.status(&[ops::put(&dir), ops::removexattr(b"name")]), Status::ROFS);
    assert_eq!(access(&mut client, &dir, 0x1ff), (0x1ff, 0x143));
}

fn access(client: &mut Client, fh: &[u8], bits: u32) -> (u32, u32) {
    let ask = Op::Access(AccessArgs { access: Access(bits) });
    let reply = client.run(&[ops::put(fh), ask]);
    let OpBody::Access(ok) = reply.last_ok() else { panic!("it is ACCESS") };
    (ok.supported.0, ok.access.0)
}

fn xattr_support(client: &mut Client, fh: &[u8]) -> Option<bool> {
    match client.attrs(fh, &[attr::XATTR_SUPPORT]).attrs().iter().next() {
        Some(Ok((_, AttrValue::XattrSupport(xattrs)))) => Some(xattrs),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn access_and_xattr_support_say_where_there_are_any() {
    let (server, mut client, fh) = client();
    assert_eq!(xattr_support(&mut client, &fh), Some(true));
    assert_eq!(access(&mut client, &fh, 0x3ff), (0x1ff, 0x1cd));
    let mut old = Client::new(&server.instance, "b", 1);
    assert_eq!(xattr_support(&mut old, &fh), None);
    assert_eq!(access(&mut old, &fh, 0x3ff), (0x3f, 0x0d));
}

#[test]
fn a_file_system_without_any_refuses_all_four() {
    let world = TestWorld::new(1);
    let export = Export::new("/below", memfs_of(&world, 1));
    let server = Server::exporting(world, vec![export]);
    let mut client = server.client("a");
    let top = client.run(&[Op::PutRootFh, Op::GetFh]).fh();
    assert_eq!(xattr_support(&mut client, &top), Some(false));
    assert_eq!(access(&mut client, &top, 0x1ff), (0x3f, 0x3));
    for (op, status) in [
        (ops::getxattr(b"name"), Status::NOTSUPP),
        (ops::listxattrs(0, 1000), Status::NOTSUPP),
        (ops::setxattr(b"name", b"", EITHER), Status::NOTSUPP),
        (ops::removexattr(b"name"), Status::NOTSUPP),
    ] {
        assert_eq!(client.status(&[ops::put(&top), op]), status);
    }
}

#[test]
fn minor_version_1_does_not_have_the_operations() {
    let (server, _, fh) = client();
    let mut client = Client::new(&server.instance, "b", 1);
    for op in [
        ops::getxattr(b"name"),
        ops::setxattr(b"name", b"", EITHER),
        ops::listxattrs(0, 1000),
        ops::removexattr(b"name"),
    ] {
        let reply = client.run(&[ops::put(&fh), op]);
        assert_eq!(reply.last(), (OpNum::ILLEGAL, Status::OP_ILLEGAL));
    }
}

#[test]
fn all_four_need_a_file_handle() {
    let (_server, mut client, _) = client();
    for op in [
        ops::getxattr(b"name"),
        ops::setxattr(b"name", b"", EITHER),
        ops::listxattrs(0, 1000),
        ops::removexattr(b"name"),
    ] {
        assert_eq!(client.status(&[op]), Status::NOFILEHANDLE);
    }
}
