//! Reading, writing, sizes and holes.

use super::user::{mode, size};
use super::{Scratch, Subject};
use crate::{Error, NewNode, OpenMode, Stability};

/// Numbers that are the same at each run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// Bytes that differ from place to place.
pub(super) fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ seed) as u8 | 1).collect()
}

pub(super) fn what_was_written_is_read(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    for length in [1, 511, 4096, 65_536, 65_537, 1 << 20, (3 << 20) + 17] {
        let data = pattern(length, length);
        t.root.write(&open, 0, &data);
        assert_eq!(t.root.attr(&file).size, length as u64);
        assert!(t.root.read(&open, 0, length) == data, "{length} bytes are as written");
    }
    let again = t.root.open(&file, OpenMode::READ).expect("root opens it");
    assert_eq!(t.root.read(&again, 1000, 100), pattern((3 << 20) + 17, (3 << 20) + 17)[1000..1100]);
}

pub(super) fn two_open_files_see_each_other(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, first) = t.root.file(&t.dir, "file");
    let second = t.root.open(&file, OpenMode::BOTH).expect("root opens it");
    t.root.write(&first, 0, b"one");
    assert_eq!(t.root.read(&second, 0, 10), b"one");
    t.root.write(&second, 1, b"NE");
    assert_eq!(t.root.read(&first, 0, 10), b"oNE");
}

pub(super) fn read_at_the_end_gives_nothing_and_eof(subject: &Subject) {
    let t = Scratch::new(subject);
    let (_, open) = t.root.file(&t.dir, "file");
    assert_eq!(t.root.read_once(&open, 0, 10), Ok((Vec::new(), true)));
    t.root.write(&open, 0, b"0123456789");
    let size_max = subject.fs.properties().size_max;
    for offset in [10, 11, 4096, 1 << 30, size_max - 10] {
        assert_eq!(t.root.read_once(&open, offset, 10), Ok((Vec::new(), true)), "at {offset}");
    }
}

pub(super) fn read_across_the_end_is_short(subject: &Subject) {
    let t = Scratch::new(subject);
    let (_, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"0123456789");
    assert_eq!(t.root.read(&open, 4, 100), b"456789");
    assert_eq!(t.root.read(&open, 9, 1 << 20), b"9");
}

pub(super) fn read_says_whether_the_end_was_reached(subject: &Subject) {
    let t = Scratch::new(subject);
    let (_, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"0123456789");
    for (offset, len, eof) in [(0, 9, false), (0, 10, true), (0, 11, true), (9, 1, true)] {
        let (data, end) = t.root.read_once(&open, offset, len).expect("a read works");
        let whole = offset as usize + data.len() == 10;
        assert_eq!(end, eof && whole, "{len} from {offset}");
    }
}

pub(super) fn write_in_the_middle_leaves_the_rest(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let mut data = pattern(200_000, 1);
    t.root.write(&open, 0, &data);
    t.root.write(&open, 65_530, &[0; 12]);
    data[65_530..65_542].fill(0);
    assert!(t.root.read(&open, 0, 300_000) == data);
    assert_eq!(t.root.attr(&file).size, 200_000);
}

pub(super) fn write_of_nothing_changes_no_size(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    assert_eq!(t.root.write_once(&open, 1000, b"").expect("nothing can be written").count, 0);
    assert_eq!(t.root.attr(&file).size, 0);
}

pub(super) fn holes_read_as_zeros(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 1_000_000, b"end");
    assert_eq!(t.root.attr(&file).size, 1_000_003);
    let data = t.root.read(&open, 0, 2_000_000);
    assert_eq!(data.len(), 1_000_003);
    assert!(data[..1_000_000].iter().all(|byte| *byte == 0));
    assert_eq!(&data[1_000_000..], b"end");
}

pub(super) fn write_far_out(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let far = (1 << 40).min(subject.fs.properties().size_max / 2) + 7;
    t.root.write(&open, far, b"far");
    assert_eq!(t.root.attr(&file).size, far + 3);
    assert_eq!(t.root.read(&open, far - 2, 100), b"\0\0far");
    assert_eq!(t.root.read(&open, far / 2, 4), [0; 4]);
    t.root.setattr(&file, &size(0)).expect("the size can be set");
}

pub(super) fn write_beyond_the_largest_size_is_too_big(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    for offset in [subject.fs.properties().size_max, u64::MAX - 1, u64::MAX] {
        t.refused(t.root.write_once(&open, offset, b"x"), &[Error::TooBig]);
    }
    assert_eq!(t.root.attr(&file).size, 0);
}

pub(super) fn a_shorter_file_ends_there(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let data = pattern(150_000, 3);
    t.root.write(&open, 0, &data);
    for length in [140_000, 65_536, 65_535, 4096, 10, 0] {
        t.root.setattr(&file, &size(length as u64)).expect("the size can be set");
        assert_eq!(t.root.attr(&file).size, length as u64);
        assert!(t.root.read(&open, 0, 200_000) == data[..length]);
    }
}

pub(super) fn a_longer_file_ends_in_zeros(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.setattr(&file, &size(100_000)).expect("the size can be set");
    let data = t.root.read(&open, 0, 200_000);
    assert_eq!((data.len(), &data[..4]), (100_000, &b"data"[..]));
    assert!(data[4..].iter().all(|byte| *byte == 0));
}

pub(super) fn what_was_cut_off_does_not_come_back(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, &pattern(100_000, 5));
    for (cut, end) in [(70_000, 90_000), (5, 80_000), (0, 50)] {
        t.root.setattr(&file, &size(cut)).expect("the size can be set");
        t.root.setattr(&file, &size(end)).expect("the size can be set");
        let rest = t.root.read(&open, cut, 100_000);
        assert_eq!(rest.len() as u64, end - cut);
        assert!(rest.iter().all(|byte| *byte == 0), "zeros from {cut} to {end}");
    }
    t.root.setattr(&file, &size(3)).expect("the size can be set");
    t.root.write(&open, 20, b"x");
    assert!(t.root.read(&open, 3, 17).iter().all(|byte| *byte == 0));
}

pub(super) fn writes_and_sizes_match_a_model(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let (mut numbers, mut model) = (Numbers(7), Vec::<u8>::new());
    for step in 0..300 {
        let at = numbers.below(300_000);
        if numbers.below(5) == 0 {
            t.root.setattr(&file, &size(at as u64)).expect("the size can be set");
            model.resize(at, 0);
        } else {
            let limit = [100, 5000, 100_000][numbers.below(3)];
            let data = pattern(numbers.below(limit) + 1, step);
            t.root.write(&open, at as u64, &data);
            model.resize(model.len().max(at + data.len()), 0);
            model[at..at + data.len()].copy_from_slice(&data);
        }
        let (from, len) = (numbers.below(300_000), numbers.below(100_000) + 1);
        let expected = model.get(from..).unwrap_or_default();
        let expected = &expected[..expected.len().min(len)];
        assert!(t.root.read(&open, from as u64, len) == expected, "as the model at step {step}");
    }
    assert!(t.root.read(&open, 0, 1 << 20) == model);
}

pub(super) fn read_needs_a_file_open_for_it(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let open = t.root.open(&file, OpenMode::WRITE).expect("root opens it");
    if t.features().exact_opens {
        t.refused(t.root.read_once(&open, 0, 1), &[Error::AccessDenied]);
    }
}

pub(super) fn write_needs_a_file_open_for_it(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let open = t.root.open(&file, OpenMode::READ).expect("root opens it");
    t.refused(t.root.write_once(&open, 0, b"x"), &[Error::AccessDenied]);
    assert_eq!(t.root.attr(&file).size, 0);
}

pub(super) fn a_write_is_as_stable_as_asked(subject: &Subject) {
    let t = Scratch::new(subject);
    let (_, open) = t.root.file(&t.dir, "file");
    for asked in [Stability::Unstable, Stability::Data, Stability::File] {
        let written = t.root.write_stable(&open, b"data", asked).expect("a write works");
        assert!(written.stability >= asked);
    }
}

pub(super) fn commit_answers_the_verifier_of_the_write(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let first = t.root.write_once(&open, 0, b"data").expect("a write works").verifier;
    for (offset, len) in [(0, 0), (0, 4), (2, 0), (100, 100)] {
        assert_eq!(t.root.commit(&file, offset, len), Ok(first));
    }
    assert_eq!(t.root.write_once(&open, 4, b"more").expect("a write works").verifier, first);
    assert_eq!(t.root.read(&open, 0, 10), b"datamore");
}

pub(super) fn commit_is_for_regular_files(subject: &Subject) {
    let t = Scratch::new(subject);
    t.refused(t.root.commit(&t.dir, 0, 0), &[Error::IsDirectory]);
    if subject.fs.properties().symlinks {
        let link = t.root.symlink(&t.dir, "link", b"text").expect("symlinks work");
        t.refused(t.root.commit(&link, 0, 0), &[Error::IsSymlink]);
    }
    if t.features().special_files {
        let made = t.root.make(&t.dir, "fifo", NewNode::Fifo, &mode(0o666));
        let (fifo, _) = made.expect("fifos work");
        t.refused(t.root.commit(&fifo, 0, 0), &[Error::WrongType]);
    }
}

pub(super) fn an_open_file_outlives_its_name(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.remove(&t.dir, "file").expect("removed");
    t.refused(t.root.lookup(&t.dir, "file"), &[Error::NotFound]);
    assert_eq!(t.root.read(&open, 0, 10), b"data");
    t.root.write(&open, 4, b" and more");
    assert_eq!(t.root.read(&open, 0, 100), b"data and more");
    let attr = t.root.attr(&file);
    assert_eq!((attr.nlink, attr.size), (0, 13));
    t.root.setattr_through(&file, &open, &size(2)).expect("the size can be set");
    assert_eq!(t.root.read(&open, 0, 100), b"da");
}

pub(super) fn a_replaced_open_file_outlives_its_name(subject: &Subject) {
    let t = Scratch::new(subject);
    let (_, old) = t.root.file(&t.dir, "old");
    let (_, new) = t.root.file(&t.dir, "new");
    t.root.write(&old, 0, b"old");
    t.root.write(&new, 0, b"new");
    t.root.rename(&t.dir, "new", &t.dir, "old").expect("renamed");
    assert_eq!(t.root.read(&old, 0, 10), b"old");
    assert_eq!(t.root.read(&new, 0, 10), b"new");
}
