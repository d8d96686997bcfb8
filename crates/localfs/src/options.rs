//! How a directory is exported, and why it cannot be.

use std::fmt;
use std::path::{Path, PathBuf};

use holdfast_vfs::Fsid;
use rustix::io::Errno;

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
    /// Whether changes of names and attributes are on stable storage before they are answered.
    pub durability: Durability,
    /// Treats the file system as one that may block in every operation, as a network's may.
    pub always_offload: bool,
    /// Counts changes, as where many have the same time, whatever times the file system has.
    pub counts_changes: bool,
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
            durability: Durability::Sync,
            always_offload: false,
            counts_changes: false,
        }
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
