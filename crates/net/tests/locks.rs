//! Locks of clients and of local processes on one file, over the wire. The local process is
//! another holder of locks in this one: to the kernel that is no difference.

mod common;

use std::fs::File as LocalFile;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::client::{Client, Reply, opened};
use common::{config, wait_until};
use holdfast_localfs::{Durability, LocalFs, Options};
use holdfast_net::{Runtime, Service};
use holdfast_proto::nfs4::{
    ClientId, CloseArgs, ExistLockOwner, FreeStateidArgs, LockArgs, LockTArgs, LockType, LockUArgs,
    Locker, Op, OpBody, OpNum, OpenToLockOwner, PutFhArgs, ShareAccess, StateOwner, Stateid,
    Status,
};
use holdfast_vfs::{
    Cred, File, FileSystem, LocalLock, LockKind, LockRange, LockStep, Locked, OpenMode,
};
use rustix::fs::{FlockOperation, fcntl_lock};

const READ: LockType = LockType::READ;
const WRITE: LockType = LockType::WRITE;
const END: u64 = u64::MAX;
/// Of those whose clients are not to go.
const LONG: Duration = Duration::from_secs(90);
const SHORT: Duration = Duration::from_secs(3);

/// A first byte, and how many.
type Bytes = (u64, u64);

/// A directory of its own.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("holdfast-net-locks-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        let file = dir.join("file");
        LocalFile::create(&file).unwrap();
        // Whoever the server acts as.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&file, all).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A local process with its own locks on `file`.
struct Process {
    fs: LocalFs,
    locks: File,
}

impl Process {
    fn new(dir: &Dir, runtime: &Runtime) -> Self {
        let fs = local_fs(dir, runtime);
        let node = now(fs.lookup(&Cred::ROOT, &fs.root(), b"file"));
        let open = now(fs.open(&Cred::ROOT, &node, OpenMode::BOTH, false));
        let locks = now(fs.open_locks(&node, Some(&open)));
        Self { fs, locks }
    }

    fn lock(&self, first: u64, last: u64, kind: Option<LockKind>) -> Locked {
        let range = LockRange { first, last };
        now(self.fs.lock_ranges(&self.locks, &[LockStep { range, kind }]))
    }

    /// What is locked, byte by byte of the first 16: by a letter for reading and for writing.
    fn seen(&self) -> String {
        let test = |at, kind| {
            let range = LockRange { first: at, last: at };
            now(self.fs.test_range(&self.locks, LockStep { range, kind: Some(kind) })).is_ok()
        };
        let letter = |at| match (test(at, LockKind::Read), test(at, LockKind::Write)) {
            (true, true) => '-',
            (true, false) => 'r',
            (false, _) => 'W',
        };
        (0..16).map(letter).collect()
    }
}

fn local_fs(dir: &Dir, runtime: &Runtime) -> LocalFs {
    let options = Options { durability: Durability::Async, ..Options::new([1; 16]) };
    LocalFs::open(&dir.0, runtime.world(), options).unwrap()
}

fn now<T>(reply: impl Future<Output = holdfast_vfs::Result<T>>) -> T {
    match pin!(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.expect("the file system does it"),
        Poll::Pending => panic!("it answers at once"),
    }
}

/// A service over a directory, a local process, and how the service is asked.
struct Both {
    process: Process,
    service: Service,
    /// Has the threads.
    _runtime: Runtime,
    dir: Dir,
}

impl Both {
    fn new(lease: Duration) -> Self {
        let (runtime, serve) = config();
        let (dir, runtime) = (Dir::new(), Runtime::start(runtime).unwrap());
        let fs = Arc::new(local_fs(&dir, &runtime));
        let service = runtime.serve(serve, |server| server.root(fs).lease(lease)).unwrap();
        Self { process: Process::new(&dir, &runtime), service, _runtime: runtime, dir }
    }

    fn opener(&self, name: &str) -> Opener {
        let mut client = Client::new(self.service.local_addrs()[0], name, 1);
        let reply = client.open(b"file", ShareAccess::BOTH).unwrap();
        let fh = reply.find(OpNum::GETFH, |body| {
            if let OpBody::GetFh(got) = body { Some(got.object.to_vec()) } else { None }
        });
        Opener { open: opened(&reply, |ok| ok.stateid), client, fh }
    }
}

/// A client that has the file open.
struct Opener {
    client: Client,
    fh: Vec<u8>,
    open: Stateid,
}

impl Opener {
    fn run(&mut self, op: Op<'_>) -> Reply {
        let fh = PutFhArgs { object: &self.fh };
        self.client.insist(&[Op::PutFh(fh), op]).unwrap()
    }

    fn lock(&mut self, owner: &[u8], locktype: LockType, (offset, length): Bytes) -> Reply {
        let lock_owner = StateOwner { clientid: ClientId(0), owner };
        let open_stateid = self.open;
        let new = OpenToLockOwner { open_seqid: 0, open_stateid, lock_seqid: 0, lock_owner };
        let locker = Locker::New(new);
        self.run(Op::Lock(LockArgs { locktype, reclaim: false, offset, length, locker }))
    }

    fn lock_more(&mut self, lock_stateid: Stateid, locktype: LockType, bytes: Bytes) -> Reply {
        let (offset, length) = bytes;
        let locker = Locker::Existing(ExistLockOwner { lock_stateid, lock_seqid: 0 });
        self.run(Op::Lock(LockArgs { locktype, reclaim: false, offset, length, locker }))
    }

    fn test(&mut self, locktype: LockType, (offset, length): Bytes) -> Reply {
        let owner = StateOwner { clientid: ClientId(0), owner: b"who tests" };
        self.run(Op::LockT(LockTArgs { locktype, offset, length, owner }))
    }

    fn unlock(&mut self, lock: Stateid, (offset, length): Bytes) {
        let lock_stateid = Stateid { seqid: 0, ..lock };
        let args = LockUArgs { locktype: READ, seqid: 0, lock_stateid, offset, length };
        assert_eq!(self.run(Op::LockU(args)).status(), Status::OK);
    }

    fn free(&mut self, lock: Stateid) {
        let stateid = Stateid { seqid: 0, ..lock };
        let freed = self.run(Op::FreeStateid(FreeStateidArgs { stateid }));
        assert_eq!(freed.status(), Status::OK);
    }

    fn close(mut self) -> Client {
        let open_stateid = self.open;
        let closed = self.run(Op::Close(CloseArgs { seqid: 0, open_stateid }));
        assert_eq!(closed.status(), Status::OK);
        self.client
    }
}

/// The state id of a lock that was granted.
#[track_caller]
fn granted(reply: &Reply) -> Stateid {
    assert_eq!(reply.status(), Status::OK);
    reply.find(
        OpNum::LOCK,
        |body| {
            if let OpBody::Lock(ok) = body { Some(ok.lock_stateid) } else { None }
        },
    )
}

/// The bytes and the kind of a lock in the way, which is a local process's.
#[track_caller]
fn denied_by_process(reply: &Reply, num: OpNum) -> (Bytes, LockType) {
    assert_eq!(reply.status(), Status::DENIED);
    reply.find(num, |body| {
        let OpBody::LockDenied(denied) = body else { return None };
        let owner = (denied.owner.clientid, denied.owner.owner);
        assert_eq!(owner, (ClientId(0), &b"local process"[..]));
        Some(((denied.offset, denied.length), denied.locktype))
    })
}

#[test]
fn a_local_process_keeps_a_client_out_and_a_client_it() {
    let both = Both::new(LONG);
    let (process, mut client) = (&both.process, both.opener("a"));
    process.lock(5, 9, Some(LockKind::Write)).unwrap();
    let refused = client.lock(b"l", READ, (0, END));
    assert_eq!(denied_by_process(&refused, OpNum::LOCK), ((5, 5), WRITE));
    let refused = client.test(READ, (9, 1));
    assert_eq!(denied_by_process(&refused, OpNum::LOCKT), ((5, 5), WRITE));
    assert_eq!(client.test(WRITE, (10, END)).status(), Status::OK);
    assert_eq!(process.seen(), "-".repeat(16), "a refused lock leaves nothing");
    let lock = granted(&client.lock(b"l", WRITE, (10, 2)));
    let held = LockRange { first: 10, last: 11 };
    let refused = process.lock(0, 15, Some(LockKind::Read));
    assert_eq!(refused, Err(LocalLock { range: held, kind: LockKind::Write }));
    process.lock(0, END, None).unwrap();
    process.lock(0, 3, Some(LockKind::Read)).unwrap();
    assert_eq!(client.lock_more(lock, READ, (0, 10)).status(), Status::OK, "two may read");
    assert_eq!(process.seen(), "rrrrrrrrrrWW----");
    client.unlock(lock, (0, END));
    assert_eq!(process.seen(), "-".repeat(16));
    process.lock(0, END, Some(LockKind::Write)).unwrap();
    let refused = client.lock(b"other", READ, (100, 1));
    assert_eq!(denied_by_process(&refused, OpNum::LOCK), ((0, END), WRITE));
    let counters = both.service.server().counters();
    assert_eq!((counters.locks, counters.locks_denied, counters.locks_alone), (2, 3, 0));
}

#[test]
fn a_lock_as_programs_have_them_is_as_good() {
    let both = Both::new(LONG);
    let mut client = both.opener("a");
    let file = LocalFile::options().read(true).write(true).open(both.dir.0.join("file")).unwrap();
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    let refused = client.lock(b"l", READ, (7, 1));
    assert_eq!(denied_by_process(&refused, OpNum::LOCK), ((0, END), WRITE));
    fcntl_lock(&file, FlockOperation::NonBlockingUnlock).unwrap();
    granted(&client.lock(b"l", READ, (7, 1)));
    let exclusive = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(exclusive, Err(rustix::io::Errno::AGAIN));
    fcntl_lock(&file, FlockOperation::NonBlockingLockShared).unwrap();
}

#[test]
fn local_processes_see_what_all_owners_have_together() {
    let both = Both::new(LONG);
    let (process, mut a, mut b) = (&both.process, both.opener("a"), both.opener("b"));
    let of_a = granted(&a.lock(b"l", READ, (0, 10)));
    let of_b = granted(&b.lock(b"l", READ, (5, 10)));
    assert_eq!(process.seen(), "rrrrrrrrrrrrrrr-");
    a.unlock(of_a, (0, 8));
    assert_eq!(process.seen(), "-----rrrrrrrrrr-", "b has them still");
    let of_b = granted(&b.lock_more(of_b, WRITE, (12, 4)));
    assert_eq!(process.seen(), "-----rrrrrrrWWWW");
    let of_b = granted(&b.lock_more(of_b, READ, (10, 4)));
    assert_eq!(process.seen(), "-----rrrrrrrrrWW");
    let other = granted(&b.lock(b"other", WRITE, (0, 2)));
    assert_eq!(process.seen(), "WW---rrrrrrrrrWW");
    b.unlock(of_b, (14, END));
    assert_eq!(process.seen(), "WW---rrrrrrrrr--");
    let mut b = b.close();
    assert_eq!(process.seen(), "--------rr------", "the locks of a are kept");
    assert_eq!(b.request(&[Op::PutRootFh]).unwrap().status(), Status::OK);
    assert_ne!(other.other, of_b.other);
    a.close();
    assert_eq!(process.seen(), "-".repeat(16));
}

#[test]
fn a_client_that_is_gone_has_no_locks_towards_local_processes() {
    let both = Both::new(SHORT);
    let process = &both.process;
    granted(&both.opener("a").lock(b"l", WRITE, (0, END)));
    assert_eq!(process.seen(), "W".repeat(16));
    wait_until(|| process.lock(0, END, Some(LockKind::Write)).is_ok());
    assert_eq!(both.service.server().counters().clients_expired, 1);
}

#[test]
fn a_service_that_is_stopped_has_no_locks_and_begins_with_none() {
    let both = Both::new(SHORT);
    let process = &both.process;
    granted(&both.opener("a").lock(b"l", WRITE, (0, 8)));
    assert!(both.service.stop().is_clean());
    assert_eq!(process.seen(), "-".repeat(16));
    both.service.start().unwrap();
    assert_eq!(process.seen(), "-".repeat(16));
    granted(&both.opener("b").lock(b"l", READ, (8, 8)));
    assert_eq!(process.seen(), "--------rrrrrrrr");
}

#[test]
fn a_lock_state_that_is_freed_holds_no_descriptor() {
    let both = Both::new(LONG);
    let mut client = both.opener("a");
    // Counted is what is open of this directory: other tests run at the same time.
    let open = || {
        let file = both.dir.0.join("file");
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        let of_file =
            |fd: &std::fs::DirEntry| std::fs::read_link(fd.path()).is_ok_and(|to| to == file);
        fds.flatten().filter(of_file).count()
    };
    let before = open();
    let lock = granted(&client.lock(b"l", WRITE, (0, 8)));
    assert_eq!(open(), before + 1);
    client.unlock(lock, (0, END));
    assert_eq!(open(), before + 1, "who locked once does so again");
    client.free(lock);
    assert_eq!(open(), before);
    assert_eq!(client.test(WRITE, (0, END)).status(), Status::OK);
    assert_eq!(open(), before);
}
