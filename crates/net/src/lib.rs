//! Sockets, threads and clocks under a Holdfast server. Nothing of NFS is known here: a connection
//! is bytes in, bytes out, and [`holdfast_server`] makes sense of them.
//!
//! - An *event loop* is one thread with an epoll set of its own. It owns connections and tasks:
//!   they are touched by that thread alone, and reached from others only through its mailbox.
//! - The *pool* is the threads that may block.
//! - A [`Service`] is one server: listeners, loops, pool and the instance they drive. When
//!   [`Service::stop`] has returned nothing of it runs or is open, unless its report says so.
//!
//! On each wake-up a connection costs one `recv`, then everything that arrived whole is run, then
//! one `send` carries all the replies. While that goes on smoothly nothing else is asked of the
//! kernel and nothing is allocated.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use holdfast_net::{Service, ServiceConfig};
//! use holdfast_server::{Config, Export, ExportError, Exports};
//! use holdfast_vfs::Fsid;
//! use holdfast_vfs::memfs::{MemFs, MemFsOptions};
//!
//! let listen = vec!["127.0.0.1:2049".parse()?];
//! let service = Service::start(ServiceConfig { listen, ..ServiceConfig::default() }, |world| {
//!     let fsid = Fsid { major: 1, minor: 1 };
//!     let options = MemFsOptions { limit_bytes: 1 << 30, limit_files: 1 << 20, fsid };
//!     let fs = Arc::new(MemFs::new(world, options));
//!     let exports = Exports::new(vec![Export::new("/", fs)])?;
//!     Ok::<_, ExportError>(Config { exports, lease: Duration::from_secs(90), identity: [7; 16] })
//! })?;
//! let report = service.stop(Duration::from_secs(30));
//! assert!(report.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Lock order (outer first; none is held over a system call or while foreign code runs):
//!
//! ```text
//! service: its parts, while it stops
//!   timers | a loop's mailbox | the pool's queue | a thread group's count
//! ```
#![forbid(unsafe_code)]

mod config;
mod conn;
mod counters;
mod event_loop;
mod listener;
mod mailbox;
mod pool;
mod runtime;
mod send;
mod service;
mod tasks;
mod threads;
mod timers;
mod world;

pub use config::{Congestion, Notice, ServiceConfig, StartError};
pub use counters::{Counters, Snapshot};
pub use service::{Service, StopReport};
