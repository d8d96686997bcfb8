//! One or more arguments and results of every callback operation.

use alloc::vec;
use alloc::vec::Vec;

use super::sample_args::{DEVICE, FATTR, MASK, OWNER, SESSION, STATEID, VERIFIER};
use super::sample_results;
use crate::nfs4::callback::*;
use crate::nfs4::*;

pub(super) fn args() -> Vec<CbOp<'static>> {
    let push = |delegation| CbOp::PushDeleg(CbPushDelegArgs { fh: b"fh", delegation });
    [
        recalls(),
        notifications(),
        sample_results::delegations().into_iter().map(push).collect(),
        offloads(),
    ]
    .concat()
}

pub(super) fn results() -> Vec<CbOpResult<'static>> {
    let sequence = CbSequenceOk {
        sessionid: SESSION,
        sequenceid: 1,
        slotid: 2,
        highest_slotid: 3,
        target_highest_slotid: 4,
    };
    let with = |num, status, body| CbOpResult { num, status, body };
    let mut all = vec![
        with(
            CbOpNum::GETATTR,
            Status::OK,
            CbOpBody::GetAttr(CbGetAttrOk { obj_attributes: FATTR }),
        ),
        with(CbOpNum::SEQUENCE, Status::OK, CbOpBody::Sequence(sequence)),
        with(CbOpNum::RECALL, Status::OK, CbOpBody::Void),
    ];
    all.extend(CbOpNum::KNOWN.iter().map(|num| with(*num, Status::DELAY, CbOpBody::Void)));
    all
}

fn recalls() -> Vec<CbOp<'static>> {
    let layout_recall = |recall| {
        CbOp::LayoutRecall(CbLayoutRecallArgs {
            layout_type: LayoutType::NFSV4_1_FILES,
            iomode: IoMode::ANY,
            changed: true,
            recall,
        })
    };
    let file = LayoutRecallFile { fh: b"fh", offset: 1, length: 2, stateid: STATEID };
    let calls = vec![
        ReferringCall { sequenceid: 1, slotid: 2 },
        ReferringCall { sequenceid: 3, slotid: 4 },
    ];
    vec![
        CbOp::GetAttr(CbGetAttrArgs { fh: b"fh", attr_request: MASK }),
        CbOp::Recall(CbRecallArgs { stateid: STATEID, truncate: false, fh: b"fh" }),
        layout_recall(LayoutRecall::File(file)),
        layout_recall(LayoutRecall::Fsid(Fsid { major: 1, minor: 2 })),
        layout_recall(LayoutRecall::All),
        CbOp::RecallAny(CbRecallAnyArgs { objects_to_keep: 1, type_mask: Bitmap::of(&[0, 1]) }),
        CbOp::RecallableObjAvail(CbRecallableObjAvailArgs { objects_to_keep: 1, type_mask: MASK }),
        CbOp::RecallSlot(CbRecallSlotArgs { target_highest_slotid: 3 }),
        CbOp::Sequence(CbSequenceArgs {
            sessionid: SESSION,
            sequenceid: 1,
            slotid: 0,
            highest_slotid: 0,
            cachethis: false,
            referring_call_lists: vec![ReferringCallList {
                sessionid: SESSION,
                referring_calls: calls,
            }],
        }),
    ]
}

fn notifications() -> Vec<CbOp<'static>> {
    let changes = vec![Notify { mask: Bitmap::of(&[2]), values: b"encoded" }];
    vec![
        CbOp::Notify(CbNotifyArgs { stateid: STATEID, fh: b"dir", changes: changes.clone() }),
        CbOp::NotifyDeviceId(CbNotifyDeviceIdArgs { changes }),
        CbOp::NotifyLock(CbNotifyLockArgs { fh: b"fh", lock_owner: OWNER }),
        CbOp::WantsCancelled(CbWantsCancelledArgs { contended: true, resourced: false }),
    ]
}

fn offloads() -> Vec<CbOp<'static>> {
    let offload =
        |offload_info| CbOp::Offload(CbOffloadArgs { fh: b"fh", stateid: STATEID, offload_info });
    vec![
        offload(OffloadInfo::Failed { status: Status::NOSPC, bytes_copied: 3 }),
        offload(OffloadInfo::Done(WriteResponse {
            callback_id: None,
            count: 1,
            committed: StableHow::FILE_SYNC,
            writeverf: VERIFIER,
        })),
    ]
}

/// The values inside notifications, which no operation decodes by itself.
pub(super) fn rename() -> NotifyRename<'static> {
    let entry = NotifyEntry { file: b"name", attrs: FATTR };
    let removed = NotifyRemove { entry, cookie: 1 };
    let add = NotifyAdd {
        old_entry: Some(removed),
        new_entry: entry,
        new_entry_cookie: Some(2),
        prev_entry: Some(PrevEntry { entry, cookie: 3 }),
        last_entry: true,
    };
    NotifyRename { old_entry: removed, new_entry: add }
}

pub(super) fn device_change() -> NotifyDeviceIdChange {
    NotifyDeviceIdChange { layout_type: LayoutType::SCSI, deviceid: DEVICE, immediate: true }
}
