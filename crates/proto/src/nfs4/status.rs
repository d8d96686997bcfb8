//! `nfsstat4`: what an operation answers (RFC 8881 §15.1, RFC 7862 §11, RFC 8276 §8.5).

use crate::xdr::xdr_enum;

xdr_enum! {
    /// The status of an operation: `NFS4_OK`, or the `NFS4ERR_` value of the same name.
    pub struct Status {
        /// The operation succeeded.
        OK = 0,
        /// The caller is not the owner or not privileged.
        PERM = 1,
        /// No such file or directory.
        NOENT = 2,
        /// A hard input or output error.
        IO = 5,
        /// No such device.
        NXIO = 6,
        /// Permission denied.
        ACCESS = 13,
        /// The object exists already.
        EXIST = 17,
        /// Source and target are on different file systems.
        XDEV = 18,
        /// Not a directory.
        NOTDIR = 20,
        /// A directory where none is allowed.
        ISDIR = 21,
        /// An argument is invalid.
        INVAL = 22,
        /// The file would exceed the server's maximum size.
        FBIG = 27,
        /// No space left on the file system.
        NOSPC = 28,
        /// The file system is read-only.
        ROFS = 30,
        /// Too many hard links.
        MLINK = 31,
        /// The name is too long.
        NAMETOOLONG = 63,
        /// The directory is not empty.
        NOTEMPTY = 66,
        /// The quota is used up.
        DQUOT = 69,
        /// The file of this handle no longer exists.
        STALE = 70,
        /// The file handle is malformed.
        BADHANDLE = 10001,
        /// The directory cookie means nothing here.
        BAD_COOKIE = 10003,
        /// The operation is not supported.
        NOTSUPP = 10004,
        /// The caller's limit is too small for any answer.
        TOOSMALL = 10005,
        /// The server failed in a way no other status tells.
        SERVERFAULT = 10006,
        /// CREATE cannot make an object of this type.
        BADTYPE = 10007,
        /// Not now; try again later.
        DELAY = 10008,
        /// NVERIFY found the attributes equal.
        SAME = 10009,
        /// Another lock is in the way.
        DENIED = 10010,
        /// The lease ran out and the state is gone.
        EXPIRED = 10011,
        /// A mandatory lock is in the way of I/O.
        LOCKED = 10012,
        /// The server is in its grace period.
        GRACE = 10013,
        /// A volatile file handle expired.
        FHEXPIRED = 10014,
        /// Another open's share reservation is in the way.
        SHARE_DENIED = 10015,
        /// This authentication flavor is not accepted here.
        WRONGSEC = 10016,
        /// Someone else uses this client id.
        CLID_INUSE = 10017,
        /// The server ran out of something; minor version 0 only.
        RESOURCE = 10018,
        /// The file system is elsewhere.
        MOVED = 10019,
        /// There is no current or saved file handle.
        NOFILEHANDLE = 10020,
        /// The minor version is not supported.
        MINOR_VERS_MISMATCH = 10021,
        /// The client id is unknown, perhaps from before a restart.
        STALE_CLIENTID = 10022,
        /// The state id is from before a restart; minor version 0 only.
        STALE_STATEID = 10023,
        /// The state id's sequence number is behind.
        OLD_STATEID = 10024,
        /// The state id names nothing usable here.
        BAD_STATEID = 10025,
        /// The owner's sequence number is wrong; minor version 0 only.
        BAD_SEQID = 10026,
        /// VERIFY found the attributes different, or a verifier does not match.
        NOT_SAME = 10027,
        /// The range overlaps the owner's locks in an unsupported way.
        LOCK_RANGE = 10028,
        /// The object is a symbolic link.
        SYMLINK = 10029,
        /// There is no saved file handle to restore; minor version 0 only.
        RESTOREFH = 10030,
        /// Some file system of the client moved; minor version 0 only.
        LEASE_MOVED = 10031,
        /// An attribute is not supported.
        ATTRNOTSUPP = 10032,
        /// It is too late to reclaim.
        NO_GRACE = 10033,
        /// The reclaim does not match what was held.
        RECLAIM_BAD = 10034,
        /// The reclaim conflicts with what others hold.
        RECLAIM_CONFLICT = 10035,
        /// The arguments could not be decoded.
        BADXDR = 10036,
        /// Byte-range locks are still held.
        LOCKS_HELD = 10037,
        /// The open does not allow this.
        OPENMODE = 10038,
        /// The owner's name could not be translated.
        BADOWNER = 10039,
        /// A name has a character that is not supported.
        BADCHAR = 10040,
        /// A name is not allowed.
        BADNAME = 10041,
        /// The range of the lock is not supported.
        BAD_RANGE = 10042,
        /// A lock cannot be upgraded or downgraded atomically.
        LOCK_NOTSUPP = 10043,
        /// There is no such operation.
        OP_ILLEGAL = 10044,
        /// Waiting for the lock would never end.
        DEADLOCK = 10045,
        /// The object is open, which is in the way.
        FILE_OPEN = 10046,
        /// An administrator took the state away.
        ADMIN_REVOKED = 10047,
        /// Callbacks do not get through.
        CB_PATH_DOWN = 10048,
        /// The layout I/O mode is not allowed.
        BADIOMODE = 10049,
        /// The layout is not valid.
        BADLAYOUT = 10050,
        /// The SSV digest is wrong.
        BAD_SESSION_DIGEST = 10051,
        /// No such session.
        BADSESSION = 10052,
        /// The slot is out of range.
        BADSLOT = 10053,
        /// Reclaim was completed before.
        COMPLETE_ALREADY = 10054,
        /// The connection is not bound to the session.
        CONN_NOT_BOUND_TO_SESSION = 10055,
        /// The want is registered already.
        DELEG_ALREADY_WANTED = 10056,
        /// Callbacks are still under way.
        BACK_CHAN_BUSY = 10057,
        /// No layout now, later perhaps.
        LAYOUTTRYLATER = 10058,
        /// No layout for this file.
        LAYOUTUNAVAILABLE = 10059,
        /// The client holds no such layout.
        NOMATCHING_LAYOUT = 10060,
        /// The layout conflicts with a recall.
        RECALLCONFLICT = 10061,
        /// The layout type is unknown.
        UNKNOWN_LAYOUTTYPE = 10062,
        /// The sequence id is neither the next nor a retry.
        SEQ_MISORDERED = 10063,
        /// SEQUENCE is not the first operation.
        SEQUENCE_POS = 10064,
        /// The request exceeds what the session allows.
        REQ_TOO_BIG = 10065,
        /// The reply would exceed what the session allows.
        REP_TOO_BIG = 10066,
        /// The reply would exceed what the session keeps for a retry.
        REP_TOO_BIG_TO_CACHE = 10067,
        /// A retry of a request whose reply was not kept.
        RETRY_UNCACHED_REP = 10068,
        /// The compound could not be recovered safely.
        UNSAFE_COMPOUND = 10069,
        /// The compound has more operations than the session allows.
        TOO_MANY_OPS = 10070,
        /// The operation must follow SEQUENCE.
        OP_NOT_IN_SESSION = 10071,
        /// None of the hash algorithms is supported.
        HASH_ALG_UNSUPP = 10072,
        /// The client still holds state.
        CLIENTID_BUSY = 10074,
        /// The data server has a hole here.
        PNFS_IO_HOLE = 10075,
        /// A retry differs from the original request.
        SEQ_FALSE_RETRY = 10076,
        /// The highest slot is out of range.
        BAD_HIGH_SLOT = 10077,
        /// The session is being torn down.
        DEADSESSION = 10078,
        /// None of the encryption algorithms is supported.
        ENCR_ALG_UNSUPP = 10079,
        /// The data server saw no layout for this I/O.
        PNFS_NO_LAYOUT = 10080,
        /// The operation must be alone in its compound.
        NOT_ONLY_OP = 10081,
        /// The credential is not the one that is required.
        WRONG_CRED = 10082,
        /// The object is of the wrong type.
        WRONG_TYPE = 10083,
        /// The directory delegation is not available.
        DIRDELEG_UNAVAIL = 10084,
        /// The client does not want the delegation.
        REJECT_DELEG = 10085,
        /// The layout is just being returned.
        RETURNCONFLICT = 10086,
        /// The delegation or layout was revoked.
        DELEG_REVOKED = 10087,
        /// Copying between servers is not supported.
        PARTNER_NOTSUPP = 10088,
        /// The other server may not copy.
        PARTNER_NO_AUTH = 10089,
        /// This arm of a union is not supported.
        UNION_NOTSUPP = 10090,
        /// The destination does not allow the copy.
        OFFLOAD_DENIED = 10091,
        /// The label's format is not supported.
        WRONG_LFS = 10092,
        /// The label is not valid.
        BADLABEL = 10093,
        /// The copy cannot be done the way it was asked for.
        OFFLOAD_NO_REQS = 10094,
        /// The file has no such extended attribute.
        NOXATTR = 10095,
        /// The extended attribute's value is too long.
        XATTR2BIG = 10096,
    }
}

impl Status {
    /// Whether the operation succeeded.
    pub const fn is_ok(self) -> bool {
        self.0 == Self::OK.0
    }
}
