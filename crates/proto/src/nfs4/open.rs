//! Opens: OPEN, OPEN_DOWNGRADE, CLOSE.

use super::attrs::Fattr;
use super::bitmap::Bitmap;
use super::deleg::{DelegationType, OpenDelegation};
use super::limits;
use super::stateid::Stateid;
use super::types::{ChangeInfo, StateOwner, Verifier};
use crate::xdr::{xdr_enum, xdr_flags, xdr_struct, xdr_union};

xdr_enum! {
    /// `createmode4`.
    pub struct CreateMode {
        /// Opens what exists, else makes it.
        UNCHECKED = 0,
        /// Fails if it exists.
        GUARDED = 1,
        /// Fails if it exists with another verifier; deprecated.
        EXCLUSIVE = 2,
        /// The same, with attributes.
        EXCLUSIVE4_1 = 3,
    }

    /// `opentype4`.
    pub struct OpenType {
        NOCREATE = 0,
        CREATE = 1,
    }

    /// `open_claim_type4`.
    pub struct ClaimType {
        NULL = 0,
        PREVIOUS = 1,
        DELEGATE_CUR = 2,
        DELEGATE_PREV = 3,
        FH = 4,
        DELEG_CUR_FH = 5,
        DELEG_PREV_FH = 6,
    }
}

xdr_flags! {
    /// `share_access`: what the opener will do, and which delegation it wants (RFC 8881 §18.16.3,
    /// RFC 9754).
    pub struct ShareAccess {
        READ = 0x1,
        WRITE = 0x2,
        BOTH = 0x3,
        WANT_DELEG_MASK = 0xff00,
        WANT_NO_PREFERENCE = 0x0,
        WANT_READ_DELEG = 0x100,
        WANT_WRITE_DELEG = 0x200,
        WANT_ANY_DELEG = 0x300,
        WANT_NO_DELEG = 0x400,
        WANT_CANCEL = 0x500,
        WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL = 0x1_0000,
        WANT_PUSH_DELEG_WHEN_UNCONTENDED = 0x2_0000,
        WANT_DELEG_TIMESTAMPS = 0x10_0000,
        WANT_OPEN_XOR_DELEGATION = 0x20_0000,
    }

    /// `share_deny`: what others may not do meanwhile.
    pub struct ShareDeny {
        NONE = 0x0,
        READ = 0x1,
        WRITE = 0x2,
        BOTH = 0x3,
    }

    /// `rflags` of OPEN's result (RFC 8881 §18.16.2, RFC 9754).
    pub struct OpenResultFlags {
        CONFIRM = 0x2,
        LOCKTYPE_POSIX = 0x4,
        PRESERVE_UNLINKED = 0x8,
        NO_OPEN_STATEID = 0x10,
        MAY_NOTIFY_LOCK = 0x20,
    }
}

impl ShareAccess {
    /// The access without the wants: READ, WRITE or both.
    #[must_use]
    pub const fn access(self) -> Self {
        Self(self.0 & Self::BOTH.0)
    }

    /// The kind of delegation wanted, one of the `WANT_..._DELEG` values.
    #[must_use]
    pub const fn want(self) -> Self {
        Self(self.0 & Self::WANT_DELEG_MASK.0)
    }
}

xdr_union! {
    /// `createhow4`.
    pub enum CreateHow<'a> switch CreateMode {
        /// Opens what exists, else makes it with these attributes.
        Unchecked(Fattr<'a>) = UNCHECKED,
        /// Makes it with these attributes; fails if it exists.
        Guarded(Fattr<'a>) = GUARDED,
        /// Makes it, and knows a retry by the verifier.
        Exclusive(Verifier) = EXCLUSIVE,
        /// The same, with attributes.
        Exclusive41(CreateVerfAttr<'a>) = EXCLUSIVE4_1,
    }

    /// `openflag4`.
    pub enum OpenHow<'a> switch OpenType {
        /// The file must exist.
        NoCreate = NOCREATE,
        /// The file may be made.
        Create(CreateHow<'a>) = CREATE,
    }

    /// `open_claim4`: by which right the file is opened.
    pub enum OpenClaim<'a> switch ClaimType {
        /// None; this name in the current directory.
        Null(&'a [u8] [limits::COMPONENT]) = NULL,
        /// An open of the current file before the server restarted, with this delegation.
        Previous(DelegationType) = PREVIOUS,
        /// A delegation held.
        DelegateCur(ClaimDelegateCur<'a>) = DELEGATE_CUR,
        /// A delegation held before the client restarted; this name in the current directory.
        DelegatePrev(&'a [u8] [limits::COMPONENT]) = DELEGATE_PREV,
        /// None; the current file.
        Fh = FH,
        /// A delegation held on the current file.
        DelegCurFh(Stateid) = DELEG_CUR_FH,
        /// A delegation on the current file held before the client restarted.
        DelegPrevFh = DELEG_PREV_FH,
    }
}

xdr_struct! {
    /// `creatverfattr`.
    pub struct CreateVerfAttr<'a> {
        /// Tells a retry.
        verf: Verifier,
        /// First attributes.
        attrs: Fattr<'a>,
    }

    /// `open_claim_delegate_cur4`.
    pub struct ClaimDelegateCur<'a> {
        /// The delegation.
        delegate_stateid: Stateid,
        /// The name in the current directory.
        file: &'a [u8] [limits::COMPONENT],
    }

    /// OPEN (RFC 8881 §18.16).
    pub struct OpenArgs<'a> {
        /// Only 4.0 uses it.
        seqid: u32,
        /// What the opener will do.
        share_access: ShareAccess,
        /// What others may not do.
        share_deny: ShareDeny,
        /// Who opens.
        owner: StateOwner<'a>,
        /// Whether and how to make the file.
        openhow: OpenHow<'a>,
        /// Which file and by which right.
        claim: OpenClaim<'a>,
    }

    /// OPEN's result.
    pub struct OpenOk<'a> {
        /// The open.
        stateid: Stateid,
        /// The directory's change.
        cinfo: ChangeInfo,
        /// What else the client must know.
        rflags: OpenResultFlags,
        /// Attributes set at creation.
        attrset: Bitmap,
        /// A delegation, or why there is none.
        delegation: OpenDelegation<'a>,
    }

    /// OPEN_DOWNGRADE: gives up some access (RFC 8881 §18.18).
    #[derive(Copy)]
    pub struct OpenDowngradeArgs {
        /// The open.
        open_stateid: Stateid,
        /// Only 4.0 uses it.
        seqid: u32,
        /// The access kept.
        share_access: ShareAccess,
        /// The denial kept.
        share_deny: ShareDeny,
    }

    /// OPEN_DOWNGRADE's result.
    #[derive(Copy)]
    pub struct OpenDowngradeOk {
        /// The open.
        open_stateid: Stateid,
    }

    /// CLOSE (RFC 8881 §18.2).
    #[derive(Copy)]
    pub struct CloseArgs {
        /// Only 4.0 uses it.
        seqid: u32,
        /// The open.
        open_stateid: Stateid,
    }

    /// CLOSE's result.
    #[derive(Copy)]
    pub struct CloseOk {
        /// Of no use any more.
        open_stateid: Stateid,
    }
}
