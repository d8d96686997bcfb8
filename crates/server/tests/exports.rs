//! Several exports under one root, and whose rights count in them.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_proto::nfs4::{
    Access, AccessArgs, AttrValue, Bitmap, Fsid, Op, OpBody, SecInfoNoNameArgs, SecInfoStyle,
    Stateid, Status, attr,
};
use holdfast_server::{Export, ExportError, Exports, Squash};
use holdfast_vfs::{Cred, Groups};
use support::client::{Client, Reply};
use support::fixture::{Server, memfs_of};
use support::ops::{self, Attrs};
use support::world::TestWorld;

const USER: Cred = Cred { uid: 1001, gid: 1001, groups: Groups::NONE };
const IDS: [u32; 3] = [attr::FSID, attr::FILEID, attr::MOUNTED_ON_FILEID];

/// `/data/one` and `/data/two` writable, `/public` read-only.
fn three() -> (Server, Client) {
    let world = TestWorld::new(1);
    let export = |path, number| Export::new(path, memfs_of(&world, number)).squash(Squash::None);
    let exports =
        vec![export("/data/one", 1), export("/data/two", 2), export("/public", 3).read_only(true)];
    let server = Server::exporting(world, exports);
    let client = server.client("a");
    (server, client)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Ids {
    fsid: Fsid,
    fileid: u64,
    mounted_on: u64,
}

fn ids(fattr: &holdfast_proto::nfs4::Fattr<'_>) -> Ids {
    let mut ids = Ids::default();
    for value in fattr.iter() {
        let (_, value) = value.expect("it decodes");
        if let AttrValue::Fsid(fsid) = value {
            ids.fsid = fsid;
        } else if let AttrValue::FileId(fileid) = value {
            ids.fileid = fileid;
        } else if let AttrValue::MountedOnFileId(fileid) = value {
            ids.mounted_on = fileid;
        }
    }
    ids
}

fn listed(reply: &Reply) -> BTreeMap<Vec<u8>, Ids> {
    let OpBody::ReadDir(ok) = reply.last_ok() else { panic!("it is a listing") };
    assert!(ok.eof);
    ok.iter().map(|entry| (entry.name.to_vec(), ids(&entry.attrs))).collect()
}

#[test]
fn the_tree_above_the_exports_is_walked_like_any_other() {
    let (_server, mut client) = three();
    let top = listed(&client.run(&[Op::PutRootFh, ops::readdir(0, 0, 8192, Bitmap::of(&IDS))]));
    assert_eq!(top.keys().map(Vec::as_slice).collect::<Vec<_>>(), [&b"data"[..], b"public"]);
    let root = ids(&client.run(&[Op::PutRootFh, ops::getattr(&Bitmap::of(&IDS))]).attrs());
    assert_eq!(top[&b"data"[..]].fsid, root.fsid);
    assert_ne!(top[&b"public"[..]].fsid, root.fsid);

    let data = client.find(&[b"data"]);
    let list = [ops::put(&data), ops::readdir(0, 0, 8192, Bitmap::of(&IDS))];
    let below = listed(&client.run(&list));
    let (one, two) = (&below[&b"one"[..]], &below[&b"two"[..]]);
    assert!(one.fsid != two.fsid && one.fsid != root.fsid);
    assert_ne!(one.mounted_on, two.mounted_on, "what is covered tells the entries apart");
    for (name, listed) in [(b"one", one), (b"two", two)] {
        let fh = client.find(&[b"data", name]);
        assert_eq!(&ids(&client.attrs(&fh, &IDS).attrs()), listed);
    }
    let public = client.find(&[b"public"]);
    assert_eq!(ids(&client.attrs(&public, &IDS).attrs()), top[&b"public"[..]]);
}

#[test]
fn the_way_up_leads_out_of_an_export() {
    let (_server, mut client) = three();
    let data = client.find(&[b"data"]);
    let root = client.find(&[]);
    let one = client.find(&[b"data", b"one"]);
    assert_eq!(client.run(&[ops::put(&one), Op::LookupP, Op::GetFh]).fh(), data);
    assert_eq!(client.run(&[ops::put(&data), Op::LookupP, Op::GetFh]).fh(), root);
    assert_eq!(client.status(&[ops::put(&root), Op::LookupP]), Status::NOENT);
    let down = [ops::put(&one), ops::mkdir(b"dir"), Op::LookupP, Op::GetFh];
    assert_eq!(client.run(&down).fh(), one);
    let all = [ops::put(&one), Op::LookupP, ops::lookup(b"two"), Op::GetFh];
    assert_eq!(client.run(&all).fh(), client.find(&[b"data", b"two"]));
}

#[test]
fn the_tree_above_the_exports_does_not_change() {
    let (_server, mut client) = three();
    for path in [&[][..], &[&b"data"[..]]] {
        let fh = client.find(path);
        let put = || ops::put(&fh);
        assert_eq!(client.status(&[put(), ops::mkdir(b"new")]), Status::ROFS);
        assert_eq!(client.status(&[put(), ops::create(b"f", b"o", 3, 0)]), Status::ROFS);
        assert_eq!(client.status(&[put(), ops::remove(b"data")]), Status::ROFS);
        let mode = Attrs::new(&[AttrValue::Mode(0)]);
        let chmod = ops::setattr(Stateid::ANONYMOUS, mode.fattr());
        assert_eq!(client.status(&[put(), chmod]), Status::ROFS);
    }
}

#[test]
fn a_read_only_export_refuses_every_change() {
    let world = TestWorld::new(1);
    let fs = memfs_of(&world, 1);
    let writable = Export::new("/rw", fs.clone()).squash(Squash::None);
    let read_only = Export::new("/ro", fs).squash(Squash::None).read_only(true);
    let server = Server::exporting(world, vec![writable, read_only]);
    let mut client = server.client("a");
    let make = [Op::PutRootFh, ops::lookup(b"rw"), ops::create(b"file", b"o", 3, 0)];
    assert_eq!(client.status(&make), Status::OK);

    let dir = client.find(&[b"ro"]);
    let file = client.find(&[b"ro", b"file"]);
    let size = Attrs::new(&[AttrValue::Size(0)]);
    for change in [
        ops::mkdir(b"new"),
        ops::remove(b"file"),
        ops::create(b"new", b"o", 1, 0),
        ops::open(b"file", b"o", 2, 0),
    ] {
        assert_eq!(client.status(&[ops::put(&dir), change]), Status::ROFS);
    }
    for change in [
        ops::setattr(Stateid::ANONYMOUS, size.fattr()),
        ops::write(Stateid::ANONYMOUS, 0, b"x"),
        ops::open_fh(b"o", 3, 0),
    ] {
        assert_eq!(client.status(&[ops::put(&file), change]), Status::ROFS);
    }
    let from = || [ops::put(&dir), Op::SaveFh, ops::put(&dir)];
    let rename = [&from()[..], &[ops::rename(b"file", b"new")]].concat();
    assert_eq!(client.status(&rename), Status::ROFS);
    let link = [ops::put(&file), Op::SaveFh, ops::put(&dir), ops::link(b"new")];
    assert_eq!(client.status(&link), Status::ROFS);

    assert_eq!(client.status(&[ops::put(&dir), ops::open(b"file", b"p", 1, 0)]), Status::OK);
    let found = [ops::put(&dir), ops::create(b"file", b"q", 1, 0)];
    assert_eq!(client.status(&found), Status::OK, "what exists can be opened to read");
    let all = Op::Access(AccessArgs { access: Access(0x3f) });
    let reply = client.run(&[ops::put(&dir), all]);
    let OpBody::Access(ok) = reply.last_ok() else { panic!("it is ACCESS") };
    assert!(!ok.access.intersects(Access::MODIFY | Access::EXTEND | Access::DELETE));
    assert!(ok.access.contains(Access::READ | Access::LOOKUP));
}

#[test]
fn nothing_goes_from_one_export_into_another() {
    let (_server, mut client) = three();
    let (one, two) = (client.find(&[b"data", b"one"]), client.find(&[b"data", b"two"]));
    let make = [ops::put(&one), ops::create(b"file", b"o", 3, 0), Op::GetFh];
    let file = client.run(&make).fh();
    let rename = [ops::put(&one), Op::SaveFh, ops::put(&two), ops::rename(b"file", b"file")];
    assert_eq!(client.status(&rename), Status::XDEV);
    let link = [ops::put(&file), Op::SaveFh, ops::put(&two), ops::link(b"file")];
    assert_eq!(client.status(&link), Status::XDEV);
}

/// Who a caller is made to be: owner and group of a file that it creates.
fn owner_of(squash: Squash, caller: &Cred) -> (Vec<u8>, Vec<u8>) {
    owner_in(|export| export.squash(squash), caller)
}

fn owner_in(how: impl FnOnce(Export) -> Export, caller: &Cred) -> (Vec<u8>, Vec<u8>) {
    let world = TestWorld::new(1);
    let export = how(Export::new("/", memfs_of(&world, 1)));
    let server = Server::exporting(world, vec![export]);
    let mut client = server.client("a");
    let want = Bitmap::of(&[attr::OWNER, attr::OWNER_GROUP]);
    let create = [Op::PutRootFh, ops::create(b"file", b"o", 3, 0), ops::getattr(&want)];
    let reply = client.run_as(caller, &create);
    let (mut owner, mut group) = (Vec::new(), Vec::new());
    for value in reply.attrs().iter() {
        let (_, value) = value.expect("it decodes");
        if let AttrValue::Owner(who) = value {
            owner = who.to_vec();
        } else if let AttrValue::OwnerGroup(who) = value {
            group = who.to_vec();
        }
    }
    (owner, group)
}

#[test]
fn callers_are_squashed_as_the_export_says() {
    let who = |uid: &str, gid: &str| (uid.as_bytes().to_vec(), gid.as_bytes().to_vec());
    assert_eq!(owner_of(Squash::None, &Cred::ROOT), who("0", "0"));
    assert_eq!(owner_of(Squash::Root, &Cred::ROOT), who("65534", "65534"));
    assert_eq!(owner_of(Squash::All, &Cred::ROOT), who("65534", "65534"));
    assert_eq!(owner_of(Squash::None, &USER), who("1001", "1001"));
    assert_eq!(owner_of(Squash::Root, &USER), who("1001", "1001"));
    assert_eq!(owner_of(Squash::All, &USER), who("65534", "65534"));
    let wheel = Cred { gid: 0, ..USER };
    assert_eq!(owner_of(Squash::None, &wheel), who("1001", "0"));
    assert_eq!(owner_of(Squash::Root, &wheel), who("1001", "65534"));
    let anonymous =
        |squash, caller| owner_in(|export| export.squash(squash).anonymous(70, 80), caller);
    assert_eq!(anonymous(Squash::None, &Cred::ROOT), who("0", "0"));
    assert_eq!(anonymous(Squash::Root, &Cred::ROOT), who("70", "80"));
    assert_eq!(anonymous(Squash::Root, &wheel), who("1001", "80"));
    assert_eq!(anonymous(Squash::All, &USER), who("70", "80"));
}

#[test]
fn the_privileged_group_is_squashed_among_the_others_too() {
    let world = TestWorld::new(1);
    let fs = memfs_of(&world, 1);
    let mut member = USER;
    member.groups = Groups::new(&[7, 0]);
    for (path, squash, status) in
        [("/none", Squash::None, Status::OK), ("/root", Squash::Root, Status::ACCESS)]
    {
        let exports = vec![
            Export::new("/all", fs.clone()).squash(Squash::None),
            Export::new(path, fs.clone()).squash(squash),
        ];
        let server = Server::exporting(world.clone(), exports);
        let mut client = server.client("a");
        let name = path.as_bytes();
        let mode = Attrs::new(&[AttrValue::Mode(0o070)]);
        let make = [Op::PutRootFh, ops::lookup(b"all"), ops::mkdir(name_of(path))];
        assert_eq!(client.status(&make), Status::OK);
        let dir = client.find(&[b"all", name_of(path)]);
        let chmod = ops::setattr(Stateid::ANONYMOUS, mode.fattr());
        assert_eq!(client.status(&[ops::put(&dir), chmod]), Status::OK);
        let dir = client.find(&[&name[1..], name_of(path)]);
        let enter = client.run_as(&member, &[ops::put(&dir), ops::mkdir(b"inside")]);
        assert_eq!(enter.status(), status, "{path}");
    }
}

fn name_of(path: &str) -> &[u8] {
    match path {
        "/none" => b"for-none",
        _ => b"for-root",
    }
}

#[test]
fn secinfo_takes_the_handle_with_it() {
    let (_server, mut client) = three();
    let find = |style| Op::SecInfoNoName(SecInfoNoNameArgs { style });
    for ask in [ops::secinfo(b"public"), find(SecInfoStyle::CURRENT_FH)] {
        let reply = client.run(&[Op::PutRootFh, ask.clone()]);
        let (OpBody::SecInfo(ok) | OpBody::SecInfoNoName(ok)) = reply.last_ok() else {
            panic!("there are flavors")
        };
        assert!(!ok.flavors.is_empty());
        assert_eq!(client.status(&[Op::PutRootFh, ask, Op::GetFh]), Status::NOFILEHANDLE);
    }
    assert_eq!(client.status(&[Op::PutRootFh, ops::secinfo(b"nothing")]), Status::NOENT);
    assert_eq!(client.status(&[Op::PutRootFh, find(SecInfoStyle::PARENT)]), Status::NOENT);
    assert_eq!(client.status(&[Op::PutRootFh, find(SecInfoStyle(7))]), Status::INVAL);
    let data = client.find(&[b"data"]);
    assert_eq!(client.status(&[ops::put(&data), find(SecInfoStyle::PARENT)]), Status::OK);
}

#[test]
fn the_handle_of_an_export_that_is_gone_is_stale() {
    let (_first, mut client) = three();
    let one = client.find(&[b"data", b"one"]);
    let public = client.find(&[b"public"]);
    let world = TestWorld::new(9);
    let export = Export::new("/public", memfs_of(&world, 3));
    let second = Server::exporting(world, vec![export]);
    let mut client = second.client("a");
    let want = ops::getattr(&Bitmap::of(&IDS));
    assert_eq!(client.status(&[ops::put(&one), want.clone()]), Status::STALE);
    let status = client.status(&[ops::put(&public), want]);
    assert!(matches!(status, Status::STALE | Status::BADHANDLE), "memory does not outlive it");
}

#[test]
fn exports_that_make_no_tree_are_refused() {
    let world = TestWorld::new(1);
    let fs = memfs_of(&world, 1);
    let exports = |paths: &[&str]| {
        Exports::new(paths.iter().map(|path| Export::new(*path, fs.clone())).collect())
    };
    assert_eq!(exports(&[]).err(), Some(ExportError::Empty));
    // FNV-1a of 32 bits gives both of these paths one hash.
    let same = ["/e422789", "/e639192"];
    assert!(matches!(exports(&same), Err(ExportError::SameId(..))));
    for (paths, why) in [
        (&["/a", "/a"][..], "export path \"/a\" is given twice"),
        (&["a"], "export path \"a\" does not start with '/'"),
        (&["/a/"], "export path \"/a/\" has an empty part"),
        (&["/a/../b"], "export path \"/a/../b\" has '.' or '..' in it"),
        (&["/", "/a"], "export path \"/a\" lies below the export \"/\", whose files are there"),
        (
            &["/a/b", "/a"],
            "export path \"/a/b\" lies below the export \"/a\", whose files are there",
        ),
    ] {
        assert_eq!(exports(paths).err(), Some(ExportError::Path(why.to_owned())));
        assert_eq!(Exports::check(paths), Err(ExportError::Path(why.to_owned())));
    }
    let long = format!("/{}", "a/".repeat(512) + "a");
    assert!(matches!(exports(&[&long]), Err(ExportError::TooLong(_))));
    let many = vec!["/a"; 65_535];
    assert_eq!(Exports::check(&many), Err(ExportError::TooMany));
    assert_eq!(Exports::check(&["/"]), Ok(()));
    let names: Vec<_> = (0..5).map(|n| format!("/export-{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(exports(&names).expect("they make a tree").iter().count(), 5);
    assert_eq!(Arc::strong_count(&fs), 1, "refused exports are dropped");
}
