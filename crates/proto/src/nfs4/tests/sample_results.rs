//! One or more results of every operation.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::sample_args::{
    ADDR, BODY, DEVICE, FATTR, MASK, OWNER, SESSION, STATEID, TIME, VERIFIER,
};
use crate::nfs4::v40::{OpenConfirmOk, SetClientIdOk};
use crate::nfs4::*;
use crate::xdr::{Decode, Reader, Writer};

const CHANGE: ChangeInfo = ChangeInfo { atomic: true, before: 1, after: 2 };
const ACE: Ace<'static> = Ace { kind: 0, flag: 0, access_mask: 1, who: b"EVERYONE@" };

pub(super) fn all() -> Vec<OpResult<'static>> {
    let ok = |(num, body)| OpResult { num, status: Status::OK, body };
    let bodies =
        [names(), xattrs(), opens(), data(), clients(), sessions(), layouts(), copies()].concat();
    bodies.into_iter().map(ok).chain(failures()).collect()
}

pub(super) fn directory() -> ReadDirOk<'static> {
    let mut w = Writer::new(Vec::new());
    dir::begin(&mut w, VERIFIER);
    for (cookie, name) in [(3, &b"a"[..]), (4, b"bcdef")] {
        dir::entry(&mut w, cookie, name, |w| {
            encode_fattr(w, &[AttrValue::Size(9), AttrValue::Mode(0o644)])
        });
    }
    dir::end(&mut w, true);
    ReadDirOk::decode(&mut Reader::new(w.into_inner().leak())).expect("just written")
}

fn names() -> Vec<(OpNum, OpBody<'static>)> {
    let flavors = vec![
        SecInfo::Gss(GssInfo { oid: b"krb5", qop: 0, service: GssService::INTEGRITY }),
        SecInfo::Flavor(AuthFlavor::SYS),
    ];
    vec![
        (
            OpNum::ACCESS,
            OpBody::Access(AccessOk { supported: Access::READ, access: Access::empty() }),
        ),
        (OpNum::GETATTR, OpBody::GetAttr(GetAttrOk { obj_attributes: FATTR })),
        (OpNum::GETFH, OpBody::GetFh(GetFhOk { object: b"handle" })),
        (OpNum::CREATE, OpBody::Create(CreateOk { cinfo: CHANGE, attrset: MASK })),
        (OpNum::LINK, OpBody::Link(LinkOk { cinfo: CHANGE })),
        (OpNum::READLINK, OpBody::ReadLink(ReadLinkOk { link: b"../there" })),
        (OpNum::REMOVE, OpBody::Remove(RemoveOk { cinfo: CHANGE })),
        (OpNum::RENAME, OpBody::Rename(RenameOk { source_cinfo: CHANGE, target_cinfo: CHANGE })),
        (OpNum::SECINFO, OpBody::SecInfo(SecInfoOk { flavors: flavors.clone() })),
        (OpNum::SECINFO_NO_NAME, OpBody::SecInfoNoName(SecInfoOk { flavors })),
        (OpNum::SETATTR, OpBody::SetAttr(SetAttrRes { attrsset: MASK })),
        (OpNum::READDIR, OpBody::ReadDir(directory())),
    ]
}

fn xattrs() -> Vec<(OpNum, OpBody<'static>)> {
    vec![
        (OpNum::GETXATTR, OpBody::GetXattr(GetXattrOk { value: b"value" })),
        (OpNum::SETXATTR, OpBody::SetXattr(SetXattrOk { info: CHANGE })),
        (
            OpNum::LISTXATTRS,
            OpBody::ListXattrs(ListXattrsOk { cookie: 1, names: vec![b"a", b"b"], eof: true }),
        ),
        (OpNum::REMOVEXATTR, OpBody::RemoveXattr(RemoveXattrOk { info: CHANGE })),
    ]
}

pub(super) fn delegations() -> Vec<OpenDelegation<'static>> {
    let read = ReadDelegation { stateid: STATEID, recall: false, permissions: ACE };
    let write = |space_limit| WriteDelegation {
        stateid: STATEID,
        recall: true,
        space_limit,
        permissions: ACE,
    };
    let blocks = SpaceLimit::Blocks(ModifiedLimit { num_blocks: 1, bytes_per_block: 2 });
    vec![
        OpenDelegation::None,
        OpenDelegation::Read(read.clone()),
        OpenDelegation::Write(write(SpaceLimit::Size(1))),
        OpenDelegation::NoneExt(NoDelegation::Contention(true)),
        OpenDelegation::NoneExt(NoDelegation::Resource(false)),
        OpenDelegation::NoneExt(NoDelegation::Why(WhyNoDelegation::NOT_WANTED)),
        OpenDelegation::ReadAttrs(read),
        OpenDelegation::WriteAttrs(write(blocks)),
    ]
}

fn opens() -> Vec<(OpNum, OpBody<'static>)> {
    let open = |delegation| {
        let rflags = OpenResultFlags::LOCKTYPE_POSIX;
        (
            OpNum::OPEN,
            OpBody::Open(OpenOk {
                stateid: STATEID,
                cinfo: CHANGE,
                rflags,
                attrset: MASK,
                delegation,
            }),
        )
    };
    let want = |delegation| {
        (OpNum::WANT_DELEGATION, OpBody::WantDelegation(WantDelegationOk { delegation }))
    };
    let dir = |granted| (OpNum::GET_DIR_DELEGATION, OpBody::GetDirDelegation(Box::new(granted)));
    let mut all = vec![
        (OpNum::CLOSE, OpBody::Close(CloseOk { open_stateid: STATEID })),
        (OpNum::OPEN_DOWNGRADE, OpBody::OpenDowngrade(OpenDowngradeOk { open_stateid: STATEID })),
        (OpNum::OPEN_CONFIRM, OpBody::OpenConfirm(OpenConfirmOk { open_stateid: STATEID })),
        (OpNum::LOCK, OpBody::Lock(LockOk { lock_stateid: STATEID })),
        (OpNum::LOCKU, OpBody::LockU(LockUOk { lock_stateid: STATEID })),
        dir(GetDirDelegationOk::Unavailable(true)),
        dir(GetDirDelegationOk::Granted(DirDelegation {
            cookieverf: VERIFIER,
            stateid: STATEID,
            notification: MASK,
            child_attributes: MASK,
            dir_attributes: Bitmap::EMPTY,
        })),
    ];
    all.extend(delegations().into_iter().map(open));
    all.extend(delegations().into_iter().map(want));
    all
}

fn data() -> Vec<(OpNum, OpBody<'static>)> {
    vec![
        (OpNum::READ, OpBody::Read(ReadOk { eof: true, data: b"odd" })),
        (
            OpNum::WRITE,
            OpBody::Write(WriteOk {
                count: 3,
                committed: StableHow::FILE_SYNC,
                writeverf: VERIFIER,
            }),
        ),
        (OpNum::COMMIT, OpBody::Commit(CommitOk { writeverf: VERIFIER })),
        (OpNum::IO_ADVISE, OpBody::IoAdvise(IoAdviseOk { hints: Bitmap::of(&[1]) })),
        (
            OpNum::READ_PLUS,
            OpBody::ReadPlus(ReadPlusOk {
                eof: false,
                contents: vec![
                    ReadPlusContent::Data(ReadPlusData { offset: 0, data: b"data" }),
                    ReadPlusContent::Hole(ReadPlusHole { offset: 4, length: 5 }),
                ],
            }),
        ),
        (OpNum::SEEK, OpBody::Seek(SeekOk { eof: false, offset: 9 })),
    ]
}

fn clients() -> Vec<(OpNum, OpBody<'static>)> {
    let ops = StateProtectOps { must_enforce: MASK, must_allow: Bitmap::EMPTY };
    let exchange = |state_protect| {
        let body = ExchangeIdOk {
            clientid: ClientId(1),
            sequenceid: 2,
            flags: ExchangeIdFlags::CONFIRMED_R,
            state_protect,
            server_owner: ServerOwner { minor_id: 3, major_id: b"server" },
            server_scope: b"scope",
            server_impl_id: Some(ImplId { domain: b"d", name: b"n", date: TIME }),
        };
        (OpNum::EXCHANGE_ID, OpBody::ExchangeId(Box::new(body)))
    };
    let ssv = SsvProtInfo {
        ops,
        hash_alg: 1,
        encr_alg: 2,
        ssv_len: 3,
        window: 4,
        handles: vec![b"handle"],
    };
    vec![
        exchange(StateProtectRes::None),
        exchange(StateProtectRes::MachCred(ops)),
        exchange(StateProtectRes::Ssv(ssv)),
    ]
}

fn sessions() -> Vec<(OpNum, OpBody<'static>)> {
    let session = CreateSessionOk {
        sessionid: SESSION,
        sequence: 1,
        flags: CreateSessionFlags::PERSIST,
        fore_chan_attrs: ChannelAttrs::default(),
        back_chan_attrs: ChannelAttrs { rdma_ird: Some(1), ..ChannelAttrs::default() },
    };
    let bound = BindConnToSessionOk {
        sessid: SESSION,
        dir: DirFromServer::BOTH,
        use_conn_in_rdma_mode: false,
    };
    let sequence = SequenceOk {
        sessionid: SESSION,
        sequenceid: 1,
        slotid: 2,
        highest_slotid: 3,
        target_highest_slotid: 4,
        status_flags: SequenceStatus::CB_PATH_DOWN | SequenceStatus::LEASE_MOVED,
    };
    vec![
        (OpNum::CREATE_SESSION, OpBody::CreateSession(Box::new(session))),
        (OpNum::BIND_CONN_TO_SESSION, OpBody::BindConnToSession(bound)),
        (OpNum::SEQUENCE, OpBody::Sequence(sequence)),
        (OpNum::SET_SSV, OpBody::SetSsv(SetSsvOk { digest: b"digest" })),
        (
            OpNum::TEST_STATEID,
            OpBody::TestStateid(TestStateidOk {
                status_codes: vec![Status::OK, Status::BAD_STATEID],
            }),
        ),
        (
            OpNum::SETCLIENTID,
            OpBody::SetClientId(SetClientIdOk {
                clientid: ClientId(1),
                setclientid_confirm: VERIFIER,
            }),
        ),
    ]
}

fn layouts() -> Vec<(OpNum, OpBody<'static>)> {
    let layout = Layout { offset: 1, length: 2, iomode: IoMode::READ, content: BODY };
    vec![
        (
            OpNum::GETDEVICEINFO,
            OpBody::GetDeviceInfo(GetDeviceInfoOk { device_addr: BODY, notification: MASK }),
        ),
        (
            OpNum::GETDEVICELIST,
            OpBody::GetDeviceList(GetDeviceListOk {
                cookie: 1,
                cookieverf: VERIFIER,
                deviceid_list: vec![DEVICE, DEVICE],
                eof: true,
            }),
        ),
        (OpNum::LAYOUTCOMMIT, OpBody::LayoutCommit(LayoutCommitOk { newsize: Some(1) })),
        (
            OpNum::LAYOUTGET,
            OpBody::LayoutGet(LayoutGetOk {
                return_on_close: true,
                stateid: STATEID,
                layout: vec![layout],
            }),
        ),
        (OpNum::LAYOUTRETURN, OpBody::LayoutReturn(LayoutReturnOk { stateid: Some(STATEID) })),
        (OpNum::LAYOUTRETURN, OpBody::LayoutReturn(LayoutReturnOk { stateid: None })),
    ]
}

fn copies() -> Vec<(OpNum, OpBody<'static>)> {
    let response = WriteResponse {
        callback_id: Some(STATEID),
        count: 1,
        committed: StableHow::UNSTABLE,
        writeverf: VERIFIER,
    };
    let requirements = CopyRequirements { consecutive: true, synchronous: false };
    vec![
        (OpNum::COPY, OpBody::Copy(CopyOk { response: response.clone(), requirements })),
        (
            OpNum::COPY_NOTIFY,
            OpBody::CopyNotify(CopyNotifyOk {
                lease_time: TIME,
                stateid: STATEID,
                source_server: vec![NetLoc::NetAddr(ADDR)],
            }),
        ),
        (
            OpNum::OFFLOAD_STATUS,
            OpBody::OffloadStatus(OffloadStatusOk { count: 1, complete: None }),
        ),
        (
            OpNum::OFFLOAD_STATUS,
            OpBody::OffloadStatus(OffloadStatusOk { count: 1, complete: Some(Status::NOSPC) }),
        ),
        (OpNum::WRITE_SAME, OpBody::WriteSame(WriteSameOk { response })),
    ]
}

fn failures() -> Vec<OpResult<'static>> {
    let denied = LockDenied { offset: 1, length: 2, locktype: LockType::READ, owner: OWNER };
    let with = |num, status, body| OpResult { num, status, body };
    let mut all = vec![
        with(OpNum::LOCK, Status::DENIED, OpBody::LockDenied(denied.clone())),
        with(OpNum::LOCKT, Status::DENIED, OpBody::LockDenied(denied)),
        with(OpNum::LOCK, Status::GRACE, OpBody::Void),
        with(OpNum::SETATTR, Status::PERM, OpBody::SetAttr(SetAttrRes { attrsset: Bitmap::EMPTY })),
        with(OpNum::LAYOUTGET, Status::LAYOUTTRYLATER, OpBody::LayoutTryLater(true)),
        with(OpNum::GETDEVICEINFO, Status::TOOSMALL, OpBody::DeviceInfoTooSmall(77)),
        with(
            OpNum::COPY,
            Status::OFFLOAD_NO_REQS,
            OpBody::CopyNoReqs(CopyRequirements { consecutive: false, synchronous: true }),
        ),
        with(OpNum::SETCLIENTID, Status::CLID_INUSE, OpBody::ClientIdInUse(ADDR)),
        with(OpNum::ILLEGAL, Status::OP_ILLEGAL, OpBody::Void),
        with(OpNum::PUTFH, Status::OK, OpBody::Void),
    ];
    let plain = OpNum::KNOWN.iter().filter(|num| **num != OpNum::SETATTR);
    all.extend(plain.map(|num| with(*num, Status::SERVERFAULT, OpBody::Void)));
    all
}
