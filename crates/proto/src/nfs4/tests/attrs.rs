use alloc::vec;
use alloc::vec::Vec;

use super::encoded;
use super::sample_args::{BODY, MASK, TIME};
use crate::nfs4::*;
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer};

/// One value of every attribute, ascending.
fn every_value() -> Vec<AttrValue<'static>> {
    attr::KNOWN.iter().map(|(_, number)| value(*number)).collect()
}

/// Decodes a value of attribute `number` from bytes that fit its shape.
fn value(number: u32) -> AttrValue<'static> {
    let ace = Ace { kind: 1, flag: 2, access_mask: 3, who: b"OWNER@" };
    let path = Pathname { components: vec![b"a", b"bc"] };
    let location = FsLocation { server: vec![b"one", b"two"], rootpath: path.clone() };
    let server = FsLocationsServer { currency: -1, info: b"info", server: b"host" };
    let item = FsLocationsItem { entries: vec![server], rootpath: path.clone() };
    let acl = Acl41 { flag: 1, aces: vec![ace.clone()] };
    match number {
        attr::ACL => AttrValue::Acl(vec![ace.clone(), ace]),
        attr::FS_LOCATIONS => {
            AttrValue::FsLocations(FsLocations { fs_root: path, locations: vec![location] })
        }
        attr::DACL => AttrValue::Dacl(acl),
        attr::SACL => AttrValue::Sacl(acl),
        attr::FS_STATUS => AttrValue::FsStatus(FsStatus {
            absent: true,
            kind: FsStatusType::REFERRAL,
            source: b"s",
            current: b"c",
            age: 5,
            version: TIME,
        }),
        attr::LAYOUT_HINT => AttrValue::LayoutHint(BODY),
        attr::FS_LOCATIONS_INFO => AttrValue::FsLocationsInfo(FsLocationsInfo {
            flags: 1,
            valid_for: 2,
            fs_root: path,
            items: vec![item],
        }),
        attr::MDSTHRESHOLD => AttrValue::MdsThreshold(MdsThreshold {
            hints: vec![ThresholdItem {
                layout_type: LayoutType::SCSI,
                hintset: MASK,
                hintlist: b"hints",
            }],
        }),
        attr::OPEN_ARGUMENTS => AttrValue::OpenArguments(OpenArguments {
            share_access: MASK,
            share_deny: Bitmap::of(&[1]),
            share_access_want: Bitmap::of(&[20, 21]),
            open_claim: Bitmap::of(&[0]),
            create_mode: Bitmap::EMPTY,
        }),
        // Words of 1 are a value of all other types: an opaque of one byte, a list of one, a set
        // time, true.
        other => {
            let ones: &[u8] = &[0, 0, 0, 1].repeat(10).leak()[..];
            AttrValue::decode_value(other, &mut Reader::new(ones)).unwrap()
        }
    }
}

#[test]
fn every_attribute_round_trips() {
    let values = every_value();
    assert_eq!(
        values.iter().map(AttrValue::number).collect::<Vec<_>>(),
        (0..=86).collect::<Vec<_>>()
    );
    let mut w = Writer::new(Vec::new());
    encode_fattr(&mut w, &values);
    let bytes = w.into_inner();
    let fattr = Fattr::decode(&mut Reader::new(&bytes)).unwrap();
    assert_eq!(fattr.iter().map(|item| item.unwrap().1).collect::<Vec<_>>(), values);
    for len in 0..bytes.len() {
        assert!(Fattr::decode(&mut Reader::new(&bytes[..len])).is_err());
    }
    for len in 0..fattr.values.len() {
        let cut = Fattr { values: &fattr.values[..len], ..fattr };
        assert!(cut.iter().any(|item| item.is_err()), "cut to {len}");
    }
}

#[test]
fn sizes_of_times_and_modes() {
    let set = |value: AttrValue<'_>| {
        let mut w = Writer::new(Vec::new());
        value.encode_value(&mut w);
        w.into_inner()
    };
    assert_eq!(set(AttrValue::TimeModifySet(SetTime::ServerTime)), [0; 4]);
    assert_eq!(set(AttrValue::TimeModifySet(SetTime::ClientTime(TIME))).len(), 16);
    assert_eq!(
        set(AttrValue::ModeUmask(ModeUmask { mode: 0o644, umask: 0o22 })),
        [0, 0, 1, 0xa4, 0, 0, 0, 0x12]
    );
    assert_eq!(set(AttrValue::TimeDelegModify(TIME)).len(), 12);
}

#[test]
fn unknown_attributes_are_named() {
    let fattr = Fattr { mask: Bitmap::of(&[attr::MODE, 200]), values: &[0; 8] };
    let items: Vec<_> = fattr.iter().collect();
    assert_eq!(items, [Ok((attr::MODE, AttrValue::Mode(0))), Err(DecodeError::UnknownAttr(200))]);
}

#[test]
fn bytes_left_over_are_an_error() {
    let fattr = Fattr { mask: Bitmap::of(&[attr::MODE]), values: &[0; 8] };
    assert_eq!(fattr.iter().last(), Some(Err(DecodeError::Trailing)));
}

#[test]
fn fewer_attributes_than_announced() {
    let announced = Bitmap::of(&[attr::SIZE, attr::MODE, attr::XATTR_SUPPORT]);
    let mut w = Writer::new(vec![1, 2, 3]);
    let mut fattr = FattrWriter::new(&mut w, &announced);
    fattr.put(attr::SIZE, 9u64);
    let written = fattr.finish();
    assert_eq!(written, Bitmap::of(&[attr::SIZE]));
    w.u32(7);
    let expected =
        [1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7];
    assert_eq!(w.bytes(), expected);
}

#[test]
fn no_attributes_at_all() {
    let mut w = Writer::new(Vec::new());
    FattrWriter::new(&mut w, &MASK).finish();
    assert_eq!(w.bytes(), [0; 8]);
    assert_eq!(w.bytes(), encoded(&Fattr::EMPTY));
}

#[test]
fn bitmaps() {
    let mut set = Bitmap::of(&[0, 31, 32, 255, 256, u32::MAX]);
    assert_eq!(set.iter().collect::<Vec<_>>(), [0, 31, 32, 255]);
    assert!(set.contains(255) && !set.contains(256) && !set.contains(1));
    set.remove(255);
    set.insert(1);
    set.insert(1000);
    assert_eq!(encoded(&set), [0, 0, 0, 2, 0x80, 0, 0, 3, 0, 0, 0, 1]);
    assert_eq!(set.intersect(&Bitmap::of(&[1, 2, 32])), Bitmap::of(&[1, 32]));
    assert_eq!(set.without(&Bitmap::of(&[0, 31])), Bitmap::of(&[1, 32]));
    assert_eq!(Bitmap::of(&[1]).union(&Bitmap::of(&[200])), Bitmap::of(&[1, 200]));
    assert!(Bitmap::of(&[1]).is_subset(&set) && !set.is_subset(&Bitmap::of(&[1])));
    assert_eq!(encoded(&Bitmap::EMPTY), [0; 4]);

    let mut w = Writer::new(Vec::new());
    vec![0u32; 8].encode(&mut w);
    assert_eq!(Bitmap::decode(&mut Reader::new(w.bytes())), Ok(Bitmap::EMPTY));
    let mut w = Writer::new(Vec::new());
    vec![0u32; 9].encode(&mut w);
    assert_eq!(Bitmap::decode(&mut Reader::new(w.bytes())), Err(DecodeError::TooMany { limit: 8 }));
}
