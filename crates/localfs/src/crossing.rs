//! From one volume to another: down by a name, up by `..`, and straight by a handle.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use holdfast_vfs::{Error, FileKind, Handle, Properties, Result};
use rustix::fs::{Mode, OFlags, RawDir, ResolveFlags, Statx, fstatfs, openat2};

use crate::attr::kind;
use crate::cache::Node;
use crate::core::{Core, INSIDE, device};
use crate::errno::Meaning;
use crate::handle::Parsed;
use crate::kinds::{RAMFS, is_known, is_lasting, is_of_the_kernel, path_of};
use crate::mountinfo::MountInfo;
use crate::name::Name;
use crate::sys;
use crate::volume::{Above, Mount, Volume, number};
use crate::volumes::Hidden;

/// Bytes of one read of a directory.
const LISTING: usize = 64 << 10;

/// Mounts below an export among which the one of a handle is looked for.
const MOUNTS_MAX: usize = 4096;

/// A name that leads out of its directory's volume.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a> {
    pub(crate) parent: &'a Node,
    pub(crate) name: &'a [u8],
    /// The file id that the directory lists it with, if that was seen.
    pub(crate) listed: Option<u64>,
}

impl Core {
    /// How far one component of a path may lead.
    pub(crate) fn inside(&self) -> ResolveFlags {
        if self.volumes.crosses { INSIDE.difference(ResolveFlags::NO_XDEV) } else { INSIDE }
    }

    /// Whether an object is in another volume than the directory it was reached from.
    pub(crate) fn is_elsewhere(&self, from: &Node, stat: &Statx) -> bool {
        let mount = &from.volume().mount;
        !mount.has(stat) || !mount.is_overlay() && from.dev() != device(stat)
    }

    /// The volume of what a name leads to.
    ///
    /// # Errors
    /// `NotFound`: it is hidden.
    pub(crate) fn volume_at(
        &self,
        gate: Gate<'_>,
        fd: BorrowedFd<'_>,
        stat: &Statx,
    ) -> Result<Arc<Volume>> {
        if !self.is_elsewhere(gate.parent, stat) {
            return Ok(gate.parent.volume().clone());
        }
        if !self.volumes.crosses {
            return Err(Error::NotFound);
        }
        self.refresh();
        let known = self.volumes.by_number(number(stat).ok_or(Error::NotFound)?);
        let first = known.map_or_else(|| self.mount(gate, fd, stat), Ok);
        let first = first.inspect(|first| first.mount.touch());
        first
            .and_then(|first| self.volume_in(&first, fd, stat))
            .map_err(|hidden| self.volumes.hide(hidden, gate.name))
    }

    /// The volume of an object on the mount of this first one.
    pub(crate) fn volume_in(
        &self,
        first: &Arc<Volume>,
        fd: BorrowedFd<'_>,
        stat: &Statx,
    ) -> std::result::Result<Arc<Volume>, Hidden> {
        if first.mount.is_in_first(stat) {
            return Ok(first.clone());
        }
        let tree = first.mount.tree_of(fd).filter(|_| self.volumes.crosses);
        let tree = tree.ok_or(Hidden::Closed)?;
        self.with_room(|| self.volumes.subvolume(first, tree))
    }

    /// The volume of a directory that was reached from below.
    pub(crate) fn volume_above(&self, fd: BorrowedFd<'_>, stat: &Statx) -> Result<Arc<Volume>> {
        let first = match number(stat) {
            Some(number) => self.volumes.by_number(number).ok_or(Error::Stale)?,
            None => self.volumes.own.clone(),
        };
        self.volume_in(&first, fd, stat).map_err(Hidden::of_handle)
    }

    /// The first volume of the mount that handles name by this; acts as the server.
    ///
    /// # Errors
    /// `Stale`: it is not mounted below the export.
    pub(crate) fn mount_of_handle(&self, id: u64) -> Result<Arc<Volume>> {
        if id == 0 {
            return Ok(self.volumes.own.clone());
        }
        self.refresh();
        if let Some(first) = self.volumes.by_id(id) {
            first.mount.touch();
            return Ok(first);
        }
        if !self.volumes.may_be_present(id) {
            return Err(Error::Stale);
        }
        self.find_mount(id)
    }

    /// Whether a node can still be reached: what was unmounted cannot.
    pub(crate) fn is_mounted(&self, node: &Node) -> bool {
        let mount = &node.volume().mount;
        if mount.id() == 0 {
            return true;
        }
        mount.touch();
        self.refresh();
        self.volumes.by_id(mount.id()).is_some_and(|first| first.mount.is_same(mount))
    }

    /// What is true of the export's own file system.
    pub(crate) fn properties(&self) -> Properties {
        let mount = &self.volumes.own.mount;
        Properties { local_locks: !mount.locking.is_refused(), ..mount.properties }
    }

    /// What is true of the file system of an object.
    pub(crate) fn properties_of(&self, handle: &Handle) -> Properties {
        let own = &self.volumes.own;
        if self.volumes.is_alone() {
            return self.properties();
        }
        let volume = match (self.cache.get(handle), self.minter.parse(handle)) {
            (Some(node), _) => Some(node.volume().clone()),
            (None, Ok(Parsed::Kernel(mount, _))) => self.volumes.by_id(mount),
            (None, Ok(Parsed::Process(_) | Parsed::Durable(_)) | Err(_)) => None,
        };
        let volume = volume.as_ref().unwrap_or(own);
        let local_locks = !volume.mount.locking.is_refused();
        Properties { local_locks, ..volume.mount.properties }
    }

    /// Whether all that is shown is only in memory.
    pub(crate) fn is_volatile(&self) -> bool {
        self.volumes.own.mount.volatile && self.volumes.is_alone()
    }

    /// Begins to show what is mounted at a name.
    fn mount(
        &self,
        gate: Gate<'_>,
        fd: BorrowedFd<'_>,
        stat: &Statx,
    ) -> std::result::Result<Arc<Volume>, Hidden> {
        if kind(stat) != FileKind::Directory {
            return Err(Hidden::File);
        }
        if self.volumes.mounts.is_none() {
            return Err(Hidden::List);
        }
        let kind_of_fs = fstatfs(fd).map_err(|_| Hidden::Closed)?.f_type as u32;
        if is_of_the_kernel(kind_of_fs) {
            return Err(Hidden::Kernel);
        }
        if self.volumes.prompt && !is_known(kind_of_fs) && kind_of_fs != RAMFS {
            return Err(Hidden::Slow);
        }
        if self.index().is_some() && !is_lasting(kind_of_fs) {
            // Its handles would be taken for good ones after a restart.
            return Err(Hidden::Handles);
        }
        let probed = self.identity.as_server(|| Ok(self.probe(gate, fd, stat)));
        let volume = Arc::new(probed.map_err(|_| Hidden::Closed)??);
        let volume = self.with_room(|| self.volumes.add(&volume))?;
        if let Some(keeper) = self.volumes.keeper.get() {
            keeper.wake();
        }
        Ok(volume)
    }

    fn probe(
        &self,
        gate: Gate<'_>,
        fd: BorrowedFd<'_>,
        stat: &Statx,
    ) -> std::result::Result<Volume, Hidden> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || openat2(fd, c".", flags, Mode::empty(), self.inside());
        let root = self.descriptor(open).map_err(Hidden::closed)?;
        if self.usage.by_handle && !opens_by_handle(root.as_fd()) {
            return Err(Hidden::Handles);
        }
        let covered = match gate.listed {
            Some(listed) => Some(listed),
            None => match self.listed_as(gate.parent, gate.name) {
                Err(Error::Busy) => return Err(Hidden::Busy),
                // Who may not list the directory does without.
                listed => listed.ok().flatten(),
            },
        };
        let above = Above::new(gate.parent.volume().clone(), covered);
        let volume = Mount::probe(root, Some(above), self.usage, &self.volumes.changes)
            .map_err(Hidden::closed)?;
        // Something may have been mounted over it since.
        if volume.mount.has(stat) { Ok(volume) } else { Err(Hidden::Busy) }
    }

    /// The file id that a directory lists a name with: of what is covered by a mount there.
    fn listed_as(&self, directory: &Node, name: &[u8]) -> Result<Option<u64>> {
        let fd = self.open_listing(directory)?;
        let mut buffer = Vec::with_capacity(LISTING);
        let mut listing = RawDir::new(fd.as_fd(), buffer.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let entry = entry.meaning()?;
            if entry.file_name().to_bytes() == name {
                return Ok(Some(entry.ino()));
            }
        }
        Ok(None)
    }

    /// Finds room in the table where there is none: what is only kept for its descriptor is let
    /// go.
    fn with_room<T>(
        &self,
        mut add: impl FnMut() -> std::result::Result<T, Hidden>,
    ) -> std::result::Result<T, Hidden> {
        match add() {
            Err(Hidden::Many) => {
                self.cache.clear();
                add()
            }
            added => added,
        }
    }

    /// Comes to the mounts below the export, by their paths, until it is this one.
    fn find_mount(&self, id: u64) -> Result<Arc<Volume>> {
        let mounts = self.volumes.mounts.as_ref().ok_or(Error::Stale)?;
        let path = self.proc_fds.as_ref().and_then(|fds| path_of(self.root.fd(), fds));
        let path = path.ok_or(Error::Stale)?;
        let (mut present, mut is_sure) = (Vec::new(), true);
        let changes = self.volumes.mount_changes();
        for below in mounts.below(&path).meaning()?.iter().take(MOUNTS_MAX) {
            let found = match self.walk(&below.path) {
                Ok(node) => node.volume().mount.id(),
                // What cannot be come to is hidden, or was unmounted meanwhile.
                Err(error) => {
                    is_sure &= error != Error::Busy;
                    continue;
                }
            };
            if found == id {
                return self.volumes.by_id(id).ok_or(Error::Stale);
            }
            present.push(found);
        }
        if !is_sure {
            return Err(Error::Busy);
        }
        self.volumes.set_present(present, changes);
        Err(Error::Stale)
    }

    fn walk(&self, path: &Path) -> Result<Arc<Node>> {
        path.iter().try_fold(self.root.clone(), |node, name| {
            let name = Name::new(name.as_bytes())?;
            let fd = self.open_name(node.fd(), name.as_c_str())?;
            self.admit(fd, &node, name.as_bytes())
        })
    }

    /// Forgets what is not mounted below the export any more.
    fn refresh(&self) {
        if !self.volumes.mounts.as_ref().is_some_and(MountInfo::changed) {
            return;
        }
        self.volumes.forget_present();
        let inside = |volume: &Arc<Volume>| {
            let climbed = self.identity.as_server(|| self.is_inside(volume.mount.root()));
            climbed.unwrap_or(false)
        };
        let all = self.volumes.all();
        let gone: Vec<_> = all.iter().filter(|volume| !inside(volume)).map(|it| it.id).collect();
        if gone.is_empty() {
            return;
        }
        let volumes = self.volumes.retain(|volume| !gone.contains(&volume.id));
        let nodes = self.cache.drop_if(|node, _| gone.contains(&node.volume().id));
        // The last to close what is unmounted waits for its disk.
        if let Some(keeper) = self.volumes.keeper.get() {
            keeper.discard((all, volumes, nodes));
        }
    }

    /// Lets go of the mounts that no request reached since this was last done and that nobody has
    /// files open on. Whether there are still others.
    pub(crate) fn let_go(&self) -> bool {
        let all = self.volumes.all();
        let mut idle: Vec<u64> = Vec::new();
        for volume in all.iter().filter(|volume| volume.mount.id() != 0 && volume.is_first()) {
            if !volume.mount.was_used() {
                idle.push(volume.mount.id());
            }
        }
        drop(all);
        let nodes = |node: &Node, is_used: bool| !is_used && idle.contains(&node.mount().id());
        drop(self.cache.drop_if(nodes));
        // What others are mounted in goes after them.
        for _ in 0..idle.len() {
            let unused = self.volumes.retain(|volume| {
                !idle.contains(&volume.mount.id()) || Arc::strong_count(volume) > 1
            });
            drop(unused);
        }
        self.volumes.all().iter().any(|volume| volume.mount.id() != 0)
    }
}

/// Whether the kernel opens by the handles of this file system.
fn opens_by_handle(root: BorrowedFd<'_>) -> bool {
    let flags = crate::core::NAMES.bits() as i32;
    sys::name_to_handle_at(root, c"", libc::AT_EMPTY_PATH)
        .and_then(|(handle, _)| sys::open_by_handle_at(root, &handle, flags))
        .is_ok()
}
