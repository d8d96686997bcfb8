//! Requests of clients that follow no model.

use holdfast_proto::nfs4::{Op, OpNum, Status};

use super::{AGAIN, is_refusal};
use crate::client::{Client, Done};
use crate::sim::Sim;

/// Whether a request is to be done again: the storage refused, or the server is not ready.
pub(super) fn is_put_off(sim: &Sim, status: Status) -> bool {
    status == Status::DELAY || (is_refusal(status) && sim.options.error_permille > 0)
}

/// A request that changes nothing, until it is neither refused nor delayed; and the status of an
/// operation of it.
pub(super) async fn ask(client: &Client, ops: &[Op<'_>], num: OpNum) -> (Done, Status) {
    loop {
        let done = client.request(false, ops).await;
        if !is_put_off(&client.sim, done.reply.status()) {
            let status = done.reply.status_of(num);
            return (done, status);
        }
        client.sim.after(AGAIN).await;
    }
}
