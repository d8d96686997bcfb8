//! The values a file system is asked with and answers with.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use holdfast_base::InlineBytes;

/// The longest [`Handle`], in bytes: an NFSv4 file handle of 128 less what a server puts before it.
pub const HANDLE_MAX: usize = 120;

/// The longest name of a directory entry, in bytes.
pub const NAME_MAX: usize = 255;

/// The longest name of an extended attribute, in bytes: what Linux allows less its `user.`.
pub const XATTR_NAME_MAX: usize = 250;

/// The largest value of an extended attribute, in bytes (`XATTR_SIZE_MAX` of Linux).
pub const XATTR_VALUE_MAX: usize = 1 << 16;

/// Bytes that the names of one object's extended attributes come to at most, each with one byte
/// behind it (`XATTR_LIST_MAX` of Linux).
pub const XATTR_LIST_MAX: usize = 1 << 16;

/// The permanent identity of an object within one file system. Two different objects never have
/// the same handle, not even one after the other; one object has one handle under all its names.
pub type Handle = InlineBytes<HANDLE_MAX>;

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z.
pub type Time = holdfast_base::WallTime;

/// Up to 16 supplementary groups, as AUTH_SYS carries them (RFC 5531 §14).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    len: u8,
    gids: [u32; Self::MAX],
}

impl Groups {
    /// The most groups there can be.
    pub const MAX: usize = 16;

    /// No groups.
    pub const NONE: Self = Self { len: 0, gids: [0; Self::MAX] };

    /// These groups; those beyond the first 16 are left out.
    pub fn new(gids: &[u32]) -> Self {
        let mut groups = Self::NONE;
        for (place, gid) in groups.gids.iter_mut().zip(gids) {
            *place = *gid;
            groups.len += 1;
        }
        groups
    }

    /// The groups.
    pub fn as_slice(&self) -> &[u32] {
        &self.gids[..usize::from(self.len)]
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// Whose rights an operation runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cred {
    /// User id; 0 is privileged.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Groups,
}

impl Cred {
    /// The privileged user.
    pub const ROOT: Self = Self { uid: 0, gid: 0, groups: Groups::NONE };

    /// Whether `gid` is the primary or a supplementary group.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.as_slice().contains(&gid)
    }
}

/// What kind of object a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    Block,
    /// A character device.
    Character,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// Names a file system among all that one server exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fsid {
    /// First half.
    pub major: u64,
    /// Second half.
    pub minor: u64,
}

/// The attributes of an object at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Type of the object.
    pub kind: FileKind,
    /// Permission, set-id and sticky bits: the low 12 bits of `st_mode`.
    pub mode: u32,
    /// Number of names.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Bytes of storage in use.
    pub used: u64,
    /// Unique within `fsid` while the object exists.
    pub fileid: u64,
    /// The file system the object is on.
    pub fsid: Fsid,
    /// Of the root of a file system that another one shows: the file id, there, of the directory
    /// that it covers. Nothing for all other objects.
    pub mounted_on: Option<u64>,
    /// Major and minor number of a device; zeros for everything else.
    pub rdev: (u32, u32),
    /// Differs after every change of data or attributes.
    pub change: u64,
    /// Last read.
    pub atime: Time,
    /// Last change of data.
    pub mtime: Time,
    /// Last change of data or attributes.
    pub ctime: Time,
    /// Creation, where the file system records it.
    pub btime: Option<Time>,
}

impl Attr {
    /// An object that everybody may read and nobody may change, of one name, owned by root, as old
    /// as the epoch: for a file system that has no more to say, or says it with `..`.
    pub const fn new(kind: FileKind, fileid: u64, fsid: Fsid, size: u64) -> Self {
        let epoch = Time { sec: 0, nsec: 0 };
        Self {
            kind,
            mode: if matches!(kind, FileKind::Directory) { 0o555 } else { 0o444 },
            nlink: 1,
            uid: 0,
            gid: 0,
            size,
            used: size,
            fileid,
            fsid,
            mounted_on: None,
            rdev: (0, 0),
            change: 1,
            atime: epoch,
            mtime: epoch,
            ctime: epoch,
            btime: None,
        }
    }
}

/// The change attribute before and after an operation (RFC 8881 §3.3.3): of the directory whose
/// entries it changes, or of the object whose extended attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeInfo {
    /// Whether nothing else changed it between the two readings.
    pub atomic: bool,
    /// The value before.
    pub before: u64,
    /// The value after.
    pub after: u64,
}

/// How a time is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// To the server's clock.
    Now,
    /// To this value.
    To(Time),
}

/// The attributes to set; `None` leaves one alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// New length; a file that grows reads as zeros there.
    pub size: Option<u64>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New mode: the low 12 bits.
    pub mode: Option<u32>,
    /// Last read.
    pub atime: Option<SetTime>,
    /// Last change of data.
    pub mtime: Option<SetTime>,
}

impl SetAttr {
    /// Whether there is nothing to set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A set of rights to ask for or that were granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(pub u16);

impl Access {
    /// Read data or list a directory.
    pub const READ: Self = Self(1);
    /// Look a name up in a directory.
    pub const LOOKUP: Self = Self(2);
    /// Rewrite data, change entries of a directory.
    pub const MODIFY: Self = Self(4);
    /// Write new data, add entries to a directory.
    pub const EXTEND: Self = Self(8);
    /// Delete an entry of a directory.
    pub const DELETE: Self = Self(16);
    /// Execute a file.
    pub const EXECUTE: Self = Self(32);
    /// Read the values of extended attributes.
    pub const XATTR_READ: Self = Self(64);
    /// Set and remove extended attributes.
    pub const XATTR_WRITE: Self = Self(128);
    /// List the names of extended attributes.
    pub const XATTR_LIST: Self = Self(256);
    /// All of them.
    pub const ALL: Self = Self(511);

    /// Whether all of `other` is in `self`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The rights in both.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// What an open file may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenMode {
    /// Data may be read.
    pub read: bool,
    /// Data may be written.
    pub write: bool,
}

impl OpenMode {
    /// For reading.
    pub const READ: Self = Self { read: true, write: false };
    /// For writing.
    pub const WRITE: Self = Self { read: false, write: true };
    /// For both.
    pub const BOTH: Self = Self { read: true, write: true };

    /// The rights a caller needs to open like this.
    pub const fn access(self) -> Access {
        match (self.read, self.write) {
            (true, true) => Access(Access::READ.0 | Access::MODIFY.0),
            (true, false) => Access::READ,
            (false, true) => Access::MODIFY,
            (false, false) => Access(0),
        }
    }
}

/// An open regular file: the backend's own value, closed when the last clone is dropped. It keeps
/// the file's data alive after its last name is gone.
#[derive(Clone)]
pub struct File(Arc<dyn Any + Send + Sync>);

impl File {
    /// Wraps a backend's value.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Wraps a backend's shared value.
    pub fn from_arc<T: Any + Send + Sync>(value: Arc<T>) -> Self {
        Self(value)
    }

    /// The backend's value.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) when another backend opened this file.
    pub fn get<T: Any>(&self) -> crate::Result<&T> {
        self.0.downcast_ref().ok_or(crate::Error::Invalid)
    }

    /// The backend's shared value.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) when another backend opened this file.
    pub fn get_arc<T: Any + Send + Sync>(&self) -> crate::Result<Arc<T>> {
        self.0.clone().downcast().map_err(|_| crate::Error::Invalid)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File")
    }
}

/// How a regular file is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateHow {
    /// A file that exists is opened, and of the attributes only a size of zero is applied to it.
    Unchecked(SetAttr),
    /// A file that exists is an error.
    Guarded(SetAttr),
    /// A file that exists is an error, unless it was created with this verifier: then it is
    /// opened, because the caller did not see the answer to its first try.
    Exclusive {
        /// Kept with the file from its creation on.
        verifier: [u8; 8],
        /// Set when the file is made. The times are not among them: they may hold the verifier.
        attrs: SetAttr,
    },
}

impl CreateHow {
    /// The attributes to set on a new file.
    pub const fn attrs(&self) -> &SetAttr {
        match self {
            Self::Unchecked(attrs) | Self::Guarded(attrs) | Self::Exclusive { attrs, .. } => attrs,
        }
    }
}

/// How an extended attribute is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrHow {
    /// Whether it exists or not.
    Either,
    /// One that exists is an error.
    Create,
    /// One that does not exist is an error.
    Replace,
}

/// What [`FileSystem::create`](crate::FileSystem::create) made or found.
#[derive(Clone, Debug)]
pub struct Created {
    /// The file's handle.
    pub node: Handle,
    /// The file, open as asked.
    pub file: File,
    /// Whether the file is new.
    pub created: bool,
    /// The directory, before and after.
    pub change: ChangeInfo,
}

/// What [`FileSystem::make_node`](crate::FileSystem::make_node) makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewNode<'a> {
    /// A directory.
    Directory,
    /// A symbolic link with this text: 1 to 4095 bytes without NUL.
    Symlink(&'a [u8]),
    /// A block device with its major and minor number.
    Block(u32, u32),
    /// A character device with its major and minor number.
    Character(u32, u32),
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// What a listing should carry beside names, cookies and file ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The attributes of each entry.
    pub attr: bool,
    /// The handle of each entry.
    pub handle: bool,
}

/// How a listing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEnd {
    /// Whether the last entry was given.
    pub eof: bool,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadEnd {
    /// Bytes given to the sink.
    pub count: usize,
    /// Whether the end of the file was reached.
    pub eof: bool,
}

/// What a part of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Stored bytes.
    Data,
    /// Zeros that are not stored.
    Hole,
}

/// How a range of a file is going to be used, as `posix_fadvise` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing is known.
    Normal,
    /// From lower offsets to higher ones.
    Sequential,
    /// In no order.
    Random,
    /// Soon.
    WillNeed,
    /// Not soon.
    DontNeed,
    /// Once.
    NoReuse,
}

/// How safe written data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stability {
    /// May be lost in a crash until it is committed.
    Unstable,
    /// The data and what is needed to reach it is on stable storage.
    Data,
    /// The data and all attributes are on stable storage.
    File,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes written, from the start of what was given.
    pub count: usize,
    /// How safe they are: at least what was asked for.
    pub stability: Stability,
    /// Changes whenever unstable data may have been lost (RFC 8881 §18.32).
    pub verifier: u64,
}

/// Space and files of a file system, in bytes and counts, as `statvfs` and quota say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes free.
    pub free: u64,
    /// Bytes free to the caller.
    pub avail: u64,
    /// Files in all.
    pub files_total: u64,
    /// Files that can still be made.
    pub files_free: u64,
    /// Files that the caller can still make.
    pub files_avail: u64,
}

impl Default for Properties {
    /// What a small read-only file system in memory is like.
    fn default() -> Self {
        Self {
            name_max: NAME_MAX as u32,
            link_max: 1,
            size_max: i64::MAX as u64,
            time_granularity_ns: 1,
            symlinks: false,
            links: false,
            chown_restricted: true,
            durable_handles: false,
            xattrs: false,
            local_locks: false,
            change_attr_type: ChangeAttrType::Undefined,
            clone_block: None,
        }
    }
}

/// How the change attribute behaves (RFC 7862 §12.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAttrType {
    /// Grows with every change.
    Monotonic,
    /// Made from the time of change.
    TimeMetadata,
    /// Nothing is promised but that it changes.
    Undefined,
}

/// What is true of a file system for as long as it is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// The longest name, in bytes.
    pub name_max: u32,
    /// The most links an object can have.
    pub link_max: u32,
    /// The largest file, in bytes.
    pub size_max: u64,
    /// The smallest step of a time stamp, in nanoseconds.
    pub time_granularity_ns: u32,
    /// Whether there are symbolic links.
    pub symlinks: bool,
    /// Whether there are hard links.
    pub links: bool,
    /// Whether only a privileged user may change an owner.
    pub chown_restricted: bool,
    /// Whether an object's handle stays the same over a restart of the server.
    pub durable_handles: bool,
    /// Whether objects can have extended attributes.
    pub xattrs: bool,
    /// Whether local processes can lock files as well, so that
    /// [`FileSystem::open_locks`](crate::FileSystem::open_locks) is to be asked.
    pub local_locks: bool,
    /// How the change attribute behaves.
    pub change_attr_type: ChangeAttrType,
    /// What [`FileSystem::clone_range`](crate::FileSystem::clone_range) shares is a multiple of
    /// this many bytes; nothing where it is known to be absent.
    pub clone_block: Option<u32>,
}
