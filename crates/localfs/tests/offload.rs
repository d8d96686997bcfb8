//! What may wait for the disk is not done on the event loop, which here is the test's thread: its
//! jobs are counted, and its clock is set by hand.
mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Bytes, Names, TempDir, Threads, create, local, lookup, options, unprivileged};
use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use holdfast_localfs::{Calls, Class, LocalFs, Options, Probes};
use holdfast_vfs::{Cred, FileSystem, OpenMode, Reply, Result, Stability, Want};

const ROOT: Cred = Cred::ROOT;
const DATA: usize = 1 << 20;

/// Keeps jobs until they are asked for; each look at the clock takes as long as is said.
#[derive(Default)]
struct Loop {
    jobs: Mutex<Vec<Job>>,
    now_ns: AtomicU64,
    look_ns: AtomicU64,
}

impl World for Loop {
    fn now(&self) -> Instant {
        let look = self.look_ns.load(Ordering::Relaxed);
        Instant::from_ns(self.now_ns.fetch_add(look, Ordering::Relaxed))
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
        self.jobs.lock().unwrap().push(job);
        Ok(())
    }
}

/// An answer, and how many jobs it took.
#[derive(Debug, PartialEq)]
struct Answer<T>(Result<T>, usize);

struct Rig {
    world: Arc<Loop>,
    fs: LocalFs,
    dir: TempDir,
}

impl Rig {
    fn new(below: &str, options: Options) -> Self {
        let (dir, world) = (TempDir::new(Path::new(below)), Arc::new(Loop::default()));
        let fs = LocalFs::open(dir.path(), world.clone(), options).unwrap();
        Self { world, fs, dir }
    }

    fn answer<T: Unpin>(&self, mut reply: Reply<'_, T>) -> Answer<T> {
        let mut jobs = 0;
        loop {
            match Pin::new(&mut reply).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => return Answer(result, jobs),
                Poll::Pending => {
                    let waiting = std::mem::take(&mut *self.world.jobs.lock().unwrap());
                    assert!(!waiting.is_empty(), "it waits for nothing");
                    jobs += waiting.into_iter().map(local).count();
                }
            }
        }
    }

    fn read(&self, file: &holdfast_vfs::File, len: usize) -> usize {
        let mut sink = Bytes::default();
        let Answer(end, jobs) = self.answer(self.fs.read(file, 0, len, &mut sink));
        assert_eq!(end.unwrap().count, len);
        assert!(sink.data.iter().all(|byte| *byte == 7));
        jobs
    }

    /// Has nothing of a file in memory.
    fn forget(&self, name: &str) {
        local(|| {
            let file = File::open(self.dir.path().join(name)).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        });
    }

    fn write_locally(&self, name: &str) {
        local(|| {
            let file = File::create(self.dir.path().join(name)).unwrap();
            file.write_all_at(&[7; DATA], 0).unwrap();
            std::os::unix::fs::fchown(&file, Some(0), Some(0)).ok();
        });
    }
}

/// Whether `/tmp` is a disk whose calls are known, and the kernel has all that is asked of it.
fn has_disk() -> bool {
    const EXT4: u32 = 0xef53;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version >= (6, 5) && rustix::fs::statfs("/tmp").unwrap().f_type as u32 == EXT4
}

/// On a disk, with both kinds of handles.
fn on_disk(probes: Probes, test: impl Fn(&Rig)) {
    if has_disk() {
        for options in [options(), unprivileged()] {
            test(&Rig::new("/tmp", Options { probes, ..options }));
        }
    }
}

#[test]
fn a_name_that_is_not_in_memory_is_looked_up_elsewhere() {
    on_disk(Probes::ALL, |rig| {
        let (fs, root) = (&rig.fs, rig.fs.root());
        let look = || rig.answer(fs.lookup(&ROOT, &root, b"none"));
        let none = holdfast_vfs::Error::NotFound;
        assert_eq!(look(), Answer(Err(none), 1));
        assert_eq!(look(), Answer(Err(none), 0), "that there is none is in memory now");
        assert_eq!(fs.calls(Class::Names), Calls { offloaded: 1, stalled: 0 });
    });
    on_disk(Probes::NONE, |rig| {
        let root = rig.fs.root();
        assert_eq!(rig.answer(rig.fs.lookup(&ROOT, &root, b"none")).1, 0);
    });
}

#[test]
fn a_handle_that_is_not_open_is_opened_elsewhere() {
    let one = |options| Options { fd_budget: Some(1), ..options };
    for options in [one(options()), one(unprivileged())].into_iter().filter(|_| has_disk()) {
        let rig = Rig::new("/tmp", options);
        rig.write_locally("first");
        rig.write_locally("second");
        let find = |name| rig.answer(rig.fs.lookup(&ROOT, &rig.fs.root(), name)).0.unwrap();
        let (first, second) = (find(b"first"), find(b"second"));
        assert_eq!(rig.answer(rig.fs.getattr(&ROOT, &second)).1, 0);
        assert_eq!(rig.answer(rig.fs.getattr(&ROOT, &first)).1, 1);
        let Answer(opened, jobs) = rig.answer(rig.fs.open(&ROOT, &second, OpenMode::READ, false));
        assert_eq!((opened.is_ok(), jobs), (true, 1));
    }
}

#[test]
fn data_that_is_not_in_memory_takes_a_job_and_what_is_there_none() {
    let half = [(true, false), (false, true)];
    let half = half.map(|(nowait, cachestat)| Probes { nowait, cachestat, ..Probes::ALL });
    for (probes, warm) in [(Probes::ALL, 0), (half[0], 0), (half[1], 0), (Probes::NONE, 1)] {
        on_disk(probes, |rig| {
            rig.write_locally("file");
            let Answer(node, _) = rig.answer(rig.fs.lookup(&ROOT, &rig.fs.root(), b"file"));
            let opened = rig.answer(rig.fs.open(&ROOT, &node.unwrap(), OpenMode::READ, false));
            let file = opened.0.unwrap();
            for len in [DATA, 64 << 10] {
                rig.forget("file");
                let cold = rig.read(&file, len);
                // A read that is tried begins to read ahead: a fast disk may be first.
                let is_tried = probes.nowait && (len < DATA || !probes.cachestat);
                assert!(cold == 1 || is_tried && cold == 0, "{len} bytes with {probes:?}");
                assert_eq!(rig.read(&file, len), warm, "{len} bytes with {probes:?}");
            }
        });
    }
}

#[test]
fn a_page_that_is_changed_in_part_is_read_elsewhere() {
    on_disk(Probes::ALL, |rig| {
        let (fs, root) = (&rig.fs, rig.fs.root());
        rig.write_locally("file");
        let node = rig.answer(fs.lookup(&ROOT, &root, b"file")).0.unwrap();
        let opened = rig.answer(fs.open(&ROOT, &node, OpenMode::BOTH, false));
        let file = opened.0.unwrap();
        rig.forget("file");
        let write = |offset, len| {
            let data = vec![7; len];
            rig.answer(fs.write(&ROOT, &file, offset, &data, Stability::Unstable)).1
        };
        assert_eq!(write(100, 50), 1);
        let offloaded = fs.calls(Class::Writes).offloaded;
        let (again, at_end) = (write(200, 50), write(DATA as u64, 50));
        // There is nothing to read any more; a machine with much to write back has no room.
        assert_eq!(fs.calls(Class::Writes).offloaded - offloaded, (again + at_end) as u64);
    });
}

#[test]
fn a_class_that_stalled_rests_for_a_second() {
    on_disk(Probes::ALL, |rig| {
        let root = rig.fs.root();
        let ask = || rig.answer(rig.fs.getattr(&ROOT, &root)).1;
        let look = |time: Duration| {
            rig.world.look_ns.store(time.as_nanos() as u64, Ordering::Relaxed);
        };
        look(Duration::from_millis(1));
        assert_eq!((ask(), ask()), (0, 0), "a millisecond is not too long");
        look(Duration::from_micros(1_001));
        assert_eq!((ask(), ask()), (0, 1));
        look(Duration::ZERO);
        assert_eq!(rig.fs.calls(Class::Attributes), Calls { offloaded: 1, stalled: 1 });
        assert_eq!(ask(), 1);
        let Answer(listed, _) = rig.answer(rig.fs.space(&ROOT, &root));
        assert!(listed.is_ok());
        assert_eq!(rig.fs.calls(Class::Texts), Calls::default(), "others go on");
        rig.world.now_ns.fetch_add(1_000_000_000, Ordering::Relaxed);
        assert_eq!(ask(), 0);
    });
}

#[test]
fn a_directory_is_first_listed_elsewhere() {
    on_disk(Probes::ALL, |rig| {
        let root = rig.fs.root();
        let list = || {
            let (mut names, want) = (Names::new(9), Want { attr: true, handle: true });
            rig.answer(rig.fs.readdir(&ROOT, &root, 0, 4096, want, &mut names)).1
        };
        assert_eq!((list(), list()), (1, 0));
    });
}

#[test]
fn in_memory_nothing_goes_elsewhere() {
    if !Path::new("/dev/shm").is_dir() {
        return;
    }
    let rig = Rig::new("/dev/shm", Options { fd_budget: Some(1), ..options() });
    rig.world.look_ns.store(1 << 40, Ordering::Relaxed);
    let made = create(&rig.fs, &ROOT, b"file", 0o644).unwrap();
    let data = vec![7; DATA];
    let written = rig.fs.write(&ROOT, &made.file, 0, &data, Stability::File);
    assert_eq!(rig.answer(written).1, 0);
    assert_eq!(rig.read(&made.file, DATA), 0);
    let node = lookup(&rig.fs, b"file").unwrap();
    let others = (0..9).map(|number| create(&rig.fs, &ROOT, &[b'a' + number], 0o644));
    assert!(others.collect::<Vec<_>>().iter().all(Result::is_ok));
    assert_eq!(rig.answer(rig.fs.getattr(&ROOT, &node)).1, 0);
    assert!(rig.world.jobs.lock().unwrap().is_empty());
}
