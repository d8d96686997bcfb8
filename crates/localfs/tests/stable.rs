//! Changes are answered when they are on stable storage, and not before.
mod common;

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use common::{TempDir, Threads, USER, both, create, local, open, options, unprivileged, wait};
use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use holdfast_localfs::{Durability, Flushed, LocalFs, Options};
use holdfast_vfs::{
    CreateHow, Cred, Error, FileSystem, NewNode, OpenMode, Reply, Result, SetAttr, SetTime,
    Stability, Time,
};

const ROOT: Cred = Cred::ROOT;
const NO_ATTRS: SetAttr =
    SetAttr { size: None, uid: None, gid: None, mode: None, atime: None, mtime: None };

/// Keeps jobs until the test runs them.
#[derive(Default)]
struct Held(Mutex<Vec<Job>>);

impl World for Held {
    fn now(&self) -> Instant {
        Threads.now()
    }

    fn wall(&self) -> WallTime {
        Threads.wall()
    }

    fn random(&self, bytes: &mut [u8]) {
        Threads.random(bytes);
    }

    fn sleep(&self, until: Instant) -> BoxFuture<'static, ()> {
        Threads.sleep(until)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> std::result::Result<(), Closed> {
        Threads.spawn(task)
    }

    fn blocking(&self, job: Job) -> std::result::Result<(), Closed> {
        self.0.lock().unwrap().push(job);
        Ok(())
    }
}

impl Held {
    /// Runs all jobs that wait; how many.
    fn run(&self) -> usize {
        let jobs = std::mem::take(&mut *self.0.lock().unwrap());
        jobs.into_iter().map(local).count()
    }
}

struct Rig {
    world: Arc<Held>,
    fs: LocalFs,
    _dir: TempDir,
}

impl Rig {
    /// A directory on a disk; none where `/tmp` is memory, which is never flushed.
    fn new(options: Options) -> Option<Self> {
        const TMPFS: u32 = 0x0102_1994;
        let dir = TempDir::new(Path::new("/tmp"));
        let is_memory = rustix::fs::statfs(dir.path()).unwrap().f_type as u32 == TMPFS;
        let world = Arc::new(Held::default());
        let options = Options { durability: Durability::Sync, ..options };
        let fs = LocalFs::open(dir.path(), world.clone(), options).unwrap();
        (!is_memory).then_some(Self { world, fs, _dir: dir })
    }

    /// The answer to a change, which waits for one flush.
    #[track_caller]
    fn settled<T: Unpin>(&self, mut reply: Reply<'_, T>) -> Result<T> {
        assert!(poll(&mut reply).is_none(), "it is answered before it is stable");
        assert_eq!(self.world.run(), 1, "one flush");
        poll(&mut reply).expect("it is answered when it is stable")
    }

    fn make(&self, name: &[u8], how: &CreateHow) -> Result<holdfast_vfs::Created> {
        let root = self.fs.root();
        self.settled(self.fs.create(&ROOT, &root, name, how, OpenMode::BOTH))
    }
}

fn poll<T: Unpin>(reply: &mut Reply<'_, T>) -> Option<Result<T>> {
    match Pin::new(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// The answer of what does not wait.
#[track_caller]
fn now<T: Unpin>(reply: Reply<'_, T>) -> Result<T> {
    let Reply::Now(Some(result)) = reply else { panic!("it waits") };
    result
}

/// With all kinds of handles.
fn each(test: impl Fn(&Rig)) {
    [options(), unprivileged()].into_iter().filter_map(Rig::new).for_each(|rig| test(&rig));
}

#[test]
fn every_change_of_names_waits_for_a_flush() {
    each(|rig| {
        let (fs, root) = (&rig.fs, rig.fs.root());
        rig.make(b"file", &CreateHow::Guarded(NO_ATTRS)).unwrap();
        for (name, kind) in [
            (&b"folder"[..], NewNode::Directory),
            (b"link", NewNode::Symlink(b"to")),
            (b"fifo", NewNode::Fifo),
        ] {
            rig.settled(fs.make_node(&ROOT, &root, name, kind, &NO_ATTRS)).unwrap();
        }
        let file = now(fs.lookup(&ROOT, &root, b"file")).unwrap();
        let folder = now(fs.lookup(&ROOT, &root, b"folder")).unwrap();
        rig.settled(fs.link(&ROOT, &file, &folder, b"other")).unwrap();
        rig.settled(fs.rename(&ROOT, (&root, b"file"), (&folder, b"moved"))).unwrap();
        for (dir, name) in [(folder, &b"other"[..]), (folder, b"moved"), (root, b"folder")] {
            rig.settled(fs.remove(&ROOT, &dir, name)).unwrap();
        }
        assert_eq!(fs.flushed(), Flushed { changes: 9, flushes: 9, failed: 0 });
    });
}

#[test]
fn every_change_of_attributes_waits_for_a_flush() {
    each(|rig| {
        let made = rig.make(b"file", &CreateHow::Guarded(NO_ATTRS)).unwrap();
        let root = rig.fs.root();
        rig.settled(rig.fs.make_node(&ROOT, &root, b"link", NewNode::Symlink(b"to"), &NO_ATTRS))
            .unwrap();
        let link = now(rig.fs.lookup(&ROOT, &root, b"link")).unwrap();
        let past = Some(SetTime::To(Time { sec: 1, nsec: 0 }));
        for (node, set) in [
            (&made.node, SetAttr { mode: Some(0o600), ..NO_ATTRS }),
            (&made.node, SetAttr { size: Some(9), ..NO_ATTRS }),
            (&made.node, SetAttr { mtime: past, ..NO_ATTRS }),
            (&root, SetAttr { mtime: past, ..NO_ATTRS }),
            // No descriptor that can be synced leads to it.
            (&link, SetAttr { mtime: past, ..NO_ATTRS }),
        ] {
            rig.settled(rig.fs.setattr(&ROOT, node, None, &set)).unwrap();
        }
        let size = SetAttr { size: Some(1), ..NO_ATTRS };
        rig.settled(rig.fs.setattr(&ROOT, &made.node, Some(&made.file), &size)).unwrap();
        now(rig.fs.setattr(&ROOT, &made.node, None, &NO_ATTRS)).unwrap();
    });
}

#[test]
fn an_open_waits_only_for_what_it_changed() {
    each(|rig| {
        let (fs, root) = (&rig.fs, rig.fs.root());
        let plain = CreateHow::Unchecked(NO_ATTRS);
        let empty = CreateHow::Unchecked(SetAttr { size: Some(0), ..NO_ATTRS });
        rig.make(b"file", &plain).unwrap();
        now(fs.create(&ROOT, &root, b"file", &plain, OpenMode::BOTH)).unwrap();
        assert!(!rig.make(b"file", &empty).unwrap().created);
        let guarded = CreateHow::Guarded(NO_ATTRS);
        let again = now(fs.create(&ROOT, &root, b"file", &guarded, OpenMode::BOTH));
        assert_eq!(again.err(), Some(Error::Exists));
    });
}

#[test]
fn an_exclusive_create_that_is_tried_again_waits_again() {
    each(|rig| {
        let how = |verifier| CreateHow::Exclusive { verifier, attrs: NO_ATTRS };
        let first = rig.make(b"file", &how([7; 8])).unwrap();
        // The server may have ended between the create and its flush.
        let second = rig.make(b"file", &how([7; 8])).unwrap();
        assert_eq!((first.node, first.created), (second.node, true));
        assert!(!second.created);
        let root = rig.fs.root();
        let other = now(rig.fs.create(&ROOT, &root, b"file", &how([8; 8]), OpenMode::BOTH));
        assert_eq!(other.err(), Some(Error::Exists));
    });
}

#[test]
fn what_can_be_asked_or_fails_does_not_wait() {
    each(|rig| {
        let (fs, root) = (&rig.fs, rig.fs.root());
        now(fs.getattr(&ROOT, &root)).unwrap();
        assert_eq!(now(fs.remove(&ROOT, &root, b"none")).err(), Some(Error::NotFound));
        // That there is no such name is in memory now.
        assert_eq!(now(fs.lookup(&ROOT, &root, b"none")).err(), Some(Error::NotFound));
        assert_eq!(fs.flushed(), Flushed::default());
    });
}

#[test]
fn clients_at_the_same_time_share_a_flush() {
    each(|rig| {
        let root = rig.fs.root();
        let names: Vec<String> = (0..300).map(|number| format!("n{number}")).collect();
        let attrs = SetAttr { mode: Some(0o644), ..NO_ATTRS };
        let make = |name: &str| {
            let mut reply =
                rig.fs.make_node(&ROOT, &root, name.as_bytes(), NewNode::Directory, &attrs);
            assert!(poll(&mut reply).is_none());
            // The name is taken from now on.
            assert!(now(rig.fs.lookup(&ROOT, &root, name.as_bytes())).is_ok());
            drop(reply);
        };
        names.iter().for_each(|name| make(name));
        assert_eq!(rig.world.run(), 1);
        assert_eq!(rig.fs.flushed(), Flushed { changes: 300, flushes: 1, failed: 0 });
    });
}

#[test]
fn an_object_that_is_gone_by_then_does_no_harm() {
    each(|rig| {
        let root = rig.fs.root();
        let how = CreateHow::Guarded(NO_ATTRS);
        let mut made = rig.fs.create(&USER, &root, b"file", &how, OpenMode::BOTH);
        assert!(poll(&mut made).is_none());
        let mut gone = rig.fs.remove(&ROOT, &root, b"file");
        assert!(poll(&mut gone).is_none());
        assert_eq!(rig.world.run(), 1);
        assert!(poll(&mut made).unwrap().is_ok());
        assert!(poll(&mut gone).unwrap().is_ok());
    });
}

#[test]
fn with_async_nothing_waits_but_data() {
    let dir = TempDir::new(Path::new("/tmp"));
    let world = Arc::new(Held::default());
    let options = Options { durability: Durability::Async, ..options() };
    let fs = LocalFs::open(dir.path(), world.clone(), options).unwrap();
    let how = CreateHow::Guarded(NO_ATTRS);
    let Ok(made) = wait(fs.create(&ROOT, &fs.root(), b"file", &how, OpenMode::BOTH)) else {
        panic!("it is made");
    };
    now(fs.remove(&ROOT, &fs.root(), b"file")).unwrap();
    let mut write = fs.write(&ROOT, &made.file, 0, b"x", Stability::File);
    // Memory is as stable as it gets.
    if poll(&mut write).is_none() {
        assert_eq!(world.run(), 1);
        assert!(poll(&mut write).unwrap().is_ok());
    }
    assert_eq!(fs.flushed(), Flushed::default());
}

#[test]
fn memory_is_not_flushed() {
    let shm = Path::new("/dev/shm");
    if !shm.is_dir() {
        return;
    }
    let dir = TempDir::new(shm);
    let options = Options { durability: Durability::Sync, ..options() };
    let fs = open(dir.path(), options);
    let how = CreateHow::Guarded(NO_ATTRS);
    now(fs.create(&ROOT, &fs.root(), b"file", &how, OpenMode::BOTH)).unwrap();
    assert_eq!(fs.flushed(), Flushed::default());
}

#[test]
fn a_file_system_that_may_block_is_flushed_as_well() {
    both(|dir, _| {
        let durability = Durability::Sync;
        let fs = open(dir.path(), Options { always_offload: true, durability, ..options() });
        let before = fs.flushed();
        create(&fs, &ROOT, b"file", 0o644).unwrap();
        wait(fs.remove(&ROOT, &fs.root(), b"file")).unwrap();
        let Flushed { changes, flushes, failed } = fs.flushed();
        assert!(before == Flushed::default() && changes == flushes && failed == 0);
    });
}
