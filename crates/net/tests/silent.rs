//! A file system that never answers: those who use another one do not notice, and a stop names
//! it.

mod common;

use std::future::pending;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::client::Client;
use common::fuse::Fuse;
use common::session::Session;
use common::{PATIENCE, memory, null, wait_until, with};
use holdfast_localfs::{LocalFs, Options};
use holdfast_net::{Left, Runtime, Service, StopReport};
use holdfast_proto::nfs4::{Bitmap, GetAttrArgs, LookupArgs, Op, Status, attr};
use holdfast_server::Export;
use holdfast_vfs::{
    Attr, Cred, DirEnd, DirSink, Error, File, FileSystem, Handle, OpenMode, ReadEnd, ReadSink,
    Reply, Want,
};

/// Requests that get no answer: more than there are threads.
const ASKED: u32 = 50;
const THREADS: usize = 6;
const BUDGET: Duration = Duration::from_secs(1);

/// Its attributes are never ready.
struct Silent;

impl FileSystem for Silent {
    fn root(&self) -> Handle {
        Handle::new(b"root").expect("a handle has room for it")
    }

    fn getattr<'a>(&'a self, _: &'a Cred, _: &'a Handle) -> Reply<'a, Attr> {
        Reply::later(pending())
    }

    fn lookup<'a>(&'a self, _: &'a Cred, _: &'a Handle, _: &'a [u8]) -> Reply<'a, Handle> {
        Reply::now(Err(Error::NotFound))
    }

    fn open<'a>(&'a self, _: &'a Cred, _: &'a Handle, _: OpenMode, _: bool) -> Reply<'a, File> {
        Reply::now(Err(Error::Io))
    }

    fn readdir<'a>(
        &'a self,
        _: &'a Cred,
        _: &'a Handle,
        _: u64,
        _: usize,
        _: Want,
        _: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd> {
        Reply::now(Err(Error::Io))
    }

    fn read<'a>(
        &'a self,
        _: &'a File,
        _: u64,
        _: usize,
        _: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        Reply::now(Err(Error::Io))
    }
}

fn serve(runtime: &Runtime, exports: [Export; 2]) -> Service {
    let (_, config) = with(|_, serve| {
        serve.threads = THREADS;
        serve.stop_budget = BUDGET;
    });
    runtime
        .serve(config, |server| server.export(exports[0].clone()).export(exports[1].clone()))
        .unwrap()
}

fn runtime() -> Runtime {
    Runtime::start(with(|_, _| {}).0).unwrap()
}

const fn to(name: &[u8]) -> Op<'_> {
    Op::Lookup(LookupArgs { objname: name })
}

/// Asks for the attributes of what never answers, in as many slots.
fn ask(service: &Service) -> Session {
    let mut session = Session::new(service);
    (0..ASKED).for_each(|number| session.ask_of(&[to(b"hung")], 100 + number, number));
    // All are received, as the reply to a later call tells.
    session.peer.send(&null(1));
    session.peer.expect_null(1);
    session
}

/// Requests of clients that use the other file system.
fn work(service: &Service) {
    for minor in [1, 2] {
        let mut client = Client::new(service.local_addrs()[0], "other", minor);
        for _ in 0..500 {
            let attrs = GetAttrArgs { attr_request: Bitmap::of(&[attr::SIZE, attr::CHANGE]) };
            let ops = [Op::PutRootFh, to(b"well"), Op::GetAttr(attrs)];
            assert_eq!(client.request(&ops).unwrap().status(), Status::OK);
        }
    }
}

fn stop(service: &Service) -> StopReport {
    let begin = Instant::now();
    let report = service.stop();
    assert!(begin.elapsed() < BUDGET + Duration::from_secs(5), "it took {:?}", begin.elapsed());
    let named: Vec<_> = report.given_up.iter().map(|running| running.what.as_str()).collect();
    for xid in 100..100 + ASKED {
        let name = format!("request {xid:#010x} of connection 1: ");
        let of = named.iter().find(|what| what.starts_with(&name));
        let of = of.unwrap_or_else(|| panic!("{xid} is not named in {named:?}"));
        assert!(of.ends_with("GETATTR on the file system of export /hung"), "{of}");
    }
    report
}

#[test]
fn a_file_system_that_never_answers_hinders_no_other() {
    let runtime = runtime();
    let well = Export::new("/well", memory(runtime.world()));
    let service = serve(&runtime, [well, Export::new("/hung", Arc::new(Silent))]);
    let _session = ask(&service);
    work(&service);
    let report = stop(&service);
    assert_eq!((report.jobs_dropped, report.threads_left), (0, 0));
    service.start().unwrap();
    work(&service);
    assert!(service.stop().is_clean());
}

/// How long each of so many requests of one client took, in order of length.
fn measure(client: &mut Client, requests: usize) -> Vec<Duration> {
    let attrs = GetAttrArgs { attr_request: Bitmap::of(&[attr::SIZE, attr::CHANGE]) };
    let ops = [Op::PutRootFh, to(b"well"), Op::GetAttr(attrs)];
    let mut took = Vec::with_capacity(requests);
    for _ in 0..requests {
        let begin = Instant::now();
        assert_eq!(client.request(&ops).unwrap().status(), Status::OK);
        took.push(begin.elapsed());
    }
    took.sort();
    took
}

/// With `HOLDFAST_SOAK=1` it tells how long another client's GETATTR takes with and without a file
/// system that hangs, in turns. Without, it shows that the measurement works.
#[test]
fn what_another_client_notices_is_measured() {
    let is_soak = std::env::var_os("HOLDFAST_SOAK").is_some_and(|value| value == "1");
    let (turns, requests) = if is_soak { (10, 10_000) } else { (1, 100) };
    let runtime = runtime();
    let well = Export::new("/well", memory(runtime.world()));
    let service = serve(&runtime, [well, Export::new("/hung", Arc::new(Silent))]);
    let mut client = Client::new(service.local_addrs()[0], "other", 2);
    measure(&mut client, requests);
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..turns {
        took[0].extend(measure(&mut client, requests));
        // When its connection is gone, what it waits for stays until the service stops.
        let session = ask(&service);
        took[1].extend(measure(&mut client, requests));
        drop(session);
        service.stop();
        service.start().unwrap();
        // It finds its way back.
        while client.request(&[Op::PutRootFh]).is_err() {}
    }
    took.iter_mut().for_each(|all| all.sort());
    assert!(took.iter().all(|all| all.len() == turns * requests));
    for percent in [50, 99] {
        let [without, with] = took.each_ref().map(|all| all[all.len() * percent / 100 - 1]);
        let ratio = with.as_secs_f64() / without.as_secs_f64();
        let told = writeln!(
            std::io::stderr(),
            "GETATTR p{percent}: {without:.1?}, beside {ASKED} that hang {with:.1?}: {ratio:.2}"
        );
        told.unwrap();
    }
    assert_eq!(service.stop().threads_left, 0);
}

#[test]
fn a_kernel_that_never_answers_hinders_no_other() {
    let Some(fuse) = Fuse::mount() else {
        let _ = writeln!(std::io::stderr(), "no FUSE file system can be mounted here");
        return;
    };
    let runtime = runtime();
    let open = |path: PathBuf| {
        let mut options = Options::new([1; 16]);
        // What is cached may wait for the pool as well, so that it is seen to be shared.
        options.always_offload = true;
        Arc::new(LocalFs::open(&path, runtime.world(), options).unwrap())
    };
    let exports = [
        Export::new("/well", open(std::env::temp_dir())),
        Export::new("/hung", open(fuse.path.clone())),
    ];
    let service = serve(&runtime, exports);
    fuse.hang();
    let _session = ask(&service);
    // One thread is left for the other.
    wait_until(|| fuse.hanging() == THREADS - 1);
    work(&service);
    let report = stop(&service);
    assert_eq!(report.threads_left, THREADS - 1);
    assert_eq!(report.jobs_dropped, ASKED as usize - (THREADS - 1));
    service.start().unwrap();
    work(&service);
    assert!(service.stop().is_clean());
    fuse.release();
    drop(service);
    assert_eq!(runtime.stop(PATIENCE), Left::default());
}
