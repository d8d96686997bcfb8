//! `vfs::Error` to `nfsstat4`: the one place where a file system's word becomes the protocol's.

use holdfast_proto::nfs4::Status;
use holdfast_vfs::Error;

/// The status that says what the file system said.
pub(crate) const fn of(error: Error) -> Status {
    match error {
        Error::NotPermitted => Status::PERM,
        Error::NotFound => Status::NOENT,
        Error::Io => Status::IO,
        Error::AccessDenied => Status::ACCESS,
        Error::Exists => Status::EXIST,
        Error::CrossDevice => Status::XDEV,
        Error::NotDirectory => Status::NOTDIR,
        Error::IsDirectory => Status::ISDIR,
        Error::IsSymlink => Status::SYMLINK,
        Error::WrongType => Status::WRONG_TYPE,
        Error::Invalid => Status::INVAL,
        Error::TooBig => Status::FBIG,
        Error::NoSpace => Status::NOSPC,
        Error::Quota => Status::DQUOT,
        Error::ReadOnly => Status::ROFS,
        Error::TooManyLinks => Status::MLINK,
        Error::NameTooLong => Status::NAMETOOLONG,
        Error::NotEmpty => Status::NOTEMPTY,
        Error::Stale => Status::STALE,
        Error::BadHandle => Status::BADHANDLE,
        Error::BeyondEnd => Status::NXIO,
        Error::BadCookie => Status::BAD_COOKIE,
        Error::NotSupported => Status::NOTSUPP,
        Error::Busy => Status::DELAY,
        Error::InUse => Status::FILE_OPEN,
        Error::BadName => Status::BADNAME,
        Error::NoXattr => Status::NOXATTR,
        Error::XattrTooBig => Status::XATTR2BIG,
    }
}
