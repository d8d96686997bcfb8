//! Whose rights the kernel sees: no reserve for clients, no set-id bit that outlives a change, no
//! umask, and nothing that a server without privilege would need.
mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::image::{mount_image, own_mounts, run};
use common::{
    TempDir, USER, as_a_user, create, is_root, lookup, open, options, unprivileged, wait,
};
use holdfast_localfs::{LocalFs, Mode, Options};
use holdfast_vfs::conformance::{CASES, Features, Subject};
use holdfast_vfs::{Cred, Error, File, FileSystem, Groups, Handle, NewNode, SetAttr, Stability};

const ROOT: Cred = Cred::ROOT;
/// Who root is where it is squashed.
const NOBODY: Cred = Cred { uid: 65534, gid: 65534, groups: Groups::NONE };

fn mode_of(fs: &LocalFs, node: &Handle) -> u32 {
    wait(fs.getattr(&ROOT, node)).unwrap().mode
}

/// Writes until there is an error, and answers it.
fn fill(fs: &LocalFs, cred: &Cred, file: &File) -> Error {
    let data = vec![7; 1 << 20];
    let mut offset = 0;
    loop {
        match wait(fs.write(cred, file, offset, &data, Stability::Data)) {
            Ok(written) => offset += written.count as u64,
            Err(error) => return error,
        }
    }
}

#[test]
fn the_reserve_of_a_full_disk_is_not_for_clients() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mkfs = ["mkfs.ext4", "-q", "-m", "5", "-E", "lazy_itable_init=0,nodiscard"];
            if !own_mounts() || !mount_image(dir.path(), 64 << 20, &mkfs) {
                return;
            }
            let disk = dir.path().join("disk");
            let fs = open(&disk, options());
            for (name, cred) in [(b"user".as_slice(), USER), (b"nobody", NOBODY)] {
                let made = create(&fs, &cred, name, 0o644).unwrap();
                assert_eq!(fill(&fs, &cred, &made.file), Error::NoSpace);
                let allocated = wait(fs.allocate(&cred, &made.file, 60 << 20, 1 << 20));
                assert_eq!(allocated, Err(Error::NoSpace));
                let space = wait(fs.space(&cred, &made.node)).unwrap();
                assert!(space.free >= 2 << 20, "{} are reserved", space.free);
                assert!(space.avail < 1 << 20, "{} are left", space.avail);
            }
            drop(fs);
            assert!(run(Command::new("umount").arg(&disk)), "nothing is left open");
        });
    });
}

#[test]
fn set_id_bits_fall_whatever_changes_the_data() {
    type Change<'a> = (&'a str, &'a dyn Fn(&LocalFs, &Cred, &Handle, [&File; 2]));
    let changes: [Change<'_>; 6] = [
        ("a write", &|fs, cred, _, [file, _]| {
            wait(fs.write(cred, file, 0, b"x", Stability::Unstable)).unwrap();
        }),
        ("an allocation", &|fs, cred, _, [file, _]| {
            wait(fs.allocate(cred, file, 0, 1 << 20)).unwrap();
        }),
        ("a hole", &|fs, cred, _, [file, _]| {
            wait(fs.deallocate(cred, file, 0, 4096)).unwrap();
        }),
        ("a copy", &|fs, cred, _, [file, source]| {
            wait(fs.copy_range(cred, (source, 0), (file, 0), 4096)).unwrap();
        }),
        ("a new size", &|fs, cred, node, _| {
            let size = SetAttr { size: Some(7), ..SetAttr::default() };
            wait(fs.setattr(cred, node, None, &size)).unwrap();
        }),
        ("a new size by an open file", &|fs, cred, node, [file, _]| {
            let size = SetAttr { size: Some(7), ..SetAttr::default() };
            wait(fs.setattr(cred, node, Some(file), &size)).unwrap();
        }),
    ];
    if !is_root() {
        return;
    }
    for below in ["/tmp", "/dev/shm"].map(Path::new).into_iter().filter(|below| below.is_dir()) {
        for options in [options(), Options { always_offload: true, ..options() }] {
            let dir = TempDir::new(below);
            let fs = open(dir.path(), options);
            for cred in [ROOT, USER, NOBODY] {
                let source = create(&fs, &cred, b"source", 0o644).unwrap();
                wait(fs.write(&cred, &source.file, 0, &[7; 8192], Stability::Unstable)).unwrap();
                for (name, change) in changes {
                    let made = create(&fs, &cred, b"file", 0o6777).unwrap();
                    assert_eq!(mode_of(&fs, &made.node), 0o6777);
                    change(&fs, &cred, &made.node, [&made.file, &source.file]);
                    let (mode, uid) = (mode_of(&fs, &made.node), cred.uid);
                    assert_eq!(mode, 0o777, "{name} of {uid} below {}", below.display());
                    wait(fs.remove(&cred, &fs.root(), b"file")).unwrap();
                }
                wait(fs.remove(&cred, &fs.root(), b"source")).unwrap();
            }
        }
    }
}

fn modes_are_as_asked(options: Options) {
    let dir = TempDir::new(Path::new("/tmp"));
    // Of the whole process. No other test here minds.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let fs = open(dir.path(), options);
    for mode in [0o777, 0o666, 0o1755, 0o640, 0o111] {
        let made = create(&fs, &USER, b"file", mode).unwrap();
        assert_eq!(mode_of(&fs, &made.node), mode);
        wait(fs.remove(&USER, &fs.root(), b"file")).unwrap();
        let attrs = SetAttr { mode: Some(mode), ..SetAttr::default() };
        for kind in [NewNode::Directory, NewNode::Fifo] {
            let (node, _) = wait(fs.make_node(&USER, &fs.root(), b"node", kind, &attrs)).unwrap();
            assert_eq!(mode_of(&fs, &node), mode);
            wait(fs.remove(&USER, &fs.root(), b"node")).unwrap();
        }
    }
}

#[test]
fn the_umask_of_the_process_never_shows() {
    for options in [options(), unprivileged()] {
        // This thread's umask becomes one of its own.
        let modes = || {
            modes_are_as_asked(Options { always_offload: true, ..options.clone() });
            modes_are_as_asked(options.clone());
        };
        std::thread::scope(|scope| scope.spawn(modes).join().unwrap());
    }
}

#[test]
fn the_umask_never_shows_without_privilege() {
    if as_a_user("the_umask_never_shows_without_privilege") {
        modes_are_as_asked(options());
    }
}

#[test]
fn without_privilege_owners_stay() {
    if !as_a_user("without_privilege_owners_stay") {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    assert!(fs.mode() == Mode::ProcessHandles && !fs.switches_users());
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
    let attr = wait(fs.getattr(&ROOT, &made.node)).unwrap();
    assert_eq!((attr.uid, attr.gid), own, "whoever asked");
    let set = |set| wait(fs.setattr(&ROOT, &made.node, None, &set));
    let to = |uid, gid| SetAttr { uid, gid, ..SetAttr::default() };
    for refused in [to(Some(0), None), to(Some(own.0 + 1), None), to(None, Some(0))] {
        assert_eq!(set(refused), Err(Error::NotPermitted));
    }
    assert_eq!(set(to(Some(own.0), Some(own.1))), Ok(()));
    let attrs = to(Some(0), None);
    let made = wait(fs.make_node(&ROOT, &fs.root(), b"dir", NewNode::Directory, &attrs));
    assert_eq!(made.map(drop), Err(Error::NotPermitted));
    assert_eq!(lookup(&fs, b"dir"), Err(Error::NotFound), "what could not be finished is gone");
    let device =
        wait(fs.make_node(&ROOT, &fs.root(), b"dev", NewNode::Block(7, 7), &to(None, None)));
    assert_eq!(device.map(drop), Err(Error::NotPermitted));
}

#[test]
fn no_operation_needs_privilege() {
    if !as_a_user("no_operation_needs_privilege") {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = Arc::new(open(dir.path(), options()));
    let features = Features { users: false, devices: false, ..Features::ALL };
    let features = Features { checks_cookies: false, ..features };
    let subject = Subject { fs, features };
    for (name, _) in CASES {
        holdfast_vfs::conformance::run(name, &subject);
    }
}
