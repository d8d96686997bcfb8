//! Attributes of objects and file systems, as `fattr4`.

pub(crate) mod decode;

use holdfast_engine::limits;
use holdfast_engine::server::FileKey;
use holdfast_proto::nfs4::{
    Bitmap, ChangeAttrType, FattrWriter, FileType, Specdata, Status, Time, attr,
};
use holdfast_proto::xdr::Writer;
use holdfast_vfs::{Attr, FileKind, Properties, Space};

use crate::exports::Export;

/// Attributes that a client may read.
pub(crate) const READABLE: Bitmap = Bitmap::of(&[
    attr::SUPPORTED_ATTRS,
    attr::TYPE,
    attr::FH_EXPIRE_TYPE,
    attr::CHANGE,
    attr::SIZE,
    attr::LINK_SUPPORT,
    attr::SYMLINK_SUPPORT,
    attr::NAMED_ATTR,
    attr::FSID,
    attr::UNIQUE_HANDLES,
    attr::LEASE_TIME,
    attr::RDATTR_ERROR,
    attr::ACLSUPPORT,
    attr::CANSETTIME,
    attr::CASE_INSENSITIVE,
    attr::CASE_PRESERVING,
    attr::CHOWN_RESTRICTED,
    attr::FILEHANDLE,
    attr::FILEID,
    attr::FILES_AVAIL,
    attr::FILES_FREE,
    attr::FILES_TOTAL,
    attr::HOMOGENEOUS,
    attr::MAXFILESIZE,
    attr::MAXLINK,
    attr::MAXNAME,
    attr::MAXREAD,
    attr::MAXWRITE,
    attr::MODE,
    attr::NO_TRUNC,
    attr::NUMLINKS,
    attr::OWNER,
    attr::OWNER_GROUP,
    attr::RAWDEV,
    attr::SPACE_AVAIL,
    attr::SPACE_FREE,
    attr::SPACE_TOTAL,
    attr::SPACE_USED,
    attr::TIME_ACCESS,
    attr::TIME_CREATE,
    attr::TIME_DELTA,
    attr::TIME_METADATA,
    attr::TIME_MODIFY,
    attr::MOUNTED_ON_FILEID,
    attr::SUPPATTR_EXCLCREAT,
    attr::CLONE_BLKSIZE,
    attr::FS_CHARSET_CAP,
    attr::CHANGE_ATTR_TYPE,
    attr::XATTR_SUPPORT,
]);

/// Attributes that a client may set and not read.
pub(crate) const SET_ONLY: Bitmap =
    Bitmap::of(&[attr::TIME_ACCESS_SET, attr::TIME_MODIFY_SET, attr::MODE_UMASK]);

const SUPPORTED: Bitmap = READABLE.union(&SET_ONLY);

/// Of RFC 7862, RFC 8275 and RFC 8276: not spoken of in minor version 1.
const MINOR_2: Bitmap = Bitmap::of(&[
    attr::CLONE_BLKSIZE,
    attr::CHANGE_ATTR_TYPE,
    attr::MODE_UMASK,
    attr::XATTR_SUPPORT,
]);

/// Attributes that need [`Space`].
const SPACE: Bitmap = Bitmap::of(&[
    attr::FILES_AVAIL,
    attr::FILES_FREE,
    attr::FILES_TOTAL,
    attr::SPACE_AVAIL,
    attr::SPACE_FREE,
    attr::SPACE_TOTAL,
]);

/// The attributes supported in a minor version.
pub(crate) const fn supported(minor: u32) -> Bitmap {
    if minor < 2 { SUPPORTED.without(&MINOR_2) } else { SUPPORTED }
}

/// Whether all of these attributes can be asked for.
///
/// # Errors
/// `INVAL`: one is only ever set (RFC 8881 §5.5, RFC 8275 §4).
pub(crate) const fn askable(want: &Bitmap, minor: u32) -> Result<(), Status> {
    let set_only = SET_ONLY.intersect(&supported(minor));
    if want.intersect(&set_only).is_empty() { Ok(()) } else { Err(Status::INVAL) }
}

/// Whether any of these attributes needs [`Space`].
pub(crate) const fn needs_space(want: &Bitmap) -> bool {
    !want.intersect(&SPACE).is_empty()
}

/// Where the values of an object's attributes come from.
pub(crate) struct Source<'a> {
    pub(crate) attr: &'a Attr,
    pub(crate) export: &'a Export,
    pub(crate) properties: &'a Properties,
    pub(crate) handle: Option<&'a FileKey>,
    pub(crate) space: Option<&'a Space>,
    /// The file id of the directory that this export's root covers.
    pub(crate) mounted_on: Option<u64>,
    pub(crate) lease_s: u32,
    pub(crate) minor: u32,
}

/// Those of the wanted attributes that there are.
pub(crate) const fn given(want: &Bitmap, minor: u32) -> Bitmap {
    want.intersect(&READABLE).intersect(&supported(minor))
}

/// Writes those of the wanted attributes that there are.
pub(crate) fn encode(w: &mut Writer, want: &Bitmap, source: &Source<'_>) {
    encode_given(w, &given(want, source.minor), source);
}

/// Writes the attributes that [`given`] left.
pub(crate) fn encode_given(w: &mut Writer, give: &Bitmap, source: &Source<'_>) {
    let mut fattr = FattrWriter::new(w, give);
    for number in give.iter() {
        if !object(&mut fattr, number, source) {
            file_system(&mut fattr, number, source);
        }
    }
    fattr.finish();
}

/// Writes an entry's attributes when they could not be read: only the reason.
pub(crate) fn encode_error(w: &mut Writer, status: Status) {
    let mut fattr = FattrWriter::new(w, &Bitmap::of(&[attr::RDATTR_ERROR]));
    fattr.put(attr::RDATTR_ERROR, status);
    fattr.finish();
}

/// Writes an attribute of the object; `false`: it is not one.
fn object(fattr: &mut FattrWriter<'_>, number: u32, source: &Source<'_>) -> bool {
    let a = source.attr;
    match number {
        attr::TYPE => fattr.put(number, file_type(a.kind)),
        attr::CHANGE => fattr.put(number, a.change),
        attr::SIZE => fattr.put(number, a.size),
        attr::FSID => fattr.put(number, source.export.fsid(a)),
        attr::RDATTR_ERROR => fattr.put(number, Status::OK),
        attr::FILEHANDLE => {
            if let Some(handle) = source.handle {
                fattr.writer(number).opaque(handle.as_slice());
            }
        }
        attr::FILEID => fattr.put(number, a.fileid),
        attr::MODE => fattr.put(number, a.mode),
        attr::NUMLINKS => fattr.put(number, a.nlink),
        attr::OWNER => decimal(fattr.writer(number), a.uid),
        attr::OWNER_GROUP => decimal(fattr.writer(number), a.gid),
        attr::RAWDEV => {
            let (major, minor) = a.rdev;
            fattr.put(number, Specdata { major, minor });
        }
        attr::SPACE_USED => fattr.put(number, a.used),
        attr::TIME_ACCESS => fattr.put(number, time(a.atime)),
        attr::TIME_CREATE => {
            if let Some(btime) = a.btime {
                fattr.put(number, time(btime));
            }
        }
        attr::TIME_METADATA => fattr.put(number, time(a.ctime)),
        attr::TIME_MODIFY => fattr.put(number, time(a.mtime)),
        attr::MOUNTED_ON_FILEID => {
            let covered = source.mounted_on.or(a.mounted_on);
            fattr.put(number, covered.unwrap_or(a.fileid));
        }
        _ => return false,
    }
    true
}

/// Writes an attribute of the file system or the server.
fn file_system(fattr: &mut FattrWriter<'_>, number: u32, source: &Source<'_>) {
    let p = source.properties;
    match number {
        attr::SUPPORTED_ATTRS => fattr.put(number, supported(source.minor)),
        attr::SUPPATTR_EXCLCREAT => {
            fattr.put(number, decode::EXCLUSIVE_CREATE.intersect(&supported(source.minor)));
        }
        attr::FH_EXPIRE_TYPE => fattr.put(number, 0u32),
        attr::LINK_SUPPORT => fattr.put(number, p.links),
        attr::SYMLINK_SUPPORT => fattr.put(number, p.symlinks),
        attr::NAMED_ATTR | attr::CASE_INSENSITIVE => fattr.put(number, false),
        attr::XATTR_SUPPORT => fattr.put(number, p.xattrs),
        attr::UNIQUE_HANDLES
        | attr::CANSETTIME
        | attr::CASE_PRESERVING
        | attr::HOMOGENEOUS
        | attr::NO_TRUNC => fattr.put(number, true),
        attr::LEASE_TIME => fattr.put(number, source.lease_s),
        attr::FS_CHARSET_CAP => fattr.put(number, CONTAINS_NON_UTF8),
        attr::ACLSUPPORT => fattr.put(number, 0u32),
        attr::CHOWN_RESTRICTED => fattr.put(number, p.chown_restricted),
        attr::MAXFILESIZE => fattr.put(number, p.size_max),
        attr::MAXLINK => fattr.put(number, p.link_max),
        attr::MAXNAME => fattr.put(number, p.name_max),
        attr::MAXREAD | attr::MAXWRITE => fattr.put(number, u64::from(limits::IO_BYTES)),
        attr::TIME_DELTA => {
            let (sec, nsec) = (p.time_granularity_ns / NS, p.time_granularity_ns % NS);
            fattr.put(number, Time { sec: i64::from(sec), nsec });
        }
        // None where nothing is cloned: no client takes that for a unit.
        attr::CLONE_BLKSIZE => fattr.put(number, p.clone_block.unwrap_or(0)),
        attr::CHANGE_ATTR_TYPE => fattr.put(number, change_attr_type(p.change_attr_type)),
        _ => {
            if let Some(value) = source.space.and_then(|space| space_value(number, space)) {
                fattr.put(number, value);
            }
        }
    }
}

/// Names are bytes, in whatever encoding (RFC 8881 §14.4).
const CONTAINS_NON_UTF8: u32 = 1;

const NS: u32 = 1_000_000_000;

const fn space_value(number: u32, space: &Space) -> Option<u64> {
    Some(match number {
        attr::FILES_AVAIL => space.files_avail,
        attr::FILES_FREE => space.files_free,
        attr::FILES_TOTAL => space.files_total,
        attr::SPACE_AVAIL => space.avail,
        attr::SPACE_FREE => space.free,
        attr::SPACE_TOTAL => space.total,
        _ => return None,
    })
}

const fn change_attr_type(kind: holdfast_vfs::ChangeAttrType) -> ChangeAttrType {
    match kind {
        holdfast_vfs::ChangeAttrType::Monotonic => ChangeAttrType::IS_MONOTONIC_INCR,
        holdfast_vfs::ChangeAttrType::TimeMetadata => ChangeAttrType::IS_TIME_METADATA,
        holdfast_vfs::ChangeAttrType::Undefined => ChangeAttrType::IS_UNDEFINED,
    }
}

const fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::Regular => FileType::REG,
        FileKind::Directory => FileType::DIR,
        FileKind::Symlink => FileType::LNK,
        FileKind::Block => FileType::BLK,
        FileKind::Character => FileType::CHR,
        FileKind::Fifo => FileType::FIFO,
        FileKind::Socket => FileType::SOCK,
    }
}

const fn time(time: holdfast_vfs::Time) -> Time {
    Time { sec: time.sec, nsec: time.nsec }
}

/// Writes an owner under AUTH_SYS: a number in decimal.
fn decimal(w: &mut Writer, id: u32) {
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = id;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    w.opaque(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_decimal() {
        for id in [0, 7, 10, 65_534, u32::MAX] {
            let mut w = Writer::default();
            decimal(&mut w, id);
            let text = id.to_string();
            let mut expected = Writer::default();
            expected.opaque(text.as_bytes());
            assert_eq!(w.bytes(), expected.bytes());
        }
    }

    #[test]
    fn minor_version_1_hears_nothing_of_version_2() {
        assert!(!supported(1).contains(attr::MODE_UMASK));
        assert!(supported(2).contains(attr::MODE_UMASK));
        assert!(SUPPORTED.contains(attr::TIME_ACCESS_SET));
    }
}
