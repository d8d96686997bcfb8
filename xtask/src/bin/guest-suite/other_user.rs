//! What another user does: a process of its own, since a process's rights are its own.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use crate::check::{equal, refused};
use crate::{Failure, Step, permissions, set_id, sys, xattrs};

/// The word that makes this program the other user.
pub(crate) const COMMAND: &str = "as-user";
/// The other user, and its group.
pub(crate) const USER: u32 = 1001;
/// A group that nobody here is in.
pub(crate) const OTHER_GROUP: u32 = 2000;

type Act = fn(&Path) -> Step;

const ACTS: [(&str, Act); 14] = [
    ("own-file", own_file),
    ("refusals", refusals),
    ("group-rights", group_rights),
    ("inherit-group", inherit_group),
    ("sticky", sticky),
    ("overwrite", overwrite),
    ("no-create", no_create),
    ("exceed-quota", exceed_quota),
    ("read-only-mode", read_only_mode),
    (permissions::MODES_ACT, permissions::try_modes),
    (permissions::OWNER_ACT, permissions::try_changes),
    (permissions::STICKY_ACT, permissions::try_removal),
    (set_id::ACT, set_id::change),
    (xattrs::ACT, xattrs::refused_to_others),
];

/// A user of the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) name: &'static str,
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// Another group it is in.
    pub(crate) also: Option<u32>,
}

/// The user that is meant where only one is.
pub(crate) const OWNER: Who = Who { name: "owner", user: USER, group: USER, also: Some(3000) };
/// Somebody in the owner's group.
pub(crate) const MEMBER: Who = Who { name: "member", user: 1002, group: 1002, also: Some(USER) };
/// Somebody who has nothing to do with the owner.
pub(crate) const STRANGER: Who = Who { name: "stranger", user: 1003, group: 1003, also: None };
/// Who may do everything.
pub(crate) const ROOT: Who = Who { name: "root", user: 0, group: 0, also: None };

/// Has the other user do something in a folder.
pub(crate) fn act(name: &str, dir: &Path) -> Step {
    act_as(OWNER, name, dir).map(|_said| ())
}

/// Has a user do something in a folder; what it printed.
pub(crate) fn act_as(who: Who, name: &str, dir: &Path) -> Result<String, Failure> {
    let also = who.also.map(|group| group.to_string()).unwrap_or_default();
    let output = Command::new(std::env::current_exe()?)
        .args([COMMAND, &who.user.to_string(), &who.group.to_string(), &also, name])
        .arg(dir)
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("as {}: {}", who.name, said.trim()).into())
}

pub(crate) fn main(args: &[String]) -> Step {
    let [user, group, also, name, dir] = args else {
        return Err("usage: as-user USER GROUP MORE-GROUPS WHAT FOLDER".into());
    };
    let also = also.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    sys::become_user(user.parse()?, group.parse()?, &also)?;
    let act = ACTS.iter().find(|(known, _)| known == name);
    let (_, act) = act.ok_or_else(|| format!("{name}?"))?;
    act(Path::new(dir))
}

fn own_file(dir: &Path) -> Step {
    let path = dir.join("mine");
    fs::write(&path, "mine")?;
    let metadata = fs::metadata(&path)?;
    equal("owner", (metadata.uid(), metadata.gid()), (USER, USER))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    refused("give it away", chown(&path, Some(0), None), &[Errno::PERM])?;
    refused("foreign group", chown(&path, None, Some(OTHER_GROUP)), &[Errno::PERM])?;
    equal("content", fs::read_to_string(&path)?.as_str(), "mine")
}

/// A new file may be written by who made it, whatever its mode says.
fn read_only_mode(dir: &Path) -> Step {
    let path = dir.join("read-only");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o444).open(&path)?;
    file.write_all(b"written")?;
    file.sync_all()?;
    drop(file);
    refused("open again", OpenOptions::new().write(true).open(&path), &[Errno::ACCESS])?;
    equal("content", fs::read_to_string(&path)?.as_str(), "written")
}

fn refusals(dir: &Path) -> Step {
    let denied = &[Errno::ACCESS];
    refused("read of a private file", fs::read(dir.join("private")), denied)?;
    refused("listing a private folder", fs::read_dir(dir.join("closed")), denied)?;
    refused("way through it", fs::read(dir.join("closed/file")), denied)?;
    equal("public content", fs::read_to_string(dir.join("public"))?.as_str(), "public")?;
    let append = OpenOptions::new().append(true).open(dir.join("public"));
    refused("write to a public file", append, denied)?;
    refused("create", File::create_new(dir.join("new")), denied)?;
    refused("mkdir", fs::create_dir(dir.join("new")), denied)?;
    refused("unlink", fs::remove_file(dir.join("public")), denied)?;
    refused("rename", fs::rename(dir.join("public"), dir.join("new")), denied)?;
    let mode = Permissions::from_mode(0o777);
    refused("chmod", fs::set_permissions(dir.join("public"), mode), &[Errno::PERM])?;
    refused("chown", chown(dir.join("public"), Some(USER), None), &[Errno::PERM])?;
    let shared = OpenOptions::new().write(true).open(dir.join("shared"))?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    let times = FileTimes::new().set_accessed(time).set_modified(time);
    refused("time on another's file", shared.set_times(times), &[Errno::PERM])?;
    shared.set_len(3)?;
    Ok(())
}

fn group_rights(dir: &Path) -> Step {
    equal("content", fs::read_to_string(dir.join("ours"))?.as_str(), "ours")?;
    let write = OpenOptions::new().write(true).open(dir.join("ours"));
    refused("write", write, &[Errno::ACCESS])?;
    refused("read of a foreign group's", fs::read(dir.join("theirs")), &[Errno::ACCESS])?;
    fs::write(dir.join("folder/new"), "made")?;
    Ok(())
}

fn inherit_group(dir: &Path) -> Step {
    fs::write(dir.join("file"), "")?;
    fs::create_dir(dir.join("folder"))?;
    Ok(())
}

fn sticky(dir: &Path) -> Step {
    let refusal = &[Errno::PERM, Errno::ACCESS];
    refused("unlink", fs::remove_file(dir.join("root's")), refusal)?;
    fs::write(dir.join("mine"), "")?;
    refused("rename over", fs::rename(dir.join("mine"), dir.join("root's")), refusal)?;
    fs::remove_file(dir.join("mine"))?;
    Ok(())
}

fn overwrite(dir: &Path) -> Step {
    let mut file = OpenOptions::new().write(true).open(dir.join("program"))?;
    file.write_all(b"changed")?;
    file.sync_all()?;
    Ok(())
}

fn no_create(dir: &Path) -> Step {
    refused("create", File::create_new(dir.join("new")), &[Errno::ACCESS])
}

fn exceed_quota(dir: &Path) -> Step {
    let path = dir.join("too-much");
    let written = File::create_new(&path).and_then(|mut file| {
        for _ in 0..64 {
            file.write_all(&[7; 64 << 10])?;
        }
        file.sync_all()
    });
    refused("4 MiB with a quota of 1 MiB", written, &[Errno::DQUOT])?;
    fs::remove_file(path)?;
    Ok(())
}
