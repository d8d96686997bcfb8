//! The change attribute: by the times of a fine clock, and by counts beside those of a coarse one.
mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use common::{TempDir, USER, create, local, lookup, open, options, unprivileged, wait};
use holdfast_localfs::{LocalFs, Options};
use holdfast_vfs::{ChangeAttrType, Cred, FileSystem, Handle, OpenMode, SetAttr, Stability};

const ROOT: Cred = Cred::ROOT;
/// Far more than there are ticks meanwhile.
const CHANGES: usize = 1000;

fn counting() -> Options {
    Options { counts_changes: true, ..options() }
}

fn change(fs: &LocalFs, node: &Handle) -> u64 {
    wait(fs.getattr(&ROOT, node)).unwrap().change
}

fn with_each(options: [Options; 3], test: impl Fn(&Path, LocalFs)) {
    for options in options {
        let dir = TempDir::new(Path::new("/tmp"));
        test(dir.path(), open(dir.path(), options));
    }
}

fn kinds() -> [Options; 3] {
    [options(), counting(), Options { counts_changes: true, ..unprivileged() }]
}

#[test]
fn changes_within_a_tick_differ() {
    with_each(kinds(), |_, fs| {
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        let mut seen = BTreeSet::from([change(&fs, &made.node)]);
        for _ in 0..CHANGES {
            wait(fs.write(&ROOT, &made.file, 0, b"x", Stability::Unstable)).unwrap();
            assert!(seen.insert(change(&fs, &made.node)), "a write changes it");
        }
        let size = |size| SetAttr { size: Some(size), ..SetAttr::default() };
        for number in 0..100 {
            wait(fs.setattr(&ROOT, &made.node, None, &size(number))).unwrap();
            assert!(seen.insert(change(&fs, &made.node)), "a new size changes it");
            wait(fs.link(&ROOT, &made.node, &fs.root(), b"link")).unwrap();
            assert!(seen.insert(change(&fs, &made.node)), "a new name changes it");
            wait(fs.remove(&ROOT, &fs.root(), b"link")).unwrap();
            assert!(seen.insert(change(&fs, &made.node)), "a name that goes changes it");
        }
    });
}

#[test]
fn a_change_of_a_directory_differs_within_a_tick() {
    with_each(kinds(), |_, fs| {
        let mut seen = BTreeSet::from([change(&fs, &fs.root())]);
        for _ in 0..100 {
            let made = create(&fs, &ROOT, b"file", 0o644).unwrap().change;
            assert_eq!(made.after, change(&fs, &fs.root()));
            assert!(seen.insert(made.after), "a new name changes it");
            let removed = wait(fs.remove(&ROOT, &fs.root(), b"file")).unwrap();
            assert_eq!(removed.before, made.after);
            assert!(seen.insert(removed.after), "a name that goes changes it");
        }
    });
}

#[test]
fn opening_and_reading_changes_nothing() {
    with_each(kinds(), |_, fs| {
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        let before = (change(&fs, &made.node), change(&fs, &fs.root()));
        wait(fs.open(&USER, &made.node, OpenMode::READ, false)).unwrap();
        let how = holdfast_vfs::CreateHow::Unchecked(SetAttr::default());
        let found = wait(fs.create(&ROOT, &fs.root(), b"file", &how, OpenMode::READ)).unwrap();
        assert!(!found.created && found.change.before == found.change.after);
        assert_eq!((change(&fs, &made.node), change(&fs, &fs.root())), before);
    });
}

#[test]
fn a_local_change_is_seen_when_its_time_is_another() {
    with_each(kinds(), |dir, fs| {
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        let before = wait(fs.getattr(&ROOT, &made.node)).unwrap();
        let after = loop {
            local(|| {
                let mut file = std::fs::File::create(dir.join("file")).unwrap();
                file.write_all(b"other").unwrap();
            });
            let after = wait(fs.getattr(&ROOT, &made.node)).unwrap();
            if after.ctime != before.ctime {
                break after;
            }
        };
        assert_ne!(after.change, before.change);
    });
}

#[test]
fn counts_begin_anew_elsewhere_and_times_stay() {
    for options in kinds() {
        let counts = options.counts_changes;
        let dir = TempDir::new(Path::new("/tmp"));
        let fs = open(dir.path(), options.clone());
        let made = create(&fs, &ROOT, b"file", 0o644).unwrap();
        wait(fs.write(&ROOT, &made.file, 0, b"x", Stability::Unstable)).unwrap();
        let before = change(&fs, &made.node);
        let kind = fs.properties().change_attr_type;
        assert!(!counts || kind == ChangeAttrType::Undefined, "what is counted is not ordered");
        drop((made, fs));
        let fs = open(dir.path(), options);
        let after = change(&fs, &lookup(&fs, b"file").unwrap());
        assert_eq!(before == after, kind == ChangeAttrType::TimeMetadata);
    }
}
