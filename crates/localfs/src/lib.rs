//! Linux directories as a [`FileSystem`](holdfast_vfs::FileSystem). Names and permissions are the
//! kernel's: every operation on a name is one system call relative to a directory's descriptor,
//! under the identity of the caller. No path of two components reaches the kernel but a
//! descriptor's own below `/proc/self/fd`.
//!
//! What is mounted below the exported directory is hidden: LOOKUP does not find it, READDIR
//! leaves it out where attributes or handles are asked for.
//!
//! Changes of names and attributes are answered when they are on stable storage: [`Durability`].
//!
//! Lock order (outer first; none is held over a system call):
//!
//! ```text
//! changes that gather, one who waits for them: neither with any other
//! table of process handles
//! open files that have a descriptor
//! one open file: whether it has
//! cache shard
//! open files of an object: its writers, what is kept for it: neither with the other
//! ```

mod accounts;
mod attr;
mod cache;
mod change;
mod core;
mod create;
mod cred;
mod dir;
mod errno;
mod files;
mod flush;
mod fs;
mod handle;
mod io;
mod lookup;
mod name;
mod names;
mod open;
mod opens;
mod options;
mod pins;
mod ranges;
mod rights;
mod setattr;
mod stable;
mod start;
#[allow(unsafe_code)]
mod sys;
mod table;
mod xattr;

pub use accounts::Accounts;
pub use cred::prepare_thread;
pub use fs::LocalFs;
pub use options::{Durability, Mode, OpenError, Options};
pub use stable::Flushed;
