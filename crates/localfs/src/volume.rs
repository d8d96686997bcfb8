//! The file systems below an export. A [`Mount`] is what is mounted in one place; a [`Volume`] is
//! what has file ids of its own: a mount, or a btrfs subvolume of it. Clients see each volume as a
//! file system, by its fsid.
//!
//! What a mount is known by in handles, and a volume by its fsid, is made of where it is mounted
//! and of what is mounted there: never of the number of a device. So they are the same after a
//! restart, and two mounts of one file system are two to clients, who get two handles of a file.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_vfs::{Fsid, Properties};
use rustix::fs::{StatFs, Statx, StatxFlags, fstatfs, fstatvfs};

use crate::change::Changes;
use crate::core::{Stamps, device, stat_fd};
use crate::flush::Journal;
use crate::kinds::{BTRFS, OVERLAY, RAMFS, TMPFS, is_known};
use crate::locks::Locking;
use crate::origin::{Digest, origin};
use crate::start::{has_journal, is_without_sync, properties, stamps};
use crate::sys;
use crate::volumes::VOLUMES_MAX;

/// The inode of a subvolume's root.
const SUBVOLUME_ROOT: u64 = 256;

/// Where a mount is.
pub(crate) struct Above {
    /// What it is mounted in: kept as long as this is.
    volume: Arc<Volume>,
    /// The file id there of the directory that it covers.
    covered: Option<u64>,
}

impl Above {
    pub(crate) const fn new(volume: Arc<Volume>, covered: Option<u64>) -> Self {
        Self { volume, covered }
    }
}

/// What is mounted in one place.
pub(crate) struct Mount {
    /// What handles name it by; 0 is the export's own.
    id: u64,
    /// The kernel's number, which no other mount gets while `root` is open.
    number: Option<u64>,
    root: OwnedFd,
    dev: (u32, u32),
    /// Whether all of it is one volume, whatever devices its objects show: an overlay shows those
    /// of its layers.
    is_overlay: bool,
    /// Whether all its changes are made by this machine's kernel.
    is_local: bool,
    /// What the ids of its subvolumes are hidden in, on btrfs.
    base: Option<u64>,
    pub(crate) properties: Properties,
    pub(crate) stamps: Stamps,
    /// Whether data in memory is as stable as it gets.
    pub(crate) volatile: bool,
    /// What commits all changes at once, where there is such a thing.
    pub(crate) journal: Option<Journal>,
    /// How the change attribute is made.
    pub(crate) changes: Changes,
    /// Whether local processes can be asked for locks.
    pub(crate) locking: Locking,
    /// Whether the file system knows reads that do not wait.
    pub(crate) nowait: AtomicBool,
    /// Whether a request reached it since this was last asked.
    used: AtomicBool,
}

/// How the change attributes of mounts are made, by what handles name the mounts by: one that is
/// let go of and comes again goes on counting where it was.
#[derive(Default)]
pub(crate) struct KnownChanges(Mutex<BTreeMap<u64, Changes>>);

impl KnownChanges {
    fn of(&self, mount: u64, probe: impl FnOnce() -> Changes) -> Changes {
        if let Some(known) = self.lock().get(&mount) {
            return known.clone();
        }
        let probed = probe();
        let mut all = self.lock();
        if all.len() >= VOLUMES_MAX {
            all.pop_first();
        }
        all.entry(mount).or_insert(probed).clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Changes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a mount is used.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Whether the kernel's file handles name its objects.
    pub(crate) by_handle: bool,
    /// Whether handles are good after a restart.
    pub(crate) is_durable: bool,
    /// Whether reads that do not wait are tried.
    pub(crate) nowait: bool,
    /// Whether locks exclude local processes.
    pub(crate) local_locks: bool,
    /// Whether changes are counted, whatever times the file system has.
    pub(crate) counts_changes: bool,
    /// Differs from those of all processes before.
    pub(crate) instance: u64,
    /// Whether changes wait for stable storage.
    pub(crate) syncs: bool,
    /// Whether extended attributes can be reached.
    pub(crate) xattrs: bool,
    pub(crate) export_id: u32,
}

impl Mount {
    /// The file system of a root that was opened for reading, as a volume: the export's own, or one
    /// that is mounted in another.
    pub(crate) fn probe(
        root: OwnedFd,
        above: Option<Above>,
        usage: Usage,
        known: &KnownChanges,
    ) -> rustix::io::Result<Volume> {
        let (stat, statfs) = (stat_fd(root.as_fd())?, fstatfs(&root)?);
        let kind = statfs.f_type as u32;
        let tree = if kind == BTRFS { sys::subvolume(root.as_fd()).ok() } else { None };
        let base = tree.map(|tree| Ok(subvolume_id(root.as_fd())? ^ tree)).transpose()?;
        let origin = origin(root.as_fd(), &stat, &statfs, base);
        let origin = Digest::new("volume").and(origin).and(tree.unwrap_or_default());
        let id = above.as_ref().map_or(0, |above| {
            let place = origin.clone().and(stat.stx_ino).and(above.volume.id);
            place.and(above.covered.unwrap_or_default()).finish()
        });
        let major = if id == 0 { origin.finish() } else { id };
        let changes = known.of(id, || Changes::probe(&root, usage.counts_changes, usage.instance));
        let mount = Self { id, ..Self::of((root, changes), usage, &stat, &statfs, base) };
        Ok(Volume {
            id,
            fsid: Fsid { major, minor: u64::from(usage.export_id) },
            root: stat.stx_ino,
            covered: above.as_ref().and_then(|above| above.covered),
            tree,
            _above: above.map(|above| above.volume),
            mount: Arc::new(mount),
        })
    }

    fn of(
        (root, changes): (OwnedFd, Changes),
        usage: Usage,
        stat: &Statx,
        statfs: &StatFs,
        base: Option<u64>,
    ) -> Self {
        let kind = statfs.f_type as u32;
        let mut properties = properties(statfs, usage.is_durable);
        properties.change_attr_type = changes.kind();
        properties.xattrs = usage.xattrs && crate::xattr::works(root.as_fd());
        Self {
            id: 0,
            number: number(stat).or_else(|| {
                let handle = sys::name_to_handle_at(root.as_fd(), c"", libc::AT_EMPTY_PATH);
                handle.ok().map(|(_, mount)| mount as u64)
            }),
            dev: device(stat),
            is_overlay: kind == OVERLAY,
            is_local: is_known(kind),
            base,
            properties,
            stamps: stamps(&root, kind),
            changes,
            locking: Locking::new(usage.local_locks),
            volatile: matches!(kind, TMPFS | RAMFS) || is_without_sync(),
            journal: Journal::probe(&root, usage.syncs && has_journal(kind, stat)),
            nowait: AtomicBool::new(usage.nowait && kind != TMPFS),
            used: AtomicBool::new(true),
            root,
        }
    }

    /// What handles name it by; 0 is the export's own.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// Whether changes get to stable storage by a commit of everything: of a journal, or, on btrfs,
    /// of a transaction.
    pub(crate) const fn commits_whole(&self) -> bool {
        self.journal.is_some() || self.base.is_some()
    }

    /// An open descriptor of the root: the kernel opens handles relative to no other kind.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Whether this is the kernel's number of it.
    pub(crate) fn is_number(&self, number: u64) -> bool {
        self.number == Some(number)
    }

    /// Whether this is the same mount, opened twice.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.number.is_some() && self.number == other.number
    }

    /// Whether an object is on it, for all that its attributes tell.
    pub(crate) fn has(&self, stat: &Statx) -> bool {
        number(stat).is_none_or(|number| self.is_number(number))
    }

    /// Whether an object of the mount is in the volume of the mount's root.
    pub(crate) fn is_in_first(&self, stat: &Statx) -> bool {
        self.is_overlay || device(stat) == self.dev
    }

    pub(crate) const fn is_overlay(&self) -> bool {
        self.is_overlay
    }

    /// Whether a change attribute tells of each change. What an overlay shows has the times of its
    /// layers.
    pub(crate) const fn keeps_change(&self) -> bool {
        self.is_local && !self.is_overlay
    }

    /// Notes that a request reached it.
    pub(crate) fn touch(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Whether a request reached it since this was last asked.
    pub(crate) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Which subvolume an object of it is in.
    pub(crate) fn tree_of(&self, fd: BorrowedFd<'_>) -> Option<u64> {
        Some(self.base? ^ subvolume_id(fd).ok()?)
    }
}

/// What clients see as one file system.
pub(crate) struct Volume {
    /// Tells it from all others below the export, also after a restart; 0 is the export's own.
    pub(crate) id: u64,
    pub(crate) fsid: Fsid,
    pub(crate) mount: Arc<Mount>,
    /// The file id of its root.
    root: u64,
    /// The file id, in the volume above, of the directory that the root covers.
    covered: Option<u64>,
    /// The subvolume it is.
    tree: Option<u64>,
    /// Kept as long: what its mount is mounted in, or, of a subvolume, the first of the mount.
    _above: Option<Arc<Self>>,
}

impl Volume {
    /// A subvolume of the mount of its first volume.
    pub(crate) fn subvolume(first: &Arc<Self>, tree: u64) -> Self {
        let id = Digest::new("subvolume").and(first.id).and(tree).finish();
        Self {
            id,
            fsid: Fsid { major: id ^ first.fsid.major, ..first.fsid },
            mount: first.mount.clone(),
            root: SUBVOLUME_ROOT,
            // A directory lists a subvolume by its number.
            covered: Some(tree),
            tree: Some(tree),
            _above: Some(first.clone()),
        }
    }

    /// Whether it is this subvolume of a mount.
    pub(crate) fn is_tree(&self, mount: &Arc<Mount>, tree: u64) -> bool {
        Arc::ptr_eq(&self.mount, mount) && self.tree == Some(tree)
    }

    /// Whether it has the root of its mount.
    pub(crate) fn is_first(&self) -> bool {
        self.id == self.mount.id
    }

    /// The number that the directory above lists an object of it by.
    pub(crate) fn listed(&self, ino: u64) -> u64 {
        self.mounted_on(ino).unwrap_or(ino)
    }

    /// Of its root, the file id of what that covers.
    pub(crate) fn mounted_on(&self, ino: u64) -> Option<u64> {
        self.covered.filter(|_| ino == self.root)
    }
}

/// The kernel's number of the mount that an object was reached by (Linux 5.8).
pub(crate) fn number(stat: &Statx) -> Option<u64> {
    let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID);
    told.then_some(stat.stx_mnt_id)
}

/// What btrfs tells as id: the file system's UUID with the subvolume's number, which stays one with
/// the other taken out. The halves are told in the other order.
fn subvolume_id(fd: BorrowedFd<'_>) -> rustix::io::Result<u64> {
    Ok(fstatvfs(fd)?.f_fsid.rotate_left(32))
}

#[cfg(test)]
impl Volume {
    /// The one that this descriptor's object is on, as if it was exported.
    pub(crate) fn of_tests(root: OwnedFd) -> Arc<Self> {
        let usage = Usage {
            by_handle: false,
            is_durable: false,
            nowait: true,
            local_locks: true,
            counts_changes: false,
            instance: 0,
            syncs: false,
            xattrs: false,
            export_id: 0,
        };
        Arc::new(Mount::probe(root, None, usage, &KnownChanges::default()).unwrap())
    }
}
