//! Which operation changes which time.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use rustix::io::Errno;

use crate::Step;
use crate::check::{ensure, equal, refused};
use crate::mount::Mount;

/// Long ago, and a time that no clock can tell by chance.
const OLD: i64 = 1_000_000;
const OLD_NANOSECONDS: i64 = 123_456_789;
/// How often something is done until a clock that ticks slowly shows it.
const TRIES: usize = 10_000;

fn times(access: (i64, i64), modification: (i64, i64)) -> Timestamps {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    Timestamps { last_access: time(access), last_modification: time(modification) }
}

fn set(path: &Path, access: (i64, i64), modification: (i64, i64)) -> Result<(), Errno> {
    utimensat(CWD, path, &times(access, modification), AtFlags::SYMLINK_NOFOLLOW)
}

fn make_old(path: &Path) -> Result<(), Errno> {
    set(path, (OLD, OLD_NANOSECONDS), (OLD, OLD_NANOSECONDS))
}

/// The times of access and modification.
fn seen(path: &Path) -> std::io::Result<[(i64, i64); 2]> {
    let metadata = fs::symlink_metadata(path)?;
    Ok([(metadata.atime(), metadata.atime_nsec()), (metadata.mtime(), metadata.mtime_nsec())])
}

pub(crate) fn omit_and_now(mount: &Mount) -> Step {
    let dir = mount.folder("times")?;
    let (omit, now) = ((0, UTIME_OMIT), (0, UTIME_NOW));
    let old = (OLD, OLD_NANOSECONDS);
    fs::write(dir.join("file"), "")?;
    symlink("nowhere", dir.join("link"))?;
    fs::create_dir(dir.join("folder"))?;
    for name in ["file", "link", "folder"] {
        let path = dir.join(name);
        set(&path, (1, 2), (3, 999_999_999))?;
        mount.drop_caches()?;
        equal(name, seen(&path)?, [(1, 2), (3, 999_999_999)])?;
        set(&path, omit, old)?;
        mount.drop_caches()?;
        equal(&format!("{name}, access omitted"), seen(&path)?, [(1, 2), old])?;
        set(&path, old, omit)?;
        mount.drop_caches()?;
        equal(&format!("{name}, modification omitted"), seen(&path)?, [old, old])?;
        set(&path, omit, omit)?;
        equal(&format!("{name}, both omitted"), seen(&path)?, [old, old])?;
        set(&path, omit, now)?;
        mount.drop_caches()?;
        let [access, modification] = seen(&path)?;
        equal(&format!("{name}, modified now"), access, old)?;
        ensure(modification.0 > OLD, "the time of modification is now")?;
        set(&path, now, old)?;
        mount.drop_caches()?;
        let [access, modification] = seen(&path)?;
        equal(&format!("{name}, accessed now"), modification, old)?;
        ensure(access.0 > OLD, "the time of access is now")?;
    }
    let bad = set(&dir.join("file"), (0, 1_000_000_000), old);
    refused("a second of nanoseconds", bad, &[Errno::INVAL])
}

/// What makes a time of modification go on.
pub(crate) fn modification(mount: &Mount) -> Step {
    let dir = mount.folder("modification")?;
    let path = dir.join("file");
    fs::write(&path, "content")?;
    let write = || OpenOptions::new().write(true).open(&path);
    let truncate: &dyn Fn() -> Step = &|| Ok(write()?.set_len(3)?);
    let overwrite: &dyn Fn() -> Step = &|| {
        let mut file = write()?;
        file.write_all(b"C")?;
        Ok(file.sync_all()?)
    };
    let create_over: &dyn Fn() -> Step = &|| File::create(&path).map(drop).map_err(Into::into);
    for (what, change) in
        [("truncate", truncate), ("write", overwrite), ("open with O_TRUNC", create_over)]
    {
        make_old(&path)?;
        change()?;
        mount.drop_caches()?;
        ensure(seen(&path)?[1].0 > OLD, &format!("{what} is seen in the time of modification"))?;
    }
    make_old(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    fs::hard_link(&path, dir.join("second"))?;
    fs::rename(dir.join("second"), dir.join("third"))?;
    fs::read(&path)?;
    mount.drop_caches()?;
    equal("time that only a change of content moves", seen(&path)?[1], (OLD, OLD_NANOSECONDS))
}

/// What makes the time of modification of a folder go on: a name that comes, changes or goes.
pub(crate) fn of_folders(mount: &Mount) -> Step {
    let dir = mount.folder("folder-times")?;
    fs::create_dir(dir.join("other"))?;
    let path = |name: &str| dir.join(name);
    let steps: [(&str, &dyn Fn() -> std::io::Result<()>); 7] = [
        ("create", &|| File::create_new(path("file")).map(drop)),
        ("link", &|| fs::hard_link(path("file"), path("second"))),
        ("rename", &|| fs::rename(path("second"), path("third"))),
        ("symlink", &|| symlink("x", path("link"))),
        ("mkdir", &|| fs::create_dir(path("folder"))),
        ("unlink", &|| fs::remove_file(path("file"))),
        ("rename away", &|| fs::rename(path("third"), path("other/third"))),
    ];
    for (what, step) in steps {
        make_old(&dir)?;
        step()?;
        mount.drop_caches()?;
        ensure(seen(&dir)?[1].0 > OLD, &format!("{what} is seen in the folder's time"))?;
    }
    make_old(&dir)?;
    fs::write(path("other/third"), "content")?;
    mount.drop_caches()?;
    equal("time of a folder nothing happened in", seen(&dir)?[1].0, OLD)
}

/// What makes the time of change go on, which nobody can set.
pub(crate) fn change(mount: &Mount) -> Step {
    let dir = mount.folder("change-time")?;
    let path = dir.join("file");
    fs::write(&path, "content")?;
    let second = dir.join("second");
    let mut mode = 0o600;
    goes_on("chmod", &path, &mut || {
        mode ^= 0o040;
        fs::set_permissions(&path, Permissions::from_mode(mode))
    })?;
    goes_on("link and unlink", &path, &mut || {
        fs::hard_link(&path, &second)?;
        fs::remove_file(&second)
    })?;
    goes_on("write", &path, &mut || {
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(b"more")?;
        file.sync_all()
    })?;
    goes_on("utimensat", &path, &mut || make_old(&path).map_err(Into::into))
}

/// Clocks tick every few milliseconds: it is done until it must have shown.
fn goes_on(what: &str, path: &Path, act: &mut dyn FnMut() -> std::io::Result<()>) -> Step {
    let stamp = || fs::metadata(path).map(|metadata| (metadata.ctime(), metadata.ctime_nsec()));
    let before = stamp()?;
    for _ in 0..TRIES {
        act()?;
        let now = stamp()?;
        ensure(now >= before, &format!("{what}: the time of change never goes back"))?;
        if now > before {
            return Ok(());
        }
    }
    Err(format!("{what}: the time of change stands still").into())
}
