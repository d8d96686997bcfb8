//! Bytes into the decoders of arguments, results, callbacks and attributes.
#![no_main]

#[path = "../../crates/server/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::targets::xdr(data));
