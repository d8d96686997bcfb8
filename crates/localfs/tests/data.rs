//! Data, rights on it, and file systems that are full or may block.
mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::{Bytes, TempDir, USER, both, create, is_root, local, lookup, open, options, wait};
use holdfast_localfs::{LocalFs, Mode, Options};
use holdfast_vfs::{Cred, Error, FileSystem, OpenMode, ReadEnd, SetAttr, Stability};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

const ROOT: Cred = Cred::ROOT;

#[test]
fn a_read_tells_the_end_exactly() {
    both(|_, fs| {
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        wait(fs.write(&ROOT, &made.file, 0, &[7; 10_000], Stability::Data)).unwrap();
        for (offset, len, count, eof) in [
            (0, 10_000, 10_000, true),
            (0, 9_999, 9_999, false),
            (0, 20_000, 10_000, true),
            (9_999, 1, 1, true),
            (10_000, 5, 0, true),
            (u64::MAX, 5, 0, true),
        ] {
            let mut sink = Bytes::default();
            let end = wait(fs.read(&made.file, offset, len, &mut sink)).unwrap();
            assert_eq!(end, ReadEnd { count, eof }, "{len} at {offset}");
            assert_eq!(sink.data, vec![7; count]);
        }
    });
}

#[test]
fn data_that_is_not_in_memory_is_read_elsewhere() {
    both(|dir, fs| {
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        let data: Vec<u8> = (0..1_u32 << 20).map(|number| (number % 251) as u8).collect();
        wait(fs.write(&ROOT, &made.file, 0, &data, Stability::File)).unwrap();
        let advise = |offset, len| {
            local(|| {
                let file = std::fs::File::open(dir.path().join("file")).unwrap();
                let advice = rustix::fs::Advice::DontNeed;
                rustix::fs::fadvise(&file, offset, len, advice).unwrap();
            });
        };
        for (offset, len) in [(0, None), (1 << 19, None)] {
            advise(offset, len);
            let mut sink = Bytes::default();
            let end = wait(fs.read(&made.file, 0, data.len(), &mut sink)).unwrap();
            assert_eq!(end, ReadEnd { count: data.len(), eof: true });
            assert!(sink.data == data);
        }
    });
}

#[test]
fn set_id_bits_fall_on_a_write() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    for cred in [ROOT, USER] {
        let name = cred.uid.to_string();
        let made = create(&fs, &cred, name.as_bytes(), 0o6777).unwrap();
        assert_eq!(wait(fs.getattr(&cred, &made.node)).unwrap().mode, 0o6777);
        wait(fs.write(&cred, &made.file, 0, b"x", Stability::Unstable)).unwrap();
        assert_eq!(wait(fs.getattr(&cred, &made.node)).unwrap().mode, 0o777);
    }
}

#[test]
fn the_privileged_user_sets_set_gid_for_any_group() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    let fs = open(dir.path(), options());
    let made = create(&fs, &USER, b"file", 0o755).unwrap();
    let set = SetAttr { mode: Some(0o2755), ..SetAttr::default() };
    wait(fs.setattr(&ROOT, &made.node, None, &set)).unwrap();
    assert_eq!(wait(fs.getattr(&ROOT, &made.node)).unwrap().mode, 0o2755);
}

#[test]
fn stability_is_what_was_asked_and_the_verifier_stays() {
    both(|_, fs| {
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        let mut verifiers = Vec::new();
        for stability in [Stability::Unstable, Stability::Data, Stability::File] {
            let written = wait(fs.write(&ROOT, &made.file, 0, b"x", stability)).unwrap();
            assert_eq!((written.count, written.stability), (1, stability));
            verifiers.push(written.verifier);
        }
        verifiers.push(wait(fs.commit(&made.node, 0, 0)).unwrap());
        drop(made.file);
        verifiers.push(wait(fs.commit(&made.node, 0, 0)).unwrap());
        assert!(verifiers.iter().all(|verifier| *verifier == verifiers[0]));
        assert_eq!(wait(fs.commit(&fs.root(), 0, 0)), Err(Error::IsDirectory));
    });
}

#[test]
fn a_thread_of_the_users_serves_as_well() {
    both(|dir, fs| {
        std::thread::scope(|scope| {
            for number in 0..4 {
                let fs = &fs;
                scope.spawn(move || {
                    let cred = Cred { uid: 1000 + number, ..USER };
                    let name = format!("of-{number}");
                    create(fs, &cred, name.as_bytes(), 0o604).unwrap();
                });
            }
        });
        for number in 0..4 {
            let path = dir.path().join(format!("of-{number}"));
            let meta = local(|| std::fs::metadata(&path).unwrap());
            let expected = if fs.switches_users() {
                1000 + number
            } else {
                rustix::process::geteuid().as_raw()
            };
            assert_eq!((meta.uid(), meta.permissions().mode() & 0o7777), (expected, 0o604));
        }
    });
}

/// A file system of its own in a mount namespace of its own, where that may be made.
fn mounted(kind: &str, data: &std::ffi::CStr, test: impl FnOnce(&Path, LocalFs) + Send) {
    let dir = TempDir::new(Path::new("/tmp"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The safe call is deprecated for flags that are not used here.
            #[allow(deprecated)]
            let own = rustix::thread::unshare(UnshareFlags::NEWNS);
            let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            if own.is_err()
                || mount_change("/", flags).is_err()
                || mount(kind, dir.path(), kind, MountFlags::empty(), data).is_err()
            {
                return;
            }
            std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o1777)).unwrap();
            test(dir.path(), open(dir.path(), options()));
        });
    });
}

#[test]
fn a_full_file_system_says_so() {
    mounted("tmpfs", c"size=64k,nr_inodes=8", |_, fs| {
        let made = create(&fs, &USER, b"file", 0o644).unwrap();
        let mut offset = 0;
        let error = loop {
            match wait(fs.write(&USER, &made.file, offset, &[1; 30_000], Stability::File)) {
                Ok(written) => offset += written.count as u64,
                Err(error) => break error,
            }
        };
        assert_eq!((error, offset), (Error::NoSpace, 64 << 10));
        let error = (0..10)
            .find_map(|number: u32| create(&fs, &USER, number.to_string().as_bytes(), 0).err());
        assert_eq!(error, Some(Error::NoSpace));
        assert_eq!(wait(fs.space(&USER, &fs.root())).unwrap().avail, 0);
    });
}

#[test]
fn what_is_mounted_below_is_hidden_where_that_is_wanted() {
    mounted("tmpfs", c"", |path, _| {
        let fs = open(path, Options { noxdev: true, ..options() });
        let below = path.join("below");
        std::fs::create_dir(&below).unwrap();
        mount("tmpfs", &below, "tmpfs", MountFlags::empty(), c"").unwrap();
        std::fs::write(below.join("inside"), b"").unwrap();
        assert_eq!(lookup(&fs, b"below"), Err(Error::NotFound));
        let want = holdfast_vfs::Want { attr: true, handle: true };
        assert!(common::list(&fs, &fs.root(), 9, want).names.is_empty());
        assert_eq!(create(&fs, &ROOT, b"below", 0o600).unwrap_err(), Error::Exists);
        assert_eq!(wait(fs.remove(&ROOT, &fs.root(), b"below")), Err(Error::InUse));
    });
}

#[test]
fn a_file_system_that_may_block_is_asked_elsewhere() {
    mounted("ramfs", c"", |_, fs| {
        assert_eq!(fs.mode() == Mode::KernelHandles, fs.properties().durable_handles);
        let made = create(&fs, &USER, b"file", 0o644).unwrap();
        wait(fs.write(&USER, &made.file, 0, b"hello", Stability::File)).unwrap();
        let mut sink = Bytes::default();
        let end = wait(fs.read(&made.file, 1, 100, &mut sink)).unwrap();
        assert_eq!((end, &sink.data[..]), (ReadEnd { count: 4, eof: true }, &b"ello"[..]));
        for number in 0..100 {
            create(&fs, &USER, format!("name-{number}").as_bytes(), 0o644).unwrap();
        }
        let want = holdfast_vfs::Want { attr: true, handle: true };
        assert_eq!(common::list(&fs, &fs.root(), 1000, want).names.len(), 101);
        let opened = wait(fs.open(&USER, &made.node, OpenMode::READ, false));
        assert!(opened.is_ok());
    });
}

#[test]
fn a_read_at_the_end_of_what_can_be_addressed_ends() {
    both(|_, fs| {
        let made = create(&fs, &Cred::ROOT, b"file", 0o644).unwrap();
        for (offset, len) in [(i64::MAX as u64, 1), (i64::MAX as u64 - 10, 4096), (u64::MAX, 1)] {
            let mut sink = Bytes::default();
            let end = wait(fs.read(&made.file, offset, len, &mut sink)).unwrap();
            assert_eq!((end.count, end.eof), (0, true));
        }
    });
}
