//! Handles: whom they name, for how long, and what is none.

use super::user::{NOTHING, mode};
use super::{Scratch, Subject};
use crate::{Access, CreateHow, Error, Handle, NewNode, OpenMode, Want};

const NAMES: Want = Want { attr: false, handle: false };

/// Checks that every method that takes a handle refuses this one.
fn refused_everywhere(t: &Scratch<'_>, handle: &Handle, reasons: &[Error]) {
    let (file, _) = t.root.file(&t.dir, "some file");
    t.refused(t.root.getattr(handle), reasons);
    t.refused(t.root.setattr(handle, &mode(0o600)), reasons);
    t.refused(t.root.access(handle, Access::ALL), reasons);
    t.refused(t.root.lookup(handle, "n"), reasons);
    t.refused(t.root.lookup_parent(handle), reasons);
    t.refused(t.root.readlink(handle), reasons);
    t.refused(t.root.open(handle, OpenMode::READ), reasons);
    t.refused(t.root.create(handle, "n", CreateHow::Unchecked(NOTHING), OpenMode::READ), reasons);
    t.refused(t.root.guarded(handle, "n"), reasons);
    t.refused(t.root.make(handle, "n", NewNode::Directory, &NOTHING), reasons);
    t.refused(t.root.remove(handle, "n"), reasons);
    t.refused(t.root.rename(handle, "n", &t.dir, "n"), reasons);
    t.refused(t.root.rename(&t.dir, "some file", handle, "n"), reasons);
    t.refused(t.root.list(handle, NAMES), reasons);
    t.refused(t.root.commit(handle, 0, 0), reasons);
    t.refused(t.root.space(handle), reasons);
    if t.features().hard_links {
        t.refused(t.root.link(handle, &t.dir, "n"), reasons);
        t.refused(t.root.link(&file, handle, "n"), reasons);
    }
    t.root.remove(&t.dir, "some file").expect("it is still there");
    assert!(t.root.names(&t.dir).iter().all(|name| name != b"n"));
}

pub(super) fn garbage_is_no_handle(subject: &Subject) {
    let t = Scratch::new(subject);
    for length in [0, 1, 4, 8, 16, 19, 20, 21, 28, 32, 64, 120] {
        for byte in [0, 1, 0x5a, 0xff] {
            let handle = Handle::new(&vec![byte; length]).expect("it is not too long");
            refused_everywhere(&t, &handle, &[Error::BadHandle, Error::Stale]);
        }
    }
}

pub(super) fn a_damaged_handle_names_nothing_else(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let bytes = file.as_slice();
    let shorter = Handle::new(&bytes[..bytes.len() - 1]).expect("it is not too long");
    let mut damaged = vec![shorter];
    let mut longer = file;
    damaged.extend(longer.push(&[0]).is_ok().then_some(longer));
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x40;
        damaged.push(Handle::new(&flipped).expect("it is not too long"));
    }
    for handle in damaged {
        if let Ok(attr) = t.root.getattr(&handle) {
            assert_eq!(attr.fileid, t.root.attr(&file).fileid, "{handle:?} names another object");
        }
    }
}

pub(super) fn an_object_has_one_handle(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let sub = t.root.dir(&t.dir, "sub");
    assert_eq!(t.root.lookup(&t.dir, "file"), Ok(file));
    assert_eq!(t.root.lookup(&t.dir, "file"), Ok(file));
    t.root.rename(&t.dir, "file", &sub, "new").expect("renamed");
    assert_eq!(t.root.lookup(&sub, "new"), Ok(file));
    assert_eq!(t.root.lookup(&t.dir, "sub"), Ok(sub));
    assert_eq!(subject.fs.root(), subject.fs.root());
}

pub(super) fn the_handle_of_a_removed_file_is_stale(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    drop(open);
    t.root.remove(&t.dir, "file").expect("removed");
    refused_everywhere(&t, &file, &[Error::Stale]);
}

pub(super) fn the_handle_of_a_removed_directory_is_stale(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    t.root.remove(&t.dir, "dir").expect("removed");
    refused_everywhere(&t, &dir, &[Error::Stale]);
}

pub(super) fn the_handle_of_an_unlinked_file_is_stale_once_closed(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let again = open.clone();
    t.root.remove(&t.dir, "file").expect("removed");
    drop(open);
    assert_eq!(t.root.attr(&file).nlink, 0);
    drop(again);
    t.refused(t.root.getattr(&file), &[Error::Stale]);
}

pub(super) fn handles_are_not_used_again(subject: &Subject) {
    let t = Scratch::new(subject);
    let mut handles = std::collections::BTreeSet::new();
    for _ in 0..100 {
        assert!(handles.insert(t.root.file(&t.dir, "file").0), "a new file has a new handle");
        t.root.remove(&t.dir, "file").expect("removed");
        assert!(handles.insert(t.root.dir(&t.dir, "dir")), "a new directory has a new handle");
        t.root.remove(&t.dir, "dir").expect("removed");
    }
    for handle in &handles {
        t.refused(t.root.getattr(handle), &[Error::Stale]);
    }
}
