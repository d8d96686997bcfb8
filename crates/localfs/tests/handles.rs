//! Handles: nobody else makes one, and they outlast the cache, renames and nothing more.
mod common;

use std::collections::HashSet;
use std::path::Path;

use common::{
    Bytes, TempDir, USER, both, create, indexed, list, local, lookup, mix, open, options,
    unprivileged, wait,
};
use holdfast_localfs::{Mode, Options};
use holdfast_vfs::{Cred, Error, FileSystem, Handle, OpenMode, Stability, Want};

const ROOT: Cred = Cred::ROOT;

#[test]
fn no_guess_is_a_handle() {
    let state = TempDir::new(Path::new("/tmp"));
    for options in [options(), unprivileged(), indexed(state.path())] {
        let dir = TempDir::new(Path::new("/tmp"));
        let fs = open(dir.path(), options);
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        for seed in 0..1_000_000_u64 {
            let mut bytes = made.node.as_slice().to_vec();
            if seed % 2 == 0 {
                let at = mix(seed) as usize % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            } else {
                bytes.resize(mix(seed) as usize % 121, 0);
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = mix(seed ^ (at as u64) << 32) as u8;
                }
            }
            let guess = Handle::new(&bytes).unwrap();
            let error = wait(fs.getattr(&ROOT, &guess)).unwrap_err();
            assert!(matches!(error, Error::BadHandle | Error::Stale), "{error:?}");
        }
        assert!(wait(fs.getattr(&ROOT, &made.node)).is_ok());
    }
}

#[test]
fn a_restart_keeps_kernel_handles_and_ends_the_others() {
    let dir = TempDir::new(Path::new("/tmp"));
    for (number, options) in [options(), unprivileged()].into_iter().enumerate() {
        let first = open(dir.path(), options.clone());
        let name = number.to_string();
        let made = create(&first, &ROOT, name.as_bytes(), 0o644).unwrap();
        drop(first);
        let second = open(dir.path(), options.clone());
        let found = wait(second.getattr(&ROOT, &made.node)).map(|_| ());
        match second.mode() {
            Mode::KernelHandles | Mode::IndexedHandles => assert_eq!(found, Ok(())),
            Mode::ProcessHandles => assert_eq!(found, Err(Error::Stale)),
        }
        assert_eq!(second.properties().durable_handles, second.mode() == Mode::KernelHandles);
        let other = open(dir.path(), Options { export_id: 1, ..options });
        let found = wait(other.getattr(&ROOT, &made.node));
        assert_eq!(found.unwrap_err(), Error::BadHandle);
    }
}

#[test]
fn one_object_has_one_handle() {
    both(|dir, fs| {
        let made = create(&fs, &ROOT, b"a", 0o644).unwrap();
        wait(fs.link(&ROOT, &made.node, &fs.root(), b"b")).unwrap();
        assert_eq!(lookup(&fs, b"a"), Ok(made.node));
        assert_eq!(lookup(&fs, b"b"), Ok(made.node));
        let listed = list(&fs, &fs.root(), 10, Want { attr: false, handle: true });
        assert_eq!(listed.handles, [Some(made.node); 2]);
        // The inode may be used again; the handle may not.
        drop(made.file);
        local(|| {
            for name in ["a", "b"] {
                std::fs::remove_file(dir.path().join(name)).unwrap();
            }
        });
        for _ in 0..20 {
            let next = create(&fs, &ROOT, b"a", 0o644).unwrap();
            assert_ne!(next.node, made.node);
            assert_eq!(wait(fs.getattr(&ROOT, &made.node)).unwrap_err(), Error::Stale);
            wait(fs.remove(&ROOT, &fs.root(), b"a")).unwrap();
        }
    });
}

#[test]
fn a_removed_file_is_readable_while_it_is_open_and_stale_after() {
    for ours in [true, false] {
        both(|dir, fs| {
            let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
            let written =
                wait(fs.write(&ROOT, &made.file, 0, b"kept", Stability::Unstable)).unwrap();
            assert_eq!(written.count, 4);
            if ours {
                wait(fs.remove(&ROOT, &fs.root(), b"file")).unwrap();
            } else {
                local(|| std::fs::remove_file(dir.path().join("file")).unwrap());
            }
            let mut sink = Bytes::default();
            let end = wait(fs.read(&made.file, 0, 10, &mut sink)).unwrap();
            assert_eq!((&sink.data[..], end.eof), (&b"kept"[..], true));
            assert_eq!(wait(fs.getattr(&ROOT, &made.node)).unwrap().nlink, 0);
            drop(made.file);
            assert_eq!(wait(fs.getattr(&ROOT, &made.node)).unwrap_err(), Error::Stale);
            let opened = wait(fs.open(&ROOT, &made.node, OpenMode::READ, true));
            assert_eq!(opened.unwrap_err(), Error::Stale);
        });
    }
}

#[test]
fn a_budget_of_16_serves_500_files() {
    for options in [options(), unprivileged()] {
        let dir = TempDir::new(Path::new("/tmp"));
        let fs = open(dir.path(), Options { fd_budget: Some(16), ..options });
        let sub = make_dir(&fs, &fs.root(), b"sub");
        let handles: Vec<_> = (0..500)
            .map(|number: u32| {
                let name = number.to_string();
                let path = dir.path().join("sub").join(&name);
                if number.is_multiple_of(100) {
                    local(|| std::fs::write(path, &name).unwrap());
                } else {
                    local(|| std::fs::write(path, b"").unwrap());
                }
                wait(fs.lookup(&ROOT, &sub, name.as_bytes())).unwrap()
            })
            .collect();
        for handle in handles.iter().chain(handles.iter().rev()) {
            wait(fs.getattr(&ROOT, handle)).unwrap();
        }
        assert_eq!(handles.iter().collect::<HashSet<_>>().len(), 500);
        let open = local(|| {
            let below = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let ours = |entry: &std::fs::DirEntry| {
                std::fs::read_link(entry.path()).is_ok_and(|path| path.starts_with(dir.path()))
            };
            below.filter(ours).count()
        });
        assert!(open < 32, "{open} descriptors");
    }
}

#[test]
fn a_file_renamed_by_a_local_process_keeps_its_handle() {
    for budget in [1, 1000] {
        let dir = TempDir::new(Path::new("/tmp"));
        let fs = open(dir.path(), Options { fd_budget: Some(budget), ..unprivileged() });
        let sub = make_dir(&fs, &fs.root(), b"sub");
        local(|| std::fs::write(dir.path().join("sub/file"), b"hello").unwrap());
        let file = wait(fs.lookup(&ROOT, &sub, b"file")).unwrap();
        local(|| {
            let sub = dir.path().join("sub");
            std::fs::rename(sub.join("file"), sub.join("other")).unwrap();
            // Another file has its old name now.
            std::fs::write(sub.join("file"), b"not it").unwrap();
            std::fs::rename(sub, dir.path().join("moved")).unwrap();
        });
        create(&fs, &ROOT, b"filler", 0o644).unwrap();
        assert_eq!(wait(fs.getattr(&ROOT, &file)).unwrap().size, 5);
        let moved = lookup(&fs, b"moved").unwrap();
        assert_eq!(moved, sub);
        assert_eq!(wait(fs.lookup(&ROOT, &moved, b"other")), Ok(file));
        // Ours are recorded.
        let root = fs.root();
        wait(fs.rename(&ROOT, (&moved, b"other"), (&root, b"far"))).unwrap();
        create(&fs, &ROOT, b"filler2", 0o644).unwrap();
        assert_eq!(wait(fs.getattr(&ROOT, &file)).unwrap().size, 5);
        assert_eq!(lookup(&fs, b"far"), Ok(file));
    }
}

#[test]
fn the_way_up_ends_at_the_root() {
    for options in [options(), unprivileged()] {
        let outer = TempDir::new(Path::new("/tmp"));
        let exported = outer.path().join("exported");
        local(|| {
            std::fs::create_dir_all(exported.join("a/b")).unwrap();
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(&exported, all).unwrap();
        });
        let fs = open(&exported, options);
        let a = lookup(&fs, b"a").unwrap();
        let b = wait(fs.lookup(&ROOT, &a, b"b")).unwrap();
        assert_eq!(wait(fs.lookup_parent(&ROOT, &b)), Ok(a));
        assert_eq!(wait(fs.lookup_parent(&ROOT, &a)), Ok(fs.root()));
        assert_eq!(wait(fs.lookup_parent(&ROOT, &fs.root())), Err(Error::NotFound));
        // Moved out of the export, a directory has nothing above it.
        local(|| std::fs::rename(exported.join("a/b"), outer.path().join("b")).unwrap());
        assert_eq!(wait(fs.lookup_parent(&ROOT, &b)), Err(Error::Stale));
        // Moved within it, it has another parent.
        local(|| std::fs::rename(outer.path().join("b"), exported.join("b")).unwrap());
        assert_eq!(wait(fs.lookup_parent(&ROOT, &b)), Ok(fs.root()));
    }
}

#[test]
fn a_parent_that_was_never_looked_up_is_found() {
    for options in [options(), unprivileged()] {
        let dir = TempDir::new(Path::new("/tmp"));
        local(|| std::fs::create_dir_all(dir.path().join("x/y/z")).unwrap());
        let fs = open(dir.path(), options);
        let w = make_dir(&fs, &fs.root(), b"w");
        local(|| std::fs::rename(dir.path().join("w"), dir.path().join("x/y/z/w")).unwrap());
        let z = wait(fs.lookup_parent(&ROOT, &w)).unwrap();
        let y = wait(fs.lookup_parent(&ROOT, &z)).unwrap();
        let x = lookup(&fs, b"x").unwrap();
        assert_eq!(wait(fs.lookup(&ROOT, &x, b"y")), Ok(y));
        assert_eq!(wait(fs.lookup(&ROOT, &y, b"z")), Ok(z));
    }
}

#[test]
fn users_do_not_matter_to_handles() {
    both(|_, fs| {
        let made = create(&fs, &ROOT, b"secret", 0o600).unwrap();
        assert!(wait(fs.getattr(&USER, &made.node)).is_ok());
    });
}

fn make_dir(fs: &holdfast_localfs::LocalFs, parent: &Handle, name: &[u8]) -> Handle {
    let attrs = holdfast_vfs::SetAttr { mode: Some(0o777), ..Default::default() };
    let kind = holdfast_vfs::NewNode::Directory;
    wait(fs.make_node(&ROOT, parent, name, kind, &attrs)).unwrap().0
}
