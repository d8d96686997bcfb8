//! How many descriptors may be kept open whatever happens. All others can be closed when the
//! process runs out, and opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_vfs::{Error, Result};

/// The places for descriptors that cannot be opened again.
pub(crate) struct Pins {
    left: AtomicUsize,
}

impl Pins {
    /// So many places.
    pub(crate) fn new(budget: usize) -> Self {
        Self { left: AtomicUsize::new(budget) }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Error::Busy`]: none is left.
    pub(crate) fn pin(self: &Arc<Self>) -> Result<Pin> {
        let take = |left: usize| left.checked_sub(1);
        let taken = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.map(|_| Pin(self.clone())).map_err(|_| Error::Busy)
    }
}

/// A place, until it is dropped.
pub(crate) struct Pin(Arc<Pins>);

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_until_it_is_given_back() {
        let pins = Arc::new(Pins::new(2));
        let (one, _two) = (pins.pin().unwrap(), pins.pin().unwrap());
        assert_eq!(pins.pin().map(drop), Err(Error::Busy));
        drop(one);
        let _three = pins.pin().unwrap();
        assert_eq!(pins.pin().map(drop), Err(Error::Busy));
    }
}
