//! SETATTR: size, owner, group, mode, times.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use holdfast_vfs::{Cred, Error, FileKind, Handle, OpenMode, Result, SetAttr, SetTime, Time};
use rustix::fs::{
    AtFlags, Statx, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, chownat, ftruncate, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::cache::Node;
use crate::core::{Core, FdName};
use crate::errno::{Meaning, error};
use crate::flush::Changed;
use crate::open::OpenFile;
use crate::sys;

const SET_GID: u32 = 0o2000;

impl Core {
    pub(crate) fn setattr(
        &self,
        cred: &Cred,
        handle: &Handle,
        file: Option<&Arc<OpenFile>>,
        set: &SetAttr,
    ) -> Result<Changed<()>> {
        let node = self.node(handle)?;
        let stat = self.stat(&node)?;
        if set.is_empty() {
            return Ok(Changed::nothing(()));
        }
        self.writable()?;
        self.refuse_early(cred, &node, &stat, set)?;
        let done = self.set_all(cred, &node, &stat, file, set);
        // One that was refused halfway changed the object as well.
        self.changed(&node);
        done.map(|()| Changed::one(&node, ()))
    }

    fn set_all(
        &self,
        cred: &Cred,
        node: &Arc<Node>,
        stat: &Statx,
        file: Option<&Arc<OpenFile>>,
        set: &SetAttr,
    ) -> Result<()> {
        let _steady = set.mode.map(|mode| self.steady_mode(node, mode)).transpose()?;
        self.assume(cred)?;
        if let Some(size) = set.size {
            self.resize(cred, node, file, size)?;
        }
        self.chown(node.fd(), set)?;
        if let Some(mode) = set.mode {
            self.chmod(cred, node, set.gid.unwrap_or(stat.stx_gid), mode)?;
        }
        self.set_times(node, set)
    }

    /// Refuses before anything was changed what the kernel would refuse halfway.
    fn refuse_early(&self, cred: &Cred, node: &Node, stat: &Statx, set: &SetAttr) -> Result<()> {
        if let Some(size) = set.size {
            match node.kind() {
                FileKind::Regular => {}
                FileKind::Directory => return Err(Error::IsDirectory),
                FileKind::Symlink
                | FileKind::Block
                | FileKind::Character
                | FileKind::Fifo
                | FileKind::Socket => return Err(Error::Invalid),
            }
            if size > node.mount().properties.size_max {
                return Err(Error::TooBig);
            }
        }
        let to = |time: Option<SetTime>| matches!(time, Some(SetTime::To(_)));
        if !self.identity.switches() || cred.uid == 0 {
            return Ok(());
        }
        let owned = set.mode.is_some()
            || set.uid.is_some()
            || set.gid.is_some()
            || to(set.atime)
            || to(set.mtime);
        let foreign_group = |gid: u32| gid != stat.stx_gid && !cred.in_group(gid);
        if (owned && cred.uid != stat.stx_uid)
            || set.uid.is_some_and(|uid| uid != stat.stx_uid)
            || set.gid.is_some_and(foreign_group)
        {
            return Err(Error::NotPermitted);
        }
        Ok(())
    }

    fn resize(
        &self,
        cred: &Cred,
        node: &Node,
        file: Option<&Arc<OpenFile>>,
        size: u64,
    ) -> Result<()> {
        if let Some(file) = file {
            if !file.mode().write {
                return Err(Error::AccessDenied);
            }
            if file.handle() != node.handle() {
                return Err(Error::Invalid);
            }
            let awake = file.awake()?;
            self.assume(cred)?;
            return ftruncate(awake.fd(), size).meaning();
        }
        // Without an open the mode decides, for the owner as for anybody.
        let fd = self.open_data(node, OpenMode::WRITE, false)?;
        self.assume(cred)?;
        ftruncate(&fd, size).meaning()
    }

    /// Sets owner and group in one step.
    pub(crate) fn chown(&self, fd: BorrowedFd<'_>, set: &SetAttr) -> Result<()> {
        if set.uid.is_none() && set.gid.is_none() {
            return Ok(());
        }
        if set.uid == Some(u32::MAX) || set.gid == Some(u32::MAX) {
            return Err(Error::Invalid);
        }
        let (uid, gid) = (set.uid.map(Uid::from_raw), set.gid.map(Gid::from_raw));
        chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH).meaning()
    }

    /// Sets the mode, of an object that has the group `gid` now.
    pub(crate) fn chmod(&self, cred: &Cred, node: &Node, gid: u32, mode: u32) -> Result<()> {
        // The mode of a symbolic link is fixed and asks for nothing.
        if node.kind() == FileKind::Symlink {
            return Ok(());
        }
        let mode = mode & 0o7777;
        if cred.uid == 0 && mode & SET_GID != 0 && self.identity.switches() {
            // This thread gave up the capability to set this bit for a group it is not in.
            self.assume(&Cred { gid, ..*cred })?;
        }
        match sys::chmod(node.fd(), mode) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => {
                let proc_fds = self.proc_fds.as_ref().ok_or(Error::NotSupported)?;
                let name = FdName::new(node.fd());
                let mode = rustix::fs::Mode::from_raw_mode(mode);
                rustix::fs::chmodat(proc_fds, name.as_bytes(), mode, AtFlags::empty()).meaning()
            }
            result => result.meaning(),
        }
    }

    fn set_times(&self, node: &Node, set: &SetAttr) -> Result<()> {
        if set.atime.is_none() && set.mtime.is_none() {
            return Ok(());
        }
        let times = timestamps(set.atime, set.mtime)?;
        match utimensat(node.fd(), c"", &times, AtFlags::EMPTY_PATH) {
            // The kernel lets a writer set both times to now, but not one of them.
            Err(Errno::PERM) if touches(set) => {
                if !self.may_write(node) {
                    return Err(Error::AccessDenied);
                }
                self.identity.server()?;
                utimensat(node.fd(), c"", &times, AtFlags::EMPTY_PATH).meaning()
            }
            result => result.map_err(error),
        }
    }

    /// Opens the data of a file that was just made, whatever its mode, and sets its size.
    pub(crate) fn resize_new(&self, node: &Node, size: u64) -> Result<()> {
        let fd: OwnedFd = self.open_data(node, OpenMode::WRITE, true)?;
        ftruncate(fd.as_fd(), size).meaning()
    }
}

/// Whether no time is set but to now.
fn touches(set: &SetAttr) -> bool {
    [set.atime, set.mtime].iter().all(|time| matches!(time, None | Some(SetTime::Now)))
}

/// Both times for the kernel.
pub(crate) fn timestamps(atime: Option<SetTime>, mtime: Option<SetTime>) -> Result<Timestamps> {
    Ok(Timestamps { last_access: timespec(atime)?, last_modification: timespec(mtime)? })
}

fn timespec(time: Option<SetTime>) -> Result<Timespec> {
    Ok(match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(SetTime::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(SetTime::To(Time { nsec: 1_000_000_000.., .. })) => return Err(Error::Invalid),
        Some(SetTime::To(Time { sec, nsec })) => Timespec { tv_sec: sec, tv_nsec: nsec.into() },
    })
}
