//! Basic data types that several families share (RFC 8881 §3.2 and §3.3, RFC 7862 §4.6 and §12.2).

use alloc::vec::Vec;

use holdfast_base::InlineBytes;

use super::limits;
use crate::xdr::{xdr_enum, xdr_newtype, xdr_struct, xdr_union};

/// `nfs_fh4`, owned. Arguments and results borrow theirs.
pub type FileHandle = InlineBytes<128>;

xdr_newtype! {
    /// `verifier4`: changes when what it stands for was lost.
    pub struct Verifier([u8; 8]);
    /// `sessionid4`.
    pub struct SessionId([u8; 16]);
    /// `clientid4`.
    pub struct ClientId(u64);
    /// `deviceid4`.
    pub struct DeviceId([u8; 16]);
}

xdr_enum! {
    /// `nfs_ftype4` (RFC 8881 §3.2).
    pub struct FileType {
        /// A regular file.
        REG = 1,
        /// A directory.
        DIR = 2,
        /// A block device.
        BLK = 3,
        /// A character device.
        CHR = 4,
        /// A symbolic link.
        LNK = 5,
        /// A socket.
        SOCK = 6,
        /// A fifo.
        FIFO = 7,
        /// A named attribute directory.
        ATTRDIR = 8,
        /// A named attribute.
        NAMEDATTR = 9,
    }

    /// `time_how4`: whose clock sets a time.
    pub struct TimeHow {
        SET_TO_SERVER_TIME = 0,
        SET_TO_CLIENT_TIME = 1,
    }

    /// `stable_how4`: how durable written data is.
    pub struct StableHow {
        UNSTABLE = 0,
        DATA_SYNC = 1,
        FILE_SYNC = 2,
    }

    /// `netloc_type4` (RFC 7862 §4.6).
    pub struct NetLocType {
        NAME = 1,
        URL = 2,
        NETADDR = 3,
    }

    /// `rpc_gss_svc_t` (RFC 2203).
    pub struct GssService {
        NONE = 1,
        INTEGRITY = 2,
        PRIVACY = 3,
    }

    /// RPC authentication flavors (RFC 5531, RFC 2203, RFC 9289).
    pub struct AuthFlavor {
        NONE = 0,
        SYS = 1,
        SHORT = 2,
        GSS = 6,
        TLS = 7,
    }
}

xdr_struct! {
    /// `nfstime4`.
    #[derive(Copy, PartialOrd, Ord, Hash, Default)]
    pub struct Time {
        /// Seconds since 1970.
        sec: i64,
        /// Nanoseconds within the second; a legal value is below 1,000,000,000.
        nsec: u32,
    }

    /// `fsid4`.
    #[derive(Copy, PartialOrd, Ord, Hash, Default)]
    pub struct Fsid {
        /// Major half.
        major: u64,
        /// Minor half.
        minor: u64,
    }

    /// `specdata4`: the device of a special file.
    #[derive(Copy, Hash, Default)]
    pub struct Specdata {
        /// Major device number.
        major: u32,
        /// Minor device number.
        minor: u32,
    }

    /// `change_info4`: a directory's change attribute around an operation.
    #[derive(Copy, Hash, Default)]
    pub struct ChangeInfo {
        /// Whether nothing else can have changed the directory between the two.
        atomic: bool,
        /// Before the operation.
        before: u64,
        /// After the operation.
        after: u64,
    }

    /// `change_policy4`.
    #[derive(Copy, Hash, Default)]
    pub struct ChangePolicy {
        /// Major half.
        major: u64,
        /// Minor half.
        minor: u64,
    }

    /// `netaddr4`.
    pub struct NetAddr<'a> {
        /// Network id, such as `tcp6`.
        netid: &'a [u8] [limits::ADDRESS],
        /// Universal address (RFC 5665).
        addr: &'a [u8] [limits::ADDRESS],
    }

    /// `nfs_impl_id4`: who wrote the peer.
    pub struct ImplId<'a> {
        /// DNS domain of the implementor.
        domain: &'a [u8] [limits::OPAQUE_LIMIT],
        /// Product and version.
        name: &'a [u8] [limits::OPAQUE_LIMIT],
        /// When it was built.
        date: Time,
    }

    /// `client_owner4`: who a client is.
    pub struct ClientOwner<'a> {
        /// Changes when the client restarts.
        verifier: Verifier,
        /// Names the client.
        ownerid: &'a [u8] [limits::OPAQUE_LIMIT],
    }

    /// `server_owner4`: which server this is, for trunking.
    pub struct ServerOwner<'a> {
        /// Equal minor ids allow session trunking.
        minor_id: u64,
        /// Equal major ids allow client id trunking.
        major_id: &'a [u8] [limits::OPAQUE_LIMIT],
    }

    /// `state_owner4`: an open owner or a lock owner.
    pub struct StateOwner<'a> {
        /// The client; a 4.1 server ignores it.
        clientid: ClientId,
        /// Names the owner within the client.
        owner: &'a [u8] [limits::OPAQUE_LIMIT],
    }

    /// `nfsace4` (RFC 8881 §6.2.1).
    pub struct Ace<'a> {
        /// `acetype4`, one of [`ace_type`].
        kind: u32,
        /// `aceflag4`, bits of [`ace_flag`].
        flag: u32,
        /// `acemask4`, bits of [`ace_mask`].
        access_mask: u32,
        /// Whom the entry is about.
        who: &'a [u8] [limits::WHO],
    }

    /// `nfsacl41`.
    pub struct Acl41<'a> {
        /// `aclflag4`: auto-inherit 1, protected 2, defaulted 4.
        flag: u32,
        /// The entries, in order.
        aces: Vec<Ace<'a>> [limits::ACES],
    }

    /// `write_response4` (RFC 7862 §15.2): how a copy or a write-same went.
    pub struct WriteResponse {
        /// Present when the work goes on; names it in CB_OFFLOAD.
        callback_id: Option<super::Stateid>,
        /// Bytes written.
        count: u64,
        /// How durable they are.
        committed: StableHow,
        /// Changes when uncommitted data was lost.
        writeverf: Verifier,
    }
}

xdr_union! {
    /// `settime4`.
    #[derive(Copy)]
    pub enum SetTime switch TimeHow {
        /// The server's clock, now.
        ServerTime = SET_TO_SERVER_TIME,
        /// This time.
        ClientTime(Time) = SET_TO_CLIENT_TIME,
    }

    /// `netloc4` (RFC 7862 §4.6): where a server is.
    pub enum NetLoc<'a> switch NetLocType {
        /// By host name.
        Name(&'a [u8] [limits::ADDRESS]) = NAME,
        /// By URL.
        Url(&'a [u8] [limits::ADDRESS]) = URL,
        /// By address.
        NetAddr(NetAddr<'a>) = NETADDR,
    }
}

macro_rules! consts {
    ($($(#[$meta:meta])* pub mod $module:ident { $($const:ident = $value:expr,)+ })+) => {$(
        $(#[$meta])*
        pub mod $module {
            $(
                #[doc = concat!("`", stringify!($const), "`, ", stringify!($value), ".")]
                pub const $const: u32 = $value;
            )+

            /// Every constant of this module by name.
            pub const KNOWN: &[(&str, u32)] = &[$((stringify!($const), $const),)+];
        }
    )+};
}

consts! {
    /// `acetype4` (RFC 8881 §6.2.1.1).
    pub mod ace_type {
        ACCESS_ALLOWED = 0,
        ACCESS_DENIED = 1,
        SYSTEM_AUDIT = 2,
        SYSTEM_ALARM = 3,
    }

    /// `aceflag4` (RFC 8881 §6.2.1.4).
    pub mod ace_flag {
        FILE_INHERIT = 0x1,
        DIRECTORY_INHERIT = 0x2,
        NO_PROPAGATE_INHERIT = 0x4,
        INHERIT_ONLY = 0x8,
        SUCCESSFUL_ACCESS = 0x10,
        FAILED_ACCESS = 0x20,
        IDENTIFIER_GROUP = 0x40,
        INHERITED = 0x80,
    }

    /// `acemask4` (RFC 8881 §6.2.1.3).
    pub mod ace_mask {
        READ_DATA = 0x1,
        LIST_DIRECTORY = 0x1,
        WRITE_DATA = 0x2,
        ADD_FILE = 0x2,
        APPEND_DATA = 0x4,
        ADD_SUBDIRECTORY = 0x4,
        READ_NAMED_ATTRS = 0x8,
        WRITE_NAMED_ATTRS = 0x10,
        EXECUTE = 0x20,
        DELETE_CHILD = 0x40,
        READ_ATTRIBUTES = 0x80,
        WRITE_ATTRIBUTES = 0x100,
        WRITE_RETENTION = 0x200,
        WRITE_RETENTION_HOLD = 0x400,
        DELETE = 0x1_0000,
        READ_ACL = 0x2_0000,
        WRITE_ACL = 0x4_0000,
        WRITE_OWNER = 0x8_0000,
        SYNCHRONIZE = 0x10_0000,
        GENERIC_READ = 0x12_0081,
        GENERIC_WRITE = 0x16_0106,
        GENERIC_EXECUTE = 0x12_00a0,
    }

    /// `aclflag4` (RFC 8881 §6.4.3).
    pub mod acl_flag {
        AUTO_INHERIT = 0x1,
        PROTECTED = 0x2,
        DEFAULTED = 0x4,
    }

    /// Bits of the aclsupport attribute (RFC 8881 §6.2.1.2).
    pub mod acl_support {
        ALLOW_ACL = 0x1,
        DENY_ACL = 0x2,
        AUDIT_ACL = 0x4,
        ALARM_ACL = 0x8,
    }

    /// Bits of the mode attribute (RFC 8881 §6.2.4).
    pub mod mode {
        SUID = 0x800,
        SGID = 0x400,
        SVTX = 0x200,
        RUSR = 0x100,
        WUSR = 0x080,
        XUSR = 0x040,
        RGRP = 0x020,
        WGRP = 0x010,
        XGRP = 0x008,
        ROTH = 0x004,
        WOTH = 0x002,
        XOTH = 0x001,
    }

    /// Values of the fh_expire_type attribute (RFC 8881 §5.8.1.3).
    pub mod fh_expire {
        PERSISTENT = 0x0,
        NOEXPIRE_WITH_OPEN = 0x1,
        VOLATILE_ANY = 0x2,
        VOL_MIGRATION = 0x4,
        VOL_RENAME = 0x8,
    }

    /// Bits of the fs_charset_cap attribute (RFC 8881 §14.4).
    pub mod charset_cap {
        CONTAINS_NON_UTF8 = 0x1,
        ALLOWS_ONLY_UTF8 = 0x2,
    }
}
