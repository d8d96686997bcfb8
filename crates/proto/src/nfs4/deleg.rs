//! Delegations: DELEGPURGE, DELEGRETURN, GET_DIR_DELEGATION, WANT_DELEGATION, and the union OPEN
//! answers with.

use super::bitmap::Bitmap;
use super::open::{ClaimType, ShareAccess};
use super::stateid::Stateid;
use super::types::{Ace, ClientId, Time, Verifier};
use crate::xdr::{xdr_enum, xdr_struct, xdr_union};

xdr_enum! {
    /// `open_delegation_type4` (RFC 8881 §18.16.1, RFC 9754).
    pub struct DelegationType {
        NONE = 0,
        READ = 1,
        WRITE = 2,
        NONE_EXT = 3,
        READ_ATTRS_DELEG = 4,
        WRITE_ATTRS_DELEG = 5,
    }

    /// `limit_by4`.
    pub struct LimitBy {
        SIZE = 1,
        BLOCKS = 2,
    }

    /// `why_no_delegation4`.
    pub struct WhyNoDelegation {
        NOT_WANTED = 0,
        CONTENTION = 1,
        RESOURCE = 2,
        NOT_SUPP_FTYPE = 3,
        WRITE_DELEG_NOT_SUPP_FTYPE = 4,
        NOT_SUPP_UPGRADE = 5,
        NOT_SUPP_DOWNGRADE = 6,
        CANCELLED = 7,
        IS_DIR = 8,
    }

    /// `gddrnf4_status`.
    pub struct GetDirDelegStatus {
        OK = 0,
        UNAVAIL = 1,
    }
}

xdr_union! {
    /// `nfs_space_limit4`: how much a write delegation may grow the file.
    #[derive(Copy)]
    pub enum SpaceLimit switch LimitBy {
        /// Size of the file, in bytes.
        Size(u64) = SIZE,
        /// Blocks.
        Blocks(ModifiedLimit) = BLOCKS,
    }

    /// `open_none_delegation4`.
    #[derive(Copy)]
    pub enum NoDelegation switch WhyNoDelegation {
        /// Others use the file; true if the server will push a delegation later.
        Contention(bool) = CONTENTION,
        /// The server is short of something; true if it will signal when it no longer is.
        Resource(bool) = RESOURCE,
        _ => Why,
    }

    /// `open_delegation4`.
    pub enum OpenDelegation<'a> switch DelegationType {
        /// None.
        None = NONE,
        /// To read.
        Read(ReadDelegation<'a>) = READ,
        /// To write.
        Write(WriteDelegation<'a>) = WRITE,
        /// None, and why.
        NoneExt(NoDelegation) = NONE_EXT,
        /// To read, with the access time (RFC 9754).
        ReadAttrs(ReadDelegation<'a>) = READ_ATTRS_DELEG,
        /// To write, with access and modify times (RFC 9754).
        WriteAttrs(WriteDelegation<'a>) = WRITE_ATTRS_DELEG,
    }

    /// `deleg_claim4`: by which right a delegation is wanted.
    #[derive(Copy)]
    pub enum DelegClaim switch ClaimType {
        /// None.
        Fh = FH,
        /// Held before the client restarted.
        DelegPrevFh = DELEG_PREV_FH,
        /// Held before the server restarted, of this type.
        Previous(DelegationType) = PREVIOUS,
    }

    /// `GET_DIR_DELEGATION4res_non_fatal`.
    #[derive(Copy)]
    pub enum GetDirDelegationOk switch GetDirDelegStatus {
        /// Granted.
        Granted(DirDelegation) = OK,
        /// Not available; true if the server will signal when it is.
        Unavailable(bool) = UNAVAIL,
    }
}

xdr_struct! {
    /// `nfs_modified_limit4`.
    #[derive(Copy)]
    pub struct ModifiedLimit {
        /// How many blocks.
        num_blocks: u32,
        /// Bytes of each.
        bytes_per_block: u32,
    }

    /// `open_read_delegation4`.
    pub struct ReadDelegation<'a> {
        /// The delegation.
        stateid: Stateid,
        /// Whether it is recalled already.
        recall: bool,
        /// Who needs no ACCESS to open.
        permissions: Ace<'a>,
    }

    /// `open_write_delegation4`.
    pub struct WriteDelegation<'a> {
        /// The delegation.
        stateid: Stateid,
        /// Whether it is recalled already.
        recall: bool,
        /// How much may be written without flushing.
        space_limit: SpaceLimit,
        /// Who needs no ACCESS to open.
        permissions: Ace<'a>,
    }

    /// DELEGPURGE: delegations not reclaimed are lost (RFC 8881 §18.5).
    #[derive(Copy)]
    pub struct DelegPurgeArgs {
        /// The client; a 4.1 server ignores it.
        clientid: ClientId,
    }

    /// DELEGRETURN (RFC 8881 §18.6).
    #[derive(Copy)]
    pub struct DelegReturnArgs {
        /// The delegation.
        deleg_stateid: Stateid,
    }

    /// GET_DIR_DELEGATION (RFC 8881 §18.39).
    #[derive(Copy)]
    pub struct GetDirDelegationArgs {
        /// Whether the client wants to be told when one becomes available.
        signal_deleg_avail: bool,
        /// Notifications wanted.
        notification_types: Bitmap,
        /// How late a child's attribute change may be told.
        child_attr_delay: Time,
        /// How late the directory's own may be.
        dir_attr_delay: Time,
        /// Child attributes to tell about.
        child_attributes: Bitmap,
        /// Directory attributes to tell about.
        dir_attributes: Bitmap,
    }

    /// `GET_DIR_DELEGATION4resok`.
    #[derive(Copy)]
    pub struct DirDelegation {
        /// The directory's cookie verifier.
        cookieverf: Verifier,
        /// The delegation.
        stateid: Stateid,
        /// Notifications that will come.
        notification: Bitmap,
        /// Child attributes that will be told about.
        child_attributes: Bitmap,
        /// Directory attributes that will be told about.
        dir_attributes: Bitmap,
    }

    /// WANT_DELEGATION (RFC 8881 §18.49).
    #[derive(Copy)]
    pub struct WantDelegationArgs {
        /// Which kind, as in OPEN's share_access.
        want: ShareAccess,
        /// By which right.
        claim: DelegClaim,
    }

    /// WANT_DELEGATION's result.
    pub struct WantDelegationOk<'a> {
        /// A delegation, or why there is none.
        delegation: OpenDelegation<'a>,
    }
}
