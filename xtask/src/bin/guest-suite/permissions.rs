//! Who may do what: every class of user against the rule of POSIX, which is written once more
//! here. Each user tries everything in a process of its own and says what it was told.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, Timespec, Timestamps, UTIME_NOW, access, makedev,
    mknodat, utimensat,
};
use rustix::io::Errno;

use crate::check::equal;
use crate::mount::Mount;
use crate::other_user::{MEMBER, OTHER_GROUP, OWNER, ROOT, STRANGER, Who, act_as};
use crate::{Failure, Step};

/// What `act_as` calls the functions of this file.
pub(crate) const MODES_ACT: &str = "modes";
pub(crate) const OWNER_ACT: &str = "changes";
pub(crate) const STICKY_ACT: &str = "removal";

/// Every bit by itself, modes that give the owner less than others, and some usual ones.
const MODES: [u32; 16] = [
    0o000, 0o400, 0o200, 0o100, 0o040, 0o020, 0o010, 0o004, 0o002, 0o001, 0o077, 0o707, 0o607,
    0o751, 0o640, 0o777,
];
const USERS: [Who; 4] = [OWNER, MEMBER, STRANGER, ROOT];

/// What was done and what the answer was: `0` or the number of an error.
fn tell<T, E: Into<io::Error>>(what: &str, result: Result<T, E>) {
    let number = result.err().map_or(0, |error| {
        let error: io::Error = error.into();
        error.raw_os_error().unwrap_or(-1)
    });
    println!("{what} {number}");
}

/// Compares what was told, line by line, with what should have been.
fn compare(who: Who, seen: &str, wanted: &[(String, Option<Errno>)]) -> Step {
    let wanted = wanted.iter().map(|(what, errno)| {
        let number = errno.map_or(0, Errno::raw_os_error);
        format!("{what} {number}")
    });
    let mut seen = seen.lines();
    for line in wanted {
        equal(who.name, seen.next().unwrap_or("nothing"), line.as_str())?;
    }
    equal("lines that are left", seen.count(), 0)
}

fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Every mode, for files and folders, as each class of user.
pub(crate) fn modes(mount: &Mount) -> Step {
    let dir = mount.folder("mode-matrix")?;
    for mode in MODES {
        let (file, folder) =
            (dir.join(format!("file-{mode:03o}")), dir.join(format!("{mode:03o}")));
        fs::write(&file, "content")?;
        fs::create_dir(&folder)?;
        fs::write(folder.join("inside"), "")?;
        for path in [&file, &folder] {
            chown(path, Some(OWNER.user), Some(OWNER.group))?;
            chmod(path, mode)?;
        }
    }
    chmod(&dir, 0o755)?;
    for who in USERS {
        let mut wanted = Vec::new();
        for mode in MODES {
            let bits = rights(who, mode);
            // Nobody may execute what nobody may execute.
            let execute = if who.user == 0 { mode & 0o111 != 0 } else { bits & 1 != 0 };
            let answers = [
                ("read", bits & 4 != 0),
                ("write", bits & 2 != 0),
                ("execute", execute),
                ("list", bits & 4 != 0),
                ("search", bits & 1 != 0),
                ("create", bits & 3 == 3),
                ("remove", bits & 3 == 3),
            ];
            for (what, granted) in answers {
                let errno = (!granted).then_some(Errno::ACCESS);
                wanted.push((format!("{what} {mode:03o}"), errno));
            }
        }
        compare(who, &act_as(who, MODES_ACT, &dir)?, &wanted)?;
    }
    Ok(())
}

/// The three bits that count for a user: those of the first class it belongs to.
fn rights(who: Who, mode: u32) -> u32 {
    if who.user == 0 {
        7
    } else if who.user == OWNER.user {
        mode >> 6 & 7
    } else if who.group == OWNER.group || who.also == Some(OWNER.group) {
        mode >> 3 & 7
    } else {
        mode & 7
    }
}

pub(crate) fn try_modes(dir: &Path) -> Step {
    for mode in MODES {
        let (file, folder) =
            (dir.join(format!("file-{mode:03o}")), dir.join(format!("{mode:03o}")));
        tell(&format!("read {mode:03o}"), File::open(&file));
        tell(&format!("write {mode:03o}"), OpenOptions::new().write(true).open(&file));
        tell(&format!("execute {mode:03o}"), access(&file, Access::EXEC_OK));
        tell(&format!("list {mode:03o}"), fs::read_dir(&folder));
        tell(&format!("search {mode:03o}"), fs::metadata(folder.join("inside")));
        let new = folder.join("new");
        let created = File::create_new(&new);
        let is_there = created.is_ok();
        tell(&format!("create {mode:03o}"), created);
        // What could not be made is not there: then `inside` is what cannot be removed.
        let victim = if is_there { new } else { folder.join("inside") };
        tell(&format!("remove {mode:03o}"), fs::remove_file(victim));
    }
    Ok(())
}

/// What only the owner may do, and what takes the right to write.
pub(crate) fn changes(mount: &Mount) -> Step {
    let dir = mount.folder("changes")?;
    chmod(&dir, 0o755)?;
    fs::create_dir(dir.join("free"))?;
    chmod(&dir.join("free"), 0o777)?;
    for who in USERS {
        for (name, mode) in [("closed", 0o644), ("open", 0o666)] {
            let path = dir.join(name);
            fs::write(&path, "content")?;
            chmod(&path, mode)?;
            chown(&path, Some(OWNER.user), Some(OWNER.group))?;
        }
        let not_owner = (![OWNER.user, ROOT.user].contains(&who.user)).then_some(Errno::PERM);
        let not_root = (who.user != ROOT.user).then_some(Errno::PERM);
        let no_write = not_owner.map(|_errno| Errno::ACCESS);
        let wanted = [
            ("chmod", not_owner),
            ("own group", not_owner),
            ("foreign group", not_root),
            ("give away", not_root),
            ("times", not_owner),
            ("touch of an open file", None),
            ("touch of a closed file", no_write),
            ("truncate an open file", None),
            ("truncate a closed file", no_write),
            ("device", not_root),
        ];
        let wanted = wanted.map(|(what, errno)| (what.to_owned(), errno));
        compare(who, &act_as(who, OWNER_ACT, &dir)?, &wanted)?;
        for name in ["closed", "open"] {
            fs::remove_file(dir.join(name))?;
        }
    }
    Ok(())
}

pub(crate) fn try_changes(dir: &Path) -> Step {
    let (open, closed) = (dir.join("open"), dir.join("closed"));
    let at = |tv_nsec| {
        let time = Timespec { tv_sec: 1_234_567_890, tv_nsec };
        Timestamps { last_access: time, last_modification: time }
    };
    let set_times = |path: &Path, times| utimensat(CWD, path, &times, AtFlags::empty());
    tell("chmod", chmod(&open, 0o666));
    tell("own group", chown(&open, None, OWNER.also));
    tell("foreign group", chown(&open, None, Some(OTHER_GROUP)));
    // To nobody in particular, and back: root goes on with it.
    let given = chown(&open, Some(4000), None);
    if given.is_ok() {
        chown(&open, Some(OWNER.user), None)?;
    }
    tell("give away", given);
    tell("times", set_times(&open, at(5)));
    tell("touch of an open file", set_times(&open, at(UTIME_NOW)));
    tell("touch of a closed file", set_times(&closed, at(UTIME_NOW)));
    for (what, path) in [("truncate an open file", &open), ("truncate a closed file", &closed)] {
        let file = OpenOptions::new().write(true).open(path);
        tell(what, file.and_then(|file| file.set_len(1)));
    }
    let node = dir.join("free/device");
    // Not device 0, 0: that one is for everybody to make.
    let device = makedev(1, 3);
    let made = mknodat(CWD, &node, FileType::CharacterDevice, Mode::RUSR, device);
    if made.is_ok() {
        fs::remove_file(&node)?;
    }
    tell("device", made);
    Ok(())
}

/// In a folder with the sticky bit only the owner of a name or of the folder may remove it.
pub(crate) fn sticky(mount: &Mount) -> Step {
    let dir = mount.folder("sticky-matrix")?;
    chmod(&dir, 0o755)?;
    let folders = [("of-root", ROOT), ("of-owner", OWNER)];
    for (name, whose) in folders {
        fs::create_dir(dir.join(name))?;
        chown(dir.join(name), Some(whose.user), Some(whose.group))?;
        chmod(&dir.join(name), 0o1777)?;
    }
    for who in USERS {
        let mut wanted = Vec::new();
        for (name, folder_owner) in folders {
            for whose in USERS {
                let path = dir.join(name).join(whose.name);
                fs::write(&path, "")?;
                chown(&path, Some(whose.user), Some(whose.group))?;
                let may = [ROOT.user, whose.user, folder_owner.user].contains(&who.user);
                let errno = (!may).then_some(Errno::PERM);
                for what in ["rename", "remove"] {
                    wanted.push((format!("{what} {name}/{}", whose.name), errno));
                }
            }
        }
        compare(who, &act_as(who, STICKY_ACT, &dir)?, &wanted)?;
        for (name, _) in folders {
            for entry in fs::read_dir(dir.join(name))? {
                fs::remove_file(entry?.path())?;
            }
        }
    }
    Ok(())
}

pub(crate) fn try_removal(dir: &Path) -> Step {
    for folder in ["of-root", "of-owner"] {
        for whose in USERS {
            let path = dir.join(folder).join(whose.name);
            let renamed = path.with_extension("renamed");
            let moved = fs::rename(&path, &renamed);
            let victim = if moved.is_ok() { renamed } else { path };
            tell(&format!("rename {folder}/{}", whose.name), moved);
            tell(&format!("remove {folder}/{}", whose.name), fs::remove_file(victim));
        }
    }
    Ok(())
}

/// What the umask takes from the modes of new objects of every kind.
pub(crate) fn umask(mount: &Mount) -> Step {
    let dir = mount.folder("umask")?;
    for mask in [0o000, 0o027, 0o777] {
        let made = {
            let before = rustix::process::umask(Mode::from_raw_mode(mask));
            let made = make_all(&dir);
            rustix::process::umask(before);
            made
        };
        made?;
        mount.drop_caches()?;
        for (name, mode) in [("file", 0o666), ("folder", 0o777), ("pipe", 0o666)] {
            let path = dir.join(name);
            let seen = fs::symlink_metadata(&path)?.mode() & 0o7777;
            equal(&format!("{name} under the umask {mask:03o}"), seen, mode & !mask)?;
        }
        fs::remove_file(dir.join("file"))?;
        fs::remove_file(dir.join("pipe"))?;
        fs::remove_dir(dir.join("folder"))?;
    }
    Ok(())
}

fn make_all(dir: &Path) -> Result<(), Failure> {
    OpenOptions::new().write(true).create_new(true).mode(0o666).open(dir.join("file"))?;
    fs::DirBuilder::new().mode(0o777).create(dir.join("folder"))?;
    mknodat(CWD, dir.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
    Ok(())
}
