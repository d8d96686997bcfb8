//! What only a look inside can bring about.

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime};

use super::*;
use crate::Error;

struct StillWorld;

impl World for StillWorld {
    fn now(&self) -> Instant {
        Instant::default()
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn sleep(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) -> Result<(), Closed> {
        Err(Closed)
    }

    fn blocking(&self, _: Job) -> Result<(), Closed> {
        Err(Closed)
    }
}

const ROOT: Cred = Cred::ROOT;
const NOTHING: SetAttr =
    SetAttr { size: None, uid: None, gid: None, mode: None, atime: None, mtime: None };

fn memfs() -> MemFs {
    let options = MemFsOptions { limit_bytes: 1 << 20, limit_files: 10, fsid: Fsid::default() };
    MemFs::new(Arc::new(StillWorld), options)
}

fn make_dir(fs: &MemFs, dir: &Handle, name: &[u8]) -> crate::Result<Handle> {
    fs.create_node(&ROOT, dir, name, NewNode::Directory, &NOTHING).map(|made| made.0)
}

fn attr(fs: &MemFs, node: &Handle) -> crate::Result<Attr> {
    fs.shared.resolve(node).map(|inode| inode.attr())
}

#[test]
fn a_file_with_the_most_names_gets_no_other() {
    let fs = memfs();
    let how = CreateHow::Guarded(NOTHING);
    let made = fs.create_file(&ROOT, &fs.root(), b"file", &how, OpenMode::READ).unwrap();
    let inode = fs.shared.resolve(&made.node).unwrap();
    inode.meta().attr.nlink = LINK_MAX - 1;
    fs.add_link(&ROOT, &made.node, &fs.root(), b"last").unwrap();
    let free = fs.shared.account.space();
    let refused = fs.add_link(&ROOT, &made.node, &fs.root(), b"more");
    assert_eq!(refused, Err(Error::TooManyLinks));
    assert_eq!(fs.shared.account.space(), free);
    assert_eq!(fs.find(&ROOT, &fs.root(), b"more"), Err(Error::NotFound));
}

#[test]
fn a_directory_with_the_most_subdirectories_gets_no_other() {
    let fs = memfs();
    let full = make_dir(&fs, &fs.root(), b"full").unwrap();
    make_dir(&fs, &fs.root(), b"moved").unwrap();
    make_dir(&fs, &full, b"old").unwrap();
    let set_links = |count| fs.shared.resolve(&full).unwrap().meta().attr.nlink = count;
    set_links(LINK_MAX);
    let space = fs.shared.account.space();
    assert_eq!(make_dir(&fs, &full, b"new"), Err(Error::TooManyLinks));
    let root = fs.root();
    let refused = fs.move_name(&ROOT, (&root, b"moved"), (&full, b"new"));
    assert_eq!(refused, Err(Error::TooManyLinks));
    assert_eq!(fs.shared.account.space(), space);
    fs.move_name(&ROOT, (&root, b"moved"), (&full, b"old")).expect("one comes and one goes");
    assert_eq!(fs.shared.resolve(&full).unwrap().attr().nlink, LINK_MAX);
}

#[test]
fn a_listing_goes_on_from_an_old_cookie() {
    let fs = memfs();
    for name in [b"a", b"b", b"c"] {
        make_dir(&fs, &fs.root(), name).unwrap();
    }
    fs.remove_name(&ROOT, &fs.root(), b"b").unwrap();
    make_dir(&fs, &fs.root(), b"b").unwrap();
    let entries = fs.root.entries().unwrap();
    let listed: Vec<_> = entries.after(0).map(|(cookie, name, _)| (cookie, name)).collect();
    assert_eq!(listed, [(3, &b"a"[..]), (5, b"c"), (6, b"b")]);
    assert_eq!(entries.after(4).count(), 2);
    assert!(entries.gave(4) && !entries.gave(7) && !entries.gave(1));
}

#[test]
fn who_still_holds_a_removed_directory_cannot_use_it() {
    let fs = memfs();
    let root = fs.root();
    let removed = make_dir(&fs, &root, b"removed").unwrap();
    make_dir(&fs, &root, b"moved").unwrap();
    let held = fs.shared.resolve(&removed).unwrap();
    fs.remove_name(&ROOT, &root, b"removed").unwrap();
    assert_eq!(attr(&fs, &removed).map(|attr| attr.nlink), Ok(0));
    assert_eq!(make_dir(&fs, &removed, b"new"), Err(Error::Stale));
    assert_eq!(fs.find(&ROOT, &removed, b"new"), Err(Error::Stale));
    let how = CreateHow::Guarded(NOTHING);
    let refused = fs.create_file(&ROOT, &removed, b"new", &how, OpenMode::READ);
    assert_eq!(refused.err(), Some(Error::Stale));
    let refused = fs.move_name(&ROOT, (&root, b"moved"), (&removed, b"new"));
    assert_eq!(refused, Err(Error::Stale));
    drop(held);
    assert_eq!(attr(&fs, &removed), Err(Error::Stale));
}
