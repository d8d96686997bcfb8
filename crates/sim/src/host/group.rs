//! The servers of one run, in one process or in several: who is beside whom, and whose end is
//! whose.

use std::sync::{Arc, Mutex, Weak};

use holdfast_proto::rpc::Buffers;
use holdfast_server::Connection;

use super::Host;
use crate::sync::{Bell, lock};

/// Large receive buffers of one process.
const LARGE_BUFFERS: usize = 16;

#[derive(Default)]
struct Turns {
    shared: usize,
    is_alone: bool,
}

/// All servers of a run.
pub struct Group {
    one_process: bool,
    hosts: Mutex<Vec<Weak<Host>>>,
    /// Of the process there is, when it is one.
    buffers: Mutex<Option<Arc<Mutex<Buffers>>>>,
    turns: Mutex<Turns>,
    changed: Bell,
}

/// The right of an operator to do something; given back when dropped.
pub struct Turn {
    group: Arc<Group>,
    is_alone: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = lock(&self.group.turns);
        if self.is_alone {
            turns.is_alone = false;
        } else {
            turns.shared -= 1;
        }
        drop(turns);
        self.group.changed.ring();
    }
}

impl Group {
    /// No server yet. `one_process`: they will live and die together.
    pub fn new(one_process: bool) -> Arc<Self> {
        let (hosts, buffers, turns) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { one_process, hosts, buffers, turns, changed: Bell::default() })
    }

    pub(super) fn join(&self, host: &Arc<Host>) {
        lock(&self.hosts).push(Arc::downgrade(host));
    }

    /// All servers.
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        lock(&self.hosts).iter().filter_map(Weak::upgrade).collect()
    }

    /// The servers that end when the process of `host` does.
    pub fn fellows(&self, host: &Arc<Host>) -> Vec<Arc<Host>> {
        if self.one_process { self.hosts() } else { vec![host.clone()] }
    }

    /// Receive buffers for a process.
    pub(super) fn buffers(&self) -> Arc<Mutex<Buffers>> {
        let new = || Arc::new(Mutex::new(Connection::buffers(LARGE_BUFFERS)));
        if !self.one_process {
            return new();
        }
        lock(&self.buffers).get_or_insert_with(new).clone()
    }

    /// The process is gone.
    pub(super) fn forget_buffers(&self) {
        *lock(&self.buffers) = None;
    }

    /// Waits for a turn: beside those of others; alone, to end a process of several servers.
    pub async fn turn(self: &Arc<Self>, alone: bool) -> Turn {
        let is_alone = alone && self.one_process;
        loop {
            let changed = self.changed.wait();
            if self.take(is_alone) {
                return Turn { group: self.clone(), is_alone };
            }
            changed.await;
        }
    }

    fn take(&self, alone: bool) -> bool {
        let mut turns = lock(&self.turns);
        if turns.is_alone || (alone && turns.shared > 0) {
            return false;
        }
        if alone {
            turns.is_alone = true;
        } else {
            turns.shared += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_one_process_is_alone() {
        let one = Group::new(true);
        assert!(one.take(false) && one.take(false) && !one.take(true));
        drop([false, false].map(|is_alone| Turn { group: one.clone(), is_alone }));
        assert!(one.take(true) && !one.take(false) && !one.take(true));
        drop(Turn { group: one.clone(), is_alone: true });
        assert!(one.take(false));
    }
}
