//! One or more arguments of every operation.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::nfs4::v40::*;
use crate::nfs4::*;

pub(super) const STATEID: Stateid = Stateid { seqid: 7, other: *b"twelve bytes" };
pub(super) const VERIFIER: Verifier = Verifier(*b"verifier");
pub(super) const SESSION: SessionId = SessionId(*b"session id 16 by");
pub(super) const DEVICE: DeviceId = DeviceId(*b"device id sixtee");
pub(super) const TIME: Time = Time { sec: -5, nsec: 999_999_999 };
pub(super) const OWNER: StateOwner<'static> =
    StateOwner { clientid: ClientId(0x1122), owner: b"owner" };
pub(super) const MASK: Bitmap = Bitmap::of(&[attr::TYPE, attr::MODE, attr::OPEN_ARGUMENTS]);
pub(super) const FATTR: Fattr<'static> = Fattr {
    mask: Bitmap::of(&[attr::SIZE, attr::MODE]),
    values: &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 1, 0xa4],
};
pub(super) const BODY: LayoutBody<'static> =
    LayoutBody { layout_type: LayoutType::FLEX_FILES, body: b"flexible" };
pub(super) const ADDR: NetAddr<'static> = NetAddr { netid: b"tcp6", addr: b"::1.8.1" };
const OPS: StateProtectOps = StateProtectOps { must_enforce: MASK, must_allow: Bitmap::EMPTY };

pub(super) fn all() -> Vec<Op<'static>> {
    [
        handles(),
        attributes(),
        opens(),
        data(),
        locks_and_delegations(),
        clients(),
        sessions(),
        layouts(),
        copies(),
    ]
    .concat()
    .into_iter()
    .chain(v40())
    .collect()
}

fn handles() -> Vec<Op<'static>> {
    let create = |objtype| Op::Create(CreateArgs { objtype, objname: b"new", createattrs: FATTR });
    vec![
        Op::GetFh,
        Op::LookupP,
        Op::PutPubFh,
        Op::PutRootFh,
        Op::RestoreFh,
        Op::SaveFh,
        Op::ReadLink,
        Op::PutFh(PutFhArgs { object: &[9; 128] }),
        Op::Lookup(LookupArgs { objname: b"name" }),
        Op::Link(LinkArgs { newname: b"other" }),
        Op::Remove(RemoveArgs { target: b"" }),
        Op::Rename(RenameArgs { oldname: b"a", newname: b"bb" }),
        Op::SecInfo(SecInfoArgs { name: b"secret" }),
        Op::SecInfoNoName(SecInfoNoNameArgs { style: SecInfoStyle::PARENT }),
        create(CreateType::Link(b"target")),
        create(CreateType::Block(Specdata { major: 8, minor: 1 })),
        create(CreateType::Char(Specdata { major: 1, minor: 3 })),
        create(CreateType::Socket),
        create(CreateType::Fifo),
        create(CreateType::Directory),
        create(CreateType::Other(FileType::REG)),
    ]
}

fn attributes() -> Vec<Op<'static>> {
    vec![
        Op::Access(AccessArgs { access: Access::READ | Access::XALIST }),
        Op::GetAttr(GetAttrArgs { attr_request: MASK }),
        Op::SetAttr(SetAttrArgs { stateid: STATEID, obj_attributes: FATTR }),
        Op::Verify(VerifyArgs { obj_attributes: FATTR }),
        Op::NVerify(NVerifyArgs { obj_attributes: Fattr::EMPTY }),
        Op::OpenAttr(OpenAttrArgs { createdir: true }),
        Op::GetXattr(GetXattrArgs { name: b"key" }),
        Op::SetXattr(SetXattrArgs { option: SetXattrOption::CREATE, key: b"key", value: b"value" }),
        Op::ListXattrs(ListXattrsArgs { cookie: 3, maxcount: 4096 }),
        Op::RemoveXattr(RemoveXattrArgs { name: b"key" }),
    ]
}

fn opens() -> Vec<Op<'static>> {
    let open = |openhow, claim| {
        Op::Open(OpenArgs {
            seqid: 0,
            share_access: ShareAccess::READ | ShareAccess::WANT_READ_DELEG,
            share_deny: ShareDeny::NONE,
            owner: OWNER,
            openhow,
            claim,
        })
    };
    let both = CreateVerfAttr { verf: VERIFIER, attrs: FATTR };
    vec![
        open(OpenHow::NoCreate, OpenClaim::Null(b"file")),
        open(OpenHow::Create(CreateHow::Unchecked(FATTR)), OpenClaim::Fh),
        open(OpenHow::Create(CreateHow::Guarded(FATTR)), OpenClaim::DelegPrevFh),
        open(OpenHow::Create(CreateHow::Exclusive(VERIFIER)), OpenClaim::DelegCurFh(STATEID)),
        open(
            OpenHow::Create(CreateHow::Exclusive41(both)),
            OpenClaim::Previous(DelegationType::WRITE),
        ),
        open(
            OpenHow::NoCreate,
            OpenClaim::DelegateCur(ClaimDelegateCur { delegate_stateid: STATEID, file: b"file" }),
        ),
        open(OpenHow::NoCreate, OpenClaim::DelegatePrev(b"file")),
        Op::Close(CloseArgs { seqid: 1, open_stateid: STATEID }),
        Op::OpenDowngrade(OpenDowngradeArgs {
            open_stateid: STATEID,
            seqid: 2,
            share_access: ShareAccess::WRITE,
            share_deny: ShareDeny::BOTH,
        }),
    ]
}

fn data() -> Vec<Op<'static>> {
    let adb = AppDataBlock {
        offset: 1,
        block_size: 4096,
        block_count: 3,
        reloff_blocknum: u64::MAX,
        block_num: 5,
        reloff_pattern: 6,
        pattern: b"pattern",
    };
    vec![
        Op::Read(ReadArgs { stateid: STATEID, offset: 1 << 40, count: 1 << 20 }),
        Op::Write(WriteArgs {
            stateid: STATEID,
            offset: 5,
            stable: StableHow::DATA_SYNC,
            data: b"some data",
        }),
        Op::Commit(CommitArgs { offset: 3, count: 4 }),
        Op::ReadDir(ReadDirArgs {
            cookie: 3,
            cookieverf: VERIFIER,
            dircount: 512,
            maxcount: 8192,
            attr_request: MASK,
        }),
        Op::Allocate(AllocateArgs { stateid: STATEID, offset: 1, length: 2 }),
        Op::Deallocate(DeallocateArgs { stateid: STATEID, offset: 1, length: 2 }),
        Op::IoAdvise(IoAdviseArgs {
            stateid: STATEID,
            offset: 1,
            count: 2,
            hints: Bitmap::of(&[4]),
        }),
        Op::ReadPlus(ReadPlusArgs { stateid: STATEID, offset: 1, count: 2 }),
        Op::Seek(SeekArgs { stateid: STATEID, offset: 1, what: DataContent::HOLE }),
        Op::WriteSame(Box::new(WriteSameArgs {
            stateid: STATEID,
            stable: StableHow::UNSTABLE,
            adb,
        })),
    ]
}

fn locks_and_delegations() -> Vec<Op<'static>> {
    let lock = |locker| {
        Op::Lock(LockArgs {
            locktype: LockType::WRITEW,
            reclaim: false,
            offset: 1,
            length: u64::MAX,
            locker,
        })
    };
    let want =
        |claim| Op::WantDelegation(WantDelegationArgs { want: ShareAccess::WANT_ANY_DELEG, claim });
    vec![
        lock(Locker::New(OpenToLockOwner {
            open_seqid: 1,
            open_stateid: STATEID,
            lock_seqid: 2,
            lock_owner: OWNER,
        })),
        lock(Locker::Existing(ExistLockOwner { lock_stateid: STATEID, lock_seqid: 3 })),
        Op::LockT(LockTArgs { locktype: LockType::READ, offset: 1, length: 2, owner: OWNER }),
        Op::LockU(LockUArgs {
            locktype: LockType::READ,
            seqid: 4,
            lock_stateid: STATEID,
            offset: 1,
            length: 2,
        }),
        Op::DelegPurge(DelegPurgeArgs { clientid: ClientId(1) }),
        Op::DelegReturn(DelegReturnArgs { deleg_stateid: STATEID }),
        want(DelegClaim::Fh),
        want(DelegClaim::DelegPrevFh),
        want(DelegClaim::Previous(DelegationType::READ)),
        Op::GetDirDelegation(Box::new(GetDirDelegationArgs {
            signal_deleg_avail: true,
            notification_types: Bitmap::of(&[2, 3, 4]),
            child_attr_delay: TIME,
            dir_attr_delay: TIME,
            child_attributes: MASK,
            dir_attributes: Bitmap::EMPTY,
        })),
    ]
}

fn clients() -> Vec<Op<'static>> {
    let exchange = |state_protect, client_impl_id| {
        Op::ExchangeId(Box::new(ExchangeIdArgs {
            clientowner: ClientOwner { verifier: VERIFIER, ownerid: b"a client" },
            flags: ExchangeIdFlags::USE_NON_PNFS | ExchangeIdFlags::SUPP_MOVED_REFER,
            state_protect,
            client_impl_id,
        }))
    };
    let ssv = SsvParms {
        ops: OPS,
        hash_algs: vec![b"one", b"three"],
        encr_algs: vec![b"four"],
        window: 1,
        num_gss_handles: 2,
    };
    vec![
        exchange(StateProtectArgs::None, None),
        exchange(
            StateProtectArgs::MachCred(OPS),
            Some(ImplId { domain: b"d", name: b"n", date: TIME }),
        ),
        exchange(StateProtectArgs::Ssv(ssv), None),
        Op::DestroyClientId(DestroyClientIdArgs { clientid: ClientId(u64::MAX) }),
        Op::ReclaimComplete(ReclaimCompleteArgs { one_fs: false }),
        Op::FreeStateid(FreeStateidArgs { stateid: STATEID }),
        Op::TestStateid(TestStateidArgs { stateids: vec![STATEID, Stateid::CURRENT] }),
        Op::SetSsv(SetSsvArgs { ssv: b"ssv", digest: b"digest" }),
    ]
}

fn sessions() -> Vec<Op<'static>> {
    let fore =
        ChannelAttrs { maxrequestsize: 1 << 20, maxoperations: 16, ..ChannelAttrs::default() };
    let sec_parms = vec![
        CallbackSecParms::None,
        CallbackSecParms::Sys(AuthSysParms {
            stamp: 1,
            machinename: b"host",
            uid: 2,
            gid: 3,
            gids: vec![4, 5],
        }),
        CallbackSecParms::Gss(GssCbHandles {
            service: GssService::PRIVACY,
            handle_from_server: b"server",
            handle_from_client: b"client",
        }),
    ];
    vec![
        Op::CreateSession(Box::new(CreateSessionArgs {
            clientid: ClientId(1),
            sequence: 2,
            flags: CreateSessionFlags::CONN_BACK_CHAN,
            fore_chan_attrs: fore,
            back_chan_attrs: ChannelAttrs { rdma_ird: Some(4), ..fore },
            cb_program: 0x4000_0000,
            sec_parms: sec_parms.clone(),
        })),
        Op::BackchannelCtl(BackchannelCtlArgs { cb_program: 0x4000_0000, sec_parms }),
        Op::BindConnToSession(BindConnToSessionArgs {
            sessid: SESSION,
            dir: DirFromClient::FORE_OR_BOTH,
            use_conn_in_rdma_mode: false,
        }),
        Op::DestroySession(DestroySessionArgs { sessionid: SESSION }),
        Op::Sequence(SequenceArgs {
            sessionid: SESSION,
            sequenceid: 1,
            slotid: 2,
            highest_slotid: 3,
            cachethis: true,
        }),
    ]
}

fn layouts() -> Vec<Op<'static>> {
    let layout_return = |layoutreturn| {
        Op::LayoutReturn(Box::new(LayoutReturnArgs {
            reclaim: false,
            layout_type: LayoutType::SCSI,
            iomode: IoMode::ANY,
            layoutreturn,
        }))
    };
    vec![
        Op::GetDeviceInfo(GetDeviceInfoArgs {
            device_id: DEVICE,
            layout_type: LayoutType::NFSV4_1_FILES,
            maxcount: 1,
            notify_types: MASK,
        }),
        Op::GetDeviceList(GetDeviceListArgs {
            layout_type: LayoutType::OSD2_OBJECTS,
            maxdevices: 1,
            cookie: 2,
            cookieverf: VERIFIER,
        }),
        Op::LayoutCommit(Box::new(LayoutCommitArgs {
            offset: 1,
            length: 2,
            reclaim: false,
            stateid: STATEID,
            last_write_offset: Some(3),
            time_modify: Some(TIME),
            layoutupdate: BODY,
        })),
        Op::LayoutGet(Box::new(LayoutGetArgs {
            signal_layout_avail: false,
            layout_type: LayoutType::BLOCK_VOLUME,
            iomode: IoMode::RW,
            offset: 1,
            length: 2,
            minlength: 3,
            stateid: STATEID,
            maxcount: 4,
        })),
        layout_return(LayoutReturn::File(LayoutReturnFile {
            offset: 1,
            length: 2,
            stateid: STATEID,
            body: b"x",
        })),
        layout_return(LayoutReturn::Fsid),
        layout_return(LayoutReturn::All),
        layout_return(LayoutReturn::Other(LayoutScope(77))),
        Op::LayoutError(LayoutErrorArgs {
            offset: 1,
            length: 2,
            stateid: STATEID,
            errors: vec![DeviceError {
                deviceid: DEVICE,
                status: Status::NXIO,
                opnum: OpNum::WRITE,
            }],
        }),
        Op::LayoutStats(Box::new(LayoutStatsArgs {
            offset: 1,
            length: 2,
            stateid: STATEID,
            read: IoInfo { count: 3, bytes: 4 },
            write: IoInfo::default(),
            deviceid: DEVICE,
            layoutupdate: BODY,
        })),
    ]
}

fn copies() -> Vec<Op<'static>> {
    let source_server =
        vec![NetLoc::Name(b"host"), NetLoc::Url(b"nfs://host/"), NetLoc::NetAddr(ADDR)];
    vec![
        Op::Copy(Box::new(CopyArgs {
            src_stateid: STATEID,
            dst_stateid: STATEID,
            src_offset: 1,
            dst_offset: 2,
            count: 3,
            consecutive: true,
            synchronous: false,
            source_server,
        })),
        Op::CopyNotify(Box::new(CopyNotifyArgs {
            src_stateid: STATEID,
            destination_server: NetLoc::NetAddr(ADDR),
        })),
        Op::Clone(CloneArgs {
            src_stateid: STATEID,
            dst_stateid: Stateid::CURRENT,
            src_offset: 1,
            dst_offset: 2,
            count: 3,
        }),
        Op::OffloadCancel(OffloadCancelArgs { stateid: STATEID }),
        Op::OffloadStatus(OffloadStatusArgs { stateid: STATEID }),
    ]
}

fn v40() -> Vec<Op<'static>> {
    vec![
        Op::OpenConfirm(OpenConfirmArgs { open_stateid: STATEID, seqid: 1 }),
        Op::Renew(RenewArgs { clientid: ClientId(1) }),
        Op::SetClientId(Box::new(SetClientIdArgs {
            client: NfsClientId { verifier: VERIFIER, id: b"old client" },
            callback: CbClient { cb_program: 1, cb_location: ADDR },
            callback_ident: 2,
        })),
        Op::SetClientIdConfirm(SetClientIdConfirmArgs {
            clientid: ClientId(1),
            setclientid_confirm: VERIFIER,
        }),
        Op::ReleaseLockOwner(ReleaseLockOwnerArgs { lock_owner: OWNER }),
    ]
}
