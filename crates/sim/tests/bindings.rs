//! A connection whose SEQUENCE was refused leaves nothing in the session.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::nfs4::{
    CallbackSecParms, ChannelAttrs, ClientOwner, CreateSessionArgs, CreateSessionFlags,
    ExchangeIdArgs, ExchangeIdFlags, Op, OpBody, OpNum, SequenceArgs, StateProtectArgs, Status,
    Verifier,
};
use holdfast_sim::client::wire::{self, Reply, Tag};
use holdfast_sim::executor::{Executor, Preemption};
use holdfast_sim::host::Host;
use holdfast_sim::host::group::Group;
use holdfast_sim::journal::{Journal, Tracing};
use holdfast_sim::options::Options;
use holdfast_sim::rng::Rng;
use holdfast_sim::sim::Sim;
use holdfast_sim::storage::Storage;
use holdfast_vfs::Fsid;
use holdfast_vfs::memfs::{MemFs, MemFsOptions};

async fn ask(end: &holdfast_sim::network::End, op: Op<'_>) -> Reply {
    end.send(&wire::call(1, Tag { client: 1, number: 1 }, 1, &[op]));
    let mut bytes = Vec::new();
    while let Some(more) = end.recv().await {
        bytes.extend(more);
        if bytes.len() > 4 {
            let len = u32::from_be_bytes([bytes[0] & 0x7f, bytes[1], bytes[2], bytes[3]]) as usize;
            if bytes.len() >= 4 + len {
                break;
            }
        }
    }
    Reply::new(bytes[4..].to_vec(), 0).unwrap()
}

#[test]
fn a_refused_sequence_leaves_no_binding() {
    let rng = Rng::new(5);
    let journal = Journal::new(Tracing::Off);
    let executor = Executor::new(rng.split(1), journal.clone(), Preemption::default());
    let mut options = Options::draw(&mut rng.split(2));
    (options.start_fail_permille, options.slow_permille) = (0, 0);
    let sim = Sim::new(executor.clone(), journal, options);
    sim.end_faults();
    let fsid = Fsid { major: 1, minor: 1 };
    let memory = MemFsOptions { limit_bytes: 1 << 20, limit_files: 100, fsid };
    let files = MemFs::new(Arc::new(sim.outside.clone()), memory);
    let disk = Storage::new(&sim, files, rng.split(3));
    let host = Host::new(&sim, &Group::new(false), 0, disk, rng.split(4));
    let said = Arc::new(Mutex::new(None));
    let answer = said.clone();
    sim.outside.go(async move {
        host.start().await;
        let (end, _) = host.connect(0).unwrap();
        let args = ExchangeIdArgs {
            clientowner: ClientOwner { verifier: Verifier([1; 8]), ownerid: b"me" },
            flags: ExchangeIdFlags::empty(),
            state_protect: StateProtectArgs::None,
            client_impl_id: None,
        };
        let reply = ask(&end, Op::ExchangeId(Box::new(args))).await;
        let ok = reply.find(OpNum::EXCHANGE_ID, |b| {
            if let OpBody::ExchangeId(ok) = b { Some((ok.clientid, ok.sequenceid)) } else { None }
        });
        let (clientid, sequence) = ok.unwrap();
        let channel = ChannelAttrs {
            maxrequestsize: 4096,
            maxresponsesize: 4096,
            maxresponsesize_cached: 4096,
            maxoperations: 8,
            maxrequests: 4,
            ..ChannelAttrs::default()
        };
        let args = CreateSessionArgs {
            clientid,
            sequence,
            flags: CreateSessionFlags::empty(),
            fore_chan_attrs: channel,
            back_chan_attrs: channel,
            cb_program: 1,
            sec_parms: vec![CallbackSecParms::None],
        };
        let reply = ask(&end, Op::CreateSession(Box::new(args))).await;
        let ok = reply.find(OpNum::CREATE_SESSION, |b| {
            if let OpBody::CreateSession(ok) = b { Some(ok.sessionid) } else { None }
        });
        let sessionid = ok.unwrap();
        let sequence = |sequenceid| {
            let (slotid, highest_slotid, cachethis) = (0, 0, false);
            Op::Sequence(SequenceArgs { sessionid, sequenceid, slotid, highest_slotid, cachethis })
        };
        for _ in 0..70 {
            let (end, _) = host.connect(0).unwrap();
            let reply = ask(&end, sequence(9)).await;
            assert!(matches!(reply.status(), Status::SEQ_MISORDERED | Status::DELAY));
        }
        let (end, _) = host.connect(0).unwrap();
        *answer.lock().unwrap() = Some(ask(&end, sequence(1)).await.status());
    });
    executor.run(sim.now() + Duration::from_secs(20), || said.lock().unwrap().is_some());
    assert_eq!(*said.lock().unwrap(), Some(Status::OK));
}
