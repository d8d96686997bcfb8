//! Further names of a file, and objects that are not files.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;

use crate::Step;
use crate::check::{ensure, equal, refused};
use crate::mount::Mount;

pub(crate) fn hard_link(mount: &Mount) -> Step {
    let dir = mount.folder("links")?;
    let other = mount.folder("links-other")?;
    fs::write(dir.join("a"), "one")?;
    equal("names at first", fs::metadata(dir.join("a"))?.nlink(), 1)?;
    fs::hard_link(dir.join("a"), other.join("b"))?;
    mount.drop_caches()?;
    let (a, b) = (fs::metadata(dir.join("a"))?, fs::metadata(other.join("b"))?);
    equal("names of a", a.nlink(), 2)?;
    equal("names of b", b.nlink(), 2)?;
    equal("inodes", a.ino(), b.ino())?;
    fs::write(other.join("b"), "changed")?;
    equal("content", fs::read_to_string(dir.join("a"))?.as_str(), "changed")?;
    fs::remove_file(dir.join("a"))?;
    mount.drop_caches()?;
    equal("names at last", fs::metadata(other.join("b"))?.nlink(), 1)
}

pub(crate) fn symbolic_links(mount: &Mount) -> Step {
    let dir = mount.folder("symlinks")?;
    fs::create_dir(dir.join("folder"))?;
    fs::write(dir.join("folder/file"), "behind")?;
    symlink("folder/file", dir.join("file"))?;
    symlink("folder", dir.join("way"))?;
    symlink("nowhere", dir.join("dangling"))?;
    symlink("loop", dir.join("loop"))?;
    let long = "x/".repeat(511) + "x";
    symlink(&long, dir.join("long"))?;
    mount.drop_caches()?;
    equal("content", fs::read_to_string(dir.join("file"))?.as_str(), "behind")?;
    equal("content", fs::read_to_string(dir.join("way/file"))?.as_str(), "behind")?;
    let text = fs::read_link(dir.join("long"))?;
    ensure(text == Path::new(&long), "the long text is whole")?;
    let size = fs::symlink_metadata(dir.join("long"))?.len();
    equal("size of the link", size, u64::try_from(long.len())?)?;
    ensure(fs::symlink_metadata(dir.join("dangling"))?.is_symlink(), "it is a link")?;
    refused("dangling", fs::read(dir.join("dangling")), &[Errno::NOENT])?;
    refused("loop", fs::read(dir.join("loop")), &[Errno::LOOP])?;
    refused("readlink of a file", fs::read_link(dir.join("folder/file")), &[Errno::INVAL])?;
    fs::remove_file(dir.join("way"))?;
    equal("content", fs::read_to_string(dir.join("folder/file"))?.as_str(), "behind")
}

pub(crate) fn fifo(mount: &Mount) -> Step {
    let path = mount.folder("fifo")?.join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    mount.drop_caches()?;
    let metadata = fs::symlink_metadata(&path)?;
    ensure(metadata.file_type().is_fifo(), "it is a fifo")?;
    equal("mode", metadata.mode() & 0o7777, 0o600)
}
