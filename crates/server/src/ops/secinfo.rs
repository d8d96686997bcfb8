//! SECINFO and SECINFO_NO_NAME (RFC 8881 §18.29, §18.45).

use holdfast_proto::nfs4::{AuthFlavor, SecInfoStyle, Status};

use crate::ops::lookup;
use crate::request::Request;

/// What a client may authenticate with, best first.
const FLAVORS: [AuthFlavor; 2] = [AuthFlavor::SYS, AuthFlavor::NONE];

/// SECINFO: the name must exist, though all names are served alike.
pub(super) async fn secinfo(rq: &mut Request, name: &[u8]) -> Result<(), Status> {
    lookup::find(rq, &rq.fh()?, name).await?;
    answer(rq);
    Ok(())
}

/// SECINFO_NO_NAME.
pub(super) async fn no_name(rq: &mut Request, style: SecInfoStyle) -> Result<(), Status> {
    match style {
        SecInfoStyle::CURRENT_FH => {}
        SecInfoStyle::PARENT => {
            lookup::find_parent(rq, &rq.fh()?).await?;
        }
        _ => return Err(Status::INVAL),
    }
    answer(rq);
    Ok(())
}

/// Both consume the current file handle (RFC 8881 §2.6.3.1.1.8).
fn answer(rq: &mut Request) {
    rq.out.u32(FLAVORS.len() as u32);
    FLAVORS.iter().for_each(|flavor| rq.out.u32(flavor.0));
    rq.current = None;
    rq.current_stateid = None;
}
