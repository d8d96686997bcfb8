//! NFS version 4, minor versions 1 and 2 (RFC 8881, RFC 7862, RFC 8276): what is said, as values.
//! What it means is no business of this module.

mod attr_ops;
mod attr_types;
pub mod attrs;
mod bitmap;
pub mod callback;
mod compound;
mod copy;
mod deleg;
pub mod dir;
mod fh;
mod io;
mod layout;
pub mod limits;
mod lock;
mod lookup;
mod open;
mod ops_table;
mod secinfo;
mod session;
mod sparse;
mod stateid;
mod status;
#[cfg(test)]
mod tests;
pub mod types;
pub mod v40;
mod xattr;

pub use attr_ops::*;
pub use attr_types::*;
pub use attrs::{AttrValue, Fattr, FattrIter, FattrWriter, attr, encode_fattr};
pub use bitmap::{Bitmap, BitmapIter};
pub use callback::{CbOp, CbOpBody, CbOpNum, CbOpResult};
pub use compound::*;
pub use copy::*;
pub use deleg::*;
pub use dir::{Entries, Entry, ReadDirArgs, ReadDirOk};
pub use fh::*;
pub use io::*;
pub use layout::*;
pub use lock::*;
pub use lookup::*;
pub use open::*;
pub use secinfo::*;
pub use session::*;
pub use sparse::*;
pub use stateid::Stateid;
pub use status::Status;
pub use types::*;
pub use xattr::*;

/// RPC program number of NFS.
pub const PROGRAM: u32 = 100_003;
/// RPC version number of NFS version 4.
pub const VERSION: u32 = 4;
/// RPC procedure that does nothing.
pub const PROC_NULL: u32 = 0;
/// RPC procedure COMPOUND, also CB_COMPOUND.
pub const PROC_COMPOUND: u32 = 1;
/// RPC version number of the callback program; its program number is the client's choice.
pub const CALLBACK_VERSION: u32 = 1;
