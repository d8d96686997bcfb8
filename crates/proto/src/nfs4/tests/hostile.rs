//! Bytes nobody meant well with: no panic, no allocation that the bytes do not back.

use alloc::vec::Vec;

use super::{encoded, sample_args, sample_callbacks, sample_results};
use crate::nfs4::callback::{CbCompoundArgs, CbCompoundRes};
use crate::nfs4::*;
use crate::xdr::{Decode, DecodeError, Reader};

/// xorshift64*: the same bytes in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Words that are mostly small, so that they pass for counts, booleans and discriminants.
    fn words(&mut self, count: usize) -> Vec<u8> {
        let word = |noise: u64| match noise >> 61 {
            0 => noise as u32,
            1 => u32::MAX,
            2..=4 => noise as u32 & 1,
            _ => noise as u32 & 15,
        };
        (0..count).flat_map(|_| word(self.next()).to_be_bytes()).collect()
    }
}

fn decode_all(bytes: &[u8]) {
    for num in OpNum::KNOWN {
        let _ = Op::decode(*num, &mut Reader::new(bytes));
        for status in [
            Status::OK,
            Status::DENIED,
            Status::LAYOUTTRYLATER,
            Status::TOOSMALL,
            Status::CLID_INUSE,
        ] {
            let _ = OpBody::decode(*num, status, &mut Reader::new(bytes));
        }
    }
    for num in CbOpNum::KNOWN {
        let _ = CbOp::decode(*num, &mut Reader::new(bytes));
        let _ = CbOpBody::decode(*num, Status::OK, &mut Reader::new(bytes));
    }
    for (_, number) in attr::KNOWN {
        let _ = AttrValue::decode_value(*number, &mut Reader::new(bytes));
    }
    if let Ok(fattr) = Fattr::decode(&mut Reader::new(bytes)) {
        let _ = fattr.iter().count();
    }
    compounds(bytes);
}

fn compounds(bytes: &[u8]) {
    if let Ok(mut args) = CompoundArgs::decode(Reader::new(bytes)) {
        while let Some(Ok(_)) = args.next_op() {}
    }
    if let Ok(mut res) = CompoundRes::decode(Reader::new(bytes)) {
        while let Some(Ok(_)) = res.next_result() {}
    }
    if let Ok(mut args) = CbCompoundArgs::decode(Reader::new(bytes)) {
        while let Some(Ok(_)) = args.next_op() {}
    }
    if let Ok(mut res) = CbCompoundRes::decode(Reader::new(bytes)) {
        while let Some(Ok(_)) = res.next_result() {}
    }
}

#[test]
fn noise() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..2000 {
        let mut bytes = noise.words(round % 96);
        bytes.truncate(bytes.len() - (round % 3).min(bytes.len()));
        decode_all(&bytes);
    }
}

#[test]
fn every_word_of_every_sample_overwritten() {
    let ops = sample_args::all().iter().map(encoded).collect::<Vec<_>>();
    let results = sample_results::all().iter().map(encoded).collect::<Vec<_>>();
    let callbacks = sample_callbacks::args().iter().map(encoded).collect::<Vec<_>>();
    for bytes in ops.iter().chain(&results).chain(&callbacks) {
        for at in (0..bytes.len()).step_by(4) {
            for word in [0, 1, 2, 5, 1024, 0x7fff_ffff, u32::MAX] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
                let _ = OpResult::decode(&mut Reader::new(&bytes));
                let mut r = Reader::new(&bytes);
                let num = r.u32().unwrap();
                let _ = Op::decode(OpNum(num), &mut r.clone());
                let _ = CbOp::decode(CbOpNum(num), &mut r);
            }
        }
    }
}

#[test]
fn giant_counts_are_refused_before_allocating() {
    let bytes = 0xffff_ffffu32.to_be_bytes();
    let refused = |error| matches!(error, DecodeError::TooMany { .. });
    assert!(TestStateidArgs::decode(&mut Reader::new(&bytes)).is_err_and(refused));
    assert!(SecInfoOk::decode(&mut Reader::new(&bytes)).is_err_and(refused));
    let within = (limits::STATEIDS as u32).to_be_bytes();
    assert_eq!(TestStateidArgs::decode(&mut Reader::new(&within)), Err(DecodeError::Short));

    let header = [0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    let mut compound = CompoundArgs::decode(Reader::new(&header)).unwrap();
    let short = OpDecodeError { num: OpNum::ILLEGAL, error: DecodeError::Short };
    assert_eq!(compound.next_op(), Some(Err(short)));
}

#[test]
fn errors_name_the_operation() {
    let putfh =
        [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 22, 0, 0, 0, 129][..], &[0; 132]].concat();
    let mut compound = CompoundArgs::decode(Reader::new(&putfh)).unwrap();
    let error = DecodeError::TooLong { limit: 128 };
    assert_eq!(compound.next_op(), Some(Err(OpDecodeError { num: OpNum::PUTFH, error })));
}

#[test]
fn unknown_operations_keep_their_number() {
    for number in [0, 1, 2, 76, 10_044, u32::MAX] {
        assert_eq!(Op::decode(OpNum(number), &mut Reader::new(&[])), Ok(Op::Illegal(number)));
        assert_eq!(Op::Illegal(number).num(), OpNum(number));
    }
    assert_eq!(
        OpBody::decode(OpNum(76), Status::OK, &mut Reader::new(&[])),
        Err(DecodeError::BadDiscriminant(76))
    );
}

#[test]
fn a_very_long_directory_is_walked_without_recursion() {
    let entry = [&[0, 0, 0, 1][..], &[0; 8], &[0, 0, 0, 1], b"n\0\0\0", &[0; 8]].concat();
    let bytes = [&[0; 8][..], &entry.repeat(100_000), &[0; 8]].concat();
    assert_eq!(
        ReadDirOk::decode(&mut Reader::new(&bytes)).map(|ok| ok.iter().count()),
        Ok(100_000)
    );
}
