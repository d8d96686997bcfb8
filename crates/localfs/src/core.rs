//! What all operations share: from a handle to a descriptor, and from a descriptor to a handle.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holdfast_vfs::{Cred, Error, FileKind, Fsid, Handle, Properties, Result};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags, openat2, statx};
use rustix::io::Errno;

use crate::attr::kind;
use crate::cache::{Cache, Node};
use crate::change::Changes;
use crate::cred::Identity;
use crate::errno::Meaning;
use crate::files::Files;
use crate::flush::Journal;
use crate::handle::{Minter, Parsed};
use crate::name::Name;
use crate::pins::Pins;
use crate::sys::{self, KernelHandle};
use crate::table::{self, Place, Table};

/// An open that only names the object.
pub(crate) const NAMES: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One component, on this file system, and no link of any kind.
pub(crate) const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// How often a path of directories is climbed or descended at most.
const DEPTH: usize = 4096;

/// How an object without a kernel handle is told from a later one with its inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamps {
    /// By the kernel's handle, made with these flags.
    Handle(i32),
    /// By the time of its creation.
    Born,
    /// Not at all: nothing stays the same on this file system.
    None,
}

impl Stamps {
    /// What tells an object from all others. An empty name means the descriptor itself.
    pub(crate) fn identify(
        self,
        minter: &Minter,
        fd: BorrowedFd<'_>,
        name: &CStr,
        stat: &Statx,
    ) -> table::Identity {
        let born =
            || (stat.stx_btime.tv_sec as u64).rotate_left(32) ^ stat.stx_btime.tv_nsec as u64;
        let stamp = match self {
            Self::Handle(flags) => {
                let flags = if name.is_empty() { flags | libc::AT_EMPTY_PATH } else { flags };
                sys::name_to_handle_at(fd, name, flags)
                    .map_or_else(|_| born(), |(handle, _)| minter.digest(&handle))
            }
            Self::Born => born(),
            Self::None => 0,
        };
        table::Identity { dev: device(stat), ino: stat.stx_ino, stamp }
    }
}

/// A file system, without the world: every method may block.
pub(crate) struct Core {
    pub(crate) root: Arc<Node>,
    /// An open descriptor of the root: the kernel opens handles relative to no other kind.
    pub(crate) mount: OwnedFd,
    pub(crate) mount_id: Option<i32>,
    /// The device of all objects, where the file system has only one.
    pub(crate) dev: Option<(u32, u32)>,
    pub(crate) cache: Cache,
    pub(crate) minter: Minter,
    pub(crate) identity: Identity,
    /// The numbers, where handles are not the kernel's.
    pub(crate) table: Option<Table>,
    pub(crate) stamps: Stamps,
    /// `/proc/self/fd`.
    pub(crate) proc_fds: Option<OwnedFd>,
    pub(crate) fsid: Fsid,
    pub(crate) properties: Properties,
    pub(crate) read_only: bool,
    /// Whether data in memory is as stable as it gets.
    pub(crate) volatile: bool,
    /// What commits all changes at once, where there is such a thing.
    pub(crate) journal: Option<Journal>,
    /// Whether the file system knows reads that do not wait.
    pub(crate) nowait: AtomicBool,
    pub(crate) verifier: AtomicU64,
    /// How many descriptors and files were opened.
    pub(crate) opens: AtomicU64,
    /// How the change attribute is made.
    pub(crate) changes: Changes,
    /// The open files that have a descriptor.
    pub(crate) files: Files,
    /// The places for descriptors that cannot be closed.
    pub(crate) pins: Arc<Pins>,
}

impl Core {
    /// The object of a handle. Acts as the server where the handle is not in the cache.
    pub(crate) fn node(&self, handle: &Handle) -> Result<Arc<Node>> {
        if let Some(node) = self.cache.get(handle) {
            return Ok(node);
        }
        let parsed = self.minter.parse(handle)?;
        self.relieve()?;
        self.identity.server()?;
        let node = match (parsed, &self.table) {
            (Parsed::Kernel(kernel), None) => self.open_kernel(handle, &kernel)?,
            (Parsed::Process(id), Some(table)) => self.open_number(table, id)?,
            // Of an earlier process, with other rights.
            (Parsed::Kernel(_), Some(_)) | (Parsed::Process(_), None) => return Err(Error::Stale),
        };
        self.stat(&node)?;
        Ok(node)
    }

    /// The object of a handle, if that is a directory.
    pub(crate) fn directory(&self, handle: &Handle) -> Result<Arc<Node>> {
        let node = self.node(handle)?;
        if node.kind() == FileKind::Directory { Ok(node) } else { Err(Error::NotDirectory) }
    }

    /// Acts as the caller from now on.
    pub(crate) fn assume(&self, cred: &Cred) -> Result<()> {
        self.identity.assume(cred)
    }

    /// Refuses a change on a read-only export.
    pub(crate) const fn writable(&self) -> Result<()> {
        if self.read_only { Err(Error::ReadOnly) } else { Ok(()) }
    }

    /// Everything about an object, unless it is gone.
    pub(crate) fn stat(&self, node: &Node) -> Result<Statx> {
        let stat = stat_fd(node.fd()).meaning()?;
        if stat.stx_nlink == 0 && !node.is_open() {
            self.forget(node);
            return Err(Error::Stale);
        }
        Ok(stat)
    }

    /// What an error on a name means if the directory itself is gone.
    pub(crate) fn blame(&self, parent: &Node, error: Error) -> Error {
        if error == Error::NotFound && self.stat(parent).is_err() { Error::Stale } else { error }
    }

    /// Runs a call that makes a descriptor; out of them, makes room and tries once more.
    pub(crate) fn descriptor<T>(
        &self,
        call: impl Fn() -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        match call() {
            Err(Errno::MFILE | Errno::NFILE) => {
                self.cache.clear();
                // Files that give theirs up are found as the server, which this thread may not be.
                self.files.ran_short();
                call()
            }
            result => result,
        }
    }

    /// Opens a name as it is, without following anything.
    pub(crate) fn open_name(&self, parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
        let open = || openat2(parent, name, NAMES, Mode::empty(), INSIDE);
        match self.descriptor(open) {
            // Another file system is mounted there: hidden.
            Err(Errno::XDEV) => Err(Error::NotFound),
            result => result.meaning(),
        }
    }

    /// The node of a descriptor that was reached by a name in a directory.
    pub(crate) fn admit(&self, fd: OwnedFd, parent: &Node, name: &[u8]) -> Result<Arc<Node>> {
        let stat = stat_fd(fd.as_fd()).meaning()?;
        if self.is_foreign(&stat) {
            return Err(Error::NotFound);
        }
        let handle = match &self.table {
            None => self.mint(fd.as_fd())?,
            Some(table) => {
                let identity = self.identify(fd.as_fd(), c"", &stat);
                let parent = self.number(parent)?;
                self.minter.process(table.identify(identity, parent, name))
            }
        };
        Ok(self.cache.insert(Node::new(fd, handle, kind(&stat))))
    }

    /// The signed kernel handle of a descriptor.
    pub(crate) fn mint(&self, fd: BorrowedFd<'_>) -> Result<Handle> {
        let (kernel, _) = sys::name_to_handle_at(fd, c"", libc::AT_EMPTY_PATH).meaning()?;
        self.minter.kernel(&kernel).ok_or(Error::NotSupported)
    }

    /// Whether an object is on another file system than the export's.
    pub(crate) fn is_foreign(&self, stat: &Statx) -> bool {
        self.dev.is_some_and(|dev| dev != device(stat))
    }

    /// What tells an object from all others. An empty name means the descriptor itself.
    pub(crate) fn identify(
        &self,
        fd: BorrowedFd<'_>,
        name: &CStr,
        stat: &Statx,
    ) -> table::Identity {
        self.stamps.identify(&self.minter, fd, name, stat)
    }

    /// The number of a node, where handles are numbers.
    pub(crate) fn number(&self, node: &Node) -> Result<u64> {
        match self.minter.parse(node.handle())? {
            Parsed::Process(id) => Ok(id),
            Parsed::Kernel(_) => Err(Error::BadHandle),
        }
    }

    /// Closes what is cached of an object that is gone.
    pub(crate) fn forget(&self, node: &Node) {
        self.cache.remove(node.handle());
        if let (Some(table), Ok(id)) = (&self.table, self.number(node)) {
            table.forget(id);
        }
    }

    fn open_kernel(&self, handle: &Handle, kernel: &KernelHandle) -> Result<Arc<Node>> {
        let flags = NAMES.bits() as i32;
        let fd = match self.descriptor(|| sys::open_by_handle_at(self.mount.as_fd(), kernel, flags))
        {
            // The kernel knows the handle as none of this file system's any more.
            Err(Errno::INVAL | Errno::NOENT) => return Err(Error::Stale),
            result => result.meaning()?,
        };
        let stat = stat_fd(fd.as_fd()).meaning()?;
        if self.is_foreign(&stat) {
            return Err(Error::Stale);
        }
        Ok(self.cache.insert(Node::new(fd, *handle, kind(&stat))))
    }

    /// Opens the object of a number by way of the nearest directory above it that is open.
    fn open_number(&self, table: &Table, id: u64) -> Result<Arc<Node>> {
        let mut path = Vec::new();
        let mut at = id;
        let mut node = loop {
            if at == Table::ROOT {
                break self.root.clone();
            }
            if let Some(node) = self.cache.get(&self.minter.process(at)) {
                break node;
            }
            let (identity, place) = table.entry(at).ok_or(Error::Stale)?;
            let parent = place.parent;
            path.push((at, identity, place));
            if path.len() > DEPTH {
                return Err(Error::Stale);
            }
            at = parent;
        };
        while let Some((at, identity, place)) = path.pop() {
            node = self.reopen_number(table, &node, at, identity, &place)?;
        }
        Ok(node)
    }

    fn reopen_number(
        &self,
        table: &Table,
        parent: &Node,
        id: u64,
        identity: table::Identity,
        place: &Place,
    ) -> Result<Arc<Node>> {
        let mut found = Name::new(&place.name)
            .and_then(|name| self.open_name(parent.fd(), name.as_c_str()))
            .and_then(|fd| self.is_identity(fd, identity));
        if matches!(found, Err(Error::Stale | Error::NotFound | Error::BadName)) {
            // Somebody else renamed it: where it was is the first place to look.
            let name = self.name_of(parent, identity.ino)?.ok_or(Error::Stale)?;
            found = self
                .open_name(parent.fd(), name.as_c_str())
                .and_then(|fd| self.is_identity(fd, identity));
            if found.is_ok() {
                table.identify(identity, place.parent, name.as_bytes());
            }
        }
        let (fd, stat) = match found {
            Err(Error::NotFound | Error::NotDirectory) => return Err(Error::Stale),
            found => found?,
        };
        Ok(self.cache.insert(Node::new(fd, self.minter.process(id), kind(&stat))))
    }

    fn is_identity(&self, fd: OwnedFd, identity: table::Identity) -> Result<(OwnedFd, Statx)> {
        let stat = stat_fd(fd.as_fd()).meaning()?;
        if self.identify(fd.as_fd(), c"", &stat) == identity {
            Ok((fd, stat))
        } else {
            Err(Error::Stale)
        }
    }

    /// Whether a directory is the exported one or below it; one that a local process moved away
    /// is not.
    pub(crate) fn is_inside(&self, directory: BorrowedFd<'_>) -> Result<bool> {
        let root = stat_fd(self.root.fd()).meaning()?;
        let mut here = directory.try_clone_to_owned().map_err(|_| Error::Busy)?;
        let mut stat = stat_fd(here.as_fd()).meaning()?;
        for _ in 0..DEPTH {
            if (device(&stat), stat.stx_ino) == (device(&root), root.stx_ino) {
                return Ok(true);
            }
            here = match self.open_parent(here.as_fd()) {
                Err(Error::CrossDevice) => return Ok(false),
                result => result?,
            };
            let above = stat_fd(here.as_fd()).meaning()?;
            if (device(&above), above.stx_ino) == (device(&stat), stat.stx_ino) {
                return Ok(false);
            }
            stat = above;
        }
        Ok(false)
    }

    /// The directory above one.
    pub(crate) fn open_parent(&self, directory: BorrowedFd<'_>) -> Result<OwnedFd> {
        let rules = INSIDE.difference(ResolveFlags::BENEATH);
        self.descriptor(|| openat2(directory, c"..", NAMES, Mode::empty(), rules)).meaning()
    }

    /// The node of a directory that was reached from below.
    pub(crate) fn admit_above(&self, fd: OwnedFd, depth: usize) -> Result<Arc<Node>> {
        let stat = stat_fd(fd.as_fd()).meaning()?;
        let handle = match &self.table {
            None => self.mint(fd.as_fd())?,
            Some(table) => {
                let identity = self.identify(fd.as_fd(), c"", &stat);
                let id = match table.known(identity) {
                    Some(id) => id,
                    None if depth == 0 => return Err(Error::Stale),
                    None => {
                        let parent = self.admit_above(self.open_parent(fd.as_fd())?, depth - 1)?;
                        let name = self.name_of(&parent, stat.stx_ino)?.ok_or(Error::Stale)?;
                        table.identify(identity, self.number(&parent)?, name.as_bytes())
                    }
                };
                self.minter.process(id)
            }
        };
        Ok(self.cache.insert(Node::new(fd, handle, kind(&stat))))
    }

    /// A descriptor by the number of another, for what no call does with an `O_PATH` one.
    pub(crate) fn reopen(&self, fd: BorrowedFd<'_>, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let proc_fds = self.proc_fds.as_ref().ok_or(Errno::NOSYS)?;
        let number = FdName::new(fd);
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.descriptor(|| rustix::fs::openat(proc_fds, number.as_bytes(), flags, Mode::empty()))
    }

    /// Says that unstable data may be lost.
    pub(crate) fn lost_data(&self) {
        self.verifier.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::AcqRel);
    }
}

/// The name of a descriptor below `/proc/self/fd`.
pub(crate) struct FdName {
    digits: [u8; 10],
    start: usize,
}

impl FdName {
    pub(crate) fn new(fd: BorrowedFd<'_>) -> Self {
        let mut name = Self { digits: [0; 10], start: 10 };
        let mut rest = fd.as_raw_fd() as u32;
        loop {
            name.start -= 1;
            name.digits[name.start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return name;
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// One `statx` for all that is asked of an object.
pub(crate) fn stat_fd(fd: BorrowedFd<'_>) -> rustix::io::Result<Statx> {
    statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS.union(StatxFlags::BTIME))
}

/// The device an object is on.
pub(crate) const fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}
