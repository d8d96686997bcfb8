//! File systems below an export: each is one of its own to clients, or hidden.
mod common;

use std::collections::BTreeMap;
use std::fs::{self, create_dir, create_dir_all};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::image::{mount_image, own_mounts, run};
use common::{TempDir, Threads, is_root, list, local, open, options, unprivileged, wait};
use holdfast_base::{BoxFuture, Closed, Instant, Job, WallTime, World};
use holdfast_localfs::{Durability, LocalFs, Options, Tell};
use holdfast_vfs::{
    Attr, CreateHow, Cred, DirEntry, DirSink, Error, FileSystem, Handle, OpenMode, SetAttr, Want,
};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};

const ROOT: Cred = Cred::ROOT;
const ALL: Want = Want { attr: true, handle: true };

/// Runs a test with mounts of its own, where root may have such.
fn with_mounts(test: impl Fn(&Path) + Sync) {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if own_mounts() {
                test(dir.path());
            }
        });
    });
}

fn mount_tmpfs(at: &Path) {
    create_dir_all(at).unwrap();
    mount("none", at, "tmpfs", MountFlags::empty(), None).unwrap();
}

fn umount(at: &Path) {
    unmount(at, UnmountFlags::empty()).unwrap();
}

/// A tmpfs `mem` and a btrfs `disk` with the subvolumes `a` and `b`; each has the file `f`. Whether
/// this machine can make such.
fn populate(export: &Path) -> bool {
    mount_tmpfs(&export.join("mem"));
    let made = mount_image(export, 256 << 20, &["mkfs.btrfs", "-q"]);
    let subvolume = |name: &str| {
        let path = export.join("disk").join(name);
        run(Command::new("btrfs").args(["subvolume", "create"]).arg(path))
    };
    if !made || !subvolume("a") || !subvolume("b") {
        return false;
    }
    for name in ["f", "mem/f", "disk/f", "disk/a/f", "disk/b/f"] {
        fs::write(export.join(name), name).unwrap();
    }
    true
}

fn walk(fs: &LocalFs, path: &str) -> Result<Handle, Error> {
    let names = path.split('/').filter(|name| !name.is_empty());
    let mut names = names.map(str::as_bytes);
    names.try_fold(fs.root(), |at, name| wait(fs.lookup(&ROOT, &at, name)))
}

fn attr(fs: &LocalFs, handle: &Handle) -> Attr {
    wait(fs.getattr(&ROOT, handle)).unwrap()
}

fn attr_at(fs: &LocalFs, path: &str) -> Attr {
    attr(fs, &walk(fs, path).unwrap())
}

#[derive(Default)]
struct Entries(BTreeMap<String, (u64, Attr, Handle)>);

impl DirSink for Entries {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        let name = String::from_utf8(entry.name.to_vec()).unwrap();
        let known = (entry.fileid, entry.attr.unwrap().unwrap(), entry.handle.unwrap());
        assert!(self.0.insert(name, known).is_none(), "listed once");
        true
    }
}

fn entries(fs: &LocalFs, dir: &Handle) -> BTreeMap<String, (u64, Attr, Handle)> {
    let mut entries = Entries::default();
    let end = wait(fs.readdir(&ROOT, dir, 0, 1 << 20, ALL, &mut entries)).unwrap();
    assert!(end.eof);
    entries.0
}

/// All objects below a directory, by path.
fn tree(fs: &LocalFs, dir: &Handle, path: &str, found: &mut BTreeMap<String, Attr>) {
    for (name, (fileid, attr, handle)) in entries(fs, dir) {
        let path = format!("{path}/{name}");
        assert_eq!(walk(fs, &path), Ok(handle), "{path}: a name leads where the listing does");
        assert_eq!(self::attr(fs, &handle), attr, "{path}");
        assert_eq!(attr.mounted_on.unwrap_or(attr.fileid), fileid, "{path}: as it is listed");
        if attr.kind == holdfast_vfs::FileKind::Directory {
            assert_eq!(wait(fs.lookup_parent(&ROOT, &handle)), Ok(*dir), "{path}/..");
            tree(fs, &handle, &path, found);
        }
        found.insert(path, attr);
    }
}

#[test]
fn each_file_system_below_has_an_fsid_and_says_what_it_is_mounted_on() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        for options in [options(), unprivileged()] {
            let fs = open(export, options);
            let mut found = BTreeMap::new();
            tree(&fs, &fs.root(), "", &mut found);
            let roots = ["/mem", "/disk", "/disk/a", "/disk/b"];
            let fsids: std::collections::HashSet<_> =
                roots.iter().map(|root| found[*root].fsid).chain([found["/f"].fsid]).collect();
            assert_eq!(fsids.len(), 5, "{found:?}");
            for (path, attr) in &found {
                assert_eq!(attr.mounted_on.is_some(), roots.contains(&&**path), "{path}");
            }
            assert_eq!(found["/disk/a"].fileid, found["/disk/b"].fileid, "as btrfs has it");
            assert_eq!(found["/disk/a/f"].fileid, found["/disk/b/f"].fileid, "as btrfs has it");
            assert_eq!(wait(fs.lookup_parent(&ROOT, &fs.root())), Err(Error::NotFound));
        }
    });
}

/// A client that meets two objects with one fsid and one file id takes them for one.
#[test]
fn no_two_objects_have_one_fsid_and_one_file_id() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        for name in ["x", "y", "z"] {
            for dir in ["", "mem", "disk", "disk/a", "disk/b"] {
                fs::write(export.join(dir).join(name), "").unwrap();
            }
        }
        let bound = export.join("bound");
        create_dir(&bound).unwrap();
        mount_bind(export.join("disk/a"), &bound).unwrap();
        for options in [options(), unprivileged()] {
            let fs = open(export, options);
            let mut found = BTreeMap::new();
            tree(&fs, &fs.root(), "", &mut found);
            let mut ids = BTreeMap::new();
            for (path, attr) in found {
                let key = (attr.fsid.major, attr.fsid.minor, attr.fileid);
                assert_eq!(ids.insert(key, path.clone()), None, "{path}");
            }
            assert_eq!(ids.len(), 30);
        }
    });
}

#[test]
fn noxdev_hides_them() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        let shown = open(export, options());
        let below: Vec<_> = ["mem/f", "disk/f", "disk/a/f"].map(|path| walk(&shown, path)).into();
        for options in [options(), unprivileged()] {
            let fs = open(export, Options { noxdev: true, ..options });
            for name in ["mem", "disk"] {
                assert_eq!(walk(&fs, name), Err(Error::NotFound));
            }
            let names = list(&fs, &fs.root(), 8, ALL).names;
            assert!(!names.iter().any(|name| name == b"mem" || name == b"disk"), "{names:?}");
            let how = CreateHow::Guarded(SetAttr::default());
            let made = wait(fs.create(&ROOT, &fs.root(), b"mem", &how, OpenMode::BOTH));
            assert_eq!(made.err(), Some(Error::Exists));
        }
        let fs = open(export, Options { noxdev: true, ..options() });
        for handle in below {
            assert_eq!(wait(fs.getattr(&ROOT, &handle.unwrap())).err(), Some(Error::Stale));
        }
        let disk = open(&export.join("disk"), Options { noxdev: true, ..options() });
        assert_eq!(walk(&disk, "a"), Err(Error::NotFound), "a subvolume of the export's own");
        assert!(walk(&disk, "f").is_ok());
    });
}

#[test]
fn handles_and_fsids_outlive_a_restart_and_other_device_numbers() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        let paths = ["f", "mem/f", "disk", "disk/f", "disk/a", "disk/a/f", "disk/b/f"];
        let known = |fs: &LocalFs, path: &&str| {
            let handle = walk(fs, path).unwrap();
            (handle, attr(fs, &handle))
        };
        let before: Vec<_> = {
            let fs = open(export, options());
            paths.iter().map(|path| known(&fs, path)).collect()
        };
        let found = |handles: &[(Handle, Attr)]| {
            let fs = open(export, options());
            for (path, (handle, was)) in paths.iter().zip(handles).rev() {
                let is = wait(fs.getattr(&ROOT, handle)).unwrap_or_else(|error| {
                    panic!("{path}: {error:?}");
                });
                assert_eq!(
                    (is.fsid, is.fileid, is.mounted_on),
                    (was.fsid, was.fileid, was.mounted_on)
                );
                assert_eq!(walk(&fs, path), Ok(*handle), "{path}");
            }
        };
        found(&before);
        // What is mounted first gets the number that the other had.
        let device =
            |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
        let numbers = device(&export.join("disk/a"));
        umount(&export.join("disk"));
        let many: Vec<_> = (0..3).map(|number| export.join(format!("mem/m{number}"))).collect();
        many.iter().for_each(|at| mount_tmpfs(at));
        let (image, disk) = (export.join("image"), export.join("disk"));
        assert!(run(Command::new("mount").args(["-o", "loop"]).args([&image, &disk])));
        assert_ne!(device(&export.join("disk/a")), numbers, "the test is one");
        found(&before);
    });
}

#[test]
fn names_do_not_move_from_one_to_another() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        for options in [options(), unprivileged()] {
            let fs = open(export, options);
            for (from, to) in
                [("", "mem"), ("mem", "disk"), ("disk", "disk/a"), ("disk/a", "disk/b")]
            {
                let dirs = (walk(&fs, from).unwrap(), walk(&fs, to).unwrap());
                let moved = wait(fs.rename(&ROOT, (&dirs.0, b"f"), (&dirs.1, b"g")));
                assert_eq!(moved.err(), Some(Error::CrossDevice), "{from} to {to}");
                let file = walk(&fs, &format!("{from}/f")).unwrap();
                let linked = wait(fs.link(&ROOT, &file, &dirs.1, b"g"));
                assert_eq!(linked.err(), Some(Error::CrossDevice), "{from} to {to}");
            }
            let removed = wait(fs.remove(&ROOT, &fs.root(), b"mem"));
            assert_eq!(removed.err(), Some(Error::InUse));
        }
    });
}

#[test]
fn what_is_unmounted_is_stale_and_not_kept() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        let image = export.join("image");
        let loops = || Command::new("losetup").arg("-j").arg(&image).output().unwrap().stdout;
        let fs = open(export, options());
        let handles = ["mem/f", "disk/f", "disk/a/f"].map(|path| walk(&fs, path).unwrap());
        for name in ["mem", "disk"] {
            unmount(export.join(name), UnmountFlags::DETACH).unwrap();
        }
        for handle in handles {
            assert_eq!(wait(fs.getattr(&ROOT, &handle)).err(), Some(Error::Stale));
        }
        assert_eq!(walk(&fs, "disk/f"), Err(Error::NotFound));
        assert_eq!(attr_at(&fs, "disk").mounted_on, None, "what was covered is seen again");
        // Nothing of ours keeps the disk.
        while !loops().is_empty() {
            std::thread::yield_now();
        }
        // The same again in the same place is the same again.
        assert!(run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(export.join("disk"))));
        assert!(wait(fs.getattr(&ROOT, &handles[2])).is_ok());
        assert_eq!(wait(fs.getattr(&ROOT, &handles[0])).err(), Some(Error::Stale));
    });
}

#[test]
fn what_is_moved_out_of_the_export_is_stale() {
    with_mounts(|dir| {
        let (export, outside) = (dir.join("export"), dir.join("outside"));
        create_dir_all(&outside).unwrap();
        mount_tmpfs(&export.join("mem"));
        fs::write(export.join("mem/f"), "").unwrap();
        let fs = open(&export, options());
        let handle = walk(&fs, "mem/f").unwrap();
        rustix::mount::mount_move(export.join("mem"), &outside).unwrap();
        assert_eq!(wait(fs.getattr(&ROOT, &handle)).err(), Some(Error::Stale));
        let again = open(&export, options());
        assert_eq!(wait(again.getattr(&ROOT, &handle)).err(), Some(Error::Stale));
    });
}

/// The kernel opens any handle of the file system by a mount of a part of it.
#[test]
fn a_part_that_is_mounted_does_not_lead_to_the_rest() {
    with_mounts(|dir| {
        let (export, source) = (dir.join("export"), dir.join("source"));
        create_dir_all(export.join("part")).unwrap();
        create_dir_all(source.join("shown/deep/down")).unwrap();
        create_dir_all(source.join("secret")).unwrap();
        mount_bind(source.join("shown"), export.join("part")).unwrap();
        for options in [options(), unprivileged()] {
            let fs = open(&export, options);
            let [part, deep, down] =
                ["part", "part/deep", "part/deep/down"].map(|path| walk(&fs, path).unwrap());
            let up = |handle| wait(fs.lookup_parent(&ROOT, handle));
            assert_eq!((up(&part), up(&deep), up(&down)), (Ok(fs.root()), Ok(part), Ok(deep)));
            assert_ne!(attr(&fs, &part).fsid, attr(&fs, &fs.root()).fsid);
            local(|| fs::rename(source.join("shown/deep"), source.join("secret/deep"))).unwrap();
            assert_eq!(up(&deep), Err(Error::Stale));
            assert_eq!(up(&down), Err(Error::Stale), "what lies above it is nobody's business");
            local(|| fs::rename(source.join("secret/deep"), source.join("shown/deep"))).unwrap();
            assert_eq!(up(&deep), Ok(part));
        }
    });
}

fn told() -> (Tell, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    (Tell::by(move |sentence| kept.lock().unwrap().push(sentence.to_owned())), told)
}

#[test]
fn the_kernels_own_and_files_are_hidden_and_that_is_told_once() {
    with_mounts(|export| {
        create_dir(export.join("proc")).unwrap();
        fs::write(export.join("file"), "").unwrap();
        fs::write(export.join("over"), "").unwrap();
        mount("none", export.join("proc"), "proc", MountFlags::empty(), None).unwrap();
        mount_bind(export.join("over"), export.join("file")).unwrap();
        for options in [options(), unprivileged()] {
            let (tell, told) = told();
            let fs = open(export, Options { tell, ..options });
            assert_eq!(walk(&fs, "proc"), Err(Error::NotFound));
            assert_eq!(walk(&fs, "file"), Err(Error::NotFound));
            assert_eq!(entries(&fs, &fs.root()).into_keys().collect::<Vec<_>>(), ["over"]);
            let told = told.lock().unwrap();
            assert!(told.len() == 1 && told[0].contains("the kernel's own"), "{told:?}");
        }
    });
}

/// `VOLUMES_MAX` of the crate.
const MOST: usize = 256;

#[test]
fn beyond_the_bound_a_mount_is_hidden_until_another_is_not_in_use() {
    with_mounts(|export| {
        let (tell, told) = told();
        let names: Vec<_> = (0..=MOST).map(|number| format!("m{number}")).collect();
        for name in &names {
            mount_tmpfs(&export.join(name));
            fs::write(export.join(name).join("f"), "").unwrap();
        }
        let fs = open(export, Options { tell, ..options() });
        let hold = |name: &String| {
            let file = walk(&fs, &format!("{name}/f"))?;
            wait(fs.open(&ROOT, &file, OpenMode::READ, false))
        };
        let mut held: Vec<_> = names[..MOST].iter().map(|name| hold(name).unwrap()).collect();
        assert_eq!(hold(&names[MOST]).err(), Some(Error::NotFound));
        assert!(hold(&names[0]).is_ok(), "those in use are shown");
        let told = told.lock().unwrap();
        assert!(told.len() == 1 && told[0].contains("too many"), "{told:?}");
        held.pop();
        assert!(hold(&names[MOST]).is_ok());
    });
}

#[test]
fn a_change_waits_for_the_disk_it_is_on() {
    with_mounts(|dir| {
        let export = dir.join("export");
        mount_tmpfs(&export);
        if !mount_image(&export, 64 << 20, &["mkfs.ext4", "-q"]) {
            return;
        }
        let fs = open(&export, Options { durability: Durability::Sync, ..options() });
        let make = |path: &str| {
            let dir = walk(&fs, path).unwrap();
            let how = CreateHow::Guarded(SetAttr::default());
            wait(fs.create(&ROOT, &dir, b"new", &how, OpenMode::BOTH)).unwrap();
            fs.flushed().flushes
        };
        assert_eq!(make(""), 0, "memory is as stable as it gets");
        assert_eq!(make("disk"), 1);
        let disk = walk(&fs, "disk").unwrap();
        assert_eq!(fs.properties_of(&disk).link_max, 65_000, "what is true of ext4");
        assert_ne!(fs.properties().link_max, 65_000);
        drop(fs);
        umount(&export.join("disk"));
    });
}

/// [`Threads`], but time flies.
struct Hasty;

impl World for Hasty {
    fn now(&self) -> Instant {
        Threads.now()
    }

    fn wall(&self) -> WallTime {
        Threads.wall()
    }

    fn random(&self, bytes: &mut [u8]) {
        Threads.random(bytes);
    }

    fn sleep(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        Threads.spawn(task)
    }

    fn blocking(&self, job: Job) -> Result<(), Closed> {
        Threads.blocking(job)
    }
}

#[test]
fn what_no_request_reaches_can_be_unmounted_and_is_found_again() {
    with_mounts(|export| {
        if !populate(export) {
            return;
        }
        mount_tmpfs(&export.join("mem/below"));
        fs::write(export.join("mem/below/f"), "").unwrap();
        for options in [options(), unprivileged()] {
            let fs = LocalFs::open(export, Arc::new(Hasty), options).unwrap();
            let handles = ["mem/below/f", "disk/a/f"].map(|path| walk(&fs, path).unwrap());
            for _ in 0..100 {
                for handle in &handles {
                    assert!(wait(fs.getattr(&ROOT, handle)).is_ok());
                }
            }
            let held = wait(fs.open(&ROOT, &handles[1], OpenMode::READ, false)).unwrap();
            let free = |path: &str| unmount(export.join(path), UnmountFlags::empty()).is_ok();
            while !free("mem/below") {
                std::thread::yield_now();
            }
            assert!(!free("disk"), "a file is open there");
            drop(held);
            while !free("disk") {
                std::thread::yield_now();
            }
            let (image, disk) = (export.join("image"), export.join("disk"));
            assert!(run(Command::new("mount").args(["-o", "loop"]).args([&image, &disk])));
            assert!(walk(&fs, "disk/a/f").is_ok());
            mount_tmpfs(&export.join("mem/below"));
            fs::write(export.join("mem/below/f"), "").unwrap();
        }
    });
}

/// Requests go on while mounts come and go: what is answered is right for some moment.
#[test]
fn mounts_that_come_and_go_do_no_harm() {
    with_mounts(|export| {
        let at = export.join("mem");
        create_dir(&at).unwrap();
        fs::write(at.join("covered"), "").unwrap();
        mount_change(export, MountPropagationFlags::PRIVATE).ok();
        for options in [options(), unprivileged()] {
            let fs = open(export, options);
            let own = attr(&fs, &fs.root()).fsid;
            std::thread::scope(|scope| {
                let mounting = scope.spawn(|| {
                    for _ in 0..200 {
                        local(|| {
                            mount("none", &at, "tmpfs", MountFlags::empty(), None).unwrap();
                            fs::write(at.join("f"), "").unwrap();
                            unmount(&at, UnmountFlags::DETACH).unwrap();
                        });
                    }
                });
                while !mounting.is_finished() {
                    let Ok(mem) = walk(&fs, "mem") else { continue };
                    let Ok(seen) = wait(fs.getattr(&ROOT, &mem)) else { continue };
                    assert_eq!(seen.mounted_on.is_some(), seen.fsid != own);
                    match wait(fs.lookup(&ROOT, &mem, b"covered")) {
                        Ok(_) => assert_eq!(seen.fsid, own),
                        Err(error) => {
                            assert!(matches!(error, Error::NotFound | Error::Stale), "{error:?}");
                        }
                    }
                }
            });
            assert_eq!(attr_at(&fs, "mem").fsid, own);
        }
    });
}
