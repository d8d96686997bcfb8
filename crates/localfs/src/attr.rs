//! Attributes as the kernel has them.

use holdfast_vfs::{Attr, ChangeInfo, Cred, Error, FileKind, Handle, Result, SetTime, Space, Time};
use rustix::fs::{
    AtFlags, FileType, Statx, StatxFlags, StatxTimestamp, fstatvfs, readlinkat, utimensat,
};

use crate::cache::Node;
use crate::core::{Core, stat_fd};
use crate::errno::Meaning;
use crate::setattr::timestamps;
use crate::volume::Volume;

impl Core {
    pub(crate) fn getattr(&self, handle: &Handle) -> Result<Attr> {
        let node = self.node(handle)?;
        Ok(attr(node.volume(), &self.stat(&node)?))
    }

    /// The change attribute of a directory now.
    pub(crate) fn change(&self, node: &Node) -> Result<u64> {
        Ok(node.mount().changes.of(&self.stat(node)?))
    }

    /// Notes a change of a directory; answers it, since it was `before`.
    pub(crate) fn change_since(&self, node: &Node, before: u64) -> ChangeInfo {
        self.changed(node);
        self.info_since(node, before)
    }

    /// The change of a directory that was noted, since it was `before`.
    pub(crate) fn info_since(&self, node: &Node, before: u64) -> ChangeInfo {
        // It was changed already: not to know the new value is no reason to fail.
        let unknown = before.wrapping_add(1);
        let after = stat_fd(node.fd()).map_or(unknown, |stat| node.mount().changes.of(&stat));
        ChangeInfo { atomic: false, before, after }
    }

    /// The change of a directory that a name was removed from.
    pub(crate) fn change_by_removal(&self, node: &Node, before: u64) -> ChangeInfo {
        let change = self.change_since(node, before);
        if !node.mount().volatile || change.after != before {
            return change;
        }
        // tmpfs dates a removal by the removed object's clock, which may be a tick behind what the
        // directory has; asked directly, it gives the directory a time of its own.
        let now = timestamps(None, Some(SetTime::Now));
        if let Ok(now) = self.identity.server().and(now) {
            let _ = utimensat(node.fd(), c"", &now, AtFlags::EMPTY_PATH);
        }
        self.change_since(node, before)
    }

    pub(crate) fn readlink(&self, cred: &Cred, handle: &Handle) -> Result<Vec<u8>> {
        let node = self.node(handle)?;
        self.stat(&node)?;
        if node.kind() != FileKind::Symlink {
            return Err(Error::Invalid);
        }
        self.assume(cred)?;
        Ok(readlinkat(node.fd(), c"", Vec::new()).meaning()?.into_bytes())
    }

    pub(crate) fn space(&self, handle: &Handle) -> Result<Space> {
        let node = self.node(handle)?;
        self.stat(&node)?;
        let stat = fstatvfs(node.fd()).meaning()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space {
            total: bytes(stat.f_blocks),
            free: bytes(stat.f_bfree),
            avail: bytes(stat.f_bavail),
            files_total: stat.f_files,
            files_free: stat.f_ffree,
            files_avail: stat.f_favail,
        })
    }
}

/// The attributes of an object of a volume.
pub(crate) fn attr(volume: &Volume, stat: &Statx) -> Attr {
    let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Attr {
        kind: kind(stat),
        mode: u32::from(stat.stx_mode) & 0o7777,
        nlink: stat.stx_nlink,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        size: stat.stx_size,
        used: stat.stx_blocks.saturating_mul(512),
        fileid: stat.stx_ino,
        fsid: volume.fsid,
        mounted_on: volume.mounted_on(stat.stx_ino),
        rdev: (stat.stx_rdev_major, stat.stx_rdev_minor),
        change: volume.mount.changes.of(stat),
        atime: time(stat.stx_atime),
        mtime: time(stat.stx_mtime),
        ctime: time(stat.stx_ctime),
        btime: born.then(|| time(stat.stx_btime)),
    }
}

/// The type of an object.
pub(crate) fn kind(stat: &Statx) -> FileKind {
    of_type(FileType::from_raw_mode(u32::from(stat.stx_mode)))
}

/// The kernel's word for a type as ours.
pub(crate) const fn of_type(kind: FileType) -> FileKind {
    match kind {
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::BlockDevice => FileKind::Block,
        FileType::CharacterDevice => FileKind::Character,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::RegularFile | FileType::Unknown => FileKind::Regular,
    }
}

/// The error of an operation on a regular file, for what is none.
pub(crate) const fn regular(kind: FileKind) -> Result<()> {
    match kind {
        FileKind::Regular => Ok(()),
        FileKind::Directory => Err(Error::IsDirectory),
        FileKind::Symlink => Err(Error::IsSymlink),
        FileKind::Block | FileKind::Character | FileKind::Fifo | FileKind::Socket => {
            Err(Error::WrongType)
        }
    }
}

const fn time(stamp: StatxTimestamp) -> Time {
    Time { sec: stamp.tv_sec, nsec: stamp.tv_nsec }
}
