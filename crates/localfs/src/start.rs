//! What is found out about a directory before it is exported.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use holdfast_base::World;
use holdfast_vfs::{ChangeAttrType, Fsid, Properties};
use rustix::fs::{Mode, OFlags, StatFs, Statx, fstatfs, fstatvfs};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::attr::kind;
use crate::cache::{Cache, Node};
use crate::change::Changes;
use crate::core::{Core, NAMES, Stamps, device, stat_fd};
use crate::cred::Identity;
use crate::files::Files;
use crate::flush::{Journal, ext4_has_journal};
use crate::handle::Minter;
use crate::options::{Durability, OpenError, Options};
use crate::pins::Pins;
use crate::sys;
use crate::table::Table;

const EXT4: u32 = 0xef53;
const XFS: u32 = 0x5846_5342;
const BTRFS: u32 = 0x9123_683e;
const TMPFS: u32 = 0x0102_1994;
const F2FS: u32 = 0xf2f5_2010;
const OVERLAY: u32 = 0x794c_7630;
const RAMFS: u32 = 0x8584_58f6;

/// AT_HANDLE_FID (Linux 6.5): a handle that need not open anything.
const HANDLE_FID: i32 = 0x200;

/// Descriptors the cache may use where the limit of the process is not known.
const BUDGET: usize = 512;

/// Descriptors that may be kept open, however few there are.
const PINS_LEAST: usize = 8;

/// Opens a directory for export; answers also whether its file system answers from memory.
pub(crate) fn open(
    path: &Path,
    world: &dyn World,
    options: &Options,
) -> Result<(Core, bool), OpenError> {
    let (mut instance, mut verifier) = ([0; 8], [0; 8]);
    world.random(&mut instance);
    world.random(&mut verifier);
    let minter = Minter::new(options.key, options.export_id, instance);
    let verifier = u64::from_le_bytes(verifier);
    // What is asked changes the thread that asks, and this one is the caller's.
    let probe = || probe(path, options, minter, verifier);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("localfs-open".into());
        let thread = thread.spawn_scoped(scope, probe);
        let joined = thread.map_err(|_| OpenError::no_thread(path))?.join();
        joined.unwrap_or(Err(Errno::IO)).map_err(|errno| OpenError::new(path, errno))
    })
}

fn probe(
    path: &Path,
    options: &Options,
    minter: Minter,
    verifier: u64,
) -> rustix::io::Result<(Core, bool)> {
    let identity = Identity::probe(options.force_unprivileged);
    identity.server().map_err(|_| Errno::PERM)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mount = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = stat_fd(mount.as_fd())?;
    let statfs = fstatfs(&mount)?;
    let kind_of_fs = statfs.f_type as u32;
    let stamps = stamps(&mount, kind_of_fs);
    let kernel = if options.force_unprivileged { None } else { kernel_handle(&mount, &minter) };
    let (table, mount_id, handle) = match kernel {
        Some((handle, mount_id)) => (None, Some(mount_id), handle),
        None => {
            let root = stamps.identify(&minter, mount.as_fd(), c"", &stat);
            (Some(Table::new(root)), None, minter.process(Table::ROOT))
        }
    };
    let proc_fds = proc_fds();
    let named = rustix::fs::openat(&mount, c".", NAMES, Mode::empty())?;
    // As long as no pin is taken, half of this again is left for what comes and goes.
    let descriptors = options.fd_budget.unwrap_or_else(budget);
    let cache = Cache::new((descriptors / 4 * 3).max(1));
    let root = cache.insert(Node::new(named, handle, kind(&stat)));
    let syncs = options.durability == Durability::Sync && !options.read_only;
    let mut properties = properties(&statfs, table.is_none());
    properties.xattrs = proc_fds.is_some() && crate::xattr::works(mount.as_fd());
    let changes = Changes::probe(&mount, options.counts_changes, verifier);
    properties.change_attr_type = changes.kind();
    let core = Core {
        root,
        mount_id,
        // An overlay shows the devices of its layers.
        dev: (kind_of_fs != OVERLAY).then(|| device(&stat)),
        cache,
        minter,
        identity,
        stamps,
        fsid: options.fsid.unwrap_or_else(|| fsid(&mount, options.export_id)),
        table,
        read_only: options.read_only,
        proc_fds,
        properties,
        volatile: matches!(kind_of_fs, TMPFS | RAMFS) || is_without_sync(),
        journal: Journal::probe(&mount, syncs && has_journal(kind_of_fs, &stat)),
        nowait: AtomicBool::new(kind_of_fs != TMPFS),
        verifier: AtomicU64::new(verifier),
        opens: AtomicU64::new(0),
        changes,
        files: Files::new(descriptors / 4),
        pins: Arc::new(Pins::new((descriptors / 2).max(PINS_LEAST))),
        mount,
    };
    let known = matches!(kind_of_fs, EXT4 | XFS | BTRFS | TMPFS | F2FS | OVERLAY);
    Ok((core, known && !options.always_offload))
}

/// Whether all changes are kept in the order of one journal.
fn has_journal(kind_of_fs: u32, stat: &Statx) -> bool {
    match kind_of_fs {
        XFS => true,
        EXT4 => ext4_has_journal(stat),
        _ => false,
    }
}

/// A known bug, switched on in test builds: nothing is forced to stable storage. A test of power
/// cuts that does not fail then would not have found it.
fn is_without_sync() -> bool {
    cfg!(feature = "bugs")
        && std::env::var_os("HOLDFAST_BUG").is_some_and(|name| name == "without-sync")
}

/// The root's handle and mount, if the kernel lets us open by it.
fn kernel_handle(mount: &OwnedFd, minter: &Minter) -> Option<(holdfast_vfs::Handle, i32)> {
    let (kernel, mount_id) =
        sys::name_to_handle_at(mount.as_fd(), c"", libc::AT_EMPTY_PATH).ok()?;
    sys::open_by_handle_at(mount.as_fd(), &kernel, NAMES.bits() as i32).ok()?;
    Some((minter.kernel(&kernel)?, mount_id))
}

fn stamps(mount: &OwnedFd, kind_of_fs: u32) -> Stamps {
    // A file that is written first moves to the upper layer: another handle, another birth.
    if kind_of_fs == OVERLAY {
        return Stamps::None;
    }
    let works = |flags: i32| {
        sys::name_to_handle_at(mount.as_fd(), c"", libc::AT_EMPTY_PATH | flags).is_ok()
    };
    [HANDLE_FID, 0].into_iter().find(|flags| works(*flags)).map_or(Stamps::Born, Stamps::Handle)
}

/// Where descriptors can be opened again. It is a process's own directory: a `/proc` of another
/// kind is no use.
fn proc_fds() -> Option<OwnedFd> {
    const PROC: u32 = 0x9fa0;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fds = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty()).ok()?;
    (fstatfs(&fds).ok()?.f_type as u32 == PROC).then_some(fds)
}

fn budget() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(BUDGET, |limit| usize::try_from(limit / 2).unwrap_or(BUDGET))
}

/// The file system's own id, and the export's: two exports of one file system are two to clients.
fn fsid(mount: &OwnedFd, export_id: u32) -> Fsid {
    let major = fstatvfs(mount).map_or(0, |stat| stat.f_fsid);
    Fsid { major, minor: u64::from(export_id) }
}

fn properties(stat: &StatFs, durable: bool) -> Properties {
    let blocks = |count: u64| count.saturating_mul(stat.f_bsize as u64);
    let kind = stat.f_type as u32;
    let (link_max, size_max) = match kind {
        EXT4 => (65_000, blocks(u64::from(u32::MAX))),
        BTRFS => (65_535, i64::MAX as u64),
        _ => (i32::MAX as u32, i64::MAX as u64),
    };
    Properties {
        name_max: (stat.f_namelen as u32).min(holdfast_vfs::NAME_MAX as u32),
        link_max,
        size_max,
        time_granularity_ns: 1,
        symlinks: true,
        links: true,
        chown_restricted: true,
        durable_handles: durable,
        xattrs: false,
        change_attr_type: ChangeAttrType::TimeMetadata,
        clone_block: matches!(kind, BTRFS | XFS).then_some(stat.f_bsize as u32),
    }
}
