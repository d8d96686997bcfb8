//! The protocol's values as the file system's, and back.

use holdfast_proto::nfs4::{
    AttrValue, Bitmap, CreateType, Fattr, FileType, SetTime as NfsSetTime, Specdata, StableHow,
    Status, Time as NfsTime, attr,
};
use holdfast_vfs::{
    Attr, ChangeAttrType, ChangeInfo, Error, FileKind, Fsid, Handle, NewNode, Properties, Result,
    SetAttr, SetTime, Space, Stability, Time,
};

use crate::support::client::Reply;
use crate::support::ops::Attrs;

/// The attributes of an [`Attr`].
pub(super) const ATTRS: Bitmap = Bitmap::of(&[
    attr::TYPE,
    attr::CHANGE,
    attr::SIZE,
    attr::FSID,
    attr::FILEID,
    attr::MODE,
    attr::NUMLINKS,
    attr::OWNER,
    attr::OWNER_GROUP,
    attr::RAWDEV,
    attr::SPACE_USED,
    attr::TIME_ACCESS,
    attr::TIME_CREATE,
    attr::TIME_METADATA,
    attr::TIME_MODIFY,
]);

/// An answer in which all went well.
pub(super) fn checked(answer: Reply) -> Result<Reply> {
    checked_name(answer, &[])
}

/// The same, of operations on these names: that one is empty is said in a way of its own
/// (RFC 8881 §18.13.3).
pub(super) fn checked_name(answer: Reply, names: &[&[u8]]) -> Result<Reply> {
    match answer.status() {
        Status::OK => Ok(answer),
        Status::INVAL if names.iter().any(|name| name.is_empty()) => Err(Error::BadName),
        status => Err(error_of(status)),
    }
}

fn error_of(status: Status) -> Error {
    match status {
        Status::PERM => Error::NotPermitted,
        Status::NOENT => Error::NotFound,
        // A file not opened for something may not be used for it.
        Status::ACCESS | Status::OPENMODE => Error::AccessDenied,
        Status::EXIST => Error::Exists,
        Status::XDEV => Error::CrossDevice,
        Status::NOTDIR => Error::NotDirectory,
        Status::ISDIR => Error::IsDirectory,
        Status::SYMLINK => Error::IsSymlink,
        Status::WRONG_TYPE => Error::WrongType,
        Status::INVAL => Error::Invalid,
        Status::FBIG => Error::TooBig,
        Status::NOSPC => Error::NoSpace,
        Status::DQUOT => Error::Quota,
        Status::ROFS => Error::ReadOnly,
        Status::MLINK => Error::TooManyLinks,
        Status::NAMETOOLONG => Error::NameTooLong,
        Status::NOTEMPTY => Error::NotEmpty,
        Status::STALE => Error::Stale,
        Status::BADHANDLE => Error::BadHandle,
        Status::NXIO => Error::BeyondEnd,
        Status::BAD_COOKIE => Error::BadCookie,
        // Illegal: of a later minor version.
        Status::NOTSUPP | Status::OP_ILLEGAL => Error::NotSupported,
        Status::FILE_OPEN => Error::InUse,
        Status::BADNAME | Status::BADCHAR => Error::BadName,
        Status::IO => Error::Io,
        Status::NOXATTR => Error::NoXattr,
        Status::XATTR2BIG => Error::XattrTooBig,
        other => panic!("no file system says {other:?}"),
    }
}

/// One value into the attributes it belongs to. Left out as it is no part of them: `false`.
fn put(attr: &mut Attr, value: &AttrValue<'_>) -> bool {
    if let AttrValue::Type(kind) = value {
        attr.kind = kind_from(*kind);
    } else if let AttrValue::Change(change) = value {
        attr.change = *change;
    } else if let AttrValue::Size(size) = value {
        attr.size = *size;
    } else if let AttrValue::Fsid(fsid) = value {
        attr.fsid = Fsid { major: fsid.major, minor: fsid.minor };
    } else if let AttrValue::FileId(fileid) = value {
        attr.fileid = *fileid;
    } else if let AttrValue::Mode(mode) = value {
        attr.mode = *mode;
    } else if let AttrValue::NumLinks(nlink) = value {
        attr.nlink = *nlink;
    } else if let AttrValue::Owner(who) = value {
        attr.uid = id(who);
    } else if let AttrValue::OwnerGroup(who) = value {
        attr.gid = id(who);
    } else if let AttrValue::RawDev(dev) = value {
        attr.rdev = (dev.major, dev.minor);
    } else if let AttrValue::SpaceUsed(used) = value {
        attr.used = *used;
    } else if let AttrValue::TimeAccess(time) = value {
        attr.atime = time_from(*time);
    } else if let AttrValue::TimeCreate(time) = value {
        attr.btime = Some(time_from(*time));
    } else if let AttrValue::TimeMetadata(time) = value {
        attr.ctime = time_from(*time);
    } else if let AttrValue::TimeModify(time) = value {
        attr.mtime = time_from(*time);
    } else {
        return false;
    }
    true
}

/// The attributes of an object, all of which must be there.
pub(super) fn attr_of(fattr: &Fattr<'_>) -> Result<Attr> {
    let required = ATTRS.without(&Bitmap::of(&[attr::TIME_CREATE]));
    assert!(required.is_subset(&fattr.mask), "{:?} are missing", required.without(&fattr.mask));
    let mut attr = nothing();
    for value in fattr.iter() {
        put(&mut attr, &value.map_err(|_| Error::Io)?.1);
    }
    Ok(attr)
}

/// File id, handle and attributes of a directory's entry.
pub(super) fn entry_of(fattr: &Fattr<'_>) -> Result<(u64, Option<Handle>, Result<Attr>)> {
    let (mut attr, mut handle, mut failed) = (nothing(), None, None);
    for value in fattr.iter() {
        let (_, value) = value.map_err(|_| Error::Io)?;
        if let AttrValue::FileHandle(fh) = &value {
            handle = Some(Handle::new(fh).map_err(|_| Error::Io)?);
        } else if let AttrValue::RdattrError(status) = value {
            failed = (status != Status::OK).then(|| error_of(status));
        } else {
            assert!(put(&mut attr, &value), "{value:?} was not asked for");
        }
    }
    Ok((attr.fileid, handle, failed.map_or(Ok(attr), Err)))
}

fn nothing() -> Attr {
    let time = Time::default();
    Attr {
        kind: FileKind::Regular,
        mode: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        size: 0,
        used: 0,
        fileid: 0,
        fsid: Fsid::default(),
        mounted_on: None,
        rdev: (0, 0),
        change: 0,
        atime: time,
        mtime: time,
        ctime: time,
        btime: None,
    }
}

fn kind_from(kind: FileType) -> FileKind {
    match kind {
        FileType::REG => FileKind::Regular,
        FileType::DIR => FileKind::Directory,
        FileType::LNK => FileKind::Symlink,
        FileType::BLK => FileKind::Block,
        FileType::CHR => FileKind::Character,
        FileType::FIFO => FileKind::Fifo,
        FileType::SOCK => FileKind::Socket,
        other => panic!("no file system has {other:?}"),
    }
}

pub(super) const fn kind_of<'a>(kind: &NewNode<'a>) -> CreateType<'a> {
    match *kind {
        NewNode::Directory => CreateType::Directory,
        NewNode::Symlink(text) => CreateType::Link(text),
        NewNode::Block(major, minor) => CreateType::Block(Specdata { major, minor }),
        NewNode::Character(major, minor) => CreateType::Char(Specdata { major, minor }),
        NewNode::Fifo => CreateType::Fifo,
        NewNode::Socket => CreateType::Socket,
    }
}

fn id(who: &[u8]) -> u32 {
    let text = std::str::from_utf8(who).expect("owners are decimal");
    text.parse().expect("owners are decimal")
}

const fn time_from(time: NfsTime) -> Time {
    Time { sec: time.sec, nsec: time.nsec }
}

const fn set_time(time: SetTime) -> NfsSetTime {
    match time {
        SetTime::Now => NfsSetTime::ServerTime,
        SetTime::To(time) => NfsSetTime::ClientTime(NfsTime { sec: time.sec, nsec: time.nsec }),
    }
}

/// Attributes to set, encoded.
pub(super) fn settable(set: &SetAttr) -> Attrs {
    let (uid, gid) = (set.uid.map(|id| id.to_string()), set.gid.map(|id| id.to_string()));
    let values = [
        set.size.map(AttrValue::Size),
        set.mode.map(AttrValue::Mode),
        uid.as_ref().map(|who| AttrValue::Owner(who.as_bytes())),
        gid.as_ref().map(|who| AttrValue::OwnerGroup(who.as_bytes())),
        set.atime.map(|time| AttrValue::TimeAccessSet(set_time(time))),
        set.mtime.map(|time| AttrValue::TimeModifySet(set_time(time))),
    ];
    let values: Vec<_> = values.into_iter().flatten().collect();
    Attrs::new(&values)
}

pub(super) const fn change(info: &holdfast_proto::nfs4::ChangeInfo) -> ChangeInfo {
    ChangeInfo { atomic: info.atomic, before: info.before, after: info.after }
}

pub(super) fn stable_of(how: StableHow) -> Result<Stability> {
    match how {
        StableHow::UNSTABLE => Ok(Stability::Unstable),
        StableHow::DATA_SYNC => Ok(Stability::Data),
        StableHow::FILE_SYNC => Ok(Stability::File),
        _ => Err(Error::Io),
    }
}

pub(super) fn property(properties: &mut Properties, value: &AttrValue<'_>) {
    use holdfast_proto::nfs4::ChangeAttrType as Kind;

    if let AttrValue::LinkSupport(links) = value {
        properties.links = *links;
    } else if let AttrValue::SymlinkSupport(symlinks) = value {
        properties.symlinks = *symlinks;
    } else if let AttrValue::ChownRestricted(restricted) = value {
        properties.chown_restricted = *restricted;
    } else if let AttrValue::MaxFileSize(max) = value {
        properties.size_max = *max;
    } else if let AttrValue::MaxLink(max) = value {
        properties.link_max = *max;
    } else if let AttrValue::MaxName(max) = value {
        properties.name_max = *max;
    } else if let AttrValue::TimeDelta(step) = value {
        properties.time_granularity_ns = step.nsec.max(u32::from(step.sec > 0) * 1_000_000_000);
    } else if let AttrValue::XattrSupport(xattrs) = value {
        properties.xattrs = *xattrs;
    } else if let AttrValue::CloneBlkSize(size) = value {
        properties.clone_block = Some(*size).filter(|size| *size > 0);
    } else if let AttrValue::ChangeAttrType(kind) = value {
        properties.change_attr_type = match *kind {
            Kind::IS_MONOTONIC_INCR => ChangeAttrType::Monotonic,
            Kind::IS_TIME_METADATA => ChangeAttrType::TimeMetadata,
            _ => ChangeAttrType::Undefined,
        };
    }
}

pub(super) fn space(space: &mut Space, value: &AttrValue<'_>) {
    if let AttrValue::FilesAvail(n) = value {
        space.files_avail = *n;
    } else if let AttrValue::FilesFree(n) = value {
        space.files_free = *n;
    } else if let AttrValue::FilesTotal(n) = value {
        space.files_total = *n;
    } else if let AttrValue::SpaceAvail(n) = value {
        space.avail = *n;
    } else if let AttrValue::SpaceFree(n) = value {
        space.free = *n;
    } else if let AttrValue::SpaceTotal(n) = value {
        space.total = *n;
    }
}
