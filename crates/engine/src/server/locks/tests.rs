use std::vec::Vec;

use super::*;
use crate::server::ranges::LockKind;

const A: LockerId<'_> = LockerId { client: ClientId(1), owner: b"owner" };
const B: LockerId<'_> = LockerId { client: ClientId(2), owner: b"owner" };
const OPEN: StateName = [99; 12];

fn wanted(first: u64, last: u64, kind: LockKind) -> HeldRange {
    HeldRange { range: ByteRange { first, last }, kind }
}

fn read(first: u64, last: u64) -> HeldRange {
    wanted(first, last, LockKind::Read)
}

fn write(first: u64, last: u64) -> HeldRange {
    wanted(first, last, LockKind::Write)
}

fn of_two() -> Locks {
    let mut locks = Locks::default();
    locks.add([1; 12], A, OPEN).unwrap();
    locks.add([2; 12], B, OPEN).unwrap();
    locks
}

fn lock(locks: &mut Locks, name: u8, wanted: HeldRange) -> Result<isize, LockRefused> {
    let locker = locks.locker(&[name; 12]).expect("it was added");
    locks.check(locker, wanted)?;
    let ticket = locks.reserve(&[name; 12], wanted)?;
    Ok(locks.commit(&[name; 12], ticket)?)
}

fn denied(by: LockerId<'_>, held: HeldRange) -> LockRefused {
    LockRefused::Denied(LockConflict { client: by.client, owner: Box::from(by.owner), held })
}

#[test]
fn equal_names_of_two_clients_are_two_owners() {
    let mut locks = of_two();
    assert_eq!(lock(&mut locks, 1, write(0, 9)), Ok(1));
    assert_eq!(lock(&mut locks, 1, write(5, 9)), Ok(0), "its own is not in the way");
    assert_eq!(lock(&mut locks, 2, read(9, 9)), Err(denied(A, write(0, 9))));
    assert_eq!(lock(&mut locks, 2, read(10, 19)), Ok(1));
    assert_eq!(lock(&mut locks, 1, read(10, 14)), Ok(1), "two may read");
    assert_eq!(lock(&mut locks, 1, write(10, 14)), Err(denied(B, read(10, 19))));
    assert_eq!(locks.unlock(&[2; 12], ByteRange { first: 0, last: 99 }), Ok(-1));
    assert_eq!(lock(&mut locks, 1, write(10, 14)), Ok(-1), "the upgrade is merged");
}

#[test]
fn of_all_conflicts_the_first_byte_is_told() {
    let mut locks = of_two();
    locks.add([3; 12], LockerId { client: ClientId(3), owner: b"" }, OPEN).unwrap();
    lock(&mut locks, 1, read(50, 59)).unwrap();
    lock(&mut locks, 1, write(70, 79)).unwrap();
    lock(&mut locks, 2, read(40, 55)).unwrap();
    assert_eq!(lock(&mut locks, 3, write(0, 99)), Err(denied(B, read(40, 55))));
    assert_eq!(lock(&mut locks, 3, read(0, 99)), Err(denied(A, write(70, 79))));
}

#[test]
fn what_is_reserved_delays_others_until_it_is_decided() {
    let mut locks = of_two();
    locks.check(A, write(0, 9)).unwrap();
    let ticket = locks.reserve(&[1; 12], write(0, 9)).unwrap();
    assert_eq!(locks.check(B, read(5, 5)), Err(Status::DELAY.into()));
    assert_eq!(locks.check(B, read(10, 10)), Ok(()));
    assert_eq!(locks.check(A, read(5, 5)), Ok(()));
    assert_eq!(locks.reserve(&[1; 12], read(5, 5)), Err(Status::DELAY), "which is first?");
    let all = ByteRange { first: 0, last: u64::MAX };
    assert_eq!(locks.unlock(&[1; 12], all), Err(Status::DELAY));
    assert!(locks.is_held(&[1; 12]));
    locks.cancel(&[1; 12], ticket);
    assert_eq!(locks.commit(&[1; 12], ticket), Err(Status::BAD_STATEID));
    assert!(!locks.is_held(&[1; 12]));
    assert_eq!(locks.check(B, read(5, 5)), Ok(()));
}

#[test]
fn a_held_lock_that_conflicts_says_more_than_a_reserved_one() {
    let mut locks = of_two();
    lock(&mut locks, 1, write(20, 29)).unwrap();
    locks.reserve(&[1; 12], write(0, 9)).unwrap();
    assert_eq!(locks.check(B, write(0, 99)), Err(denied(A, write(20, 29))));
}

#[test]
fn a_reservation_goes_with_its_holder() {
    let mut locks = of_two();
    let ticket = locks.reserve(&[1; 12], write(0, 9)).unwrap();
    locks.remove(&[1; 12]);
    assert_eq!(locks.commit(&[1; 12], ticket), Err(Status::BAD_STATEID));
    assert_eq!(locks.check(B, write(0, 9)), Ok(()));
    assert_eq!(locks.under(&OPEN), [[2; 12]]);
}

#[test]
fn a_file_has_so_many_holders_and_ranges_and_no_more() {
    let mut locks = Locks::default();
    for number in 0..limits::LOCK_STATES_PER_FILE as u32 {
        let mut name = [0; 12];
        name[..4].copy_from_slice(&number.to_be_bytes());
        locks.add(name, A, OPEN).unwrap();
    }
    assert_eq!(locks.add([9; 12], A, OPEN), Err(Status::SERVERFAULT));

    let mut locks = of_two();
    lock(&mut locks, 1, read(0, 0)).unwrap();
    for at in (2..).step_by(2).take(limits::LOCK_RANGES_PER_FILE - Ranges::GROWTH) {
        lock(&mut locks, 1, read(at, at)).unwrap();
    }
    assert_eq!(lock(&mut locks, 1, read(1, 1)), Err(Status::SERVERFAULT.into()));
    let unlock = |locks: &mut Locks, first, last| locks.unlock(&[1; 12], ByteRange { first, last });
    assert_eq!(unlock(&mut locks, 8, 8), Ok(-1), "who gives up is not held up");
    lock(&mut locks, 1, read(8, 8)).unwrap();
    assert_eq!(locks.remove(&[1; 12]).ranges, limits::LOCK_RANGES_PER_FILE - 1);
    locks.add([1; 12], A, OPEN).unwrap();
    lock(&mut locks, 1, write(0, u64::MAX)).unwrap();
    for at in (1..).step_by(2).take(limits::LOCK_RANGES_PER_FILE_SPLIT - 1) {
        assert_eq!(unlock(&mut locks, at, at), Ok(1));
    }
    assert_eq!(unlock(&mut locks, 1 << 40, 1 << 40), Err(Status::SERVERFAULT));
    assert_eq!(unlock(&mut locks, 0, u64::MAX), Ok(-(limits::LOCK_RANGES_PER_FILE_SPLIT as isize)));
    assert_eq!(lock(&mut locks, 2, write(0, u64::MAX)), Ok(1));
}

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// 0 to 14, then the last byte there can be: all from 15 on is one place.
const PLACES: usize = 16;
const OWNERS: usize = 4;

fn place_range(from: usize, to: usize) -> ByteRange {
    let last = if to == PLACES - 1 { u64::MAX } else { to as u64 };
    ByteRange { first: from as u64, last }
}

/// Who holds each place, and how.
type Model = [[Option<LockKind>; PLACES]; OWNERS];

fn is_free(model: &Model, owner: usize, (from, to): (usize, usize), kind: LockKind) -> bool {
    let others = model.iter().enumerate().filter(|(other, _)| *other != owner);
    let in_the_way = |held: &Option<LockKind>| held.is_some_and(|held| held.conflicts(kind));
    !others.flat_map(|(_, places)| &places[from..=to]).any(in_the_way)
}

/// How each place is held at the most.
fn strongest(model: &Model) -> Vec<Option<LockKind>> {
    let of = |place| {
        let held = || model.iter().filter_map(|places: &[_; PLACES]| places[place]);
        held().find(|kind| *kind == LockKind::Write).or_else(|| held().next())
    };
    (0..PLACES).map(of).collect()
}

/// The union as a map of places, whose segments must follow each other.
fn union(locks: &Locks, (from, to): (usize, usize)) -> Vec<Option<LockKind>> {
    let (mut places, wanted) = (Vec::new(), place_range(from, to));
    let (mut next, segments) = (Some(wanted.first), locks.union(wanted));
    for Segment { range, kind } in &segments {
        assert_eq!(next, Some(range.first));
        next = range.last.checked_add(1);
        let last = range.last.min(PLACES as u64 - 1);
        places.extend((range.first..=last).map(|_| *kind));
    }
    assert_eq!(segments.last().map(|last| last.range.last), Some(wanted.last));
    places
}

#[test]
fn what_ended_is_told_by_a_range_around_it() {
    let mut locks = of_two();
    lock(&mut locks, 1, write(10, 19)).unwrap();
    lock(&mut locks, 1, read(30, u64::MAX)).unwrap();
    lock(&mut locks, 2, read(0, 4)).unwrap();
    let (one, other) = (locks.remove(&[1; 12]), locks.remove(&[2; 12]));
    let hull = |first, last| Some(ByteRange { first, last });
    assert_eq!((one.ranges, one.hull), (2, hull(10, u64::MAX)));
    assert_eq!((one.and(other).ranges, one.and(other).hull), (3, hull(0, u64::MAX)));
    assert_eq!(other.and(GivenUp::default()), other);
    assert_eq!(GivenUp::default().and(other), other);
    assert_eq!(locks.remove(&[1; 12]), GivenUp::default());
}

#[test]
fn locks_of_several_owners_are_as_a_map_of_bytes_says() {
    for first_seed in [1, 2, 3, 0x5eed, 0xdead_beef, 0x0123_4567_89ab_cdef] {
        let (mut seed, mut locks, mut model) = (first_seed, Locks::default(), Model::default());
        let names: Vec<[u8; 1]> = (0..OWNERS as u8).map(|n| [n]).collect();
        for (n, owner) in names.iter().enumerate() {
            locks.add([n as u8; 12], LockerId { client: ClientId(1), owner }, OPEN).unwrap();
        }
        let (mut granted, mut refused) = (0, 0);
        for _ in 0..4000 {
            let (a, b) = (random(&mut seed) as usize, random(&mut seed) as usize);
            let (from, to) = ((a % PLACES).min(b % PLACES), (a % PLACES).max(b % PLACES));
            let owner = random(&mut seed) as usize % OWNERS;
            let (range, name) = (place_range(from, to), owner as u8);
            let kind = if random(&mut seed) & 1 == 0 { LockKind::Read } else { LockKind::Write };
            assert_eq!(union(&locks, (from, to)), strongest(&model)[from..=to], "{first_seed:#x}");
            if random(&mut seed).is_multiple_of(3) {
                locks.unlock(&[name; 12], range).unwrap();
                model[owner][from..=to].fill(None);
                continue;
            }
            let got = lock(&mut locks, name, HeldRange { range, kind });
            assert_eq!(got.is_ok(), is_free(&model, owner, (from, to), kind), "{first_seed:#x}");
            if got.is_ok() {
                model[owner][from..=to].fill(Some(kind));
                granted += 1;
            } else {
                refused += 1;
            }
        }
        assert!(granted > 100 && refused > 100, "both happen: {granted}, {refused}");
        let left = model.iter().flatten().flatten().count();
        assert!(locks.ranges <= left && (locks.ranges == 0) == (left == 0));
        (0..OWNERS as u8).for_each(|name| {
            locks.remove(&[name; 12]);
        });
        assert_eq!((locks.ranges, locks.is_empty()), (0, true));
    }
}
