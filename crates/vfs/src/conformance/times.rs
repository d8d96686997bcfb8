//! Time stamps. Clocks may be coarse: a case moves a stamp to the past to see it change.

use super::user::{NOTHING, mode, size};
use super::{Scratch, Subject, User};
use crate::{Handle, SetAttr, SetTime, Time};

const PAST: Time = Time { sec: 1_000_000_000, nsec: 0 };

const fn times(time: SetTime) -> SetAttr {
    SetAttr { atime: Some(time), mtime: Some(time), ..NOTHING }
}

#[track_caller]
fn age(user: &User<'_>, node: &Handle) {
    user.setattr(node, &times(SetTime::To(PAST))).expect("the owner sets times");
    assert_eq!(user.attr(node).mtime, PAST);
}

pub(super) fn setattr_sets_times_to_values(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let step = subject.fs.properties().time_granularity_ns;
    for node in [&file, &t.dir] {
        let atime = Time { sec: 1_234_567_890, nsec: 123_456_789 };
        let mtime = Time { sec: 987_654_321, nsec: 999_999_999 };
        let set =
            SetAttr { atime: Some(SetTime::To(atime)), mtime: Some(SetTime::To(mtime)), ..NOTHING };
        t.root.setattr(node, &set).expect("the owner sets times");
        let attr = t.root.attr(node);
        let exact = |time: Time| Time { nsec: time.nsec - time.nsec % step, ..time };
        assert_eq!((attr.atime, attr.mtime), (exact(atime), exact(mtime)));
    }
}

pub(super) fn setattr_sets_one_time_alone(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    age(&t.root, &file);
    let later = Time { sec: PAST.sec + 5, nsec: 0 };
    let set = SetAttr { mtime: Some(SetTime::To(later)), ..NOTHING };
    t.root.setattr(&file, &set).expect("the owner sets times");
    let attr = t.root.attr(&file);
    assert_eq!((attr.atime, attr.mtime), (PAST, later));
}

pub(super) fn setattr_sets_times_to_now(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    age(&t.root, &file);
    t.root.setattr(&file, &times(SetTime::Now)).expect("the owner sets times");
    let attr = t.root.attr(&file);
    assert!(attr.mtime > PAST && attr.atime > PAST);
}

pub(super) fn write_moves_mtime(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    age(&t.root, &file);
    t.root.write(&open, 0, b"x");
    t.root.commit(&file, 0, 0).expect("a file can be committed");
    assert_ne!(t.root.attr(&file).mtime, PAST);
}

pub(super) fn a_new_size_moves_mtime(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    for length in [10, 3] {
        age(&t.root, &file);
        t.root.setattr(&file, &size(length)).expect("the size can be set");
        assert_ne!(t.root.attr(&file).mtime, PAST);
    }
}

pub(super) fn a_new_mode_leaves_mtime(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    age(&t.root, &file);
    t.root.setattr(&file, &mode(0o600)).expect("the mode can be set");
    assert_eq!(t.root.attr(&file).mtime, PAST);
    assert_ne!(t.root.attr(&file).ctime, PAST);
}

pub(super) fn changed_entries_move_mtime_of_the_directory(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    let moved = |step: &str, run: &dyn Fn()| {
        age(&t.root, &dir);
        run();
        assert_ne!(t.root.attr(&dir).mtime, PAST, "{step} moves it");
    };
    moved("a new file", &|| _ = t.root.file(&dir, "file"));
    moved("a new directory", &|| _ = t.root.dir(&dir, "sub"));
    moved("a rename", &|| _ = t.root.rename(&dir, "file", &dir, "f").expect("renamed"));
    moved("a removal", &|| _ = t.root.remove(&dir, "f").expect("removed"));
    moved("a rename away", &|| _ = t.root.rename(&dir, "sub", &t.dir, "s").expect("renamed"));
    moved("a rename here", &|| _ = t.root.rename(&t.dir, "s", &dir, "s").expect("renamed"));
}

pub(super) fn reading_a_file_leaves_mtime(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.commit(&file, 0, 0).expect("a file can be committed");
    age(&t.root, &file);
    t.root.read(&open, 0, 4);
    assert_eq!(t.root.attr(&file).mtime, PAST);
}
