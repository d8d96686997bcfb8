//! What happened: the digest of a run, its counts, its trace, and what the checkers found wrong.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::rng::mix;
use crate::sync::lock;

/// Lines of the trace that are kept.
const LINES: usize = 400;

/// How much of the trace is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Nothing: a failing seed is run again for it.
    #[default]
    Off,
    /// The last lines.
    Last,
    /// Every line.
    All,
}

/// What a checker found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker.
    pub checker: &'static str,
    /// What it saw.
    pub message: String,
    /// When, in nanoseconds of virtual time.
    pub at_ns: u64,
}

#[derive(Default)]
struct Book {
    digest: u64,
    lines: VecDeque<String>,
    counts: BTreeMap<(&'static str, &'static str), u64>,
    violations: Vec<Violation>,
}

struct Shared {
    book: Mutex<Book>,
    now_ns: AtomicU64,
    tracing: Tracing,
}

/// The record of one run.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

impl Journal {
    /// An empty record.
    pub fn new(tracing: Tracing) -> Self {
        let (book, now_ns) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { book, now_ns, tracing }))
    }

    /// The time that lines and violations are marked with.
    pub fn set_now(&self, now_ns: u64) {
        self.0.now_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Mixes what happened into the digest.
    pub fn digest(&self, what: u64, which: u64) {
        let mut book = lock(&self.0.book);
        book.digest = mix(book.digest ^ mix(what.wrapping_mul(0x1_0000_01b3) ^ which));
    }

    /// Writes a line of the trace, which is made only when somebody reads it.
    pub fn line(&self, who: &str, line: impl FnOnce() -> String) {
        if self.0.tracing == Tracing::Off {
            return;
        }
        let now = self.0.now_ns.load(Ordering::Relaxed);
        let line = format!("{:>12.6} {who:<10} {}", now as f64 / 1e9, line());
        let mut book = lock(&self.0.book);
        if self.0.tracing == Tracing::Last && book.lines.len() >= LINES {
            book.lines.pop_front();
        }
        book.lines.push_back(line);
    }

    /// Counts one more of a kind.
    pub fn count(&self, group: &'static str, kind: &'static str) {
        self.add(group, kind, 1);
    }

    /// Counts `n` more of a kind.
    pub fn add(&self, group: &'static str, kind: &'static str, n: u64) {
        *lock(&self.0.book).counts.entry((group, kind)).or_default() += n;
    }

    /// Keeps what a checker found wrong.
    pub fn violation(&self, checker: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.line("VIOLATION", || format!("{checker}: {message}"));
        let at_ns = self.0.now_ns.load(Ordering::Relaxed);
        lock(&self.0.book).violations.push(Violation { checker, message, at_ns });
    }

    /// Whether anything was found wrong.
    pub fn is_broken(&self) -> bool {
        !lock(&self.0.book).violations.is_empty()
    }

    /// What was found wrong, in order.
    pub fn violations(&self) -> Vec<Violation> {
        lock(&self.0.book).violations.clone()
    }

    /// The digest so far.
    pub fn value(&self) -> u64 {
        lock(&self.0.book).digest
    }

    /// The trace.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.0.book).lines.iter().cloned().collect()
    }

    /// What was counted.
    pub fn counts(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        lock(&self.0.book).counts.clone()
    }
}
