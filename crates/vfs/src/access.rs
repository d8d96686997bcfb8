//! POSIX permission, for backends that have no kernel behind them.

use crate::{Access, Attr, Cred, FileKind};

const READ: u32 = 4;
const WRITE: u32 = 2;
const EXECUTE: u32 = 1;

/// The rights of `want` that mode bits give `cred` on an object with `attr`. The privileged user
/// may do everything but execute a file that nobody may execute.
pub fn granted(cred: &Cred, attr: &Attr, want: Access) -> Access {
    let bits = mode_bits(cred, attr);
    let directory = attr.kind == FileKind::Directory;
    let xattrs = directory || attr.kind == FileKind::Regular;
    let mut granted = Access(0);
    let mut grant = |bit: u32, rights: Access| {
        if bits & bit != 0 {
            granted = granted.union(rights);
        }
    };
    grant(READ, Access::READ);
    grant(WRITE, Access::MODIFY.union(Access::EXTEND));
    if xattrs {
        grant(READ, Access::XATTR_READ.union(Access::XATTR_LIST));
        grant(WRITE, Access::XATTR_WRITE);
    }
    if directory {
        grant(WRITE, Access::DELETE);
        grant(EXECUTE, Access::LOOKUP);
    } else {
        grant(EXECUTE, Access::EXECUTE);
    }
    granted.intersect(want)
}

/// Whether `cred` has all of `want`.
pub fn allows(cred: &Cred, attr: &Attr, want: Access) -> bool {
    granted(cred, attr, want) == want
}

fn mode_bits(cred: &Cred, attr: &Attr) -> u32 {
    if cred.uid == 0 {
        let executable = attr.kind == FileKind::Directory || attr.mode & 0o111 != 0;
        return READ | WRITE | if executable { EXECUTE } else { 0 };
    }
    let class = if cred.uid == attr.uid {
        attr.mode >> 6
    } else if cred.in_group(attr.gid) {
        attr.mode >> 3
    } else {
        attr.mode
    };
    class & 7
}

/// Whether `cred` may remove or replace an entry for an object with `attr` in a directory with
/// `dir`: the sticky bit leaves that to the owners of both.
pub fn may_unlink(cred: &Cred, dir: &Attr, attr: &Attr) -> bool {
    dir.mode & 0o1000 == 0 || cred.uid == 0 || cred.uid == dir.uid || cred.uid == attr.uid
}
