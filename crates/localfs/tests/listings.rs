//! Directories listed again: what is remembered of them never shows anything that is not so.
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::image::own_mounts;
use common::{Names, TempDir, USER, is_root, list, local, open, options, unprivileged, wait};
use holdfast_localfs::{LocalFs, Options};
use holdfast_vfs::{Attr, Cred, DirEntry, DirSink, Error, FileSystem, Handle, Result, Want};
use rustix::mount::{UnmountFlags, mount_bind, unmount};

const ROOT: Cred = Cred::ROOT;
const BOTH: Want = Want { attr: true, handle: true };
const FILES: usize = 300;

/// Name, cookie, file id, attributes and handle.
type Detail = (Vec<u8>, u64, u64, Option<Result<Attr>>, Option<Handle>);

/// Entries with their attributes, as long as there is room.
struct Details {
    room: usize,
    entries: Vec<Detail>,
}

impl DirSink for Details {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        if self.entries.len() == self.room {
            return false;
        }
        let DirEntry { name, cookie, fileid, attr, handle } = *entry;
        self.entries.push((name.to_vec(), cookie, fileid, attr, handle));
        true
    }
}

fn details(fs: &LocalFs, cred: &Cred, cookie: u64, room: usize, want: Want) -> Details {
    let mut sink = Details { room, entries: Vec::new() };
    wait(fs.readdir(cred, &fs.root(), cookie, 1 << 16, want, &mut sink)).unwrap();
    sink
}

fn all(fs: &LocalFs) -> Details {
    details(fs, &ROOT, 0, usize::MAX, BOTH)
}

/// Whether directories there are remembered: on tmpfs, ext4, XFS and btrfs.
fn remembers(below: &Path) -> bool {
    const KINDS: [u32; 4] = [0x0102_1994, 0xef53, 0x5846_5342, 0x9123_683e];
    rustix::fs::statfs(below).is_ok_and(|stat| KINDS.contains(&(stat.f_type as u32)))
}

/// A directory of so many files on a disk and one in memory, with both kinds of handles.
fn each(test: impl Fn(&TempDir, &LocalFs)) {
    for below in ["/tmp", "/dev/shm"].map(Path::new).into_iter().filter(|below| remembers(below)) {
        for options in [options(), unprivileged()] {
            let dir = TempDir::new(below);
            local(|| {
                for number in 0..FILES {
                    fs::write(dir.path().join(format!("file-{number}")), "").unwrap();
                }
            });
            test(&dir, &open(dir.path(), options));
        }
    }
}

/// Lists until that is done from memory, which takes as long as the directory must be left alone.
fn remember(fs: &LocalFs) {
    let before = fs.listed_again();
    while fs.listed_again() == before {
        all(fs);
    }
}

#[test]
fn what_is_remembered_is_what_the_kernel_lists() {
    each(|dir, fs| {
        remember(fs);
        let known = all(fs).entries;
        let kernels = open(dir.path(), Options { always_offload: true, ..options() });
        let listed = all(&kernels).entries;
        assert_eq!(known.len(), FILES);
        assert_eq!(kernels.listed_again(), 0);
        for (known, listed) in known.iter().zip(&listed) {
            assert_eq!((&known.0, known.1, known.2), (&listed.0, listed.1, listed.2));
            let (known, listed) = (known.3.unwrap().unwrap(), listed.3.unwrap().unwrap());
            let same = Attr { fsid: known.fsid, atime: known.atime, ..listed };
            assert_eq!(known, same);
        }
        for (name, _, _, _, handle) in &known {
            assert_eq!(wait(fs.lookup(&ROOT, &fs.root(), name)), Ok(handle.unwrap()));
        }
    });
}

#[test]
fn a_listing_in_parts_is_remembered_whole() {
    each(|_, fs| {
        let before = fs.listed_again();
        let mut listed = Vec::new();
        while fs.listed_again() == before {
            listed = list(fs, &fs.root(), 7, BOTH).names;
        }
        assert_eq!(list(fs, &fs.root(), 11, BOTH).names, listed);
        listed.sort();
        listed.dedup();
        assert_eq!(listed.len(), FILES);
    });
}

#[test]
fn a_cookie_is_good_with_and_without_memory() {
    each(|dir, fs| {
        remember(fs);
        let other = open(dir.path(), Options { always_offload: true, ..options() });
        let names = |fs, cookie, room| {
            let found = details(fs, &ROOT, cookie, room, BOTH).entries;
            found.into_iter().map(|entry| (entry.0, entry.1)).collect::<Vec<_>>()
        };
        let whole = names(fs, 0, usize::MAX);
        for (first, second) in [(fs, &other), (&other, fs)] {
            let mut joined = names(first, 0, FILES / 2);
            let cookie = joined[FILES / 2 - 1].1;
            joined.extend(names(second, cookie, usize::MAX));
            assert_eq!(joined, whole);
        }
        // The directory changes between the parts: who is there all the time is given once.
        let mut joined = names(fs, 0, FILES / 2);
        let gone = String::from_utf8(joined[3].0.clone()).unwrap();
        local(|| fs::remove_file(dir.path().join(gone)).unwrap());
        joined.extend(names(fs, joined[FILES / 2 - 1].1, usize::MAX));
        assert_eq!(joined, whole);
    });
}

#[test]
fn what_changes_in_a_directory_shows_at_once() {
    each(|dir, fs| {
        let has = |name: &str| all(fs).entries.iter().any(|entry| entry.0 == name.as_bytes());
        let at = |name: &str| dir.path().join(name);
        remember(fs);
        local(|| fs::write(at("new"), "").unwrap());
        assert!(has("new"));
        remember(fs);
        local(|| fs::rename(at("new"), at("newer")).unwrap());
        assert!(has("newer") && !has("new"));
        remember(fs);
        wait(fs.remove(&ROOT, &fs.root(), b"newer")).unwrap();
        assert!(!has("newer"));
        remember(fs);
        local(|| fs::rename(at("file-1"), at("file-2")).unwrap());
        let listed = all(fs).entries;
        let moved = listed.iter().find(|entry| entry.0 == b"file-2").unwrap();
        assert_eq!(wait(fs.lookup(&ROOT, &fs.root(), b"file-2")), Ok(moved.4.unwrap()));
        assert_eq!(listed.len(), FILES - 1);
    });
}

#[test]
fn attributes_are_asked_for_each_time() {
    each(|dir, fs| {
        // One is open in the cache, one is not.
        wait(fs.lookup(&ROOT, &fs.root(), b"file-1")).unwrap();
        remember(fs);
        for name in ["file-1", "file-2"] {
            let path = dir.path().join(name);
            local(|| fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap());
            local(|| fs::write(&path, "four").unwrap());
            let before = fs.listed_again();
            let listed = all(fs).entries;
            assert_eq!(fs.listed_again(), before + 1);
            let found = listed.iter().find(|entry| entry.0 == name.as_bytes()).unwrap();
            let attr = found.3.unwrap().unwrap();
            assert_eq!((attr.mode, attr.size), (0o604, 4));
        }
    });
}

#[test]
fn memory_shows_nobody_more_than_the_kernel_would() {
    if !is_root() || !remembers(Path::new("/tmp")) {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    local(|| fs::write(dir.path().join("file"), "").unwrap());
    let fs = open(dir.path(), options());
    let mode = |mode| {
        local(|| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap());
        remember(&fs);
    };
    mode(0o744);
    let listed = details(&fs, &USER, 0, usize::MAX, BOTH).entries;
    assert_eq!(listed[0].3, Some(Err(Error::AccessDenied)));
    assert_eq!(listed[0].4, None);
    mode(0o711);
    let mut sink = Names::new(9);
    let listed = wait(fs.readdir(&USER, &fs.root(), 0, 4096, BOTH, &mut sink));
    assert_eq!(listed, Err(Error::AccessDenied));
    mode(0o755);
    let listed = details(&fs, &USER, 0, usize::MAX, BOTH).entries;
    assert!(matches!(listed[0].3, Some(Ok(_))));
}

#[test]
fn what_is_mounted_on_an_entry_hides_it_from_memory_too() {
    if !is_root() || !remembers(Path::new("/tmp")) {
        return;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if !own_mounts() {
                return;
            }
            let dir = TempDir::new(Path::new("/tmp"));
            let (below, path) = (dir.path().join("below"), dir.path().join("file"));
            fs::create_dir(&below).unwrap();
            fs::write(&path, "").unwrap();
            let fs = open(dir.path(), Options { noxdev: true, ..options() });
            wait(fs.lookup(&ROOT, &fs.root(), b"file")).unwrap();
            remember(&fs);
            assert_eq!(all(&fs).entries.len(), 2);
            local(|| mount_bind(&below, &below).unwrap());
            assert_eq!(all(&fs).entries.len(), 1);
            remember(&fs);
            local(|| mount_bind(&path, &path).unwrap());
            assert_eq!(all(&fs).entries.len(), 0);
            for path in [below, path] {
                local(|| unmount(&path, UnmountFlags::DETACH).unwrap());
            }
            assert_eq!(all(&fs).entries.len(), 2);
        });
    });
}
