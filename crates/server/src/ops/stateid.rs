//! TEST_STATEID and FREE_STATEID (RFC 8881 §18.48, §18.38).

use holdfast_proto::nfs4::{Stateid, Status, TestStateidArgs, TestStateidOk};
use holdfast_proto::xdr::Encode;

use crate::request::Request;

/// TEST_STATEID. A special state id is none to test.
pub(super) async fn test(rq: &mut Request, args: &TestStateidArgs) -> Result<(), Status> {
    let client = rq.client()?;
    if rq.room() < 4 + 4 * args.stateids.len() {
        return Err(rq.too_big());
    }
    let status_codes = rq.server.state.test_stateids(client, &args.stateids).await?;
    TestStateidOk { status_codes }.encode(&mut rq.out);
    Ok(())
}

/// FREE_STATEID.
pub(super) async fn free(rq: &mut Request, given: &Stateid) -> Result<(), Status> {
    let (client, stateid) = (rq.client()?, rq.own_stateid(given)?);
    rq.server.state.free_stateid(client, &stateid).await.map_err(|status| match status {
        // A client that has a session learns from it that the server restarted: here there is no
        // such status.
        Status::STALE_STATEID => Status::BAD_STATEID,
        other => other,
    })
}
