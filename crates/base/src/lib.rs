//! What every other crate of Holdfast stands on: time, identities, short inline bytes and the
//! [`World`] a program runs in. No clock, no randomness and no thread can be reached from here
//! except through that trait.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod inline;
mod slots;
mod time;
mod world;

pub use inline::{InlineBytes, TooLong};
pub use slots::{Id, Slots};
pub use time::{Instant, WallTime};
pub use world::{BoxFuture, Closed, Job, Pause, World};
