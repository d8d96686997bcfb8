//! On which loop a connection lives: the rules by which it moves, and what a loop knows of the
//! others.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_base::Instant;

use crate::cpus::{Cpus, incoming_cpu};
use crate::load::{Load, Meter};
use crate::mailbox::Mailbox;
use crate::world::now;

/// On which loop a connection lives.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    /// On the loop to which it was dealt, and loops run where the system likes.
    Fixed,
    /// On the loop of the CPU where its packets arrive: that one wakes up at no cost. There must be
    /// more than one loop, and one for each CPU on which the thread that starts the runtime may
    /// run; each loop stays on its CPU then, and so does a thread that a file system starts from a
    /// loop. Otherwise it is as [`Placement::Fixed`].
    Follow(Follow),
    /// On the next loop after each record. For tests: this is not fast.
    Roam,
}

/// When a connection follows its packets, and when it does not.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    /// How many times a connection wakes its loop between two looks at where its packets arrive.
    pub look_every: u32,
    /// A peer that has no more calls on the way than this waits for each answer: its connection
    /// moves to any loop that has time.
    pub small_batch: u32,
    /// Another connection moves if the other loop is busy at most so many percent of its time.
    pub target_busy_max: u8,
    /// A loop that is busy more than so many percent of its time sheds a connection to the least
    /// busy one.
    pub shed_above: u8,
    /// If that one is busy less than so many percent.
    pub shed_below: u8,
    /// How long a connection stays where it has moved to, and how long a loop has to be too busy.
    pub stay: Duration,
    /// Asks on which CPU a socket's packets arrive.
    pub incoming_cpu: fn(BorrowedFd<'_>) -> Option<usize>,
}

impl Default for Follow {
    /// Asks the kernel, every 64 wake-ups.
    fn default() -> Self {
        Self {
            look_every: 64,
            small_batch: 2,
            target_busy_max: 70,
            shed_above: 90,
            shed_below: 50,
            stay: Duration::from_millis(50),
            incoming_cpu,
        }
    }
}

/// What a connection did since the last look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) wakeups: u32,
    pub(crate) calls: u64,
    /// When it came to this loop from another one.
    pub(crate) moved: Instant,
}

/// A loop, for the others.
struct Seat {
    mailbox: Weak<Mailbox>,
    load: Load,
    cpu: Option<usize>,
}

/// All loops of a runtime, in their order.
struct Seats {
    placement: Placement,
    seats: Vec<Seat>,
}

/// What a loop knows of where it is, and of the others.
pub(crate) struct Place {
    all: Arc<Seats>,
    here: usize,
    meter: Meter,
    /// Since when this loop has been too busy.
    overloaded: Option<Instant>,
}

impl Place {
    /// The places of the loops behind these mailboxes.
    pub(crate) fn of_all(placement: Placement, mailboxes: &[Arc<Mailbox>]) -> Vec<Self> {
        let cpus = match placement {
            Placement::Follow(_) => Cpus::own().map(|cpus| cpus.numbers()).unwrap_or_default(),
            Placement::Fixed | Placement::Roam => Vec::new(),
        };
        Self::on(placement, mailboxes, &cpus)
    }

    /// The same, when the threads may run on these CPUs.
    fn on(placement: Placement, mailboxes: &[Arc<Mailbox>], cpus: &[usize]) -> Vec<Self> {
        let one_each = cpus.len() == mailboxes.len() && cpus.len() > 1;
        let may_follow = one_each || !matches!(placement, Placement::Follow(_));
        let placement = if may_follow { placement } else { Placement::Fixed };
        let seat = |(at, mailbox)| Seat {
            mailbox: Arc::downgrade(mailbox),
            load: Load::default(),
            cpu: cpus.get(at).copied().filter(|_| one_each),
        };
        let seats = mailboxes.iter().enumerate().map(seat).collect();
        let all = Arc::new(Seats { placement, seats });
        let place =
            |here| Self { all: all.clone(), here, meter: Meter::default(), overloaded: None };
        (0..mailboxes.len()).map(place).collect()
    }

    /// Whether the loop stays on a CPU.
    pub(crate) fn is_pinned(&self) -> bool {
        self.all.seats[self.here].cpu.is_some()
    }

    /// Has this thread stay on the loop's CPU, if it has one.
    pub(crate) fn pin(&self) {
        if let Some(cpu) = self.all.seats[self.here].cpu {
            Cpus::only(cpu).enter();
        }
    }

    /// After how many wake-ups of a connection it is to be looked at.
    pub(crate) fn look_every(&self) -> u32 {
        match &self.all.placement {
            Placement::Fixed => u32::MAX,
            Placement::Follow(rules) => rules.look_every,
            Placement::Roam => 1,
        }
    }

    /// Measures how busy this loop is.
    pub(crate) fn sample(&mut self, now: Instant) {
        let Placement::Follow(rules) = &self.all.placement else { return };
        let Some(busy) = self.meter.measure(&self.all.seats[self.here].load, now) else { return };
        if busy <= u64::from(rules.shed_above) {
            self.overloaded = None;
        } else {
            self.overloaded.get_or_insert(now);
        }
    }

    /// Where a connection is better off, if anywhere. `others`: it is not alone here.
    pub(crate) fn choose(
        &mut self,
        look: &Look,
        others: bool,
        socket: Option<BorrowedFd<'_>>,
    ) -> Option<Arc<Mailbox>> {
        let to = match self.all.placement {
            Placement::Fixed => None,
            Placement::Roam => Some((self.here + 1) % self.all.seats.len()),
            Placement::Follow(rules) => {
                let now = now();
                self.sample(now);
                let cpu = (rules.incoming_cpu)(socket?);
                let home = self.all.seats.iter().position(|seat| seat.cpu == cpu && cpu.is_some());
                let to = self.follow(&rules, look, home, now);
                to.or_else(|| if others { self.shed(&rules, look, now) } else { None })
            }
        };
        self.all.seats[to.filter(|to| *to != self.here)?].mailbox.upgrade()
    }

    /// To where its packets arrive, if it may.
    fn follow(
        &self,
        rules: &Follow,
        look: &Look,
        home: Option<usize>,
        now: Instant,
    ) -> Option<usize> {
        let home = home.filter(|home| *home != self.here)?;
        let batch = u64::from(rules.small_batch) * u64::from(look.wakeups);
        let limit = if look.calls <= batch { rules.shed_above } else { rules.target_busy_max };
        let may = now >= look.moved + rules.stay && self.busy(home, now) <= u64::from(limit);
        may.then_some(home)
    }

    /// To the least busy loop, if there is too much to do here.
    fn shed(&mut self, rules: &Follow, look: &Look, now: Instant) -> Option<usize> {
        let since = self.overloaded?;
        if now < since + rules.stay || now < look.moved + rules.stay {
            return None;
        }
        let others = (0..self.all.seats.len()).filter(|at| *at != self.here);
        let (busy, to) = others.map(|at| (self.busy(at, now), at)).min()?;
        if busy >= u64::from(rules.shed_below) {
            return None;
        }
        // One at a time: what that changes is seen first.
        self.overloaded = Some(now);
        Some(to)
    }

    fn busy(&self, at: usize, now: Instant) -> u64 {
        let seat = &self.all.seats[at];
        let is_asleep = seat.mailbox.upgrade().is_some_and(|mailbox| mailbox.is_asleep());
        seat.load.busy_percent(is_asleep, now)
    }
}

#[cfg(test)]
mod tests;
