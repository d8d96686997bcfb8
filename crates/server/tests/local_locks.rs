//! Locks towards local processes: the file system has what all lock-owners have together, in every
//! order of what happens at once, and whatever it answers.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use holdfast_base::World;
use holdfast_proto::nfs4::{LockType, Op, OpBody, Stateid, Status};
use holdfast_server::{Export, Squash};
use holdfast_vfs::{
    Error, File, FileSystem, Handle, LocalLock, LockKind, LockRange, LockStep, Locked, Properties,
    Reply,
};
use support::admin::Admin;
use support::client::Client;
use support::explore::{Chooser, explore};
use support::fixture::{LEASE, Server, memfs};
use support::ops::{self, Bytes};
use support::peer::Peer;
use support::probe_fs::{Mood, Probe};
use support::rig::run;
use support::worker::Worker;
use support::world::TestWorld;

const READ: LockType = LockType::READ;
const WRITE: LockType = LockType::WRITE;
const ALL: Bytes = (0, u64::MAX);

/// How many bytes of the only file the kernel looks at.
const BYTES: usize = 8;
/// The holder that is a local process.
const PROCESS: u64 = 0;

type Held = [Option<LockKind>; BYTES];

/// Who has locked which bytes of the only file.
#[derive(Default)]
struct Kernel {
    holders: Mutex<BTreeMap<u64, Held>>,
}

impl Kernel {
    fn holders(&self) -> MutexGuard<'_, BTreeMap<u64, Held>> {
        self.holders.lock().expect("no holder panics")
    }

    fn open(self: &Arc<Self>) -> Holder {
        let mut holders = self.holders();
        let number = holders.keys().next_back().copied().unwrap_or(PROCESS) + 1;
        holders.insert(number, Held::default());
        Holder { kernel: self.clone(), number }
    }

    /// Locks for a holder, as the kernel does: all or nothing.
    fn lock(&self, number: u64, LockStep { range, kind }: LockStep, only_test: bool) -> Locked {
        let mut holders = self.holders();
        let last = range.last.min(BYTES as u64 - 1);
        for at in range.first..=last {
            for (_, held) in holders.iter().filter(|(other, _)| **other != number) {
                let both = kind.zip(held[at as usize]);
                if let Some((wanted, held)) = both
                    && (wanted == LockKind::Write || held == LockKind::Write)
                {
                    let range = LockRange { first: at, last: at };
                    return Err(LocalLock { range, kind: held });
                }
            }
        }
        if !only_test && range.first <= last {
            let held = holders.entry(number).or_default();
            held[range.first as usize..=last as usize].fill(kind);
        }
        Ok(())
    }

    /// What those have who are no local process, and how many of them there are.
    fn seen(&self) -> (String, usize) {
        let holders = self.holders();
        let others = || holders.iter().filter(|(number, _)| **number != PROCESS);
        let byte = |at: usize| {
            let kinds: Vec<_> = others().filter_map(|(_, held)| held[at]).collect();
            match kinds.as_slice() {
                [] => '-',
                kinds if kinds.contains(&LockKind::Write) => 'W',
                _ => 'r',
            }
        };
        ((0..BYTES).map(byte).collect(), others().count())
    }
}

/// An open file description.
struct Holder {
    kernel: Arc<Kernel>,
    number: u64,
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.kernel.holders().remove(&self.number);
    }
}

/// Memory whose files local processes can lock. It answers after having given way.
struct Lockable {
    inner: Arc<dyn FileSystem>,
    kernel: Arc<Kernel>,
    world: Arc<dyn World>,
    /// What every change of locks is answered with, if not as asked.
    error: Mutex<Option<Error>>,
}

impl Lockable {
    fn forward<'a, T: Send + Unpin + 'a>(
        &'a self,
        _: &'static str,
        call: impl FnOnce(&'a dyn FileSystem) -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        call(&*self.inner)
    }

    fn fail_with(&self, error: Option<Error>) {
        *self.error.lock().expect("setting does not panic") = error;
    }
}

impl FileSystem for Lockable {
    fn properties(&self) -> Properties {
        Properties { local_locks: true, ..self.inner.properties() }
    }

    fn root(&self) -> Handle {
        self.inner.root()
    }

    holdfast_vfs::forward!(getattr, setattr, access, lookup, lookup_parent, readlink);
    holdfast_vfs::forward!(open, create, make_node, remove, rename, link, readdir);
    holdfast_vfs::forward!(read, read_plus, seek, write, allocate, deallocate);
    holdfast_vfs::forward!(clone_range, copy_range, advise, commit, space);
    holdfast_vfs::forward!(getxattr, setxattr, listxattrs, removexattr);

    fn open_locks<'a>(&'a self, _: &'a Handle, _: Option<&'a File>) -> Reply<'a, File> {
        Reply::later(async {
            self.world.pause().await;
            Ok(File::new(self.kernel.open()))
        })
    }

    fn lock_ranges<'a>(&'a self, locks: &'a File, steps: &'a [LockStep]) -> Reply<'a, Locked> {
        Reply::later(async move {
            let holder: &Holder = locks.get()?;
            for step in steps {
                self.world.pause().await;
                if let Some(error) = *self.error.lock().expect("reading does not panic") {
                    return Err(error);
                }
                if let Err(found) = self.kernel.lock(holder.number, *step, false) {
                    return Ok(Err(found));
                }
            }
            self.world.pause().await;
            Ok(Ok(()))
        })
    }

    fn test_range<'a>(&'a self, locks: &'a File, step: LockStep) -> Reply<'a, Locked> {
        Reply::now(locks.get::<Holder>().map(|it| self.kernel.lock(it.number, step, true)))
    }
}

/// A server over such files, and two clients that have one of them open.
struct Two {
    server: Server,
    kernel: Arc<Kernel>,
    fs: Arc<Lockable>,
    probe: Arc<Probe>,
    a: Client,
    b: Client,
    fh: Vec<u8>,
    open_a: Stateid,
    open_b: Stateid,
}

fn two() -> Two {
    let world = TestWorld::new(1);
    let kernel = Arc::new(Kernel::default());
    let (inner, error) = (memfs(&world), Mutex::default());
    let fs = Lockable { inner, kernel: kernel.clone(), world: world.handle(), error };
    let fs = Arc::new(fs);
    let probe = Arc::new(Probe::new(fs.clone(), world.handle()));
    let export = Export::new("/", probe.clone()).squash(Squash::None);
    let server = Server::exporting(world, vec![export]);
    let (mut a, mut b) = (server.client("a"), server.client("b"));
    let (fh, open_a) = a.make_file(b"file");
    let open_b = b.run(&[ops::put(&fh), ops::open_fh(b"owner", 3, 0)]).open().stateid;
    Two { server, kernel, fs, probe, a, b, fh, open_a, open_b }
}

impl Two {
    fn process(&self, first: u64, last: u64, kind: Option<LockKind>) -> Locked {
        let range = LockRange { first, last };
        self.kernel.lock(PROCESS, LockStep { range, kind }, false)
    }

    #[track_caller]
    fn lock_a(&mut self, locktype: LockType, bytes: Bytes) -> Stateid {
        let lock = ops::lock_new(self.open_a, b"l", locktype, bytes);
        self.a.run(&[ops::put(&self.fh), lock]).stateid()
    }

    #[track_caller]
    fn lock_b(&mut self, locktype: LockType, bytes: Bytes) -> Stateid {
        let lock = ops::lock_new(self.open_b, b"l", locktype, bytes);
        self.b.run(&[ops::put(&self.fh), lock]).stateid()
    }

    fn seen(&self) -> String {
        self.kernel.seen().0
    }
}

/// Runs each request to its end, in some order of their steps. `held` is what is granted to
/// somebody throughout, once the worker of that number is told that it is.
fn at_once<const N: usize>(
    t: &Two,
    chooser: &mut Chooser,
    mut workers: [Worker; N],
    held: (usize, &str),
) -> [Status; N] {
    let world = &t.server.world;
    world.set_pausing(true);
    let nobody: &mut [Admin<()>] = &mut [];
    run(world, chooser, &mut workers, nobody, |workers| {
        let told = workers.get(held.0).is_none_or(|it| it.replies.len() == 1);
        if told && workers.get(held.0).is_none_or(|it| it.status() == Status::OK) {
            let seen = t.kernel.seen().0;
            let is_less = |(has, must): (char, char)| must != '-' && has != must && has != 'W';
            let less = seen.chars().zip(held.1.chars()).any(is_less);
            assert!(!less, "{} is held, and the kernel has {seen}", held.1);
        }
    });
    world.set_pausing(false);
    workers.map(|worker| worker.status())
}

/// The same client on another connection, for a request on slot 1.
fn on_slot_1(t: &Two, first: &Client, ops: &[Op<'_>]) -> Worker {
    let mut client = Client {
        peer: Peer::new(&t.server.instance),
        minor: first.minor,
        cred: first.cred,
        clientid: first.clientid,
        session: first.session,
        terms: first.terms,
        slots: first.slots.clone(),
    };
    let sequence = client.sequence(1, true);
    Worker::with_bare(client, &[&[sequence], ops].concat())
}

#[test]
fn what_one_gives_up_another_keeps_that_locks_at_the_same_time() {
    explore(3, |chooser| {
        let mut t = two();
        let of_b = t.lock_b(READ, (2, 4));
        let lock = [ops::put(&t.fh), ops::lock_new(t.open_a, b"l", READ, (0, 4))];
        let unlock = [ops::put(&t.fh), ops::unlock(of_b, ALL)];
        let (a, b) = (std::mem::replace(&mut t.a, t.server.client("x")), t.server.client("y"));
        let b = std::mem::replace(&mut t.b, b);
        let workers = [Worker::with(a, &lock), Worker::with(b, &unlock)];
        let all = at_once(&t, chooser, workers, (0, "rrrr----"));
        assert_eq!((all, t.seen().as_str()), ([Status::OK; 2], "rrrr----"));
    });
}

#[test]
fn a_lock_and_the_close_of_its_open_leave_nothing() {
    let mut seen = BTreeSet::new();
    explore(3, |chooser| {
        let mut t = two();
        let lock = [ops::put(&t.fh), ops::lock_new(t.open_a, b"l", WRITE, ALL)];
        let close = [ops::put(&t.fh), ops::close(t.open_a)];
        let closing = on_slot_1(&t, &t.a, &close);
        let a = std::mem::replace(&mut t.a, t.server.client("x"));
        let [locked, closed] = at_once(&t, chooser, [Worker::with(a, &lock), closing], (9, ""));
        assert_eq!((closed, t.kernel.seen()), (Status::OK, ("-".repeat(BYTES), 0)));
        seen.insert(format!("{locked:?}"));
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["BAD_STATEID", "OK"]);
}

#[test]
fn a_lock_that_is_made_less_is_less_when_all_is_done() {
    explore(3, |chooser| {
        let mut t = two();
        let of_a = t.lock_a(WRITE, (0, 6));
        let lower = [ops::put(&t.fh), ops::lock_more(of_a, READ, (2, 4))];
        let lock = [ops::put(&t.fh), ops::lock_new(t.open_b, b"l", READ, (2, 2))];
        let a = std::mem::replace(&mut t.a, t.server.client("x"));
        let b = std::mem::replace(&mut t.b, t.server.client("y"));
        let workers = [Worker::with(a, &lower), Worker::with(b, &lock)];
        let [lowered, locked] = at_once(&t, chooser, workers, (9, "WWrrrr--"));
        assert!(matches!(locked, Status::OK | Status::DENIED | Status::DELAY), "{locked:?}");
        assert_eq!((lowered, t.seen().as_str()), (Status::OK, "WWrrrr--"));
    });
}

#[test]
fn a_lock_that_a_process_refuses_leaves_what_there_was() {
    explore(3, |chooser| {
        let mut t = two();
        t.process(4, 4, Some(LockKind::Write)).unwrap();
        let of_b = t.lock_b(WRITE, (0, 1));
        let many = [ops::put(&t.fh), ops::lock_new(t.open_a, b"l", READ, (1, 6))];
        let more = [ops::put(&t.fh), ops::lock_more(of_b, WRITE, (6, 1))];
        let a = std::mem::replace(&mut t.a, t.server.client("x"));
        let b = std::mem::replace(&mut t.b, t.server.client("y"));
        let workers = [Worker::with(a, &many), Worker::with(b, &more)];
        let [refused, locked] = at_once(&t, chooser, workers, (9, "W-------"));
        assert!(matches!(refused, Status::DENIED | Status::DELAY), "{refused:?}");
        let is_in_the_way = locked == Status::DELAY;
        let seen = if is_in_the_way { "W-------" } else { "W-----W-" };
        assert_eq!((t.seen().as_str(), t.kernel.seen().1), (seen, 1), "{locked:?}");
    });
}

#[test]
fn a_process_in_the_way_is_told_as_a_holder_that_is_no_client() {
    let mut t = two();
    t.process(3, 3, Some(LockKind::Read)).unwrap();
    let lock = ops::lock_new(t.open_a, b"l", WRITE, ALL);
    for op in [lock, ops::test_lock(b"l", WRITE, ALL)] {
        let reply = t.a.run(&[ops::put(&t.fh), op]);
        assert_eq!(reply.status(), Status::DENIED);
        let (_, mut results) = reply.results();
        let Some(OpBody::LockDenied(denied)) = results.pop().map(|result| result.body) else {
            panic!("it says who has the lock");
        };
        assert_eq!((denied.owner.clientid.0, denied.owner.owner), (0, &b"local process"[..]));
        assert_eq!((denied.offset, denied.length, denied.locktype), (3, 1, READ));
    }
    assert_eq!(t.kernel.seen(), ("-".repeat(BYTES), 0));
    assert_eq!(t.server.instance.counters().locks_denied, 2);
    t.lock_a(READ, ALL);
    assert_eq!(t.seen(), "r".repeat(BYTES));
}

#[test]
fn a_client_that_is_gone_or_begins_anew_keeps_nothing_from_processes() {
    let mut t = two();
    t.lock_a(WRITE, (0, 4));
    t.lock_b(WRITE, (4, 4));
    for _ in 0..3 {
        t.server.world.advance(LEASE / 2);
        assert_eq!(t.b.status(&[Op::PutRootFh]), Status::OK);
    }
    t.server.world.advance(Duration::from_secs(2));
    assert_eq!(t.kernel.seen(), ("----WWWW".to_owned(), 1));
    t.server.world.advance(2 * LEASE);
    assert_eq!(t.kernel.seen(), ("-".repeat(BYTES), 0));
    assert_eq!(t.server.instance.counters().clients_expired, 2);
}

#[test]
fn a_file_system_that_does_not_answer_keeps_no_other_lock() {
    let mut t = two();
    let (fh, open) = t.b.make_file(b"another");
    t.lock_a(WRITE, (0, 4));
    let lock = ops::lock_new(open, b"l", WRITE, (4, 3));
    assert_eq!(t.b.status(&[ops::put(&fh), lock]), Status::OK);
    t.lock_b(READ, (7, 1));
    // One file has a lock that another client keeps, and is asked for less; it never says so.
    t.probe.set("lock_ranges", Mood::Never);
    for _ in 0..3 {
        t.server.world.advance(LEASE / 2);
        assert_eq!(t.b.status(&[Op::PutRootFh]), Status::OK);
    }
    let tasks = t.server.world.tasks();
    assert_eq!((tasks, t.seen().as_str()), (2, "WWWWWWWr"), "one waits, beside the sweep");
    t.server.world.advance(2 * LEASE);
    assert_eq!(t.server.world.tasks(), 2, "it is asked once");
    assert_eq!(t.server.instance.counters().clients_expired, 2);
    assert_eq!(t.seen(), "WWWW---r", "the other file is given up");
}

#[test]
fn what_is_not_given_up_is_asked_for_again() {
    let mut t = two();
    let of_a = t.lock_a(WRITE, ALL);
    t.fs.fail_with(Some(Error::Io));
    let unlock = [ops::put(&t.fh), ops::unlock(of_a, (0, 4))];
    assert_eq!(t.a.status(&unlock), Status::OK, "the client has given it up");
    assert_eq!(t.seen(), "W".repeat(BYTES));
    t.server.world.advance(Duration::from_secs(3));
    let failures = t.server.instance.counters().local_unlock_failures;
    assert!((3..=5).contains(&failures), "one now, and one each second: {failures}");
    t.fs.fail_with(None);
    t.server.world.advance(Duration::from_secs(1));
    assert_eq!(t.seen(), "----WWWW");
    assert_eq!(t.server.world.tasks(), 1);
}

#[test]
fn a_file_system_that_turns_out_to_have_no_locks_is_not_asked() {
    let mut t = two();
    t.fs.fail_with(Some(Error::NotSupported));
    let of_a = t.lock_a(WRITE, (0, 4));
    t.probe.set("open_locks", Mood::Missing);
    t.lock_b(WRITE, (4, 4));
    let test = [ops::put(&t.fh), ops::test_lock(b"l", WRITE, (1, 1))];
    assert_eq!(t.b.status(&test), Status::DENIED, "clients exclude each other as before");
    assert_eq!(t.a.status(&[ops::put(&t.fh), ops::unlock(of_a, ALL)]), Status::OK);
    assert_eq!(t.b.status(&test), Status::OK);
    assert_eq!(t.server.instance.counters().locks_alone, 2);
    assert_eq!(t.kernel.seen().1, 0);
}

#[test]
fn a_lock_that_the_file_system_cannot_have_now_is_asked_for_again_by_the_client() {
    let mut t = two();
    let statuses = [
        (Error::Busy, Status::DELAY),
        (Error::AccessDenied, Status::OPENMODE),
        (Error::Io, Status::SERVERFAULT),
        (Error::Stale, Status::STALE),
        (Error::ReadOnly, Status::ROFS),
    ];
    for (error, status) in statuses {
        t.fs.fail_with(Some(error));
        let lock = [ops::put(&t.fh), ops::lock_new(t.open_a, b"l", WRITE, ALL)];
        assert_eq!(t.a.status(&lock), status, "{error}");
        assert_eq!(t.kernel.seen(), ("-".repeat(BYTES), 0), "{error}");
    }
    t.fs.fail_with(None);
    t.lock_a(WRITE, ALL);
    assert_eq!(t.seen(), "W".repeat(BYTES));
}

#[test]
fn the_end_of_an_instance_ends_its_locks() {
    let mut t = two();
    t.lock_a(WRITE, ALL);
    let mut stopping = Admin::new(t.server.instance.stop(Duration::from_secs(1)));
    let Two { server, kernel, a, b, .. } = t;
    drop((a, b));
    assert!(stopping.settle(&server.world));
    assert_eq!(kernel.seen(), ("-".repeat(BYTES), 0));
}
