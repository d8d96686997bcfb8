//! CB_COMPOUND and the operations a server asks of a client (RFC 8881 §20, RFC 7862 §16).

use alloc::vec::Vec;

use super::attrs::Fattr;
use super::bitmap::Bitmap;
use super::compound::{CompoundRes, CompoundResHeader};
use super::deleg::OpenDelegation;
use super::layout::{IoMode, LayoutScope, LayoutType};
use super::limits;
use super::ops_table::op_table;
use super::stateid::Stateid;
use super::status::Status;
use super::types::{DeviceId, Fsid, SessionId, StateOwner, Verifier, WriteResponse};
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer, xdr_enum, xdr_struct, xdr_union};

xdr_enum! {
    /// `notify_type4`: directory notifications, by bit number.
    pub struct NotifyType {
        CHANGE_CHILD_ATTRS = 0,
        CHANGE_DIR_ATTRS = 1,
        REMOVE_ENTRY = 2,
        ADD_ENTRY = 3,
        RENAME_ENTRY = 4,
        CHANGE_COOKIE_VERIFIER = 5,
    }

    /// `notify_deviceid_type4`: device notifications, by bit number.
    pub struct NotifyDeviceIdType {
        CHANGE = 1,
        DELETE = 2,
    }

    /// `RCA4_TYPE_MASK_`: what CB_RECALL_ANY is about, by bit number.
    pub struct RecallAnyType {
        RDATA_DLG = 0,
        WDATA_DLG = 1,
        DIR_DLG = 2,
        FILE_LAYOUT = 3,
        BLK_LAYOUT = 4,
        OBJ_LAYOUT_MIN = 8,
        OBJ_LAYOUT_MAX = 9,
        OTHER_LAYOUT_MIN = 12,
        OTHER_LAYOUT_MAX = 15,
    }
}

xdr_union! {
    /// `layoutrecall4`.
    pub enum LayoutRecall<'a> switch LayoutScope {
        /// Some of this file's layout.
        File(LayoutRecallFile<'a>) = FILE,
        /// All layouts of this file system.
        Fsid(Fsid) = FSID,
        /// All layouts.
        All = ALL,
    }
}

/// `offload_info4`: how a copy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffloadInfo {
    /// It is done.
    Done(WriteResponse),
    /// It failed.
    Failed {
        /// Why; not OK.
        status: Status,
        /// Bytes copied before.
        bytes_copied: u64,
    },
}

impl Encode for OffloadInfo {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Done(response) => {
                Status::OK.encode(w);
                response.encode(w);
            }
            Self::Failed { status, bytes_copied } => {
                status.encode(w);
                w.u64(*bytes_copied);
            }
        }
    }
}

impl<'a> Decode<'a> for OffloadInfo {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match Status::decode(r)? {
            Status::OK => WriteResponse::decode(r).map(Self::Done),
            status => Ok(Self::Failed { status, bytes_copied: r.u64()? }),
        }
    }
}

xdr_struct! {
    /// CB_GETATTR: what a write delegation's holder knows better (RFC 8881 §20.1).
    #[derive(Copy)]
    pub struct CbGetAttrArgs<'a> {
        /// The file.
        fh: &'a [u8] [limits::FHSIZE],
        /// The attributes asked for.
        attr_request: Bitmap,
    }

    /// CB_GETATTR's result.
    #[derive(Copy)]
    pub struct CbGetAttrOk<'a> {
        /// Their values.
        obj_attributes: Fattr<'a>,
    }

    /// CB_RECALL: give a delegation back (RFC 8881 §20.2).
    #[derive(Copy)]
    pub struct CbRecallArgs<'a> {
        /// The delegation.
        stateid: Stateid,
        /// Whether the file is about to be truncated.
        truncate: bool,
        /// The file.
        fh: &'a [u8] [limits::FHSIZE],
    }

    /// `layoutrecall_file4`.
    #[derive(Copy)]
    pub struct LayoutRecallFile<'a> {
        /// The file.
        fh: &'a [u8] [limits::FHSIZE],
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// The layout.
        stateid: Stateid,
    }

    /// CB_LAYOUTRECALL (RFC 8881 §20.3).
    pub struct CbLayoutRecallArgs<'a> {
        /// Which layout type.
        layout_type: LayoutType,
        /// For reading or writing.
        iomode: IoMode,
        /// Whether the layout has changed.
        changed: bool,
        /// Which layouts.
        recall: LayoutRecall<'a>,
    }

    /// `notify4`: notifications of some types, in ascending order of number.
    #[derive(Copy)]
    pub struct Notify<'a> {
        /// Which types.
        mask: Bitmap,
        /// Their values, encoded.
        values: &'a [u8] [limits::NOTIFY_VALUES],
    }

    /// `notify_entry4`.
    #[derive(Copy)]
    pub struct NotifyEntry<'a> {
        /// The name.
        file: &'a [u8] [limits::COMPONENT],
        /// Its attributes.
        attrs: Fattr<'a>,
    }

    /// `prev_entry4`.
    #[derive(Copy)]
    pub struct PrevEntry<'a> {
        /// The entry before.
        entry: NotifyEntry<'a>,
        /// Its cookie.
        cookie: u64,
    }

    /// `notify_remove4`.
    #[derive(Copy)]
    pub struct NotifyRemove<'a> {
        /// The entry that is gone.
        entry: NotifyEntry<'a>,
        /// Its cookie.
        cookie: u64,
    }

    /// `notify_add4`.
    pub struct NotifyAdd<'a> {
        /// The entry renamed over, if any.
        old_entry: Option<NotifyRemove<'a>>,
        /// The new entry.
        new_entry: NotifyEntry<'a>,
        /// Its cookie.
        new_entry_cookie: Option<u64>,
        /// The entry before it.
        prev_entry: Option<PrevEntry<'a>>,
        /// Whether it is the last of the directory.
        last_entry: bool,
    }

    /// `notify_attr4`.
    #[derive(Copy)]
    pub struct NotifyAttr<'a> {
        /// The entry that changed.
        changed_entry: NotifyEntry<'a>,
    }

    /// `notify_rename4`.
    pub struct NotifyRename<'a> {
        /// What was.
        old_entry: NotifyRemove<'a>,
        /// What is.
        new_entry: NotifyAdd<'a>,
    }

    /// `notify_verifier4`.
    #[derive(Copy)]
    pub struct NotifyVerifier {
        /// What was.
        old_cookieverf: Verifier,
        /// What is.
        new_cookieverf: Verifier,
    }

    /// CB_NOTIFY: a directory changed (RFC 8881 §20.4).
    pub struct CbNotifyArgs<'a> {
        /// The delegation.
        stateid: Stateid,
        /// The directory.
        fh: &'a [u8] [limits::FHSIZE],
        /// What changed.
        changes: Vec<Notify<'a>> [limits::NOTIFICATIONS],
    }

    /// CB_PUSH_DELEG: here is the delegation you wanted (RFC 8881 §20.5).
    pub struct CbPushDelegArgs<'a> {
        /// The file.
        fh: &'a [u8] [limits::FHSIZE],
        /// The delegation.
        delegation: OpenDelegation<'a>,
    }

    /// CB_RECALL_ANY: keep fewer of some kind (RFC 8881 §20.6).
    #[derive(Copy)]
    pub struct CbRecallAnyArgs {
        /// How many the client may keep.
        objects_to_keep: u32,
        /// Set of [`RecallAnyType`] numbers.
        type_mask: Bitmap,
    }

    /// CB_RECALLABLE_OBJ_AVAIL: there would be some now (RFC 8881 §20.7).
    #[derive(Copy)]
    pub struct CbRecallableObjAvailArgs {
        /// How many.
        objects_to_keep: u32,
        /// Set of [`RecallAnyType`] numbers.
        type_mask: Bitmap,
    }

    /// CB_RECALL_SLOT: use fewer slots (RFC 8881 §20.8).
    #[derive(Copy)]
    pub struct CbRecallSlotArgs {
        /// The highest slot to use.
        target_highest_slotid: u32,
    }

    /// `referring_call4`.
    #[derive(Copy)]
    pub struct ReferringCall {
        /// The request's sequence id.
        sequenceid: u32,
        /// Its slot.
        slotid: u32,
    }

    /// `referring_call_list4`: requests that made what the callback is about.
    pub struct ReferringCallList {
        /// On which session.
        sessionid: SessionId,
        /// Which requests.
        referring_calls: Vec<ReferringCall> [limits::REFERRING_CALLS],
    }

    /// CB_SEQUENCE (RFC 8881 §20.9).
    pub struct CbSequenceArgs {
        /// The session.
        sessionid: SessionId,
        /// Counts the slot's requests.
        sequenceid: u32,
        /// The slot.
        slotid: u32,
        /// The highest slot in use.
        highest_slotid: u32,
        /// Whether the reply must be kept for a retry.
        cachethis: bool,
        /// Requests whose replies may still be on the way.
        referring_call_lists: Vec<ReferringCallList> [limits::REFERRING_CALLS],
    }

    /// CB_SEQUENCE's result.
    #[derive(Copy)]
    pub struct CbSequenceOk {
        /// The session.
        sessionid: SessionId,
        /// As in the arguments.
        sequenceid: u32,
        /// As in the arguments.
        slotid: u32,
        /// The highest slot the client accepts.
        highest_slotid: u32,
        /// The highest slot the client wants used.
        target_highest_slotid: u32,
    }

    /// CB_WANTS_CANCELLED (RFC 8881 §20.10).
    #[derive(Copy)]
    pub struct CbWantsCancelledArgs {
        /// Those waiting for contention to end.
        contended: bool,
        /// Those waiting for resources.
        resourced: bool,
    }

    /// CB_NOTIFY_LOCK: try that lock again (RFC 8881 §20.11).
    pub struct CbNotifyLockArgs<'a> {
        /// The file.
        fh: &'a [u8] [limits::FHSIZE],
        /// Who wanted the lock.
        lock_owner: StateOwner<'a>,
    }

    /// `notify_deviceid_delete4`.
    #[derive(Copy)]
    pub struct NotifyDeviceIdDelete {
        /// Of which layout type.
        layout_type: LayoutType,
        /// The device.
        deviceid: DeviceId,
    }

    /// `notify_deviceid_change4`.
    #[derive(Copy)]
    pub struct NotifyDeviceIdChange {
        /// Of which layout type.
        layout_type: LayoutType,
        /// The device.
        deviceid: DeviceId,
        /// Whether it is no longer to be used as it was.
        immediate: bool,
    }

    /// CB_NOTIFY_DEVICEID (RFC 8881 §20.12).
    pub struct CbNotifyDeviceIdArgs<'a> {
        /// What changed.
        changes: Vec<Notify<'a>> [limits::NOTIFICATIONS],
    }

    /// CB_OFFLOAD: a copy ended (RFC 7862 §16.1).
    pub struct CbOffloadArgs<'a> {
        /// The file.
        fh: &'a [u8] [limits::FHSIZE],
        /// The copy.
        stateid: Stateid,
        /// How it ended.
        offload_info: OffloadInfo,
    }
}

op_table! {
    /// `nfs_cb_opnum4`.
    pub struct CbOpNum;
    /// `nfs_cb_argop4`: a callback operation with its arguments.
    pub enum CbOp;
    /// What a callback operation gives besides its status.
    pub enum CbOpBody special no_special;

    3 GETATTR = GetAttr(CbGetAttrArgs<'a>) -> CbGetAttrOk<'a>;
    4 RECALL = Recall(CbRecallArgs<'a>);
    5 LAYOUTRECALL = LayoutRecall(CbLayoutRecallArgs<'a>);
    6 NOTIFY = Notify(CbNotifyArgs<'a>);
    7 PUSH_DELEG = PushDeleg(CbPushDelegArgs<'a>);
    8 RECALL_ANY = RecallAny(CbRecallAnyArgs);
    9 RECALLABLE_OBJ_AVAIL = RecallableObjAvail(CbRecallableObjAvailArgs);
    10 RECALL_SLOT = RecallSlot(CbRecallSlotArgs);
    11 SEQUENCE = Sequence(CbSequenceArgs) -> CbSequenceOk;
    12 WANTS_CANCELLED = WantsCancelled(CbWantsCancelledArgs);
    13 NOTIFY_LOCK = NotifyLock(CbNotifyLockArgs<'a>);
    14 NOTIFY_DEVICEID = NotifyDeviceId(CbNotifyDeviceIdArgs<'a>);
    15 OFFLOAD = Offload(CbOffloadArgs<'a>);

    special {}
}

/// No callback operation has a body with a failure.
const fn no_special<'a>(
    _: CbOpNum,
    _: Status,
    _: &mut Reader<'a>,
) -> Result<Option<CbOpBody<'a>>, DecodeError> {
    Ok(None)
}

/// The arguments of a callback operation are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CbOpDecodeError {
    /// Which operation, to be named in the answer; [`CbOpNum::ILLEGAL`] when not even the number
    /// was there.
    pub num: CbOpNum,
    /// What is wrong.
    pub error: DecodeError,
}

impl core::fmt::Display for CbOpDecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CB_{:?}: {}", self.num, self.error)
    }
}

impl core::error::Error for CbOpDecodeError {}

/// `CB_COMPOUND4args`: the header, and a place in the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CbCompoundArgs<'a> {
    /// Echoed in the result.
    pub tag: &'a [u8],
    /// Minor version.
    pub minor: u32,
    /// Only 4.0 uses it.
    pub callback_ident: u32,
    /// How many operations the sender says there are, less those decoded.
    pub count: u32,
    /// The operations not decoded yet.
    pub ops: Reader<'a>,
}

impl<'a> CbCompoundArgs<'a> {
    /// Takes the header; `r` must end with the compound.
    pub fn decode(mut r: Reader<'a>) -> Result<Self, DecodeError> {
        let (tag, minor, callback_ident) = (r.opaque(limits::TAG)?, r.u32()?, r.u32()?);
        Ok(Self { tag, minor, callback_ident, count: r.u32()?, ops: r })
    }

    /// The next operation, or none after the last. After an error or [`CbOp::Illegal`] the place is
    /// lost.
    pub fn next_op(&mut self) -> Option<Result<CbOp<'a>, CbOpDecodeError>> {
        self.count = self.count.checked_sub(1)?;
        Some(next_op(&mut self.ops))
    }

    /// Writes a header and says where its operation count is, for [`Writer::patch_u32`].
    pub fn begin(w: &mut Writer, tag: &[u8], minor: u32, callback_ident: u32) -> usize {
        w.opaque(tag);
        w.u32(minor);
        w.u32(callback_ident);
        w.reserve_u32()
    }
}

fn next_op<'a>(r: &mut Reader<'a>) -> Result<CbOp<'a>, CbOpDecodeError> {
    let num =
        CbOpNum::decode(r).map_err(|error| CbOpDecodeError { num: CbOpNum::ILLEGAL, error })?;
    CbOp::decode(num, r).map_err(|error| CbOpDecodeError { num, error })
}

/// `CB_COMPOUND4res`: the header, and a place in the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CbCompoundRes<'a> {
    /// Of the last operation.
    pub status: Status,
    /// As in the arguments.
    pub tag: &'a [u8],
    /// How many results the sender says there are, less those decoded.
    pub count: u32,
    /// The results not decoded yet.
    pub results: Reader<'a>,
}

impl<'a> CbCompoundRes<'a> {
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
    pub fn next_result(&mut self) -> Option<Result<CbOpResult<'a>, DecodeError>> {
        self.count = self.count.checked_sub(1)?;
        Some(CbOpResult::decode(&mut self.results))
    }

    /// Writes a header with room for status and count.
    pub fn begin(w: &mut Writer, tag: &[u8]) -> CompoundResHeader {
        CompoundRes::begin(w, tag)
    }
}

/// `nfs_cb_resop4`: one callback operation's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CbOpResult<'a> {
    /// Which operation.
    pub num: CbOpNum,
    /// How it went.
    pub status: Status,
    /// What it gave.
    pub body: CbOpBody<'a>,
}

impl<'a> Decode<'a> for CbOpResult<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (num, status) = (CbOpNum::decode(r)?, Status::decode(r)?);
        Ok(Self { num, status, body: CbOpBody::decode(num, status, r)? })
    }
}

impl Encode for CbOpResult<'_> {
    fn encode(&self, w: &mut Writer) {
        self.num.encode(w);
        self.status.encode(w);
        self.body.encode(w);
    }
}
