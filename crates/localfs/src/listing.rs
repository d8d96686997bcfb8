//! Listings that are remembered: names, cookies, file ids and handles of a directory, for as long
//! as its change attribute is what it was. Attributes are not: each entry is asked for them.
//!
//! The kernel's times are as coarse as its tick, so that a directory changed a moment ago may
//! change again without showing it: only one that was left alone for a while is remembered.

use std::collections::HashMap;
use std::ffi::CStr;
use std::hash::BuildHasherDefault;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_vfs::Handle;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

use crate::cache::{MacHasher, Node};

/// Bytes of all listings of a file system together.
const ALL_BYTES: usize = 32 << 20;

/// Bytes of one listing; a larger directory is read anew each time.
const ONE_BYTES: usize = 4 << 20;

/// What is charged for a directory besides its entries.
const BASE_BYTES: usize = 512;

/// How long a directory was left alone at least: two of the longest ticks (100 a second).
const QUIET: Duration = Duration::from_millis(20);

/// What a directory must not have changed in since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its change attribute, in nanoseconds of the wall clock.
    change: u64,
    /// How often file systems were mounted or unmounted.
    mounts: u64,
}

/// A moment before a directory's version was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    now: SystemTime,
    mounts: u64,
}

impl Before {
    /// The version of what has this change attribute; `None` when the next change may not show.
    pub(crate) fn version(self, change: u64) -> Option<Version> {
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let quiet = u64::try_from(now.saturating_sub(QUIET).as_nanos()).ok()?;
        (change < quiet).then_some(Version { change, mounts: self.mounts })
    }
}

/// An entry without its attributes.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a CStr,
    /// Where to go on after it.
    pub(crate) cookie: u64,
    pub(crate) fileid: u64,
    /// The bytes of its handle; none when that is not known.
    pub(crate) handle: &'a [u8],
    /// Where its object is, once that was found open.
    pub(crate) node: Option<&'a OnceLock<Weak<Node>>>,
}

struct Fixed {
    fileid: u64,
    /// Where its name and its handle end; each begins where the one before ends.
    name_end: u32,
    handle_end: u32,
}

/// The entries of a directory, from its beginning.
pub(crate) struct Listing {
    version: Version,
    /// Whether handles were asked for.
    with_handles: bool,
    complete: bool,
    cookies: Vec<u64>,
    fixed: Vec<Fixed>,
    /// Names with their final NUL.
    names: Vec<u8>,
    handles: Vec<u8>,
    /// Objects that were found open: kept as memory, but not as descriptors.
    nodes: Vec<OnceLock<Weak<Node>>>,
}

impl Listing {
    const fn new(version: Version, with_handles: bool) -> Self {
        Self {
            version,
            with_handles,
            complete: false,
            cookies: Vec::new(),
            fixed: Vec::new(),
            names: Vec::new(),
            handles: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Whether entries that begin at `from` are the next of this.
    fn takes(&self, added: &Self, from: u64) -> bool {
        self.version == added.version
            && self.with_handles == added.with_handles
            && !self.complete
            && self.end() == from
    }

    /// Whether this knows of the same version at least as much: another call was faster.
    fn is_better(&self, other: &Self) -> bool {
        self.version == other.version
            && (self.with_handles || !other.with_handles)
            && (self.complete || self.cookies.len() >= other.cookies.len())
    }

    /// The cookie after its last entry.
    fn end(&self) -> u64 {
        self.cookies.last().copied().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        let fixed = size_of::<u64>() + size_of::<Fixed>() + size_of::<OnceLock<Weak<Node>>>();
        let fixed = self.cookies.len() * (fixed + size_of::<Node>());
        BASE_BYTES + fixed + self.names.len() + self.handles.len()
    }

    fn push(&mut self, entry: &Entry<'_>) {
        self.names.extend_from_slice(entry.name.to_bytes_with_nul());
        self.handles.extend_from_slice(entry.handle);
        self.nodes.push(OnceLock::new());
        self.cookies.push(entry.cookie);
        let (name_end, handle_end) = (self.names.len() as u32, self.handles.len() as u32);
        self.fixed.push(Fixed { fileid: entry.fileid, name_end, handle_end });
    }

    /// The place of the first entry after a cookie; `None` when no entry has it.
    fn after(&self, cookie: u64) -> Option<usize> {
        if cookie == 0 {
            return Some(0);
        }
        self.cookies.iter().position(|known| *known == cookie).map(|place| place + 1)
    }

    /// The entries from a place on.
    fn entries(&self, first: usize) -> impl Iterator<Item = Entry<'_>> {
        let before = first.checked_sub(1).map(|before| &self.fixed[before]);
        let ends = |fixed: &Fixed| (fixed.name_end as usize, fixed.handle_end as usize);
        let mut at = before.map_or((0, 0), ends);
        (first..self.cookies.len()).filter_map(move |place| {
            let to = ends(&self.fixed[place]);
            let (name, handle) = (&self.names[at.0..to.0], &self.handles[at.1..to.1]);
            at = to;
            let name = CStr::from_bytes_with_nul(name).ok()?;
            let (cookie, fileid) = (self.cookies[place], self.fixed[place].fileid);
            Some(Entry { name, cookie, fileid, handle, node: self.nodes.get(place) })
        })
    }
}

/// A complete listing and where to go on in it.
pub(crate) struct Found {
    listing: Arc<Listing>,
    first: usize,
}

impl Found {
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.listing.entries(self.first)
    }
}

/// What one call adds to a listing that begins where others ended.
pub(crate) struct Part {
    dir: Handle,
    from: u64,
    added: Listing,
}

impl Part {
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        if self.added.bytes() <= ONE_BYTES {
            self.added.push(entry);
        }
    }
}

struct Slot {
    dir: Handle,
    listing: Arc<Listing>,
    used: bool,
}

#[derive(Default)]
struct Table {
    index: HashMap<Handle, usize, BuildHasherDefault<MacHasher>>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
}

impl Table {
    fn slot(&mut self, dir: &Handle) -> Option<&mut Slot> {
        let place = *self.index.get(dir)?;
        self.slots.get_mut(place)
    }

    fn take(&mut self, place: usize) {
        let slot = self.slots.swap_remove(place);
        self.index.remove(&slot.dir);
        self.bytes -= slot.listing.bytes();
        if let Some(moved) = self.slots.get(place) {
            self.index.insert(moved.dir, place);
        }
    }

    fn remove(&mut self, dir: &Handle) {
        if let Some(place) = self.index.get(dir).copied() {
            self.take(place);
        }
    }

    /// Throws out what was not used since the hand last came by, until there is room.
    fn make_room(&mut self, bytes: usize) {
        while self.bytes + bytes > ALL_BYTES && !self.slots.is_empty() {
            self.hand %= self.slots.len();
            if std::mem::take(&mut self.slots[self.hand].used) {
                self.hand += 1;
            } else {
                self.take(self.hand);
            }
        }
    }

    fn insert(&mut self, dir: Handle, listing: Listing) {
        self.remove(&dir);
        let bytes = listing.bytes();
        if bytes > ONE_BYTES {
            return;
        }
        self.make_room(bytes);
        self.bytes += bytes;
        self.index.insert(dir, self.slots.len());
        self.slots.push(Slot { dir, listing: Arc::new(listing), used: false });
    }

    /// Adds entries to a listing that ends where they begin.
    fn extend(&mut self, dir: &Handle, from: u64, added: &Listing) {
        let Some(slot) = self.slot(dir).filter(|slot| slot.listing.takes(added, from)) else {
            return;
        };
        // Only a complete one is lent.
        let Some(listing) = Arc::get_mut(&mut slot.listing) else { return };
        let before = listing.bytes();
        added.entries(0).for_each(|entry| listing.push(&entry));
        listing.complete = added.complete;
        let grown = listing.bytes() - before;
        self.bytes += grown;
        if before + grown > ONE_BYTES {
            self.remove(dir);
        }
        self.make_room(0);
    }
}

/// The listings of a file system.
pub(crate) struct Listings {
    table: Mutex<Table>,
    /// `/proc/thread-self/mountinfo`.
    mounts: OwnedFd,
    /// How often that was seen to change.
    mounted: AtomicU64,
    found: AtomicU64,
}

impl Listings {
    /// None yet; `None` where the kernel does not tell of mounts.
    pub(crate) fn new() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mounts = rustix::fs::open(c"/proc/thread-self/mountinfo", flags, Mode::empty()).ok()?;
        let (table, mounted, found) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Some(Self { table, mounts, mounted, found })
    }

    /// To be asked before a directory's change attribute is.
    pub(crate) fn before(&self) -> Option<Before> {
        let mut polled = [PollFd::new(&self.mounts, PollFlags::PRI)];
        let changed = poll(&mut polled, Some(&Timespec::default())).ok()?;
        let mounts = self.mounted.fetch_add(changed as u64, Ordering::AcqRel) + changed as u64;
        Some(Before { now: SystemTime::now(), mounts })
    }

    /// What is known of a directory that is still of this version.
    pub(crate) fn find(
        &self,
        dir: &Handle,
        version: Version,
        with_handles: bool,
        cookie: u64,
    ) -> Option<Found> {
        let mut table = self.lock();
        let slot = table.slot(dir)?;
        let is_good = slot.listing.version == version
            && slot.listing.complete
            && (slot.listing.with_handles || !with_handles);
        if !is_good {
            return None;
        }
        slot.used = true;
        let listing = slot.listing.clone();
        drop(table);
        let first = listing.after(cookie)?;
        self.found.fetch_add(1, Ordering::Relaxed);
        Some(Found { listing, first })
    }

    /// How often something was found.
    pub(crate) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Begins to remember what a call lists from a cookie on, if that goes on where what is known
    /// ends.
    pub(crate) fn begin(
        &self,
        dir: &Handle,
        version: Version,
        with_handles: bool,
        from: u64,
    ) -> Option<Part> {
        let added = Listing::new(version, with_handles);
        let fits = match self.lock().slot(dir).map(|slot| &slot.listing) {
            Some(known) if known.version == version && known.with_handles >= with_handles => {
                known.takes(&added, from)
            }
            Some(_) | None => from == 0,
        };
        fits.then_some(Part { dir: *dir, from, added })
    }

    /// Adds what a call listed; `complete`: the directory ends there.
    pub(crate) fn add(&self, part: Part, complete: bool) {
        let Part { dir, from, mut added } = part;
        added.complete = complete;
        let mut table = self.lock();
        if from != 0 {
            table.extend(&dir, from, &added);
        } else if !table.slot(&dir).is_some_and(|slot| slot.listing.is_better(&added)) {
            table.insert(dir, added);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version { change: 1, mounts: 0 };

    fn dir(number: u32) -> Handle {
        Handle::new(&[&[0; 8][..], &number.to_le_bytes(), &[9; 8]].concat()).unwrap()
    }

    /// Remembers `count` entries after a cookie of a directory.
    fn list(listings: &Listings, dir: &Handle, from: u64, count: u64, complete: bool) -> bool {
        let Some(mut part) = listings.begin(dir, VERSION, true, from) else { return false };
        for cookie in from + 1..=from + count {
            let handle = cookie.to_le_bytes();
            part.push(&Entry { name: c"name", cookie, fileid: 1, handle: &handle, node: None });
        }
        listings.add(part, complete);
        true
    }

    fn known(listings: &Listings, dir: &Handle, cookie: u64) -> Option<usize> {
        let found = listings.find(dir, VERSION, true, cookie)?;
        Some(found.entries().count())
    }

    #[test]
    fn parts_are_joined_where_the_one_before_ends() {
        let Some(listings) = Listings::new() else { return };
        assert!(list(&listings, &dir(0), 0, 5, false));
        assert!(!list(&listings, &dir(0), 3, 5, false), "it is not known what is between");
        assert!(!list(&listings, &dir(0), 0, 5, false), "that much is known");
        assert_eq!(known(&listings, &dir(0), 0), None, "the rest is not known");
        assert!(list(&listings, &dir(0), 5, 2, true));
        assert_eq!(known(&listings, &dir(0), 0), Some(7));
        assert_eq!(known(&listings, &dir(0), 5), Some(2));
        assert_eq!(known(&listings, &dir(0), 7), Some(0));
        assert_eq!(known(&listings, &dir(0), 8), None, "no entry has that cookie");
        let later = Version { change: 2, ..VERSION };
        assert!(listings.find(&dir(0), later, true, 0).is_none());
        let mounted = Version { mounts: 1, ..VERSION };
        assert!(listings.find(&dir(0), mounted, true, 0).is_none());
    }

    #[test]
    fn listings_stay_within_their_bytes_and_what_is_used_stays_longest() {
        let Some(listings) = Listings::new() else { return };
        assert!(list(&listings, &dir(0), 0, 5_000, true));
        for number in 1..200 {
            assert!(list(&listings, &dir(number), 0, 5_000, true));
            assert_eq!(known(&listings, &dir(0), 0), Some(5_000));
            let table = listings.lock();
            let sum: usize = table.slots.iter().map(|slot| slot.listing.bytes()).sum();
            assert_eq!((table.bytes, table.index.len()), (sum, table.slots.len()));
            assert!(sum <= ALL_BYTES);
        }
        assert_eq!(known(&listings, &dir(1), 0), None);
        // One that is too large is not kept, at once or in parts.
        let too_many = (ONE_BYTES / size_of::<Node>()) as u64;
        assert!(list(&listings, &dir(500), 0, too_many, true));
        assert_eq!(known(&listings, &dir(500), 0), None);
        let half = too_many / 2 + 1;
        assert!(list(&listings, &dir(500), 0, half, false));
        assert!(list(&listings, &dir(500), half, half, true));
        assert_eq!(known(&listings, &dir(500), 0), None);
    }
}
