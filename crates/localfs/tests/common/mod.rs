//! A world of threads, directories of their own, and futures driven to their end.
// Not every test needs all of it.
#![allow(dead_code)]

use std::future::Future;
pub(crate) mod image;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use holdfast_localfs::{Durability, IndexOptions, LocalFs, Options};
use holdfast_vfs::{
    CreateHow, Created, Cred, DirEntry, DirSink, Error, FileSystem, Groups, Handle, OpenMode,
    ReadSink, SetAttr, Want,
};

/// Threads for jobs, and a counter in place of chance.
pub(crate) struct Threads;

static CHANCE: AtomicU64 = AtomicU64::new(1);

impl World for Threads {
    fn now(&self) -> Instant {
        Instant::default()
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = mix(CHANCE.fetch_add(1, Ordering::Relaxed)) as u8;
        }
    }

    fn sleep(&self, _: Instant) -> BoxFuture<'static, ()> {
        // What waits for a time waits for ever.
        Box::pin(std::future::pending())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        std::thread::spawn(move || wait(task));
        Ok(())
    }

    fn blocking(&self, job: Job) -> Result<(), Closed> {
        std::thread::spawn(job);
        Ok(())
    }
}

/// SplitMix64.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

/// A directory that is there as long as this value.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(below: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = below.join(format!("holdfast-localfs-{}-{number}", std::process::id()));
        local(|| {
            std::fs::create_dir(&path).unwrap();
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
            std::fs::set_permissions(&path, all).unwrap();
        });
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        local(|| drop(std::fs::remove_dir_all(&self.0)));
    }
}

/// Runs `work` as a local process would: this thread acts as whoever asked last.
pub(crate) fn local<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                // It starts with what this thread was left with.
                rustix::thread::set_thread_uid(rustix::process::geteuid()).unwrap();
                let mut sets = rustix::thread::capabilities(None).unwrap();
                sets.effective = sets.permitted;
                rustix::thread::set_capabilities(None, sets).unwrap();
                work()
            })
            .join()
            .unwrap()
    })
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this process has no privilege. If it has, the test of this name runs in another process
/// that has none.
pub(crate) fn as_a_user(test: &str) -> bool {
    if !is_root() {
        return true;
    }
    let text = local(|| {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args([test, "--exact", "--nocapture"]).uid(USER.uid).gid(USER.gid);
        String::from_utf8(again.output().unwrap().stdout).unwrap()
    });
    assert!(text.contains("test result: ok. 1 passed"), "{text}");
    false
}

/// Without waiting for the disk, which `stable.rs` tests.
pub(crate) fn options() -> Options {
    Options { durability: Durability::Async, ..Options::new([7; 16]) }
}

/// The process-handle mode, as one user.
pub(crate) fn unprivileged() -> Options {
    Options { force_unprivileged: true, ..options() }
}

/// The mode of durable handles, as one user, with its index in that directory.
pub(crate) fn indexed(state: &Path) -> Options {
    let mut index = IndexOptions::new(state.join("index"));
    index.scan_pause = std::time::Duration::ZERO;
    Options { index: Some(index), ..unprivileged() }
}

pub(crate) fn open(path: &Path, options: Options) -> LocalFs {
    LocalFs::open(path, Arc::new(Threads), options).unwrap()
}

/// Both kinds of handles over a directory each.
pub(crate) fn both(test: impl Fn(&TempDir, LocalFs)) {
    for options in [options(), unprivileged()] {
        let dir = TempDir::new(Path::new("/tmp"));
        let fs = open(dir.path(), options);
        test(&dir, fs);
    }
}

pub(crate) const USER: Cred = Cred { uid: 1000, gid: 1000, groups: Groups::NONE };

pub(crate) fn create(fs: &LocalFs, cred: &Cred, name: &[u8], mode: u32) -> Result<Created, Error> {
    let how = CreateHow::Guarded(SetAttr { mode: Some(mode), ..SetAttr::default() });
    wait(fs.create(cred, &fs.root(), name, &how, OpenMode::BOTH))
}

pub(crate) fn lookup(fs: &LocalFs, name: &[u8]) -> Result<Handle, Error> {
    wait(fs.lookup(&Cred::ROOT, &fs.root(), name))
}

#[derive(Default)]
pub(crate) struct Bytes {
    pub(crate) data: Vec<u8>,
    kept: usize,
}

impl ReadSink for Bytes {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.data.resize(self.kept + len, 0);
        &mut self.data[self.kept..]
    }

    fn filled(&mut self, len: usize) {
        self.kept += len;
        self.data.truncate(self.kept);
    }
}

/// Takes up to `room` entries.
pub(crate) struct Names {
    pub(crate) room: usize,
    pub(crate) names: Vec<Vec<u8>>,
    pub(crate) handles: Vec<Option<Handle>>,
    pub(crate) cookie: u64,
}

impl Names {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, names: Vec::new(), handles: Vec::new(), cookie: 0 }
    }
}

impl DirSink for Names {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        assert!(entry.cookie > 2);
        self.names.push(entry.name.to_vec());
        self.handles.push(entry.handle);
        self.cookie = entry.cookie;
        true
    }
}

/// All names of a directory, `step` at a time.
pub(crate) fn list(fs: &LocalFs, dir: &Handle, step: usize, want: Want) -> Names {
    let mut all = Names::new(0);
    loop {
        let mut part = Names::new(step);
        let end = wait(fs.readdir(&Cred::ROOT, dir, all.cookie, 4096, want, &mut part)).unwrap();
        all.names.append(&mut part.names);
        all.handles.append(&mut part.handles);
        if end.eof {
            return all;
        }
        all.cookie = part.cookie;
    }
}
