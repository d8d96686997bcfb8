//! No two locks that exclude each other are held at one time, and none is refused without a
//! reason. What is surely held, from the reply to LOCK until LOCKU or CLOSE is sent, excludes; what
//! may be held, from the sending of LOCK until LOCKU or CLOSE is answered, explains a refusal.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::checkers::shares::Shares;
use crate::journal::Journal;
use crate::sync::lock;

/// The bytes that are told apart, and at last all the bytes behind them.
pub const CELLS: usize = 17;

/// How a byte is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shared.
    Read,
    /// Exclusive.
    Write,
}

/// What an owner holds, byte by byte.
pub type Bytes = [Option<Kind>; CELLS];

/// Who locks: the client, and the lock-owner, which no other client has.
pub type Locker = (u32, Vec<u8>);

/// The server and the handle.
pub type FileName = (String, Vec<u8>);

/// A request for a lock, or about one.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The file.
    pub file: FileName,
    /// Who asks.
    pub locker: Locker,
    /// For which bytes.
    pub cells: Range<usize>,
    /// How they are to be locked.
    pub kind: Kind,
    /// When it was first sent, in nanoseconds.
    pub sent: u64,
}

/// A lock that a server says is in the way.
#[derive(Clone, Debug)]
pub struct InTheWay {
    /// The lock-owner.
    pub owner: Vec<u8>,
    /// The bytes; `None`: not among those that anybody locks.
    pub cells: Option<Range<usize>>,
    /// How it is locked.
    pub kind: Kind,
}

/// A byte that is surely held.
#[derive(Clone, Copy)]
struct Surely {
    kind: Kind,
    since: u64,
    /// The instance that gave it.
    generation: u64,
}

#[derive(Default)]
struct Owned {
    surely: [Option<Surely>; CELLS],
    /// Until when a byte may have been locked: shared, exclusively. 0: never.
    maybe: [[u64; 2]; CELLS],
}

type Owners = BTreeMap<Locker, Owned>;

/// The checker.
pub struct Locks {
    journal: Journal,
    shares: Arc<Shares>,
    /// When a server last had bytes of a client, in nanoseconds.
    heard: Mutex<BTreeMap<u32, u64>>,
    files: Mutex<BTreeMap<FileName, Owners>>,
}

/// The cells of a range; `None`: it begins or ends behind those that are told apart.
pub fn cells(offset: u64, length: u64) -> Option<Range<usize>> {
    let first = usize::try_from(offset).ok().filter(|first| *first < CELLS)?;
    if length == u64::MAX {
        return Some(first..CELLS);
    }
    let end = first.checked_add(usize::try_from(length).ok()?)?;
    (end < CELLS && end > first).then_some(first..end)
}

/// What a request asks for that is about these cells: its offset and its length.
pub const fn range_of(cells: &Range<usize>) -> (u64, u64) {
    let length = if cells.end == CELLS { u64::MAX } else { (cells.end - cells.start) as u64 };
    (cells.start as u64, length)
}

/// The ranges that are held alike.
pub fn runs(bytes: &Bytes) -> Vec<(Range<usize>, Kind)> {
    let mut runs: Vec<(Range<usize>, Kind)> = Vec::new();
    for (cell, held) in bytes.iter().enumerate() {
        match (held, runs.last_mut()) {
            (Some(kind), Some((cells, last))) if cells.end == cell && last == kind => {
                cells.end += 1;
            }
            (Some(kind), _) => runs.push((cell..cell + 1, *kind)),
            (None, _) => {}
        }
    }
    runs
}

/// Whether locks of two owners exclude each other.
fn excludes(a: Kind, b: Kind) -> bool {
    a == Kind::Write || b == Kind::Write
}

impl Owned {
    /// A byte is held so, or not at all, and this is known.
    fn is_now(&mut self, cell: usize, held: Option<Kind>, now: u64) {
        for kind in [Kind::Read, Kind::Write] {
            let until = &mut self.maybe[cell][kind as usize];
            if held == Some(kind) {
                *until = u64::MAX;
            } else {
                *until = now.min(*until);
            }
        }
    }
}

impl Locks {
    /// Nothing is locked.
    pub fn new(journal: Journal, shares: Arc<Shares>) -> Self {
        Self { journal, shares, heard: Mutex::default(), files: Mutex::default() }
    }

    fn owned<T>(&self, asked: &Asked, change: impl FnOnce(&mut Owned) -> T) -> T {
        let mut files = lock(&self.files);
        let owners = files.entry(asked.file.clone()).or_default();
        change(owners.entry(asked.locker.clone()).or_default())
    }

    /// LOCK is about to be sent: from now on the bytes may be held so. An owner's own lock may
    /// become another kind.
    pub fn locking(&self, asked: &Asked) {
        self.owned(asked, |owned| {
            for cell in asked.cells.clone() {
                owned.maybe[cell][asked.kind as usize] = u64::MAX;
                owned.surely[cell] = None;
            }
        });
    }

    /// LOCK was granted, and was executed no more than once.
    pub fn granted(&self, asked: &Asked, generation: u64, now: u64) {
        self.allowed(asked, generation, now, now);
        let is_sure = self.shares.lease_goes_on(asked.locker.0, now);
        let surely = Surely { kind: asked.kind, since: now, generation };
        self.owned(asked, |owned| {
            for cell in asked.cells.clone() {
                owned.is_now(cell, Some(asked.kind), now);
                owned.surely[cell] = is_sure.then_some(surely);
            }
        });
    }

    /// LOCK was refused: the owner holds what it held.
    pub fn refused(&self, asked: &Asked, held: &Bytes, now: u64) {
        self.owned(asked, |owned| {
            for cell in asked.cells.clone() {
                owned.is_now(cell, held[cell], now);
            }
        });
    }

    /// LOCKT found nothing in the way.
    pub fn free(&self, asked: &Asked, generation: u64, now: u64) {
        self.allowed(asked, generation, asked.sent, now);
    }

    /// Nothing that was surely held at a time, and is now, is in the way.
    fn allowed(&self, asked: &Asked, generation: u64, at: u64, now: u64) {
        if !self.shares.lease_goes_on(asked.locker.0, now) {
            return;
        }
        let files = lock(&self.files);
        let Some(owners) = files.get(&asked.file) else { return };
        for (other, owned) in owners.iter().filter(|(other, _)| **other != asked.locker) {
            let conflicts = |cell: &usize| {
                owned.surely[*cell].is_some_and(|surely| {
                    surely.generation == generation
                        && surely.since <= at
                        && excludes(surely.kind, asked.kind)
                })
            };
            let conflict = asked.cells.clone().find(conflicts);
            if conflict.is_some() && self.shares.lease_goes_on(other.0, now) {
                let message = format!("{asked:?} was allowed while {other:?} holds {conflict:?}");
                self.journal.violation("locks", message);
            }
        }
    }

    /// The server has bytes of a client.
    pub fn heard(&self, client: u32, now: u64) {
        lock(&self.heard).insert(client, now);
    }

    /// LOCK or LOCKT found something in the way: all of that may have been held at one time, and
    /// by somebody from whom the server has heard since it had to give the lock up: `patience`
    /// nanoseconds before the request. `None`: nobody knows how long that takes.
    pub fn denied(&self, asked: &Asked, way: &InTheWay, patience: Option<u64>) {
        let files = lock(&self.files);
        let owners = files.get(&asked.file);
        let mut others = owners.iter().flat_map(|owners| owners.iter());
        let is_other = way.owner != asked.locker.1;
        let found = others.find(|((_, owner), _)| *owner == way.owner);
        if let (Some((holder, _)), Some(patience)) = (found, patience) {
            let heard = lock(&self.heard).get(&holder.0).copied().unwrap_or(0);
            if asked.sent > heard + patience {
                let silent = Duration::from_nanos(asked.sent - heard);
                let message = format!("{asked:?} was denied because of {way:?}, silent {silent:?}");
                self.journal.violation("locks", message);
            }
        }
        let is_right =
            found.map(|(_, owned)| owned).zip(way.cells.as_ref()).is_some_and(|(owned, cells)| {
                let maybe = |cell: usize| owned.maybe[cell][way.kind as usize] >= asked.sent;
                let overlap = cells.start < asked.cells.end && asked.cells.start < cells.end;
                overlap && cells.clone().all(maybe)
            });
        if !(is_other && is_right && excludes(way.kind, asked.kind)) {
            let message = format!("{asked:?} was denied because of {way:?}, which is not there");
            self.journal.violation("locks", message);
        }
    }

    /// LOCKU or CLOSE is about to be sent: nothing of these bytes is surely held.
    pub fn unlocking(&self, asked: &Asked) {
        self.owned(asked, |owned| owned.surely[asked.cells.clone()].fill(None));
    }

    /// LOCKU or CLOSE was answered, and nothing that was sent before is under way.
    pub fn unlocked(&self, asked: &Asked, now: u64) {
        self.owned(asked, |owned| {
            asked.cells.clone().for_each(|cell| owned.is_now(cell, None, now));
        });
    }

    /// The lease of a client may be over: nothing of it is surely held.
    pub fn lost(&self, client: u32) {
        for owners in lock(&self.files).values_mut() {
            for (_, owned) in owners.iter_mut().filter(|(locker, _)| locker.0 == client) {
                owned.surely = [None; CELLS];
            }
        }
    }
}

#[cfg(test)]
#[path = "locks/tests.rs"]
mod tests;
