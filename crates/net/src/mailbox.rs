//! How other threads reach a loop, and when that costs a system call: only while the loop sleeps.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Wake;

use holdfast_base::{BoxFuture, Closed, Id};
use holdfast_server::Notify;
use rustix::event::{EventfdFlags, eventfd};

use crate::conn::Conn;
use crate::counters::{Counters, count};
use crate::listener::{Accepted, Listener};
use crate::owner::Owner;
use crate::tasks::Task;
use crate::waiting::Promise;

/// Tasks of one loop. Beyond it a task is refused as after a stop.
const TASKS_MAX: usize = 65_536;

/// What is sent to a loop.
pub(crate) enum Mail {
    /// Listen here.
    Listen(Vec<Listener>),
    /// A connection for this loop.
    Accepted(Box<Accepted>),
    /// A connection that another loop had.
    Moved(Box<Conn>),
    /// Poll this from now on.
    Task(Owner, BoxFuture<'static, ()>),
    /// Close the listeners of a service, and say so.
    Unlisten(Owner, Promise<()>),
}

/// Something on a loop that wants to go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Woken {
    Conn(Id<Conn>),
    Task(Id<Task>),
}

/// What a loop takes out of its mailbox.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) mail: Vec<Mail>,
    pub(crate) woken: Vec<Woken>,
}

/// What a loop has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// What was delivered.
    Some,
    /// Nothing: it counts as asleep from now on.
    Nothing,
    /// To end.
    Exit,
}

/// A loop's mailbox.
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    asleep: AtomicBool,
    tasks: AtomicUsize,
    event: OwnedFd,
}

struct Inbox {
    open: bool,
    delivery: Delivery,
}

impl Mailbox {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let inbox = Mutex::new(Inbox { open: true, delivery: Delivery::default() });
        Ok(Self { inbox, asleep: AtomicBool::new(false), tasks: AtomicUsize::new(0), event })
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Readable on each edge when the loop must wake up. It is never read: an epoll set reports
    /// every write to it.
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Wakes the loop if it sleeps.
    pub(crate) fn rouse(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Sends mail; drops it when the loop has ended.
    pub(crate) fn send(&self, mail: Mail) -> Result<(), Closed> {
        let mut inbox = self.lock();
        if !inbox.open {
            drop(inbox);
            return Err(Closed);
        }
        inbox.delivery.mail.push(mail);
        drop(inbox);
        self.rouse();
        Ok(())
    }

    /// Has the loop poll a task.
    pub(crate) fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), Closed> {
        if self.tasks.fetch_add(1, Ordering::Relaxed) >= TASKS_MAX {
            self.task_ended();
            return Err(Closed);
        }
        self.send(Mail::Task(Owner::current(), task)).inspect_err(|Closed| self.task_ended())
    }

    /// Counts a task less.
    pub(crate) fn task_ended(&self) {
        self.tasks.fetch_sub(1, Ordering::Relaxed);
    }

    fn wake(&self, woken: Woken) {
        let mut inbox = self.lock();
        if !inbox.open {
            return;
        }
        inbox.delivery.woken.push(woken);
        drop(inbox);
        self.rouse();
    }

    /// Ends the loop: it does what it does now, then no more.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.rouse();
    }

    /// Takes what came, in exchange for an empty `delivery`.
    pub(crate) fn take(&self, delivery: &mut Delivery) -> Taken {
        let mut inbox = self.lock();
        if !inbox.open {
            return Taken::Exit;
        }
        if inbox.delivery.mail.is_empty() && inbox.delivery.woken.is_empty() {
            // Under the lock, so that who delivers from now on sees it.
            self.asleep.store(true, Ordering::SeqCst);
            return Taken::Nothing;
        }
        std::mem::swap(&mut inbox.delivery, delivery);
        Taken::Some
    }

    /// Whether the loop sleeps, as far as one can tell from elsewhere.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// The loop is awake: it will look here before it sleeps.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// What is left when the loop has ended.
    pub(crate) fn leftovers(&self) -> Delivery {
        std::mem::take(&mut self.lock().delivery)
    }
}

/// Wakes one connection or task of a loop, however often it is raised meanwhile. It may outlive
/// both, and what it wakes may move to another loop.
pub(crate) struct Signal {
    aim: Mutex<Aim>,
    counters: Arc<Counters>,
}

struct Aim {
    mailbox: Weak<Mailbox>,
    target: Option<Woken>,
    raised: bool,
}

impl Signal {
    /// A signal that wakes nothing yet.
    pub(crate) const fn new(mailbox: Weak<Mailbox>, counters: Arc<Counters>) -> Self {
        let aim = Mutex::new(Aim { mailbox, target: None, raised: false });
        Self { aim, counters }
    }

    fn lock(&self) -> MutexGuard<'_, Aim> {
        self.aim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is woken.
    pub(crate) fn aim(&self, target: Woken) {
        self.lock().target = Some(target);
    }

    /// What is woken leaves for the loop behind this mailbox. Nothing is woken until it is there,
    /// has aimed again and lowered the signal: then it is to look after everything by itself.
    pub(crate) fn leave(&self, mailbox: Weak<Mailbox>) {
        let mut aim = self.lock();
        (aim.mailbox, aim.target) = (mailbox, None);
    }

    /// What raised the signal is about to be looked after.
    pub(crate) fn lower(&self) {
        self.lock().raised = false;
    }

    /// Wakes it. One look at everything: had it moved between two, a wake-up for the old loop
    /// would stand in the way of all later ones.
    pub(crate) fn raise(&self) {
        let mut aim = self.lock();
        let Some(target) = aim.target else { return };
        if std::mem::replace(&mut aim.raised, true) {
            return;
        }
        let mailbox = aim.mailbox.upgrade();
        drop(aim);
        match mailbox {
            Some(mailbox) => mailbox.wake(target),
            None => count(&self.counters.wakes_late),
        }
    }
}

impl Notify for Signal {
    fn notify(&self) {
        self.raise();
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.raise();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(mailbox: &Mailbox) -> usize {
        let mut delivery = Delivery::default();
        mailbox.take(&mut delivery);
        delivery.woken.len()
    }

    #[test]
    fn what_moves_is_woken_where_it_went_and_as_often_as_before() {
        let [old, new] = [(); 2].map(|()| Arc::new(Mailbox::new().expect("an eventfd")));
        let signal = Signal::new(Arc::downgrade(&old), Arc::default());
        let at = |bits| Woken::Conn(Id::from_bits(bits));
        signal.aim(at(1 << 32));
        signal.raise();
        signal.raise();
        assert_eq!((woken(&old), woken(&new)), (1, 0));
        // Raised once more, as far as anybody knows, when it leaves.
        signal.leave(Arc::downgrade(&new));
        signal.raise();
        assert_eq!((woken(&old), woken(&new)), (0, 0), "it looks for itself when it arrives");
        signal.aim(at(2 << 32));
        signal.lower();
        signal.raise();
        assert_eq!((woken(&old), woken(&new)), (0, 1));
        drop(new);
        signal.lower();
        signal.raise();
        assert_eq!(signal.counters.snapshot().wakes_late, 1);
    }
}
