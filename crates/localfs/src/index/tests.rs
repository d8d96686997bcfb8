use std::fs;
use std::path::PathBuf;

use super::*;

const SEAL: Seal = Seal::new([3; 16], 5);
const FILE: FileKind = FileKind::Regular;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("holdfast-index-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn open(&self) -> Table {
        Index::open(&IndexOptions::new(self.log()), SEAL, identity(2))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn identity(ino: u64) -> Identity {
    Identity { volume: 0, ino, stamp: ino ^ 0xff }
}

fn close(table: Table) {
    table.index().unwrap().close(&table);
}

/// A log of 20 files.
fn filled(place: &Place) -> Vec<u8> {
    let table = place.open();
    for ino in 10..30 {
        table.identify(identity(ino), Table::ROOT, ino.to_string().as_bytes(), FILE);
    }
    close(table);
    fs::read(place.log()).unwrap()
}

fn known(table: &Table) -> usize {
    (10..30).filter(|ino| table.known(identity(*ino)).is_some()).count()
}

#[test]
fn what_was_seen_is_known_after_a_restart_by_the_same_number() {
    let place = Place::new("restart");
    let table = place.open();
    let dir = table.identify(identity(9), Table::ROOT, b"dir", FileKind::Directory);
    let file = table.identify(identity(10), dir, b"file", FILE);
    table.identify(identity(10), Table::ROOT, b"moved", FILE);
    let gone = table.identify(identity(11), dir, b"gone", FILE);
    table.forget(gone);
    close(table);
    let table = place.open();
    assert_eq!((table.known(identity(9)), table.known(identity(10))), (Some(dir), Some(file)));
    let (found, at) = table.entry(file).unwrap();
    assert_eq!((found, at.parent, &*at.name), (identity(10), Table::ROOT, &b"moved"[..]));
    assert_eq!(table.known(identity(11)), None);
    assert!(table.identify(identity(12), dir, b"new", FILE) > file);
}

#[test]
fn a_torn_tail_is_cut_and_what_is_before_it_is_kept() {
    let place = Place::new("torn");
    let whole = filled(&place);
    let one = record::size(b"10") as usize;
    for cut in 0..whole.len() {
        fs::write(place.log(), &whole[..cut]).unwrap();
        let table = place.open();
        let records = (cut.saturating_sub(record::HEADER)) / one;
        // The root's record is shorter than the others by the name.
        let most = (cut + 2).saturating_sub(record::HEADER) / one;
        assert!((records.saturating_sub(1)..=most.saturating_sub(1)).contains(&known(&table)));
        table.identify(identity(99), Table::ROOT, b"after", FILE);
        let before = known(&table);
        close(table);
        let table = place.open();
        assert!(known(&table) == before && table.known(identity(99)).is_some(), "{cut}");
        close(table);
    }
}

#[test]
fn flipped_bits_cost_what_is_behind_them_and_nothing_else() {
    let place = Place::new("flipped");
    let whole = filled(&place);
    let mut least = 20;
    for at in (0..whole.len()).rev() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(place.log(), &bytes).unwrap();
        let table = place.open();
        let left = known(&table);
        assert!(left <= least && left < 20, "{at}");
        least = left;
        assert_eq!(table.known(identity(2)), Some(Table::ROOT));
        close(table);
    }
}

#[test]
fn what_is_no_log_of_this_export_is_replaced() {
    let place = Place::new("foreign");
    let whole = filled(&place);
    let other_root = Index::open(&IndexOptions::new(place.log()), SEAL, identity(3));
    assert_eq!((known(&other_root), other_root.len()), (0, 1));
    close(other_root);
    fs::write(place.log(), &whole).unwrap();
    let options = IndexOptions::new(place.log());
    let other_export = Index::open(&options, Seal::new([3; 16], 6), identity(2));
    assert_eq!((known(&other_export), other_export.len()), (0, 1));
    close(other_export);
    for other in [&b""[..], b"holdfast index 1", &[0xa5; 1 << 16], &whole[..record::HEADER]] {
        fs::write(place.log(), other).unwrap();
        let table = place.open();
        assert_eq!(table.len(), 1);
        assert_eq!(table.index().unwrap().counts(&table).failures, 0);
        close(table);
        assert_eq!(filled(&place).len(), whole.len());
    }
}

#[test]
fn a_log_that_is_mostly_dead_is_written_anew() {
    let place = Place::new("compact");
    let whole = filled(&place).len() as u64;
    let table = place.open();
    let index = table.index().unwrap();
    for turn in 0..10_000_u32 {
        table.identify(identity(10), Table::ROOT, format!("{turn:05}").as_bytes(), FILE);
        index.flush(&table);
        index.compact_if_wasteful(&table);
        let bytes = index.counts(&table).log_bytes;
        assert!(bytes <= 2 * COMPACT_MIN + 100, "{bytes}");
    }
    // What is noted while the log is written anew is in the new one.
    table.identify(identity(50), Table::ROOT, b"noted", FILE);
    index.compact(&table).unwrap();
    table.identify(identity(51), Table::ROOT, b"after", FILE);
    close(table);
    let table = place.open();
    assert_eq!(known(&table), 20);
    let (_, at) = table.entry(table.known(identity(10)).unwrap()).unwrap();
    assert_eq!(&*at.name, b"09999");
    assert!(table.known(identity(50)).is_some() && table.known(identity(51)).is_some());
    let bytes = table.index().unwrap().counts(&table).log_bytes;
    assert!(bytes < whole + 1000, "{bytes}");
}

#[test]
fn a_log_that_cannot_be_opened_is_told_once() {
    let told = Arc::new(AtomicU64::new(0));
    let mut options = IndexOptions::new("/proc/no-such-directory/log");
    let counter = told.clone();
    options.notice = Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let table = Index::open(&options, SEAL, identity(2));
    for ino in 10..30 {
        table.identify(identity(ino), Table::ROOT, b"f", FILE);
        table.index().unwrap().flush(&table);
    }
    assert_eq!((known(&table), told.load(Ordering::Relaxed)), (20, 1));
    assert!(table.take_untold().0.is_empty(), "nothing piles up");
}
