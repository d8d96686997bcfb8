//! Extended attributes: GETXATTR, SETXATTR, LISTXATTRS, REMOVEXATTR (RFC 8276).

use alloc::vec::Vec;

use super::limits;
use super::types::ChangeInfo;
use crate::xdr::{xdr_enum, xdr_struct};

xdr_enum! {
    /// `setxattr_option4`.
    pub struct SetXattrOption {
        /// Whether it exists or not.
        EITHER = 0,
        /// Fails if it exists.
        CREATE = 1,
        /// Fails if it does not.
        REPLACE = 2,
    }
}

xdr_struct! {
    /// GETXATTR (RFC 8276 §8.4.1).
    pub struct GetXattrArgs<'a> {
        /// The name, without `user.`.
        name: &'a [u8] [limits::COMPONENT],
    }

    /// GETXATTR's result.
    pub struct GetXattrOk<'a> {
        /// The value.
        value: &'a [u8] [limits::XATTR_VALUE],
    }

    /// SETXATTR (RFC 8276 §8.4.2).
    pub struct SetXattrArgs<'a> {
        /// Whether it may or must exist.
        option: SetXattrOption,
        /// The name, without `user.`.
        key: &'a [u8] [limits::COMPONENT],
        /// The value.
        value: &'a [u8] [limits::XATTR_VALUE],
    }

    /// SETXATTR's result.
    #[derive(Copy)]
    pub struct SetXattrOk {
        /// The file's change.
        info: ChangeInfo,
    }

    /// LISTXATTRS (RFC 8276 §8.4.3).
    #[derive(Copy)]
    pub struct ListXattrsArgs {
        /// Where to go on; zero means from the start.
        cookie: u64,
        /// Bytes of names the result may have.
        maxcount: u32,
    }

    /// LISTXATTRS's result.
    pub struct ListXattrsOk<'a> {
        /// Where to go on.
        cookie: u64,
        /// The names, without `user.`.
        names: Vec<&'a [u8]> [limits::XATTR_NAMES],
        /// Whether that was all.
        eof: bool,
    }

    /// REMOVEXATTR (RFC 8276 §8.4.4).
    pub struct RemoveXattrArgs<'a> {
        /// The name, without `user.`.
        name: &'a [u8] [limits::COMPONENT],
    }

    /// REMOVEXATTR's result.
    #[derive(Copy)]
    pub struct RemoveXattrOk {
        /// The file's change.
        info: ChangeInfo,
    }
}
