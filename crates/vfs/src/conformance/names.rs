//! Looking names up, and which names there can be.

use super::{Scratch, Subject};
use crate::{CreateHow, Error, Handle, NewNode, OpenMode};

/// Checks that every method that takes a name refuses this one.
fn refused_everywhere(t: &Scratch<'_>, name: &[u8], reason: Error) {
    let found = t.root.lookup(&t.dir, "file");
    let file = found.unwrap_or_else(|_| t.root.file(&t.dir, "file").0);
    let nothing = super::user::NOTHING;
    t.refused(t.root.lookup(&t.dir, name), &[reason]);
    for how in [
        CreateHow::Unchecked(nothing),
        CreateHow::Guarded(nothing),
        CreateHow::Exclusive { verifier: [1; 8], attrs: nothing },
    ] {
        t.refused(t.root.create(&t.dir, name, how, OpenMode::READ), &[reason]);
    }
    t.refused(t.root.make(&t.dir, name, NewNode::Directory, &nothing), &[reason]);
    if t.subject.fs.properties().symlinks {
        t.refused(t.root.symlink(&t.dir, name, b"x"), &[reason]);
    }
    t.refused(t.root.remove(&t.dir, name), &[reason]);
    t.refused(t.root.rename(&t.dir, name, &t.dir, "new"), &[reason]);
    t.refused(t.root.rename(&t.dir, "file", &t.dir, name), &[reason]);
    if t.features().hard_links {
        t.refused(t.root.link(&file, &t.dir, name), &[reason]);
    }
}

pub(super) fn names_that_are_none_are_bad(subject: &Subject) {
    let t = Scratch::new(subject);
    for name in [&b""[..], b".", b"..", b"a/b", b"/", b"/file", b"file/", b"a\0b", b"\0"] {
        refused_everywhere(&t, name, Error::BadName);
    }
    assert_eq!(t.root.names(&t.dir), [b"file"]);
}

pub(super) fn names_too_long_are_refused(subject: &Subject) {
    let t = Scratch::new(subject);
    let longest = subject.fs.properties().name_max as usize;
    refused_everywhere(&t, &vec![b'n'; longest + 1], Error::NameTooLong);
    refused_everywhere(&t, &vec![b'n'; longest + 1000], Error::NameTooLong);
}

pub(super) fn the_longest_name_works(subject: &Subject) {
    let t = Scratch::new(subject);
    let longest = subject.fs.properties().name_max as usize;
    let (name, other) = (vec![b'n'; longest], vec![b'm'; longest]);
    let (file, _) = t.root.file(&t.dir, &name);
    assert_eq!(t.root.lookup(&t.dir, &name), Ok(file));
    t.root.rename(&t.dir, &name, &t.dir, &other).expect("renamed");
    assert_eq!(t.root.names(&t.dir), std::slice::from_ref(&other));
    t.root.remove(&t.dir, &other).expect("removed");
}

/// Checks that each of these is a name of its own.
fn distinct(t: &Scratch<'_>, names: &[&[u8]]) {
    let nodes: Vec<_> = names.iter().map(|name| t.root.file(&t.dir, name).0).collect();
    for (name, node) in names.iter().zip(&nodes) {
        assert_eq!(t.root.lookup(&t.dir, name), Ok(*node));
    }
    let mut expected: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
    expected.sort();
    assert_eq!(t.root.names(&t.dir), expected);
    for name in names {
        t.root.remove(&t.dir, name).expect("removed");
    }
    assert!(t.root.names(&t.dir).is_empty());
}

pub(super) fn odd_names_work(subject: &Subject) {
    let t = Scratch::new(subject);
    distinct(&t, &[b"...", b" ", b"-rf", b"..a", b".hidden", b"a\\b", b"new\nline", b"*", b"a."]);
}

pub(super) fn names_are_any_bytes(subject: &Subject) {
    let t = Scratch::new(subject);
    if t.features().any_names {
        distinct(&t, &[b"\xff\xfe", b"\x80", b"caf\xe9", b"\xed\xa0\x80", b"\x01", b"\xc0\xaf"]);
    }
}

pub(super) fn names_of_other_bytes_are_other_names(subject: &Subject) {
    let t = Scratch::new(subject);
    if t.features().any_names {
        let (composed, decomposed) = ("é".as_bytes(), "e\u{301}".as_bytes());
        distinct(&t, &[composed, decomposed, b"Case", b"case", b"CASE", "ß".as_bytes(), b"ss"]);
    }
}

pub(super) fn lookup_of_no_name_is_not_found(subject: &Subject) {
    let t = Scratch::new(subject);
    t.refused(t.root.lookup(&t.dir, "nothing"), &[Error::NotFound]);
    assert!(t.root.lookup(&t.dir, "nothing").is_err());
}

/// Checks what every method that takes a name says when the directory is none.
fn not_a_directory(t: &Scratch<'_>, node: &Handle, reasons: &[Error]) {
    let nothing = super::user::NOTHING;
    let (file, _) = t.root.file(&t.dir, "other");
    t.refused(t.root.guarded(node, "n"), reasons);
    t.refused(t.root.make(node, "n", NewNode::Directory, &nothing), reasons);
    t.refused(t.root.remove(node, "n"), reasons);
    t.refused(t.root.rename(node, "n", &t.dir, "m"), reasons);
    t.refused(t.root.rename(&t.dir, "other", node, "m"), reasons);
    t.refused(t.root.lookup_parent(node), reasons);
    if t.features().hard_links {
        t.refused(t.root.link(&file, node, "n"), reasons);
    }
    t.root.remove(&t.dir, "other").expect("it is still there");
}

pub(super) fn a_file_is_no_directory(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    t.refused(t.root.lookup(&file, "n"), &[Error::NotDirectory]);
    not_a_directory(&t, &file, &[Error::NotDirectory]);
}

pub(super) fn a_symlink_is_no_directory(subject: &Subject) {
    let t = Scratch::new(subject);
    if !subject.fs.properties().symlinks {
        return;
    }
    let link = t.root.symlink(&t.dir, "link", b".").expect("symlinks work");
    t.refused(t.root.lookup(&link, "n"), &[Error::IsSymlink]);
    not_a_directory(&t, &link, &[Error::NotDirectory, Error::IsSymlink]);
}

pub(super) fn lookup_parent_of_the_root_is_not_found(subject: &Subject) {
    let t = Scratch::new(subject);
    t.refused(t.root.lookup_parent(&subject.fs.root()), &[Error::NotFound]);
}

pub(super) fn lookup_parent_is_the_directory_above(subject: &Subject) {
    let t = Scratch::new(subject);
    let upper = t.root.dir(&t.dir, "upper");
    let lower = t.root.dir(&upper, "lower");
    assert_eq!(t.root.lookup_parent(&lower), Ok(upper));
    assert_eq!(t.root.lookup_parent(&upper), Ok(t.dir));
    assert_eq!(t.root.lookup_parent(&t.dir), Ok(subject.fs.root()));
}
