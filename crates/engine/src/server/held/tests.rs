use super::*;
use crate::Seed;

const A: ClientId = ClientId(1);
const B: ClientId = ClientId(2);
const ALL: ByteRange = ByteRange { first: 0, last: u64::MAX };

/// What is open under a state here: how often.
type Count = u32;

struct Table {
    files: Files,
    states: States<Count>,
    file: FileKey,
}

impl Table {
    fn new() -> Self {
        let (files, states) = (Files::new(Seed::new([7; 16])), States::new([1; 4], 0, 100));
        Self { files, states, file: FileKey::new(b"file").unwrap() }
    }

    fn held(&mut self) -> Held<'_, Count> {
        Held { files: &mut self.files, states: &mut self.states }
    }

    fn open(&mut self, client: ClientId, owner: &[u8], access: Share, deny: Share) -> Stateid {
        let (file, opener) = (self.file, OpenerId { client, owner });
        let ticket = self.files.begin_open(&file, opener, access, deny).unwrap();
        let open = OpenState::new(client, file, access, deny, 1);
        self.held().commit_open(ticket, opener, open, |held, more| *held += more).unwrap()
    }

    fn begin(
        &mut self,
        client: ClientId,
        by: LockBy<'_>,
        range: ByteRange,
        kind: LockKind,
    ) -> Result<LockTicket, LockRefused> {
        let (file, wanted) = (self.file, HeldRange { range, kind });
        self.held().begin_lock(&file, &LockRequest { client, by, wanted })
    }

    fn lock(&mut self, client: ClientId, by: LockBy<'_>, kind: LockKind) -> Stateid {
        let (file, ticket) = (self.file, self.begin(client, by, ALL, kind).unwrap());
        self.held().commit_lock(&file, ticket).unwrap()
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.states.is_empty() && !self.states.has_client(A)
    }
}

#[test]
fn a_lock_goes_with_its_open() {
    let mut table = Table::new();
    let (open, file) = (table.open(A, b"o", Share::BOTH, Share::NONE), table.file);
    let other = table.open(B, b"o", Share::BOTH, Share::NONE);
    let lock = table.lock(A, LockBy::Open(open, b"l"), LockKind::Write);
    assert_eq!(lock.seqid, 1);
    let again = table.lock(A, LockBy::Open(open, b"l"), LockKind::Write);
    assert_eq!((again.other, again.seqid), (lock.other, 2), "it is one state");
    let by = LockBy::Open(other, b"l");
    assert!(matches!(table.begin(B, by, ALL, LockKind::Read), Err(LockRefused::Denied(_))));
    assert_eq!(table.states.len(), 3, "a refused lock leaves no state");
    table.held().close(A, &file, &open).unwrap();
    assert_eq!(table.states.test(A, &again), Status::BAD_STATEID);
    let lock = table.lock(B, by, LockKind::Read);
    table.held().unlock(B, &file, &lock, ALL).unwrap();
    let newest = Stateid { seqid: 0, ..lock };
    table.held().free_lock(B, &file, &newest).unwrap();
    table.held().close(B, &file, &other).unwrap();
    assert!(table.is_empty() && !table.states.has_client(B));
}

#[test]
fn one_owner_has_a_state_under_each_open_and_is_not_in_its_own_way() {
    let mut table = Table::new();
    let (first, file) = (table.open(A, b"1", Share::BOTH, Share::NONE), table.file);
    let second = table.open(A, b"2", Share::BOTH, Share::NONE);
    let under_first = table.lock(A, LockBy::Open(first, b"l"), LockKind::Write);
    let under_second = table.lock(A, LockBy::Open(second, b"l"), LockKind::Write);
    assert_ne!(under_first.other, under_second.other);
    table.held().close(A, &file, &first).unwrap();
    assert_eq!(table.states.test(A, &under_second), Status::OK);
    table.held().close(A, &file, &second).unwrap();
    assert!(table.is_empty());
}

#[test]
fn a_lock_needs_an_open_for_what_it_is_for() {
    let mut table = Table::new();
    let reading = table.open(A, b"r", Share::READ, Share::NONE);
    let writing = table.open(A, b"w", Share::WRITE, Share::NONE);
    let refused = Err(LockRefused::Status(Status::OPENMODE));
    let by = LockBy::Open(reading, b"l");
    assert_eq!(table.begin(A, by, ALL, LockKind::Write), refused);
    assert!(table.begin(A, by, ALL, LockKind::Read).is_ok());
    let by = LockBy::Open(writing, b"l");
    assert_eq!(table.begin(A, by, ALL, LockKind::Read), refused);
    assert!(table.begin(A, by, ALL, LockKind::Write).is_ok());
}

#[test]
fn a_cancelled_first_lock_leaves_no_state_and_a_later_one_leaves_what_was() {
    let mut table = Table::new();
    let (open, file) = (table.open(A, b"o", Share::BOTH, Share::NONE), table.file);
    let by = LockBy::Open(open, b"l");
    let low = ByteRange { first: 0, last: 9 };
    let first = table.begin(A, by, low, LockKind::Write).unwrap();
    let high = ByteRange { first: 10, last: 19 };
    let second = table.begin(A, by, high, LockKind::Write).unwrap();
    let deciding = Err(LockRefused::Status(Status::DELAY));
    assert_eq!(table.begin(A, by, ALL, LockKind::Read), deciding);
    table.held().cancel_lock(&file, first);
    assert_eq!(table.states.len(), 2, "another lock of this owner is under way");
    table.held().cancel_lock(&file, second);
    assert_eq!(table.states.len(), 1);
    let lock = table.lock(A, by, LockKind::Write);
    let more = table.begin(A, LockBy::Locks(lock), ALL, LockKind::Read).unwrap();
    table.held().cancel_lock(&file, more);
    assert_eq!(table.states.test(A, &lock), Status::OK);
    assert_eq!(table.held().free_lock(A, &file, &lock), Err(Status::LOCKS_HELD));
}

#[test]
fn a_lock_whose_open_is_closed_meanwhile_is_not_granted() {
    let mut table = Table::new();
    let (open, file) = (table.open(A, b"o", Share::BOTH, Share::NONE), table.file);
    let ticket = table.begin(A, LockBy::Open(open, b"l"), ALL, LockKind::Write).unwrap();
    table.held().close(A, &file, &open).unwrap();
    assert_eq!(table.held().commit_lock(&file, ticket), Err(Status::BAD_STATEID));
    table.held().cancel_lock(&file, ticket);
    assert!(table.is_empty());
}

#[test]
fn a_client_takes_its_locks_along() {
    let mut table = Table::new();
    let (open, file) = (table.open(A, b"o", Share::BOTH, Share::NONE), table.file);
    table.lock(A, LockBy::Open(open, b"l"), LockKind::Write);
    let other = table.open(B, b"o", Share::BOTH, Share::NONE);
    for (name, state) in table.states.remove_client(A) {
        assert_eq!(*state.file(), file);
        table.files.forget(&file, name);
    }
    let by = LockBy::Open(other, b"l");
    assert!(table.begin(B, by, ALL, LockKind::Write).is_ok());
}

#[test]
fn two_opens_of_an_owner_are_one_and_go_back_to_either() {
    let mut table = Table::new();
    let (first, file) = (table.open(A, b"o", Share::READ, Share::WRITE), table.file);
    let both = table.open(A, b"o", Share::WRITE, Share::NONE);
    assert_eq!((both.other, both.seqid), (first.other, 2));
    let open = table.states.open(A, &file, &both).unwrap();
    assert_eq!((open.access, open.deny, open.files), (Share::BOTH, Share::WRITE, 2));
    let mut down = |stateid, access, deny| {
        table.held().downgrade(A, &file, &stateid, (access, deny), |files| *files -= 1)
    };
    assert_eq!(down(first, Share::READ, Share::WRITE), Err(Status::OLD_STATEID));
    assert_eq!(down(both, Share::READ, Share::READ), Err(Status::INVAL));
    let read = down(both, Share::READ, Share::NONE).unwrap();
    assert_eq!(read.seqid, 3);
    assert_eq!(down(read, Share::BOTH, Share::NONE), Err(Status::INVAL), "that is given up");
    assert_eq!(down(read, Share::READ, Share::WRITE), Err(Status::INVAL));
    assert_eq!(table.files.check_io(&file, Share::WRITE, None), Ok(()));
}

#[test]
fn an_open_without_room_leaves_its_reservation_to_be_cancelled() {
    let mut table = Table::new();
    table.states = States::new([1; 4], 0, 0);
    let (file, opener) = (table.file, OpenerId { client: A, owner: b"o" });
    let ticket = table.files.begin_open(&file, opener, Share::READ, Share::NONE).unwrap();
    let open = || OpenState::new(A, file, Share::READ, Share::NONE, 1);
    let commit = |table: &mut Table| table.held().commit_open(ticket, opener, open(), |_, _| ());
    assert_eq!(commit(&mut table), Err(Status::DELAY));
    table.files.cancel_open(&file, ticket);
    assert_eq!(commit(&mut table), Err(Status::SERVERFAULT));
    assert!(table.is_empty());
}
