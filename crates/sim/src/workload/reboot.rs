//! A client that starts anew again and again, with requests in progress: what it had is gone, and
//! keeps nobody from anything.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::nfs4::{
    AttrValue, CreateHow, Op, OpBody, OpNum, OpenClaim, OpenHow, ReadArgs, StableHow, Stateid,
    Status, WriteArgs,
};

use super::AGAIN;
use super::names::{Attrs, handle_of, put};
use super::plain::{ask, is_put_off};
use crate::checkers::shares::Share;
use crate::client::Client;
use crate::client::held::open_op;
use crate::rng::Rng;

/// Bytes that a request in progress writes.
const DATA: &[u8] = b"what nobody waits for";

/// The most that pass between a request and the end of the client.
const LAST_MOMENTS: Duration = Duration::from_millis(400);

/// Starts a client anew, so many times.
pub async fn reboots(client: Arc<Client>, mut rng: Rng) {
    let (sim, name) = (client.sim.clone(), client.name.to_string());
    for round in 0..sim.options.reboots {
        sim.checkers.liveness.begins(&name, format!("opens, before reboot {round}"));
        let (handle, stateid) = open_alone(&client, round).await;
        for n in 0..rng.below(4) {
            let (offset, stable) = (n * DATA.len() as u64, StableHow::FILE_SYNC);
            let write = WriteArgs { stateid, offset, stable, data: DATA };
            client.send(&handle, Op::Write(write));
        }
        sim.after(Duration::from_nanos(rng.below(LAST_MOMENTS.as_nanos() as u64))).await;
        let former = client.reboot(rng.next().to_be_bytes()).await;
        sim.checkers.liveness.begins(&name, format!("returns from reboot {round}"));
        let read = Op::Read(ReadArgs { stateid, offset: 0, count: 10 });
        let (_, status) = ask(&client, &[put(&handle), read], OpNum::READ).await;
        let gone = [Status::BAD_STATEID, Status::STALE_STATEID, Status::EXPIRED];
        sim.checkers.tree.status(&name, "READ of before the reboot", status, &gone);
        client.check_gone(&former).await;
        if sim.journal.is_broken() {
            return;
        }
    }
    client.unmount().await;
    sim.checkers.liveness.ends(&name);
}

/// Opens the client's file and denies it to everybody: to what it was before, too.
async fn open_alone(client: &Arc<Client>, round: u32) -> (Vec<u8>, Stateid) {
    let (sim, owner) = (&client.sim, round.to_be_bytes());
    let name = format!("alone-{}", client.id);
    let attrs = Attrs::new(&[AttrValue::Mode(0o644)]);
    let how = OpenHow::Create(CreateHow::Unchecked(attrs.fattr()));
    let claim = OpenClaim::Null(name.as_bytes());
    let mut ops = client.root();
    ops.extend([open_op(&owner, Share { access: 3, deny: 3 }, how, claim), Op::GetFh]);
    loop {
        let done = client.request(true, &ops).await;
        let status = done.reply.status();
        if is_put_off(&client.sim, status) {
            sim.after(AGAIN).await;
            continue;
        }
        sim.checkers.tree.status(&client.name, "OPEN by a new machine", status, &[Status::OK]);
        let opened = |body: &OpBody<'_>| {
            if let OpBody::Open(ok) = body { Some(ok.stateid) } else { None }
        };
        let stateid = done.reply.find(OpNum::OPEN, opened).unwrap_or(Stateid::ANONYMOUS);
        sim.checkers.generations.stateid_made(&stateid, done.reply.generation);
        return (handle_of(&done.reply).unwrap_or_default(), stateid);
    }
}
