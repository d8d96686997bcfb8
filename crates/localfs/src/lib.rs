//! Linux directories as a [`FileSystem`](holdfast_vfs::FileSystem). Names and permissions are the
//! kernel's: every operation on a name is one system call relative to a directory's descriptor,
//! under the identity of the caller. No path of two components reaches the kernel but a
//! descriptor's own below `/proc/self/fd`.
//!
//! What is mounted below the exported directory, and each btrfs subvolume there, is a file system
//! of its own: it has an fsid, and says what it is mounted on. Or it is hidden
//! ([`Options::noxdev`]): LOOKUP does not find it, READDIR leaves it out where attributes or
//! handles are asked for.
//!
//! Changes of names and attributes are answered when they are on stable storage: [`Durability`].
//!
//! Calls that may wait for the disk are made on threads that may block, as far as the kernel tells
//! of them before or the clock does afterwards: [`Class`], [`Probes`].
//!
//! Lock order (outer first; none is held over a system call, but the log's over its own):
//!
//! ```text
//! changes that gather, one who waits for them: neither with any other
//! table of volumes, mounts that are present: neither with any other
//! log of the index
//! questions to the index, a scan between its turns: neither with any other
//! table of handles that are not the kernel's
//! open files that have a descriptor
//! one open file: whether it has
//! cache shard
//! listings
//! open files of an object: its writers, what is kept for it: neither with the other
//! ```

mod accounts;
mod attr;
mod cache;
mod change;
mod core;
mod create;
mod cred;
mod crossing;
mod dir;
mod errno;
mod files;
mod flush;
mod fs;
mod handle;
mod index;
mod io;
mod keeper;
mod kinds;
mod listing;
mod locks;
mod lookup;
mod mountinfo;
mod name;
mod names;
mod open;
mod opens;
mod options;
mod origin;
mod pace;
mod pins;
mod pipes;
mod ranges;
mod relist;
mod resident;
mod rights;
mod setattr;
mod stable;
mod start;
#[allow(unsafe_code)]
mod sys;
mod table;
mod volume;
mod volumes;
mod xattr;

pub use accounts::Accounts;
pub use cred::prepare_thread;
pub use fs::LocalFs;
pub use index::{IndexCounts, IndexOptions};
pub use options::{Durability, Mode, OpenError, Options, Probes, Tell};
pub use pace::{Calls, Class};
pub use stable::Flushed;
