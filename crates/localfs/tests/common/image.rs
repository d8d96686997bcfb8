//! File systems in images, in a mount namespace of their own: where root may make such.

use std::fs::{File, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;

/// Runs a command; whether it could and did well.
pub(crate) fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Gives this thread mounts of its own.
pub(crate) fn own_mounts() -> bool {
    // The safe call is deprecated for flags that are not used here.
    #[allow(deprecated)]
    let own = rustix::thread::unshare(UnshareFlags::NEWNS);
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    own.is_ok() && mount_change("/", flags).is_ok()
}

/// Makes a file system in a new file `image` below a directory, and mounts it on `disk` there.
pub(crate) fn mount_image(below: &Path, bytes: u64, mkfs: &[&str]) -> bool {
    let (image, disk) = (below.join("image"), below.join("disk"));
    std::fs::create_dir(&disk).unwrap();
    File::create(&image).unwrap().set_len(bytes).unwrap();
    let is_mounted = run(Command::new(mkfs[0]).args(&mkfs[1..]).arg(&image))
        && run(Command::new("mount").args(["-o", "loop"]).args([&image, &disk]));
    if is_mounted {
        set_permissions(&disk, PermissionsExt::from_mode(0o1777)).unwrap();
    }
    is_mounted
}
