//! What the kernel's refusals mean here.

use holdfast_vfs::{Error, Result};
use rustix::io::Errno;

/// The meaning of an errno of any call of this crate. Where one operation reads it differently,
/// that operation says so.
pub(crate) const fn error(errno: Errno) -> Error {
    match errno {
        Errno::PERM => Error::NotPermitted,
        Errno::NOENT => Error::NotFound,
        Errno::ACCESS => Error::AccessDenied,
        Errno::EXIST => Error::Exists,
        Errno::XDEV => Error::CrossDevice,
        Errno::NOTDIR => Error::NotDirectory,
        Errno::ISDIR => Error::IsDirectory,
        Errno::LOOP => Error::IsSymlink,
        Errno::NXIO | Errno::NODEV => Error::WrongType,
        Errno::INVAL | Errno::OVERFLOW => Error::Invalid,
        Errno::FBIG => Error::TooBig,
        Errno::NOSPC => Error::NoSpace,
        Errno::DQUOT => Error::Quota,
        Errno::ROFS => Error::ReadOnly,
        Errno::MLINK => Error::TooManyLinks,
        Errno::NAMETOOLONG => Error::NameTooLong,
        Errno::NOTEMPTY => Error::NotEmpty,
        Errno::STALE => Error::Stale,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY => Error::NotSupported,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => Error::Busy,
        Errno::AGAIN | Errno::INTR | Errno::NOLCK | Errno::TIMEDOUT => Error::Busy,
        Errno::BUSY | Errno::TXTBSY => Error::InUse,
        Errno::ILSEQ => Error::BadName,
        Errno::NODATA => Error::NoXattr,
        Errno::TOOBIG => Error::XattrTooBig,
        _ => Error::Io,
    }
}

/// [`error`] for a whole result.
pub(crate) trait Meaning<T> {
    /// The result with the errno's meaning.
    fn meaning(self) -> Result<T>;
}

impl<T> Meaning<T> for rustix::io::Result<T> {
    fn meaning(self) -> Result<T> {
        self.map_err(error)
    }
}
