use super::*;
use crate::checkers::testing::verdicts;

fn asked(client: u32, cells: Range<usize>, kind: Kind, sent: u64) -> Asked {
    let (file, owner) = (("s0".into(), b"h".to_vec()), vec![client as u8]);
    Asked { file, locker: (client, owner), cells, kind, sent }
}

fn said(history: impl FnOnce(&Locks)) -> usize {
    let make = |journal: Journal| {
        let shares = Arc::new(Shares::new(journal.clone()));
        (1..4).for_each(|client| shares.renewed(client, 100));
        Locks::new(journal, shares)
    };
    verdicts(make, history).len()
}

fn take(locks: &Locks, asked: &Asked, now: u64) {
    locks.locking(asked);
    locks.granted(asked, 1, now);
}

#[test]
fn ranges_are_cells_and_the_rest_is_one() {
    assert_eq!(cells(0, 16), Some(0..16));
    assert_eq!(cells(3, u64::MAX), Some(3..17));
    assert_eq!(cells(16, u64::MAX), Some(16..17));
    assert_eq!(cells(1, 16), None);
    assert_eq!(cells(17, u64::MAX), None);
    assert_eq!(cells(2, 0), None);
}

#[test]
fn what_is_held_alike_is_one_range() {
    let mut bytes = [None; CELLS];
    bytes[0] = Some(Kind::Read);
    bytes[2..4].fill(Some(Kind::Read));
    bytes[4..17].fill(Some(Kind::Write));
    let runs = runs(&bytes);
    assert_eq!(runs, [(0..1, Kind::Read), (2..4, Kind::Read), (4..17, Kind::Write)]);
    let all = |cells: &Range<usize>| {
        let (offset, length) = range_of(cells);
        super::cells(offset, length)
    };
    assert!(runs.iter().all(|(cells, _)| all(cells).as_ref() == Some(cells)));
}

#[test]
fn nobody_is_denied_what_a_silent_client_held() {
    let way = InTheWay { owner: vec![1], cells: Some(2..6), kind: Kind::Write };
    let denied = |heard, patience| {
        said(|locks| {
            take(locks, &asked(1, 2..6, Kind::Write, 1), 2);
            locks.heard(1, heard);
            locks.denied(&asked(2, 3..9, Kind::Read, 50), &way, patience);
        })
    };
    assert_eq!(denied(20, Some(30)), 0);
    assert_eq!(denied(19, Some(30)), 1);
    assert_eq!(denied(19, None), 0);
}

#[test]
fn what_excludes_each_other_is_not_granted_together() {
    let (first, second) = (asked(1, 2..6, Kind::Write, 1), asked(2, 5..9, Kind::Read, 3));
    let both = |between: &dyn Fn(&Locks)| {
        said(|locks| {
            take(locks, &first, 2);
            between(locks);
            take(locks, &second, 4);
        })
    };
    assert_eq!(both(&|_| {}), 1);
    assert_eq!(both(&|locks| locks.unlocking(&asked(1, 5..6, Kind::Write, 3))), 0);
    assert_eq!(both(&|locks| locks.unlocking(&asked(1, 2..5, Kind::Write, 3))), 1);
    assert_eq!(both(&|locks| locks.locking(&asked(1, 2..6, Kind::Read, 3))), 0);
    assert_eq!(both(&|locks| locks.lost(1)), 0);
    assert_eq!(both(&|locks| locks.shares.lease_begins(1, 4)), 0, "its lease may be over");
}

#[test]
fn a_restart_ends_locks_and_readers_meet() {
    let first = asked(1, 0..17, Kind::Write, 1);
    let other_instance = |locks: &Locks| {
        take(locks, &first, 2);
        locks.granted(&asked(2, 0..17, Kind::Write, 3), 2, 4);
    };
    assert_eq!(said(other_instance), 0);
    let readers = |locks: &Locks| {
        take(locks, &asked(1, 0..17, Kind::Read, 1), 2);
        take(locks, &asked(2, 0..17, Kind::Read, 3), 4);
    };
    assert_eq!(said(readers), 0);
}

#[test]
fn a_test_finds_what_was_held_before_it_was_sent() {
    let tested = |sent| {
        said(|locks| {
            take(locks, &asked(1, 0..4, Kind::Write, 1), 5);
            locks.free(&asked(2, 3..17, Kind::Read, sent), 1, 9);
        })
    };
    assert_eq!(tested(6), 1);
    assert_eq!(tested(4), 0);
}

#[test]
fn a_refusal_has_a_reason() {
    let wish = asked(2, 3..9, Kind::Write, 7);
    let because = |cells, kind, history: &dyn Fn(&Locks)| {
        let way = InTheWay { owner: vec![1], cells, kind };
        said(|locks| {
            history(locks);
            locks.denied(&wish, &way, None);
        })
    };
    let mine = asked(1, 2..6, Kind::Read, 1);
    let held = |locks: &Locks| take(locks, &mine, 2);
    assert_eq!(because(Some(2..6), Kind::Read, &held), 0);
    assert_eq!(because(Some(2..6), Kind::Write, &held), 1, "of another kind");
    assert_eq!(because(Some(2..7), Kind::Read, &held), 1, "more than is held");
    assert_eq!(because(Some(2..3), Kind::Read, &held), 1, "not in the way");
    assert_eq!(because(None, Kind::Read, &held), 1);
    assert_eq!(because(Some(2..6), Kind::Read, &|_| {}), 1, "nobody asked");
    let undecided = |locks: &Locks| locks.locking(&mine);
    assert_eq!(because(Some(2..6), Kind::Read, &undecided), 0);
    let refused = |locks: &Locks| {
        locks.locking(&mine);
        locks.refused(&mine, &[None; CELLS], 5);
    };
    assert_eq!(because(Some(2..6), Kind::Read, &refused), 1);
    let gone_at = |at| {
        because(Some(2..6), Kind::Read, &move |locks: &Locks| {
            take(locks, &asked(1, 2..6, Kind::Read, 1), 2);
            locks.unlocked(&asked(1, 2..6, Kind::Read, 1), at);
        })
    };
    assert_eq!(gone_at(6), 1, "gone before it was asked for");
    assert_eq!(gone_at(8), 0);
}
