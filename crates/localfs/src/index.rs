//! What makes handles outlive a process without privilege: a log of where objects were seen, and
//! scans that find those which are elsewhere now.
//!
//! A handle says what its object is ([`Identity`]), not where. Where is looked up in this order:
//! the recorded directory and name; the listing of that directory; a scan of the whole export, in
//! the background, while who asks is told to ask again. Whatever is found by name is the object
//! only if it has its identity, so a wrong record costs time and nothing else.

mod log;
mod options;
mod questions;
pub(crate) mod record;
mod resolve;
mod scan;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use holdfast_base::World;
use holdfast_vfs::{Error, FileKind};

use self::log::{Log, Verdict};
use self::questions::{Answer, Questions};
use self::record::{Record, Seal};
use self::scan::Walk;
use crate::core::Core;
use crate::table::{Identity, Table};

pub use self::options::{IndexCounts, IndexOptions};
pub(crate) use self::resolve::volume_of_device;

/// The fewest entries: the root, and what a few operations need at a time.
const ENTRIES_MIN: usize = 64;

/// Bytes below which a log is never written anew.
const COMPACT_MIN: u64 = 64 << 10;

/// The log, and what is to be done about it.
struct Kept {
    /// None where it could not be opened, or is closed.
    log: Option<Log>,
    /// Whether records are missing in it.
    is_incomplete: bool,
    /// How long it is when it is written anew next, at least.
    retry_at: u64,
}

/// On whose behalf jobs are started, and where.
struct Host {
    core: Weak<Core>,
    world: Weak<dyn World>,
}

/// The index of one export.
pub(crate) struct Index {
    options: IndexOptions,
    seal: Seal,
    /// Held over the writing of records: who finds it free finds them written.
    kept: Mutex<Kept>,
    /// How many of the bytes that the table noted are written.
    written: AtomicU64,
    questions: Mutex<Questions>,
    /// A scan between two of its turns.
    walk: Mutex<Option<Walk>>,
    /// Whether a job of ours is begun or waits to be.
    is_working: AtomicBool,
    host: OnceLock<Host>,
    failures: AtomicU64,
    is_closed: AtomicBool,
}

impl Index {
    /// A table that goes on where the log ends. That the log cannot be used is told, and no error.
    pub(crate) fn open(options: &IndexOptions, seal: Seal, root: Identity) -> Table {
        let index = Self::new(options.clone(), seal);
        let table = Table::indexed(options.entries_max.max(ENTRIES_MIN), seal, index);
        let index = table.index().expect("the table was just given one");
        let mut is_first = true;
        let tell = |record: &Record<'_>| {
            if std::mem::take(&mut is_first) && !is_root(record, root) {
                return Verdict::Foreign;
            }
            table.restore(record);
            Verdict::Ours
        };
        match Log::open(&options.path, &seal, tell, || table.clear()) {
            Ok(log) => index.kept().log = Some(log),
            Err(error) => index.failed(&error),
        }
        table.identify(root, Table::NOWHERE, b"", FileKind::Directory);
        index.flush(&table);
        index.compact_if_wasteful(&table);
        table
    }

    fn new(options: IndexOptions, seal: Seal) -> Self {
        Self {
            options,
            seal,
            kept: Mutex::new(Kept { log: None, is_incomplete: false, retry_at: 0 }),
            written: AtomicU64::new(0),
            questions: Mutex::default(),
            walk: Mutex::default(),
            is_working: AtomicBool::new(false),
            host: OnceLock::new(),
            failures: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        }
    }

    /// From now on jobs can be started.
    pub(crate) fn attach(&self, core: &Arc<Core>, world: &Arc<dyn World>) {
        let host = Host { core: Arc::downgrade(core), world: Arc::downgrade(world) };
        // A second one would be the same.
        let _ = self.host.set(host);
    }

    /// Writes what the table noted. Who answers with a handle does this before.
    pub(crate) fn flush(&self, table: &Table) {
        if self.written.load(Ordering::Acquire) >= table.noted() {
            return;
        }
        let mut kept = self.kept();
        let (records, noted) = table.take_untold();
        let appended = kept.log.as_mut().map_or(Ok(()), |log| log.append(&records));
        self.written.store(noted, Ordering::Release);
        // What is missing is made good when the disk takes records again.
        let is_due = appended.is_ok() && is_due(&kept, table);
        if let Err(error) = appended {
            kept.is_incomplete = true;
            self.failed(&error);
        }
        drop(kept);
        if is_due {
            self.start();
        }
    }

    /// Writes the log anew if most of it is of no use, or some of it is missing.
    fn compact_if_wasteful(&self, table: &Table) {
        if !is_due(&self.kept(), table) {
            return;
        }
        let done = self.compact(table);
        let mut kept = self.kept();
        let len = kept.log.as_ref().map_or(0, Log::len);
        kept.retry_at = len.saturating_add(COMPACT_MIN);
        match done {
            Ok(()) => kept.is_incomplete = false,
            Err(error) => self.failed(&error),
        }
    }

    fn compact(&self, table: &Table) -> io::Result<()> {
        let Some((path, start)) =
            self.kept().log.as_ref().map(|log| (log.path().to_owned(), log.len()))
        else {
            return Ok(());
        };
        let mut new = Log::create(&path, &self.seal)?;
        if let Err(error) = copy(table, &mut new) {
            new.discard();
            return Err(error);
        }
        let mut kept = self.kept();
        // It may have been closed since.
        let Some(log) = kept.log.as_mut() else {
            new.discard();
            return Ok(());
        };
        // What was recorded meanwhile, some of it for the second time.
        if let Err(error) = new.append_from(log, start) {
            new.discard();
            return Err(error);
        }
        *log = new.install(&path)?;
        Ok(())
    }

    /// Where is an object that is not where it was recorded?
    pub(crate) fn ask(&self, identity: Identity) -> Error {
        let (answer, wants) = {
            let mut questions = self.questions();
            let answer = questions.ask(identity);
            (answer, answer == Answer::Wait && questions.wants(Instant::now()))
        };
        if wants {
            self.start();
        }
        match answer {
            Answer::Gone => Error::Stale,
            Answer::Wait => Error::Busy,
        }
    }

    /// The last name of an object was removed, and nothing has it open.
    pub(crate) fn removed(&self, identity: Identity) {
        self.questions().removed(identity);
    }

    /// What it did so far.
    pub(crate) fn counts(&self, table: &Table) -> IndexCounts {
        IndexCounts {
            entries: table.len(),
            log_bytes: self.kept().log.as_ref().map_or(0, Log::len),
            scans: self.questions().begun(),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Writes what is noted, and then nothing more.
    pub(crate) fn close(&self, table: &Table) {
        self.flush(table);
        self.is_closed.store(true, Ordering::Release);
        self.kept().log = None;
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Counts an error of the log; the operator hears of the first.
    fn failed(&self, error: &io::Error) {
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            self.options.tell(error);
        }
    }

    /// Starts a job, unless there is one.
    fn start(&self) {
        let Some(Host { core, world }) = self.host.get() else { return };
        if !self.is_closed() && !self.is_working.swap(true, Ordering::AcqRel) {
            Turn { core: core.clone(), world: world.clone() }.run_later();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn walk(&self) -> MutexGuard<'_, Option<Walk>> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn of the one job, which may be dropped without being run.
struct Turn {
    core: Weak<Core>,
    world: Weak<dyn World>,
}

impl Turn {
    fn run_later(self) {
        let Some(world) = self.world.upgrade() else { return };
        // In a world that is closed nobody asks either.
        let _ = world.blocking(Box::new(move || self.run()));
    }

    fn run(self) {
        let Some(core) = self.core.upgrade() else { return };
        let has_more = core.work();
        drop(core);
        if has_more {
            self.run_later();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade()
            && let Some(index) = core.index()
        {
            index.is_working.store(false, Ordering::Release);
        }
    }
}

/// Writes all entries to a new log.
fn copy(table: &Table, new: &mut Log) -> io::Result<()> {
    table.numbers().chunks(1024).try_for_each(|numbers| new.append(&table.records(numbers)))
}

fn is_due(kept: &Kept, table: &Table) -> bool {
    let Some(log) = &kept.log else { return false };
    let is_wasteful = log.len() > table.live().saturating_mul(2).max(COMPACT_MIN);
    log.len() >= kept.retry_at && (is_wasteful || kept.is_incomplete)
}

/// Whether a log begins with this directory as its root.
fn is_root(record: &Record<'_>, root: Identity) -> bool {
    match record {
        Record::Seen(seen) => seen.id == Table::ROOT && seen.identity == root,
        Record::Forgotten(_) => false,
    }
}
