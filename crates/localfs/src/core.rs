//! What all operations share: from a handle to a descriptor, and from a descriptor to a handle.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holdfast_vfs::{Cred, Error, FileKind, Handle, Result};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags, openat2, statx};
use rustix::io::Errno;

use crate::attr::kind;
use crate::cache::{Cache, Node};
use crate::cred::Identity;
use crate::crossing::Gate;
use crate::errno::Meaning;
use crate::files::Files;
use crate::handle::{Minter, Parsed};
use crate::index::volume_of_device;
use crate::listing::Listings;
use crate::pins::Pins;
use crate::pipes::Pipes;
use crate::resident::Dirty;
use crate::sys::{self, KernelHandle};
use crate::table::{self, Table};
use crate::volume::{Mount, Usage, Volume, number};
use crate::volumes::{Hidden, Volumes};

/// An open that only names the object.
pub(crate) const NAMES: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One component, on this file system, and no link of any kind.
pub(crate) const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// How often a path of directories is climbed or descended at most.
pub(crate) const DEPTH: usize = 4096;

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
    /// Whether they tell objects apart over a restart, on a file system with such a root.
    pub(crate) fn are_lasting(self, root: &Statx) -> bool {
        match self {
            Self::Handle(_) => true,
            Self::Born => StatxFlags::from_bits_retain(root.stx_mask).contains(StatxFlags::BTIME),
            Self::None => false,
        }
    }

    /// What tells an object from all others. An empty name means the descriptor itself.
    pub(crate) fn identify(
        self,
        minter: &Minter,
        volume: u64,
        (fd, name): (BorrowedFd<'_>, &CStr),
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
        // What has no stamp is told from others by its device, as long as this process lives.
        let volume = if self == Self::None { volume_of_device(stat) } else { volume };
        table::Identity { volume, ino: stat.stx_ino, stamp }
    }
}

/// A file system, without the world: every method may block.
pub(crate) struct Core {
    pub(crate) root: Arc<Node>,
    pub(crate) cache: Cache,
    pub(crate) minter: Minter,
    pub(crate) identity: Identity,
    /// The numbers, where handles are not the kernel's.
    pub(crate) table: Option<Table>,
    /// The directories that were listed, where change attributes are to be relied on.
    pub(crate) listings: Option<Listings>,
    /// What lies below the root, and the root's own.
    pub(crate) volumes: Volumes,
    /// How each is used.
    pub(crate) usage: Usage,
    /// `/proc/self/fd`.
    pub(crate) proc_fds: Option<OwnedFd>,
    pub(crate) read_only: bool,
    /// Whether names can be looked up in memory only.
    pub(crate) resolve_cached: bool,
    pub(crate) pipes: Arc<Pipes>,
    /// Whether the kernel tells which pages are in memory.
    pub(crate) cachestat: AtomicBool,
    /// How much may be written without waiting, where that is known.
    pub(crate) dirty: Option<Dirty>,
    pub(crate) verifier: AtomicU64,
    /// How many descriptors and files were opened.
    pub(crate) opens: AtomicU64,
    /// The open files that have a descriptor.
    pub(crate) files: Files,
    /// Descriptors that cannot be opened again.
    pub(crate) pins: Arc<Pins>,
}

impl Core {
    /// The object of a handle. Acts as the server where the handle is not in the cache.
    pub(crate) fn node(&self, handle: &Handle) -> Result<Arc<Node>> {
        if let Some(node) = self.cache.get(handle) {
            if self.is_mounted(&node) {
                return Ok(node);
            }
            self.cache.remove(handle);
        }
        let parsed = self.minter.parse(handle)?;
        self.relieve()?;
        self.identity.server()?;
        let node = match (parsed, &self.table) {
            (Parsed::Kernel(mount, kernel), None) => self.open_kernel(handle, mount, &kernel)?,
            (Parsed::Process(id), Some(table)) if table.index().is_none() => {
                self.open_number(table, id)?
            }
            (Parsed::Durable(identity), Some(table)) if table.index().is_some() => {
                self.open_identity(table, identity)?
            }
            // Of an earlier process, with other rights.
            (Parsed::Kernel(..) | Parsed::Process(_) | Parsed::Durable(_), _) => {
                return Err(Error::Stale);
            }
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
        self.open_name_by(parent, name, self.inside())
    }

    /// Opens a name by these rules.
    pub(crate) fn open_name_by(
        &self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        rules: ResolveFlags,
    ) -> Result<OwnedFd> {
        let open = || openat2(parent, name, NAMES, Mode::empty(), rules);
        match self.descriptor(open) {
            // Another file system is mounted there: hidden.
            Err(Errno::XDEV) => Err(Error::NotFound),
            result => result.meaning(),
        }
    }

    /// The node of a descriptor that was reached by a name in a directory.
    pub(crate) fn admit(&self, fd: OwnedFd, parent: &Node, name: &[u8]) -> Result<Arc<Node>> {
        let stat = stat_fd(fd.as_fd()).meaning()?;
        self.admit_listed(fd, &stat, Gate { parent, name, listed: None })
    }

    /// As [`Core::admit`], with what is known of it.
    pub(crate) fn admit_listed(
        &self,
        fd: OwnedFd,
        stat: &Statx,
        gate: Gate<'_>,
    ) -> Result<Arc<Node>> {
        let volume = self.volume_at(gate, fd.as_fd(), stat)?;
        let handle = match &self.table {
            None => self.mint(&volume.mount, fd.as_fd())?,
            Some(table) => {
                let identity = self.identify(&volume, (fd.as_fd(), c""), stat);
                let parent = self.number(gate.parent)?;
                let id = table.identify(identity, parent, gate.name, kind(stat));
                self.handle_of(id, &identity)
            }
        };
        Ok(self.cache.insert(Node::new(fd, handle, stat, volume)))
    }

    /// The signed kernel handle of a descriptor.
    pub(crate) fn mint(&self, mount: &Mount, fd: BorrowedFd<'_>) -> Result<Handle> {
        let (kernel, _) = sys::name_to_handle_at(fd, c"", libc::AT_EMPTY_PATH).meaning()?;
        self.minter.kernel(mount.id(), &kernel).ok_or(Error::NotSupported)
    }

    /// What tells an object from all others. An empty name means the descriptor itself.
    pub(crate) fn identify(
        &self,
        volume: &Volume,
        object: (BorrowedFd<'_>, &CStr),
        stat: &Statx,
    ) -> table::Identity {
        volume.mount.stamps.identify(&self.minter, volume.id, object, stat)
    }

    /// Closes what is cached of an object that is gone.
    pub(crate) fn forget(&self, node: &Node) {
        self.cache.remove(node.handle());
        if let Some(table) = &self.table {
            self.forget_entry(table, node.handle());
        }
    }

    fn open_kernel(&self, handle: &Handle, mount: u64, kernel: &KernelHandle) -> Result<Arc<Node>> {
        let first = self.mount_of_handle(mount)?;
        let flags = NAMES.bits() as i32;
        let open = || sys::open_by_handle_at(first.mount.root(), kernel, flags);
        let fd = match self.descriptor(open) {
            // The kernel knows the handle as none of this file system's any more.
            Err(Errno::INVAL | Errno::NOENT) => return Err(Error::Stale),
            result => result.meaning()?,
        };
        let stat = stat_fd(fd.as_fd()).meaning()?;
        let volume = self.volume_in(&first, fd.as_fd(), &stat).map_err(Hidden::of_handle)?;
        Ok(self.cache.insert(Node::new(fd, *handle, &stat, volume)))
    }

    /// Whether a directory is the exported one or below it; one that a local process moved away
    /// is not.
    pub(crate) fn is_inside(&self, directory: BorrowedFd<'_>) -> Result<bool> {
        let root = stat_fd(self.root.fd()).meaning()?;
        let mut here = directory.try_clone_to_owned().map_err(|_| Error::Busy)?;
        let mut stat = stat_fd(here.as_fd()).meaning()?;
        for _ in 0..DEPTH {
            let is_root = (device(&stat), stat.stx_ino) == (device(&root), root.stx_ino);
            if is_root && self.volumes.own.mount.has(&stat) {
                return Ok(true);
            }
            here = match self.open_parent(here.as_fd()) {
                // The second: it is not below what is mounted of its file system.
                Err(Error::CrossDevice | Error::NotFound) => return Ok(false),
                result => result?,
            };
            let above = stat_fd(here.as_fd()).meaning()?;
            let is_top = (device(&above), above.stx_ino) == (device(&stat), stat.stx_ino);
            if is_top && number(&above) == number(&stat) {
                return Ok(false);
            }
            stat = above;
        }
        Ok(false)
    }

    /// The directory above one.
    pub(crate) fn open_parent(&self, directory: BorrowedFd<'_>) -> Result<OwnedFd> {
        let rules = self.inside().difference(ResolveFlags::BENEATH);
        self.descriptor(|| openat2(directory, c"..", NAMES, Mode::empty(), rules)).meaning()
    }

    /// The node of a directory that was reached from below.
    pub(crate) fn admit_above(&self, fd: OwnedFd, depth: usize) -> Result<Arc<Node>> {
        let stat = stat_fd(fd.as_fd()).meaning()?;
        let volume = self.volume_above(fd.as_fd(), &stat)?;
        let handle = match &self.table {
            None => self.mint(&volume.mount, fd.as_fd())?,
            Some(table) => {
                let identity = self.identify(&volume, (fd.as_fd(), c""), &stat);
                let id = match table.known(identity) {
                    Some(id) => id,
                    None if depth == 0 => return Err(Error::Stale),
                    None => {
                        let parent = self.admit_above(self.open_parent(fd.as_fd())?, depth - 1)?;
                        let listed = volume.listed(stat.stx_ino);
                        let name = self.name_of(&parent, listed)?.ok_or(Error::Stale)?;
                        let parent = self.number(&parent)?;
                        table.identify(identity, parent, name.as_bytes(), FileKind::Directory)
                    }
                };
                self.handle_of(id, &identity)
            }
        };
        Ok(self.cache.insert(Node::new(fd, handle, &stat, volume)))
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

/// All that is asked of an object.
pub(crate) const ALL: StatxFlags =
    StatxFlags::BASIC_STATS.union(StatxFlags::BTIME).union(StatxFlags::MNT_ID);

/// One `statx` for all that is asked of an object.
pub(crate) fn stat_fd(fd: BorrowedFd<'_>) -> rustix::io::Result<Statx> {
    statx(fd, c"", AtFlags::EMPTY_PATH, ALL)
}

/// The device an object is on.
pub(crate) const fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}
