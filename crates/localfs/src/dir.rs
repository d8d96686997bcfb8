//! READDIR: the kernel's listing, in the kernel's order, at the kernel's offsets.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use holdfast_vfs::{Attr, Cred, DirEnd, DirEntry, Error, Handle, Result, Want};
use rustix::fs::{
    AtFlags, Mode, OFlags, RawDir, SeekFrom, Statx, StatxAttributes, StatxFlags, openat2, seek,
    statx,
};
use rustix::io::Errno;

use crate::attr::kind;
use crate::cache::Node;
use crate::core::{Core, INSIDE};
use crate::errno::{Meaning, error};
use crate::listing::Entry;
use crate::name::Name;
use crate::sys;

/// Added to the kernel's offsets: cookies 0, 1 and 2 have a meaning of their own.
const SHIFT: u64 = 3;

/// Bytes of one read of a directory: enough for the longest name, at most one pipe's worth.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;

/// An entry that outlives the descriptor it was read from.
pub(crate) struct OwnedEntry {
    name: Box<[u8]>,
    cookie: u64,
    fileid: u64,
    attr: Option<Result<Attr>>,
    handle: Option<Handle>,
}

impl OwnedEntry {
    pub(crate) fn new(entry: &DirEntry<'_>) -> Self {
        let DirEntry { name, cookie, fileid, attr, handle } = *entry;
        Self { name: name.into(), cookie, fileid, attr, handle }
    }

    pub(crate) fn as_entry(&self) -> DirEntry<'_> {
        let Self { name, cookie, fileid, attr, handle } = self;
        DirEntry { name, cookie: *cookie, fileid: *fileid, attr: *attr, handle: *handle }
    }
}

impl Core {
    pub(crate) fn readdir(
        &self,
        cred: &Cred,
        dir: &Handle,
        cookie: u64,
        room: usize,
        want: Want,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<DirEnd> {
        let node = self.directory(dir)?;
        let version = self.version(&node, want)?;
        self.assume(cred)?;
        if let Some(found) = version.and_then(|now| self.remembered(&node, now, want, cookie)) {
            return Ok(self.list_again(&node, &found, want, take));
        }
        let mut part = version.and_then(|now| self.remember(&node, now, want, cookie));
        let fd = self.open_listing(&node)?;
        self.assume(cred)?;
        if cookie != 0 {
            let offset = cookie.checked_sub(SHIFT).filter(|offset| i64::try_from(*offset).is_ok());
            let offset = SeekFrom::Start(offset.ok_or(Error::BadCookie)?);
            seek(&fd, offset).map_err(|_| Error::BadCookie)?;
        }
        // A name takes about as much again for the kernel's header.
        let mut buffer = Vec::with_capacity(room.saturating_mul(2).clamp(LEAST, MOST));
        let mut listing = RawDir::new(fd.as_fd(), buffer.spare_capacity_mut());
        while let Some(read) = listing.next() {
            let read = match read {
                Err(Errno::INVAL) if cookie != 0 => return Err(Error::BadCookie),
                Err(Errno::NOENT) => return Err(Error::Stale),
                read => read.meaning()?,
            };
            let name = read.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Some((attr, handle)) = self.details(&node, fd.as_fd(), name, want) else {
                continue;
            };
            let (cookie, fileid) = (read.next_entry_cookie().wrapping_add(SHIFT), read.ino());
            if !take(&DirEntry { name: name.to_bytes(), cookie, fileid, attr, handle }) {
                self.listed(&node, part, false);
                return Ok(DirEnd { eof: false });
            }
            if let Some(part) = &mut part {
                // Numbers of a table name places too: these are noticed to change when looked at.
                let handle = handle.as_ref().filter(|_| self.table.is_none());
                let handle = handle.map_or(&[][..], |handle| handle.as_slice());
                part.push(&Entry { name, cookie, fileid, handle, node: None });
            }
        }
        self.listed(&node, part, true);
        Ok(DirEnd { eof: true })
    }

    /// A descriptor to list a directory by, if whoever this thread acts as may; it may act as the
    /// server afterwards.
    fn open_listing(&self, node: &Node) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || openat2(node.fd(), c".", flags, Mode::empty(), INSIDE);
        match self.descriptor(open) {
            // "." asks for the right to search, a listing only for the right to read.
            Err(Errno::ACCESS) => {
                sys::access(node.fd(), libc::R_OK).meaning()?;
                self.identity.server()?;
                self.descriptor(open).meaning()
            }
            Err(Errno::NOENT) => Err(Error::Stale),
            result => result.meaning(),
        }
    }

    /// What is asked for of an entry; `None` when it is gone or hidden.
    pub(crate) fn details(
        &self,
        dir: &Node,
        fd: BorrowedFd<'_>,
        name: &CStr,
        want: Want,
    ) -> Option<(Option<Result<Attr>>, Option<Handle>)> {
        let needs_stat = want.attr || want.handle && self.table.is_some();
        let stat = needs_stat.then(|| stat_name(fd, name));
        match &stat {
            Some(Err(Errno::NOENT)) => return None,
            Some(Ok(stat)) if self.is_hidden(stat) => return None,
            Some(_) | None => {}
        }
        let handle = match (&self.table, &stat) {
            _ if !want.handle => None,
            (None, _) => match sys::name_to_handle_at(fd, name, 0) {
                Err(Errno::NOENT) => return None,
                Ok((_, mount)) if self.mount_id != Some(mount) => return None,
                Ok((kernel, _)) => self.minter.kernel(&kernel),
                Err(_) => None,
            },
            (Some(table), Some(Ok(stat))) => self.number(dir).ok().map(|parent| {
                let identity = self.identify(fd, name, stat);
                let id = table.identify(identity, parent, name.to_bytes(), kind(stat));
                self.handle_of(id, &identity)
            }),
            (Some(_), _) => None,
        };
        let attr = stat.filter(|_| want.attr);
        Some((attr.map(|stat| stat.map(|stat| self.attr(&stat)).map_err(error)), handle))
    }

    pub(crate) fn is_hidden(&self, stat: &Statx) -> bool {
        stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) || self.is_foreign(stat)
    }

    /// The name in a directory of an inode, as the server.
    pub(crate) fn name_of(&self, dir: &Node, ino: u64) -> Result<Option<Name>> {
        let fd = self.open_listing(dir)?;
        let mut buffer = Vec::with_capacity(MOST);
        let mut listing = RawDir::new(fd.as_fd(), buffer.spare_capacity_mut());
        while let Some(read) = listing.next() {
            let read = read.meaning()?;
            if read.ino() == ino
                && let Ok(name) = Name::new(read.file_name().to_bytes())
            {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

pub(crate) fn stat_name(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statx(dir, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
}
