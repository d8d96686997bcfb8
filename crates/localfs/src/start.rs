//! What is found out about a directory before it is exported.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use holdfast_base::World;
use holdfast_vfs::{ChangeAttrType, Properties};
use rustix::fs::{Mode, OFlags, ResolveFlags, StatFs, Statx, fstatfs, openat2};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::cache::{Cache, Node};
use crate::core::{Core, INSIDE, NAMES, Stamps, stat_fd};
use crate::cred::Identity;
use crate::files::Files;
use crate::flush::ext4_has_journal;
use crate::handle::Minter;
use crate::index::Index;
use crate::kinds::{BTRFS, EXT4, OVERLAY, XFS, has_slow, is_known, is_lasting};
use crate::listing::Listings;
use crate::options::{Durability, OpenError, Options};
use crate::pins::Pins;
use crate::pipes::Pipes;
use crate::resident::Dirty;
use crate::sys;
use crate::table::Table;
use crate::volume::{KnownChanges, Mount, Usage, number};
use crate::volumes::Volumes;

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
    let kind_of_fs = fstatfs(&mount)?.f_type as u32;
    let is_fast = is_known(kind_of_fs) && !options.always_offload;
    let resolve_cached = options.probes.resolve_cached && resolves_cached(&mount);
    let kernel = if options.force_unprivileged { None } else { kernel_handle(&mount, &minter) };
    let proc_fds = proc_fds();
    let named = rustix::fs::openat(&mount, c".", NAMES, Mode::empty())?;
    let stat = stat_fd(named.as_fd())?;
    let lasts = is_lasting(kind_of_fs) && stamps(&mount, kind_of_fs).are_lasting(&stat);
    let usage = Usage {
        by_handle: kernel.is_some(),
        is_durable: kernel.is_some() || options.index.is_some() && lasts,
        nowait: options.probes.nowait,
        syncs: options.durability == Durability::Sync && !options.read_only,
        local_locks: options.local_locks,
        counts_changes: options.counts_changes,
        instance: verifier,
        xattrs: proc_fds.is_some(),
        export_id: options.export_id,
    };
    let crosses = !options.noxdev && number(&stat).is_some();
    let is_prompt = is_fast && !(crosses && has_slow(&named, proc_fds.as_ref()));
    let changes = KnownChanges::default();
    let mut own = Mount::probe(mount, None, usage, &changes)?;
    own.fsid = options.fsid.unwrap_or(own.fsid);
    let volumes = Volumes::new((own, changes), crosses, is_prompt, options.tell.clone());
    let (table, handle) = match kernel {
        Some(handle) => (None, handle),
        None => {
            let stamps = volumes.own.mount.stamps;
            let root = stamps.identify(&minter, 0, (named.as_fd(), c""), &stat);
            match options.index.as_ref().filter(|_| lasts) {
                Some(index) => {
                    let handle = minter.durable(&root);
                    (Some(Index::open(index, minter.seal(), root)), handle)
                }
                None => (Some(Table::new(root)), minter.process(Table::ROOT)),
            }
        }
    };
    // As long as no pin is taken, half of this again is left for what comes and goes.
    let descriptors = options.fd_budget.unwrap_or_else(budget);
    let cache = Cache::new((descriptors / 4 * 3).max(1));
    let root = cache.insert(Node::new(named, handle, &stat, volumes.own.clone()));
    let core = Core {
        root,
        cache,
        minter,
        identity,
        volumes,
        usage,
        table,
        listings: if is_fast { Listings::new() } else { None },
        read_only: options.read_only,
        proc_fds,
        pipes: Pipes::new(if options.probes.pipes { budget() } else { 0 }),
        resolve_cached,
        cachestat: AtomicBool::new(options.probes.cachestat),
        dirty: Dirty::new(),
        verifier: AtomicU64::new(verifier),
        opens: AtomicU64::new(0),
        files: Files::new(descriptors / 4),
        pins: Arc::new(Pins::new((descriptors / 2).max(PINS_LEAST))),
    };
    if !is_fast {
        core.probe_locks();
    }
    Ok((core, is_prompt))
}

/// Whether all changes are kept in the order of one journal.
pub(crate) fn has_journal(kind_of_fs: u32, stat: &Statx) -> bool {
    match kind_of_fs {
        XFS => true,
        EXT4 => ext4_has_journal(stat),
        _ => false,
    }
}

/// A known bug, switched on in test builds: nothing is forced to stable storage. A test of power
/// cuts that does not fail then would not have found it.
pub(crate) fn is_without_sync() -> bool {
    cfg!(feature = "bugs")
        && std::env::var_os("HOLDFAST_BUG").is_some_and(|name| name == "without-sync")
}

/// Whether the kernel looks names up in memory only.
fn resolves_cached(mount: &OwnedFd) -> bool {
    let opened = openat2(mount, c".", NAMES, Mode::empty(), INSIDE.union(ResolveFlags::CACHED));
    matches!(opened, Ok(_) | Err(Errno::AGAIN))
}

/// The root's handle, if the kernel lets us open by it.
fn kernel_handle(mount: &OwnedFd, minter: &Minter) -> Option<holdfast_vfs::Handle> {
    let (kernel, _) = sys::name_to_handle_at(mount.as_fd(), c"", libc::AT_EMPTY_PATH).ok()?;
    sys::open_by_handle_at(mount.as_fd(), &kernel, NAMES.bits() as i32).ok()?;
    minter.kernel(0, &kernel)
}

pub(crate) fn stamps(mount: &OwnedFd, kind_of_fs: u32) -> Stamps {
    // A file that is written first moves to the upper layer: another handle, another birth.
    if kind_of_fs == OVERLAY {
        return Stamps::None;
    }
    let works = |flags: i32| {
        sys::name_to_handle_at(mount.as_fd(), c"", libc::AT_EMPTY_PATH | flags).is_ok()
    };
    // The plain one first: it is the same under kernels that do not know the other.
    [0, HANDLE_FID].into_iter().find(|flags| works(*flags)).map_or(Stamps::Born, Stamps::Handle)
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

pub(crate) fn properties(stat: &StatFs, durable: bool) -> Properties {
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
        local_locks: false,
        change_attr_type: ChangeAttrType::TimeMetadata,
        clone_block: matches!(kind, BTRFS | XFS).then_some(stat.f_bsize as u32),
    }
}
