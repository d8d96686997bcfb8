//! The life of a server: start, stop, grace, resize, panics, and everything that can be in the
//! way of one of them.

mod support;

#[path = "lifecycle/grace.rs"]
mod grace;
#[path = "lifecycle/orders.rs"]
mod orders;
#[path = "lifecycle/panics.rs"]
mod panics;
#[path = "lifecycle/records.rs"]
mod records;
#[path = "lifecycle/resize.rs"]
mod resize;
#[path = "lifecycle/restart.rs"]
mod restart;
#[path = "lifecycle/start.rs"]
mod start;
#[path = "lifecycle/stop.rs"]
mod stop;
