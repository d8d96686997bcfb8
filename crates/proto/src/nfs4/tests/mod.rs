mod attrs;
mod hostile;
mod numbers;
mod round_trip;
mod sample_args;
mod sample_callbacks;
mod sample_results;

use alloc::vec::Vec;

use crate::xdr::{Encode, Writer};

fn encoded(value: &impl Encode) -> Vec<u8> {
    let mut w = Writer::new(Vec::new());
    value.encode(&mut w);
    w.into_inner()
}
