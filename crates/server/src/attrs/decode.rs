//! `fattr4` as attributes to set.

use holdfast_proto::nfs4::{AttrValue, Bitmap, Fattr, SetTime, Status, attr};
use holdfast_proto::xdr::DecodeError;
use holdfast_vfs::SetAttr;

use super::supported;
use crate::owners::Resolved;

/// What SETATTR may set.
pub(crate) const SETATTR: Bitmap = CREATE.union(&Bitmap::of(&[attr::SIZE])).without(&UMASK);

/// What CREATE may set.
pub(crate) const CREATE: Bitmap = EXCLUSIVE_CREATE
    .union(&Bitmap::of(&[attr::TIME_ACCESS_SET, attr::TIME_MODIFY_SET]))
    .without(&Bitmap::of(&[attr::SIZE]));

/// What OPEN may set on the file it makes.
pub(crate) const OPEN: Bitmap = CREATE.union(&Bitmap::of(&[attr::SIZE]));

/// What an exclusive OPEN may set: not the times, which hold the verifier.
pub(crate) const EXCLUSIVE_CREATE: Bitmap =
    Bitmap::of(&[attr::SIZE, attr::MODE, attr::OWNER, attr::OWNER_GROUP, attr::MODE_UMASK]);

const UMASK: Bitmap = Bitmap::of(&[attr::MODE_UMASK]);

/// Attributes to set, and which they are.
pub(crate) struct Settable {
    pub(crate) set: SetAttr,
    pub(crate) mask: Bitmap,
}

/// Reads attributes to set, all of them in `allowed`, in a compound of this minor version. `named`
/// are the owners that it names.
///
/// # Errors
/// - `ATTRNOTSUPP`: one is not supported at all.
/// - `INVAL`: one cannot be set, or not here; a value makes no sense.
/// - `BADOWNER`: an owner is neither a number nor a name that was found.
/// - `BADXDR`: the values do not match the mask.
pub(crate) fn settable(
    fattr: &Fattr<'_>,
    allowed: &Bitmap,
    minor: u32,
    named: Resolved,
) -> Result<Settable, Status> {
    if !fattr.mask.is_subset(&supported(minor)) {
        return Err(Status::ATTRNOTSUPP);
    }
    if !fattr.mask.is_subset(allowed) {
        return Err(Status::INVAL);
    }
    let mut set = SetAttr::default();
    for value in fattr.iter() {
        // Every attribute of the mask is known by now: it is the values that are wrong.
        let (_number, value) = value.map_err(|_: DecodeError| Status::BADXDR)?;
        apply(&mut set, &value, named)?;
    }
    Ok(Settable { set, mask: fattr.mask })
}

fn apply(set: &mut SetAttr, value: &AttrValue<'_>, named: Resolved) -> Result<(), Status> {
    const MODE_BITS: u32 = 0o7777;
    const UMASK_BITS: u32 = 0o777;
    if let AttrValue::Size(size) = value {
        set.size = Some(*size);
    } else if let AttrValue::Mode(mode) = value {
        if mode & !MODE_BITS != 0 {
            return Err(Status::INVAL);
        }
        set.mode = Some(*mode);
    } else if let AttrValue::ModeUmask(masked) = value {
        // RFC 8275 §4: not beside a mode, and only permission bits are masked.
        let (mode, umask) = (masked.mode, masked.umask);
        if set.mode.is_some() || mode & !MODE_BITS != 0 || umask & !UMASK_BITS != 0 {
            return Err(Status::INVAL);
        }
        set.mode = Some(mode & !umask);
    } else if let AttrValue::Owner(who) = value {
        set.uid = Some(owner(who, named.user)?);
    } else if let AttrValue::OwnerGroup(who) = value {
        set.gid = Some(owner(who, named.group)?);
    } else if let AttrValue::TimeAccessSet(time) = value {
        set.atime = Some(set_time(time)?);
    } else if let AttrValue::TimeModifySet(time) = value {
        set.mtime = Some(set_time(time)?);
    } else {
        return Err(Status::INVAL);
    }
    Ok(())
}

const fn set_time(time: &SetTime) -> Result<holdfast_vfs::SetTime, Status> {
    match time {
        SetTime::ServerTime => Ok(holdfast_vfs::SetTime::Now),
        SetTime::ClientTime(time) if time.nsec >= 1_000_000_000 => Err(Status::INVAL),
        SetTime::ClientTime(time) => {
            let time = holdfast_vfs::Time { sec: time.sec, nsec: time.nsec };
            Ok(holdfast_vfs::SetTime::To(time))
        }
    }
}

/// An owner as clients under AUTH_SYS name it: a number in decimal without zeros before it, or a
/// name with a domain and the number that was found for it (RFC 8881 §5.9).
fn owner(who: &[u8], named: Option<u32>) -> Result<u32, Status> {
    if who.contains(&b'@') {
        return named.ok_or(Status::BADOWNER);
    }
    let digits = who.iter().all(u8::is_ascii_digit) && (who == b"0" || !who.starts_with(b"0"));
    let text = std::str::from_utf8(who).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(Status::BADOWNER)
}
