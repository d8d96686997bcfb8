//! Names: what never reaches the kernel, what is never followed, what is refused.
mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{
    Names, TempDir, USER, both, create, is_root, list, local, lookup, open, options, unprivileged,
    wait,
};
use holdfast_localfs::{LocalFs, Options};
use holdfast_vfs::{
    Access, CreateHow, Cred, Error, FileSystem, NewNode, OpenMode, SetAttr, Stability, Want,
    XattrHow,
};

const ROOT: Cred = Cred::ROOT;
const NOTHING: SetAttr =
    SetAttr { size: None, uid: None, gid: None, mode: None, atime: None, mtime: None };

#[test]
fn no_name_leads_out() {
    both(|dir, fs| {
        local(|| symlink("/etc", dir.path().join("out")).unwrap());
        let root = fs.root();
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc", b"a\0b", b"../etc"] {
            assert_eq!(lookup(&fs, name), Err(Error::BadName));
            assert_eq!(create(&fs, &ROOT, name, 0o600).unwrap_err(), Error::BadName);
            assert_eq!(wait(fs.remove(&ROOT, &root, name)), Err(Error::BadName));
        }
        assert_eq!(lookup(&fs, &[b'x'; 256]), Err(Error::NameTooLong));
        let out = lookup(&fs, b"out").unwrap();
        assert_eq!(wait(fs.readlink(&ROOT, &out)).unwrap(), b"/etc");
        assert_eq!(wait(fs.lookup(&ROOT, &out, b"passwd")), Err(Error::IsSymlink));
        let error = wait(fs.open(&ROOT, &out, OpenMode::READ, false)).unwrap_err();
        assert_eq!(error, Error::IsSymlink);
        let how = CreateHow::Unchecked(NOTHING);
        let error = wait(fs.create(&ROOT, &root, b"out", &how, OpenMode::READ)).unwrap_err();
        assert_eq!(error, Error::IsSymlink);
    });
}

#[test]
fn names_of_any_bytes_on_the_disk_are_listed_and_reached() {
    both(|dir, fs| {
        let names =
            ["é".as_bytes(), "e\u{301}".as_bytes(), b"caf\xe9", b"\xff\xfe", b"\x01", &[b'n'; 255]];
        local(|| {
            for name in names {
                std::fs::write(dir.path().join(OsStr::from_bytes(name)), name).unwrap();
            }
        });
        let mut expected: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
        expected.sort();
        let mut listed = list(&fs, &fs.root(), 2, Want { attr: true, handle: true }).names;
        listed.sort();
        assert_eq!(listed, expected);
        for name in names {
            let node = lookup(&fs, name).unwrap();
            assert_eq!(wait(fs.getattr(&ROOT, &node)).unwrap().size, name.len() as u64);
            let moved = [name, b".moved"].concat();
            let moved = &moved[..moved.len().min(255)];
            if moved != name {
                wait(fs.rename(&ROOT, (&fs.root(), name), (&fs.root(), moved))).unwrap();
                assert!(local(|| dir.path().join(OsStr::from_bytes(moved)).exists()));
            }
        }
    });
}

#[test]
fn an_open_that_races_with_a_swap_never_follows() {
    both(|dir, fs| {
        let target = TempDir::new(Path::new("/tmp"));
        let secret = target.path().join("secret");
        local(|| std::fs::write(&secret, b"secret").unwrap());
        let stop = AtomicBool::new(false);
        let name = dir.path().join("name");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let spare = dir.path().join("spare");
                while !stop.load(Ordering::Relaxed) {
                    local(|| {
                        for _ in 0..50 {
                            symlink(&secret, &spare).unwrap();
                            std::fs::rename(&spare, &name).unwrap();
                            std::fs::write(&spare, b"").unwrap();
                            std::fs::rename(&spare, &name).unwrap();
                            std::fs::remove_file(&name).unwrap();
                        }
                    });
                }
            });
            let how = CreateHow::Unchecked(SetAttr { mode: Some(0o644), ..NOTHING });
            for _ in 0..3000 {
                match wait(fs.create(&ROOT, &fs.root(), b"name", &how, OpenMode::BOTH)) {
                    Ok(made) => {
                        let data = b"mine";
                        let _ = wait(fs.write(&ROOT, &made.file, 0, data, Stability::Unstable));
                    }
                    Err(error) => assert!(
                        matches!(error, Error::IsSymlink | Error::Stale | Error::Exists),
                        "{error:?}"
                    ),
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(local(|| std::fs::read(&secret).unwrap()), b"secret");
    });
}

#[test]
fn a_read_only_export_refuses_every_change() {
    for options in [options(), unprivileged()] {
        let dir = TempDir::new(Path::new("/tmp"));
        local(|| {
            std::fs::write(dir.path().join("file"), b"data").unwrap();
            std::fs::create_dir(dir.path().join("dir")).unwrap();
        });
        let fs = open(dir.path(), Options { read_only: true, ..options });
        let root = fs.root();
        let file = lookup(&fs, b"file").unwrap();
        let refused = Some(Error::ReadOnly);
        assert_eq!(create(&fs, &ROOT, b"new", 0o600).err(), refused);
        assert_eq!(wait(fs.remove(&ROOT, &root, b"file")).err(), refused);
        let moved = wait(fs.rename(&ROOT, (&root, b"file"), (&root, b"other")));
        assert_eq!(moved.err(), refused);
        assert_eq!(wait(fs.link(&ROOT, &file, &root, b"other")).err(), refused);
        let made = wait(fs.make_node(&ROOT, &root, b"new", NewNode::Directory, &NOTHING));
        assert_eq!(made.err(), refused);
        let size = SetAttr { size: Some(0), ..NOTHING };
        let mode = SetAttr { mode: Some(0o600), ..NOTHING };
        for set in [size, mode] {
            assert_eq!(wait(fs.setattr(&ROOT, &file, None, &set)).err(), refused);
        }
        for mode in [OpenMode::WRITE, OpenMode::BOTH] {
            assert_eq!(wait(fs.open(&ROOT, &file, mode, true)).err(), refused);
        }
        for (attrs, mode) in [(size, OpenMode::READ), (NOTHING, OpenMode::WRITE)] {
            let how = CreateHow::Unchecked(attrs);
            let opened = wait(fs.create(&ROOT, &root, b"file", &how, mode));
            assert_eq!(opened.err(), refused);
        }
        assert!(wait(fs.open(&ROOT, &file, OpenMode::READ, true)).is_ok());
        let set = wait(fs.setxattr(&ROOT, &file, b"name", b"value", XattrHow::Either));
        assert_eq!(set.err(), refused);
        assert_eq!(wait(fs.removexattr(&ROOT, &file, b"name")).err(), refused);
        let granted = wait(fs.access(&ROOT, &root, Access::ALL)).unwrap();
        let changes = Access::MODIFY.union(Access::EXTEND).union(Access::DELETE);
        assert!(granted.contains(Access::READ.union(Access::LOOKUP)));
        assert_eq!(granted.intersect(changes.union(Access::XATTR_WRITE)), Access(0));
        assert_eq!(local(|| std::fs::read(dir.path().join("file")).unwrap()), b"data");
    }
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    both(|dir, fs| {
        let root = fs.root();
        for (name, kind) in [(&b"fifo"[..], NewNode::Fifo), (b"socket", NewNode::Socket)] {
            let (node, _) = wait(fs.make_node(&ROOT, &root, name, kind, &NOTHING)).unwrap();
            let error = wait(fs.open(&ROOT, &node, OpenMode::READ, true)).unwrap_err();
            assert_eq!(error, Error::WrongType);
            let how = CreateHow::Unchecked(NOTHING);
            let error = wait(fs.create(&ROOT, &root, name, &how, OpenMode::BOTH)).unwrap_err();
            assert_eq!(error, Error::WrongType);
        }
        let fifo = local(|| std::fs::metadata(dir.path().join("fifo")).unwrap());
        assert!(fifo.file_type().is_fifo());
    });
}

#[test]
fn a_new_object_is_its_makers_with_the_mode_it_asked_for() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    let made = create(&fs, &USER, b"file", 0o666).unwrap();
    let attr = wait(fs.getattr(&USER, &made.node)).unwrap();
    assert_eq!((attr.uid, attr.gid, attr.mode), (1000, 1000, 0o666));
    let locked = create(&fs, &USER, b"locked", 0).unwrap();
    let written = wait(fs.write(&USER, &locked.file, 0, b"x", Stability::File)).unwrap();
    assert_eq!(written.count, 1);
    // Its owner is let in again where the caller says so, and nobody else is.
    let other = Cred { uid: 1001, ..USER };
    for (cred, anyway, expected) in [
        (&USER, true, None),
        (&USER, false, Some(Error::AccessDenied)),
        (&other, true, Some(Error::AccessDenied)),
    ] {
        let opened = wait(fs.open(cred, &locked.node, OpenMode::BOTH, anyway));
        assert_eq!(opened.err(), expected);
    }
}

#[test]
fn a_retried_exclusive_create_finds_its_file() {
    both(|_, fs| {
        for verifier in [[0; 8], [0xff; 8], *b"\x01\x02\x03\x84\x05\x06\x07\x88"] {
            let attrs = SetAttr { mode: Some(0o600), ..NOTHING };
            let how = CreateHow::Exclusive { verifier, attrs };
            let name = format!("{verifier:x?}");
            let create =
                |how| wait(fs.create(&ROOT, &fs.root(), name.as_bytes(), &how, OpenMode::BOTH));
            let first = create(how).unwrap();
            let again = create(how).unwrap();
            assert_eq!((first.node, first.created), (again.node, true));
            let other = CreateHow::Exclusive { verifier: [9; 8], attrs };
            assert_eq!(create(other).unwrap_err(), Error::Exists);
        }
    });
}

#[test]
fn a_listing_goes_on_where_it_stopped() {
    both(|dir, fs| {
        let names: BTreeSet<Vec<u8>> =
            (0..300).map(|number| format!("name-{number}").into_bytes()).collect();
        local(|| {
            for name in &names {
                let name = String::from_utf8(name.clone()).unwrap();
                std::fs::write(dir.path().join(name), b"").unwrap();
            }
        });
        let all = Want { attr: true, handle: true };
        let nothing = Want { attr: false, handle: false };
        for (step, want) in [(1, nothing), (7, all), (1000, all)] {
            let listed = list(&fs, &fs.root(), step, want);
            assert_eq!(listed.names.len(), names.len());
            assert_eq!(listed.names.iter().cloned().collect::<BTreeSet<_>>(), names);
            assert_eq!(listed.handles.iter().all(Option::is_some), want.handle);
        }
        for cookie in [1, 2, u64::MAX] {
            let mut sink = Names::new(1);
            let read = wait(fs.readdir(&ROOT, &fs.root(), cookie, 100, nothing, &mut sink));
            assert_eq!(read.unwrap_err(), Error::BadCookie);
        }
    });
}

#[test]
fn a_directory_that_may_be_read_but_not_searched_is_listed() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    local(|| {
        let sub = dir.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        std::fs::write(sub.join("name"), b"").unwrap();
        std::fs::set_permissions(&sub, PermissionsExt::from_mode(0o744)).unwrap();
    });
    let fs = open(dir.path(), options());
    let sub = lookup(&fs, b"sub").unwrap();
    let mut sink = Names::new(9);
    let want = Want { attr: true, handle: true };
    wait(fs.readdir(&USER, &sub, 0, 1000, want, &mut sink)).unwrap();
    assert_eq!((sink.names, sink.handles), (vec![b"name".to_vec()], vec![None]));
    assert_eq!(wait(fs.lookup(&USER, &sub, b"name")), Err(Error::AccessDenied));
}

/// The error of a call, asked again while it is that it cannot be done now.
fn told<T>(call: impl Fn() -> holdfast_vfs::Result<T>) -> Error {
    const PATIENCE: usize = 1000;
    let mut errors = (0..PATIENCE).filter_map(|_| call().err());
    errors.find(|error| *error != Error::Busy).expect("it says what is wrong")
}

#[test]
fn a_removed_directory_is_stale() {
    both(|dir, fs| {
        let kind = NewNode::Directory;
        let (sub, _) = wait(fs.make_node(&ROOT, &fs.root(), b"sub", kind, &NOTHING)).unwrap();
        local(|| std::fs::remove_dir(dir.path().join("sub")).unwrap());
        assert_eq!(told(|| wait(fs.lookup(&ROOT, &sub, b"x"))), Error::Stale);
        assert_eq!(told(|| wait(fs.getattr(&ROOT, &sub))), Error::Stale);
        let how = CreateHow::Guarded(NOTHING);
        assert_eq!(told(|| wait(fs.create(&ROOT, &sub, b"x", &how, OpenMode::BOTH))), Error::Stale);
    });
}

#[test]
fn what_cannot_be_exported_is_said_in_one_line() {
    let dir = TempDir::new(Path::new("/tmp"));
    let file = dir.path().join("file");
    local(|| std::fs::write(&file, b"").unwrap());
    for (path, reason) in
        [(dir.path().join("none"), "no such directory"), (file, "not a directory")]
    {
        let world = std::sync::Arc::new(common::Threads);
        let error = LocalFs::open(&path, world, options()).err().unwrap();
        assert_eq!(error.to_string(), format!("cannot export {}: {reason}", path.display()));
    }
}

#[test]
fn opening_an_export_leaves_the_thread_as_it_was() {
    let dir = TempDir::new(Path::new("/tmp"));
    local(|| {
        let before = (rustix::thread::capabilities(None).unwrap(), file_owner(dir.path(), "a"));
        let fs = open(dir.path(), options());
        let after = (rustix::thread::capabilities(None).unwrap(), file_owner(dir.path(), "b"));
        assert_eq!(before, after);
        drop(fs);
    });
}

fn file_owner(dir: &Path, name: &str) -> u32 {
    let path = dir.join(name);
    std::fs::write(&path, b"").unwrap();
    std::fs::metadata(path).unwrap().uid()
}

#[test]
fn what_could_not_be_finished_is_taken_back() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    let given_away = SetAttr { uid: Some(0), ..SetAttr::default() };
    for kind in [NewNode::Directory, NewNode::Fifo, NewNode::Symlink(b"text")] {
        let made = wait(fs.make_node(&USER, &fs.root(), b"name", kind, &given_away));
        assert_eq!(made, Err(Error::NotPermitted));
        assert_eq!(lookup(&fs, b"name"), Err(Error::NotFound), "{kind:?}");
    }
}
