//! What no operation takes for a name, and what happens to names of any bytes.

mod support;

use holdfast_proto::nfs4::{Bitmap, CreateHow, CreateType, Fattr, Op, OpBody, Status};
use support::client::Client;
use support::fixture::Server;
use support::ops;

/// Every operation that takes a name, with this one.
fn with_name(name: &[u8]) -> Vec<(&'static str, Vec<Op<'_>>)> {
    let saved = || vec![Op::PutRootFh, ops::lookup(b"file"), Op::SaveFh, Op::PutRootFh];
    let twice = || vec![Op::PutRootFh, Op::SaveFh];
    let one = |op| vec![Op::PutRootFh, op];
    let with = |ops: Vec<Op<'static>>, op| {
        let mut all: Vec<Op<'_>> = ops;
        all.push(op);
        all
    };
    vec![
        ("lookup", one(ops::lookup(name))),
        ("mkdir", one(ops::mkdir(name))),
        ("symlink", one(ops::create_node(name, CreateType::Link(b"text")))),
        ("remove", one(ops::remove(name))),
        ("rename from", with(twice(), ops::rename(name, b"new"))),
        ("rename to", with(twice(), ops::rename(b"file", name))),
        ("link", with(saved(), ops::link(name))),
        ("open", one(ops::open(name, b"o", 1, 0))),
        ("create", one(ops::create(name, b"o", 3, 0))),
        ("guarded", one(ops::create_how(name, b"o", 3, 0, CreateHow::Guarded(Fattr::EMPTY)))),
        ("secinfo", one(ops::secinfo(name))),
    ]
}

fn client() -> (Server, Client) {
    let server = Server::new();
    let mut client = server.client("a");
    client.make_file(b"file");
    (server, client)
}

#[test]
fn what_is_no_name_is_refused_alike_everywhere() {
    let (_server, mut client) = client();
    let long = [b'n'; 256];
    for (name, status) in [
        (&b""[..], Status::INVAL),
        (b".", Status::BADNAME),
        (b"..", Status::BADNAME),
        (b"a/b", Status::BADCHAR),
        (b"/", Status::BADCHAR),
        (b"a\0", Status::BADCHAR),
        (&long, Status::NAMETOOLONG),
    ] {
        for (what, ops) in with_name(name) {
            assert_eq!(client.status(&ops), status, "{what} of {name:?}");
        }
    }
    assert_eq!(listed(&mut client), [b"file"]);
}

fn listed(client: &mut Client) -> Vec<Vec<u8>> {
    let reply = client.run(&[Op::PutRootFh, ops::readdir(0, 0, 16_384, Bitmap::EMPTY)]);
    let OpBody::ReadDir(ok) = reply.last_ok() else { panic!("it is a listing") };
    let mut names: Vec<_> = ok.iter().map(|entry| entry.name.to_vec()).collect();
    names.sort();
    names
}

#[test]
fn names_of_any_bytes_come_back_as_they_went() {
    let (_server, mut client) = client();
    let names = ["é".as_bytes(), "e\u{301}".as_bytes(), b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80"];
    for name in names {
        assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(name)]), Status::OK);
    }
    let mut expected: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
    expected.push(b"file".to_vec());
    expected.sort();
    assert_eq!(listed(&mut client), expected);
    for name in names {
        assert_eq!(client.status(&[Op::PutRootFh, ops::lookup(name)]), Status::OK);
        assert_eq!(client.status(&[Op::PutRootFh, ops::remove(name)]), Status::OK);
    }
}

#[test]
fn a_link_says_what_is_wrong_with_its_text() {
    let (_server, mut client) = client();
    let (long, longest) = (vec![b't'; 4096], vec![b't'; 4095]);
    for (text, status) in [
        (&b""[..], Status::INVAL),
        (b"a\0b", Status::INVAL),
        (&long, Status::NAMETOOLONG),
        (b"../\xff", Status::OK),
    ] {
        let link = ops::create_node(b"link", CreateType::Link(text));
        assert_eq!(client.status(&[Op::PutRootFh, link]), status);
    }
    let link = ops::create_node(b"longest", CreateType::Link(&longest));
    assert_eq!(client.status(&[Op::PutRootFh, link]), Status::OK);
}
