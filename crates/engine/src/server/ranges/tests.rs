use std::vec::Vec;

use super::*;

const MAX: u64 = u64::MAX;

fn range(first: u64, last: u64) -> ByteRange {
    ByteRange { first, last }
}

fn all(ranges: &Ranges) -> Vec<(u64, u64, LockKind)> {
    ranges.held.iter().map(|(first, (last, kind))| (*first, *last, *kind)).collect()
}

#[test]
fn a_range_has_bytes_and_ends_where_bytes_end() {
    assert_eq!(ByteRange::new(0, 0), Err(Status::INVAL));
    assert_eq!(ByteRange::new(MAX, 0), Err(Status::INVAL));
    assert_eq!(ByteRange::new(MAX, 1), Err(Status::INVAL));
    assert_eq!(ByteRange::new(2, MAX - 1), Err(Status::INVAL));
    assert_eq!(ByteRange::new(1, MAX - 1), Ok(range(1, MAX - 1)));
    assert_eq!(ByteRange::new(7, 1), Ok(range(7, 7)));
    for offset in [0, 1, MAX] {
        let to_the_end = ByteRange::new(offset, MAX).unwrap();
        assert_eq!((to_the_end.first, to_the_end.last), (offset, MAX));
        assert_eq!(to_the_end.length(), MAX);
    }
    assert_eq!(range(3, 5).length(), 3);
}

#[test]
fn what_is_cut_out_of_the_middle_leaves_both_ends() {
    let mut ranges = Ranges::new();
    ranges.set(range(0, MAX), LockKind::Write);
    ranges.set(range(10, 19), LockKind::Read);
    let write = LockKind::Write;
    assert_eq!(all(&ranges), [(0, 9, write), (10, 19, LockKind::Read), (20, MAX, write)]);
    assert_eq!(ranges.len(), 1 + Ranges::GROWTH);
    ranges.set(range(10, 19), write);
    assert_eq!(all(&ranges), [(0, MAX, write)], "neighbours of one kind are one range");
    ranges.clear(range(5, MAX));
    assert_eq!(all(&ranges), [(0, 4, write)]);
    ranges.clear(range(0, MAX));
    assert!(ranges.is_empty());
}

/// Bytes 0 to 15, and the last four there can be.
const PLACES: [u64; 20] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, MAX - 3, MAX - 2, MAX - 1, MAX];

/// How each place is held: a byte stands for itself and, at the 15th, for all up to the last four.
type Model = [Option<LockKind>; PLACES.len()];

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// The model as ranges: runs of places that are held alike. Place 15 reaches to the last four.
fn runs(model: &Model) -> Vec<(u64, u64, LockKind)> {
    let mut runs: Vec<(u64, u64, LockKind)> = Vec::new();
    for (at, kind) in model.iter().enumerate() {
        let Some(kind) = *kind else { continue };
        let last = if at == 15 { MAX - 4 } else { PLACES[at] };
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(PLACES[at]) && run.2 == kind => run.1 = last,
            _ => runs.push((PLACES[at], last, kind)),
        }
    }
    runs
}

fn expected_conflict(model: &Model, from: usize, to: usize, kind: LockKind) -> bool {
    model[from..=to].iter().flatten().any(|held| held.conflicts(kind))
}

#[test]
fn ranges_are_as_a_map_of_bytes_says() {
    for first_seed in [1, 2, 3, 0x5eed, 0xdead_beef, 0x0123_4567_89ab_cdef] {
        let (mut seed, mut ranges, mut model) = (first_seed, Ranges::new(), Model::default());
        for _ in 0..4000 {
            let a = random(&mut seed) as usize % PLACES.len();
            let b = random(&mut seed) as usize % PLACES.len();
            let (from, to) = (a.min(b), a.max(b));
            let last = if to == 15 { MAX - 4 } else { PLACES[to] };
            let bytes = range(PLACES[from], last);
            let kind = if random(&mut seed) & 1 == 0 { LockKind::Read } else { LockKind::Write };
            let conflict = ranges.conflict(bytes, kind);
            assert_eq!(conflict.is_some(), expected_conflict(&model, from, to, kind));
            let before = ranges.len();
            let held = match random(&mut seed) % 3 {
                0 => {
                    ranges.clear(bytes);
                    None
                }
                _ => {
                    ranges.set(bytes, kind);
                    Some(kind)
                }
            };
            model[from..=to].fill(held);
            assert_eq!(all(&ranges), runs(&model), "seed {first_seed:#x}");
            assert!(ranges.len() <= before + Ranges::GROWTH);
        }
    }
}

#[test]
fn the_first_conflict_is_the_one_that_is_told() {
    let mut ranges = Ranges::new();
    ranges.set(range(0, 4), LockKind::Read);
    ranges.set(range(5, 9), LockKind::Write);
    ranges.set(range(20, 29), LockKind::Write);
    let conflict = |first, last, kind| {
        ranges.conflict(range(first, last), kind).map(|held| (held.range.first, held.range.last))
    };
    assert_eq!(conflict(0, MAX, LockKind::Read), Some((5, 9)));
    assert_eq!(conflict(2, MAX, LockKind::Write), Some((0, 4)));
    assert_eq!(conflict(7, 7, LockKind::Read), Some((5, 9)));
    assert_eq!(conflict(10, 19, LockKind::Write), None);
    assert_eq!(conflict(30, MAX, LockKind::Write), None);
}
