//! Moving names: what may replace what, and what follows the object.

use super::user::mode;
use super::{Scratch, Subject};
use crate::{Error, Handle, NewNode, OpenMode};

/// Checks that a move is refused and nothing has moved.
#[track_caller]
fn refused(t: &Scratch<'_>, from: (&Handle, &str), to: (&Handle, &str), reason: Error) {
    let before = (t.root.names(from.0), t.root.names(to.0));
    t.refused(t.root.rename(from.0, from.1, to.0, to.1), &[reason]);
    assert_eq!((t.root.names(from.0), t.root.names(to.0)), before);
}

pub(super) fn rename_moves_a_name(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.rename(&t.dir, "file", &t.dir, "new").expect("renamed");
    t.refused(t.root.lookup(&t.dir, "file"), &[Error::NotFound]);
    assert_eq!(t.root.lookup(&t.dir, "new"), Ok(file));
    assert_eq!(t.root.attr(&file).nlink, 1);
    assert_eq!(t.root.read(&open, 0, 10), b"data");
}

pub(super) fn rename_moves_to_another_directory(subject: &Subject) {
    let t = Scratch::new(subject);
    let (one, two) = (t.root.dir(&t.dir, "one"), t.root.dir(&t.dir, "two"));
    let (file, _) = t.root.file(&one, "file");
    t.root.rename(&one, "file", &two, "new").expect("renamed");
    assert!(t.root.names(&one).is_empty());
    assert_eq!(t.root.names(&two), [b"new"]);
    assert_eq!(t.root.lookup(&two, "new"), Ok(file));
}

pub(super) fn rename_of_no_name_is_not_found(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    let sub = t.root.dir(&t.dir, "sub");
    refused(&t, (&t.dir, "nothing"), (&t.dir, "new"), Error::NotFound);
    refused(&t, (&t.dir, "nothing"), (&t.dir, "file"), Error::NotFound);
    refused(&t, (&sub, "nothing"), (&t.dir, "file"), Error::NotFound);
}

pub(super) fn rename_file_over_file_replaces_it(subject: &Subject) {
    let t = Scratch::new(subject);
    let sub = t.root.dir(&t.dir, "sub");
    for dir in [&t.dir, &sub] {
        let (file, _) = t.root.file(&t.dir, "file");
        let (old, open) = t.root.file(dir, "old");
        drop(open);
        t.root.rename(&t.dir, "file", dir, "old").expect("renamed");
        assert_eq!(t.root.lookup(dir, "old"), Ok(file));
        t.refused(t.root.lookup(&t.dir, "file"), &[Error::NotFound]);
        t.refused(t.root.getattr(&old), &[Error::Stale]);
    }
}

pub(super) fn rename_over_one_of_two_names_leaves_the_other(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().hard_links {
        return;
    }
    t.root.file(&t.dir, "file");
    let (old, _) = t.root.file(&t.dir, "old");
    t.root.link(&old, &t.dir, "other").expect("linked");
    t.root.rename(&t.dir, "file", &t.dir, "old").expect("renamed");
    assert_eq!(t.root.attr(&old).nlink, 1);
    assert_eq!(t.root.lookup(&t.dir, "other"), Ok(old));
}

pub(super) fn rename_symlink_moves_the_link_itself(subject: &Subject) {
    let t = Scratch::new(subject);
    if !subject.fs.properties().symlinks {
        return;
    }
    let (file, _) = t.root.file(&t.dir, "target");
    let link = t.root.symlink(&t.dir, "link", b"target").expect("symlinks work");
    t.root.rename(&t.dir, "link", &t.dir, "new").expect("renamed");
    assert_eq!(t.root.lookup(&t.dir, "new"), Ok(link));
    assert_eq!(t.root.lookup(&t.dir, "target"), Ok(file));
    t.root.rename(&t.dir, "target", &t.dir, "new").expect("a link is replaced, not followed");
    assert_eq!(t.root.lookup(&t.dir, "new"), Ok(file));
}

/// Every kind over every other that is no directory, also where both have other names.
pub(super) fn rename_over_another_kind_takes_its_name_only(subject: &Subject) {
    let t = Scratch::new(subject);
    let mut kinds = vec!["file"];
    if subject.fs.properties().symlinks {
        kinds.push("link");
    }
    if t.features().special_files {
        kinds.push("fifo");
    }
    let links = t.features().hard_links;
    let make = |kind: &str, name: &str| {
        let node = match kind {
            "file" => t.root.file(&t.dir, name).0,
            "link" => t.root.symlink(&t.dir, name, b"text").expect("symlinks work"),
            _ => t.root.make(&t.dir, name, NewNode::Fifo, &mode(0o666)).expect("FIFOs work").0,
        };
        if links {
            t.root.link(&node, &t.dir, format!("other-{name}")).expect("linked");
        }
        node
    };
    let names = if links { 2 } else { 1 };
    for (from, to) in kinds.iter().flat_map(|from| kinds.iter().map(move |to| (*from, *to))) {
        let (moved, replaced) = (make(from, "from"), make(to, "to"));
        t.root.rename(&t.dir, "from", &t.dir, "to").expect("renamed");
        assert_eq!(t.root.lookup(&t.dir, "to"), Ok(moved), "{from} over {to}");
        t.refused(t.root.lookup(&t.dir, "from"), &[Error::NotFound]);
        assert_eq!(t.root.attr(&moved).nlink, names);
        if links {
            assert_eq!(t.root.attr(&replaced).nlink, 1);
            assert_eq!(t.root.lookup(&t.dir, "other-to"), Ok(replaced));
            t.root.remove(&t.dir, "other-from").expect("removed");
            t.root.remove(&t.dir, "other-to").expect("removed");
        }
        t.root.remove(&t.dir, "to").expect("removed");
        assert!(t.root.names(&t.dir).is_empty());
    }
}

pub(super) fn rename_special_file_over_file_replaces_it(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().special_files {
        return;
    }
    t.root.file(&t.dir, "file");
    let made = t.root.make(&t.dir, "fifo", NewNode::Fifo, &mode(0o666));
    let (fifo, _) = made.expect("fifos work");
    t.root.rename(&t.dir, "fifo", &t.dir, "file").expect("renamed");
    assert_eq!(t.root.lookup(&t.dir, "file"), Ok(fifo));
}

pub(super) fn rename_directory_over_empty_directory_replaces_it(subject: &Subject) {
    let t = Scratch::new(subject);
    let other = t.root.dir(&t.dir, "other");
    for dir in [&t.dir, &other] {
        let source = t.root.dir(&t.dir, "source");
        t.root.file(&source, "file");
        let old = t.root.dir(dir, "old");
        t.root.rename(&t.dir, "source", dir, "old").expect("renamed");
        assert_eq!(t.root.lookup(dir, "old"), Ok(source));
        assert_eq!(t.root.names(&source), [b"file"]);
        t.refused(t.root.getattr(&old), &[Error::Stale]);
    }
}

pub(super) fn rename_directory_over_full_directory_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.dir(&t.dir, "source");
    let full = t.root.dir(&t.dir, "full");
    t.root.file(&full, "file");
    refused(&t, (&t.dir, "source"), (&t.dir, "full"), Error::Exists);
    let sub = t.root.dir(&full, "sub");
    refused(&t, (&full, "sub"), (&t.dir, "full"), Error::Exists);
    t.root.dir(&sub, "deep");
    refused(&t, (&sub, "deep"), (&t.dir, "full"), Error::Exists);
}

pub(super) fn rename_directory_over_file_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.dir(&t.dir, "dir");
    let sub = t.root.dir(&t.dir, "sub");
    t.root.file(&t.dir, "file");
    t.root.file(&sub, "file");
    refused(&t, (&t.dir, "dir"), (&t.dir, "file"), Error::Exists);
    refused(&t, (&t.dir, "dir"), (&sub, "file"), Error::Exists);
}

pub(super) fn rename_file_over_directory_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    t.root.dir(&dir, "empty");
    t.root.file(&t.dir, "file");
    refused(&t, (&t.dir, "file"), (&t.dir, "dir"), Error::Exists);
    refused(&t, (&t.dir, "file"), (&dir, "empty"), Error::Exists);
    t.root.file(&dir, "inner");
    refused(&t, (&dir, "inner"), (&t.dir, "dir"), Error::Exists);
}

pub(super) fn rename_directory_into_itself_is_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    let sub = t.root.dir(&dir, "sub");
    let deep = t.root.dir(&sub, "deep");
    for below in [&dir, &sub, &deep] {
        refused(&t, (&t.dir, "dir"), (below, "new"), Error::Invalid);
    }
    refused(&t, (&dir, "sub"), (&deep, "new"), Error::Invalid);
}

pub(super) fn rename_onto_itself_changes_nothing(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    let dir = t.root.dir(&t.dir, "dir");
    t.root.file(&dir, "inner");
    let before = t.root.attr(&t.dir).change;
    for name in ["file", "dir"] {
        let (from, to) = t.root.rename(&t.dir, name, &t.dir, name).expect("nothing to do");
        assert_eq!((from.before, to.before), (from.after, to.after));
    }
    assert_eq!(t.root.attr(&t.dir).change, before);
    assert_eq!(t.root.names(&t.dir), [&b"dir"[..], b"file"]);
}

pub(super) fn rename_of_two_names_of_one_object_changes_nothing(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().hard_links {
        return;
    }
    let sub = t.root.dir(&t.dir, "sub");
    let (file, _) = t.root.file(&t.dir, "one");
    t.root.link(&file, &t.dir, "two").expect("linked");
    t.root.link(&file, &sub, "three").expect("linked");
    let changes = || (t.root.attr(&t.dir).change, t.root.attr(&sub).change);
    let before = changes();
    t.root.rename(&t.dir, "one", &t.dir, "two").expect("nothing to do");
    t.root.rename(&t.dir, "one", &sub, "three").expect("nothing to do");
    assert_eq!(changes(), before);
    assert_eq!(t.root.attr(&file).nlink, 3);
    assert_eq!(t.root.names(&t.dir), [&b"one"[..], b"sub", b"two"]);
}

pub(super) fn rename_moves_the_parent_along(subject: &Subject) {
    let t = Scratch::new(subject);
    let (one, two) = (t.root.dir(&t.dir, "one"), t.root.dir(&t.dir, "two"));
    let moved = t.root.dir(&one, "moved");
    let below = t.root.dir(&moved, "below");
    t.root.rename(&one, "moved", &two, "new").expect("renamed");
    assert_eq!(t.root.lookup_parent(&moved), Ok(two));
    assert_eq!(t.root.lookup_parent(&below), Ok(moved));
    t.root.rename(&two, "new", &two, "newer").expect("renamed");
    assert_eq!(t.root.lookup_parent(&moved), Ok(two));
    t.root.rename(&t.dir, "one", &moved, "one").expect("one is not above it any more");
    assert_eq!(t.root.lookup_parent(&one), Ok(moved));
}

pub(super) fn rename_of_a_directory_down_and_up(subject: &Subject) {
    let t = Scratch::new(subject);
    let upper = t.root.dir(&t.dir, "upper");
    let lower = t.root.dir(&upper, "lower");
    let moved = t.root.dir(&t.dir, "moved");
    t.root.rename(&t.dir, "moved", &lower, "moved").expect("renamed");
    assert_eq!(t.root.lookup_parent(&moved), Ok(lower));
    t.root.rename(&lower, "moved", &t.dir, "moved").expect("renamed");
    assert_eq!(t.root.lookup_parent(&moved), Ok(t.dir));
}

pub(super) fn rename_answers_the_changes_source_first(subject: &Subject) {
    let t = Scratch::new(subject);
    let (one, two) = (t.root.dir(&t.dir, "one"), t.root.dir(&t.dir, "two"));
    t.root.file(&one, "file");
    t.root.file(&two, "makes the changes differ");
    t.root.file(&two, "by more than one");
    let before = (t.root.attr(&one).change, t.root.attr(&two).change);
    let (from, to) = t.root.rename(&one, "file", &two, "file").expect("renamed");
    assert_ne!((from.before, to.before), (from.after, to.after));
    if from.atomic {
        assert_eq!((from.before, from.after), (before.0, t.root.attr(&one).change));
    }
    if to.atomic {
        assert_eq!((to.before, to.after), (before.1, t.root.attr(&two).change));
    }
}

pub(super) fn rename_keeps_an_open_file_open(subject: &Subject) {
    let t = Scratch::new(subject);
    let sub = t.root.dir(&t.dir, "sub");
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.rename(&t.dir, "file", &sub, "file").expect("renamed");
    t.root.write(&open, 0, b"data");
    let again = t.root.open(&file, OpenMode::READ).expect("root opens it");
    assert_eq!(t.root.read(&again, 0, 10), b"data");
}
