//! PUTFH to RESTOREFH (RFC 8881 §18.8, §18.19 to §18.21, §18.27, §18.28).

use holdfast_proto::nfs4::Status;

use crate::request::Request;

/// PUTFH. The handle is resolved by the operation that needs it.
pub(super) fn put(rq: &mut Request, wire: &[u8]) -> Result<(), Status> {
    let fh = rq.server.exports.object(wire)?;
    rq.set_fh(fh);
    Ok(())
}

/// PUTROOTFH and PUTPUBFH.
pub(super) fn put_root(rq: &mut Request) -> Result<(), Status> {
    let root = rq.server.exports.root();
    rq.set_fh(root);
    Ok(())
}

/// GETFH.
pub(super) fn get(rq: &mut Request) -> Result<(), Status> {
    let key = rq.key(&rq.fh()?);
    rq.out.opaque(key.as_slice());
    Ok(())
}

/// SAVEFH. The current state id is saved with it (RFC 8881 §16.2.3.1.2).
pub(super) fn save(rq: &mut Request) -> Result<(), Status> {
    rq.saved = Some(rq.fh()?);
    rq.saved_stateid = rq.current_stateid;
    Ok(())
}

/// RESTOREFH.
pub(super) fn restore(rq: &mut Request) -> Result<(), Status> {
    rq.current = Some(rq.saved_fh()?);
    rq.current_stateid = rq.saved_stateid;
    Ok(())
}
