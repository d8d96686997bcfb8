//! The file-system contract. [`FileSystem`] is what a server exports, what a client is, and what
//! a backend implements; nothing here knows of NFS.
//!
//! Lock order (outer first):
//!
//! ```text
//! memfs: topology (a directory may get another parent)
//!   memfs: entries of a directory (upper before lower; of two apart, the lower inode number first)
//!     memfs: data of a file
//!       memfs: attributes of an inode, one at a time
//!         memfs: shard of the node table
//! ```
#![forbid(unsafe_code)]

pub mod access;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod forward;
mod fs;
mod locks;
pub mod memfs;
mod name;
mod offload;
mod on_runtime;
mod piped;
pub mod pseudo;
mod reply;
mod types;

pub use error::{Error, Result};
pub use fs::{DirEntry, DirSink, FileSystem, ReadSink};
pub use locks::{LocalLock, LockKind, LockRange, LockStep, Locked};
pub use name::{check_name, check_xattr_name};
pub use offload::offload;
pub use on_runtime::{OnRuntime, Runtime};
pub use piped::Piped;
pub use reply::Reply;
pub use types::{
    Access, Advice, Attr, ChangeAttrType, ChangeInfo, Content, CreateHow, Created, Cred, DirEnd,
    File, FileKind, Fsid, Groups, HANDLE_MAX, Handle, NAME_MAX, NewNode, OpenMode, Properties,
    ReadEnd, SetAttr, SetTime, Space, Stability, Time, Want, Written, XATTR_LIST_MAX,
    XATTR_NAME_MAX, XATTR_VALUE_MAX, XattrHow,
};
