//! REMOVE, RENAME, LINK (RFC 8881 §18.25, §18.26, §18.9).

use holdfast_proto::nfs4::{ChangeInfo, RenameArgs, Status};
use holdfast_proto::xdr::Encode;

use crate::request::{Request, check_name};
use crate::status;

/// A directory's change, as the protocol tells it.
pub(super) const fn change(change: &holdfast_vfs::ChangeInfo) -> ChangeInfo {
    ChangeInfo { atomic: change.atomic, before: change.before, after: change.after }
}

/// REMOVE.
pub(super) async fn remove(rq: &mut Request, name: &[u8]) -> Result<(), Status> {
    let dir = rq.fh()?;
    let name = check_name(name)?;
    rq.server.state.check_grace().await?;
    let cred = rq.cred(&dir);
    let fs = &rq.writable(&dir)?.fs;
    let changed = fs.remove(&cred, &dir.node, name).await.map_err(status::of)?;
    change(&changed).encode(&mut rq.out);
    Ok(())
}

/// RENAME, from the saved directory to the current one.
pub(super) async fn rename(rq: &mut Request, args: &RenameArgs<'_>) -> Result<(), Status> {
    let (from, to) = (rq.saved_fh()?, rq.fh()?);
    let (old, new) = (check_name(args.oldname)?, check_name(args.newname)?);
    if from.export != to.export {
        return Err(Status::XDEV);
    }
    rq.server.state.check_grace().await?;
    let cred = rq.cred(&to);
    let fs = &rq.writable(&to)?.fs;
    let renamed = fs.rename(&cred, (&from.node, old), (&to.node, new)).await;
    let (source, target) = renamed.map_err(status::of)?;
    change(&source).encode(&mut rq.out);
    change(&target).encode(&mut rq.out);
    Ok(())
}

/// LINK: gives the saved object a name in the current directory.
pub(super) async fn link(rq: &mut Request, name: &[u8]) -> Result<(), Status> {
    let (node, dir) = (rq.saved_fh()?, rq.fh()?);
    let name = check_name(name)?;
    if node.export != dir.export {
        return Err(Status::XDEV);
    }
    let cred = rq.cred(&dir);
    let fs = &rq.writable(&dir)?.fs;
    let changed = fs.link(&cred, &node.node, &dir.node, name).await.map_err(status::of)?;
    change(&changed).encode(&mut rq.out);
    Ok(())
}
