//! Renames and links of every kind of object over every kind, against the rule of POSIX.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;

use crate::Step;
use crate::check::{ensure, equal, refused};
use crate::mount::Mount;

/// What a name can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    File,
    Empty,
    Full,
    Link,
    Dangling,
    Pipe,
}

const KINDS: [Kind; 7] =
    [Kind::Nothing, Kind::File, Kind::Empty, Kind::Full, Kind::Link, Kind::Dangling, Kind::Pipe];

impl Kind {
    fn is_folder(self) -> bool {
        matches!(self, Self::Empty | Self::Full)
    }

    fn make(self, path: &Path) -> Step {
        match self {
            Self::Nothing => {}
            Self::File => fs::write(path, "file")?,
            Self::Empty => fs::create_dir(path)?,
            Self::Full => {
                fs::create_dir(path)?;
                fs::write(path.join("inside"), "")?;
            }
            Self::Link => symlink(".", path)?,
            Self::Dangling => symlink("nowhere", path)?,
            Self::Pipe => mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0)?,
        }
        Ok(())
    }

    fn remove(self, path: &Path) -> Step {
        match self {
            Self::Nothing => {}
            Self::Empty | Self::Full => fs::remove_dir_all(path)?,
            Self::File | Self::Link | Self::Dangling | Self::Pipe => fs::remove_file(path)?,
        }
        Ok(())
    }
}

/// What rename must answer, nothing for success.
fn rename_rule(from: Kind, to: Kind) -> &'static [Errno] {
    match (from, to) {
        (Kind::Nothing, _) => &[Errno::NOENT],
        (_, Kind::Nothing) => &[],
        (from, to) if from.is_folder() && !to.is_folder() => &[Errno::NOTDIR],
        (from, to) if !from.is_folder() && to.is_folder() => &[Errno::ISDIR],
        (_, Kind::Full) => &[Errno::NOTEMPTY, Errno::EXIST],
        _ => &[],
    }
}

pub(crate) fn renames(mount: &Mount) -> Step {
    let dir = mount.folder("rename-matrix")?;
    // The same folder, another one, and one below.
    fs::create_dir_all(dir.join("other/below"))?;
    for place in ["", "other", "other/below"] {
        for from in KINDS {
            for to in KINDS {
                rename_one(&dir, place, from, to)?;
            }
        }
    }
    mount.drop_caches()?;
    equal("names left", fs::read_dir(&dir)?.count(), 1)
}

fn rename_one(dir: &Path, place: &str, from: Kind, to: Kind) -> Step {
    let what = format!("rename of {from:?} over {to:?} in '{place}'");
    let (old, new) = (dir.join("old"), dir.join(place).join("new"));
    from.make(&old)?;
    to.make(&new)?;
    let inode = fs::symlink_metadata(&old).map(|metadata| metadata.ino()).ok();
    let rule = rename_rule(from, to);
    if rule.is_empty() {
        fs::rename(&old, &new).map_err(|error| format!("{what}: {error}"))?;
        refused(&format!("{what}: the old name"), fs::symlink_metadata(&old), &[Errno::NOENT])?;
        let seen = fs::symlink_metadata(&new)?.ino();
        equal(&format!("{what}: inode"), Some(seen), inode)?;
        return from.remove(&new);
    }
    refused(&what, fs::rename(&old, &new), rule)?;
    let still = fs::symlink_metadata(&old).map(|metadata| metadata.ino()).ok();
    equal(&format!("{what}: inode of the old name"), still, inode)?;
    from.remove(&old)?;
    to.remove(&new)
}

pub(crate) fn odd_renames(mount: &Mount) -> Step {
    let dir = mount.folder("odd-renames")?;
    let path = |name: &str| dir.join(name);
    fs::write(path("file"), "content")?;
    fs::hard_link(path("file"), path("second"))?;
    fs::rename(path("file"), path("second"))?;
    mount.drop_caches()?;
    for name in ["file", "second"] {
        equal("names of one file stay both", fs::metadata(path(name))?.nlink(), 2)?;
    }
    fs::rename(path("file"), path("file"))?;
    fs::create_dir_all(path("outer/inner"))?;
    fs::rename(path("outer"), path("outer"))?;
    refused("into itself", fs::rename(path("outer"), path("outer/inner/x")), &[Errno::INVAL])?;
    let over = fs::rename(path("outer/inner"), path("outer"));
    refused("over its parent", over, &[Errno::NOTEMPTY, Errno::EXIST])?;
    let dots = &[Errno::INVAL, Errno::BUSY, Errno::EXIST, Errno::NOTEMPTY];
    refused("of a dot", fs::rename(path("outer/."), path("x")), dots)?;
    refused("of two dots", fs::rename(path("outer/inner/.."), path("x")), dots)?;
    refused("below a file", fs::rename(path("file"), path("second/x")), &[Errno::NOTDIR])?;
    refused("from below a file", fs::rename(path("file/x"), path("x")), &[Errno::NOTDIR])?;
    refused("in nothing", fs::rename(path("file"), path("no/x")), &[Errno::NOENT])?;
    let long = "n".repeat(256);
    refused("too long", fs::rename(path("file"), path(&long)), &[Errno::NAMETOOLONG])?;
    symlink("loop", path("loop"))?;
    refused("through a loop", fs::rename(path("file"), path("loop/x")), &[Errno::LOOP])?;
    if let Some(elsewhere) = mount.elsewhere() {
        refused("elsewhere", fs::rename(path("file"), &elsewhere), &[Errno::XDEV])?;
        refused("link elsewhere", fs::hard_link(path("file"), &elsewhere), &[Errno::XDEV])?;
    }
    equal("content", fs::read_to_string(path("second"))?.as_str(), "content")
}

/// A name that is replaced goes; an object with a further name, or that is open, stays.
pub(crate) fn counts(mount: &Mount) -> Step {
    let dir = mount.folder("link-counts")?;
    let path = |name: &str| dir.join(name);
    for name in ["a", "b"] {
        fs::write(path(name), name)?;
    }
    fs::hard_link(path("b"), path("b2"))?;
    let mut held = File::open(path("b2"))?;
    fs::rename(path("a"), path("b"))?;
    mount.drop_caches()?;
    equal("names of the one that was replaced", fs::metadata(path("b2"))?.nlink(), 1)?;
    equal("names of the one that came", fs::metadata(path("b"))?.nlink(), 1)?;
    fs::rename(path("b"), path("b2"))?;
    let mut text = String::new();
    held.read_to_string(&mut text)?;
    equal("content of the open one", text.as_str(), "b")?;
    let links = || fs::metadata(&dir).map(|metadata| metadata.nlink());
    // Not every file system counts the folders in a folder.
    if fs::metadata(&dir)?.nlink() == 2 {
        fs::create_dir_all(path("x/y"))?;
        fs::create_dir(path("z"))?;
        mount.drop_caches()?;
        equal("links of a folder with two", links()?, 4)?;
        fs::rename(path("x/y"), path("y"))?;
        fs::rename(path("z"), path("x/z"))?;
        fs::remove_dir(path("y"))?;
        mount.drop_caches()?;
        equal("links of a folder with one", links()?, 3)?;
        equal("links of the other folder", fs::metadata(path("x"))?.nlink(), 3)?;
    }
    Ok(())
}

pub(crate) fn links(mount: &Mount) -> Step {
    let dir = mount.folder("link-matrix")?;
    for from in KINDS {
        for to in KINDS {
            let what = format!("link of {from:?} as {to:?}");
            let (old, new) = (dir.join("old"), dir.join("new"));
            from.make(&old)?;
            to.make(&new)?;
            let linked = fs::hard_link(&old, &new);
            let rule: &[Errno] = match (from, to) {
                (Kind::Nothing, _) => &[Errno::NOENT],
                (from, to) if from.is_folder() && to == Kind::Nothing => &[Errno::PERM],
                (from, _) if from.is_folder() => &[Errno::EXIST, Errno::PERM],
                (_, Kind::Nothing) => &[],
                _ => &[Errno::EXIST],
            };
            if rule.is_empty() {
                linked.map_err(|error| format!("{what}: {error}"))?;
                // The link itself gets a further name, not what it leads to.
                let (one, two) = (fs::symlink_metadata(&old)?, fs::symlink_metadata(&new)?);
                ensure(one.file_type() == two.file_type(), &format!("{what}: same type"))?;
                equal(&what, (one.ino(), one.nlink()), (two.ino(), 2))?;
                fs::remove_file(&new)?;
            } else {
                refused(&what, linked, rule)?;
                to.remove(&new)?;
            }
            from.remove(&old)?;
        }
    }
    Ok(())
}
