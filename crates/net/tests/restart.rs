//! A service that is stopped and started again under load: clients find their way back, and
//! nothing is left of any generation. This program has one test, because it counts what belongs to
//! the whole process.
//!
//! With `HOLDFAST_SOAK=1` in the environment it is 200 cycles with 32 clients, and tells how long
//! they took.

mod common;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::client::{Client, Lost, Reply, opened};
use common::{count_own, memory, wait_until, with};
use holdfast_net::{Runtime, Service};
use holdfast_proto::nfs4::{
    CloseArgs, Op, OpBody, OpNum, PutFhArgs, ReadArgs, ShareAccess, StableHow, Stateid, Status,
    WriteArgs,
};
use holdfast_server::{ClientRecords, MemoryRecords, RecordError};

/// What a stop may take.
const BUDGET: Duration = Duration::from_secs(10);

/// A record of clients that counts what begins and ends a grace period.
#[derive(Default)]
struct Counting {
    records: MemoryRecords,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl ClientRecords for Counting {
    fn load(&self) -> Result<Vec<Box<[u8]>>, RecordError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.records.load()
    }

    fn add(&self, owner: &[u8]) -> Result<(), RecordError> {
        self.records.add(owner)
    }

    fn remove(&self, owner: &[u8]) -> Result<(), RecordError> {
        self.records.remove(owner)
    }

    fn end_grace(&self, reclaimed: &[Box<[u8]>]) -> Result<(), RecordError> {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.records.end_grace(reclaimed)
    }
}

/// How much is done.
struct Scale {
    cycles: usize,
    clients: usize,
    /// Of each client between two stops, more or less.
    rounds: usize,
}

/// What the clients have done so far.
struct Load {
    enough: AtomicBool,
    rounds: Vec<AtomicUsize>,
    sessions: AtomicUsize,
}

impl Load {
    fn rounds(&self) -> Vec<usize> {
        self.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst)).collect()
    }

    fn total(&self) -> usize {
        self.rounds().iter().sum()
    }
}

/// A file of one client's, and what must be in it.
struct Own {
    name: String,
    /// What a write was answered for.
    kept: u64,
    /// What a write without an answer may have put there.
    tried: u64,
}

/// One OPEN, READ, WRITE, READ, CLOSE.
fn round(client: &mut Client, own: &mut Own) -> Result<(), Lost> {
    let reply = client.open(own.name.as_bytes(), ShareAccess::BOTH)?;
    assert_eq!(reply.status(), Status::OK);
    let stateid = opened(&reply, |open| open.stateid);
    let fh = reply.find(OpNum::GETFH, |body| {
        if let OpBody::GetFh(ok) = body { Some(ok.object.to_vec()) } else { None }
    });
    let put = || Op::PutFh(PutFhArgs { object: &fh });
    let read = || Op::Read(ReadArgs { stateid, offset: 0, count: 8 });
    let found = number(&client.insist(&[put(), read()])?);
    assert!(found == own.kept || found == own.tried, "{found} is of no write");
    own.tried = own.kept + 1;
    let (data, stable) = (own.tried.to_be_bytes(), StableHow::FILE_SYNC);
    let write = Op::Write(WriteArgs { stateid, offset: 0, stable, data: &data });
    assert_eq!(client.insist(&[put(), write])?.status(), Status::OK);
    own.kept = own.tried;
    assert_eq!(number(&client.insist(&[put(), read()])?), own.kept);
    let close = Op::Close(CloseArgs { seqid: 0, open_stateid: stateid });
    assert_eq!(client.insist(&[put(), close])?.status(), Status::OK);
    assert_ne!(stateid, Stateid::ANONYMOUS);
    Ok(())
}

/// What a READ gave: zero where nothing was written yet.
fn number(reply: &Reply) -> u64 {
    assert_eq!(reply.status(), Status::OK);
    reply.find(OpNum::READ, |body| {
        if let OpBody::Read(ok) = body {
            Some(ok.data.first_chunk().map_or(0, |n| u64::from_be_bytes(*n)))
        } else {
            None
        }
    })
}

fn work(load: &Load, number: usize, addr: std::net::SocketAddr) {
    let name = format!("client-{number}");
    let mut client = Client::new(addr, &name, 1 + number as u32 % 2);
    let mut own = Own { name, kept: 0, tried: 0 };
    while !load.enough.load(Ordering::SeqCst) {
        match round(&mut client, &mut own) {
            Ok(()) => {
                load.rounds[number].fetch_add(1, Ordering::SeqCst);
            }
            Err(Lost::Session) => {}
            Err(Lost::Server) => panic!("the server does not come back"),
        }
    }
    load.sessions.fetch_add(client.sessions, Ordering::SeqCst);
}

/// How long the longest stop and the longest start took.
fn cycle(service: &Service, load: &Load, scale: &Scale) -> (Duration, Duration) {
    let mut longest = (Duration::ZERO, Duration::ZERO);
    for cycle in 0..scale.cycles {
        let before = load.total();
        // Now and then a generation is stopped while clients still find their way to it.
        let enough = if cycle % 4 == 3 { 0 } else { scale.rounds * scale.clients };
        wait_until(|| load.total() >= before + enough);
        let begin = Instant::now();
        let report = service.stop();
        longest.0 = longest.0.max(begin.elapsed());
        assert!(report.is_clean(), "cycle {cycle}: {report:?}");
        assert_eq!(service.threads(), 0);
        let begin = Instant::now();
        service.start().unwrap();
        longest.1 = longest.1.max(begin.elapsed());
        assert_eq!(service.server().generation(), 2 + cycle as u64);
    }
    longest
}

#[test]
fn clients_work_on_over_many_restarts_and_nothing_is_left_of_any() {
    let is_soak = std::env::var_os("HOLDFAST_SOAK").is_some_and(|value| value == "1");
    let scale = if is_soak {
        Scale { cycles: 200, clients: 32, rounds: 60 }
    } else {
        Scale { cycles: 20, clients: 8, rounds: 2 }
    };
    let Scale { cycles, clients, .. } = scale;
    let before = (count_own("fd"), count_own("task"));
    let (runtime, serve) = with(|runtime, serve| {
        runtime.loops = 2;
        serve.stop_budget = BUDGET;
    });
    let runtime = Runtime::start(runtime).unwrap();
    let (fs, records) = (memory(runtime.world()), Arc::new(Counting::default()));
    let kept = records.clone();
    let service = runtime.serve(serve, |server| server.root(fs).records(kept)).unwrap();
    let base = (count_own("fd"), count_own("task"), service.server().running().len());
    let (rounds, sessions) = ((0..clients).map(|_| AtomicUsize::new(0)), AtomicUsize::new(0));
    let load = Load { enough: AtomicBool::new(false), rounds: rounds.collect(), sessions };
    let addr = service.local_addrs()[0];
    let begin = Instant::now();
    let (stop, start) = thread::scope(|scope| {
        for number in 0..clients {
            let load = &load;
            scope.spawn(move || work(load, number, addr));
        }
        let longest = cycle(&service, &load, &scale);
        let last = load.rounds();
        wait_until(|| load.rounds().iter().zip(&last).all(|(now, last)| now > last));
        load.enough.store(true, Ordering::SeqCst);
        longest
    });
    let took = begin.elapsed();
    assert!(stop < BUDGET, "a stop took {stop:?}");
    assert_eq!(records.begun.load(Ordering::SeqCst), cycles + 1, "one grace a generation");
    assert!(records.ended.load(Ordering::SeqCst) <= cycles + 1, "none ended twice");
    let now = || (count_own("fd"), count_own("task"), service.server().running().len());
    wait_until(|| now() == base);
    assert!(service.stop().is_clean());
    drop((service, runtime));
    wait_until(|| (count_own("fd"), count_own("task")) == before);
    let (rounds, sessions) = (load.total(), load.sessions.load(Ordering::SeqCst));
    let told = writeln!(
        std::io::stderr(),
        "{cycles} cycles, {clients} clients: {took:.1?}; longest stop {stop:.1?}, start \
         {start:.1?}; {rounds} rounds of 5 requests, {sessions} sessions"
    );
    told.unwrap();
    assert!(!is_soak || took < Duration::from_secs(60), "it took {took:?}");
}
