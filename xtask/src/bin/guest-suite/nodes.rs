//! Sockets and devices: names for something that is not on the server.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::io::Errno;

use crate::Step;
use crate::check::{ensure, equal, refused};
use crate::mount::Mount;

pub(crate) fn socket(mount: &Mount) -> Step {
    let path = mount.folder("socket")?.join("socket");
    let listener = UnixListener::bind(&path)?;
    mount.drop_caches()?;
    ensure(fs::symlink_metadata(&path)?.file_type().is_socket(), "it is a socket")?;
    refused("a second one", UnixListener::bind(&path), &[Errno::ADDRINUSE])?;
    refused("open", fs::File::open(&path), &[Errno::NXIO])?;
    drop(listener);
    fs::remove_file(path)?;
    Ok(())
}

pub(crate) fn devices(mount: &Mount) -> Step {
    let dir = mount.folder("devices")?;
    let kinds = [
        ("null", FileType::CharacterDevice, (1, 3)),
        ("disk", FileType::BlockDevice, (7, 200)),
        ("many", FileType::BlockDevice, (259, 70_000)),
    ];
    for (name, kind, (major, minor)) in kinds {
        let path = dir.join(name);
        mknodat(CWD, &path, kind, Mode::from_raw_mode(0o640), makedev(major, minor))?;
        mount.drop_caches()?;
        let metadata = fs::symlink_metadata(&path)?;
        let is_block = metadata.file_type().is_block_device();
        equal(name, is_block, kind == FileType::BlockDevice)?;
        let seen = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        equal(&format!("numbers of {name}"), seen, (major, minor))?;
        let again = mknodat(CWD, &path, kind, Mode::RUSR, 0);
        refused("a second one", again, &[Errno::EXIST])?;
    }
    Ok(())
}
