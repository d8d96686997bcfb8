//! File handle operations: PUTFH, GETFH. PUTPUBFH, PUTROOTFH, RESTOREFH and SAVEFH have neither
//! arguments nor results.

use super::limits;
use crate::xdr::xdr_struct;

xdr_struct! {
    /// PUTFH: makes a handle the current one (RFC 8881 §18.19).
    pub struct PutFhArgs<'a> {
        /// The handle.
        object: &'a [u8] [limits::FHSIZE],
    }

    /// GETFH: the current handle (RFC 8881 §18.8).
    pub struct GetFhOk<'a> {
        /// The handle.
        object: &'a [u8] [limits::FHSIZE],
    }
}
