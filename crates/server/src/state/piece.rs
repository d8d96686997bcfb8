//! A lock around one piece of the engine, and what a panic inside it leaves.

use crate::sync::Mutex;

/// A piece of state behind its own lock.
pub(crate) struct Piece<T>(Mutex<T>);

/// A step panicked in this piece: what it holds may be half done, and is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Poisoned;

impl<T> Piece<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs one synchronous step on the piece.
    pub(crate) fn enter<R>(&self, step: impl FnOnce(&mut T) -> R) -> Result<R, Poisoned> {
        self.0.lock().map(|mut value| step(&mut value)).map_err(|_| Poisoned)
    }
}
