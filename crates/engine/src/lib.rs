//! Who holds what, until when. The pieces of NFSv4.1 state, each a plain synchronous value: no
//! lock, no clock, no I/O, no file. `holdfast-server` composes and locks them.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "bugs")]
pub mod bugs;
mod hash;
pub mod limits;
mod principal;
pub mod server;
pub mod session;

pub use hash::Seed;
pub use principal::Principal;
