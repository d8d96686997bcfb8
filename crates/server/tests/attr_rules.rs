//! Which attributes there are, which can be set where, and what CREATE, OPEN and READDIR make of
//! them.

mod support;

use std::sync::Arc;

use holdfast_proto::nfs4::{
    AttrValue, Bitmap, CreateArgs, CreateHow, CreateType, Fattr, ModeUmask, Op, OpBody, Stateid,
    Status, VerifyArgs, attr,
};
use holdfast_server::{Export, Owners, Squash};
use holdfast_vfs::{
    Attr, Cred, DirEnd, DirEntry, DirSink, Error, File, FileSystem, Handle, OpenMode, ReadEnd,
    ReadSink, Reply, Want,
};
use support::client::Client;
use support::fixture::{Server, memfs};
use support::ops::{self, Attrs};
use support::world::TestWorld;

/// What a client may do with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Read,
    Set,
    Both,
    /// Of the RFC and not of this server.
    Nothing,
}

/// RFC 8881 §5.6.
const REQUIRED: [u32; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 19, 75];

/// RFC 8881 §5.6 and §5.7, RFC 7862 §12.1, RFC 8275 §4, RFC 8276 §8.2: by number.
fn table(number: u32) -> May {
    match number {
        4 | 33 | 36 | 37 => May::Both,
        48 | 54 | 81 => May::Set,
        0..=11 | 13 | 15..=23 | 26..=31 | 34 | 35 | 41..=45 | 47 | 50..=53 | 55 => May::Read,
        75..=77 | 79 | 82 => May::Read,
        _ => May::Nothing,
    }
}

fn client() -> (Server, Client) {
    let server = Server::new();
    let client = server.client("a");
    (server, client)
}

fn supported(client: &mut Client, number: u32) -> Bitmap {
    let reply = client.run(&[Op::PutRootFh, ops::getattr(&Bitmap::of(&[number]))]);
    match reply.attrs().iter().next() {
        Some(Ok((_, AttrValue::SupportedAttrs(set) | AttrValue::SuppAttrExclCreat(set)))) => set,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_attribute_can_be_read_and_set_as_the_tables_say() {
    let (_server, mut client) = client();
    let all = supported(&mut client, attr::SUPPORTED_ATTRS);
    assert!(Bitmap::of(&REQUIRED).is_subset(&all));
    for number in 0..100 {
        let one = Bitmap::of(&[number]);
        let may = table(number);
        assert_eq!(all.contains(number), may != May::Nothing, "{number}");
        let get = client.run(&[Op::PutRootFh, ops::getattr(&one)]);
        match may {
            May::Read | May::Both => assert_eq!(get.attrs().mask, one, "{number}"),
            May::Nothing => assert_eq!(get.attrs(), Fattr::EMPTY, "{number}"),
            May::Set => assert_eq!(get.status(), Status::INVAL, "{number}"),
        }
        // No value is ever empty, so one that may be set is found to be missing.
        let set = ops::setattr(Stateid::ANONYMOUS, Fattr { mask: one, values: &[] });
        let expected = match may {
            May::Both | May::Set if number != attr::MODE_UMASK => Status::BADXDR,
            May::Nothing => Status::ATTRNOTSUPP,
            May::Read | May::Both | May::Set => Status::INVAL,
        };
        assert_eq!(client.status(&[Op::PutRootFh, set]), expected, "{number}");
        let verify = Op::Verify(VerifyArgs { obj_attributes: Fattr { mask: one, values: &[] } });
        let expected = match may {
            May::Nothing => Status::ATTRNOTSUPP,
            May::Set => Status::INVAL,
            May::Read | May::Both if number == attr::RDATTR_ERROR => Status::INVAL,
            May::Read | May::Both => Status::BADXDR,
        };
        assert_eq!(client.status(&[Op::PutRootFh, verify]), expected, "{number}");
    }
}

#[test]
fn an_exclusive_create_takes_what_suppattr_exclcreat_says() {
    let server = Server::new();
    for minor in [1, 2] {
        let mut client = Client::new(&server.instance, &minor.to_string(), minor);
        let all = supported(&mut client, attr::SUPPORTED_ATTRS);
        let exclusive = supported(&mut client, attr::SUPPATTR_EXCLCREAT);
        assert!(exclusive.is_subset(&all));
        assert!(exclusive.contains(attr::MODE) && !exclusive.contains(attr::TIME_MODIFY_SET));
        assert_eq!(exclusive.contains(attr::MODE_UMASK), minor == 2);
    }
}

fn mode_of(client: &mut Client, path: &[&[u8]]) -> u32 {
    let fh = client.find(path);
    match client.attrs(&fh, &[attr::MODE]).attrs().iter().next() {
        Some(Ok((_, AttrValue::Mode(mode)))) => mode,
        other => panic!("{other:?}"),
    }
}

fn mkdir_with<'a>(name: &'a [u8], attrs: &'a Attrs) -> Op<'a> {
    let objtype = CreateType::Directory;
    Op::Create(CreateArgs { objtype, objname: name, createattrs: attrs.fattr() })
}

fn masked(mode: u32, umask: u32) -> AttrValue<'static> {
    AttrValue::ModeUmask(ModeUmask { mode, umask })
}

#[test]
fn a_umask_is_taken_from_the_mode_of_what_is_made() {
    let (_server, mut client) = client();
    let attrs = Attrs::new(&[masked(0o1777, 0o027)]);
    let reply = client.run(&[Op::PutRootFh, mkdir_with(b"dir", &attrs)]);
    let OpBody::Create(ok) = reply.last_ok() else { panic!("it is CREATE") };
    assert_eq!(ok.attrset, Bitmap::of(&[attr::MODE_UMASK]));
    assert_eq!(mode_of(&mut client, &[b"dir"]), 0o1750);
    for (name, how) in [
        (&b"unchecked"[..], CreateHow::Unchecked(attrs.fattr())),
        (b"guarded", CreateHow::Guarded(attrs.fattr())),
    ] {
        let reply = client.run(&[Op::PutRootFh, ops::create_how(name, b"o", 3, 0, how)]);
        assert_eq!(reply.open().attrset, Bitmap::of(&[attr::MODE_UMASK]));
        assert_eq!(mode_of(&mut client, &[name]), 0o1750);
    }
}

#[test]
fn a_umask_that_makes_no_sense_is_refused() {
    let (server, mut client) = client();
    for values in [
        vec![masked(0o777, 0o1000)],
        vec![masked(0o10_777, 0)],
        vec![AttrValue::Mode(0o777), masked(0o777, 0o22)],
    ] {
        let attrs = Attrs::new(&values);
        assert_eq!(client.status(&[Op::PutRootFh, mkdir_with(b"d", &attrs)]), Status::INVAL);
        let create = ops::create_how(b"f", b"o", 3, 0, CreateHow::Guarded(attrs.fattr()));
        assert_eq!(client.status(&[Op::PutRootFh, create]), Status::INVAL);
    }
    let attrs = Attrs::new(&[masked(0o777, 0o22)]);
    let set = ops::setattr(Stateid::ANONYMOUS, attrs.fattr());
    assert_eq!(client.status(&[Op::PutRootFh, set]), Status::INVAL);
    let mut old = Client::new(&server.instance, "b", 1);
    let make = [Op::PutRootFh, mkdir_with(b"d", &attrs)];
    assert_eq!(old.status(&make), Status::ATTRNOTSUPP);
}

#[test]
fn open_says_which_attributes_it_set() {
    let (_server, mut client) = client();
    let all = Attrs::new(&[AttrValue::Size(0), AttrValue::Mode(0o600)]);
    let mode = Attrs::new(&[AttrValue::Mode(0o640)]);
    let mut open = |attrs: &Attrs| {
        let how = CreateHow::Unchecked(attrs.fattr());
        let reply = client.run(&[Op::PutRootFh, ops::create_how(b"file", b"o", 3, 0, how)]);
        reply.open().attrset
    };
    assert_eq!(open(&all), Bitmap::of(&[attr::SIZE, attr::MODE]), "the file is new");
    assert_eq!(open(&mode), Bitmap::EMPTY, "the file exists");
    assert_eq!(open(&all), Bitmap::of(&[attr::SIZE]), "the file is emptied");
    assert_eq!(mode_of(&mut client, &[b"file"]), 0o600);
}

#[test]
fn a_number_with_zeros_before_it_is_no_owner() {
    let (_server, mut client) = client();
    for (who, status) in [
        (&b"0"[..], Status::OK),
        (b"10", Status::OK),
        (b"00", Status::BADOWNER),
        (b"010", Status::BADOWNER),
        (b"-1", Status::BADOWNER),
        (b"1 ", Status::BADOWNER),
        (b"root", Status::BADOWNER),
        (b"root@localdomain", Status::BADOWNER),
    ] {
        let attrs = Attrs::new(&[AttrValue::Owner(who)]);
        let set = ops::setattr(Stateid::ANONYMOUS, attrs.fattr());
        assert_eq!(client.status(&[Op::PutRootFh, set]), status);
    }
}

/// One user and one group.
struct Named;

impl Owners for Named {
    fn user(&self, who: &str) -> Option<u32> {
        (who == "ann@example.org").then_some(1000)
    }

    fn group(&self, who: &str) -> Option<u32> {
        (who == "staff@example.org").then_some(100)
    }
}

/// Runs an operation on the root that names an owner: the name is looked up where that may block.
fn by_name(server: &Server, client: &mut Client, op: Op<'_>) -> Status {
    let record = client.in_session(0, false, &[Op::PutRootFh, op]);
    client.peer.send(&record).expect("the connection lives");
    while client.peer.resume().expect("the connection lives") || server.world.run_job() {}
    support::client::Reply(client.peer.record().expect("it was answered")).status()
}

#[test]
fn an_owner_may_be_a_name_that_is_known() {
    let world = TestWorld::new(1);
    let export = Export::new("/", memfs(&world)).squash(Squash::None).owners(Arc::new(Named));
    let server = Server::exporting(world, vec![export]);
    let mut client = server.client("a");
    let both = [AttrValue::Owner(b"ann@example.org"), AttrValue::OwnerGroup(b"staff@example.org")];
    let both = Attrs::new(&both);
    let set = ops::setattr(Stateid::ANONYMOUS, both.fattr());
    assert_eq!(by_name(&server, &mut client, set), Status::OK);
    let objtype = CreateType::Directory;
    let make = CreateArgs { objtype, objname: b"dir", createattrs: both.fattr() };
    assert_eq!(by_name(&server, &mut client, Op::Create(make)), Status::OK);
    let how = CreateHow::Unchecked(both.fattr());
    let open = ops::create_how(b"file", b"o", 3, 0, how);
    assert_eq!(by_name(&server, &mut client, open), Status::OK);
    for path in [&[][..], &[b"dir".as_slice()], &[b"file"]] {
        let fh = client.find(path);
        let ask = ops::getattr(&Bitmap::of(&[attr::OWNER, attr::OWNER_GROUP]));
        let reply = client.run(&[ops::put(&fh), ask]);
        let told: Vec<_> =
            reply.attrs().iter().map(|value| format!("{:?}", value.unwrap().1)).collect();
        let numbers = [AttrValue::Owner(b"1000"), AttrValue::OwnerGroup(b"100")];
        assert_eq!(told, numbers.map(|value| format!("{value:?}")), "as numbers");
    }
    for unknown in [
        AttrValue::Owner(b"staff@example.org"),
        AttrValue::OwnerGroup(b"ann@example.org"),
        AttrValue::Owner(b"ann@example.com"),
        AttrValue::Owner(b"ann\xff@example.org"),
        AttrValue::Owner(b"ann"),
        AttrValue::Owner(b"@"),
    ] {
        let attrs = Attrs::new(&[unknown]);
        let set = ops::setattr(Stateid::ANONYMOUS, attrs.fattr());
        assert_eq!(by_name(&server, &mut client, set), Status::BADOWNER);
    }
}

#[test]
fn a_listing_of_nothing_needs_room_for_that() {
    let (_server, mut client) = client();
    assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(b"dir")]), Status::OK);
    let dir = client.find(&[b"dir"]);
    let mut list =
        |maxcount| client.status(&[ops::put(&dir), ops::readdir(0, 0, maxcount, Bitmap::EMPTY)]);
    assert_eq!(list(0), Status::TOOSMALL);
    assert_eq!(list(15), Status::TOOSMALL);
    assert_eq!(list(16), Status::OK);
}

#[test]
fn a_listing_is_not_asked_for_what_is_only_set() {
    let (server, mut client) = client();
    for number in [attr::TIME_ACCESS_SET, attr::TIME_MODIFY_SET, attr::MODE_UMASK] {
        let list = ops::readdir(0, 0, 4096, Bitmap::of(&[attr::TYPE, number]));
        assert_eq!(client.status(&[Op::PutRootFh, list]), Status::INVAL);
    }
    let mut old = Client::new(&server.instance, "b", 1);
    let list = ops::readdir(0, 0, 4096, Bitmap::of(&[attr::MODE_UMASK]));
    assert_eq!(old.status(&[Op::PutRootFh, list]), Status::OK, "not an attribute there");
}

#[test]
fn dircount_bounds_the_names_above_the_exports_too() {
    let world = TestWorld::new(1);
    let export = |path: &str| Export::new(path, memfs(&world)).squash(Squash::None);
    let exports = vec![export("/aaa"), export("/bbb"), export("/ccc")];
    let server = Server::exporting(world.clone(), exports);
    let mut client = server.client("a");
    for (dircount, count) in [(0, 3), (1, 1), (32, 2), (47, 2), (48, 3)] {
        let list = ops::readdir(0, dircount, 4096, Bitmap::EMPTY);
        let reply = client.run(&[Op::PutRootFh, list]);
        let OpBody::ReadDir(ok) = reply.last_ok() else { panic!("it is a listing") };
        assert_eq!((ok.iter().count(), ok.eof), (count, count == 3), "{dircount}");
    }
}

/// Memory of which the attributes of `bad` cannot be read, nor those of the root if told so.
struct Failing {
    inner: Arc<dyn FileSystem>,
    root_fails: bool,
}

struct Spoil<'a>(&'a mut dyn DirSink);

impl DirSink for Spoil<'_> {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        let attr = entry.attr.map(|attr| if entry.name == b"bad" { Err(Error::Io) } else { attr });
        self.0.entry(&DirEntry { attr, ..*entry })
    }
}

impl FileSystem for Failing {
    fn root(&self) -> Handle {
        self.inner.root()
    }

    fn getattr<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        if self.root_fails {
            return Reply::now(Err(Error::Io));
        }
        self.inner.getattr(cred, node)
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        self.inner.lookup(cred, dir, name)
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        self.inner.open(cred, node, mode, owner_override)
    }

    fn readdir<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        cookie: u64,
        room: usize,
        want: Want,
        sink: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd> {
        Reply::later(async move {
            let mut spoil = Spoil(sink);
            self.inner.readdir(cred, dir, cookie, room, want, &mut spoil).await
        })
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.inner.read(file, offset, len, sink)
    }
}

fn failing(path: &str, root_fails: bool) -> (Server, Client) {
    let world = TestWorld::new(1);
    let inner = memfs(&world);
    let writable = Export::new("/rw", inner.clone()).squash(Squash::None);
    let failing = Export::new(path, Arc::new(Failing { inner, root_fails })).squash(Squash::None);
    let server = Server::exporting(world, vec![writable, failing]);
    let client = server.client("a");
    (server, client)
}

#[test]
fn an_entry_without_attributes_says_why_or_ends_the_listing() {
    let (_server, mut client) = failing("/bad", false);
    let dir = client.find(&[b"rw"]);
    for name in [&b"good"[..], b"bad", b"other"] {
        assert_eq!(client.status(&[ops::put(&dir), ops::mkdir(name)]), Status::OK);
    }
    let dir = client.find(&[b"bad"]);
    let with_error = Bitmap::of(&[attr::TYPE, attr::RDATTR_ERROR]);
    let reply = client.run(&[ops::put(&dir), ops::readdir(0, 0, 4096, with_error)]);
    let OpBody::ReadDir(ok) = reply.last_ok() else { panic!("it is a listing") };
    let bad = ok.iter().find(|entry| entry.name == b"bad").expect("it is listed");
    assert_eq!(bad.attrs.mask, Bitmap::of(&[attr::RDATTR_ERROR]));
    let value = bad.attrs.iter().next().expect("there is one").expect("it decodes");
    assert_eq!(value.1, AttrValue::RdattrError(Status::IO));
    assert!(ok.eof && ok.iter().count() == 3);
    assert!(ok.iter().filter(|entry| entry.attrs.mask == with_error).count() == 2);

    let list = ops::readdir(0, 0, 4096, Bitmap::of(&[attr::TYPE]));
    assert_eq!(client.status(&[ops::put(&dir), list]), Status::IO);
    let list = ops::readdir(0, 0, 4096, Bitmap::EMPTY);
    assert_eq!(client.status(&[ops::put(&dir), list]), Status::OK, "nothing was asked for");
}

#[test]
fn an_export_without_attributes_says_why_or_ends_the_listing_above() {
    let (_server, mut client) = failing("/bad", true);
    let list = ops::readdir(0, 0, 4096, Bitmap::of(&[attr::TYPE, attr::RDATTR_ERROR]));
    let reply = client.run(&[Op::PutRootFh, list]);
    let OpBody::ReadDir(ok) = reply.last_ok() else { panic!("it is a listing") };
    let mask = |name: &[u8]| ok.iter().find(|entry| entry.name == name).map(|e| e.attrs.mask);
    assert_eq!(mask(b"bad"), Some(Bitmap::of(&[attr::RDATTR_ERROR])));
    assert_eq!(mask(b"rw"), Some(Bitmap::of(&[attr::TYPE, attr::RDATTR_ERROR])));
    let list = ops::readdir(0, 0, 4096, Bitmap::of(&[attr::TYPE]));
    assert_eq!(client.status(&[Op::PutRootFh, list]), Status::IO);
}
