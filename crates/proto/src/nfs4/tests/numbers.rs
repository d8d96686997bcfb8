//! Every number of the protocol, spelled out a second time from the RFCs' XDR text. Sorted by
//! value.

use alloc::vec::Vec;

use crate::nfs4::*;

fn sorted(mut table: Vec<(&str, u32)>) -> Vec<(&str, u32)> {
    table.sort_by_key(|&(name, value)| (value, name));
    table
}

macro_rules! same {
    (enum $($ty:ident)::+, $literal:expr) => {
        let named = |value: &$($ty)::+| (value.name().expect("a known value has a name"), value.0);
        let known = $($ty)::+::KNOWN.iter().map(named);
        assert_eq!(sorted(known.collect()), $literal, stringify!($($ty)::+));
    };
    (flags $ty:ident, $literal:expr) => {
        let known = $ty::KNOWN.iter().map(|(name, bits)| (*name, bits.0));
        assert_eq!(sorted(known.collect()), $literal, stringify!($ty));
    };
    (consts $module:ident, $literal:expr) => {
        assert_eq!(sorted($module::KNOWN.to_vec()), $literal, stringify!($module));
    };
}

#[test]
fn status() {
    same!(enum Status, [
        ("OK", 0), ("PERM", 1), ("NOENT", 2), ("IO", 5), ("NXIO", 6), ("ACCESS", 13), ("EXIST", 17),
        ("XDEV", 18), ("NOTDIR", 20), ("ISDIR", 21), ("INVAL", 22), ("FBIG", 27), ("NOSPC", 28),
        ("ROFS", 30), ("MLINK", 31), ("NAMETOOLONG", 63), ("NOTEMPTY", 66), ("DQUOT", 69),
        ("STALE", 70), ("BADHANDLE", 10_001), ("BAD_COOKIE", 10_003), ("NOTSUPP", 10_004),
        ("TOOSMALL", 10_005), ("SERVERFAULT", 10_006), ("BADTYPE", 10_007), ("DELAY", 10_008),
        ("SAME", 10_009), ("DENIED", 10_010), ("EXPIRED", 10_011), ("LOCKED", 10_012),
        ("GRACE", 10_013), ("FHEXPIRED", 10_014), ("SHARE_DENIED", 10_015), ("WRONGSEC", 10_016),
        ("CLID_INUSE", 10_017), ("RESOURCE", 10_018), ("MOVED", 10_019), ("NOFILEHANDLE", 10_020),
        ("MINOR_VERS_MISMATCH", 10_021), ("STALE_CLIENTID", 10_022), ("STALE_STATEID", 10_023),
        ("OLD_STATEID", 10_024), ("BAD_STATEID", 10_025), ("BAD_SEQID", 10_026),
        ("NOT_SAME", 10_027), ("LOCK_RANGE", 10_028), ("SYMLINK", 10_029), ("RESTOREFH", 10_030),
        ("LEASE_MOVED", 10_031), ("ATTRNOTSUPP", 10_032), ("NO_GRACE", 10_033),
        ("RECLAIM_BAD", 10_034), ("RECLAIM_CONFLICT", 10_035), ("BADXDR", 10_036),
        ("LOCKS_HELD", 10_037), ("OPENMODE", 10_038), ("BADOWNER", 10_039), ("BADCHAR", 10_040),
        ("BADNAME", 10_041), ("BAD_RANGE", 10_042), ("LOCK_NOTSUPP", 10_043),
        ("OP_ILLEGAL", 10_044), ("DEADLOCK", 10_045), ("FILE_OPEN", 10_046),
        ("ADMIN_REVOKED", 10_047), ("CB_PATH_DOWN", 10_048), ("BADIOMODE", 10_049),
        ("BADLAYOUT", 10_050), ("BAD_SESSION_DIGEST", 10_051), ("BADSESSION", 10_052),
        ("BADSLOT", 10_053), ("COMPLETE_ALREADY", 10_054), ("CONN_NOT_BOUND_TO_SESSION", 10_055),
        ("DELEG_ALREADY_WANTED", 10_056), ("BACK_CHAN_BUSY", 10_057), ("LAYOUTTRYLATER", 10_058),
        ("LAYOUTUNAVAILABLE", 10_059), ("NOMATCHING_LAYOUT", 10_060), ("RECALLCONFLICT", 10_061),
        ("UNKNOWN_LAYOUTTYPE", 10_062), ("SEQ_MISORDERED", 10_063), ("SEQUENCE_POS", 10_064),
        ("REQ_TOO_BIG", 10_065), ("REP_TOO_BIG", 10_066), ("REP_TOO_BIG_TO_CACHE", 10_067),
        ("RETRY_UNCACHED_REP", 10_068), ("UNSAFE_COMPOUND", 10_069), ("TOO_MANY_OPS", 10_070),
        ("OP_NOT_IN_SESSION", 10_071), ("HASH_ALG_UNSUPP", 10_072), ("CLIENTID_BUSY", 10_074),
        ("PNFS_IO_HOLE", 10_075), ("SEQ_FALSE_RETRY", 10_076), ("BAD_HIGH_SLOT", 10_077),
        ("DEADSESSION", 10_078), ("ENCR_ALG_UNSUPP", 10_079), ("PNFS_NO_LAYOUT", 10_080),
        ("NOT_ONLY_OP", 10_081), ("WRONG_CRED", 10_082), ("WRONG_TYPE", 10_083),
        ("DIRDELEG_UNAVAIL", 10_084), ("REJECT_DELEG", 10_085), ("RETURNCONFLICT", 10_086),
        ("DELEG_REVOKED", 10_087), ("PARTNER_NOTSUPP", 10_088), ("PARTNER_NO_AUTH", 10_089),
        ("UNION_NOTSUPP", 10_090), ("OFFLOAD_DENIED", 10_091), ("WRONG_LFS", 10_092),
        ("BADLABEL", 10_093), ("OFFLOAD_NO_REQS", 10_094), ("NOXATTR", 10_095),
        ("XATTR2BIG", 10_096),
    ]);
}

#[test]
fn op_num() {
    same!(enum OpNum, [
        ("ACCESS", 3), ("CLOSE", 4), ("COMMIT", 5), ("CREATE", 6), ("DELEGPURGE", 7),
        ("DELEGRETURN", 8), ("GETATTR", 9), ("GETFH", 10), ("LINK", 11), ("LOCK", 12),
        ("LOCKT", 13), ("LOCKU", 14), ("LOOKUP", 15), ("LOOKUPP", 16), ("NVERIFY", 17),
        ("OPEN", 18), ("OPENATTR", 19), ("OPEN_CONFIRM", 20), ("OPEN_DOWNGRADE", 21), ("PUTFH", 22),
        ("PUTPUBFH", 23), ("PUTROOTFH", 24), ("READ", 25), ("READDIR", 26), ("READLINK", 27),
        ("REMOVE", 28), ("RENAME", 29), ("RENEW", 30), ("RESTOREFH", 31), ("SAVEFH", 32),
        ("SECINFO", 33), ("SETATTR", 34), ("SETCLIENTID", 35), ("SETCLIENTID_CONFIRM", 36),
        ("VERIFY", 37), ("WRITE", 38), ("RELEASE_LOCKOWNER", 39), ("BACKCHANNEL_CTL", 40),
        ("BIND_CONN_TO_SESSION", 41), ("EXCHANGE_ID", 42), ("CREATE_SESSION", 43),
        ("DESTROY_SESSION", 44), ("FREE_STATEID", 45), ("GET_DIR_DELEGATION", 46),
        ("GETDEVICEINFO", 47), ("GETDEVICELIST", 48), ("LAYOUTCOMMIT", 49), ("LAYOUTGET", 50),
        ("LAYOUTRETURN", 51), ("SECINFO_NO_NAME", 52), ("SEQUENCE", 53), ("SET_SSV", 54),
        ("TEST_STATEID", 55), ("WANT_DELEGATION", 56), ("DESTROY_CLIENTID", 57),
        ("RECLAIM_COMPLETE", 58), ("ALLOCATE", 59), ("COPY", 60), ("COPY_NOTIFY", 61),
        ("DEALLOCATE", 62), ("IO_ADVISE", 63), ("LAYOUTERROR", 64), ("LAYOUTSTATS", 65),
        ("OFFLOAD_CANCEL", 66), ("OFFLOAD_STATUS", 67), ("READ_PLUS", 68), ("SEEK", 69),
        ("WRITE_SAME", 70), ("CLONE", 71), ("GETXATTR", 72), ("SETXATTR", 73), ("LISTXATTRS", 74),
        ("REMOVEXATTR", 75), ("ILLEGAL", 10_044),
    ]);
}

#[test]
fn cb_op_num() {
    same!(enum CbOpNum, [
        ("GETATTR", 3), ("RECALL", 4), ("LAYOUTRECALL", 5), ("NOTIFY", 6), ("PUSH_DELEG", 7),
        ("RECALL_ANY", 8), ("RECALLABLE_OBJ_AVAIL", 9), ("RECALL_SLOT", 10), ("SEQUENCE", 11),
        ("WANTS_CANCELLED", 12), ("NOTIFY_LOCK", 13), ("NOTIFY_DEVICEID", 14), ("OFFLOAD", 15),
        ("ILLEGAL", 10_044),
    ]);
}

#[test]
fn file_type() {
    same!(enum FileType, [
        ("REG", 1), ("DIR", 2), ("BLK", 3), ("CHR", 4), ("LNK", 5), ("SOCK", 6), ("FIFO", 7),
        ("ATTRDIR", 8), ("NAMEDATTR", 9),
    ]);
}

#[test]
fn time_how() {
    same!(enum TimeHow, [
        ("SET_TO_SERVER_TIME", 0), ("SET_TO_CLIENT_TIME", 1),
    ]);
}

#[test]
fn stable_how() {
    same!(enum StableHow, [
        ("UNSTABLE", 0), ("DATA_SYNC", 1), ("FILE_SYNC", 2),
    ]);
}

#[test]
fn net_loc_type() {
    same!(enum NetLocType, [
        ("NAME", 1), ("URL", 2), ("NETADDR", 3),
    ]);
}

#[test]
fn gss_service() {
    same!(enum GssService, [
        ("NONE", 1), ("INTEGRITY", 2), ("PRIVACY", 3),
    ]);
}

#[test]
fn lock_type() {
    same!(enum LockType, [
        ("READ", 1), ("WRITE", 2), ("READW", 3), ("WRITEW", 4),
    ]);
}

#[test]
fn create_mode() {
    same!(enum CreateMode, [
        ("UNCHECKED", 0), ("GUARDED", 1), ("EXCLUSIVE", 2), ("EXCLUSIVE4_1", 3),
    ]);
}

#[test]
fn open_type() {
    same!(enum OpenType, [
        ("NOCREATE", 0), ("CREATE", 1),
    ]);
}

#[test]
fn claim_type() {
    same!(enum ClaimType, [
        ("NULL", 0), ("PREVIOUS", 1), ("DELEGATE_CUR", 2), ("DELEGATE_PREV", 3), ("FH", 4),
        ("DELEG_CUR_FH", 5), ("DELEG_PREV_FH", 6),
    ]);
}

#[test]
fn delegation_type() {
    same!(enum DelegationType, [
        ("NONE", 0), ("READ", 1), ("WRITE", 2), ("NONE_EXT", 3), ("READ_ATTRS_DELEG", 4),
        ("WRITE_ATTRS_DELEG", 5),
    ]);
}

#[test]
fn limit_by() {
    same!(enum LimitBy, [
        ("SIZE", 1), ("BLOCKS", 2),
    ]);
}

#[test]
fn why_no_delegation() {
    same!(enum WhyNoDelegation, [
        ("NOT_WANTED", 0), ("CONTENTION", 1), ("RESOURCE", 2), ("NOT_SUPP_FTYPE", 3),
        ("WRITE_DELEG_NOT_SUPP_FTYPE", 4), ("NOT_SUPP_UPGRADE", 5), ("NOT_SUPP_DOWNGRADE", 6),
        ("CANCELLED", 7), ("IS_DIR", 8),
    ]);
}

#[test]
fn get_dir_deleg_status() {
    same!(enum GetDirDelegStatus, [
        ("OK", 0), ("UNAVAIL", 1),
    ]);
}

#[test]
fn dir_from_client() {
    same!(enum DirFromClient, [
        ("FORE", 0x1), ("BACK", 0x2), ("FORE_OR_BOTH", 0x3), ("BACK_OR_BOTH", 0x7),
    ]);
}

#[test]
fn dir_from_server() {
    same!(enum DirFromServer, [
        ("FORE", 0x1), ("BACK", 0x2), ("BOTH", 0x3),
    ]);
}

#[test]
fn state_protect_how() {
    same!(enum StateProtectHow, [
        ("NONE", 0), ("MACH_CRED", 1), ("SSV", 2),
    ]);
}

#[test]
fn sec_info_style() {
    same!(enum SecInfoStyle, [
        ("CURRENT_FH", 0), ("PARENT", 1),
    ]);
}

#[test]
fn layout_type() {
    same!(enum LayoutType, [
        ("NFSV4_1_FILES", 0x1), ("OSD2_OBJECTS", 0x2), ("BLOCK_VOLUME", 0x3), ("FLEX_FILES", 4),
        ("SCSI", 5),
    ]);
}

#[test]
fn io_mode() {
    same!(enum IoMode, [
        ("READ", 1), ("RW", 2), ("ANY", 3),
    ]);
}

#[test]
fn layout_scope() {
    same!(enum LayoutScope, [
        ("FILE", 1), ("FSID", 2), ("ALL", 3),
    ]);
}

#[test]
fn data_content() {
    same!(enum DataContent, [
        ("DATA", 0), ("HOLE", 1),
    ]);
}

#[test]
fn io_advice() {
    same!(enum IoAdvice, [
        ("NORMAL", 0), ("SEQUENTIAL", 1), ("SEQUENTIAL_BACKWARDS", 2), ("RANDOM", 3),
        ("WILLNEED", 4), ("WILLNEED_OPPORTUNISTIC", 5), ("DONTNEED", 6), ("NOREUSE", 7),
        ("READ", 8), ("WRITE", 9), ("INIT_PROXIMITY", 10),
    ]);
}

#[test]
fn set_xattr_option() {
    same!(enum SetXattrOption, [
        ("EITHER", 0), ("CREATE", 1), ("REPLACE", 2),
    ]);
}

#[test]
fn fs_status_type() {
    same!(enum FsStatusType, [
        ("FIXED", 1), ("UPDATED", 2), ("VERSIONED", 3), ("WRITABLE", 4), ("REFERRAL", 5),
    ]);
}

#[test]
fn change_attr_type() {
    same!(enum ChangeAttrType, [
        ("IS_MONOTONIC_INCR", 0), ("IS_VERSION_COUNTER", 1), ("IS_VERSION_COUNTER_NOPNFS", 2),
        ("IS_TIME_METADATA", 3), ("IS_UNDEFINED", 4),
    ]);
}

#[test]
fn open_args_share_access() {
    same!(enum OpenArgsShareAccess, [
        ("READ", 1), ("WRITE", 2), ("BOTH", 3),
    ]);
}

#[test]
fn open_args_share_deny() {
    same!(enum OpenArgsShareDeny, [
        ("NONE", 0), ("READ", 1), ("WRITE", 2), ("BOTH", 3),
    ]);
}

#[test]
fn open_args_want() {
    same!(enum OpenArgsWant, [
        ("ANY_DELEG", 3), ("NO_DELEG", 4), ("CANCEL", 5), ("SIGNAL_DELEG_WHEN_RESRC_AVAIL", 17),
        ("PUSH_DELEG_WHEN_UNCONTENDED", 18), ("DELEG_TIMESTAMPS", 20), ("OPEN_XOR_DELEGATION", 21),
    ]);
}

#[test]
fn auth_flavor() {
    same!(enum AuthFlavor, [
        ("NONE", 0), ("SYS", 1), ("SHORT", 2), ("GSS", 6), ("TLS", 7),
    ]);
}

#[test]
fn notify_type() {
    same!(enum callback::NotifyType, [
        ("CHANGE_CHILD_ATTRS", 0), ("CHANGE_DIR_ATTRS", 1), ("REMOVE_ENTRY", 2), ("ADD_ENTRY", 3),
        ("RENAME_ENTRY", 4), ("CHANGE_COOKIE_VERIFIER", 5),
    ]);
}

#[test]
fn notify_device_id_type() {
    same!(enum callback::NotifyDeviceIdType, [
        ("CHANGE", 1), ("DELETE", 2),
    ]);
}

#[test]
fn recall_any_type() {
    same!(enum callback::RecallAnyType, [
        ("RDATA_DLG", 0), ("WDATA_DLG", 1), ("DIR_DLG", 2), ("FILE_LAYOUT", 3), ("BLK_LAYOUT", 4),
        ("OBJ_LAYOUT_MIN", 8), ("OBJ_LAYOUT_MAX", 9), ("OTHER_LAYOUT_MIN", 12),
        ("OTHER_LAYOUT_MAX", 15),
    ]);
}

#[test]
fn access() {
    same!(flags Access, [
        ("READ", 0x1), ("LOOKUP", 0x2), ("MODIFY", 0x4), ("EXTEND", 0x8), ("DELETE", 0x10),
        ("EXECUTE", 0x20), ("XAREAD", 0x40), ("XAWRITE", 0x80), ("XALIST", 0x100),
    ]);
}

#[test]
fn share_access() {
    same!(flags ShareAccess, [
        ("WANT_NO_PREFERENCE", 0x0), ("READ", 0x1), ("WRITE", 0x2), ("BOTH", 0x3),
        ("WANT_READ_DELEG", 0x100), ("WANT_WRITE_DELEG", 0x200), ("WANT_ANY_DELEG", 0x300),
        ("WANT_NO_DELEG", 0x400), ("WANT_CANCEL", 0x500), ("WANT_DELEG_MASK", 0xff00),
        ("WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL", 0x1_0000),
        ("WANT_PUSH_DELEG_WHEN_UNCONTENDED", 0x2_0000), ("WANT_DELEG_TIMESTAMPS", 0x10_0000),
        ("WANT_OPEN_XOR_DELEGATION", 0x20_0000),
    ]);
}

#[test]
fn share_deny() {
    same!(flags ShareDeny, [
        ("NONE", 0x0), ("READ", 0x1), ("WRITE", 0x2), ("BOTH", 0x3),
    ]);
}

#[test]
fn open_result_flags() {
    same!(flags OpenResultFlags, [
        ("CONFIRM", 0x2), ("LOCKTYPE_POSIX", 0x4), ("PRESERVE_UNLINKED", 0x8),
        ("NO_OPEN_STATEID", 0x10), ("MAY_NOTIFY_LOCK", 0x20),
    ]);
}

#[test]
fn exchange_id_flags() {
    same!(flags ExchangeIdFlags, [
        ("SUPP_MOVED_REFER", 0x1), ("SUPP_MOVED_MIGR", 0x2), ("SUPP_FENCE_OPS", 0x4),
        ("BIND_PRINC_STATEID", 0x100), ("USE_NON_PNFS", 0x1_0000), ("USE_PNFS_MDS", 0x2_0000),
        ("USE_PNFS_DS", 0x4_0000), ("MASK_PNFS", 0x7_0000), ("UPD_CONFIRMED_REC_A", 0x4000_0000),
        ("CONFIRMED_R", 0x8000_0000),
    ]);
}

#[test]
fn create_session_flags() {
    same!(flags CreateSessionFlags, [
        ("PERSIST", 0x1), ("CONN_BACK_CHAN", 0x2), ("CONN_RDMA", 0x4),
    ]);
}

#[test]
fn sequence_status() {
    same!(flags SequenceStatus, [
        ("CB_PATH_DOWN", 0x1), ("CB_GSS_CONTEXTS_EXPIRING", 0x2), ("CB_GSS_CONTEXTS_EXPIRED", 0x4),
        ("EXPIRED_ALL_STATE_REVOKED", 0x8), ("EXPIRED_SOME_STATE_REVOKED", 0x10),
        ("ADMIN_STATE_REVOKED", 0x20), ("RECALLABLE_STATE_REVOKED", 0x40), ("LEASE_MOVED", 0x80),
        ("RESTART_RECLAIM_NEEDED", 0x100), ("CB_PATH_DOWN_SESSION", 0x200),
        ("BACKCHANNEL_FAULT", 0x400), ("DEVID_CHANGED", 0x800), ("DEVID_DELETED", 0x1000),
    ]);
}

#[test]
fn attr_numbers() {
    same!(consts attr, [
        ("SUPPORTED_ATTRS", 0), ("TYPE", 1), ("FH_EXPIRE_TYPE", 2), ("CHANGE", 3), ("SIZE", 4),
        ("LINK_SUPPORT", 5), ("SYMLINK_SUPPORT", 6), ("NAMED_ATTR", 7), ("FSID", 8),
        ("UNIQUE_HANDLES", 9), ("LEASE_TIME", 10), ("RDATTR_ERROR", 11), ("ACL", 12),
        ("ACLSUPPORT", 13), ("ARCHIVE", 14), ("CANSETTIME", 15), ("CASE_INSENSITIVE", 16),
        ("CASE_PRESERVING", 17), ("CHOWN_RESTRICTED", 18), ("FILEHANDLE", 19), ("FILEID", 20),
        ("FILES_AVAIL", 21), ("FILES_FREE", 22), ("FILES_TOTAL", 23), ("FS_LOCATIONS", 24),
        ("HIDDEN", 25), ("HOMOGENEOUS", 26), ("MAXFILESIZE", 27), ("MAXLINK", 28), ("MAXNAME", 29),
        ("MAXREAD", 30), ("MAXWRITE", 31), ("MIMETYPE", 32), ("MODE", 33), ("NO_TRUNC", 34),
        ("NUMLINKS", 35), ("OWNER", 36), ("OWNER_GROUP", 37), ("QUOTA_AVAIL_HARD", 38),
        ("QUOTA_AVAIL_SOFT", 39), ("QUOTA_USED", 40), ("RAWDEV", 41), ("SPACE_AVAIL", 42),
        ("SPACE_FREE", 43), ("SPACE_TOTAL", 44), ("SPACE_USED", 45), ("SYSTEM", 46),
        ("TIME_ACCESS", 47), ("TIME_ACCESS_SET", 48), ("TIME_BACKUP", 49), ("TIME_CREATE", 50),
        ("TIME_DELTA", 51), ("TIME_METADATA", 52), ("TIME_MODIFY", 53), ("TIME_MODIFY_SET", 54),
        ("MOUNTED_ON_FILEID", 55), ("DIR_NOTIF_DELAY", 56), ("DIRENT_NOTIF_DELAY", 57),
        ("DACL", 58), ("SACL", 59), ("CHANGE_POLICY", 60), ("FS_STATUS", 61),
        ("FS_LAYOUT_TYPES", 62), ("LAYOUT_HINT", 63), ("LAYOUT_TYPES", 64), ("LAYOUT_BLKSIZE", 65),
        ("LAYOUT_ALIGNMENT", 66), ("FS_LOCATIONS_INFO", 67), ("MDSTHRESHOLD", 68),
        ("RETENTION_GET", 69), ("RETENTION_SET", 70), ("RETENTEVT_GET", 71), ("RETENTEVT_SET", 72),
        ("RETENTION_HOLD", 73), ("MODE_SET_MASKED", 74), ("SUPPATTR_EXCLCREAT", 75),
        ("FS_CHARSET_CAP", 76), ("CLONE_BLKSIZE", 77), ("SPACE_FREED", 78),
        ("CHANGE_ATTR_TYPE", 79), ("SEC_LABEL", 80), ("MODE_UMASK", 81), ("XATTR_SUPPORT", 82),
        ("OFFLINE", 83), ("TIME_DELEG_ACCESS", 84), ("TIME_DELEG_MODIFY", 85),
        ("OPEN_ARGUMENTS", 86),
    ]);
}

#[test]
fn ace_type_numbers() {
    same!(consts ace_type, [
        ("ACCESS_ALLOWED", 0x0), ("ACCESS_DENIED", 0x1), ("SYSTEM_AUDIT", 0x2),
        ("SYSTEM_ALARM", 0x3),
    ]);
}

#[test]
fn ace_flag_numbers() {
    same!(consts ace_flag, [
        ("FILE_INHERIT", 0x1), ("DIRECTORY_INHERIT", 0x2), ("NO_PROPAGATE_INHERIT", 0x4),
        ("INHERIT_ONLY", 0x8), ("SUCCESSFUL_ACCESS", 0x10), ("FAILED_ACCESS", 0x20),
        ("IDENTIFIER_GROUP", 0x40), ("INHERITED", 0x80),
    ]);
}

#[test]
fn ace_mask_numbers() {
    same!(consts ace_mask, [
        ("LIST_DIRECTORY", 0x1), ("READ_DATA", 0x1), ("ADD_FILE", 0x2), ("WRITE_DATA", 0x2),
        ("ADD_SUBDIRECTORY", 0x4), ("APPEND_DATA", 0x4), ("READ_NAMED_ATTRS", 0x8),
        ("WRITE_NAMED_ATTRS", 0x10), ("EXECUTE", 0x20), ("DELETE_CHILD", 0x40),
        ("READ_ATTRIBUTES", 0x80), ("WRITE_ATTRIBUTES", 0x100), ("WRITE_RETENTION", 0x200),
        ("WRITE_RETENTION_HOLD", 0x400), ("DELETE", 0x1_0000), ("READ_ACL", 0x2_0000),
        ("WRITE_ACL", 0x4_0000), ("WRITE_OWNER", 0x8_0000), ("SYNCHRONIZE", 0x10_0000),
        ("GENERIC_READ", 0x12_0081), ("GENERIC_EXECUTE", 0x12_00a0), ("GENERIC_WRITE", 0x16_0106),
    ]);
}

#[test]
fn acl_flag_numbers() {
    same!(consts acl_flag, [
        ("AUTO_INHERIT", 0x1), ("PROTECTED", 0x2), ("DEFAULTED", 0x4),
    ]);
}

#[test]
fn acl_support_numbers() {
    same!(consts acl_support, [
        ("ALLOW_ACL", 0x1), ("DENY_ACL", 0x2), ("AUDIT_ACL", 0x4), ("ALARM_ACL", 0x8),
    ]);
}

#[test]
fn mode_numbers() {
    same!(consts mode, [
        ("XOTH", 0x1), ("WOTH", 0x2), ("ROTH", 0x4), ("XGRP", 0x8), ("WGRP", 0x10), ("RGRP", 0x20),
        ("XUSR", 0x40), ("WUSR", 0x80), ("RUSR", 0x100), ("SVTX", 0x200), ("SGID", 0x400),
        ("SUID", 0x800),
    ]);
}

#[test]
fn fh_expire_numbers() {
    same!(consts fh_expire, [
        ("PERSISTENT", 0x0), ("NOEXPIRE_WITH_OPEN", 0x1), ("VOLATILE_ANY", 0x2),
        ("VOL_MIGRATION", 0x4), ("VOL_RENAME", 0x8),
    ]);
}

#[test]
fn charset_cap_numbers() {
    same!(consts charset_cap, [
        ("CONTAINS_NON_UTF8", 0x1), ("ALLOWS_ONLY_UTF8", 0x2),
    ]);
}

#[test]
fn sizes_and_special_values() {
    assert_eq!((limits::FHSIZE, limits::OPAQUE_LIMIT), (128, 1024));
    assert_eq!(
        (PROGRAM, VERSION, PROC_NULL, PROC_COMPOUND, CALLBACK_VERSION),
        (100_003, 4, 0, 1, 1)
    );
    assert_eq!(Stateid::ANONYMOUS, Stateid { seqid: 0, other: [0; 12] });
    assert_eq!(Stateid::READ_BYPASS, Stateid { seqid: 0xffff_ffff, other: [0xff; 12] });
    assert_eq!(Stateid::CURRENT, Stateid { seqid: 1, other: [0; 12] });
    assert_eq!(Stateid::INVALID, Stateid { seqid: 0xffff_ffff, other: [0; 12] });
}
