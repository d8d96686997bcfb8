//! The change attribute: what a client compares to know whether its cache is still good.
//!
//! Where every change gets a time of its own, as soon as somebody saw the time before, it is that
//! time (multigrain timestamps, Linux 6.13 and later). Elsewhere many changes have the time of one
//! tick of the kernel's clock. There each change that we make is counted, and the count is added;
//! what a local process changes within a tick of a change that was seen is not told from it. The
//! count begins anew with each process, so a random number that only this one has is added too.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_vfs::ChangeAttrType;
use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags, openat, statx};
use rustix::io::pwrite;

use crate::cache::Node;
use crate::core::{Core, stat_fd};
use crate::name::Name;

/// Counts of changes. Objects that share one, by their inodes' numbers, only seem to have changed
/// with each other.
const COUNTS: usize = 1 << 16;

/// Writes that must all get times of their own.
const WRITES: usize = 64;

/// The shortest tick of the kernels there are. In less than half as many of them as there are
/// writes, a clock that ticks cannot give each write a time of its own.
const TICK_NS: u64 = 1_000_000;

/// How often the writes may take too long to tell.
const TRIES: usize = 3;

/// How the change attribute is made.
#[derive(Clone)]
pub(crate) struct Changes(Option<Arc<Counted>>);

struct Counted {
    instance: u64,
    counts: Box<[AtomicU64]>,
}

impl Changes {
    /// By the times that a file without a name gets, if one can be made in this directory.
    /// `instance` differs from those of all processes before.
    pub(crate) fn probe(directory: &OwnedFd, forces_counts: bool, instance: u64) -> Self {
        let is_strict = !forces_counts && (0..TRIES).any(|_| has_own_times(directory));
        let counts = || (0..COUNTS).map(|_| AtomicU64::new(0)).collect();
        Self((!is_strict).then(|| Arc::new(Counted { instance, counts: counts() })))
    }

    /// What clients may conclude from two values.
    pub(crate) const fn kind(&self) -> ChangeAttrType {
        match self.0 {
            None => ChangeAttrType::TimeMetadata,
            // A later process may have lower values.
            Some(_) => ChangeAttrType::Undefined,
        }
    }

    /// The change attribute of an object.
    pub(crate) fn of(&self, stat: &Statx) -> u64 {
        match &self.0 {
            None => ctime_ns(stat),
            Some(counted) => {
                let count = counted.count(stat.stx_ino).load(Ordering::SeqCst);
                ctime_ns(stat).wrapping_add(count).wrapping_add(counted.instance)
            }
        }
    }
}

impl Counted {
    fn count(&self, ino: u64) -> &AtomicU64 {
        let mixed = ino.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.counts[(mixed >> 32) as usize % COUNTS]
    }
}

impl Core {
    /// Notes that an object was changed: after it was, and before anybody is told.
    pub(crate) fn changed(&self, node: &Node) {
        if let Some(counted) = &node.mount().changes.0
            && let Ok(stat) = stat_fd(node.fd())
        {
            counted.count(stat.stx_ino).fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The object of a name that is about to go, if its change has to be noted then.
    pub(crate) fn to_change(&self, parent: &Node, name: &Name) -> Option<u64> {
        parent.mount().changes.0.as_ref()?;
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = statx(parent.fd(), name.as_c_str(), flags, StatxFlags::INO);
        stat.ok().map(|stat| stat.stx_ino)
    }

    /// [`Core::changed`] for an object of a directory's mount that may have no name now.
    pub(crate) fn changed_inode(&self, parent: &Node, ino: Option<u64>) {
        if let (Some(counted), Some(ino)) = (&parent.mount().changes.0, ino) {
            counted.count(ino).fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Whether all of some changes get times of their own, if somebody looks in between.
fn has_own_times(directory: &OwnedFd) -> bool {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let Ok(file) = openat(directory, c".", flags, Mode::RUSR | Mode::WUSR) else { return false };
    let write = |_| {
        pwrite(&file, b"x", 0).ok()?;
        stat_fd(file.as_fd()).ok().map(|stat| ctime_ns(&stat))
    };
    let times: Option<Vec<u64>> = (0..WRITES).map(write).collect();
    times.is_some_and(|times| are_own(&times))
}

fn are_own(times: &[u64]) -> bool {
    let first_and_last = times.first().zip(times.last());
    let short = first_and_last.is_some_and(|(first, last)| {
        last.saturating_sub(*first) < TICK_NS * times.len() as u64 / 2
    });
    short && times.windows(2).all(|pair| pair[0] < pair[1])
}

pub(crate) const fn ctime_ns(stat: &Statx) -> u64 {
    let ctime = stat.stx_ctime;
    (ctime.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(ctime.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_ticks_is_not_taken_for_a_fine_one() {
        let times = |step: u64| (0..WRITES as u64).map(|at| 5_000 + at * step).collect::<Vec<_>>();
        assert!(are_own(&times(700)));
        let mut coarse = times(700);
        coarse[9] = coarse[8];
        assert!(!are_own(&coarse), "two changes have one time");
        assert!(!are_own(&times(TICK_NS)), "so slow that each write has a tick of its own");
        assert!(!are_own(&[]));
    }
}
