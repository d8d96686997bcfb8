//! What the server's tests share: a world, a client over bytes, file systems to serve.
// Not every test needs all of it.
#![allow(dead_code)]

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod doubles;
pub(crate) mod explore;
pub(crate) mod fixture;
pub(crate) mod ops;
pub(crate) mod peer;
pub(crate) mod probe_fs;
pub(crate) mod rig;
pub(crate) mod seeds;
pub(crate) mod session_fs;
pub(crate) mod targets;
pub(crate) mod worker;
pub(crate) mod world;
