//! What the open files of one object share: how many there are, which of them still hold a
//! descriptor, and what has to be kept for those that do not.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holdfast_vfs::OpenMode;

use crate::cache::Node;
use crate::open::Awake;
use crate::pins::Pin;

const READ: u8 = 1;
const WRITE: u8 = 2;

/// Open for nothing: what is open for anything serves.
pub(crate) const NO_MODE: OpenMode = OpenMode { read: false, write: false };

/// The open files of an object. It outlives the object's [`Node`] where all of them gave up their
/// descriptors.
#[derive(Default)]
pub(crate) struct Opens {
    files: AtomicU32,
    /// How many of them have no descriptor.
    asleep: AtomicU32,
    /// Changes being made after which the object might not be opened again. While there is one, no
    /// file falls asleep; one that begins sees all that did.
    changes: AtomicU32,
    /// For what it was opened since nobody had it open.
    modes: AtomicU8,
    /// Whether data was written that no sync has made stable since.
    unstable: AtomicBool,
    /// The descriptors open for writing, oldest first: the kernel tells each of the failed
    /// write-backs since it was opened, so the oldest hears of all that any of them does.
    writers: Mutex<BTreeMap<u64, Weak<Awake>>>,
    /// Held by who asks the kernel what became of the data, until all may know the answer.
    pub(crate) syncing: Mutex<()>,
    /// Descriptors closed meanwhile, which are still to be asked.
    to_ask: Mutex<Vec<OwnedFd>>,
    kept: Mutex<Option<Kept>>,
}

/// Another descriptor of what one has open.
type Duplicate = std::io::Result<OwnedFd>;

/// What wakes files of an object that cannot be opened again by its handle.
pub(crate) struct Kept {
    node: Arc<Node>,
    /// Its data, open for what its mode is about to refuse.
    data: Option<(OpenMode, OwnedFd)>,
    _pins: Vec<Pin>,
}

impl Kept {
    /// A place in the budget for each of the descriptors.
    pub(crate) const fn new(
        node: Arc<Node>,
        data: Option<(OpenMode, OwnedFd)>,
        pins: Vec<Pin>,
    ) -> Self {
        Self { node, data, _pins: pins }
    }

    /// The data, if it is open for this.
    fn data(&self, mode: OpenMode) -> Option<&OwnedFd> {
        let serves = |has: &OpenMode| has.read >= mode.read && has.write >= mode.write;
        self.data.as_ref().filter(|(has, _)| serves(has)).map(|(_, fd)| fd)
    }
}

impl Opens {
    /// Whether a file of ours keeps the object alive without a name.
    pub(crate) fn is_open(&self) -> bool {
        self.files.load(Ordering::Acquire) != 0
    }

    /// Counts an open file.
    pub(crate) fn opened(&self, mode: OpenMode) {
        let bits = if mode.read { READ } else { 0 } | if mode.write { WRITE } else { 0 };
        self.modes.fetch_or(bits, Ordering::AcqRel);
        self.files.fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets an open file; `true` when it was the last.
    pub(crate) fn closed(&self) -> bool {
        let is_last = self.files.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last {
            self.modes.store(0, Ordering::Release);
        }
        is_last
    }

    /// All that it is open for.
    pub(crate) fn modes(&self) -> OpenMode {
        let bits = self.modes.load(Ordering::Acquire);
        OpenMode { read: bits & READ != 0, write: bits & WRITE != 0 }
    }

    /// How many files have no descriptor.
    pub(crate) fn asleep(&self) -> u32 {
        self.asleep.load(Ordering::SeqCst)
    }

    /// Counts a file that is about to give its descriptor up.
    pub(crate) fn falls_asleep(&self) {
        self.asleep.fetch_add(1, Ordering::SeqCst);
    }

    /// Forgets one that has a descriptor again, or is closed.
    pub(crate) fn wakes(&self) {
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many changes are being made after which the object might not be opened again.
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Counts a change after which the object might not be opened again.
    pub(crate) fn begins_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Forgets one; `true` when it was the last.
    pub(crate) fn ends_change(&self) -> bool {
        self.changes.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Whether such a change is being made.
    pub(crate) fn is_changing(&self) -> bool {
        self.changes.load(Ordering::SeqCst) != 0
    }

    /// Notes that data was written, after it was and before anybody is told.
    pub(crate) fn wrote(&self) {
        self.unstable.store(true, Ordering::Release);
    }

    /// Notes that a sync begins: what was written before it is stable if it succeeds.
    pub(crate) fn syncs(&self) {
        self.unstable.store(false, Ordering::Release);
    }

    /// Whether a failure to write data back may still have to be told.
    pub(crate) fn has_unstable(&self) -> bool {
        self.unstable.load(Ordering::Acquire)
    }

    /// Notes a descriptor that writes by its number: a later one has a higher number.
    pub(crate) fn add_writer(&self, number: u64, awake: &Arc<Awake>) {
        self.writers().insert(number, Arc::downgrade(awake));
    }

    pub(crate) fn remove_writer(&self, number: u64) {
        self.writers().remove(&number);
    }

    /// The descriptor that was opened for writing before all others that still are.
    pub(crate) fn oldest_writer(&self) -> Option<Arc<Awake>> {
        self.writers().values().find_map(Weak::upgrade)
    }

    pub(crate) fn to_ask(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        self.to_ask.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what wakes the files, in place of what was kept before.
    pub(crate) fn keep(&self, kept: Kept) {
        let before = self.kept().replace(kept);
        drop(before);
    }

    /// Lets go what was kept; answers the object, if it was.
    pub(crate) fn let_go(&self) -> Option<Arc<Node>> {
        let kept = self.kept().take();
        kept.map(|kept| kept.node)
    }

    /// Whether the object is kept, and whether its data is for this.
    pub(crate) fn keeps(&self, mode: OpenMode) -> (bool, bool) {
        let kept = self.kept();
        (kept.is_some(), kept.as_ref().is_some_and(|kept| kept.data(mode).is_some()))
    }

    /// The object, and a descriptor of its data for this, as far as they are kept.
    pub(crate) fn kept_for(&self, mode: OpenMode) -> Option<(Arc<Node>, Option<Duplicate>)> {
        let kept = self.kept();
        kept.as_ref().map(|kept| (kept.node.clone(), kept.data(mode).map(OwnedFd::try_clone)))
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writers(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<Awake>>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
