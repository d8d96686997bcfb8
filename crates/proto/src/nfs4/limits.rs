//! Bounds on what is decoded, each checked before anything is allocated. Opaques are borrowed from
//! the received bytes, so theirs only name what the protocol allows; those on arrays keep
//! allocations small.

/// `NFS4_FHSIZE`: bytes of a file handle.
pub const FHSIZE: usize = 128;
/// `NFS4_OPAQUE_LIMIT`: bytes of an owner, a scope, an owner id.
pub const OPAQUE_LIMIT: usize = 1024;
/// Bytes of a compound's tag.
pub const TAG: usize = 1024;
/// Bytes of one path component on the wire; the file system's own limit is lower and answers
/// `NAMETOOLONG`.
pub const COMPONENT: usize = 1 << 16;
/// Bytes of a symbolic link's text.
pub const LINKTEXT: usize = 1 << 16;
/// Components of a path name in a location attribute.
pub const PATHNAME: usize = 1024;
/// Bytes of READ and WRITE data, borrowed in place: a record's own limit is lower.
pub const DATA: usize = 1 << 30;
/// Bytes of all values of one attribute list.
pub const ATTR_VALUES: usize = 1 << 24;
/// Words of an attribute bitmap.
pub const BITMAP_WORDS: usize = 8;
/// Entries of one access control list.
pub const ACES: usize = 8192;
/// Bytes of an access control entry's `who`.
pub const WHO: usize = 1024;
/// File system locations, servers of a location, replicas of an item.
pub const LOCATIONS: usize = 1024;
/// Layout types a file system supports.
pub const LAYOUT_TYPES: usize = 64;
/// Bytes of layout-type-specific contents.
pub const LAYOUT_BODY: usize = 1 << 20;
/// Layout segments of one LAYOUTGET.
pub const LAYOUTS: usize = 1024;
/// Device ids of one GETDEVICELIST.
pub const DEVICES: usize = 4096;
/// Device errors of one LAYOUTERROR.
pub const DEVICE_ERRORS: usize = 1024;
/// Thresholds of the mdsthreshold attribute.
pub const THRESHOLDS: usize = 64;
/// Bytes of a file layout's structures inside opaque bodies: stripes, data servers, handles.
pub const STRIPES: usize = 4096;
/// Bytes of a security label.
pub const LABEL: usize = 1 << 16;
/// Security parameter sets of CREATE_SESSION and BACKCHANNEL_CTL.
pub const CALLBACK_SEC_PARMS: usize = 16;
/// Bytes of the machine name in AUTH_SYS (RFC 5531).
pub const MACHINE_NAME: usize = 255;
/// Supplementary groups in AUTH_SYS (RFC 5531).
pub const AUTH_SYS_GIDS: usize = 16;
/// Hash or encryption algorithms of SP4_SSV.
pub const SSV_ALGORITHMS: usize = 64;
/// Bytes of an object identifier.
pub const OID: usize = 256;
/// RPCSEC_GSS handles of SP4_SSV.
pub const GSS_HANDLES: usize = 256;
/// Bytes of an RPCSEC_GSS handle, an SSV or its digest.
pub const GSS_BYTES: usize = 1024;
/// State ids of one TEST_STATEID.
pub const STATEIDS: usize = 4096;
/// Flavors of one SECINFO.
pub const FLAVORS: usize = 128;
/// Servers of one COPY or COPY_NOTIFY.
pub const NETLOCS: usize = 64;
/// Bytes of a network id, a universal address, a host name or a URL.
pub const ADDRESS: usize = 4096;
/// Segments of one READ_PLUS.
pub const SEGMENTS: usize = 1 << 14;
/// Bytes of an extended attribute's value.
pub const XATTR_VALUE: usize = 1 << 24;
/// Names of one LISTXATTRS.
pub const XATTR_NAMES: usize = 1 << 16;
/// Notifications of one CB_NOTIFY or CB_NOTIFY_DEVICEID.
pub const NOTIFICATIONS: usize = 1024;
/// Bytes of one notification's values.
pub const NOTIFY_VALUES: usize = 1 << 20;
/// Referring call lists of one CB_SEQUENCE, and calls of each.
pub const REFERRING_CALLS: usize = 1024;
