//! Who may set which attributes, and what else that changes.

use super::inode::require;
use crate::{Access, Attr, Cred, Error, FileKind, OpenMode, Result, SetAttr, SetTime, Time};

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;
const MODE_BITS: u32 = 0o7777;

/// Whether `cred` may set all of `set`; `through` is how the file was opened that a size is set
/// through.
pub(super) fn check(
    cred: &Cred,
    attr: &Attr,
    set: &SetAttr,
    through: Option<OpenMode>,
) -> Result<()> {
    if set.size.is_some() {
        match through {
            Some(mode) if mode.write => {}
            Some(_) => return Err(Error::AccessDenied),
            None => require(cred, attr, Access::MODIFY)?,
        }
    }
    check_owner(cred, attr, set)?;
    let owner = cred.uid == 0 || cred.uid == attr.uid;
    if set.mode.is_some() && !owner {
        return Err(Error::NotPermitted);
    }
    for time in [set.atime, set.mtime].into_iter().flatten() {
        match time {
            _ if owner => {}
            SetTime::To(_) => return Err(Error::NotPermitted),
            SetTime::Now => require(cred, attr, Access::MODIFY)?,
        }
    }
    Ok(())
}

/// Only the privileged user gives an object away; its owner may choose among his own groups.
fn check_owner(cred: &Cred, attr: &Attr, set: &SetAttr) -> Result<()> {
    if cred.uid == 0 || (set.uid.is_none() && set.gid.is_none()) {
        return Ok(());
    }
    let keeps = set.uid.is_none_or(|uid| uid == attr.uid);
    let group = set.gid.is_none_or(|gid| gid == attr.gid || cred.in_group(gid));
    if cred.uid == attr.uid && keeps && group { Ok(()) } else { Err(Error::NotPermitted) }
}

/// Sets all but the size, in the order of [`FileSystem::setattr`](crate::FileSystem::setattr).
pub(super) fn apply(cred: &Cred, attr: &mut Attr, set: &SetAttr, now: Time) {
    if set.uid.is_some() || set.gid.is_some() {
        drop_set_id(attr);
    }
    attr.uid = set.uid.unwrap_or(attr.uid);
    attr.gid = set.gid.unwrap_or(attr.gid);
    if let Some(mode) = set.mode {
        attr.mode = mode_for(cred, attr.gid, mode);
    }
    set_times(attr, set, now);
}

pub(super) fn set_times(attr: &mut Attr, set: &SetAttr, now: Time) {
    let value = |time: SetTime| match time {
        SetTime::Now => now,
        SetTime::To(time) => time,
    };
    attr.atime = set.atime.map_or(attr.atime, value);
    attr.mtime = set.mtime.map_or(attr.mtime, value);
}

/// What someone wrote runs with nobody's rights but the runner's.
pub(super) fn written(cred: &Cred, attr: &mut Attr) {
    if cred.uid != 0 {
        drop_set_id(attr);
    }
}

/// Without the group's execute bit the set-group-id bit does not mean a program.
fn drop_set_id(attr: &mut Attr) {
    if attr.kind == FileKind::Directory {
        return;
    }
    attr.mode &= !SET_UID;
    if attr.mode & GROUP_EXECUTE != 0 {
        attr.mode &= !SET_GID;
    }
}

/// Who is not in the group lends nobody its rights.
fn mode_for(cred: &Cred, gid: u32, mode: u32) -> u32 {
    let mode = mode & MODE_BITS;
    if cred.uid == 0 || cred.in_group(gid) { mode } else { mode & !SET_GID }
}

/// Mode, owner and group of a new object.
pub(super) fn birth(
    cred: &Cred,
    dir: &Attr,
    kind: FileKind,
    set: &SetAttr,
) -> Result<(u32, u32, u32)> {
    let inherits = dir.mode & SET_GID != 0;
    let mut attr = *dir;
    attr.uid = cred.uid;
    attr.gid = if inherits { dir.gid } else { cred.gid };
    check_owner(cred, &attr, set)?;
    let gid = set.gid.unwrap_or(attr.gid);
    let asked = set.mode.unwrap_or_else(|| default_mode(kind));
    let mut mode = mode_for(cred, gid, asked);
    if inherits && kind == FileKind::Directory {
        mode |= SET_GID;
    }
    Ok((mode, set.uid.unwrap_or(attr.uid), gid))
}

const fn default_mode(kind: FileKind) -> u32 {
    match kind {
        FileKind::Directory => 0o700,
        FileKind::Symlink => 0o777,
        FileKind::Regular
        | FileKind::Block
        | FileKind::Character
        | FileKind::Fifo
        | FileKind::Socket => 0o600,
    }
}
