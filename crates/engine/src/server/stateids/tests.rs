use super::*;

const CLIENT: ClientId = ClientId(5);
const OTHER: ClientId = ClientId(6);
const TAG: [u8; 4] = [1, 2, 3, 4];

fn open() -> OpenState<u32> {
    open_of(CLIENT)
}

fn open_of(client: ClientId) -> OpenState<u32> {
    OpenState::new(client, FileKey::empty(), Share::READ, Share::NONE, 9)
}

fn status<T>(result: Result<T, Status>) -> Status {
    result.err().unwrap_or(Status::OK)
}

#[test]
fn a_state_id_is_good_until_it_changes_and_bad_after_it_is_removed() {
    let mut states = States::new(TAG, 3, 10);
    let first = states.insert(open()).unwrap();
    assert!(states.get(CLIENT, &first).is_ok());
    let second = states.changed(CLIENT, first.other).unwrap();
    assert_eq!((second.other, second.seqid), (first.other, 2));
    assert_eq!(status(states.get(CLIENT, &first)), Status::OLD_STATEID);
    assert!(states.get(CLIENT, &second).is_ok());
    assert!(states.get(CLIENT, &Stateid { seqid: 0, ..first }).is_ok(), "zero is the newest");
    let future = Stateid { seqid: 3, ..first };
    assert_eq!(status(states.get(CLIENT, &future)), Status::BAD_STATEID);
    assert_eq!(status(states.get(OTHER, &second)), Status::BAD_STATEID);
    assert!(states.remove(CLIENT, second.other).is_ok());
    states.insert(open()).unwrap();
    assert_eq!(status(states.get(CLIENT, &second)), Status::BAD_STATEID);
}

#[test]
fn a_state_id_of_another_instance_is_stale_and_one_of_another_shard_is_bad() {
    let mut states = States::new(TAG, 3, 10);
    let stateid = states.insert(open()).unwrap();
    let mut foreign = stateid;
    foreign.other[0] ^= 1;
    assert_eq!(status(states.get(CLIENT, &foreign)), Status::STALE_STATEID);
    let mut misplaced = stateid;
    misplaced.other[4] ^= 1;
    assert_eq!(status(states.get(CLIENT, &misplaced)), Status::BAD_STATEID);
    assert_eq!(states.test(CLIENT, &foreign), Status::BAD_STATEID, "there is no other word");
    assert_eq!(states.test(CLIENT, &stateid), Status::OK);
}

#[test]
fn numbers_begin_again_at_one() {
    let mut states = States::new(TAG, 0, 10);
    let first = states.insert(open()).unwrap();
    states.entry(CLIENT, &first.other).unwrap().seqid = u32::MAX - 1;
    let with = |seqid| Stateid { seqid, ..first };
    let get = |states: &States<u32>, seqid| status(states.get(CLIENT, &with(seqid)));
    assert_eq!(get(&states, 1), Status::BAD_STATEID, "it is yet to come");
    assert_eq!(states.changed(CLIENT, first.other), Ok(with(u32::MAX)));
    assert_eq!(states.changed(CLIENT, first.other), Ok(with(1)));
    assert_eq!(get(&states, 1), Status::OK);
    assert_eq!(get(&states, u32::MAX), Status::OLD_STATEID);
    assert_eq!(get(&states, u32::MAX / 2), Status::BAD_STATEID);
    assert_eq!(get(&states, 2), Status::BAD_STATEID);
}

#[test]
fn a_full_table_delays_and_a_client_leaves_nothing() {
    let mut states = States::new(TAG, 0, 2);
    states.insert(open()).unwrap();
    states.insert(open_of(OTHER)).unwrap();
    assert_eq!(states.insert(open()).unwrap_err(), Status::DELAY);
    assert_eq!(states.check_room_for_open(CLIENT), Err(Status::DELAY));
    assert_eq!(states.remove_client(CLIENT).len(), 1);
    assert!(!states.has_client(CLIENT) && states.has_client(OTHER));
    assert!(states.remove_client(CLIENT).is_empty());
    assert_eq!(states.check_room_for_open(CLIENT), Ok(()));
}

#[test]
fn locks_stand_for_the_open_beneath_them_and_for_no_open() {
    let mut states = States::new(TAG, 0, 10);
    let (file, other) = (FileKey::empty(), FileKey::new(b"other").unwrap());
    let open = states.insert(open()).unwrap();
    let lock = LockState { client: CLIENT, file, open: open.other };
    let name = states.insert_lock(lock).unwrap();
    assert!(states.is_untold(CLIENT, &name));
    let first = states.changed(CLIENT, name).unwrap();
    assert_eq!((first.seqid, states.is_untold(CLIENT, &name)), (1, false));
    let (beneath, under) = states.beneath(CLIENT, &file, &first).unwrap();
    assert_eq!((beneath.files, under), (9, open.other));
    assert_eq!(status(states.open(CLIENT, &file, &first)), Status::BAD_STATEID);
    assert_eq!(status(states.lock(CLIENT, &file, &open)), Status::BAD_STATEID);
    assert_eq!(status(states.lock(CLIENT, &other, &first)), Status::BAD_STATEID);
    assert_eq!(states.lock(CLIENT, &file, &first), Ok(&lock));
    assert_eq!(states.update(CLIENT, name, |_| Ok(())), Err(Status::BAD_STATEID));
    states.remove(CLIENT, open.other).unwrap();
    assert!(states.has_client(CLIENT), "the lock state is one");
    states.remove(CLIENT, name).unwrap();
    assert!(!states.has_client(CLIENT) && states.is_empty());
}

#[test]
fn a_client_has_so_many_lock_states_and_ranges_and_no_more() {
    let mut states = States::new(TAG, 0, usize::MAX);
    let open = states.insert(open()).unwrap().other;
    let lock = LockState { client: CLIENT, file: FileKey::empty(), open };
    for _ in 0..limits::LOCK_STATES_PER_CLIENT {
        states.insert_lock(lock).unwrap();
    }
    assert_eq!(states.insert_lock(lock), Err(Status::SERVERFAULT));
    assert!(states.insert(self::open()).is_ok(), "opens are counted apart");
    states.count_ranges(CLIENT, limits::LOCK_RANGES_PER_CLIENT as isize - 1);
    assert_eq!(states.check_room_for_ranges(CLIENT), Ok(()));
    states.count_ranges(CLIENT, 1);
    assert_eq!(states.check_room_for_ranges(CLIENT), Err(Status::SERVERFAULT));
    assert_eq!(states.check_room_for_ranges(OTHER), Ok(()));
    states.count_ranges(CLIENT, -1);
    assert_eq!(states.check_room_for_ranges(CLIENT), Ok(()));
    let rest = limits::LOCK_RANGES_PER_SHARD - limits::LOCK_RANGES_PER_CLIENT + 1;
    states.count_ranges(CLIENT, rest as isize);
    assert_eq!(states.check_room_for_ranges(OTHER), Err(Status::SERVERFAULT), "all together");
}
