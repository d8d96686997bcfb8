//! Data that the disk did not take: whoever wrote it is told, whoever else was told before.
mod common;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use common::image::{mount_image, own_mounts, run};
use common::{TempDir, create, is_root, local, lookup, open, options, wait};
use holdfast_localfs::LocalFs;
use holdfast_vfs::{Cred, FileSystem, OpenMode, Stability};
use rustix::mount::{MountFlags, mount};

const ROOT: Cred = Cred::ROOT;
const BEHIND: &std::ffi::CStr = c"size=4m";
/// Without a journal, and with all tables written: only data has to find room later.
const MKFS: [&str; 8] =
    ["mkfs.ext4", "-q", "-O", "^has_journal", "-N", "64", "-E", "lazy_itable_init=0,nodiscard"];
const DISK_BYTES: u64 = 64 << 20;

/// A disk of more bytes than there is room for behind it, where such a one may be made.
fn on_a_full_disk(test: impl FnOnce(&Path, LocalFs, &dyn Fn()) + Send) {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if !own_mounts()
                || mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), BEHIND).is_err()
                || !mount_image(dir.path(), DISK_BYTES, &MKFS)
            {
                return;
            }
            let disk = dir.path().join("disk");
            let fs = open(&disk, options());
            // What describes the file is written while there is room.
            let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
            wait(fs.allocate(&ROOT, &made.file, 0, 2 << 20)).unwrap();
            drop(made);
            rustix::fs::syncfs(File::open(&disk).unwrap()).unwrap();
            let filler = dir.path().join("filler");
            let mut file = File::create(&filler).unwrap();
            while file.write(&[0; 4096]).is_ok() {}
            drop(file);
            test(&disk, fs, &|| std::fs::remove_file(&filler).unwrap());
            assert!(run(Command::new("umount").arg(&disk)), "nothing is left open");
        });
    });
}

/// Writes by one open file, lets a local process be told that it failed, and opens another.
fn lose(disk: &Path, fs: &LocalFs, make_room: &dyn Fn(), close_the_first: bool) {
    let node = lookup(fs, b"file").unwrap();
    let first = wait(fs.open(&ROOT, &node, OpenMode::WRITE, false)).unwrap();
    let data = vec![7; 1 << 20];
    let write = wait(fs.write(&ROOT, &first, 0, &data, Stability::Unstable));
    let before = write.unwrap().verifier;
    let told = local(|| File::open(disk.join("file")).unwrap().sync_all().is_err());
    assert!(told, "the disk has no room behind it");
    make_room();
    let second = wait(fs.open(&ROOT, &node, OpenMode::WRITE, false)).unwrap();
    wait(fs.write(&ROOT, &second, 1 << 20, b"x", Stability::Unstable)).unwrap();
    if close_the_first {
        drop(first);
        assert_ne!(wait(fs.commit(&node, 0, 0)), Ok(before), "a close tells of what was lost");
    } else {
        assert_ne!(wait(fs.commit(&node, 0, 0)), Ok(before), "the first writer is asked");
        // Whoever asks next learns by the verifier.
        assert_ne!(wait(fs.commit(&node, 0, 0)), Ok(before));
    }
}

#[test]
fn a_commit_tells_what_an_earlier_writer_lost() {
    on_a_full_disk(|disk, fs, make_room| lose(disk, &fs, make_room, false));
}

#[test]
fn a_commit_tells_what_a_closed_writer_lost() {
    on_a_full_disk(|disk, fs, make_room| lose(disk, &fs, make_room, true));
}
