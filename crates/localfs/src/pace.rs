//! Which calls are made at once, on the event loop, and which on a thread that may block. What is
//! known to be in memory is made at once; so is what nobody can ask the kernel about, until one
//! such call takes long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_base::{Instant, World};

/// A call on the event loop that takes longer waited for something.
const STALL: Duration = Duration::from_millis(1);

/// For so long the calls of a class that stalled are made elsewhere.
const REST: Duration = Duration::from_secs(1);

/// Calls that wait for the same things: where one of them stalled, the next may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Attributes and rights.
    Attributes,
    /// Names looked up.
    Names,
    /// Files opened.
    Opens,
    /// Texts of links, extended attributes, room on the disk.
    Texts,
    /// Data read.
    Reads,
    /// Data written.
    Writes,
    /// Directories listed.
    Listings,
    /// Changes of names and attributes.
    Changes,
}

const CLASSES: usize = Class::Changes as usize + 1;

/// What became of the calls of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many were given to a thread that may block.
    pub offloaded: u64,
    /// How many were made on the event loop and held it up.
    pub stalled: u64,
}

#[derive(Default)]
struct Meter {
    /// Until when calls are made elsewhere; 0 when none stalled yet.
    rests_until_ns: AtomicU64,
    offloaded: AtomicU64,
    stalled: AtomicU64,
}

/// The meters of a file system, one a class.
#[derive(Default)]
pub(crate) struct Pace([Meter; CLASSES]);

/// A call on the event loop, whose time is taken until this is dropped.
pub(crate) struct Watch<'a>(Option<Timed<'a>>);

struct Timed<'a> {
    meter: &'a Meter,
    world: &'a dyn World,
    since: Instant,
}

impl Watch<'_> {
    /// For a call that waits for no disk.
    pub(crate) const NONE: Self = Self(None);
}

impl Pace {
    const fn meter(&self, class: Class) -> &Meter {
        &self.0[class as usize]
    }

    /// Begins a call on the event loop, unless one of its class stalled lately.
    pub(crate) fn begin<'a>(&'a self, world: &'a dyn World, class: Class) -> Option<Watch<'a>> {
        let (meter, since) = (self.meter(class), world.now());
        let rests = since.as_ns() < meter.rests_until_ns.load(Ordering::Relaxed);
        (!rests).then(|| Watch(Some(Timed { meter, world, since })))
    }

    /// Counts a call that a thread makes.
    pub(crate) fn offloaded(&self, class: Class) {
        self.meter(class).offloaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self, class: Class) -> Calls {
        let Meter { offloaded, stalled, .. } = self.meter(class);
        Calls {
            offloaded: offloaded.load(Ordering::Relaxed),
            stalled: stalled.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let Some(Timed { meter, world, since }) = &self.0 else { return };
        let now = world.now();
        if now.since(*since) > STALL {
            meter.stalled.fetch_add(1, Ordering::Relaxed);
            meter.rests_until_ns.store((now + REST).as_ns(), Ordering::Relaxed);
        }
    }
}
