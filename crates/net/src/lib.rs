//! Sockets, threads and clocks under Holdfast servers. Nothing of NFS is known here: a connection
//! is bytes in, bytes out, and [`holdfast_server`] makes sense of them.
//!
//! - An *event loop* is one thread with an epoll set of its own. It owns connections and tasks:
//!   they are touched by that thread alone, and reached from others only through its mailbox. A
//!   connection may go on to another loop, between two records, as mail: see [`Placement`].
//! - The *pool* is the threads that may block.
//! - A [`Runtime`] is loops and a pool. A [`Service`] is one server on it: listeners, threads, and
//!   one instance after the other. When [`Service::stop`] has returned nothing of it runs or is
//!   open, unless its report says so; the runtime goes on, and so do its other services.
//!
//! On each wake-up a connection costs one `recv`, then everything that arrived whole is run, then
//! one `send` carries all the replies. While that goes on smoothly nothing else is asked of the
//! kernel and nothing is allocated.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use holdfast_net::{Runtime, RuntimeConfig, ServeConfig};
//! use holdfast_vfs::Fsid;
//! use holdfast_vfs::memfs::{MemFs, MemFsOptions};
//!
//! let runtime = Runtime::start(RuntimeConfig::default())?;
//! let fsid = Fsid { major: 1, minor: 1 };
//! let options = MemFsOptions { limit_bytes: 1 << 30, limit_files: 1 << 20, fsid };
//! let fs = Arc::new(MemFs::new(runtime.world(), options));
//! let listen = vec!["127.0.0.1:2049".parse()?];
//! let config = ServeConfig { listen, ..ServeConfig::default() };
//! let service = runtime.serve(config, |server| server.root(fs))?;
//! assert!(service.stop().is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Lock order (outer first; none is held over a system call or while foreign code runs, but that
//! a thread is started under the pool's):
//!
//! ```text
//! pool
//!   timers | a signal's aim | a loop's mailbox | the pool's queue | a thread group's count |
//!   a promise | a turn
//! ```
#![forbid(unsafe_code)]

mod config;
mod conn;
mod counters;
mod cpus;
mod event_loop;
mod host;
mod listener;
mod load;
mod mailbox;
mod owner;
mod placement;
mod pool;
mod queue;
mod runtime;
mod send;
mod service;
mod tasks;
mod threads;
mod timers;
mod waiting;
mod world;

pub use config::{Congestion, ListenError, Notice, RuntimeConfig, ServeConfig, StartError};
pub use counters::{Counters, Snapshot};
pub use placement::{Follow, Placement};
pub use pool::Left;
pub use runtime::Runtime;
pub use service::{Service, StopReport};
