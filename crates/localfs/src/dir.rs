//! READDIR: the kernel's listing, in the kernel's order, at the kernel's offsets.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use holdfast_vfs::{Attr, Cred, DirEnd, DirEntry, Error, Handle, Result, Want};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, SeekFrom, Statx, openat2, seek, statx};
use rustix::io::Errno;

use crate::attr::{attr, kind};
use crate::cache::Node;
use crate::core::{ALL, Core, INSIDE, stat_fd};
use crate::crossing::Gate;
use crate::errno::{Meaning, error};
use crate::listing::Entry;
use crate::name::Name;
use crate::sys;

/// Added to the kernel's offsets: cookies 0, 1 and 2 have a meaning of their own.
const SHIFT: u64 = 3;

/// Bytes of one read of a directory: enough for the longest name, at most one pipe's worth.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;

/// The attributes and the handle of an entry, as far as they are asked for.
type Details = (Option<Result<Attr>>, Option<Handle>);

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
            let Some((attr, handle)) = self.details((&node, fd.as_fd()), (name, read.ino()), want)
            else {
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
    pub(crate) fn open_listing(&self, node: &Node) -> Result<OwnedFd> {
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

    /// What is asked for of an entry, which is listed with a file id; `None` when it is gone or
    /// hidden.
    pub(crate) fn details(
        &self,
        (dir, fd): (&Node, BorrowedFd<'_>),
        (name, listed): (&CStr, u64),
        want: Want,
    ) -> Option<Details> {
        if !want.attr && !want.handle {
            return Some((None, None));
        }
        let stat = stat_name(fd, name);
        match &stat {
            Err(Errno::NOENT) => return None,
            Ok(stat) if self.is_elsewhere(dir, stat) => {
                return self.details_elsewhere(dir, (name, listed), want);
            }
            Ok(_) | Err(_) => {}
        }
        let handle = match (&self.table, &stat) {
            _ if !want.handle => None,
            (None, _) => match sys::name_to_handle_at(fd, name, 0) {
                Err(Errno::NOENT) => return None,
                // Something was mounted there just now.
                Ok((_, mount)) if !dir.mount().is_number(mount as u64) => return None,
                Ok((kernel, _)) => self.minter.kernel(dir.mount().id(), &kernel),
                Err(_) => None,
            },
            (Some(table), Ok(stat)) => self.number(dir).ok().map(|parent| {
                let identity = self.identify(dir.volume(), (fd, name), stat);
                let id = table.identify(identity, parent, name.to_bytes(), kind(stat));
                self.handle_of(id, &identity)
            }),
            (Some(_), Err(_)) => None,
        };
        let attr = || stat.map(|stat| attr(dir.volume(), &stat)).map_err(error);
        Some((want.attr.then(attr), handle))
    }

    /// Of what is in another volume; its handle too, as the server asks more of it.
    fn details_elsewhere(
        &self,
        parent: &Node,
        (name, listed): (&CStr, u64),
        want: Want,
    ) -> Option<Details> {
        let gate = Gate { parent, name: name.to_bytes(), listed: Some(listed) };
        let admitted = self.open_name(parent.fd(), name).and_then(|fd| {
            let stat = stat_fd(fd.as_fd()).meaning()?;
            Ok((self.admit_listed(fd, &stat, gate)?, stat))
        });
        match admitted {
            Err(Error::NotFound) => None,
            Err(error) => Some((want.attr.then_some(Err(error)), None)),
            Ok((node, stat)) => {
                let attr = want.attr.then(|| Ok(attr(node.volume(), &stat)));
                Some((attr, Some(*node.handle())))
            }
        }
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
    statx(dir, name, flags, ALL)
}
