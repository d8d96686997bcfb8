//! What is taken back when an object cannot be finished.

use std::os::fd::AsFd;
use std::path::PathBuf;

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use holdfast_vfs::Groups;

use super::*;
use crate::options::Options;

/// A world of nothing but chance, and not much of that.
struct Chance;

impl World for Chance {
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
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) -> std::result::Result<(), Closed> {
        Err(Closed)
    }

    fn blocking(&self, _: Job) -> std::result::Result<(), Closed> {
        Err(Closed)
    }
}

/// A directory of this test, and what serves it.
struct Place {
    path: PathBuf,
    core: Core,
}

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let (core, _) = crate::start::open(&path, &Chance, &Options::new([7; 16])).unwrap();
        Self { path, core }
    }

    fn root(&self) -> &Handle {
        self.core.root.handle()
    }

    fn mkdir(&self, cred: &Cred, name: &[u8], attrs: &SetAttr) -> Result<Arc<Node>> {
        let name = Name::new(name)?;
        let made = self.core.make_node(cred, self.root(), &name, &Making::Directory, attrs);
        self.core.node(&made?.value.0)
    }

    fn undo(&self, cred: &Cred, name: &[u8], made: &Node) {
        let name = Name::new(name).unwrap();
        self.core.undo(cred, (&self.core.root, &name), made.fd().as_fd(), AtFlags::REMOVEDIR);
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.core.identity.server();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[test]
fn an_object_that_cannot_be_finished_leaves_no_name() {
    let place = Place::new("holdfast-unfinished");
    let size = SetAttr { size: Some(1), ..SetAttr::default() };
    assert_eq!(place.mkdir(&Cred::ROOT, b"dir", &size).err(), Some(Error::Invalid));
    assert!(place.names().is_empty());
}

#[test]
fn a_name_that_another_object_took_is_not_taken_back() {
    let place = Place::new("holdfast-taken");
    let ours = place.mkdir(&Cred::ROOT, b"ours", &SetAttr::default()).unwrap();
    place.mkdir(&Cred::ROOT, b"theirs", &SetAttr::default()).unwrap();
    place.undo(&Cred::ROOT, b"theirs", &ours);
    assert_eq!(place.names().len(), 2);
    place.undo(&Cred::ROOT, b"ours", &ours);
    assert_eq!(place.names(), ["theirs"]);
}

#[test]
fn nothing_is_taken_back_that_the_caller_may_not_remove() {
    let place = Place::new("holdfast-denied");
    if !place.core.identity.switches() {
        return;
    }
    let ours = place.mkdir(&Cred::ROOT, b"ours", &SetAttr::default()).unwrap();
    let caller = Cred { uid: 1000, gid: 1000, groups: Groups::NONE };
    place.undo(&caller, b"ours", &ours);
    place.core.identity.server().unwrap();
    assert_eq!(place.names(), ["ours"]);
}
