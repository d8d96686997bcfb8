//! A byte stream into a connection of a running instance.
#![no_main]

#[path = "../../crates/server/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::targets::rpc(data));
