use super::*;

const fn request(slot: u32, seqid: u32) -> Request {
    let principal = Principal::Sys { uid: 1, gid: 1 };
    Request { slot, seqid, highest_slot: slot, cache_this: true, operations: 2, principal }
}

fn execute(table: &mut SlotTable, slot: u32, seqid: u32) -> Claim {
    match table.admit(&request(slot, seqid), Memory::Scarce) {
        Ok(Admit::Execute(claim)) => claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_request_is_executed_once_and_its_reply_given_again() {
    let mut table = SlotTable::new(2, 2);
    let claim = execute(&mut table, 0, 1);
    assert_eq!(table.admit(&request(0, 1), Memory::Scarce), Ok(Admit::InProgress));
    assert!(table.complete(claim, Some(b"reply")));
    assert_eq!(table.admit(&request(0, 1), Memory::Scarce), Ok(Admit::Replay(b"reply")));
    assert!(!table.complete(claim, Some(b"twice")), "a claim is given back once");
    assert_eq!(table.admit(&request(0, 1), Memory::Scarce), Ok(Admit::Replay(b"reply")));
    let next = execute(&mut table, 0, 2);
    assert!(table.complete(next, None));
    assert_eq!(table.admit(&request(0, 2), Memory::Scarce), Ok(Admit::Uncached));
    assert_eq!(table.busy(), 0);
}

#[test]
fn other_numbers_are_misordered_also_on_a_new_slot() {
    let mut table = SlotTable::new(2, 2);
    for seqid in [0, 2, u32::MAX] {
        assert_eq!(table.admit(&request(1, seqid), Memory::Scarce), Err(Status::SEQ_MISORDERED));
    }
    let claim = execute(&mut table, 1, 1);
    assert_eq!(
        table.admit(&request(1, 2), Memory::Scarce),
        Err(Status::SEQ_MISORDERED),
        "1 is in progress"
    );
    table.complete(claim, None);
    assert_eq!(table.admit(&request(1, 3), Memory::Scarce), Err(Status::SEQ_MISORDERED));
}

#[test]
fn numbers_wrap_around() {
    let mut table = SlotTable::new(1, 1);
    table.admit(&request(0, 0), Memory::Scarce).unwrap_err();
    run(&mut table, 0, 1, 0);
    table.slots[0].seqid = u32::MAX;
    let claim = execute(&mut table, 0, 0);
    assert!(table.complete(claim, None));
    execute(&mut table, 0, 1);
}

#[test]
fn a_retry_that_is_another_request_is_refused() {
    let mut table = SlotTable::new(1, 1);
    let claim = execute(&mut table, 0, 1);
    table.complete(claim, Some(b"secret"));
    let same = request(0, 1);
    let other = Principal::Sys { uid: 2, gid: 1 };
    for request in [
        Request { principal: other, ..same },
        Request { operations: 3, ..same },
        Request { cache_this: false, ..same },
    ] {
        assert_eq!(table.admit(&request, Memory::Scarce), Err(Status::SEQ_FALSE_RETRY));
    }
}

#[test]
fn slots_beyond_the_table_are_refused() {
    let mut table = SlotTable::new(2, 2);
    assert_eq!(table.admit(&request(2, 1), Memory::Scarce), Err(Status::BADSLOT));
    let high = Request { highest_slot: 2, ..request(0, 1) };
    assert_eq!(table.admit(&high, Memory::Scarce), Err(Status::BAD_HIGH_SLOT));
    assert_eq!(table.busy(), 0);
}

/// Runs a request to its end, keeping a reply of 100 bytes.
fn run(table: &mut SlotTable, slot: u32, seqid: u32, highest_slot: u32) {
    match table.admit(&Request { highest_slot, ..request(slot, seqid) }, Memory::Scarce) {
        Ok(Admit::Execute(claim)) => assert!(table.complete(claim, Some(&[7; 100]))),
        other => panic!("{other:?}"),
    }
}

const fn offer(size: u32, target: u32) -> Offer {
    Offer { size, target }
}

#[test]
fn a_table_whose_last_slot_is_used_grows_up_to_what_was_asked_for() {
    let mut table = SlotTable::new(10, 14);
    table.grow(8);
    assert_eq!(table.offer(), offer(10, 10), "there is a slot that is not used");
    table.grow(9);
    assert_eq!(table.offer(), offer(12, 12));
    table.grow(11);
    assert_eq!(table.offer(), offer(14, 14));
    table.grow(13);
    assert_eq!(table.offer(), offer(14, 14));
    let mut one = SlotTable::new(1, 3);
    assert!(matches!(one.admit(&request(0, 1), Memory::Scarce), Ok(Admit::Execute(_))));
    assert_eq!(one.offer(), offer(1, 1));
    let mut one = SlotTable::new(1, 3);
    assert!(matches!(one.admit(&request(0, 1), Memory::Plentiful), Ok(Admit::Execute(_))));
    assert_eq!(one.offer(), offer(2, 2), "at least one is added");
}

#[test]
fn without_memory_only_the_first_slot_keeps_replies() {
    let mut table = SlotTable::new(2, 2);
    run(&mut table, 1, 1, 1);
    let full = |table: &mut SlotTable, request| match table.admit(&request, Memory::Full) {
        Ok(Admit::Execute(claim)) => Ok(table.complete(claim, None)),
        Ok(other) => panic!("{other:?}"),
        Err(status) => Err(status),
    };
    assert_eq!(full(&mut table, request(1, 2)), Err(Status::DELAY));
    let again = table.admit(&request(1, 1), Memory::Full);
    assert_eq!(again, Ok(Admit::Replay(&[7; 100])), "what was kept is given again");
    assert_eq!(full(&mut table, Request { cache_this: false, ..request(1, 2) }), Ok(true));
    assert_eq!(full(&mut table, request(0, 1)), Ok(true));
}

#[test]
fn slots_go_when_the_requester_was_told_and_follows() {
    let mut table = SlotTable::new(4, 4);
    (0..4).for_each(|slot| run(&mut table, slot, 1, 3));
    let full = table.bytes();
    table.shrink();
    assert_eq!(table.offer(), offer(4, 2));
    run(&mut table, 0, 2, 1);
    assert_eq!(table.offer(), offer(4, 2), "it sent that before it could know");
    run(&mut table, 0, 3, 2);
    assert_eq!(table.offer(), offer(4, 2), "it still uses slot 2");
    run(&mut table, 1, 2, 1);
    assert_eq!(table.offer(), offer(4, 2), "in slot 1 it has not been told");
    let busy = execute(&mut table, 3, 2);
    run(&mut table, 0, 4, 1);
    assert_eq!(table.offer(), offer(4, 2), "slot 3 is in use");
    table.complete(busy, None);
    run(&mut table, 0, 5, 1);
    assert_eq!(table.offer(), offer(2, 2));
    assert!(table.bytes() < full, "the replies kept above are gone");
    assert_eq!(table.admit(&request(2, 2), Memory::Scarce), Err(Status::BADSLOT));
    assert_eq!(
        table.admit(&Request { highest_slot: 2, ..request(0, 6) }, Memory::Scarce),
        Err(Status::BAD_HIGH_SLOT)
    );
    (0..5).for_each(|_| table.shrink());
    assert_eq!(table.offer(), offer(2, 1), "there is always one");
    table.relax();
    assert_eq!(table.offer(), offer(2, 2));
    run(&mut table, 0, 6, 0);
    assert_eq!(table.offer(), offer(2, 2), "nothing is asked back any more");
}

#[test]
fn a_slot_that_comes_back_counts_on_or_begins_anew() {
    for next in [1, 4] {
        let mut table = SlotTable::new(2, 2);
        (1..=3).for_each(|seqid| run(&mut table, 1, seqid, 1));
        run(&mut table, 0, 1, 1);
        table.shrink();
        run(&mut table, 0, 2, 0);
        run(&mut table, 0, 3, 0);
        assert_eq!(table.offer(), offer(1, 1));
        table.grow(0);
        assert_eq!(
            table.admit(&request(1, 3), Memory::Scarce),
            Ok(Admit::Uncached),
            "it never runs again"
        );
        assert_eq!(table.admit(&request(1, 2), Memory::Scarce), Err(Status::SEQ_MISORDERED));
        run(&mut table, 1, next, 1);
        assert_eq!(table.admit(&request(1, next), Memory::Scarce), Ok(Admit::Replay(&[7; 100])));
        if next != 1 {
            assert_eq!(table.admit(&request(1, 1), Memory::Scarce), Err(Status::SEQ_MISORDERED));
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_replies_kept() {
    let mut table = SlotTable::new(8, 8);
    assert_eq!(table.bytes(), 0);
    run(&mut table, 0, 1, 0);
    let one = table.bytes();
    assert!(one >= 100);
    run(&mut table, 0, 2, 0);
    assert_eq!(table.bytes(), one, "the memory is used again");
}
