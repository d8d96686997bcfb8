//! The suite over [`MemFs`], and what only it promises.
#![cfg(feature = "conformance")]

#[path = "memfs/hammer.rs"]
mod hammer;
#[path = "memfs/limits.rs"]
mod limits;
#[path = "memfs/world.rs"]
mod world;

use std::sync::Arc;

use holdfast_vfs::conformance::{Features, Subject};

fn subject() -> Subject {
    Subject { fs: Arc::new(world::memfs(1 << 30, 100_000)), features: Features::ALL }
}

holdfast_vfs::conformance_tests!(subject);
