//! What is written is read back the same, and nothing shorter is taken for it.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

use super::{encoded, sample_args, sample_callbacks, sample_results};
use crate::nfs4::callback::{CbCompoundArgs, CbCompoundRes};
use crate::nfs4::*;
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer};

fn op<'a>(r: &mut Reader<'a>) -> Result<Op<'a>, DecodeError> {
    let num = OpNum::decode(r)?;
    Op::decode(num, r)
}

fn cb_op<'a>(r: &mut Reader<'a>) -> Result<CbOp<'a>, DecodeError> {
    let num = CbOpNum::decode(r)?;
    CbOp::decode(num, r)
}

fn check<T: Encode + Debug>(
    value: &T,
    decode: impl for<'a> Fn(&mut Reader<'a>) -> Result<Vec<u8>, DecodeError>,
) {
    let bytes = encoded(value);
    assert_eq!(bytes.len() % 4, 0, "{value:?}");
    let mut r = Reader::new(&bytes);
    assert_eq!(decode(&mut r).as_deref(), Ok(&bytes[..]), "{value:?}");
    assert_eq!(r.remaining(), 0, "{value:?}");
    for len in 0..bytes.len() {
        assert!(decode(&mut Reader::new(&bytes[..len])).is_err(), "{value:?} cut to {len}");
    }
}

#[test]
fn every_operation() {
    let samples = sample_args::all();
    for sample in &samples {
        check(sample, |r| op(r).map(|op| encoded(&op)));
        let bytes = encoded(sample);
        assert_eq!(op(&mut Reader::new(&bytes)).as_ref(), Ok(sample));
    }
    let sampled: BTreeSet<OpNum> = samples.iter().map(Op::num).chain([OpNum::ILLEGAL]).collect();
    assert_eq!(sampled, OpNum::KNOWN.iter().copied().collect());
}

#[test]
fn every_result() {
    let samples = sample_results::all();
    for sample in &samples {
        check(sample, |r| OpResult::decode(r).map(|result| encoded(&result)));
        let bytes = encoded(sample);
        assert_eq!(OpResult::decode(&mut Reader::new(&bytes)).as_ref(), Ok(sample));
    }
}

#[test]
fn every_callback() {
    let samples = sample_callbacks::args();
    for sample in &samples {
        check(sample, |r| cb_op(r).map(|op| encoded(&op)));
        let bytes = encoded(sample);
        assert_eq!(cb_op(&mut Reader::new(&bytes)).as_ref(), Ok(sample));
    }
    let sampled: BTreeSet<CbOpNum> =
        samples.iter().map(CbOp::num).chain([CbOpNum::ILLEGAL]).collect();
    assert_eq!(sampled, CbOpNum::KNOWN.iter().copied().collect());
    for sample in &sample_callbacks::results() {
        check(sample, |r| CbOpResult::decode(r).map(|result| encoded(&result)));
        let bytes = encoded(sample);
        assert_eq!(CbOpResult::decode(&mut Reader::new(&bytes)).as_ref(), Ok(sample));
    }
}

#[test]
fn values_inside_opaque_bodies() {
    check(&sample_callbacks::rename(), |r| callback::NotifyRename::decode(r).map(|v| encoded(&v)));
    check(&sample_callbacks::device_change(), |r| {
        callback::NotifyDeviceIdChange::decode(r).map(|v| encoded(&v))
    });
    let addrs = MultipathList { addrs: vec![sample_args::ADDR] };
    let device = FileLayoutDsAddr { stripe_indices: vec![0, 1], multipath_ds_list: vec![addrs] };
    check(&device, |r| FileLayoutDsAddr::decode(r).map(|v| encoded(&v)));
    let layout = FileLayout {
        deviceid: sample_args::DEVICE,
        util: 1,
        first_stripe_index: 0,
        pattern_offset: 0,
        fh_list: vec![b"fh"],
    };
    check(&layout, |r| FileLayout::decode(r).map(|v| encoded(&v)));
}

#[test]
fn a_whole_compound() {
    let samples = sample_args::all();
    let mut w = Writer::new(Vec::new());
    let count_at = CompoundArgs::begin(&mut w, b"tag", 2);
    samples.iter().for_each(|op| op.encode(&mut w));
    w.patch_u32(count_at, samples.len() as u32);
    let bytes = w.into_inner();
    let mut compound = CompoundArgs::decode(Reader::new(&bytes)).unwrap();
    assert_eq!(
        (compound.tag, compound.minor, compound.count as usize),
        (&b"tag"[..], 2, samples.len())
    );
    for sample in samples {
        assert_eq!(compound.next_op(), Some(Ok(sample)));
    }
    assert_eq!(compound.next_op(), None);
    assert_eq!(compound.ops.remaining(), 0);
}

#[test]
fn a_whole_reply() {
    let samples = sample_results::all();
    let mut w = Writer::new(vec![0xee; 4]);
    let header = CompoundRes::begin(&mut w, b"");
    samples.iter().for_each(|result| result.encode(&mut w));
    header.finish(&mut w, Status::DELAY, samples.len() as u32);
    let bytes = w.into_inner();
    let mut reply = CompoundRes::decode(Reader::new(&bytes[4..])).unwrap();
    assert_eq!((reply.status, reply.tag), (Status::DELAY, &b""[..]));
    for sample in samples {
        assert_eq!(reply.next_result(), Some(Ok(sample)));
    }
    assert_eq!(reply.next_result(), None);
}

#[test]
fn a_whole_callback() {
    let samples = sample_callbacks::args();
    let mut w = Writer::new(Vec::new());
    let count_at = CbCompoundArgs::begin(&mut w, b"", 1, 9);
    samples.iter().for_each(|op| op.encode(&mut w));
    w.patch_u32(count_at, samples.len() as u32);
    let bytes = w.into_inner();
    let mut compound = CbCompoundArgs::decode(Reader::new(&bytes)).unwrap();
    assert_eq!((compound.minor, compound.callback_ident), (1, 9));
    for sample in samples {
        assert_eq!(compound.next_op(), Some(Ok(sample)));
    }
    assert_eq!(compound.next_op(), None);

    let mut w = Writer::new(Vec::new());
    let header = CbCompoundRes::begin(&mut w, b"t");
    sample_callbacks::results().iter().for_each(|result| result.encode(&mut w));
    header.finish(&mut w, Status::OK, 2);
    let bytes = w.into_inner();
    let mut reply = CbCompoundRes::decode(Reader::new(&bytes)).unwrap();
    let first: Vec<_> = core::iter::from_fn(|| reply.next_result()).collect();
    let expected: Vec<_> = sample_callbacks::results().into_iter().take(2).map(Ok).collect();
    assert_eq!(first, expected);
}

#[test]
fn directory_entries() {
    let directory = sample_results::directory();
    let entries: Vec<_> =
        directory.iter().map(|entry| (entry.cookie, entry.name, entry.attrs)).collect();
    assert_eq!(entries, [(3, &b"a"[..], sample_args::FATTR), (4, b"bcdef", sample_args::FATTR)]);
    assert!(directory.eof);

    let mut w = Writer::new(Vec::new());
    dir::begin(&mut w, Verifier::default());
    assert_eq!(w.len(), 8);
    dir::end(&mut w, false);
    assert_eq!(w.len(), 8 + dir::END_BYTES);
    let bytes = w.into_inner();
    let empty = ReadDirOk::decode(&mut Reader::new(&bytes)).unwrap();
    assert_eq!((empty.iter().count(), empty.eof), (0, false));
}

#[test]
fn exact_bytes() {
    let putfh = Op::PutFh(PutFhArgs { object: b"abc" });
    assert_eq!(encoded(&putfh), b"\0\0\0\x16\0\0\0\x03abc\0");
    let getattr = Op::GetAttr(GetAttrArgs { attr_request: Bitmap::of(&[1, 33]) });
    assert_eq!(encoded(&getattr), b"\0\0\0\x09\0\0\0\x02\0\0\0\x02\0\0\0\x02");
    let close = Op::Close(CloseArgs { seqid: 5, open_stateid: Stateid::CURRENT });
    assert_eq!(encoded(&close), b"\0\0\0\x04\0\0\0\x05\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn operations_are_small() {
    assert!(size_of::<Op<'_>>() <= 320, "{}", size_of::<Op<'_>>());
    assert!(size_of::<OpBody<'_>>() <= 320, "{}", size_of::<OpBody<'_>>());
}
