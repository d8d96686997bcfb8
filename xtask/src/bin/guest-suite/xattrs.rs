//! Extended attributes, of which a server offers those named `user.`.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{
    XattrFlags, getxattr, getxattr_query, lgetxattr, listxattr, lsetxattr, removexattr, setxattr,
};
use rustix::io::Errno;

use crate::check::{ensure, equal, refused, same_bytes};
use crate::content::Random;
use crate::mount::Mount;
use crate::options::Ability;
use crate::other_user::act;
use crate::{Failure, Step};

/// What `act_as` calls `refused_to_others`.
pub(crate) const ACT: &str = "xattrs";

/// Names on one file.
const MANY: usize = 100;
/// Room for what is read.
const ROOM: usize = 64 << 10;

fn get(path: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; ROOM];
    let len = getxattr(path, name, &mut value)?;
    value.truncate(len);
    Ok(value)
}

fn set(path: &Path, name: &str, value: &[u8]) -> Result<(), Errno> {
    setxattr(path, name, value, XattrFlags::empty())
}

/// The names that begin with `user.`: what else there is, is not the test's.
fn list(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let mut room = vec![0; ROOM];
    let len = listxattr(path, &mut room)?;
    let names = room[..len].split(|byte| *byte == 0).filter(|name| name.starts_with(b"user."));
    let names: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let set: BTreeSet<_> = names.iter().cloned().collect();
    equal("names listed", names.len(), set.len())?;
    Ok(set)
}

pub(crate) fn attributes(mount: &Mount) -> Step {
    let dir = mount.folder("xattrs")?;
    let path = dir.join("file");
    fs::write(&path, "content")?;
    if !mount.has(Ability::Xattr) {
        refused("set", set(&path, "user.a", b"1"), &[Errno::OPNOTSUPP])?;
        return refused("get", get(&path, "user.a"), &[Errno::OPNOTSUPP]);
    }
    fs::create_dir(dir.join("folder"))?;
    for path in [&path, &dir.join("folder")] {
        values(mount, path)?;
        flags(path)?;
        limits(path)?;
    }
    many(mount, &path)?;
    symlink("file", dir.join("link"))?;
    let link = dir.join("link");
    // Users have no attributes on links: POSIX permissions mean nothing there.
    let refusal = lsetxattr(&link, "user.a", b"1", XattrFlags::empty());
    refused("set on a link", refusal, &[Errno::PERM])?;
    let mut room = [0; 10];
    refused("get from a link", lgetxattr(&link, "user.a", &mut room), &[Errno::NODATA])?;
    set(&link, "user.through", b"the link")?;
    same_bytes("value", &get(&path, "user.through")?, b"the link")?;
    fs::rename(&path, dir.join("renamed"))?;
    mount.drop_caches()?;
    same_bytes("value", &get(&dir.join("renamed"), "user.through")?, b"the link")
}

fn values(mount: &Mount, path: &Path) -> Step {
    let long = Random::new(14).bytes(2000);
    let all: [(&str, &[u8]); 5] = [
        ("user.a", b"1"),
        ("user.empty", b""),
        ("user.long", &long),
        ("user.zero\u{e9} x", b"\0\xff\0"),
        ("user.a.b.user.c", b"dots"),
    ];
    equal("names at first", list(path)?.len(), 0)?;
    for (name, value) in all {
        set(path, name, value)?;
    }
    mount.drop_caches()?;
    for (name, value) in all {
        same_bytes(name, &get(path, name)?, value)?;
    }
    equal("names", list(path)?, all.iter().map(|(name, _)| (*name).to_owned()).collect())?;
    set(path, "user.long", b"short")?;
    mount.drop_caches()?;
    same_bytes("a new value", &get(path, "user.long")?, b"short")?;
    equal("length of a value", getxattr_query(path, "user.long")?, 5)?;
    let mut little = [0; 3];
    refused("too little room", getxattr(path, "user.long", &mut little), &[Errno::RANGE])?;
    refused("too little room", listxattr(path, &mut little), &[Errno::RANGE])?;
    for (name, _) in all {
        removexattr(path, name)?;
        refused("what was removed", get(path, name), &[Errno::NODATA])?;
    }
    mount.drop_caches()?;
    equal("names at last", list(path)?.len(), 0)
}

fn flags(path: &Path) -> Step {
    let none = setxattr(path, "user.f", b"1", XattrFlags::REPLACE);
    refused("replacing nothing", none, &[Errno::NODATA])?;
    setxattr(path, "user.f", b"1", XattrFlags::CREATE)?;
    let again = setxattr(path, "user.f", b"2", XattrFlags::CREATE);
    refused("creating what is there", again, &[Errno::EXIST])?;
    same_bytes("value", &get(path, "user.f")?, b"1")?;
    setxattr(path, "user.f", b"3", XattrFlags::REPLACE)?;
    same_bytes("value", &get(path, "user.f")?, b"3")?;
    removexattr(path, "user.f")?;
    refused("removing nothing", removexattr(path, "user.f"), &[Errno::NODATA])
}

fn limits(path: &Path) -> Step {
    let longest = format!("user.{}", "n".repeat(250));
    set(path, &longest, b"1")?;
    ensure(list(path)?.contains(&longest), "the longest name is listed")?;
    removexattr(path, &longest)?;
    refused("too long a name", set(path, &format!("{longest}n"), b"1"), &[Errno::RANGE])?;
    let refusal = set(path, "user.large", &vec![0; (64 << 10) + 1]);
    refused("a value of more than 64 KiB", refusal, &[Errno::TOOBIG])?;
    refused("no name at all", set(path, "", b"1"), &[Errno::RANGE])
}

/// More names than one reply needs to have.
fn many(mount: &Mount, path: &Path) -> Step {
    let names: BTreeSet<_> = (0..MANY).map(|number| format!("user.name-{number:04}")).collect();
    for name in &names {
        setxattr(path, name.as_str(), b"", XattrFlags::CREATE)?;
    }
    mount.drop_caches()?;
    equal("names", list(path)?, names.clone())?;
    equal("content", fs::read_to_string(path)?.as_str(), "content")?;
    for name in &names {
        removexattr(path, name.as_str())?;
    }
    Ok(())
}

/// Reading takes the right to read, and writing that to write.
pub(crate) fn rights(mount: &Mount) -> Step {
    if !mount.has(Ability::Xattr) {
        return Ok(());
    }
    let dir = mount.folder("xattr-rights")?;
    for (name, mode) in [("closed", 0o600), ("public", 0o644), ("open", 0o666)] {
        fs::write(dir.join(name), "")?;
        set(&dir.join(name), "user.a", b"1")?;
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode))?;
    }
    fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
    act(ACT, &dir)?;
    mount.drop_caches()?;
    same_bytes("value", &get(&dir.join("public"), "user.a")?, b"1")?;
    same_bytes("value", &get(&dir.join("open"), "user.a")?, b"2")
}

pub(crate) fn refused_to_others(dir: &Path) -> Step {
    let denied = &[Errno::ACCESS];
    refused("get from a closed file", get(&dir.join("closed"), "user.a"), denied)?;
    refused("set on a closed file", set(&dir.join("closed"), "user.a", b"2"), denied)?;
    same_bytes("value", &get(&dir.join("public"), "user.a")?, b"1")?;
    refused("set on a public file", set(&dir.join("public"), "user.a", b"2"), denied)?;
    refused("remove from it", removexattr(dir.join("public"), "user.a"), denied)?;
    Ok(set(&dir.join("open"), "user.a", b"2")?)
}
