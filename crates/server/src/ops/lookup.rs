//! LOOKUP, LOOKUPP, READLINK (RFC 8881 §18.13, §18.14, §18.24).

use holdfast_proto::nfs4::Status;
use holdfast_vfs::{Error, FileKind};

use crate::exports::Fh;
use crate::request::{Request, check_name};
use crate::status;

/// LOOKUP.
pub(super) async fn lookup(rq: &mut Request, name: &[u8]) -> Result<(), Status> {
    let found = find(rq, &rq.fh()?, name).await?;
    rq.set_fh(found);
    Ok(())
}

/// The object of a name, across the root of an export.
pub(super) async fn find(rq: &Request, dir: &Fh, name: &[u8]) -> Result<Fh, Status> {
    let name = check_name(name)?;
    let cred = rq.cred(dir);
    let node = rq.export(dir).fs.lookup(&cred, &dir.node, name).await.map_err(status::of)?;
    Ok(rq.server.exports.cross(Fh { node, ..*dir }))
}

/// LOOKUPP.
pub(super) async fn lookup_parent(rq: &mut Request) -> Result<(), Status> {
    let parent = find_parent(rq, &rq.fh()?).await?;
    rq.set_fh(parent);
    Ok(())
}

/// The directory above a directory, across the root of an export.
pub(super) async fn find_parent(rq: &Request, fh: &Fh) -> Result<Fh, Status> {
    let from = rq.server.exports.covered(fh).unwrap_or(*fh);
    let cred = rq.cred(&from);
    match rq.export(&from).fs.lookup_parent(&cred, &from.node).await {
        Ok(node) => Ok(Fh { node, ..from }),
        // RFC 8881 §18.14.3 tells a symbolic link from what else is no directory.
        Err(Error::NotDirectory) if rq.attr(fh).await?.kind == FileKind::Symlink => {
            Err(Status::SYMLINK)
        }
        Err(error) => Err(status::of(error)),
    }
}

/// READLINK.
pub(super) async fn readlink(rq: &mut Request) -> Result<(), Status> {
    let fh = rq.fh()?;
    let cred = rq.cred(&fh);
    let text = rq.export(&fh).fs.readlink(&cred, &fh.node).await.map_err(|error| {
        // RFC 8881 §18.24.4 has a status of its own for it.
        if error == Error::Invalid { Status::WRONG_TYPE } else { status::of(error) }
    })?;
    if text.len() + 8 > rq.room() {
        return Err(rq.too_big());
    }
    rq.out.opaque(&text);
    Ok(())
}
