//! Which open files have a descriptor: no more than the budget. Beyond it one that is not in use
//! gives its descriptor up, and opens the object again when it is used.
//!
//! A file gives it up only where the server could open it again at that moment, nothing unstable
//! was written to it, and a failure of earlier write-backs was asked for. One without a name keeps
//! its object open by a pin; one that the server may not open again is pinned itself. Beyond the
//! budget of pins neither gives anything up, and new opens are told to wait.
//!
//! What local processes do to a file that sleeps cannot be prevented: removed by one, it is stale;
//! where the server has no privilege and one takes its rights away, it is refused.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holdfast_vfs::{Error, Handle, OpenMode, Result};

use crate::cache::Node;
use crate::core::{Core, stat_fd};
use crate::errno::Meaning;
use crate::open::{Asleep, Awake, OpenFile};
use crate::opens::{Kept, NO_MODE};
use crate::sys;

/// Files that are looked at to find one that gives its descriptor up.
const TRIES: usize = 64;

/// Files that give theirs up when the process has none left.
const RELIEF: usize = 16;

/// Files whose data one job makes stable, so that they can give their descriptors up.
const CLEANED: usize = 64;

/// The files that have a descriptor and may have to give it up.
pub(crate) struct Files {
    budget: usize,
    count: AtomicUsize,
    ring: Mutex<Ring>,
    /// Whether the process had no descriptor left.
    is_short: AtomicBool,
    /// Whether unstable data kept files from giving theirs up.
    wants_syncs: AtomicBool,
}

#[derive(Default)]
struct Ring {
    /// By the order in which they were opened.
    files: BTreeMap<u64, Weak<OpenFile>>,
    /// The one that was looked at last.
    hand: u64,
}

impl Files {
    pub(crate) fn new(budget: usize) -> Self {
        let (ring, count) = (Mutex::default(), AtomicUsize::new(0));
        let (is_short, wants_syncs) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { budget: budget.max(1), count, ring, is_short, wants_syncs }
    }

    pub(crate) fn add(&self, number: u64, file: Weak<OpenFile>) {
        let mut ring = self.ring();
        ring.files.insert(number, file);
        self.count.store(ring.files.len(), Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, number: u64) {
        let mut ring = self.ring();
        ring.files.remove(&number);
        self.count.store(ring.files.len(), Ordering::Relaxed);
    }

    /// The process has no descriptor left.
    pub(crate) fn ran_short(&self) {
        self.is_short.store(true, Ordering::Relaxed);
    }

    /// Whether somebody is to sync, asked by who then does.
    pub(crate) fn takes_syncs(&self) -> bool {
        self.wants_syncs.load(Ordering::Relaxed) && self.wants_syncs.swap(false, Ordering::AcqRel)
    }

    /// The next file to look at.
    fn next(&self) -> Option<Arc<OpenFile>> {
        let mut ring = self.ring();
        let beyond = (Bound::Excluded(ring.hand), Bound::Unbounded);
        let next = ring.files.range(beyond).next().or_else(|| ring.files.iter().next());
        let (number, file) = next.map(|(number, file)| (*number, file.upgrade()))?;
        ring.hand = number;
        drop(ring);
        file
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Has room for one more file with a descriptor. May act as the server afterwards.
    ///
    /// # Errors
    /// [`Error::Busy`]: no other file can give its descriptor up now.
    pub(crate) fn make_room(&self) -> Result<()> {
        self.relieve()?;
        let files = &self.files;
        if files.count.load(Ordering::Relaxed) < files.budget {
            return Ok(());
        }
        self.identity.server()?;
        for spares_used in [true, false] {
            for _ in 0..TRIES.min(files.count.load(Ordering::Relaxed)) {
                if files.next().is_some_and(|file| self.lull(&file, spares_used)) {
                    return Ok(());
                }
            }
        }
        Err(Error::Busy)
    }

    /// Closes what can be closed if the process had no descriptor left. May act as the server
    /// afterwards.
    pub(crate) fn relieve(&self) -> Result<()> {
        let is_short = &self.files.is_short;
        if is_short.load(Ordering::Relaxed) && is_short.swap(false, Ordering::AcqRel) {
            self.identity.server()?;
            let mut lulled = 0;
            for _ in 0..TRIES {
                if lulled < RELIEF
                    && let Some(file) = self.files.next()
                {
                    lulled += usize::from(self.lull(&file, false));
                }
            }
            self.cache.clear();
        }
        Ok(())
    }

    /// Makes the data of some files stable, so that they can give their descriptors up. May block.
    pub(crate) fn sync_some(&self) {
        for _ in 0..CLEANED {
            let file = self.files.next();
            if let Some(awake) = file.and_then(|file| file.peek())
                && awake.opens().has_unstable()
            {
                // A failure changes the verifier: whoever wrote learns of it.
                let _ = self.sync(awake.node(), awake.fd(), true);
            }
        }
    }

    /// Has a file give its descriptor up if it can; `true`: there is room for another one. Acts as
    /// the server.
    fn lull(&self, file: &Arc<OpenFile>, spares_used: bool) -> bool {
        let Some(awake) = file.peek_unused(spares_used) else { return false };
        if awake.opens().has_unstable() {
            self.files.wants_syncs.store(true, Ordering::Relaxed);
            return false;
        }
        // In this order: a change that begins now sees that this one falls asleep.
        let asleep = Asleep::begin(self, *file.handle(), awake.opens());
        if awake.opens().is_changing() {
            return false;
        }
        match self.may_open_again(&awake) {
            Ok(true) => {}
            // Only its own descriptor can read it.
            Ok(false) => return self.pins.pin().is_ok_and(|pin| file.stay_awake(pin, self)),
            Err(_) => return false,
        }
        // Who wakes it adds it again: it must be out by then.
        self.files.remove(file.number());
        let is_lulled = file.give_up(awake, asleep);
        if !is_lulled {
            self.files.add(file.number(), Arc::downgrade(file));
        }
        is_lulled
    }

    /// Whether the server can open an object for what a file is open for.
    ///
    /// # Errors
    /// [`Error::Busy`]: only its last descriptor keeps it alive, and there is no pin for that.
    fn may_open_again(&self, awake: &Awake) -> Result<bool> {
        let (node, (is_kept, has_data)) = (awake.node_arc(), awake.opens().keeps(awake.mode()));
        let stat = stat_fd(node.fd()).meaning()?;
        if self.table.is_some() && !node.mount().stamps.are_lasting(&stat) {
            // Another object could come in its place, and nothing would tell.
            return Ok(false);
        }
        if !is_kept && stat.stx_nlink == 0 {
            self.keep(node, false)?;
        }
        Ok(has_data || self.may_open(node, awake.mode()))
    }

    fn may_open(&self, node: &Node, mode: OpenMode) -> bool {
        let read = if mode.read { libc::R_OK } else { 0 };
        match sys::access(node.fd(), read | if mode.write { libc::W_OK } else { 0 }) {
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => self.identity.switches(),
            result => result.is_ok(),
        }
    }

    /// Keeps an object open as long as one of its files is, and its data if the mode is about to
    /// refuse it. May act as the server afterwards.
    fn keep(&self, node: &Arc<Node>, with_data: bool) -> Result<()> {
        let mut pins = vec![self.pins.pin()?];
        let data = if with_data {
            pins.push(self.pins.pin()?);
            self.identity.server()?;
            let open = |mode| Ok((mode, self.open_data(node, mode, false)?));
            match open(node.opens.modes()).or_else(|_| open(OpenMode::READ)) {
                Ok(data) => Some(data),
                // A local process took the right already: those that sleep have lost it.
                Err(Error::AccessDenied) => return Ok(()),
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        node.opens.keep(Kept::new(node.clone(), data, pins));
        Ok(())
    }

    /// Before a change after which an object might not be opened again: its files that sleep can
    /// be woken in spite of it, and no others fall asleep until the answer is dropped.
    /// `takes_mode`: it is not its last name that goes, but the right to open it. May act as the
    /// server afterwards.
    ///
    /// # Errors
    /// [`Error::Busy`]: nothing more can be kept open.
    pub(crate) fn steady(&self, node: &Arc<Node>, takes_mode: bool) -> Result<Steady> {
        node.opens.begins_change();
        let mut steady = Steady { node: node.clone(), has_kept: false };
        if node.opens.asleep() > 0 {
            let (is_kept, has_data) = node.opens.keeps(node.opens.modes());
            // Each of the changes under way may take a name. What a table knows by one of its
            // names it would not find by another.
            let changes = node.opens.changes();
            let may_be_lost = || {
                self.table.is_some() || stat_fd(node.fd()).is_ok_and(|it| it.stx_nlink <= changes)
            };
            if takes_mode && !has_data || !takes_mode && !is_kept && may_be_lost() {
                self.keep(node, takes_mode)?;
                steady.has_kept = !takes_mode && self.table.is_none();
            }
        }
        Ok(steady)
    }

    /// [`Core::steady`] for the object of a name that is about to go.
    pub(crate) fn steady_victim(&self, victim: Option<&Arc<Node>>) -> Result<Option<Steady>> {
        let open = victim.filter(|node| node.is_open());
        open.map(|node| self.steady(node, false)).transpose()
    }

    /// [`Core::steady`] before a mode is set, where that can take the server's own right to open.
    pub(crate) fn steady_mode(&self, node: &Arc<Node>, mode: u32) -> Result<Option<Steady>> {
        const OWNER_READ: u32 = 0o400;
        const OWNER_WRITE: u32 = 0o200;
        let open = node.opens.modes();
        let refuses = open.read && mode & OWNER_READ == 0 || open.write && mode & OWNER_WRITE == 0;
        let matters = node.is_open() && refuses && !self.identity.switches();
        matters.then(|| self.steady(node, true)).transpose()
    }

    /// The object of a handle whose files sleep. May act as the server afterwards.
    ///
    /// # Errors
    /// [`Error::Busy`]: there is such an object, and no descriptor for it now.
    pub(crate) fn sleeper(&self, handle: &Handle) -> Result<Option<Arc<Node>>> {
        if !self.cache.sleeps(handle) {
            return Ok(None);
        }
        match self.node(handle) {
            Err(Error::Busy) => Err(Error::Busy),
            node => Ok(node.ok()),
        }
    }

    /// Opens the object of a file again. Acts as the server.
    pub(crate) fn open_again(&self, file: &OpenFile) -> Result<(OwnedFd, Arc<Node>)> {
        self.make_room()?;
        self.identity.server()?;
        let (node, data) = match file.opens().kept_for(file.mode()) {
            Some((node, data)) => (node, data),
            None => (self.node(file.handle())?, None),
        };
        let fd = match data {
            Some(Ok(fd)) => fd,
            Some(Err(_)) => {
                self.files.ran_short();
                return Err(Error::Busy);
            }
            None => self.open_data(&node, file.mode(), false)?,
        };
        Ok((fd, node))
    }
}

/// A change after which an object might not be opened again is being made.
pub(crate) struct Steady {
    node: Arc<Node>,
    /// Whether the object was kept because its last name was about to go.
    has_kept: bool,
}

impl Drop for Steady {
    fn drop(&mut self) {
        let is_last = self.node.opens.ends_change();
        let has_data = self.node.opens.keeps(NO_MODE).1;
        let has_name = stat_fd(self.node.fd()).is_ok_and(|stat| stat.stx_nlink > 0);
        // The name stayed: nothing has to be kept for it.
        if is_last && self.has_kept && has_name && !has_data {
            self.node.opens.let_go();
        }
    }
}
