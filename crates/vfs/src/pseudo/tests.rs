use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn now<T: Unpin>(reply: Reply<'_, T>) -> Result<T> {
    match pin!(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the pseudo tree answers at once"),
    }
}

fn tree(paths: &[&str]) -> PseudoFs {
    PseudoFs::new(paths, Fsid { major: 1, minor: 2 }).expect("the paths are good")
}

fn walk(fs: &PseudoFs, path: &[&str]) -> Result<Handle> {
    path.iter().try_fold(fs.root(), |at, name| now(fs.lookup(&Cred::ROOT, &at, name.as_bytes())))
}

#[derive(Default)]
struct Names {
    names: Vec<String>,
    cookies: Vec<u64>,
    room: usize,
}

impl DirSink for Names {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        self.names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        self.cookies.push(entry.cookie);
        true
    }
}

const NOTHING: Want = Want { attr: false, handle: false };

#[test]
fn every_export_has_its_junction() {
    let fs = tree(&["/home/b", "/data", "/home/a"]);
    for (index, path) in [&["home", "b"][..], &["data"], &["home", "a"]].into_iter().enumerate() {
        let node = walk(&fs, path).unwrap();
        assert_eq!(node, fs.mount_point(index));
        assert_eq!(fs.junction(&node), Some(index));
    }
    assert_eq!(fs.junction(&fs.root()), None);
    assert_eq!(fs.junction(&walk(&fs, &["home"]).unwrap()), None);
    assert_eq!(walk(&fs, &["home", "c"]), Err(Error::NotFound));
    let home = now(fs.lookup_parent(&Cred::ROOT, &fs.mount_point(2))).unwrap();
    assert_eq!(home, walk(&fs, &["home"]).unwrap());
    assert_eq!(now(fs.lookup_parent(&Cred::ROOT, &fs.root())), Err(Error::NotFound));
}

#[test]
fn one_export_may_be_the_root() {
    let fs = tree(&["/"]);
    assert_eq!(fs.junction(&fs.root()), Some(0));
    assert_eq!(fs.mount_point(0), fs.root());
    assert_eq!(tree(&[]).junction(&tree(&[]).root()), None);
}

#[test]
fn wrong_paths_are_refused() {
    let cases: [(&[&str], PathError); 12] = [
        (&["data"], PathError::Relative("data".into())),
        (&[""], PathError::Relative("".into())),
        (&["/data/"], PathError::EmptyPart("/data/".into())),
        (&["//data"], PathError::EmptyPart("//data".into())),
        (&["/a/./b"], PathError::Dots("/a/./b".into())),
        (&["/.."], PathError::Dots("/..".into())),
        (&["/a\0"], PathError::BadPart("/a\0".into())),
        (&["/a", "/b", "/a"], PathError::Twice("/a".into())),
        (&["/", "/"], PathError::Twice("/".into())),
        (&["/", "/a"], PathError::Below { path: "/a".into(), export: "/".into() }),
        (&["/a/b/c", "/a"], PathError::Below { path: "/a/b/c".into(), export: "/a".into() }),
        (&["/a", "/a-b", "/a/b"], PathError::Below { path: "/a/b".into(), export: "/a".into() }),
    ];
    for (paths, error) in cases {
        assert_eq!(PseudoFs::new(paths, Fsid::default()).err(), Some(error), "{paths:?}");
    }
    let long = format!("/{}", "x".repeat(256));
    assert_eq!(PseudoFs::new(&[&long], Fsid::default()).err(), Some(PathError::BadPart(long)));
}

#[test]
fn handles_outlive_a_restart_with_other_exports() {
    let (before, after) = (tree(&["/home/a", "/data"]), tree(&["/aaa", "/home/a"]));
    assert_eq!(before.root(), after.root());
    assert_eq!(before.mount_point(0), after.mount_point(1));
    let gone = before.mount_point(1);
    assert_eq!(now(after.getattr(&Cred::ROOT, &gone)), Err(Error::Stale));
    let foreign = Handle::new(b"short").unwrap();
    assert_eq!(now(after.getattr(&Cred::ROOT, &foreign)), Err(Error::BadHandle));
    let change = |fs: &PseudoFs| now(fs.getattr(&Cred::ROOT, &fs.root())).unwrap().change;
    assert_ne!(change(&before), change(&after));
    assert_eq!(change(&before), change(&tree(&["/data", "/home/a"])));
}

#[test]
fn the_handle_of_a_path_stays_as_it_is() {
    let data = tree(&["/data"]).mount_point(0);
    assert_eq!(format!("{data:?}"), HANDLE_OF_DATA);
}

const HANDLE_OF_DATA: &str = "e8f28868fed757ddc9fcdf1a52fba266";

#[test]
fn a_listing_goes_on_where_it_stopped() {
    let fs = tree(&["/c", "/a-b", "/a/x", "/b"]);
    let mut all = Names { room: 9, ..Names::default() };
    let end = now(fs.readdir(&Cred::ROOT, &fs.root(), 0, 0, NOTHING, &mut all)).unwrap();
    assert!(end.eof);
    assert_eq!(all.names, ["a", "a-b", "b", "c"]);
    assert!(all.cookies.iter().all(|cookie| *cookie > 2));
    for (at, cookie) in all.cookies.iter().enumerate() {
        let mut one = Names { room: 1, ..Names::default() };
        let end = now(fs.readdir(&Cred::ROOT, &fs.root(), *cookie, 0, NOTHING, &mut one)).unwrap();
        assert_eq!(one.names, all.names[at + 1..].iter().take(1).cloned().collect::<Vec<_>>());
        assert_eq!(end.eof, at >= 2);
    }
    for wrong in [1, 2, 7, u64::MAX] {
        let mut none = Names::default();
        let answer = now(fs.readdir(&Cred::ROOT, &fs.root(), wrong, 0, NOTHING, &mut none));
        assert_eq!(answer, Err(Error::BadCookie));
    }
}

#[test]
fn nodes_are_directories_that_nobody_changes() {
    let fs = tree(&["/home/a", "/home/b"]);
    let home = walk(&fs, &["home"]).unwrap();
    let attr = now(fs.getattr(&Cred::ROOT, &home)).unwrap();
    assert_eq!((attr.kind, attr.mode, attr.uid, attr.nlink), (FileKind::Directory, 0o555, 0, 4));
    assert_ne!(attr.fileid, now(fs.getattr(&Cred::ROOT, &fs.root())).unwrap().fileid);
    let granted = now(fs.access(&Cred::ROOT, &home, Access::ALL)).unwrap();
    assert_eq!(granted, Access::READ.union(Access::LOOKUP));
    let set = SetAttr { mode: Some(0o777), ..SetAttr::default() };
    assert_eq!(now(fs.setattr(&Cred::ROOT, &home, None, &set)), Err(Error::ReadOnly));
    assert_eq!(now(fs.remove(&Cred::ROOT, &home, b"a")), Err(Error::ReadOnly));
    assert_eq!(now(fs.remove(&Cred::ROOT, &home, b"..")), Err(Error::BadName));
    let rename = now(fs.rename(&Cred::ROOT, (&home, b"a"), (&home, b"c")));
    assert_eq!(rename, Err(Error::ReadOnly));
    let how = CreateHow::Guarded(SetAttr::default());
    let create = now(fs.create(&Cred::ROOT, &home, b"new", &how, OpenMode::BOTH));
    assert_eq!(create.err(), Some(Error::ReadOnly));
    let make = now(fs.make_node(&Cred::ROOT, &home, b"new", NewNode::Directory, &set));
    assert_eq!(make, Err(Error::ReadOnly));
    assert_eq!(
        now(fs.open(&Cred::ROOT, &home, OpenMode::READ, true)).err(),
        Some(Error::IsDirectory)
    );
}
