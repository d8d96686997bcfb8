//! Handles without privilege that outlive a restart: what a local process did meanwhile does not
//! matter, and nothing but the object itself is ever behind its handle.
mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::image::{own_mounts, run};
use common::{TempDir, create, indexed, is_root, local, lookup, open, wait};
use holdfast_localfs::{IndexOptions, LocalFs, Mode, Options};
use holdfast_vfs::{Attr, Cred, Error, FileSystem, Handle, NewNode, SetAttr, Want};

const ROOT: Cred = Cred::ROOT;

/// An export, and where its index is.
struct Export {
    state: TempDir,
    dir: TempDir,
}

impl Export {
    fn new() -> Self {
        Self { state: TempDir::new(Path::new("/tmp")), dir: TempDir::new(Path::new("/tmp")) }
    }

    fn options(&self) -> Options {
        indexed(self.state.path())
    }

    fn open(&self) -> LocalFs {
        let fs = open(self.dir.path(), self.options());
        assert_eq!(fs.mode(), Mode::IndexedHandles);
        assert!(fs.properties().durable_handles);
        fs
    }

    /// Opens nothing but the root beforehand, and keeps hardly anything open.
    fn open_tight(&self) -> LocalFs {
        open(self.dir.path(), Options { fd_budget: Some(1), ..self.options() })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }
}

/// Scans after which an answer is due, and more than enough.
const ENOUGH: u64 = 1_000;

/// Asks until somebody has looked.
fn settled(fs: &LocalFs, handle: &Handle) -> Result<Attr, Error> {
    let before = scans(fs);
    loop {
        match wait(fs.getattr(&ROOT, handle)) {
            Err(Error::Busy) => std::thread::yield_now(),
            answer => return answer,
        }
        assert!(scans(fs) < before + ENOUGH, "it is neither found nor stale");
    }
}

fn scans(fs: &LocalFs) -> u64 {
    fs.index().expect("there is an index").scans
}

fn walk(fs: &LocalFs, path: &str) -> Handle {
    path.split('/')
        .fold(fs.root(), |dir, name| wait(fs.lookup(&ROOT, &dir, name.as_bytes())).unwrap())
}

/// The objects of these paths, by handle and by inode.
fn known(fs: &LocalFs, export: &Export, paths: &[&str]) -> Vec<(Handle, u64)> {
    let inode = |path: &str| fs::symlink_metadata(export.path(path)).unwrap().ino();
    paths.iter().map(|path| (walk(fs, path), local(|| inode(path)))).collect()
}

#[track_caller]
fn assert_found(fs: &LocalFs, known: &[(Handle, u64)]) {
    for (handle, ino) in known {
        assert_eq!(settled(fs, handle).map(|attr| attr.fileid), Ok(*ino));
    }
}

#[test]
fn all_kinds_of_objects_keep_their_handles_over_a_restart() {
    let export = Export::new();
    let deep = vec!["deep"; 200].join("/");
    let deep_file = format!("{deep}/file");
    local(|| {
        fs::create_dir_all(export.path(&deep)).unwrap();
        fs::create_dir(export.path("dir")).unwrap();
        fs::write(export.path(&deep_file), b"x").unwrap();
        fs::write(export.path("dir/file"), b"y").unwrap();
        symlink("dir", export.path("link")).unwrap();
    });
    let first = export.open();
    let paths = ["deep", &deep, &deep_file, "dir", "dir/file", "link"];
    let mut objects = known(&first, &export, &paths);
    let made = create(&first, &ROOT, b"made", 0o644).unwrap();
    objects.push((made.node, local(|| fs::metadata(export.path("made")).unwrap().ino())));
    drop(made);
    // A listing shows handles as well.
    let listed = common::list(&first, &first.root(), 100, Want { attr: false, handle: true });
    assert_eq!(listed.handles.len(), 4);
    let root = first.root();
    drop(first);
    for fs in [export.open(), export.open_tight()] {
        assert_eq!(fs.root(), root);
        assert_found(&fs, &objects);
        assert_eq!(scans(&fs), 0);
        for (handle, path) in objects.iter().map(|(handle, _)| handle).zip(paths) {
            assert_eq!(walk(&fs, path), *handle);
        }
    }
}

#[test]
fn what_was_renamed_while_the_server_was_down_is_found() {
    let export = Export::new();
    local(|| {
        fs::create_dir_all(export.path("a/b/c")).unwrap();
        fs::create_dir(export.path("other")).unwrap();
        for file in ["a/same", "a/across", "a/b/c/below", "a/linked"] {
            fs::write(export.path(file), file).unwrap();
        }
        fs::hard_link(export.path("a/linked"), export.path("other/second")).unwrap();
    });
    let first = export.open();
    let objects = known(
        &first,
        &export,
        &["a", "a/b", "a/b/c", "a/b/c/below", "a/same", "a/across", "a/linked"],
    );
    drop(first);
    local(|| {
        let rename = |from, to| fs::rename(export.path(from), export.path(to)).unwrap();
        rename("a/same", "a/renamed");
        // Others have the old names.
        fs::write(export.path("a/same"), b"decoy").unwrap();
        rename("a/across", "other/moved");
        fs::create_dir(export.path("a/across")).unwrap();
        rename("a/b", "other/b");
        fs::create_dir_all(export.path("a/b/c/below")).unwrap();
        fs::remove_file(export.path("a/linked")).unwrap();
    });
    let second = export.open_tight();
    assert_found(&second, &objects[4..5]);
    assert_eq!(scans(&second), 0, "the directory's listing was enough");
    assert_found(&second, &objects);
    assert!((1..=4).contains(&scans(&second)), "{}", scans(&second));
    drop(second);
    // And that was recorded.
    local(|| fs::rename(export.path("a"), export.path("other/a")).unwrap());
    let third = export.open_tight();
    assert_found(&third, &objects[1..4]);
    assert_eq!(scans(&third), 0);
    assert_found(&third, &objects);
}

#[test]
fn what_was_removed_is_stale_whoever_has_its_inode_now() {
    let export = Export::new();
    let first = export.open();
    let names: Vec<String> = (0..20).map(|number| format!("old-{number}")).collect();
    let handles: Vec<Handle> = names
        .iter()
        .map(|name| create(&first, &ROOT, name.as_bytes(), 0o644).unwrap().node)
        .collect();
    let kept = create(&first, &ROOT, b"kept", 0o644).unwrap().node;
    drop(first);
    local(|| {
        for name in &names {
            fs::remove_file(export.path(name)).unwrap();
        }
        // The inodes are free, and the names too.
        for name in &names {
            fs::write(export.path(name), b"another").unwrap();
        }
    });
    let second = export.open();
    for handle in &handles {
        assert_eq!(settled(&second, handle).map(|_| ()), Err(Error::Stale));
    }
    assert!(settled(&second, &kept).is_ok());
    assert!(names.iter().all(|name| !handles.contains(&lookup(&second, name.as_bytes()).unwrap())));
}

#[test]
fn what_this_server_removed_is_stale_at_once() {
    let export = Export::new();
    let fs = export.open_tight();
    for (name, over) in [(&b"a"[..], false), (b"b", true)] {
        let node = create(&fs, &ROOT, name, 0o644).unwrap().node;
        let second = create(&fs, &ROOT, b"second", 0o644).unwrap().node;
        let root = fs.root();
        if over {
            wait(fs.rename(&ROOT, (&root, b"second"), (&root, name))).unwrap();
        } else {
            wait(fs.remove(&ROOT, &root, name)).unwrap();
            wait(fs.remove(&ROOT, &root, b"second")).unwrap();
        }
        assert_eq!(wait(fs.getattr(&ROOT, &node)).unwrap_err(), Error::Stale);
        assert_eq!(wait(fs.getattr(&ROOT, &second)).is_ok(), over);
    }
    // With another name left it is still there.
    let node = create(&fs, &ROOT, b"one", 0o644).unwrap().node;
    wait(fs.link(&ROOT, &node, &fs.root(), b"two")).unwrap();
    wait(fs.remove(&ROOT, &fs.root(), b"one")).unwrap();
    assert_eq!(settled(&fs, &node).map(|attr| attr.nlink), Ok(1));
}

#[test]
fn a_bad_log_costs_a_scan_and_no_handle() {
    let export = Export::new();
    local(|| {
        fs::create_dir_all(export.path("x/y")).unwrap();
        fs::write(export.path("x/y/file"), b"1").unwrap();
    });
    let first = export.open();
    let objects = known(&first, &export, &["x", "x/y", "x/y/file"]);
    drop(first);
    let log = export.state.path().join("index");
    let good = local(|| fs::read(&log).unwrap());
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    let bad: [Option<&[u8]>; 5] =
        [None, Some(b""), Some(b"not a log"), Some(&good[..good.len() - 3]), Some(&flipped)];
    for bytes in bad {
        local(|| match bytes {
            Some(bytes) => fs::write(&log, bytes).unwrap(),
            None => fs::remove_file(&log).unwrap(),
        });
        let again = export.open_tight();
        assert_found(&again, &objects);
        assert_eq!((scans(&again), again.index().unwrap().failures), (1, 0));
        drop(again);
        // What the scan learnt is recorded.
        let again = export.open();
        assert_found(&again, &objects);
        assert_eq!(scans(&again), 0);
    }
    // Under another key they are nobody's.
    let other = Options { key: [8; 16], ..export.options() };
    let found = wait(open(export.dir.path(), other).getattr(&ROOT, &objects[0].0));
    assert_eq!(found.unwrap_err(), Error::BadHandle);
}

#[test]
fn a_small_table_serves_a_large_tree() {
    let export = Export::new();
    local(|| {
        for dir in 0..8 {
            fs::create_dir(export.path(&dir.to_string())).unwrap();
            for file in 0..50 {
                fs::write(export.path(&format!("{dir}/{file}")), b"").unwrap();
            }
        }
    });
    let mut options = Options { fd_budget: Some(8), ..export.options() };
    options.index.as_mut().unwrap().entries_max = 64;
    let fs = open(export.dir.path(), options.clone());
    let paths: Vec<String> = (0..400).map(|at| format!("{}/{}", at % 8, at / 8)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let objects = known(&fs, &export, &paths);
    assert_found(&fs, &objects[390..]);
    assert_eq!(scans(&fs), 0);
    assert_found(&fs, &objects[..20]);
    assert!(scans(&fs) > 0 && fs.index().unwrap().entries <= 64);
    drop(fs);
    let fs = open(export.dir.path(), options);
    assert_found(&fs, &objects[100..120]);
    assert!(fs.index().unwrap().entries <= 64);
}

#[test]
fn a_directory_in_use_that_the_table_forgot_still_serves() {
    let export = Export::new();
    local(|| {
        fs::create_dir_all(export.path("used")).unwrap();
        for name in 0..300 {
            fs::create_dir(export.path(&format!("other-{name}"))).unwrap();
        }
        fs::write(export.path("used/file"), b"").unwrap();
    });
    let mut options = export.options();
    options.index.as_mut().unwrap().entries_max = 64;
    let fs = open(export.dir.path(), options);
    let used = lookup(&fs, b"used").unwrap();
    for name in 0..300 {
        lookup(&fs, format!("other-{name}").as_bytes()).unwrap();
    }
    let file = wait(fs.lookup(&ROOT, &used, b"file")).unwrap();
    assert!(settled(&fs, &file).is_ok());
    assert_eq!(wait(fs.lookup_parent(&ROOT, &used)), Ok(fs.root()));
}

#[test]
fn handles_of_removed_files_do_not_make_it_scan_for_ever() {
    let export = Export::new();
    let first = export.open();
    let handles: Vec<Handle> = (0..30)
        .map(|at: u32| create(&first, &ROOT, at.to_string().as_bytes(), 0o644).unwrap().node)
        .collect();
    drop(first);
    local(|| {
        for at in 0..30 {
            fs::remove_file(export.path(&at.to_string())).unwrap();
        }
    });
    let mut options = export.options();
    options.index.as_mut().unwrap().scan_pause = Duration::from_secs(1 << 30);
    let second = open(export.dir.path(), options);
    let (early, late) = handles.split_at(15);
    // The first question may begin a scan before the others are asked, so it is asked last.
    assert_eq!(settled(&second, &early[0]).map(|_| ()), Err(Error::Stale));
    assert_eq!(scans(&second), 1);
    for handle in late.iter().cycle().take(1_000) {
        assert_eq!(wait(second.getattr(&ROOT, handle)).unwrap_err(), Error::Busy);
    }
    assert_eq!(scans(&second), 1);
    assert!(create(&second, &ROOT, b"new", 0o644).is_ok(), "others are served");
}

#[test]
fn what_left_the_export_while_the_server_was_down_is_stale_until_it_is_back() {
    let (export, outside) = (Export::new(), TempDir::new(Path::new("/tmp")));
    local(|| {
        fs::create_dir(export.path("dir")).unwrap();
        fs::write(export.path("dir/file"), b"x").unwrap();
    });
    let first = export.open();
    let objects = known(&first, &export, &["dir", "dir/file"]);
    drop(first);
    let away = outside.path().join("dir");
    local(|| fs::rename(export.path("dir"), &away).unwrap());
    let second = export.open();
    for (handle, _) in &objects {
        assert_eq!(settled(&second, handle).map(|_| ()), Err(Error::Stale));
    }
    local(|| fs::rename(&away, export.path("back")).unwrap());
    assert_found(&second, &objects);
}

#[test]
fn no_handle_leads_through_a_symbolic_link_or_out_of_a_moved_directory() {
    let (export, outside) = (Export::new(), TempDir::new(Path::new("/tmp")));
    local(|| {
        fs::create_dir_all(export.path("dir/sub")).unwrap();
        fs::write(export.path("dir/sub/file"), b"x").unwrap();
        // The very same object has a name outside.
        fs::create_dir_all(outside.path().join("twin/sub")).unwrap();
        let twin = outside.path().join("twin/sub/file");
        fs::hard_link(export.path("dir/sub/file"), twin).unwrap();
    });
    let first = export.open();
    let objects = known(&first, &export, &["dir", "dir/sub", "dir/sub/file"]);
    drop(first);
    // While it is open, its directory moves away: its own descriptor leads out.
    let second = export.open_tight();
    assert_found(&second, &objects[..2]);
    local(|| {
        fs::rename(export.path("dir"), outside.path().join("moved")).unwrap();
        symlink(outside.path().join("twin"), export.path("dir")).unwrap();
    });
    assert_eq!(settled(&second, &objects[2].0).map(|_| ()), Err(Error::Stale));
    drop(second);
    let third = export.open();
    for (handle, _) in &objects {
        assert_eq!(settled(&third, handle).map(|_| ()), Err(Error::Stale));
    }
}

#[test]
fn a_directory_that_comes_and_goes_never_lends_its_name() {
    let (export, outside) = (Export::new(), TempDir::new(Path::new("/tmp")));
    let decoys = outside.path().join("decoys");
    local(|| {
        fs::create_dir(export.path("dir")).unwrap();
        fs::create_dir(&decoys).unwrap();
        for at in 0..8 {
            fs::write(export.path(&format!("dir/{at}")), b"").unwrap();
            fs::write(decoys.join(at.to_string()), b"secret").unwrap();
        }
    });
    let fs = export.open_tight();
    let paths: Vec<String> = (0..8).map(|at| format!("dir/{at}")).collect();
    let objects = known(&fs, &export, &paths.iter().map(String::as_str).collect::<Vec<_>>());
    let (inside, away) = (export.path("dir"), outside.path().join("away"));
    let (is_over, moves) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            local(|| {
                while !is_over.load(Ordering::Relaxed) {
                    fs::rename(&inside, &away).unwrap();
                    fs::rename(&decoys, &inside).unwrap();
                    fs::rename(&inside, &decoys).unwrap();
                    fs::rename(&away, &inside).unwrap();
                    moves.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        while moves.load(Ordering::Relaxed) < 2_000 {
            for (handle, ino) in &objects {
                match wait(fs.getattr(&ROOT, handle)) {
                    Ok(attr) => assert_eq!((attr.fileid, attr.size), (*ino, 0)),
                    Err(error) => assert!(matches!(error, Error::Busy | Error::Stale), "{error:?}"),
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_found(&fs, &objects);
}

#[test]
fn what_moves_while_a_scan_is_made_is_found() {
    let export = Export::new();
    let names: Vec<String> = (0..300).map(|at| format!("{at:03}")).collect();
    local(|| {
        for name in &names {
            fs::create_dir(export.path(name)).unwrap();
        }
        fs::write(export.path("000/file"), b"").unwrap();
    });
    let first = export.open();
    let file = known(&first, &export, &["000/file"]);
    drop(first);
    local(|| fs::remove_file(export.state.path().join("index")).unwrap());
    local(|| {
        fs::rename(export.path("000/file"), export.path("299/file")).unwrap();
    });
    let second = export.open();
    assert_found(&second, &file);
}

#[test]
fn a_mount_hides_what_is_below_it() {
    if !is_root() {
        return;
    }
    let (export, outside) = (Export::new(), TempDir::new(Path::new("/tmp")));
    let (twin, dir) = (outside.path().to_owned(), export.path("dir"));
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file"), b"x").unwrap();
    fs::hard_link(dir.join("file"), twin.join("file")).unwrap();
    let first = export.open();
    let objects = known(&first, &export, &["dir", "dir/file"]);
    drop(first);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mount =
                |from: &Path| run(Command::new("mount").arg("--bind").args([from, dir.as_path()]));
            if !own_mounts() || !mount(&twin) {
                return;
            }
            let options = Options { noxdev: true, ..export.options() };
            let second = open(export.dir.path(), options);
            for (handle, _) in &objects {
                assert_eq!(settled(&second, handle).map(|_| ()), Err(Error::Stale));
            }
            assert_eq!(lookup(&second, b"dir"), Err(Error::NotFound));
        });
    });
}

#[test]
fn a_full_disk_is_told_once_and_handles_rest_on_the_scan() {
    if !is_root() {
        return;
    }
    let (export, state) = (Export::new(), TempDir::new(Path::new("/tmp")));
    let path = state.path().to_owned();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", "size=64k", "small"]).arg(&path);
            // What the world's threads start with is this thread's.
            if own_mounts() && run(&mut mount) {
                fill_and_free(&export, &path);
                assert!(run(Command::new("umount").arg(&path)), "nothing is left open");
            }
        });
    });
}

fn fill_and_free(export: &Export, state: &Path) {
    let told = Arc::new(AtomicU64::new(0));
    let counter = told.clone();
    let mut index = IndexOptions::new(state.join("index"));
    index.scan_pause = Duration::ZERO;
    index.notice = Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let options = Options { index: Some(index), fd_budget: Some(1), ..export.options() };
    let fs = open(export.dir.path(), options.clone());
    // All but the log's first page.
    local(|| drop(fs::write(state.join("filler"), vec![0; 128 << 10])));
    let attrs = SetAttr { mode: Some(0o755), ..SetAttr::default() };
    let handles: Vec<Handle> = (0..500)
        .map(|at| {
            let name = format!("a-name-that-takes-some-room-{at}");
            let kind = NewNode::Directory;
            wait(fs.make_node(&ROOT, &fs.root(), name.as_bytes(), kind, &attrs)).unwrap().0
        })
        .collect();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert!(fs.index().unwrap().failures > 1);
    drop(fs);
    let fs = open(export.dir.path(), options);
    for handle in &handles {
        assert!(settled(&fs, handle).is_ok());
    }
    assert_eq!(scans(&fs), 1);
}
