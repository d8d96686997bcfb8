//! Owners, modes and times, as root and as another user.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

use crate::Step;
use crate::check::{ensure, equal};
use crate::mount::Mount;
use crate::other_user::{OTHER_GROUP, USER, act};

pub(crate) fn modes_and_times(mount: &Mount) -> Step {
    let dir = mount.folder("modes")?;
    let path = dir.join("file");
    fs::write(&path, "")?;
    for mode in [0o000, 0o777, 0o4711, 0o1640, 0o600] {
        chmod(&path, mode)?;
        mount.drop_caches()?;
        equal("mode", fs::metadata(&path)?.mode() & 0o7777, mode)?;
    }
    chmod(&dir, 0o711)?;
    let times = [(0, 0), (1, 999_999_999), (4_102_444_800, 5), (1_700_000_000, 0)];
    for (seconds, nanoseconds) in times {
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        File::open(&path)?.set_times(FileTimes::new().set_accessed(time).set_modified(time))?;
        mount.drop_caches()?;
        let metadata = fs::metadata(&path)?;
        ensure(metadata.modified()? == time, &format!("time of modification {seconds}"))?;
        ensure(metadata.accessed()? == time, &format!("time of access {seconds}"))?;
    }
    mount.drop_caches()?;
    equal("mode of the folder", fs::metadata(&dir)?.mode() & 0o7777, 0o711)
}

pub(crate) fn times_of_now(mount: &Mount) -> Step {
    let path = mount.folder("now")?.join("file");
    fs::write(&path, "")?;
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    File::open(&path)?.set_times(FileTimes::new().set_modified(old))?;
    let changed = fs::metadata(&path)?;
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    utimensat(CWD, &path, &times, AtFlags::empty())?;
    mount.drop_caches()?;
    let metadata = fs::metadata(&path)?;
    ensure(metadata.modified()? > old + Duration::from_secs(1_000_000), "it is now")?;
    let stamp = |m: &fs::Metadata| (m.ctime(), m.ctime_nsec());
    ensure(stamp(&metadata) >= stamp(&changed), "the time of change goes on")
}

pub(crate) fn owners(mount: &Mount) -> Step {
    let dir = mount.folder("owners")?;
    fs::write(dir.join("file"), "")?;
    symlink("file", dir.join("link"))?;
    chown(dir.join("file"), Some(USER), Some(OTHER_GROUP))?;
    lchown(dir.join("link"), Some(5), Some(6))?;
    mount.drop_caches()?;
    let file = fs::metadata(dir.join("file"))?;
    equal("owner of the file", (file.uid(), file.gid()), (USER, OTHER_GROUP))?;
    let link = fs::symlink_metadata(dir.join("link"))?;
    equal("owner of the link", (link.uid(), link.gid()), (5, 6))?;
    chown(dir.join("file"), None, Some(0))?;
    let file = fs::metadata(dir.join("file"))?;
    equal("owner after a new group", (file.uid(), file.gid()), (USER, 0))?;
    chmod(&dir, 0o777)?;
    act("own-file", &dir)?;
    act("read-only-mode", &dir)
}

pub(crate) fn refusals(mount: &Mount) -> Step {
    let dir = mount.folder("refusals")?;
    chmod(&dir, 0o755)?;
    for (name, mode) in [("private", 0o600), ("public", 0o644), ("shared", 0o666)] {
        fs::write(dir.join(name), name)?;
        chmod(&dir.join(name), mode)?;
    }
    fs::create_dir(dir.join("closed"))?;
    fs::write(dir.join("closed/file"), "")?;
    chmod(&dir.join("closed"), 0o700)?;
    act("refusals", &dir)?;
    equal("length the other user set", fs::metadata(dir.join("shared"))?.len(), 3)?;
    equal("content", fs::read_to_string(dir.join("public"))?.as_str(), "public")
}

pub(crate) fn group_rights(mount: &Mount) -> Step {
    let dir = mount.folder("group")?;
    chmod(&dir, 0o755)?;
    for (name, group) in [("ours", USER), ("theirs", OTHER_GROUP)] {
        fs::write(dir.join(name), name)?;
        chown(dir.join(name), Some(0), Some(group))?;
        chmod(&dir.join(name), 0o640)?;
    }
    fs::create_dir(dir.join("folder"))?;
    chown(dir.join("folder"), Some(0), Some(USER))?;
    chmod(&dir.join("folder"), 0o770)?;
    act("group-rights", &dir)?;
    equal("owner", fs::metadata(dir.join("folder/new"))?.uid(), USER)
}

pub(crate) fn inherited_group(mount: &Mount) -> Step {
    let dir = mount.folder("setgid")?;
    chown(&dir, Some(0), Some(OTHER_GROUP))?;
    chmod(&dir, 0o2777)?;
    act("inherit-group", &dir)?;
    mount.drop_caches()?;
    equal("group of the file", fs::metadata(dir.join("file"))?.gid(), OTHER_GROUP)?;
    let folder = fs::metadata(dir.join("folder"))?;
    equal("group of the folder", folder.gid(), OTHER_GROUP)?;
    ensure(folder.mode() & 0o2000 != 0, "the folder has the bit, too")
}

pub(crate) fn sticky_folder(mount: &Mount) -> Step {
    let dir = mount.folder("sticky")?;
    chmod(&dir, 0o1777)?;
    fs::write(dir.join("root's"), "")?;
    act("sticky", &dir)
}

pub(crate) fn lost_privilege(mount: &Mount) -> Step {
    let dir = mount.folder("privilege")?;
    chmod(&dir, 0o755)?;
    fs::write(dir.join("program"), "program")?;
    chmod(&dir.join("program"), 0o4777)?;
    act("overwrite", &dir)?;
    mount.drop_caches()?;
    equal("mode", fs::metadata(dir.join("program"))?.mode() & 0o7777, 0o777)
}

fn chmod(path: &Path, mode: u32) -> Step {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| format!("chmod {mode:o} {}: {error}", path.display()).into())
}
