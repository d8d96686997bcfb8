//! GETATTR, SETATTR, VERIFY, NVERIFY, ACCESS (RFC 8881 §18.7, §18.30, §18.31, §18.15, §18.1).

use holdfast_engine::server::Share;
use holdfast_proto::nfs4::{
    Access, AccessArgs, AccessOk, Bitmap, Fattr, GetAttrArgs, SetAttrArgs, Status, attr,
};
use holdfast_proto::xdr::{Encode, Writer};
use holdfast_vfs::Attr;

use crate::attrs::{self, Source, decode};
use crate::exports::Fh;
use crate::ops::io;
use crate::request::Request;
use crate::{owners, status};

/// GETATTR.
pub(super) async fn getattr(rq: &mut Request, args: &GetAttrArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    attrs::askable(&args.attr_request, rq.minor)?;
    let attr = rq.attr(&fh).await?;
    if rarely_asked(rq, &fh, &args.attr_request) {
        return Box::pin(getattr_in_full(rq, &fh, &attr, &args.attr_request)).await;
    }
    let mut out = std::mem::take(&mut rq.out);
    encode(rq, &mut out, &fh, &attr, &args.attr_request);
    rq.out = out;
    Ok(())
}

/// Whether more than the object itself must be asked.
fn rarely_asked(rq: &Request, fh: &Fh, want: &Bitmap) -> bool {
    attrs::needs_space(want)
        || (want.contains(attr::MOUNTED_ON_FILEID) && rq.server.exports.covered(fh).is_some())
}

fn encode(rq: &Request, out: &mut Writer, fh: &Fh, attr: &Attr, want: &Bitmap) {
    let export = rq.export(fh);
    let handle = want.contains(attr::FILEHANDLE).then(|| rq.key(fh));
    let source = Source {
        attr,
        export,
        properties: &export.fs.properties_of(&fh.node),
        handle: handle.as_ref(),
        space: None,
        mounted_on: None,
        lease_s: rq.server.lease_s(),
        minor: rq.minor,
    };
    attrs::encode(out, want, &source);
}

/// Writes all attributes there are, also those that need more than the object.
async fn getattr_in_full(
    rq: &mut Request,
    fh: &Fh,
    attr: &Attr,
    want: &Bitmap,
) -> Result<(), Status> {
    let mut out = std::mem::take(&mut rq.out);
    let written = write_in_full(rq, &mut out, fh, attr, want).await;
    rq.out = out;
    written
}

/// As [`getattr_in_full`], for another writer.
pub(super) async fn write_in_full(
    rq: &Request,
    out: &mut Writer,
    fh: &Fh,
    attr: &Attr,
    want: &Bitmap,
) -> Result<(), Status> {
    let export = rq.export(fh);
    let cred = rq.cred(fh);
    let space = if attrs::needs_space(want) {
        Some(export.fs.space(&cred, &fh.node).await.map_err(status::of)?)
    } else {
        None
    };
    let mounted_on = match rq.server.exports.covered(fh) {
        Some(covered) => Some(rq.attr(&covered).await?.fileid),
        None => None,
    };
    let source = Source {
        attr,
        export,
        properties: &export.fs.properties_of(&fh.node),
        handle: Some(&rq.key(fh)),
        space: space.as_ref(),
        mounted_on,
        lease_s: rq.server.lease_s(),
        minor: rq.minor,
    };
    attrs::encode(out, want, &source);
    Ok(())
}

/// VERIFY: goes on while the attributes are as given.
pub(super) async fn verify(rq: &Request, given: &Fattr<'_>) -> Result<(), Status> {
    if is_same(rq, given).await? { Ok(()) } else { Err(Status::NOT_SAME) }
}

/// NVERIFY: goes on while they are not.
pub(super) async fn nverify(rq: &Request, given: &Fattr<'_>) -> Result<(), Status> {
    if is_same(rq, given).await? { Err(Status::SAME) } else { Ok(()) }
}

/// Compares encoded values.
async fn is_same(rq: &Request, given: &Fattr<'_>) -> Result<bool, Status> {
    let fh = rq.fh()?;
    if !given.mask.is_subset(&attrs::supported(rq.minor)) {
        return Err(Status::ATTRNOTSUPP);
    }
    if given.mask.contains(attr::RDATTR_ERROR) {
        return Err(Status::INVAL);
    }
    attrs::askable(&given.mask, rq.minor)?;
    if given.iter().any(|value| value.is_err()) {
        return Err(Status::BADXDR);
    }
    let attr = rq.attr(&fh).await?;
    let mut ours = Writer::default();
    write_in_full(rq, &mut ours, &fh, &attr, &given.mask).await?;
    let mut theirs = Writer::default();
    given.encode(&mut theirs);
    Ok(ours.bytes() == theirs.bytes())
}

/// SETATTR.
pub(super) async fn setattr(rq: &mut Request, args: &SetAttrArgs<'_>) -> Result<(), Status> {
    let fh = rq.fh()?;
    let named = owners::resolve(rq, &fh, &args.obj_attributes).await?;
    let attrs = decode::settable(&args.obj_attributes, &decode::SETATTR, rq.minor, named)?;
    let fs = rq.writable(&fh)?.fs.clone();
    let cred = rq.cred(&fh);
    let file = if attrs.set.size.is_some() {
        io::opened_for(rq, &fh, &args.stateid, Share::WRITE).await?
    } else {
        None
    };
    let set = fs.setattr(&cred, &fh.node, file.as_ref(), &attrs.set).await;
    set.map_err(status::of)?;
    attrs.mask.encode(&mut rq.out);
    Ok(())
}

/// The rights of RFC 8881 §18.1.
const CLASSIC: Access = Access(0x3f);

/// The rights of RFC 8276 §8.5: not spoken of where there are no extended attributes.
const XATTRS: Access = Access(0x1c0);

/// ACCESS.
pub(super) async fn access(rq: &mut Request, args: AccessArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let cred = rq.cred(&fh);
    let export = rq.export(&fh);
    let mut supported = args.access & (CLASSIC | XATTRS);
    if supported.0 & XATTRS.0 != 0 && (rq.minor < 2 || !export.fs.properties_of(&fh.node).xattrs) {
        supported = supported & CLASSIC;
    }
    let mut want = holdfast_vfs::Access(supported.0 as u16);
    if export.read_only {
        let reading = holdfast_vfs::Access::READ
            .union(holdfast_vfs::Access::LOOKUP)
            .union(holdfast_vfs::Access::EXECUTE)
            .union(holdfast_vfs::Access::XATTR_READ)
            .union(holdfast_vfs::Access::XATTR_LIST);
        want = want.intersect(reading);
    }
    let granted = export.fs.access(&cred, &fh.node, want).await.map_err(status::of)?;
    let access = Access(u32::from(granted.0));
    AccessOk { supported, access }.encode(&mut rq.out);
    Ok(())
}
