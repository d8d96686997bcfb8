//! GETXATTR, SETXATTR, LISTXATTRS, REMOVEXATTR (RFC 8276 §8.4).

use std::sync::Arc;

use holdfast_proto::nfs4::{ListXattrsArgs, SetXattrArgs, SetXattrOption, Status};
use holdfast_proto::xdr::Encode;
use holdfast_vfs::{FileSystem, XATTR_NAME_MAX, XattrHow};

use crate::exports::Fh;
use crate::ops::names::change;
use crate::request::Request;
use crate::status;

/// Bytes of a LISTXATTRS result without names: cookie, count, end.
pub(super) const LIST_BYTES: usize = 16;

/// GETXATTR.
pub(super) async fn get(rq: &mut Request, name: &[u8]) -> Result<(), Status> {
    let fh = rq.fh()?;
    // RFC 8276 §8.4.5 gives this operation no BADCHAR.
    let name = check_name(name, Status::INVAL)?;
    let (fs, cred) = (file_system(rq, &fh)?, rq.cred(&fh));
    let value = fs.getxattr(&cred, &fh.node, name).await.map_err(status::of)?;
    if 4 + value.len().next_multiple_of(4) > rq.room() {
        return Err(rq.too_big());
    }
    rq.out.opaque(&value);
    Ok(())
}

/// SETXATTR.
pub(super) async fn set(rq: &mut Request, args: &SetXattrArgs<'_>) -> Result<(), Status> {
    let fh = rq.fh()?;
    let how = match args.option {
        SetXattrOption::EITHER => XattrHow::Either,
        SetXattrOption::CREATE => XattrHow::Create,
        SetXattrOption::REPLACE => XattrHow::Replace,
        SetXattrOption(_) => return Err(Status::INVAL),
    };
    let name = check_name(args.key, Status::BADCHAR)?;
    let (fs, cred) = (file_system(rq, &fh)?, rq.cred(&fh));
    rq.writable(&fh)?;
    let changed = fs.setxattr(&cred, &fh.node, name, args.value, how).await;
    change(&changed.map_err(status::of)?).encode(&mut rq.out);
    Ok(())
}

/// REMOVEXATTR.
pub(super) async fn remove(rq: &mut Request, name: &[u8]) -> Result<(), Status> {
    let fh = rq.fh()?;
    let name = check_name(name, Status::BADCHAR)?;
    let (fs, cred) = (file_system(rq, &fh)?, rq.cred(&fh));
    rq.writable(&fh)?;
    let changed = fs.removexattr(&cred, &fh.node, name).await.map_err(status::of)?;
    change(&changed).encode(&mut rq.out);
    Ok(())
}

/// LISTXATTRS. Names are listed in the order of their positions, and the cookie is the last one's:
/// a listing goes on where it was, whatever came or went meanwhile, and no cookie is a bad one.
pub(super) async fn list(rq: &mut Request, args: &ListXattrsArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let (fs, cred) = (file_system(rq, &fh)?, rq.cred(&fh));
    let names = fs.listxattrs(&cred, &fh.node).await.map_err(status::of)?;
    let mut names: Vec<_> = names.into_iter().map(|name| (position(&name), name)).collect();
    names.retain(|(at, _)| *at > args.cookie);
    names.sort_unstable();
    let asked = args.maxcount as usize;
    let room = asked.min(rq.room()).checked_sub(LIST_BYTES).ok_or(Status::TOOSMALL)?;
    let taken = fitting(&names, room);
    if taken == 0 && !names.is_empty() {
        return Err(if asked < rq.room() { Status::TOOSMALL } else { rq.too_big() });
    }
    rq.out.u64(names[..taken].last().map_or(args.cookie, |(at, _)| *at));
    rq.out.u32(taken as u32);
    for (_, name) in &names[..taken] {
        rq.out.opaque(name);
    }
    rq.out.bool(taken == names.len());
    Ok(())
}

/// How many of the names fit; two at one position are never parted.
fn fitting(names: &[(u64, Vec<u8>)], room: usize) -> usize {
    let mut used = 0;
    let fits = |(_, name): &&(u64, Vec<u8>)| {
        used += 4 + name.len().next_multiple_of(4);
        used <= room
    };
    let mut taken = names.iter().take_while(fits).count();
    while taken > 0 && names.get(taken).is_some_and(|next| next.0 == names[taken - 1].0) {
        taken -= 1;
    }
    taken
}

/// Where a name stands in every listing: its hash (FNV-1a), which is never the start's cookie.
fn position(name: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    name.iter().fold(0xcbf2_9ce4_8422_2325, fnv).max(1)
}

/// The file system of an object, if it has extended attributes.
///
/// # Errors
/// `NOTSUPP`: it has none.
fn file_system<'a>(rq: &'a Request, fh: &Fh) -> Result<&'a Arc<dyn FileSystem>, Status> {
    let fs = &rq.export(fh).fs;
    if fs.properties_of(&fh.node).xattrs { Ok(fs) } else { Err(Status::NOTSUPP) }
}

/// A name that an attribute can have: any bytes but NUL.
///
/// # Errors
/// `INVAL`: it is empty. `bad`: it has NUL in it. `NAMETOOLONG`.
fn check_name(name: &[u8], bad: Status) -> Result<&[u8], Status> {
    match name {
        [] => Err(Status::INVAL),
        _ if name.contains(&0) => Err(bad),
        _ if name.len() > XATTR_NAME_MAX => Err(Status::NAMETOOLONG),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_one_position_are_not_parted() {
        let name = |at, len| (at, vec![b'n'; len]);
        let names = [name(1, 4), name(2, 4), name(2, 4), name(3, 4)];
        for (room, taken) in [(0, 0), (8, 1), (16, 1), (23, 1), (24, 3), (31, 3), (32, 4), (99, 4)]
        {
            assert_eq!(fitting(&names, room), taken, "{room}");
        }
        assert_eq!(fitting(&names[1..], 8), 0);
        assert_eq!(fitting(&[], 0), 0);
    }
}
