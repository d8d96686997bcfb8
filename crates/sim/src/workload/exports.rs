//! A client that looks which exports there are, while reconfigurations change that.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::nfs4::{
    AttrValue, CreateArgs, CreateType, GetAttrArgs, LookupArgs, Op, OpNum, Status, attr,
};

use super::names::{Attrs, handle_of, put};
use super::plain::ask;
use crate::client::{Client, Done};
use crate::host::setup::{Layout, MORE};
use crate::rng::Rng;

/// How often it looks.
const LOOKS: u64 = 5;

/// Looks now and then, until the faults are over.
pub async fn looks(client: Arc<Client>, mut rng: Rng) {
    let (sim, name) = (client.sim.clone(), client.name.to_string());
    let pause = sim.options.faults.as_nanos() as u64 * 2 / LOOKS;
    let mut handle = None;
    for _ in 0..LOOKS {
        handle = look(&client).await.or(handle);
        if let Some(handle) = &handle {
            use_handle(&client, handle).await;
        }
        if sim.journal.is_broken() {
            return;
        }
        sim.after(Duration::from_nanos(rng.below(pause))).await;
    }
    client.unmount().await;
    sim.checkers.liveness.ends(&name);
}

/// Whether the instance that answered has the export that comes and goes.
fn is_there(client: &Client, done: &Done) -> bool {
    client.host.layout_of(done.reply.generation) == Some(Layout::MainAndMore)
}

/// Looks the export up: its handle, if it is there.
async fn look(client: &Client) -> Option<Vec<u8>> {
    let lookup = Op::Lookup(LookupArgs { objname: MORE.as_bytes() });
    let (done, status) = ask(client, &[Op::PutRootFh, lookup, Op::GetFh], OpNum::LOOKUP).await;
    let expected = if is_there(client, &done) { Status::OK } else { Status::NOENT };
    client.sim.checkers.tree.status(&client.name, "LOOKUP of an export", status, &[expected]);
    client.sim.journal.count("operation", "LOOKUP of an export");
    handle_of(&done.reply)
}

/// The handle is good for as long as the export is there, and nothing can be made there.
async fn use_handle(client: &Client, handle: &[u8]) {
    let get = Op::GetAttr(GetAttrArgs { attr_request: [attr::TYPE].into_iter().collect() });
    let (done, status) = ask(client, &[put(handle), get], OpNum::PUTFH).await;
    let is_gone = !is_there(client, &done);
    let expected = if is_gone { Status::STALE } else { Status::OK };
    client.sim.checkers.tree.status(&client.name, "PUTFH of an export", status, &[expected]);
    if is_gone {
        return client.sim.journal.count("client", "export gone");
    }
    let attrs = Attrs::new(&[AttrValue::Mode(0o755)]);
    let create = Op::Create(CreateArgs {
        objtype: CreateType::Directory,
        objname: b"not-here",
        createattrs: attrs.fattr(),
    });
    let (done, status) = ask(client, &[put(handle), create], OpNum::CREATE).await;
    let expected = if is_there(client, &done) { Status::ROFS } else { Status::STALE };
    client.sim.checkers.tree.status(&client.name, "CREATE where none can be", status, &[expected]);
}
