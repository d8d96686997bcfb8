//! The tasks of one loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use holdfast_base::{BoxFuture, Id, Slots};

use crate::counters::{Counters, count};
use crate::mailbox::{Mailbox, Signal, Woken};
use crate::owner::Owner;

/// A future and what wakes it.
pub(crate) struct Task {
    owner: Owner,
    future: BoxFuture<'static, ()>,
    signal: Arc<Signal>,
    waker: Waker,
}

/// The tasks of a loop.
pub(crate) struct Tasks {
    slots: Slots<Task>,
    mailbox: Arc<Mailbox>,
    counters: Arc<Counters>,
}

impl Tasks {
    pub(crate) const fn new(mailbox: Arc<Mailbox>, counters: Arc<Counters>) -> Self {
        // The mailbox bounds their number.
        Self { slots: Slots::new(u32::MAX as usize), mailbox, counters }
    }

    /// Adds a task and polls it for the first time.
    pub(crate) fn add(&mut self, owner: Owner, future: BoxFuture<'static, ()>) {
        let signal = Arc::new(Signal::new(Arc::downgrade(&self.mailbox), self.counters.clone()));
        let waker = Waker::from(signal.clone());
        match self.slots.insert(Task { owner, future, signal: signal.clone(), waker }) {
            Ok(id) => {
                signal.aim(Woken::Task(id));
                self.poll(id);
            }
            Err(task) => self.end(task),
        }
    }

    /// Polls a task, unless it ended.
    pub(crate) fn poll(&mut self, id: Id<Task>) {
        let Some(task) = self.slots.get_mut(id) else { return };
        task.owner.enter();
        task.signal.lower();
        let mut cx = Context::from_waker(&task.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut cx)));
        if matches!(polled, Ok(Poll::Pending)) {
            return;
        }
        if polled.is_err() {
            count(&self.counters.tasks_panicked);
        }
        if let Some(task) = self.slots.remove(id) {
            self.end(task);
        }
    }

    fn end(&self, task: Task) {
        self.mailbox.task_ended();
        if catch_unwind(AssertUnwindSafe(|| drop(task))).is_err() {
            count(&self.counters.tasks_panicked);
        }
    }

    /// Drops them all.
    pub(crate) fn clear(&mut self) {
        let ids: Vec<_> = self.slots.iter().map(|(id, _)| id).collect();
        for id in ids {
            if let Some(task) = self.slots.remove(id) {
                self.end(task);
            }
        }
    }
}
