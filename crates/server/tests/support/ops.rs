//! Operations as short calls.

use holdfast_proto::nfs4::{
    AttrValue, Bitmap, ClientId, ClientOwner, CloseArgs, CommitArgs, CreateArgs, CreateHow,
    CreateType, DestroyClientIdArgs, DestroySessionArgs, ExchangeIdArgs, ExchangeIdFlags,
    ExistLockOwner, Fattr, FreeStateidArgs, GetAttrArgs, GetXattrArgs, LinkArgs, ListXattrsArgs,
    LockArgs, LockTArgs, LockType, LockUArgs, Locker, LookupArgs, Op, OpNum, OpenArgs, OpenClaim,
    OpenDowngradeArgs, OpenHow, OpenToLockOwner, PutFhArgs, ReadArgs, ReadDirArgs,
    ReclaimCompleteArgs, RemoveArgs, RemoveXattrArgs, RenameArgs, SecInfoArgs, SessionId,
    SetAttrArgs, SetXattrArgs, SetXattrOption, ShareAccess, ShareDeny, StableHow, StateOwner,
    StateProtectArgs, Stateid, TestStateidArgs, Verifier, WriteArgs, encode_fattr,
};
use holdfast_proto::xdr::{Decode, Reader, Writer};

/// EXCHANGE_ID; `boot` tells one life of the client from the next.
pub(crate) fn exchange_id(owner: &[u8], boot: u8) -> Op<'_> {
    exchange_id_with(owner, boot, ExchangeIdFlags::empty())
}

pub(crate) fn exchange_id_with(owner: &[u8], boot: u8, flags: ExchangeIdFlags) -> Op<'_> {
    Op::ExchangeId(Box::new(ExchangeIdArgs {
        clientowner: ClientOwner { verifier: Verifier([boot; 8]), ownerid: owner },
        flags,
        state_protect: StateProtectArgs::None,
        client_impl_id: None,
    }))
}

pub(crate) const fn destroy_session(sessionid: SessionId) -> Op<'static> {
    Op::DestroySession(DestroySessionArgs { sessionid })
}

pub(crate) const fn destroy_clientid(clientid: ClientId) -> Op<'static> {
    Op::DestroyClientId(DestroyClientIdArgs { clientid })
}

pub(crate) const fn reclaim_complete() -> Op<'static> {
    Op::ReclaimComplete(ReclaimCompleteArgs { one_fs: false })
}

pub(crate) const fn put(fh: &[u8]) -> Op<'_> {
    Op::PutFh(PutFhArgs { object: fh })
}

pub(crate) const fn lookup(name: &[u8]) -> Op<'_> {
    Op::Lookup(LookupArgs { objname: name })
}

pub(crate) const fn remove(name: &[u8]) -> Op<'_> {
    Op::Remove(RemoveArgs { target: name })
}

pub(crate) const fn rename<'a>(oldname: &'a [u8], newname: &'a [u8]) -> Op<'a> {
    Op::Rename(RenameArgs { oldname, newname })
}

pub(crate) const fn link(name: &[u8]) -> Op<'_> {
    Op::Link(LinkArgs { newname: name })
}

pub(crate) const fn secinfo(name: &[u8]) -> Op<'_> {
    Op::SecInfo(SecInfoArgs { name })
}

pub(crate) const fn getattr(want: &Bitmap) -> Op<'static> {
    Op::GetAttr(GetAttrArgs { attr_request: *want })
}

pub(crate) const fn mkdir(name: &[u8]) -> Op<'_> {
    create_node(name, CreateType::Directory)
}

pub(crate) const fn create_node<'a>(name: &'a [u8], objtype: CreateType<'a>) -> Op<'a> {
    Op::Create(CreateArgs { objtype, objname: name, createattrs: Fattr::EMPTY })
}

pub(crate) const fn read(stateid: Stateid, offset: u64, count: u32) -> Op<'static> {
    Op::Read(ReadArgs { stateid, offset, count })
}

pub(crate) const fn write(stateid: Stateid, offset: u64, data: &[u8]) -> Op<'_> {
    Op::Write(WriteArgs { stateid, offset, stable: StableHow::UNSTABLE, data })
}

pub(crate) const fn commit(offset: u64, count: u32) -> Op<'static> {
    Op::Commit(CommitArgs { offset, count })
}

pub(crate) const fn getxattr(name: &[u8]) -> Op<'_> {
    Op::GetXattr(GetXattrArgs { name })
}

/// SETXATTR; `option` is 0 for either, 1 to create, 2 to replace.
pub(crate) const fn setxattr<'a>(key: &'a [u8], value: &'a [u8], option: u32) -> Op<'a> {
    Op::SetXattr(SetXattrArgs { option: SetXattrOption(option), key, value })
}

pub(crate) const fn listxattrs(cookie: u64, maxcount: u32) -> Op<'static> {
    Op::ListXattrs(ListXattrsArgs { cookie, maxcount })
}

pub(crate) const fn removexattr(name: &[u8]) -> Op<'_> {
    Op::RemoveXattr(RemoveXattrArgs { name })
}

pub(crate) const fn close(open_stateid: Stateid) -> Op<'static> {
    Op::Close(CloseArgs { seqid: 0, open_stateid })
}

pub(crate) const fn setattr(stateid: Stateid, attrs: Fattr<'_>) -> Op<'_> {
    Op::SetAttr(SetAttrArgs { stateid, obj_attributes: attrs })
}

pub(crate) const fn readdir(
    cookie: u64,
    dircount: u32,
    maxcount: u32,
    want: Bitmap,
) -> Op<'static> {
    let cookieverf = Verifier([0; 8]);
    Op::ReadDir(ReadDirArgs { cookie, cookieverf, dircount, maxcount, attr_request: want })
}

const fn open_args<'a>(
    owner: &'a [u8],
    access: u32,
    deny: u32,
    openhow: OpenHow<'a>,
    claim: OpenClaim<'a>,
) -> Op<'a> {
    Op::Open(OpenArgs {
        seqid: 0,
        share_access: ShareAccess(access),
        share_deny: ShareDeny(deny),
        owner: StateOwner { clientid: ClientId(0), owner },
        openhow,
        claim,
    })
}

/// OPEN of a name that exists.
pub(crate) const fn open<'a>(name: &'a [u8], owner: &'a [u8], access: u32, deny: u32) -> Op<'a> {
    open_args(owner, access, deny, OpenHow::NoCreate, OpenClaim::Null(name))
}

/// OPEN of the current file.
pub(crate) const fn open_fh(owner: &[u8], access: u32, deny: u32) -> Op<'_> {
    open_args(owner, access, deny, OpenHow::NoCreate, OpenClaim::Fh)
}

/// OPEN of a name that may exist.
pub(crate) const fn create<'a>(name: &'a [u8], owner: &'a [u8], access: u32, deny: u32) -> Op<'a> {
    create_how(name, owner, access, deny, CreateHow::Unchecked(Fattr::EMPTY))
}

pub(crate) const fn create_how<'a>(
    name: &'a [u8],
    owner: &'a [u8],
    access: u32,
    deny: u32,
    how: CreateHow<'a>,
) -> Op<'a> {
    open_args(owner, access, deny, OpenHow::Create(how), OpenClaim::Null(name))
}

pub(crate) const fn claim<'a>(owner: &'a [u8], access: u32, claim: OpenClaim<'a>) -> Op<'a> {
    open_args(owner, access, 0, OpenHow::NoCreate, claim)
}

pub(crate) const fn downgrade(open_stateid: Stateid, access: u32, deny: u32) -> Op<'static> {
    let (share_access, share_deny) = (ShareAccess(access), ShareDeny(deny));
    Op::OpenDowngrade(OpenDowngradeArgs { open_stateid, seqid: 0, share_access, share_deny })
}

/// Offset and length.
pub(crate) type Bytes = (u64, u64);

/// LOCK by an owner under an open.
pub(crate) const fn lock_new(
    open_stateid: Stateid,
    owner: &[u8],
    locktype: LockType,
    (offset, length): Bytes,
) -> Op<'_> {
    let lock_owner = StateOwner { clientid: ClientId(0), owner };
    let new = OpenToLockOwner { open_seqid: 0, open_stateid, lock_seqid: 0, lock_owner };
    let locker = Locker::New(new);
    Op::Lock(LockArgs { locktype, reclaim: false, offset, length, locker })
}

/// LOCK by an owner that has locks.
pub(crate) const fn lock_more(
    lock_stateid: Stateid,
    locktype: LockType,
    (offset, length): Bytes,
) -> Op<'static> {
    let locker = Locker::Existing(ExistLockOwner { lock_stateid, lock_seqid: 0 });
    Op::Lock(LockArgs { locktype, reclaim: false, offset, length, locker })
}

/// The same LOCK, of what was held before the server restarted.
pub(crate) fn reclaiming(lock: Op<'_>) -> Op<'_> {
    let Op::Lock(args) = lock else { panic!("only a LOCK is reclaimed so") };
    Op::Lock(LockArgs { reclaim: true, ..args })
}

pub(crate) const fn test_lock(owner: &[u8], locktype: LockType, (offset, length): Bytes) -> Op<'_> {
    let owner = StateOwner { clientid: ClientId(0), owner };
    Op::LockT(LockTArgs { locktype, offset, length, owner })
}

pub(crate) const fn unlock(lock_stateid: Stateid, (offset, length): Bytes) -> Op<'static> {
    let locktype = LockType::READ;
    Op::LockU(LockUArgs { locktype, seqid: 0, lock_stateid, offset, length })
}

pub(crate) fn test_stateids(stateids: &[Stateid]) -> Op<'static> {
    Op::TestStateid(TestStateidArgs { stateids: stateids.to_vec() })
}

pub(crate) const fn free_stateid(stateid: Stateid) -> Op<'static> {
    Op::FreeStateid(FreeStateidArgs { stateid })
}

/// Attribute values, encoded.
pub(crate) struct Attrs(Vec<u8>);

impl Attrs {
    pub(crate) fn new(values: &[AttrValue<'_>]) -> Self {
        let mut w = Writer::default();
        encode_fattr(&mut w, values);
        Self(w.into_inner())
    }

    pub(crate) fn fattr(&self) -> Fattr<'_> {
        Fattr::decode(&mut Reader::new(&self.0)).expect("it was just encoded")
    }
}

/// Some operation of this number, with arguments that decode.
pub(crate) fn any(num: OpNum) -> Op<'static> {
    const WORDS: usize = 64;
    let mut tries = vec![[0; WORDS]];
    for at in 0..8 {
        for value in [1, 3, 4] {
            let mut words = [0; WORDS];
            words[at] = value;
            tries.push(words);
        }
    }
    let decoded = tries.into_iter().find_map(|words: [u32; WORDS]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let bytes: &'static [u8] = bytes.leak();
        Op::decode(num, &mut Reader::new(bytes)).ok()
    });
    decoded.unwrap_or_else(|| panic!("{num:?} decodes from nearly nothing"))
}
