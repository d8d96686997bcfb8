//! Server-side copy: COPY, COPY_NOTIFY, CLONE, OFFLOAD_CANCEL, OFFLOAD_STATUS (RFC 7862 §4).

use alloc::vec::Vec;

use super::limits;
use super::stateid::Stateid;
use super::status::Status;
use super::types::{NetLoc, Time, WriteResponse};
use crate::xdr::xdr_struct;

xdr_struct! {
    /// COPY: from the saved file to the current one (RFC 7862 §15.2).
    pub struct CopyArgs<'a> {
        /// Under which open of the source.
        src_stateid: Stateid,
        /// Under which open of the destination.
        dst_stateid: Stateid,
        /// First byte of the source.
        src_offset: u64,
        /// First byte of the destination.
        dst_offset: u64,
        /// Bytes; zero means to the end of the source.
        count: u64,
        /// Whether bytes must be copied in order.
        consecutive: bool,
        /// Whether the copy must be done before the answer.
        synchronous: bool,
        /// Where the source is, if on another server.
        source_server: Vec<NetLoc<'a>> [limits::NETLOCS],
    }

    /// `copy_requirements4`: also the body of `NFS4ERR_OFFLOAD_NO_REQS`.
    #[derive(Copy)]
    pub struct CopyRequirements {
        /// Whether bytes are copied in order.
        consecutive: bool,
        /// Whether the copy is done before the answer.
        synchronous: bool,
    }

    /// COPY's result.
    pub struct CopyOk {
        /// How it went.
        response: WriteResponse,
        /// How it was done.
        requirements: CopyRequirements,
    }

    /// COPY_NOTIFY: lets another server read the current file (RFC 7862 §15.3).
    pub struct CopyNotifyArgs<'a> {
        /// Under which open.
        src_stateid: Stateid,
        /// Which server.
        destination_server: NetLoc<'a>,
    }

    /// COPY_NOTIFY's result.
    pub struct CopyNotifyOk<'a> {
        /// How long the permission lasts.
        lease_time: Time,
        /// What the other server shows.
        stateid: Stateid,
        /// Where it should come.
        source_server: Vec<NetLoc<'a>> [limits::NETLOCS],
    }

    /// CLONE: shares the saved file's blocks with the current one (RFC 7862 §15.13).
    #[derive(Copy)]
    pub struct CloneArgs {
        /// Under which open of the source.
        src_stateid: Stateid,
        /// Under which open of the destination.
        dst_stateid: Stateid,
        /// First byte of the source.
        src_offset: u64,
        /// First byte of the destination.
        dst_offset: u64,
        /// Bytes; zero means to the end of the source.
        count: u64,
    }

    /// OFFLOAD_CANCEL (RFC 7862 §15.8).
    #[derive(Copy)]
    pub struct OffloadCancelArgs {
        /// The copy.
        stateid: Stateid,
    }

    /// OFFLOAD_STATUS (RFC 7862 §15.9).
    #[derive(Copy)]
    pub struct OffloadStatusArgs {
        /// The copy.
        stateid: Stateid,
    }

    /// OFFLOAD_STATUS's result.
    #[derive(Copy)]
    pub struct OffloadStatusOk {
        /// Bytes copied so far.
        count: u64,
        /// How it ended, if it did.
        complete: Option<Status>,
    }
}
