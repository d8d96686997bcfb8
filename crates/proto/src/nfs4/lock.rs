//! Byte-range locks: LOCK, LOCKT, LOCKU.

use super::stateid::Stateid;
use super::types::StateOwner;
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer, xdr_enum, xdr_struct};

xdr_enum! {
    /// `nfs_lock_type4`.
    pub struct LockType {
        /// Shared.
        READ = 1,
        /// Exclusive.
        WRITE = 2,
        /// Shared, and the client will wait.
        READW = 3,
        /// Exclusive, and the client will wait.
        WRITEW = 4,
    }
}

xdr_struct! {
    /// `open_to_lock_owner4`: the first lock of an owner.
    pub struct OpenToLockOwner<'a> {
        /// Only 4.0 uses it.
        open_seqid: u32,
        /// The open under which to lock.
        open_stateid: Stateid,
        /// Only 4.0 uses it.
        lock_seqid: u32,
        /// The new lock owner.
        lock_owner: StateOwner<'a>,
    }

    /// `exist_lock_owner4`: another lock of a known owner.
    #[derive(Copy)]
    pub struct ExistLockOwner {
        /// The owner's locks on this file.
        lock_stateid: Stateid,
        /// Only 4.0 uses it.
        lock_seqid: u32,
    }
}

/// `locker4`: who locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locker<'a> {
    /// An owner without locks on this file.
    New(OpenToLockOwner<'a>),
    /// An owner with some.
    Existing(ExistLockOwner),
}

impl Encode for Locker<'_> {
    fn encode(&self, w: &mut Writer) {
        w.bool(matches!(self, Self::New(_)));
        match self {
            Self::New(owner) => owner.encode(w),
            Self::Existing(owner) => owner.encode(w),
        }
    }
}

impl<'a> Decode<'a> for Locker<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if r.bool()? {
            OpenToLockOwner::decode(r).map(Self::New)
        } else {
            ExistLockOwner::decode(r).map(Self::Existing)
        }
    }
}

xdr_struct! {
    /// LOCK (RFC 8881 §18.10).
    pub struct LockArgs<'a> {
        /// Shared or exclusive.
        locktype: LockType,
        /// Whether the lock was held before the server restarted.
        reclaim: bool,
        /// First byte.
        offset: u64,
        /// Bytes; all ones means to the end of any file.
        length: u64,
        /// Who locks.
        locker: Locker<'a>,
    }

    /// LOCK's result.
    #[derive(Copy)]
    pub struct LockOk {
        /// The owner's locks on this file.
        lock_stateid: Stateid,
    }

    /// `LOCK4denied`: the lock in the way, with `NFS4ERR_DENIED`.
    pub struct LockDenied<'a> {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// Shared or exclusive.
        locktype: LockType,
        /// Who holds it.
        owner: StateOwner<'a>,
    }

    /// LOCKT: would LOCK succeed (RFC 8881 §18.11).
    pub struct LockTArgs<'a> {
        /// Shared or exclusive.
        locktype: LockType,
        /// First byte.
        offset: u64,
        /// Bytes; all ones means to the end of any file.
        length: u64,
        /// Who would lock.
        owner: StateOwner<'a>,
    }

    /// LOCKU: unlocks (RFC 8881 §18.12).
    #[derive(Copy)]
    pub struct LockUArgs {
        /// Ignored.
        locktype: LockType,
        /// Only 4.0 uses it.
        seqid: u32,
        /// The owner's locks on this file.
        lock_stateid: Stateid,
        /// First byte.
        offset: u64,
        /// Bytes; all ones means to the end of any file.
        length: u64,
    }

    /// LOCKU's result.
    #[derive(Copy)]
    pub struct LockUOk {
        /// The owner's remaining locks on this file.
        lock_stateid: Stateid,
    }
}
