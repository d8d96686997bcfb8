//! How a directory is exported, and why it cannot be.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_vfs::Fsid;
use rustix::io::Errno;

use crate::index::IndexOptions;

/// How a directory is exported.
#[derive(Clone, Debug)]
pub struct Options {
    /// The key that handles are signed with. Handles outlive the process only if it does.
    pub key: [u8; 16],
    /// Tells this export's handles from those of others under the same key.
    pub export_id: u32,
    /// The fsid to show; `None` derives it from the file system and the export id.
    pub fsid: Option<Fsid>,
    /// Whether every change is refused.
    pub read_only: bool,
    /// How many descriptors the cache and the open files may keep open; `None` is half of what the
    /// process may have. Those that cannot be opened again may take half as many besides.
    pub fd_budget: Option<usize>,
    /// Acts as an unprivileged server would, whatever the process may do.
    pub force_unprivileged: bool,
    /// Keeps handles good over a restart where the server may not open by the kernel's; `None`:
    /// such handles end with the process. Only on file systems that are known to keep what tells
    /// an object from others: ext2 to ext4, XFS, btrfs, F2FS, bcachefs, ZFS, tmpfs, NFS. An
    /// overlay changes it when a file is first written.
    pub index: Option<IndexOptions>,
    /// Whether changes of names and attributes are on stable storage before they are answered.
    pub durability: Durability,
    /// Whether file systems below the directory are hidden: what is mounted there, and
    /// subvolumes. If not, each is shown as a file system of its own.
    pub noxdev: bool,
    /// Told what an operator should know.
    pub tell: Tell,
    /// Treats the file system as one that may block in every operation, as a network's may.
    pub always_offload: bool,
    /// Counts changes, as where many have the same time, whatever times the file system has.
    pub counts_changes: bool,
    /// Whether clients and local processes exclude each other with locks of byte ranges, where the
    /// file system has them.
    pub local_locks: bool,
    /// Which facilities of the kernel are used where it has them.
    pub probes: Probes,
}

/// What the kernel may be asked, to know whether a call will wait for the disk. Without it more
/// calls are made on threads that may block, or it is learned from how long they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probes {
    /// Names that are looked up in memory only (`RESOLVE_CACHED`, Linux 5.12).
    pub resolve_cached: bool,
    /// Reads that do not wait (`RWF_NOWAIT`).
    pub nowait: bool,
    /// What of a file is in memory (`cachestat`, Linux 6.5).
    pub cachestat: bool,
    /// Reads by way of pipes (`splice`).
    pub pipes: bool,
}

impl Probes {
    /// All of them.
    pub const ALL: Self = Self { resolve_cached: true, nowait: true, cachestat: true, pipes: true };
    /// None of them.
    pub const NONE: Self =
        Self { resolve_cached: false, nowait: false, cachestat: false, pipes: false };
}

impl Options {
    /// Read and write, with the defaults for the rest.
    pub const fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            export_id: 0,
            fsid: None,
            read_only: false,
            fd_budget: None,
            force_unprivileged: false,
            index: None,
            durability: Durability::Sync,
            noxdev: false,
            tell: Tell::nobody(),
            always_offload: false,
            counts_changes: false,
            local_locks: true,
            probes: Probes::ALL,
        }
    }
}

/// Who is told what an operator should know, a sentence at a time, and each matter once.
#[derive(Clone)]
pub struct Tell(Option<Arc<Telling>>);

type Telling = dyn Fn(&str) + Send + Sync;

impl Tell {
    /// No one.
    pub const fn nobody() -> Self {
        Self(None)
    }

    /// This function. It is called on the threads that serve, and must not wait.
    pub fn by(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn say(&self, sentence: &str) {
        if let Some(tell) = &self.0 {
            tell(sentence);
        }
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// When a change of names or attributes is answered. What is in memory is as stable as it gets:
/// there it makes no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on stable storage; what changes at the same time shares one flush. On ext4 and
    /// XFS this keeps a file without a name open: until the export ends, the file system cannot be
    /// remounted read-only.
    #[default]
    Sync,
    /// When it is made: a crash of the machine may undo the last seconds, which clients were told
    /// are done. Data keeps its promises: what was written stably, or committed, is safe.
    Async,
}

/// What handles are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kernel's file handles: good as long as the object exists.
    KernelHandles,
    /// What an object is, with an index of where it is: good as long as the object exists.
    IndexedHandles,
    /// Numbers of a table: good as long as this file system is open.
    ProcessHandles,
}

/// Why a directory cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    path: PathBuf,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Kernel(Errno),
    Thread,
}

impl OpenError {
    pub(crate) fn new(path: &Path, errno: Errno) -> Self {
        Self { path: path.to_owned(), why: Why::Kernel(errno) }
    }

    pub(crate) fn no_thread(path: &Path) -> Self {
        Self { path: path.to_owned(), why: Why::Thread }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot export {}: ", self.path.display())?;
        match self.why {
            Why::Kernel(Errno::NOENT) => f.write_str("no such directory"),
            Why::Kernel(Errno::NOTDIR) => f.write_str("not a directory"),
            Why::Kernel(Errno::ACCESS | Errno::PERM) => f.write_str("permission denied"),
            Why::Kernel(errno) => errno.fmt(f),
            Why::Thread => f.write_str("no thread to open it with"),
        }
    }
}

impl std::error::Error for OpenError {}
