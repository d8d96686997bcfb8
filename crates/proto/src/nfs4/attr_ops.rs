//! Operations on attributes: ACCESS, GETATTR, SETATTR, VERIFY, NVERIFY, OPENATTR.

use super::attrs::Fattr;
use super::bitmap::Bitmap;
use super::stateid::Stateid;
use crate::xdr::{xdr_flags, xdr_struct};

xdr_flags! {
    /// Rights that ACCESS asks about (RFC 8881 §18.1, RFC 8276 §8.4.5).
    pub struct Access {
        READ = 0x1,
        LOOKUP = 0x2,
        MODIFY = 0x4,
        EXTEND = 0x8,
        DELETE = 0x10,
        EXECUTE = 0x20,
        XAREAD = 0x40,
        XAWRITE = 0x80,
        XALIST = 0x100,
    }
}

xdr_struct! {
    /// ACCESS: what may I do (RFC 8881 §18.1).
    #[derive(Copy)]
    pub struct AccessArgs {
        /// The rights asked about.
        access: Access,
    }

    /// ACCESS's result.
    #[derive(Copy)]
    pub struct AccessOk {
        /// The rights the server can tell about.
        supported: Access,
        /// The rights the caller has.
        access: Access,
    }

    /// GETATTR (RFC 8881 §18.7).
    #[derive(Copy)]
    pub struct GetAttrArgs {
        /// The attributes asked for.
        attr_request: Bitmap,
    }

    /// GETATTR's result.
    #[derive(Copy)]
    pub struct GetAttrOk<'a> {
        /// Those of them that exist, with values.
        obj_attributes: Fattr<'a>,
    }

    /// SETATTR (RFC 8881 §18.30).
    #[derive(Copy)]
    pub struct SetAttrArgs<'a> {
        /// Open or delegation under which the size changes; otherwise a special value.
        stateid: Stateid,
        /// What to set.
        obj_attributes: Fattr<'a>,
    }

    /// SETATTR's result, present with every status.
    #[derive(Copy)]
    pub struct SetAttrRes {
        /// The attributes that were set.
        attrsset: Bitmap,
    }

    /// VERIFY: goes on only if the attributes are these (RFC 8881 §18.31).
    #[derive(Copy)]
    pub struct VerifyArgs<'a> {
        /// The values expected.
        obj_attributes: Fattr<'a>,
    }

    /// NVERIFY: goes on only if they are not (RFC 8881 §18.15).
    #[derive(Copy)]
    pub struct NVerifyArgs<'a> {
        /// The values not expected.
        obj_attributes: Fattr<'a>,
    }

    /// OPENATTR: goes to the named attribute directory (RFC 8881 §18.17).
    #[derive(Copy)]
    pub struct OpenAttrArgs {
        /// Whether to make it if there is none.
        createdir: bool,
    }
}
