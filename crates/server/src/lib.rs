//! NFSv4.1 and 4.2 over any [`FileSystem`](holdfast_vfs::FileSystem): COMPOUND, its operations,
//! and the instance that owns them. No socket, no thread and no clock: a
//! [`World`](holdfast_base::World) lends those.
//!
//! Lock order (outer first; a piece is entered for one synchronous step and left before any
//! await, see `state`):
//!
//! ```text
//! record of clients
//!   clients
//!     files shard
//!       opens shard
//!         session table shard
//!           session
//!             connection's list of sessions
//! a file's locks towards local processes: with no other
//! ```
#![forbid(unsafe_code)]

mod attrs;
mod compound;
mod counters;
mod exports;
mod instance;
mod ops;
mod owners;
mod principal;
mod records;
mod request;
mod service;
mod state;
mod status;
mod sync;
mod waiting;

pub use counters::{Counters, Snapshot};
pub use exports::{Export, ExportError, Exports, Squash};
#[cfg(feature = "bugs")]
pub use holdfast_engine::bugs;
pub use holdfast_engine::server::GraceEnd;
pub use instance::{
    Config, Connection, ConnectionError, CrashRecord, Instance, Notify, Running, StopReport,
};
pub use owners::Owners;
pub use records::{ClientRecords, MemoryRecords, RecordError};
pub use service::{Builder, Host, NoHost, Phase, Server, StartError, Status};
pub use state::SessionStatus;
