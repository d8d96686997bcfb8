//! A group of threads that can be joined with a deadline.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Threads that are waited for together. Clones are the same group.
#[derive(Clone, Default)]
pub(crate) struct Threads {
    alive: Arc<Alive>,
}

#[derive(Default)]
struct Alive {
    count: Mutex<usize>,
    ended: Condvar,
}

impl Alive {
    fn change(&self, by: impl FnOnce(&mut usize)) {
        by(&mut self.count.lock().unwrap_or_else(PoisonError::into_inner));
        self.ended.notify_all();
    }
}

/// Counts a thread as ended however it ends.
struct Ended(Arc<Alive>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.change(|count| *count -= 1);
    }
}

impl Threads {
    /// Starts one more.
    pub(crate) fn start(
        &self,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        self.alive.change(|count| *count += 1);
        let ended = Ended(self.alive.clone());
        thread::Builder::new().name(name).spawn(move || {
            let _ended = ended;
            run();
        })
    }

    /// Waits for all of them to end, but not beyond `until`. How many are left to themselves.
    pub(crate) fn join(
        &self,
        handles: impl IntoIterator<Item = JoinHandle<()>>,
        until: Instant,
    ) -> usize {
        let mut count = self.alive.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.alive.ended.wait_timeout(count, left);
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let running = *count;
        drop(count);
        for handle in handles {
            // One that is counted as ended has nothing left to do but to end.
            if running == 0 || handle.is_finished() {
                let _ = handle.join();
            }
        }
        running
    }
}
