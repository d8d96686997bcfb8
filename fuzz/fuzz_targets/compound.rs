//! Operations into the session of a running instance over memory.
#![no_main]

#[path = "../../crates/server/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::targets::compound(data));
