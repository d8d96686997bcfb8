//! COMPOUND (RFC 8881 §16.2): headers, and operations decoded one at a time, so that a server can
//! stop at the first that fails. Nothing is allocated for the operation count.

use alloc::boxed::Box;

use super::ops_table::op_table;
use super::status::Status;
use super::{
    attr_ops, copy, deleg, dir, fh, io, layout, limits, lock, lookup, open, secinfo, session,
    sparse,
};
use super::{types, v40, xattr};
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer};

/// The arguments of an operation are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpDecodeError {
    /// Which operation, to be named in the answer; [`OpNum::ILLEGAL`] when not even the number was
    /// there.
    pub num: OpNum,
    /// What is wrong.
    pub error: DecodeError,
}

impl core::fmt::Display for OpDecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}: {}", self.num, self.error)
    }
}

impl core::error::Error for OpDecodeError {}

/// `COMPOUND4args`: the header, and a place in the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompoundArgs<'a> {
    /// Echoed in the result.
    pub tag: &'a [u8],
    /// Minor version.
    pub minor: u32,
    /// How many operations the sender says there are, less those decoded.
    pub count: u32,
    /// The operations not decoded yet.
    pub ops: Reader<'a>,
}

impl<'a> CompoundArgs<'a> {
    /// Takes the header; `r` must end with the compound.
    pub fn decode(mut r: Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { tag: r.opaque(limits::TAG)?, minor: r.u32()?, count: r.u32()?, ops: r })
    }

    /// The next operation, or none after the last. After an error or [`Op::Illegal`] the place is
    /// lost.
    pub fn next_op(&mut self) -> Option<Result<Op<'a>, OpDecodeError>> {
        self.count = self.count.checked_sub(1)?;
        Some(next_op(&mut self.ops))
    }

    /// Writes a header and says where its operation count is, for [`Writer::patch_u32`].
    pub fn begin(w: &mut Writer, tag: &[u8], minor: u32) -> usize {
        w.opaque(tag);
        w.u32(minor);
        w.reserve_u32()
    }
}

fn next_op<'a>(r: &mut Reader<'a>) -> Result<Op<'a>, OpDecodeError> {
    let num = OpNum::decode(r).map_err(|error| OpDecodeError { num: OpNum::ILLEGAL, error })?;
    Op::decode(num, r).map_err(|error| OpDecodeError { num, error })
}

/// `COMPOUND4res`: the header, and a place in the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompoundRes<'a> {
    /// Of the last operation.
    pub status: Status,
    /// As in the arguments.
    pub tag: &'a [u8],
    /// How many results the sender says there are, less those decoded.
    pub count: u32,
    /// The results not decoded yet.
    pub results: Reader<'a>,
}

impl<'a> CompoundRes<'a> {
    /// Takes the header; `r` must end with the compound.
    pub fn decode(mut r: Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            status: Status::decode(&mut r)?,
            tag: r.opaque(limits::TAG)?,
            count: r.u32()?,
            results: r,
        })
    }

    /// The next result, or none after the last. After an error the place is lost.
    pub fn next_result(&mut self) -> Option<Result<OpResult<'a>, DecodeError>> {
        self.count = self.count.checked_sub(1)?;
        Some(OpResult::decode(&mut self.results))
    }

    /// Writes a header with room for status and count.
    pub fn begin(w: &mut Writer, tag: &[u8]) -> CompoundResHeader {
        let status_at = w.reserve_u32();
        w.opaque(tag);
        CompoundResHeader { status_at, count_at: w.reserve_u32() }
    }
}

/// Where the open ends of a result header are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompoundResHeader {
    /// Of the status, in bytes from the writer's start.
    pub status_at: usize,
    /// Of the result count.
    pub count_at: usize,
}

impl CompoundResHeader {
    /// Completes the header.
    pub fn finish(self, w: &mut Writer, status: Status, count: u32) {
        w.patch_u32(self.status_at, status.0);
        w.patch_u32(self.count_at, count);
    }
}

/// `nfs_resop4`: one operation's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpResult<'a> {
    /// Which operation.
    pub num: OpNum,
    /// How it went.
    pub status: Status,
    /// What it gave.
    pub body: OpBody<'a>,
}

impl<'a> Decode<'a> for OpResult<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (num, status) = (OpNum::decode(r)?, Status::decode(r)?);
        Ok(Self { num, status, body: OpBody::decode(num, status, r)? })
    }
}

impl Encode for OpResult<'_> {
    fn encode(&self, w: &mut Writer) {
        self.num.encode(w);
        self.status.encode(w);
        self.body.encode(w);
    }
}

/// Writes an operation's number and leaves room for its status: the start of a result streamed into
/// `w`.
pub fn begin_result(w: &mut Writer, num: OpNum) -> usize {
    num.encode(w);
    w.reserve_u32()
}

/// Bodies that come with a status other than OK, and SETATTR's, which comes with any.
fn special_body<'a>(
    num: OpNum,
    status: Status,
    r: &mut Reader<'a>,
) -> Result<Option<OpBody<'a>>, DecodeError> {
    Ok(Some(match (num, status) {
        (OpNum::SETATTR, _) => OpBody::SetAttr(Decode::decode(r)?),
        (OpNum::LOCK | OpNum::LOCKT, Status::DENIED) => OpBody::LockDenied(Decode::decode(r)?),
        (OpNum::LAYOUTGET, Status::LAYOUTTRYLATER) => OpBody::LayoutTryLater(r.bool()?),
        (OpNum::GETDEVICEINFO, Status::TOOSMALL) => OpBody::DeviceInfoTooSmall(r.u32()?),
        (OpNum::COPY, Status::OFFLOAD_NO_REQS) => OpBody::CopyNoReqs(Decode::decode(r)?),
        (OpNum::SETCLIENTID, Status::CLID_INUSE) => OpBody::ClientIdInUse(Decode::decode(r)?),
        _ => return Ok(None),
    }))
}

op_table! {
    /// `nfs_opnum4`.
    pub struct OpNum;
    /// `nfs_argop4`: an operation with its arguments.
    pub enum Op;
    /// What an operation gives besides its status.
    pub enum OpBody special special_body;

    3 ACCESS = Access(attr_ops::AccessArgs) -> attr_ops::AccessOk;
    4 CLOSE = Close(open::CloseArgs) -> open::CloseOk;
    5 COMMIT = Commit(io::CommitArgs) -> io::CommitOk;
    6 CREATE = Create(lookup::CreateArgs<'a>) -> lookup::CreateOk;
    7 DELEGPURGE = DelegPurge(deleg::DelegPurgeArgs);
    8 DELEGRETURN = DelegReturn(deleg::DelegReturnArgs);
    9 GETATTR = GetAttr(attr_ops::GetAttrArgs) -> attr_ops::GetAttrOk<'a>;
    10 GETFH = GetFh -> fh::GetFhOk<'a>;
    11 LINK = Link(lookup::LinkArgs<'a>) -> lookup::LinkOk;
    12 LOCK = Lock(lock::LockArgs<'a>) -> lock::LockOk;
    13 LOCKT = LockT(lock::LockTArgs<'a>);
    14 LOCKU = LockU(lock::LockUArgs) -> lock::LockUOk;
    15 LOOKUP = Lookup(lookup::LookupArgs<'a>);
    16 LOOKUPP = LookupP;
    17 NVERIFY = NVerify(attr_ops::NVerifyArgs<'a>);
    18 OPEN = Open(open::OpenArgs<'a>) -> open::OpenOk<'a>;
    19 OPENATTR = OpenAttr(attr_ops::OpenAttrArgs);
    20 OPEN_CONFIRM = OpenConfirm(v40::OpenConfirmArgs) -> v40::OpenConfirmOk;
    21 OPEN_DOWNGRADE = OpenDowngrade(open::OpenDowngradeArgs) -> open::OpenDowngradeOk;
    22 PUTFH = PutFh(fh::PutFhArgs<'a>);
    23 PUTPUBFH = PutPubFh;
    24 PUTROOTFH = PutRootFh;
    25 READ = Read(io::ReadArgs) -> io::ReadOk<'a>;
    26 READDIR = ReadDir(dir::ReadDirArgs) -> dir::ReadDirOk<'a>;
    27 READLINK = ReadLink -> lookup::ReadLinkOk<'a>;
    28 REMOVE = Remove(lookup::RemoveArgs<'a>) -> lookup::RemoveOk;
    29 RENAME = Rename(lookup::RenameArgs<'a>) -> lookup::RenameOk;
    30 RENEW = Renew(v40::RenewArgs);
    31 RESTOREFH = RestoreFh;
    32 SAVEFH = SaveFh;
    33 SECINFO = SecInfo(secinfo::SecInfoArgs<'a>) -> secinfo::SecInfoOk<'a>;
    34 SETATTR = SetAttr(attr_ops::SetAttrArgs<'a>);
    35 SETCLIENTID = SetClientId(Box<v40::SetClientIdArgs<'a>>) -> v40::SetClientIdOk;
    36 SETCLIENTID_CONFIRM = SetClientIdConfirm(v40::SetClientIdConfirmArgs);
    37 VERIFY = Verify(attr_ops::VerifyArgs<'a>);
    38 WRITE = Write(io::WriteArgs<'a>) -> io::WriteOk;
    39 RELEASE_LOCKOWNER = ReleaseLockOwner(v40::ReleaseLockOwnerArgs<'a>);
    40 BACKCHANNEL_CTL = BackchannelCtl(session::BackchannelCtlArgs<'a>);
    41 BIND_CONN_TO_SESSION = BindConnToSession(session::BindConnToSessionArgs)
        -> session::BindConnToSessionOk;
    42 EXCHANGE_ID = ExchangeId(Box<session::ExchangeIdArgs<'a>>) -> Box<session::ExchangeIdOk<'a>>;
    43 CREATE_SESSION = CreateSession(Box<session::CreateSessionArgs<'a>>)
        -> Box<session::CreateSessionOk>;
    44 DESTROY_SESSION = DestroySession(session::DestroySessionArgs);
    45 FREE_STATEID = FreeStateid(session::FreeStateidArgs);
    46 GET_DIR_DELEGATION = GetDirDelegation(Box<deleg::GetDirDelegationArgs>)
        -> Box<deleg::GetDirDelegationOk>;
    47 GETDEVICEINFO = GetDeviceInfo(layout::GetDeviceInfoArgs) -> layout::GetDeviceInfoOk<'a>;
    48 GETDEVICELIST = GetDeviceList(layout::GetDeviceListArgs) -> layout::GetDeviceListOk;
    49 LAYOUTCOMMIT = LayoutCommit(Box<layout::LayoutCommitArgs<'a>>) -> layout::LayoutCommitOk;
    50 LAYOUTGET = LayoutGet(Box<layout::LayoutGetArgs>) -> layout::LayoutGetOk<'a>;
    51 LAYOUTRETURN = LayoutReturn(Box<layout::LayoutReturnArgs<'a>>) -> layout::LayoutReturnOk;
    52 SECINFO_NO_NAME = SecInfoNoName(secinfo::SecInfoNoNameArgs) -> secinfo::SecInfoOk<'a>;
    53 SEQUENCE = Sequence(session::SequenceArgs) -> session::SequenceOk;
    54 SET_SSV = SetSsv(session::SetSsvArgs<'a>) -> session::SetSsvOk<'a>;
    55 TEST_STATEID = TestStateid(session::TestStateidArgs) -> session::TestStateidOk;
    56 WANT_DELEGATION = WantDelegation(deleg::WantDelegationArgs) -> deleg::WantDelegationOk<'a>;
    57 DESTROY_CLIENTID = DestroyClientId(session::DestroyClientIdArgs);
    58 RECLAIM_COMPLETE = ReclaimComplete(session::ReclaimCompleteArgs);
    59 ALLOCATE = Allocate(sparse::AllocateArgs);
    60 COPY = Copy(Box<copy::CopyArgs<'a>>) -> copy::CopyOk;
    61 COPY_NOTIFY = CopyNotify(Box<copy::CopyNotifyArgs<'a>>) -> copy::CopyNotifyOk<'a>;
    62 DEALLOCATE = Deallocate(sparse::DeallocateArgs);
    63 IO_ADVISE = IoAdvise(sparse::IoAdviseArgs) -> sparse::IoAdviseOk;
    64 LAYOUTERROR = LayoutError(layout::LayoutErrorArgs);
    65 LAYOUTSTATS = LayoutStats(Box<layout::LayoutStatsArgs<'a>>);
    66 OFFLOAD_CANCEL = OffloadCancel(copy::OffloadCancelArgs);
    67 OFFLOAD_STATUS = OffloadStatus(copy::OffloadStatusArgs) -> copy::OffloadStatusOk;
    68 READ_PLUS = ReadPlus(sparse::ReadPlusArgs) -> sparse::ReadPlusOk<'a>;
    69 SEEK = Seek(sparse::SeekArgs) -> sparse::SeekOk;
    70 WRITE_SAME = WriteSame(Box<sparse::WriteSameArgs<'a>>) -> sparse::WriteSameOk;
    71 CLONE = Clone(copy::CloneArgs);
    72 GETXATTR = GetXattr(xattr::GetXattrArgs<'a>) -> xattr::GetXattrOk<'a>;
    73 SETXATTR = SetXattr(xattr::SetXattrArgs<'a>) -> xattr::SetXattrOk;
    74 LISTXATTRS = ListXattrs(xattr::ListXattrsArgs) -> xattr::ListXattrsOk<'a>;
    75 REMOVEXATTR = RemoveXattr(xattr::RemoveXattrArgs<'a>) -> xattr::RemoveXattrOk;

    special {
        /// SETATTR's, with any status.
        SetAttr(attr_ops::SetAttrRes),
        /// LOCK's and LOCKT's with `NFS4ERR_DENIED`: the lock in the way.
        LockDenied(lock::LockDenied<'a>),
        /// LAYOUTGET's with `NFS4ERR_LAYOUTTRYLATER`: whether the server will signal when there is
        /// one.
        LayoutTryLater(bool),
        /// GETDEVICEINFO's with `NFS4ERR_TOOSMALL`: bytes needed.
        DeviceInfoTooSmall(u32),
        /// COPY's with `NFS4ERR_OFFLOAD_NO_REQS`: what the server can do.
        CopyNoReqs(copy::CopyRequirements),
        /// SETCLIENTID's with `NFS4ERR_CLID_INUSE`: by whom.
        ClientIdInUse(types::NetAddr<'a>),
    }
}
