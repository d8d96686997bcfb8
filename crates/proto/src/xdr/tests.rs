use alloc::vec;
use alloc::vec::Vec;

use super::{Decode, DecodeBounded, DecodeError, Encode, Reader, Writer};

#[test]
fn scalars_are_big_endian() {
    let mut w = Writer::new(Vec::new());
    w.u32(0x0102_0304);
    w.u64(0x0506_0708_090a_0b0c);
    w.i32(-1);
    w.i64(-2);
    w.bool(true);
    assert_eq!(w.bytes()[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let bytes = w.into_inner();
    let mut r = Reader::new(&bytes);
    assert_eq!(r.u32(), Ok(0x0102_0304));
    assert_eq!(r.u64(), Ok(0x0506_0708_090a_0b0c));
    assert_eq!(r.i32(), Ok(-1));
    assert_eq!(r.i64(), Ok(-2));
    assert_eq!(r.bool(), Ok(true));
    assert_eq!((r.remaining(), r.position()), (0, 28));
    assert_eq!(r.u32(), Err(DecodeError::Short));
}

#[test]
fn opaques_are_padded_and_borrowed() {
    let mut w = Writer::new(Vec::new());
    w.opaque(b"abcde");
    w.fixed(b"xyz");
    w.padded_tail(2).copy_from_slice(b"hi");
    assert_eq!(w.bytes(), b"\0\0\0\x05abcde\0\0\0xyz\0hi\0\0");
    let bytes = w.into_inner();
    let mut r = Reader::new(&bytes);
    assert_eq!(r.opaque(5), Ok(&b"abcde"[..]));
    assert_eq!(r.fixed::<3>(), Ok(*b"xyz"));
    assert_eq!(r.fixed::<2>(), Ok(*b"hi"));
    assert_eq!(r.finish(), Ok(()));
}

#[test]
fn padding_must_be_there_but_may_hold_anything() {
    assert_eq!(Reader::new(b"\0\0\0\x01axyz").opaque(9), Ok(&b"a"[..]));
    assert_eq!(Reader::new(b"\0\0\0\x01axy").opaque(9), Err(DecodeError::Short));
    assert_eq!(Reader::new(b"abc").fixed::<3>(), Err(DecodeError::Short));
}

#[test]
fn lengths_are_bounded() {
    assert_eq!(
        Reader::new(b"\0\0\0\x05abcde\0\0\0").opaque(4),
        Err(DecodeError::TooLong { limit: 4 })
    );
    assert_eq!(Reader::new(&[0xff; 8]).opaque(usize::MAX), Err(DecodeError::Short));
    assert_eq!(Reader::new(&[0, 0, 0, 2, 0, 0, 0, 0]).bool(), Err(DecodeError::BadBool(2)));
}

#[test]
fn counts_the_bytes_cannot_back_are_refused() {
    let bytes = [0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2];
    assert_eq!(Reader::new(&bytes).count(2, 4), Err(DecodeError::TooMany { limit: 2 }));
    assert_eq!(Reader::new(&bytes).count(3, 4), Err(DecodeError::Short));
    let giant = [0xff; 16];
    assert_eq!(
        Vec::<u32>::decode_bounded(&mut Reader::new(&giant), usize::MAX),
        Err(DecodeError::Short)
    );
}

#[test]
fn options_and_arrays() {
    let mut w = Writer::new(Vec::new());
    Some(7u32).encode(&mut w);
    None::<u32>.encode(&mut w);
    vec![1u64, 2].encode(&mut w);
    let bytes = w.into_inner();
    let mut r = Reader::new(&bytes);
    assert_eq!(Option::<u32>::decode(&mut r), Ok(Some(7)));
    assert_eq!(Option::<u32>::decode(&mut r), Ok(None));
    assert_eq!(Vec::<u64>::decode_bounded(&mut r, 2), Ok(vec![1, 2]));
}

#[test]
fn placeholders_are_patched() {
    let mut w = Writer::new(vec![9]);
    let at = w.reserve_u32();
    w.u32(1);
    w.patch_u32(at, 5);
    assert_eq!(w.bytes(), [9, 0, 0, 0, 5, 0, 0, 0, 1]);
    w.truncate(1);
    assert_eq!(w.len(), 1);
}
