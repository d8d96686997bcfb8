//! Data: READ, WRITE, COMMIT.

use super::limits;
use super::stateid::Stateid;
use super::types::{StableHow, Verifier};
use crate::xdr::xdr_struct;

xdr_struct! {
    /// COMMIT: makes unstable writes durable (RFC 8881 §18.3).
    #[derive(Copy)]
    pub struct CommitArgs {
        /// First byte.
        offset: u64,
        /// Bytes; zero means to the end.
        count: u32,
    }

    /// COMMIT's result.
    #[derive(Copy)]
    pub struct CommitOk {
        /// Differs from a WRITE's when its data was lost.
        writeverf: Verifier,
    }

    /// READ (RFC 8881 §18.22).
    #[derive(Copy)]
    pub struct ReadArgs {
        /// Under which open, lock or delegation.
        stateid: Stateid,
        /// First byte.
        offset: u64,
        /// Bytes at most.
        count: u32,
    }

    /// READ's result.
    #[derive(Copy)]
    pub struct ReadOk<'a> {
        /// Whether the data ends at the end of the file.
        eof: bool,
        /// The data.
        data: &'a [u8] [limits::DATA],
    }

    /// WRITE (RFC 8881 §18.32).
    #[derive(Copy)]
    pub struct WriteArgs<'a> {
        /// Under which open, lock or delegation.
        stateid: Stateid,
        /// First byte.
        offset: u64,
        /// How durable the data must be before the answer.
        stable: StableHow,
        /// The data.
        data: &'a [u8] [limits::DATA],
    }

    /// WRITE's result.
    #[derive(Copy)]
    pub struct WriteOk {
        /// Bytes written.
        count: u32,
        /// How durable they are.
        committed: StableHow,
        /// Changes when uncommitted data was lost.
        writeverf: Verifier,
    }
}
