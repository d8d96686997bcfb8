//! What panicked and was contained: for those who must find out why.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use holdfast_base::{Instant, WallTime};
use holdfast_proto::nfs4::SessionId;

use crate::service::Host;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Records kept for those who look.
const KEPT: usize = 16;
/// Records of one instance that the host is told: a peer that finds a way to panic may use it
/// again and again.
const TOLD: u64 = 64;
/// Bytes kept of what a panic says.
const MESSAGE_BYTES: usize = 512;

/// What panicked, and was contained. It has names and numbers, nothing of files' contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashRecord {
    /// The how manieth of its instance.
    pub number: u64,
    /// Tells the instance from those before and after it: it is in all ids that clients have.
    pub instance: u32,
    /// When, on the wall.
    pub wall: WallTime,
    /// When, on the clock that leases are measured with.
    pub at: Instant,
    /// What it was, and what it was doing.
    pub what: String,
    /// The session and the slot that it held: the session is gone with it.
    pub session: Option<(SessionId, u32)>,
    /// What the panic said.
    pub message: String,
}

impl fmt::Display for CrashRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, instance, what, message, .. } = self;
        write!(f, "panic {number} of instance {instance:08x} in {what}")?;
        if let Some((session, slot)) = &self.session {
            f.write_str(", which held session ")?;
            session.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            write!(f, " slot {slot}")?;
        }
        write!(f, ": {}", message.escape_debug())
    }
}

/// The records of one instance.
pub(super) struct Crashes {
    instance: u32,
    host: Arc<dyn Host>,
    kept: Mutex<(u64, VecDeque<CrashRecord>)>,
}

impl Crashes {
    pub(super) fn new(instance: u32, host: Arc<dyn Host>) -> Self {
        Self { instance, host, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<CrashRecord>)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last ones, oldest first.
    pub(super) fn kept(&self) -> Vec<CrashRecord> {
        self.lock().1.iter().cloned().collect()
    }

    /// Adds one and tells the host.
    pub(super) fn add(
        &self,
        (wall, at): (WallTime, Instant),
        what: String,
        session: Option<(SessionId, u32)>,
        panic: &dyn Any,
    ) {
        let message = message(panic);
        let mut kept = self.lock();
        kept.0 += 1;
        let (number, instance) = (kept.0, self.instance);
        let record = CrashRecord { number, instance, wall, at, what, session, message };
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.1.push_back(record.clone());
        drop(kept);
        if number <= TOLD {
            self.host.crashed(&record);
        }
    }
}

/// What a panic said, as far as it is text.
fn message(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let end = (0..=MESSAGE_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].to_owned()
}

/// The output of a future, or what it panicked with.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
