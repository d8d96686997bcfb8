//! Why a file system refuses.

use std::fmt;

/// The answer of a [`FileSystem`](crate::FileSystem) method.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file system refuses. Each method of [`FileSystem`](crate::FileSystem) lists which of
/// these it gives and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// Only the owner or a privileged user may do this.
    NotPermitted,
    /// The name does not exist.
    NotFound,
    /// The device or its driver failed; data may be lost.
    Io,
    /// The mode or the ACL forbids it.
    AccessDenied,
    /// The name exists already.
    Exists,
    /// The two names are on different file systems.
    CrossDevice,
    /// A directory is needed here.
    NotDirectory,
    /// A directory is not allowed here.
    IsDirectory,
    /// A symbolic link is not allowed here.
    IsSymlink,
    /// The object's type does not have this operation.
    WrongType,
    /// An argument is outside what the operation allows.
    Invalid,
    /// The file would exceed the largest size.
    TooBig,
    /// The file system is full.
    NoSpace,
    /// The owner's quota is used up.
    Quota,
    /// The file system or export is read-only.
    ReadOnly,
    /// The object has as many links as it can have.
    TooManyLinks,
    /// The name is longer than the file system allows.
    NameTooLong,
    /// The directory has entries.
    NotEmpty,
    /// The handle was good once; its object is gone.
    Stale,
    /// The handle is not one of this file system's.
    BadHandle,
    /// The offset is at or after the end of the file.
    BeyondEnd,
    /// The READDIR cookie is not valid in this directory.
    BadCookie,
    /// The file system does not have this operation.
    NotSupported,
    /// It cannot be done now; the caller should come again.
    Busy,
    /// The object is in use in a way that forbids it (a mount point, a running program).
    InUse,
    /// The name is empty, `.`, `..`, or has a byte the file system cannot store.
    BadName,
    /// The object does not have an extended attribute of this name.
    NoXattr,
    /// The value of an extended attribute is larger than the file system allows.
    XattrTooBig,
}

impl Error {
    /// What is wrong, in a few words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotPermitted => "operation not permitted",
            Self::NotFound => "no such file or directory",
            Self::Io => "input/output error",
            Self::AccessDenied => "permission denied",
            Self::Exists => "file exists",
            Self::CrossDevice => "on different file systems",
            Self::NotDirectory => "not a directory",
            Self::IsDirectory => "is a directory",
            Self::IsSymlink => "is a symbolic link",
            Self::WrongType => "wrong type of file for this operation",
            Self::Invalid => "invalid argument",
            Self::TooBig => "file too large",
            Self::NoSpace => "no space left on device",
            Self::Quota => "disk quota exceeded",
            Self::ReadOnly => "read-only file system",
            Self::TooManyLinks => "too many links",
            Self::NameTooLong => "file name too long",
            Self::NotEmpty => "directory not empty",
            Self::Stale => "stale file handle",
            Self::BadHandle => "not a file handle of this file system",
            Self::BeyondEnd => "beyond the end of the file",
            Self::BadCookie => "invalid directory position",
            Self::NotSupported => "operation not supported",
            Self::Busy => "temporarily unavailable",
            Self::InUse => "resource busy",
            Self::BadName => "invalid file name",
            Self::NoXattr => "no such extended attribute",
            Self::XattrTooBig => "extended attribute too large",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}
