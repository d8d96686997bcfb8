//! Names: LOOKUP, LINK, REMOVE, RENAME, READLINK, CREATE. LOOKUPP has neither arguments nor
//! results.

use super::attrs::Fattr;
use super::bitmap::Bitmap;
use super::limits;
use super::types::{ChangeInfo, FileType, Specdata};
use crate::xdr::{xdr_struct, xdr_union};

xdr_union! {
    /// `createtype4`: what CREATE makes.
    pub enum CreateType<'a> switch FileType {
        /// A symbolic link with this text.
        Link(&'a [u8] [limits::LINKTEXT]) = LNK,
        /// A block device.
        Block(Specdata) = BLK,
        /// A character device.
        Char(Specdata) = CHR,
        /// A socket.
        Socket = SOCK,
        /// A fifo.
        Fifo = FIFO,
        /// A directory.
        Directory = DIR,
        _ => Other,
    }
}

xdr_struct! {
    /// CREATE: makes anything but a regular file (RFC 8881 §18.4).
    pub struct CreateArgs<'a> {
        /// What to make; `Other` deserves `NFS4ERR_BADTYPE`.
        objtype: CreateType<'a>,
        /// Its name.
        objname: &'a [u8] [limits::COMPONENT],
        /// Its first attributes.
        createattrs: Fattr<'a>,
    }

    /// CREATE's result.
    pub struct CreateOk {
        /// The directory's change.
        cinfo: ChangeInfo,
        /// The attributes that were set.
        attrset: Bitmap,
    }

    /// LINK: a new name for the saved handle's file (RFC 8881 §18.9).
    pub struct LinkArgs<'a> {
        /// The name, in the current directory.
        newname: &'a [u8] [limits::COMPONENT],
    }

    /// LINK's result.
    pub struct LinkOk {
        /// The directory's change.
        cinfo: ChangeInfo,
    }

    /// LOOKUP: one step down (RFC 8881 §18.13).
    pub struct LookupArgs<'a> {
        /// The name, in the current directory.
        objname: &'a [u8] [limits::COMPONENT],
    }

    /// READLINK's result (RFC 8881 §18.24).
    pub struct ReadLinkOk<'a> {
        /// The link's text.
        link: &'a [u8] [limits::LINKTEXT],
    }

    /// REMOVE: takes a name away (RFC 8881 §18.25).
    pub struct RemoveArgs<'a> {
        /// The name, in the current directory.
        target: &'a [u8] [limits::COMPONENT],
    }

    /// REMOVE's result.
    pub struct RemoveOk {
        /// The directory's change.
        cinfo: ChangeInfo,
    }

    /// RENAME: from the saved directory to the current one (RFC 8881 §18.26).
    pub struct RenameArgs<'a> {
        /// The name in the saved directory.
        oldname: &'a [u8] [limits::COMPONENT],
        /// The name in the current directory.
        newname: &'a [u8] [limits::COMPONENT],
    }

    /// RENAME's result.
    pub struct RenameOk {
        /// The saved directory's change.
        source_cinfo: ChangeInfo,
        /// The current directory's change.
        target_cinfo: ChangeInfo,
    }
}
