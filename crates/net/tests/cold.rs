//! What a client that reads what is not in memory costs one that asks for what is.
//!
//! With `HOLDFAST_SOAK=1` the test tells how long GETATTR takes alone, beside a client that reads
//! a file in memory, beside one that reads the same from the disk, and beside calls to a file
//! system that hangs. `HOLDFAST_COLD_MIB` is the file's size. Without, it shows that the
//! measurement works.

mod common;

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::client::Client;
use common::fuse::Fuse;
use common::session::Session;
use common::{PATIENCE, with};
use holdfast_localfs::{Calls, Class, LocalFs, Options};
use holdfast_net::{Left, Runtime, Service};
use holdfast_proto::nfs4::{
    Bitmap, GetAttrArgs, LookupArgs, Op, OpBody, OpNum, ReadArgs, Stateid, Status, attr,
};
use holdfast_server::Export;

const MIB: u64 = 1 << 20;
/// Bytes of one READ.
const COUNT: u32 = 512 << 10;
/// Calls to the file system that hangs.
const HANGING: u32 = 8;

const fn to(name: &[u8]) -> Op<'_> {
    Op::Lookup(LookupArgs { objname: name })
}

/// A file of so many bytes, below `/tmp` or where `HOLDFAST_COLD_DIR` says.
struct Data {
    dir: PathBuf,
    file: File,
    bytes: u64,
}

impl Data {
    fn new(bytes: u64) -> Self {
        let below =
            std::env::var_os("HOLDFAST_COLD_DIR").map_or_else(std::env::temp_dir, Into::into);
        let dir = below.join(format!("holdfast-cold-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("data");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.unwrap();
        let block = vec![7; MIB as usize];
        (0..bytes / MIB).for_each(|at| file.write_all_at(&block, at * MIB).unwrap());
        file.sync_all().unwrap();
        Self { dir, file, bytes }
    }

    fn forget(&self) {
        rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }

    /// Reads the file again and again until it is told to stop; how many bytes.
    fn stream(&self, addr: SocketAddr, is_cold: bool, stop: &AtomicBool, read: &AtomicU64) {
        let mut client = Client::new(addr, "stream", 2);
        client.is_cached = false;
        while !stop.load(Ordering::Relaxed) {
            if is_cold {
                self.forget();
            }
            for offset in (0..self.bytes).step_by(COUNT as usize) {
                let args = ReadArgs { stateid: Stateid::ANONYMOUS, offset, count: COUNT };
                let ops = [Op::PutRootFh, to(b"well"), to(b"data"), Op::Read(args)];
                let reply = client.request(&ops).unwrap();
                let len = reply.find(OpNum::READ, |body| {
                    if let OpBody::Read(ok) = body { Some(ok.data.len()) } else { None }
                });
                assert_eq!(len, COUNT as usize);
                read.fetch_add(len as u64, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// How long each of so many requests took.
fn measure(client: &mut Client, requests: usize) -> Vec<Duration> {
    let attrs = GetAttrArgs { attr_request: Bitmap::of(&[attr::SIZE, attr::CHANGE]) };
    let ops = [Op::PutRootFh, to(b"well"), Op::GetAttr(attrs)];
    let mut took = Vec::with_capacity(requests);
    for _ in 0..requests {
        let begin = Instant::now();
        assert_eq!(client.request(&ops).unwrap().status(), Status::OK);
        took.push(begin.elapsed());
    }
    took
}

fn tell(what: &str, took: &mut [Duration]) -> Duration {
    took.sort();
    let [half, most] = [50, 99].map(|percent| took[(took.len() * percent / 100).max(1) - 1]);
    let told = writeln!(std::io::stderr(), "GETATTR {what}: p50 {half:.1?}, p99 {most:.1?}");
    told.unwrap();
    most
}

/// Requests beside a client that reads.
fn beside_a_stream(
    service: &Service,
    data: &Data,
    is_cold: bool,
    requests: usize,
) -> Vec<Duration> {
    let addr = service.local_addrs()[0];
    let (stop, read) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| data.stream(addr, is_cold, &stop, &read));
        let begin = Instant::now();
        while read.load(Ordering::Relaxed) == 0 && begin.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        let mut client = Client::new(addr, "asks", 2);
        let took = measure(&mut client, requests);
        stop.store(true, Ordering::Relaxed);
        took
    })
}

fn open(runtime: &Runtime, path: &Path) -> Arc<LocalFs> {
    Arc::new(LocalFs::open(path, runtime.world(), Options::new([1; 16])).unwrap())
}

#[test]
fn what_a_client_notices_of_a_cold_file_and_of_one_that_hangs_is_measured() {
    let is_soak = std::env::var_os("HOLDFAST_SOAK").is_some_and(|value| value == "1");
    let (turns, requests, mib) = if is_soak { (5, 5_000, 1024) } else { (1, 100, 4) };
    let mib = std::env::var("HOLDFAST_COLD_MIB").map_or(mib, |mib| mib.parse().unwrap());
    let data = Data::new(mib * MIB);
    let runtime = Runtime::start(with(|_, _| {}).0).unwrap();
    let fuse = Fuse::mount();
    let well = open(&runtime, &data.dir);
    let mut exports = vec![Export::new("/well", well.clone())];
    exports.extend(fuse.iter().map(|fuse| Export::new("/hung", open(&runtime, &fuse.path))));
    let (_, config) = with(|_, serve| serve.stop_budget = Duration::from_secs(1));
    let service = runtime
        .serve(config, |server| exports.into_iter().fold(server, |server, one| server.export(one)))
        .unwrap();
    let mut client = Client::new(service.local_addrs()[0], "asks", 2);
    let mut took = [const { Vec::new() }; 4];
    for _ in 0..turns {
        took[0].extend(measure(&mut client, requests));
        took[1].extend(beside_a_stream(&service, &data, false, requests));
        took[2].extend(beside_a_stream(&service, &data, true, requests));
    }
    if let Some(fuse) = &fuse {
        fuse.hang();
        let mut session = Session::new(&service);
        (0..HANGING).for_each(|number| session.ask_of(&[to(b"hung")], 100 + number, number));
        common::wait_until(|| fuse.hanging() > 0);
        took[3].extend(measure(&mut client, turns * requests));
        fuse.release();
    }
    let names = ["alone", "beside a warm stream", "beside a cold stream", "beside calls that hang"];
    for (name, took) in names.into_iter().zip(&mut took).filter(|(_, took)| !took.is_empty()) {
        tell(name, took);
    }
    let Calls { offloaded, stalled } = well.calls(Class::Reads);
    writeln!(std::io::stderr(), "READ: {offloaded} by threads, {stalled} stalled").unwrap();
    service.stop();
    drop(service);
    assert_eq!(runtime.stop(PATIENCE), Left::default());
}
