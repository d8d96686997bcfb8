//! The suite on kinds of file systems that the machine may not have: those that share blocks and
//! one that does not.
mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::image::{mount_image, own_mounts};
use common::{TempDir, is_root, open, options};
use holdfast_vfs::FileSystem;
use holdfast_vfs::conformance::{CASES, Features, Subject, run};

/// Runs all cases in an image of 512 MiB, where that may be made; `shares`: whether there is
/// something to clone by.
fn suite_in_an_image(mkfs: &[&str], shares: bool) {
    if !is_root() {
        return;
    }
    let dir = TempDir::new(Path::new("/tmp"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if !own_mounts() || !mount_image(dir.path(), 512 << 20, mkfs) {
                return;
            }
            let disk = dir.path().join("disk");
            let fs = Arc::new(open(&disk, options()));
            assert_eq!(fs.properties().clone_block.is_some(), shares);
            let features = Features { checks_cookies: false, ..Features::ALL };
            let features = Features { counts_subdirectories: !shares, ..features };
            let subject = Subject { fs, features };
            for (name, _) in CASES {
                run(name, &subject);
            }
            drop(subject);
            assert!(common::image::run(Command::new("umount").arg(&disk)), "nothing is left open");
        });
    });
}

#[test]
fn btrfs_passes_the_suite() {
    suite_in_an_image(&["mkfs.btrfs", "-q"], true);
}

#[test]
fn ext4_passes_the_suite() {
    suite_in_an_image(&["mkfs.ext4", "-q"], false);
}
