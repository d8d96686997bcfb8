use super::*;

const FILE: FileKind = FileKind::Regular;

fn identity(ino: u64) -> Identity {
    Identity { volume: 0, ino, stamp: ino }
}

fn bounded(most: usize) -> Table {
    let index = None;
    let table = Table { inner: Mutex::new(Inner::new(most, None)), index };
    table.identify(identity(2), Table::NOWHERE, b"", FileKind::Directory);
    table
}

#[test]
fn an_inode_used_again_has_another_number() {
    let root = Identity { volume: 1, ino: 2, stamp: 0 };
    let table = Table::new(root);
    let first = Identity { volume: 1, ino: 3, stamp: 1 };
    let id = table.identify(first, Table::ROOT, b"a", FILE);
    assert_eq!(table.identify(first, Table::ROOT, b"b", FILE), id);
    assert_eq!(&*table.entry(id).unwrap().1.name, b"b");
    // Who does not know where it is does not say so.
    table.identify(first, Table::NOWHERE, b"", FILE);
    assert_eq!(&*table.entry(id).unwrap().1.name, b"b");
    let later = Identity { stamp: 2, ..first };
    assert_ne!(table.identify(later, Table::ROOT, b"a", FILE), id);
    assert!(table.entry(id).is_none());
    assert_eq!(table.identify(root, 9, b"x", FileKind::Directory), Table::ROOT);
}

#[test]
fn a_full_table_forgets_files_first_and_what_was_not_asked_for() {
    let table = bounded(100);
    let dirs: Vec<u64> = (10..30)
        .map(identity)
        .collect::<Vec<_>>()
        .into_iter()
        .map(|it| table.identify(it, Table::ROOT, b"d", FileKind::Directory))
        .collect();
    let asked = table.identify(identity(99), Table::ROOT, b"asked", FILE);
    for ino in 100..10_000 {
        table.identify(identity(ino), Table::ROOT, b"f", FILE);
        assert!(table.entry(asked).is_some(), "{ino}");
        assert!(table.len() <= 100);
    }
    assert!(dirs.iter().all(|id| table.entry(*id).is_some()));
    assert!(table.known(identity(101)).is_none() && table.known(identity(9_999)).is_some());
    assert!(table.entry(Table::ROOT).is_some());
}

#[test]
fn directories_alone_do_not_fill_it() {
    let table = bounded(100);
    for ino in 100..1_000 {
        table.identify(identity(ino), Table::ROOT, b"d", FileKind::Directory);
    }
    for ino in 2_000..2_025 {
        table.identify(identity(ino), Table::ROOT, b"f", FILE);
    }
    assert_eq!(table.len(), 100);
    assert!((2_000..2_025).all(|ino| table.known(identity(ino)).is_some()));
}

#[test]
fn a_new_entry_stays_where_all_others_are_in_use() {
    let table = bounded(100);
    let ids: Vec<u64> =
        (100..199).map(|ino| table.identify(identity(ino), Table::ROOT, b"f", FILE)).collect();
    for ino in 200..300 {
        ids.iter().for_each(|id| drop(table.entry(*id)));
        let id = table.identify(identity(ino), Table::ROOT, b"f", FILE);
        assert!(table.entry(id).is_some(), "{ino}");
    }
}

#[test]
fn what_comes_and_goes_leaves_nothing() {
    let table = bounded(1 << 20);
    for ino in 100..10_000 {
        let id = table.identify(identity(ino), Table::ROOT, b"f", FILE);
        table.forget(id);
    }
    let inner = table.lock();
    assert!(inner.entries.len() == 1 && inner.inodes.len() == 1 && inner.files.len() < 100);
    assert_eq!(inner.live, record::size(b""));
}
