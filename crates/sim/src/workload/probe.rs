//! When everybody is gone: one more client finds that nobody holds anything.

use std::sync::Arc;

use holdfast_proto::nfs4::{CloseArgs, LookupArgs, Op, OpBody, OpNum, OpenClaim, OpenHow, Status};

use super::{RECORDS, SHARED_DIR};
use crate::checkers::shares::Share;
use crate::client::Client;
use crate::client::held::open_op;

/// Opens the shared file and denies everything to everybody, then unmounts.
pub async fn probe(client: Arc<Client>) {
    let (sim, name) = (client.sim.clone(), client.name.to_string());
    let share = Share { access: 3, deny: 3 };
    let claim = OpenClaim::Null(RECORDS.as_bytes());
    let dir = Op::Lookup(LookupArgs { objname: SHARED_DIR.as_bytes() });
    let open = open_op(b"probe", share, OpenHow::NoCreate, claim);
    let mut ops = client.root();
    ops.extend([dir.clone(), open]);
    let done = client.request(true, &ops).await;
    let status = done.reply.status();
    sim.checkers.tree.status(&name, "probe", status, &[Status::OK, Status::NOENT]);
    let opened = |body: &OpBody<'_>| {
        if let OpBody::Open(ok) = body { Some(ok.stateid) } else { None }
    };
    if let Some(open_stateid) = done.reply.find(OpNum::OPEN, opened) {
        let file = Op::Lookup(LookupArgs { objname: RECORDS.as_bytes() });
        let close = Op::Close(CloseArgs { seqid: 0, open_stateid });
        let mut ops = client.root();
        ops.extend([dir, file, close]);
        let done = client.request(true, &ops).await;
        sim.checkers.tree.status(&name, "probe's CLOSE", done.reply.status(), &[Status::OK]);
    }
    client.unmount().await;
    sim.checkers.liveness.ends(&name);
}
