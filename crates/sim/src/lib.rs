//! The deterministic simulator: clients, network, storage, operator and servers in one thread,
//! all from one seed. The same seed always gives the same run.
#![forbid(unsafe_code)]

pub mod checkers;
pub mod client;
pub mod executor;
pub mod host;
pub mod journal;
pub mod model;
pub mod network;
pub mod operator;
pub mod options;
pub mod participants;
pub mod report;
pub mod rng;
pub mod run;
pub mod sim;
pub mod storage;
pub mod sync;
pub mod transition;
pub mod workload;
