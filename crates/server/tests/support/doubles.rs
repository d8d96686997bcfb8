//! A host and a record of clients that write down what is asked of them, and fail when told to.

use std::sync::{Arc, Mutex};

use holdfast_base::{BoxFuture, World};
use holdfast_server::{ClientRecords, CrashRecord, Host, Instance, MemoryRecords, RecordError};

/// What was asked, in order.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.lock().expect("writing down does not panic").push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("reading does not panic").clone()
    }

    /// What was written down since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("reading does not panic"))
    }

    /// How many lines begin so.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(prefix)).count()
    }
}

/// What is told to fail.
#[derive(Default)]
struct Failing(Mutex<Vec<&'static str>>);

impl Failing {
    fn set(&self, what: &[&'static str]) {
        *self.0.lock().expect("setting does not panic") = what.to_vec();
    }

    fn is(&self, what: &str) -> bool {
        self.0.lock().expect("reading does not panic").contains(&what)
    }
}

/// The record of clients.
pub(crate) struct ScriptedRecords {
    inner: MemoryRecords,
    log: Arc<Log>,
    failing: Failing,
}

impl ScriptedRecords {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { inner: MemoryRecords::new(), log, failing: Failing::default() }
    }

    /// From now on these fail, or panic where the word is `panic`.
    pub(crate) fn fail(&self, what: &[&'static str]) {
        self.failing.set(what);
    }

    /// Who is on record.
    pub(crate) fn owners(&self) -> Vec<String> {
        let owners = self.inner.load().expect("memory does not fail");
        owners.iter().map(|owner| String::from_utf8_lossy(owner).into_owned()).collect()
    }

    fn ask(&self, what: &str, detail: &str) -> Result<(), RecordError> {
        self.log.push(format!("records.{what}{detail}"));
        assert!(!self.failing.is("panic"), "the record was told to panic");
        if self.failing.is(what) { Err(RecordError("the disk is full".to_owned())) } else { Ok(()) }
    }
}

impl ClientRecords for ScriptedRecords {
    fn load(&self) -> Result<Vec<Box<[u8]>>, RecordError> {
        self.ask("load", "")?;
        self.inner.load()
    }

    fn add(&self, owner: &[u8]) -> Result<(), RecordError> {
        self.ask("add", &format!(" {}", String::from_utf8_lossy(owner)))?;
        self.inner.add(owner)
    }

    fn remove(&self, owner: &[u8]) -> Result<(), RecordError> {
        self.ask("remove", &format!(" {}", String::from_utf8_lossy(owner)))?;
        self.inner.remove(owner)
    }

    fn end_grace(&self, reclaimed: &[Box<[u8]>]) -> Result<(), RecordError> {
        self.ask("end_grace", "")?;
        self.inner.end_grace(reclaimed)
    }
}

/// The host: it has numbers in place of threads.
pub(crate) struct ScriptedHost {
    world: Arc<dyn World>,
    log: Arc<Log>,
    failing: Failing,
    threads: Mutex<usize>,
    /// The thread that cannot be started.
    broken_thread: Mutex<Option<usize>>,
    crashes: Mutex<Vec<CrashRecord>>,
}

impl ScriptedHost {
    pub(crate) fn new(world: Arc<dyn World>, log: Arc<Log>) -> Self {
        let (failing, threads) = (Failing::default(), Mutex::default());
        let (broken_thread, crashes) = (Mutex::default(), Mutex::default());
        Self { world, log, failing, threads, broken_thread, crashes }
    }

    /// From now on these fail: `listen`; or never end: `unlisten`, `resize`.
    pub(crate) fn fail(&self, what: &[&'static str]) {
        self.failing.set(what);
    }

    /// From now on this thread, counted from one, cannot be started.
    pub(crate) fn break_thread(&self, thread: Option<usize>) {
        *self.broken_thread.lock().expect("setting does not panic") = thread;
    }

    /// What it was told of panics.
    pub(crate) fn crashes(&self) -> Vec<CrashRecord> {
        self.crashes.lock().expect("reading does not panic").clone()
    }

    pub(crate) fn threads(&self) -> usize {
        *self.threads.lock().expect("reading does not panic")
    }

    fn step(&self, threads: usize) -> Result<bool, String> {
        let mut now = self.threads.lock().expect("counting does not panic");
        let broken = *self.broken_thread.lock().expect("reading does not panic");
        if *now < threads && broken == Some(*now + 1) {
            return Err(format!("worker thread {} cannot be started", *now + 1));
        }
        *now = if *now < threads { *now + 1 } else { now.saturating_sub(1).max(threads) };
        Ok(*now == threads)
    }
}

impl Host for ScriptedHost {
    fn listen(&self, _instance: &Arc<Instance>) -> Result<(), String> {
        self.log.push("listen");
        if self.failing.is("listen") { Err("port 2049 is in use".to_owned()) } else { Ok(()) }
    }

    fn unlisten(&self) -> BoxFuture<'static, ()> {
        let (world, log, hangs) =
            (self.world.clone(), self.log.clone(), self.failing.is("unlisten"));
        Box::pin(async move {
            world.pause().await;
            log.push("unlisten");
            if hangs {
                std::future::pending::<()>().await;
            }
        })
    }

    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            loop {
                self.world.pause().await;
                if self.failing.is("resize") {
                    std::future::pending::<()>().await;
                }
                if self.step(threads)? {
                    self.log.push(format!("resize {threads}"));
                    return Ok(threads);
                }
            }
        })
    }

    fn crashed(&self, record: &CrashRecord) {
        self.crashes.lock().expect("writing down does not panic").push(record.clone());
    }
}
