//! Holes, room, clones and copies of ranges.

use super::data::{Numbers, pattern};
use super::user::{mode, size};
use super::{Scratch, Subject};
use crate::{Advice, Content, Error, File, Handle, OpenMode, Result};

/// More than any backend keeps data by, and a multiple of it.
const FAR: u64 = 8 << 20;

/// A file of 16 bytes, a hole from `FAR` on at the latest, and 16 bytes at `2 * FAR`.
fn sparse_file(t: &Scratch<'_>) -> (Handle, File) {
    let (file, open) = t.root.file(&t.dir, "sparse");
    t.root.write(&open, 0, b"0123456789abcdef");
    t.root.write(&open, 2 * FAR, b"fedcba9876543210");
    (file, open)
}

fn with_modes(t: &Scratch<'_>, name: &str, test: impl Fn(&File, &File)) {
    let (file, _) = t.root.file(&t.dir, name);
    let open = |mode| t.root.open(&file, mode).expect("root opens it");
    test(&open(OpenMode::READ), &open(OpenMode::WRITE));
}

pub(super) fn seek_finds_data_and_holes(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, open) = sparse_file(&t);
    assert_eq!(t.root.seek(&open, 0, Content::Data), Ok(Some(0)));
    assert_eq!(t.root.seek(&open, 5, Content::Data), Ok(Some(5)));
    let hole = t.root.seek(&open, 0, Content::Hole).expect("it works").expect("the end is one");
    assert!((16..=FAR).contains(&hole), "a hole at {hole}");
    assert_eq!(t.root.seek(&open, FAR, Content::Hole), Ok(Some(FAR)));
    let data = t.root.seek(&open, FAR, Content::Data).expect("it works").expect("there is some");
    assert!((FAR + 1..=2 * FAR).contains(&data), "data at {data}");
}

pub(super) fn the_end_of_a_file_is_a_hole(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, &pattern(200_000, 1));
    for offset in [0, 1, 65_536, 199_999] {
        assert_eq!(t.root.seek(&open, offset, Content::Hole), Ok(Some(200_000)));
    }
    t.root.setattr(&file, &size(2 * FAR)).expect("the size can be set");
    assert_eq!(t.root.seek(&open, FAR, Content::Data), Ok(None));
}

pub(super) fn seek_at_the_end_is_beyond(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, open) = t.root.file(&t.dir, "file");
    for what in [Content::Data, Content::Hole] {
        t.refused(t.root.seek(&open, 0, what), &[Error::BeyondEnd]);
    }
    t.root.write(&open, 0, b"0123456789");
    for (offset, what) in [(10, Content::Data), (10, Content::Hole), (u64::MAX, Content::Hole)] {
        t.refused(t.root.seek(&open, offset, what), &[Error::BeyondEnd]);
    }
}

pub(super) fn seek_needs_a_file_open_for_reading(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges || !t.features().exact_opens {
        return;
    }
    with_modes(&t, "file", |_, write| {
        t.refused(t.root.seek(write, 0, Content::Data), &[Error::AccessDenied]);
    });
}

pub(super) fn read_plus_tells_of_holes(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, open) = sparse_file(&t);
    let len = 256 << 10;
    let (data, holes, eof) = t.root.read_plus(&open, FAR, len).expect("it works");
    assert!((data == vec![0; len]) && holes == len && !eof, "{holes} bytes of a hole");
    let (data, holes, _) = t.root.read_plus(&open, 0, 16).expect("it works");
    assert_eq!((&data[..], holes), (&b"0123456789abcdef"[..], 0));
}

pub(super) fn read_plus_reads_what_read_reads(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let mut numbers = Numbers(11);
    for step in 0..40 {
        let at = numbers.below(3 << 20) as u64;
        t.root.write(&open, at, &pattern(numbers.below(70_000) + 1, step));
        t.root.setattr(&file, &size(at + 300_000)).expect("the size can be set");
        let from = numbers.below(3 << 20) as u64;
        let (data, _, eof) = t.root.read_plus(&open, from, 300_000).expect("it works");
        let end = t.root.attr(&file).size;
        assert!(eof == (from + data.len() as u64 >= end), "the end, at step {step}");
        assert!(eof || !data.is_empty(), "it gets on");
        assert!(t.root.read(&open, from, data.len()) == data, "the same at step {step}");
    }
    assert_eq!(t.root.read_plus(&open, u64::MAX, 1), Ok((Vec::new(), 0, true)));
}

pub(super) fn read_plus_needs_a_file_open_for_reading(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().exact_opens {
        return;
    }
    with_modes(&t, "file", |_, write| {
        t.refused(t.root.read_plus(write, 0, 1), &[Error::AccessDenied]);
    });
}

pub(super) fn allocate_makes_a_file_longer(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.allocate(&open, 2, 99_998).expect("there is room");
    let attr = t.root.attr(&file);
    assert_eq!(attr.size, 100_000);
    assert!(attr.used >= 99_998, "it has {} bytes", attr.used);
    let data = t.root.read(&open, 0, 200_000);
    assert_eq!((data.len(), &data[..4]), (100_000, &b"data"[..]));
    assert!(data[4..].iter().all(|byte| *byte == 0));
    t.root.allocate(&open, 10, 10).expect("there is room");
    assert_eq!(t.root.attr(&file).size, 100_000);
}

pub(super) fn empty_ranges_are_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, open) = t.root.file(&t.dir, "file");
    t.refused(t.root.allocate(&open, 5, 0), &[Error::Invalid]);
    t.refused(t.root.deallocate(&open, 5, 0), &[Error::Invalid]);
}

pub(super) fn ranges_beyond_the_largest_size_are_too_big(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (file, open) = t.root.file(&t.dir, "file");
    let size_max = subject.fs.properties().size_max;
    for offset in [size_max, size_max - 1] {
        t.refused(t.root.allocate(&open, offset, 2), &[Error::TooBig]);
        t.refused(t.root.deallocate(&open, offset, 2), &[Error::TooBig]);
    }
    assert_eq!(t.root.attr(&file).size, 0);
}

pub(super) fn room_is_changed_in_files_open_for_writing(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    with_modes(&t, "file", |read, _| {
        t.refused(t.root.allocate(read, 0, 10), &[Error::AccessDenied]);
        t.refused(t.root.deallocate(read, 0, 10), &[Error::AccessDenied]);
    });
}

pub(super) fn deallocate_makes_zeros_and_frees(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (file, open) = t.root.file(&t.dir, "file");
    let mut data = pattern(2 << 20, 3);
    t.root.write(&open, 0, &data);
    t.root.commit(&file, 0, 0).expect("it works");
    let before = t.root.attr(&file).used;
    for (from, len) in [(1 << 19, 1 << 20), (7, 5), (100_000, 65_536), ((2 << 20) - 3, 100)] {
        t.root.deallocate(&open, from, len).expect("it works");
        let to = data.len().min((from + len) as usize);
        data[from as usize..to].fill(0);
        assert!(t.root.read(&open, 0, 3 << 20) == data, "as the model after {len} at {from}");
    }
    assert!(t.root.attr(&file).used < before, "space was freed");
    t.root.deallocate(&open, 3 << 20, 10).expect("there is nothing to free");
    assert_eq!(t.root.attr(&file).size, 2 << 20);
}

/// What is cloned by, where that is possible.
fn clone_block(t: &Scratch<'_>) -> Option<u64> {
    t.subject.fs.properties().clone_block.filter(|_| t.features().ranges).map(u64::from)
}

pub(super) fn a_clone_is_a_file_of_its_own(subject: &Subject) {
    let t = Scratch::new(subject);
    let Some(block) = clone_block(&t) else { return };
    let (_, from) = t.root.file(&t.dir, "from");
    let (_, to) = t.root.file(&t.dir, "to");
    let (mut source, mut target) = (pattern(5 * block as usize + 7, 1), pattern(100, 2));
    t.root.write(&from, 0, &source);
    t.root.write(&to, 0, &target);
    t.root.clone_range(&from, block, &to, 2 * block, 0).expect("it works");
    target.resize(2 * block as usize, 0);
    target.extend_from_slice(&source[block as usize..]);
    assert!(t.root.read(&to, 0, 20 << 20) == target);
    t.root.clone_range(&from, 0, &to, block, block).expect("it works");
    target[block as usize..2 * block as usize].copy_from_slice(&source[..block as usize]);
    assert!(t.root.read(&to, 0, 20 << 20) == target);
    t.root.write(&from, block + 3, b"changed");
    source[block as usize + 3..block as usize + 10].copy_from_slice(b"changed");
    assert!(t.root.read(&to, 0, 20 << 20) == target, "the clone does not change");
    t.root.write(&to, 2 * block, b"as well");
    target[2 * block as usize..2 * block as usize + 7].copy_from_slice(b"as well");
    assert!(t.root.read(&to, 0, 20 << 20) == target);
    assert!(t.root.read(&from, 0, 20 << 20) == source, "the source does not change");
}

pub(super) fn clones_of_wrong_ranges_are_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    let Some(block) = clone_block(&t) else { return };
    let (_, from) = t.root.file(&t.dir, "from");
    let (file, to) = t.root.file(&t.dir, "to");
    t.root.write(&from, 0, &pattern(3 * block as usize, 1));
    for (at, target, len) in
        [(1, 0, block), (0, 1, block), (0, 0, 1), (2 * block, 0, 2 * block), (4 * block, 0, block)]
    {
        t.refused(t.root.clone_range(&from, at, &to, target, len), &[Error::Invalid]);
    }
    for (at, target, len) in [(0, block, 2 * block), (0, 0, block), (block, 0, 0)] {
        t.refused(t.root.clone_range(&from, at, &from, target, len), &[Error::Invalid]);
    }
    assert_eq!(t.root.attr(&file).size, 0);
    t.root.clone_range(&from, 3 * block, &to, block, 0).expect("it is nothing");
    assert_eq!(t.root.attr(&file).size, 0, "and nothing grows by it");
    t.root.clone_range(&from, 0, &from, 4 * block, 0).expect("they are apart");
    assert!(t.root.read(&from, 4 * block, 4 << 20) == pattern(3 * block as usize, 1));
}

pub(super) fn a_clone_of_an_end_does_not_cut_the_target(subject: &Subject) {
    let t = Scratch::new(subject);
    let Some(block) = clone_block(&t) else { return };
    let (_, from) = t.root.file(&t.dir, "from");
    let (_, to) = t.root.file(&t.dir, "to");
    let target = pattern(2 * block as usize, 2);
    t.root.write(&from, 0, b"short");
    t.root.write(&to, 0, &target);
    t.refused(t.root.clone_range(&from, 0, &to, 0, 0), &[Error::Invalid]);
    assert!(t.root.read(&to, 0, 4 << 20) == target);
}

pub(super) fn where_nothing_is_shared_a_clone_is_not_supported(subject: &Subject) {
    let t = Scratch::new(subject);
    if clone_block(&t).is_some() {
        return;
    }
    let (_, from) = t.root.file(&t.dir, "from");
    let (_, to) = t.root.file(&t.dir, "to");
    t.root.write(&from, 0, b"data");
    t.refused(t.root.clone_range(&from, 0, &to, 0, 0), &[Error::NotSupported]);
}

pub(super) fn a_copy_is_the_same(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, from) = sparse_file(&t);
    let (file, to) = t.root.file(&t.dir, "to");
    t.root.write(&to, 0, &pattern(100, 2));
    let end = 2 * FAR + 16;
    t.root.copy(&from, 4, &to, 50, end - 4);
    assert_eq!(t.root.attr(&file).size, end + 46);
    assert!(t.root.read(&to, 0, 50) == pattern(100, 2)[..50]);
    assert_eq!(t.root.read(&to, 50, 20), b"456789abcdef\0\0\0\0\0\0\0\0");
    assert_eq!(t.root.read(&to, 2 * FAR + 46, 100), b"fedcba9876543210");
    assert!(t.root.read(&to, 62, FAR as usize).iter().all(|byte| *byte == 0));
}

pub(super) fn a_copy_stops_at_the_end_of_the_source(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, from) = t.root.file(&t.dir, "from");
    let (file, to) = t.root.file(&t.dir, "to");
    t.root.write(&from, 0, b"0123456789");
    assert_eq!(t.root.copy_once(&from, 4, &to, 0, 100).expect("it works").count, 6);
    assert_eq!(t.root.copy_once(&from, 10, &to, 0, 100).expect("it works").count, 0);
    assert_eq!(t.root.attr(&file).size, 6);
    assert_eq!(t.root.read(&to, 0, 10), b"456789");
}

pub(super) fn a_copy_onto_itself_is_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"0123456789");
    for (from, to) in [(0, 0), (0, 4), (4, 0)] {
        t.refused(t.root.copy_once(&open, from, &open, to, 5), &[Error::Invalid]);
    }
    assert_eq!(t.root.read(&open, 0, 20), b"0123456789");
}

pub(super) fn copies_need_files_open_for_them(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, other) = t.root.file(&t.dir, "other");
    t.root.write(&other, 0, b"0123456789");
    with_modes(&t, "file", |read, write| {
        t.refused(t.root.copy_once(&other, 0, read, 0, 5), &[Error::AccessDenied]);
        if clone_block(&t).is_some() {
            t.refused(t.root.clone_range(&other, 0, read, 0, 0), &[Error::AccessDenied]);
        }
        if t.features().exact_opens {
            t.refused(t.root.copy_once(write, 0, &other, 0, 5), &[Error::AccessDenied]);
        }
    });
}

pub(super) fn commit_answers_the_verifier_of_the_copy(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let (_, from) = t.root.file(&t.dir, "from");
    let (file, to) = t.root.file(&t.dir, "to");
    t.root.write(&from, 0, b"data");
    let copied = t.root.copy_once(&from, 0, &to, 0, 4).expect("it works");
    assert_eq!(t.root.commit(&file, 0, 0), Ok(copied.verifier));
}

pub(super) fn changed_ranges_take_the_set_id_bits(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges || !t.features().set_id || !t.features().users {
        return;
    }
    let (_, from) = t.alice.file(&t.dir, "from");
    let (file, to) = t.alice.file(&t.dir, "to");
    t.alice.write(&from, 0, &pattern(200_000, 1));
    type Change<'a> = &'a dyn Fn() -> Result<()>;
    let changes: [(&str, Change<'_>); 4] = [
        ("allocate", &|| t.alice.allocate(&to, 0, 100_000)),
        ("deallocate", &|| t.alice.deallocate(&to, 0, 10)),
        ("copy", &|| t.alice.copy_once(&from, 0, &to, 0, 5).map(drop)),
        ("clone", &|| match clone_block(&t) {
            Some(_) => t.alice.clone_range(&from, 0, &to, 0, 0),
            None => t.alice.copy_once(&from, 0, &to, 0, 5).map(drop),
        }),
    ];
    for (name, change) in changes {
        t.alice.setattr(&file, &mode(0o6777)).expect("its owner sets its mode");
        assert_eq!(t.alice.attr(&file).mode, 0o6777);
        change().expect("it works");
        assert_eq!(t.alice.attr(&file).mode, 0o777, "after {name}");
    }
}

pub(super) fn advice_is_taken_or_not_supported(subject: &Subject) {
    let t = Scratch::new(subject);
    let (_, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    for advice in [
        Advice::Normal,
        Advice::Sequential,
        Advice::Random,
        Advice::WillNeed,
        Advice::DontNeed,
        Advice::NoReuse,
    ] {
        for (offset, len) in [(0, 0), (2, 1), (u64::MAX, u64::MAX)] {
            let taken = t.root.advise(&open, offset, len, advice);
            assert!(matches!(taken, Ok(()) | Err(Error::NotSupported)), "{taken:?}");
        }
    }
    assert_eq!(t.root.read(&open, 0, 10), b"data");
}

pub(super) fn ranges_match_a_model(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().ranges {
        return;
    }
    let block = clone_block(&t);
    let opens = [t.root.file(&t.dir, "one").1, t.root.file(&t.dir, "other").1];
    let mut models = [Vec::<u8>::new(), Vec::new()];
    let mut numbers = Numbers(23);
    for step in 0..200 {
        let this = numbers.below(2);
        let (open, other) = (&opens[this], &opens[1 - this]);
        let (at, len) = (numbers.below(400_000), numbers.below(150_000) + 1);
        let source = models[1 - this].clone();
        let model = &mut models[this];
        match numbers.below(5) {
            0 | 1 => {
                let data = pattern(len, step);
                t.root.write(open, at as u64, &data);
                put(model, at, &data);
            }
            2 => {
                t.root.deallocate(open, at as u64, len as u64).expect("it works");
                let (from, to) = (at.min(model.len()), (at + len).min(model.len()));
                model[from..to].fill(0);
            }
            3 => {
                t.root.allocate(open, at as u64, len as u64).expect("there is room");
                model.resize(model.len().max(at + len), 0);
            }
            _ => match block.map(|block| block as usize) {
                Some(block) if source.len() > block => {
                    let from = numbers.below(source.len() / block) * block;
                    let to = at / block * block;
                    t.root
                        .clone_range(other, from as u64, open, to as u64, block as u64)
                        .expect("it works");
                    put(model, to, &source[from..from + block]);
                }
                _ => {
                    let from = numbers.below(400_000).min(source.len());
                    let data = &source[from..source.len().min(from + len)];
                    t.root.copy(other, from as u64, open, at as u64, data.len() as u64);
                    put(model, at, data);
                }
            },
        }
        let data = t.root.read(open, 0, 2 << 20);
        assert!(data == models[this], "as the model at step {step}");
    }
}

fn put(model: &mut Vec<u8>, at: usize, data: &[u8]) {
    if !data.is_empty() {
        model.resize(model.len().max(at + data.len()), 0);
        model[at..at + data.len()].copy_from_slice(data);
    }
}
