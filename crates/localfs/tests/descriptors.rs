//! More open files than the process may have descriptors: 256 for all of these tests, which run
//! one after the other.
mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{
    Bytes, TempDir, as_a_user, create, indexed, is_root, lookup, open, options, unprivileged, wait,
};
use holdfast_localfs::LocalFs;
use holdfast_vfs::{Cred, Error, File, FileSystem, Handle, OpenMode, SetAttr, Stability};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const ROOT: Cred = Cred::ROOT;
const LIMIT: usize = 256;
/// A quarter of the limit.
const PINS: usize = LIMIT / 4;
const FILES: usize = 2560;
const MANY: usize = 380;

fn few_descriptors() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT as u64), maximum }).unwrap();
    guard
}

fn name(number: usize) -> Vec<u8> {
    format!("file{number}").into_bytes()
}

/// Files with their names in them.
fn make(fs: &LocalFs, count: usize) {
    for number in 0..count {
        let made = create(fs, &ROOT, &name(number), 0o644).unwrap();
        let data = name(number);
        wait(fs.write(&ROOT, &made.file, 0, &data, Stability::Unstable)).unwrap();
    }
}

fn open_one(fs: &LocalFs, number: usize, mode: OpenMode) -> Result<(Handle, File), Error> {
    let node = lookup(fs, &name(number))?;
    Ok((node, wait(fs.open(&ROOT, &node, mode, false))?))
}

fn holds_its_name(fs: &LocalFs, file: &File, number: usize) {
    let mut sink = Bytes::default();
    let read = wait(fs.read(file, 0, 100, &mut sink));
    assert!(read.is_ok(), "{read:?} of {number}");
    assert_eq!(sink.data, name(number));
}

fn set_mode(fs: &LocalFs, node: &Handle, mode: u32) -> Result<(), Error> {
    wait(fs.setattr(&ROOT, node, None, &SetAttr { mode: Some(mode), ..SetAttr::default() }))
}

/// Again and again, as a client does that is told to wait.
fn insist<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    loop {
        match attempt() {
            Err(Error::Busy) => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

/// How often all of this went well; nothing may fail but for want of a pin.
fn well_or_busy(results: impl Iterator<Item = Result<(), Error>>) -> usize {
    results
        .map(|result| match result {
            Ok(()) => 1,
            Err(error) => {
                assert_eq!(error, Error::Busy);
                0
            }
        })
        .sum()
}

fn both(test: impl Fn(&Path, LocalFs)) {
    let _guard = few_descriptors();
    let state = TempDir::new(Path::new("/tmp"));
    for options in [options(), unprivileged(), indexed(state.path())] {
        let dir = TempDir::new(Path::new("/tmp"));
        test(dir.path(), open(dir.path(), options));
    }
}

#[test]
fn ten_times_as_many_files_are_open_as_there_are_descriptors() {
    both(|_, fs| {
        make(&fs, FILES);
        let open = |number| open_one(&fs, number, OpenMode::READ).unwrap().1;
        let files: Vec<_> = (0..FILES).map(open).collect();
        for step in [1, 7, 999] {
            let mut number = 0;
            for _ in 0..FILES {
                holds_its_name(&fs, &files[number], number);
                number = (number + step) % FILES;
            }
        }
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
        assert!(descriptors < LIMIT * 3 / 4, "{descriptors} are left for others");
    });
}

#[test]
fn many_threads_use_more_files_than_there_are_descriptors() {
    both(|_, fs| {
        make(&fs, MANY);
        let open = |number| open_one(&fs, number, OpenMode::READ).unwrap().1;
        let files: Vec<_> = (0..MANY).map(open).collect();
        std::thread::scope(|scope| {
            for step in [1, 3, 7, 11, 13, 17, 23, 29] {
                let (fs, files) = (&fs, &files);
                scope.spawn(move || {
                    for turn in 0..4 * MANY {
                        let number = turn * step % MANY;
                        let data = insist(|| {
                            let mut sink = Bytes::default();
                            wait(fs.read(&files[number], 0, 100, &mut sink)).map(|_| sink.data)
                        });
                        assert_eq!(data, name(number));
                    }
                });
            }
        });
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
        assert!(descriptors < LIMIT * 3 / 4, "{descriptors} are left for others");
    });
}

#[test]
fn an_open_file_outlives_its_name_as_far_as_there_are_pins() {
    both(|dir, fs| {
        make(&fs, FILES);
        let open = |number| open_one(&fs, number, OpenMode::READ).unwrap().1;
        let mut files: Vec<_> = (0..FILES).map(open).collect();
        let remove = |number| wait(fs.remove(&ROOT, &fs.root(), &name(number))).map(drop);
        let removed = well_or_busy((0..MANY).map(remove));
        assert!((PINS..PINS + 50).contains(&removed), "{removed} were removed");
        for (number, file) in files.iter().enumerate() {
            holds_its_name(&fs, file, number);
        }
        let left = (0..FILES).filter(|number| dir.join(format!("file{number}")).exists()).count();
        assert_eq!(left, FILES - removed, "what was told to wait is there");
        // A move over a name is a removal. This one was used long ago.
        let over = MANY + 20;
        let (from, to) = (name(FILES - 1), name(over));
        let moved = || wait(fs.rename(&ROOT, (&fs.root(), &from), (&fs.root(), &to)));
        assert_eq!(moved().map(drop), Err(Error::Busy));
        files.drain(..MANY);
        moved().unwrap();
        holds_its_name(&fs, &files[over - MANY], over);
        holds_its_name(&fs, &files[FILES - 1 - MANY], FILES - 1);
    });
}

#[test]
fn a_removal_that_is_refused_keeps_no_pin() {
    if !is_root() {
        return;
    }
    let _guard = few_descriptors();
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    make(&fs, FILES);
    let open = |number| open_one(&fs, number, OpenMode::READ).unwrap().1;
    let files: Vec<_> = (0..FILES).map(open).collect();
    for number in 0..MANY {
        let refused = wait(fs.remove(&common::USER, &fs.root(), &name(number)));
        assert_eq!(refused.map(drop), Err(Error::NotPermitted));
    }
    wait(fs.remove(&ROOT, &fs.root(), &name(0))).unwrap();
    holds_its_name(&fs, &files[0], 0);
}

#[test]
fn unstable_data_keeps_its_descriptor_until_it_is_stable() {
    both(|_, fs| {
        make(&fs, MANY);
        let write = |number| {
            let (node, file) = insist(|| open_one(&fs, number, OpenMode::BOTH));
            let data = name(number);
            let written = insist(|| wait(fs.write(&ROOT, &file, 0, &data, Stability::Unstable)));
            (node, file, written.verifier)
        };
        let files: Vec<_> = (0..MANY).map(write).collect();
        for (number, (node, file, verifier)) in files.iter().enumerate() {
            assert_eq!(insist(|| wait(fs.commit(node, 0, 0))), *verifier, "nothing was lost");
            insist(|| {
                let mut sink = Bytes::default();
                wait(fs.read(file, 0, 100, &mut sink)).map(drop)
            });
            holds_its_name(&fs, file, number);
        }
    });
}

#[test]
fn a_file_that_a_local_process_removed_is_stale_only_where_it_slept() {
    both(|dir, fs| {
        make(&fs, FILES);
        let open = |number| open_one(&fs, number, OpenMode::READ).unwrap().1;
        let files: Vec<_> = (0..FILES).map(open).collect();
        for number in 0..FILES {
            common::local(|| std::fs::remove_file(dir.join(format!("file{number}"))).unwrap());
        }
        let read = |file| wait(fs.read(file, 0, 100, &mut Bytes::default())).map(drop);
        let (mut well, mut stale) = (0, 0);
        for file in &files {
            // With an index a scan looks for it first.
            let read_when_known = || match read(file) {
                Err(Error::Busy) => Err(Error::Busy),
                known => Ok(known),
            };
            match insist(read_when_known) {
                Ok(()) => well += 1,
                Err(error) => {
                    assert_eq!(error, Error::Stale);
                    stale += 1;
                }
            }
        }
        assert!(well > 0 && stale > FILES / 2, "{well} and {stale}");
    });
}

#[test]
fn a_file_whose_rights_go_while_it_is_open_can_be_used_without_privilege() {
    let _guard = few_descriptors();
    if !as_a_user("a_file_whose_rights_go_while_it_is_open_can_be_used_without_privilege") {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), unprivileged());
    make(&fs, FILES);
    let open = |number| open_one(&fs, number, OpenMode::READ).unwrap();
    // A local process takes the rights of one that has its descriptor.
    let first = open(0);
    let forbid = |number| {
        let path = dir.path().join(format!("file{number}"));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
    };
    forbid(0);
    let mut files = vec![first];
    files.extend((1..FILES).map(open));
    holds_its_name(&fs, &files[0].1, 0);
    // A client takes those of many that have none.
    let forbid = |number: usize| set_mode(&fs, &files[number].0, 0);
    let forbidden = well_or_busy((1..MANY).map(forbid));
    assert!((PINS / 2 - 1..PINS + 50).contains(&forbidden), "{forbidden} were changed");
    for (number, (node, file)) in files.iter().enumerate() {
        holds_its_name(&fs, file, number);
        // Others are not let in.
        if wait(fs.getattr(&ROOT, node)).unwrap().mode == 0 {
            let refused = wait(fs.open(&ROOT, node, OpenMode::READ, false));
            assert_eq!(refused.map(drop), Err(Error::AccessDenied));
        }
    }
    drop(files);
    assert_eq!(
        well_or_busy((1..MANY).map(|number| { set_mode(&fs, &lookup(&fs, &name(number))?, 0) })),
        MANY - 1
    );
}
