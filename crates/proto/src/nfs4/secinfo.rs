//! SECINFO and SECINFO_NO_NAME: how to authenticate.

use alloc::vec::Vec;

use super::limits;
use super::types::{AuthFlavor, GssService};
use crate::xdr::{xdr_enum, xdr_struct, xdr_union};

xdr_enum! {
    /// `secinfo_style4`: of which object SECINFO_NO_NAME asks.
    pub struct SecInfoStyle {
        CURRENT_FH = 0,
        PARENT = 1,
    }
}

xdr_union! {
    /// `secinfo4`: one way to authenticate.
    pub enum SecInfo<'a> switch AuthFlavor {
        /// RPCSEC_GSS with this mechanism.
        Gss(GssInfo<'a>) = GSS,
        _ => Flavor,
    }
}

xdr_struct! {
    /// `rpcsec_gss_info`.
    pub struct GssInfo<'a> {
        /// The mechanism.
        oid: &'a [u8] [limits::OID],
        /// Quality of protection.
        qop: u32,
        /// Integrity, privacy or neither.
        service: GssService,
    }

    /// SECINFO (RFC 8881 §18.29).
    pub struct SecInfoArgs<'a> {
        /// The name, in the current directory.
        name: &'a [u8] [limits::COMPONENT],
    }

    /// SECINFO_NO_NAME (RFC 8881 §18.45).
    #[derive(Copy)]
    pub struct SecInfoNoNameArgs {
        /// Of the current object or of its parent.
        style: SecInfoStyle,
    }

    /// The result of both; the current handle is consumed.
    pub struct SecInfoOk<'a> {
        /// Ways to authenticate, the best first.
        flavors: Vec<SecInfo<'a>> [limits::FLAVORS],
    }
}
