//! The table of the volumes below an export that somebody has come to. All of it can be found
//! again: what nobody uses makes room, and is let go after a while, so that it can be unmounted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use holdfast_vfs::Error;
use rustix::io::Errno;

use crate::keeper::Keeper;
use crate::mountinfo::MountInfo;
use crate::options::Tell;
use crate::volume::{KnownChanges, Volume};

/// Volumes below an export that are in use at once. Each mount keeps a descriptor or two open.
pub(crate) const VOLUMES_MAX: usize = 256;

/// Why a file system below an export is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// It is no directory.
    File,
    /// The kernel's own: what it shows are processes and devices, also this server.
    Kernel,
    /// It may block, and came when all was served without threads for that.
    Slow,
    /// It has no handles.
    Handles,
    /// It cannot be opened.
    Closed,
    /// There are too many.
    Many,
    /// The list of mounts cannot be read.
    List,
    /// It is only hidden now: the system has no room, or mounts come and go.
    Busy,
}

impl Hidden {
    /// Why it cannot be opened.
    pub(crate) const fn closed(errno: Errno) -> Self {
        match errno {
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Busy,
            _ => Self::Closed,
        }
    }

    /// What this means to who has a handle there.
    pub(crate) const fn of_handle(self) -> Error {
        match self {
            Self::Many | Self::Busy => Error::Busy,
            Self::File | Self::Kernel | Self::Slow | Self::Handles | Self::Closed | Self::List => {
                Error::Stale
            }
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::File => "only directories can be mounted on",
            Self::Kernel => "it is the kernel's own",
            Self::Slow => "it may block, and was mounted after the start",
            Self::Handles => "it has no file handles",
            Self::Closed => "its root cannot be read",
            Self::Many => "too many are in use at once",
            Self::List => "the kernel's list of mounts cannot be read",
            Self::Busy => "it cannot be opened now",
        }
    }
}

/// What is known of the mounts below the export.
#[derive(Default)]
struct Present {
    /// How often the list of mounts was seen to change.
    changes: u64,
    /// All of them, since then.
    ids: Option<Vec<u64>>,
}

/// The table.
pub(crate) struct Volumes {
    /// The volume of the export's root.
    pub(crate) own: Arc<Volume>,
    /// Whether others are shown.
    pub(crate) crosses: bool,
    /// Whether all that is shown must answer from memory.
    pub(crate) prompt: bool,
    /// Where mounts are found. What is not there is not known to be still mounted.
    pub(crate) mounts: Option<MountInfo>,
    /// Set when the export is open.
    pub(crate) keeper: OnceLock<Arc<Keeper>>,
    others: Mutex<Vec<Arc<Volume>>>,
    count: AtomicUsize,
    /// How the change attributes of all that was ever shown are made.
    pub(crate) changes: KnownChanges,
    present: Mutex<Present>,
    tell: Tell,
    told: AtomicBool,
}

impl Volumes {
    pub(crate) fn new(
        (own, changes): (Volume, KnownChanges),
        crosses: bool,
        prompt: bool,
        tell: Tell,
    ) -> Self {
        let mounts = if crosses { MountInfo::open() } else { None };
        let (keeper, others, count, present) = Default::default();
        let told = AtomicBool::new(false);
        let own = Arc::new(own);
        Self { own, crosses, prompt, mounts, keeper, others, count, changes, present, tell, told }
    }

    /// Whether the export's own volume is all there is in use.
    pub(crate) fn is_alone(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// The first volume of a mount by what handles name it by.
    pub(crate) fn by_id(&self, id: u64) -> Option<Arc<Volume>> {
        self.find(|volume| volume.is_first() && volume.mount.id() == id)
    }

    /// The first volume of a mount by the kernel's number.
    pub(crate) fn by_number(&self, number: u64) -> Option<Arc<Volume>> {
        self.find(|volume| volume.is_first() && volume.mount.is_number(number))
    }

    /// A subvolume of a mount, with the mount's first volume at hand.
    pub(crate) fn subvolume(&self, first: &Arc<Volume>, tree: u64) -> Result<Arc<Volume>, Hidden> {
        let known = self.find(|volume| volume.is_tree(&first.mount, tree));
        known.map_or_else(|| self.add(&Arc::new(Volume::subvolume(first, tree))), Ok)
    }

    fn find(&self, is_it: impl Fn(&Volume) -> bool) -> Option<Arc<Volume>> {
        if is_it(&self.own) {
            return Some(self.own.clone());
        }
        self.lock().iter().find(|volume| is_it(volume)).cloned()
    }

    /// Adds a volume, or finds that somebody else just did.
    pub(crate) fn add(&self, volume: &Arc<Volume>) -> Result<Arc<Volume>, Hidden> {
        // Closing is a system call: what makes room is dropped without the lock.
        let mut unused = None;
        let mut others = self.lock();
        if let Some(known) = others.iter().find(|known| known.id == volume.id) {
            let same = known.mount.is_same(&volume.mount);
            return if same { Ok(known.clone()) } else { Err(Hidden::Busy) };
        }
        if others.len() >= VOLUMES_MAX {
            let place = others.iter().position(|volume| Arc::strong_count(volume) == 1);
            unused = Some(others.remove(place.ok_or(Hidden::Many)?));
        }
        others.push(volume.clone());
        self.count.store(others.len(), Ordering::Relaxed);
        drop(others);
        drop(unused);
        Ok(volume.clone())
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Volume>> {
        self.lock().clone()
    }

    /// Forgets those that are not to be kept, and answers them.
    pub(crate) fn retain(&self, keep: impl FnMut(&Arc<Volume>) -> bool) -> Vec<Arc<Volume>> {
        let mut others = self.lock();
        let (kept, gone): (Vec<_>, Vec<_>) = others.drain(..).partition(keep);
        self.count.store(kept.len(), Ordering::Relaxed);
        *others = kept;
        gone
    }

    /// Whether a mount may be below the export although it is not in the table.
    pub(crate) fn may_be_present(&self, id: u64) -> bool {
        self.present().ids.as_ref().is_none_or(|ids| ids.contains(&id))
    }

    /// How often the list of mounts was seen to change.
    pub(crate) fn mount_changes(&self) -> u64 {
        self.present().changes
    }

    /// Notes which mounts are below the export, unless the list has changed since it was read.
    pub(crate) fn set_present(&self, ids: Vec<u64>, changes: u64) {
        let mut present = self.present();
        if present.changes == changes {
            present.ids = Some(ids);
        }
    }

    /// Notes that the list of mounts has changed.
    pub(crate) fn forget_present(&self) {
        let mut present = self.present();
        *present = Present { changes: present.changes + 1, ids: None };
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request is told of what is hidden; the operator is told once.
    pub(crate) fn hide(&self, hidden: Hidden, name: &[u8]) -> Error {
        if hidden == Hidden::Busy {
            return Error::Busy;
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            let name = String::from_utf8_lossy(name);
            self.tell.say(&format!(
                "a file system that is mounted on {name:?} is hidden: {} (others may be, too)",
                hidden.reason()
            ));
        }
        Error::NotFound
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Volume>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
