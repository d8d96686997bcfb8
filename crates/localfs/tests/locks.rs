//! Locks towards local processes: what is locked through one [`LocalFs`] keeps others out, who are
//! here another one on the same directory, and this process with locks of its own.
mod common;

use std::fs::File as LocalFile;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::{TempDir, USER, create, is_root, local, lookup, open, options, unprivileged, wait};
use holdfast_localfs::{LocalFs, Options};
use holdfast_vfs::{
    Cred, Error, File, FileSystem, LocalLock, LockKind, LockRange, LockStep, OpenMode,
};

const MAX: u64 = u64::MAX;
const READ: Option<LockKind> = Some(LockKind::Read);
const WRITE: Option<LockKind> = Some(LockKind::Write);

fn step(first: u64, last: u64, kind: Option<LockKind>) -> LockStep {
    LockStep { range: LockRange { first, last }, kind }
}

fn held(first: u64, last: u64, kind: LockKind) -> LocalLock {
    LocalLock { range: LockRange { first, last }, kind }
}

/// One who locks: a file system, and its locks on the file `file`.
struct Locker {
    fs: LocalFs,
    locks: File,
}

impl Locker {
    fn new(dir: &TempDir, options: Options) -> Self {
        let fs = open(dir.path(), options);
        let node = lookup(&fs, b"file").unwrap();
        let locks = wait(fs.open_locks(&node, None)).unwrap();
        Self { fs, locks }
    }

    fn lock(&self, first: u64, last: u64, kind: Option<LockKind>) -> Result<(), LocalLock> {
        wait(self.fs.lock_ranges(&self.locks, &[step(first, last, kind)])).unwrap()
    }

    fn test(&self, first: u64, last: u64, kind: Option<LockKind>) -> Result<(), LocalLock> {
        wait(self.fs.test_range(&self.locks, step(first, last, kind))).unwrap()
    }
}

/// All that is locked of the file by descriptions, as the kernel lists it: the first byte, the
/// length, which is 0 to the end, and how.
fn seen(dir: &Path) -> Vec<(u64, u64, LockKind)> {
    // A list that changes while it is read, by whoever locks on this machine, may have a lock
    // several times or not at all.
    let mut last = listed(dir);
    for _ in 0..1000 {
        let next = listed(dir);
        if last == next {
            return next;
        }
        last = next;
    }
    panic!("the list of locks never was the same twice: {last:?}");
}

fn listed(dir: &Path) -> Vec<(u64, u64, LockKind)> {
    let inode = local(|| std::fs::metadata(dir.join("file")).unwrap().ino());
    let (file, listed) = (format!(":{inode}"), std::fs::read_to_string("/proc/locks").unwrap());
    let lock = |line: &str| {
        let [_, "OFDLCK", "ADVISORY", kind, _, object, first, last] =
            *line.split_whitespace().collect::<Vec<_>>()
        else {
            return None;
        };
        let first: u64 = first.parse().unwrap();
        let length = last.parse::<u64>().map_or(0, |last| last - first + 1);
        let kind = if kind == "READ" { LockKind::Read } else { LockKind::Write };
        object.ends_with(&file).then_some((first, length, kind))
    };
    let mut seen: Vec<_> = listed.lines().filter_map(lock).collect();
    seen.sort_by_key(|(first, ..)| *first);
    seen
}

/// A file, one who locks and another, in every way to reach the file.
fn each(test: impl Fn(&TempDir, &Locker, &Locker)) {
    let slow = Options { always_offload: true, ..options() };
    for options in [options(), unprivileged(), slow] {
        let dir = TempDir::new(Path::new("/tmp"));
        local(|| drop(LocalFile::create(dir.path().join("file")).unwrap()));
        let one = Locker::new(&dir, options.clone());
        test(&dir, &one, &Locker::new(&dir, options));
    }
}

#[test]
fn a_lock_keeps_local_processes_out_and_they_it() {
    each(|_, one, other| {
        assert_eq!(one.lock(10, 19, WRITE), Ok(()));
        assert_eq!(other.lock(0, 9, WRITE), Ok(()));
        assert_eq!(other.lock(19, 30, READ), Err(held(10, 19, LockKind::Write)));
        assert_eq!(one.lock(0, 40, READ), Err(held(0, 9, LockKind::Write)));
        assert_eq!(one.test(9, 9, READ), Err(held(0, 9, LockKind::Write)));
        assert_eq!(one.test(10, MAX, WRITE), Ok(()), "its own is not in its way");
        assert_eq!(other.lock(20, MAX, READ), Ok(()));
        assert_eq!(one.lock(30, 39, READ), Ok(()), "two may read");
        assert_eq!(one.lock(30, 39, WRITE), Err(held(20, MAX, LockKind::Read)));
        assert_eq!(other.lock(0, MAX, None), Ok(()));
        assert_eq!(one.lock(30, 39, WRITE), Ok(()));
    });
}

#[test]
fn ranges_split_merge_and_change_their_kind() {
    each(|dir, one, _| {
        one.lock(0, 99, WRITE).unwrap();
        assert_eq!(seen(dir.path()), [(0, 100, LockKind::Write)]);
        one.lock(40, 59, None).unwrap();
        assert_eq!(seen(dir.path()), [(0, 40, LockKind::Write), (60, 40, LockKind::Write)]);
        one.lock(40, 59, READ).unwrap();
        let (low, high) = ((0, 40, LockKind::Write), (60, 40, LockKind::Write));
        assert_eq!(seen(dir.path()), [low, (40, 20, LockKind::Read), high]);
        one.lock(40, 59, WRITE).unwrap();
        assert_eq!(seen(dir.path()), [(0, 100, LockKind::Write)], "they are one again");
        one.lock(90, MAX, READ).unwrap();
        assert_eq!(seen(dir.path()), [(0, 90, LockKind::Write), (90, 0, LockKind::Read)]);
        let steps = [step(0, 49, None), step(50, 69, READ), step(70, MAX, WRITE)];
        wait(one.fs.lock_ranges(&one.locks, &steps)).unwrap().unwrap();
        assert_eq!(seen(dir.path()), [(50, 20, LockKind::Read), (70, 0, LockKind::Write)]);
        let many: Vec<_> = (0..100).map(|at| step(2 * at, 2 * at, READ)).collect();
        one.lock(0, MAX, None).unwrap();
        wait(one.fs.lock_ranges(&one.locks, &many)).unwrap().unwrap();
        assert_eq!(seen(dir.path()).len(), 100);
    });
}

#[test]
fn the_kernel_has_bytes_up_to_2_to_the_63_less_1() {
    const LAST: u64 = i64::MAX as u64;
    each(|dir, one, other| {
        for (first, last, start, length) in [
            (0, MAX, 0, 0),
            (0, LAST, 0, 0),
            (0, LAST - 1, 0, LAST),
            (LAST - 1, LAST - 1, LAST - 1, 1),
            (LAST, LAST, LAST, 0),
            (LAST, MAX, LAST, 0),
            (5, LAST + 1, 5, 0),
        ] {
            assert_eq!(one.lock(first, last, WRITE), Ok(()), "{first} to {last}");
            assert_eq!(seen(dir.path()), [(start, length, LockKind::Write)], "{first} to {last}");
            let told = if length == 0 { MAX } else { last };
            assert_eq!(other.test(0, MAX, READ), Err(held(start, told, LockKind::Write)));
            assert_eq!(one.lock(first, last, None), Ok(()));
            assert_eq!(seen(dir.path()), []);
        }
        assert_eq!(one.lock(LAST + 1, MAX, WRITE), Ok(()));
        assert_eq!(seen(dir.path()), [], "nobody else can lock there");
        assert_eq!(other.test(LAST + 1, MAX, WRITE), Ok(()));
        one.lock(0, MAX, WRITE).unwrap();
        one.lock(LAST + 1, MAX, None).unwrap();
        assert_eq!(seen(dir.path()), [(0, 0, LockKind::Write)], "what is beyond changes nothing");
    });
}

#[test]
fn what_was_locked_before_the_one_that_is_refused_is_locked() {
    each(|dir, one, other| {
        other.lock(20, 29, READ).unwrap();
        let steps = [step(0, 9, WRITE), step(10, 24, WRITE), step(40, 49, WRITE)];
        let refused = wait(one.fs.lock_ranges(&one.locks, &steps)).unwrap();
        assert_eq!(refused, Err(held(20, 29, LockKind::Read)));
        let low = (0, 10, LockKind::Write);
        assert_eq!(seen(dir.path()), [low, (20, 10, LockKind::Read)]);
    });
}

#[test]
fn locks_end_with_what_holds_them_and_not_with_other_descriptors() {
    each(|dir, one, other| {
        one.lock(0, 9, WRITE).unwrap();
        let node = lookup(&one.fs, b"file").unwrap();
        drop(wait(one.fs.open_locks(&node, None)).unwrap());
        drop(wait(one.fs.open(&Cred::ROOT, &node, OpenMode::BOTH, true)).unwrap());
        assert_eq!(other.test(0, 0, READ), Err(held(0, 9, LockKind::Write)));
        let second = wait(one.fs.open_locks(&node, None)).unwrap();
        let locked = wait(one.fs.lock_ranges(&second, &[step(5, 5, READ)])).unwrap();
        assert_eq!(locked, Err(held(0, 9, LockKind::Write)), "each is a holder of its own");
        wait(one.fs.lock_ranges(&second, &[step(10, 19, WRITE)])).unwrap().unwrap();
        assert_eq!(seen(dir.path()), [(0, 10, LockKind::Write), (10, 10, LockKind::Write)]);
        drop(second);
        assert_eq!(seen(dir.path()), [(0, 10, LockKind::Write)]);
    });
}

/// Runs `work` as an ordinary user, who is refused what a mode forbids.
fn as_user(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if is_root() {
                rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(1000)).unwrap();
            }
            work();
        });
        thread.join().unwrap();
    });
}

#[test]
fn a_file_that_the_server_may_not_open_is_locked_as_it_is_open() {
    let dir = TempDir::new(Path::new("/tmp"));
    as_user(|| {
        let (fs, other) = (open(dir.path(), unprivileged()), open(dir.path(), unprivileged()));
        let made = create(&fs, &USER, b"file", 0).unwrap();
        let none = wait(fs.open_locks(&made.node, None)).map(drop);
        assert_eq!(none, Err(Error::AccessDenied));
        let locks = wait(fs.open_locks(&made.node, Some(&made.file))).unwrap();
        wait(fs.lock_ranges(&locks, &[step(0, 9, WRITE)])).unwrap().unwrap();
        assert_eq!(seen(dir.path()), [(0, 10, LockKind::Write)]);
        drop(locks);
        assert_eq!(seen(dir.path()), [], "the open file is open still");
        let locks = wait(fs.open_locks(&made.node, Some(&made.file))).unwrap();
        wait(fs.lock_ranges(&locks, &[step(0, 9, WRITE)])).unwrap().unwrap();
        drop(made);
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(dir.path().join("file"), all).unwrap();
        let node = lookup(&other, b"file").unwrap();
        let others = wait(other.open_locks(&node, None)).unwrap();
        let test = || wait(other.test_range(&others, step(0, 99, READ))).unwrap();
        assert_eq!(test(), Err(held(0, 9, LockKind::Write)), "the open file is closed");
        drop(locks);
        assert_eq!(test(), Ok(()));
    });
}

#[test]
fn a_read_only_export_locks_for_reading() {
    let dir = TempDir::new(Path::new("/tmp"));
    local(|| drop(LocalFile::create(dir.path().join("file")).unwrap()));
    let one = Locker::new(&dir, Options { read_only: true, ..options() });
    assert_eq!(one.lock(0, 9, READ), Ok(()));
    assert_eq!(seen(dir.path()), [(0, 10, LockKind::Read)]);
    let write = wait(one.fs.lock_ranges(&one.locks, &[step(0, 9, WRITE)]));
    assert_eq!(write, Err(Error::AccessDenied));
    assert_eq!(one.test(0, 9, WRITE), Ok(()), "to ask for one needs no right");
}

#[test]
fn what_is_no_regular_file_has_no_locks() {
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    assert_eq!(wait(fs.open_locks(&fs.root(), None)).map(drop), Err(Error::IsDirectory));
    assert!(fs.properties().local_locks && fs.locks_locally());
}

#[test]
fn who_does_not_want_locks_is_not_asked_for_any() {
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), Options { local_locks: false, ..options() });
    let made = create(&fs, &Cred::ROOT, b"file", 0o644).unwrap();
    let opened = wait(fs.open_locks(&made.node, Some(&made.file))).map(drop);
    assert_eq!(opened, Err(Error::NotSupported));
    assert!(!fs.properties().local_locks && !fs.locks_locally());
}

#[test]
fn files_beyond_the_budget_are_not_locked_and_nothing_else_fails() {
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    let made = create(&fs, &Cred::ROOT, b"file", 0o644).unwrap();
    let pin = || wait(fs.open_locks(&made.node, Some(&made.file)));
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    // A process that may have any number is not filled up.
    let Some(limit) = limit.filter(|limit| *limit <= 8192) else { return };
    let mut all: Vec<_> = (0..limit / 4).map(|_| pin().unwrap()).collect();
    assert_eq!(pin().map(drop), Err(Error::Busy));
    create(&fs, &Cred::ROOT, b"another", 0o644).unwrap();
    all.pop();
    assert!(pin().is_ok());
}
