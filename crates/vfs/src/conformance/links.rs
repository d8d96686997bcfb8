//! Hard and symbolic links.

use super::user::mode;
use super::{Scratch, Subject};
use crate::{Error, NewNode};

fn has_symlinks(subject: &Subject) -> bool {
    subject.fs.properties().symlinks
}

pub(super) fn link_gives_an_object_another_name(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().hard_links {
        return;
    }
    let (file, open) = t.root.file(&t.dir, "file");
    let sub = t.root.dir(&t.dir, "sub");
    t.root.link(&file, &sub, "other").expect("linked");
    assert_eq!(t.root.lookup(&sub, "other"), Ok(file));
    assert_eq!(t.root.attr(&file).nlink, 2);
    t.root.write(&open, 0, b"data");
    t.root.remove(&t.dir, "file").expect("removed");
    assert_eq!(t.root.attr(&file).nlink, 1);
    drop(open);
    let found = t.root.lookup(&sub, "other").expect("found");
    let open = t.root.open(&found, crate::OpenMode::READ).expect("root opens it");
    assert_eq!(t.root.read(&open, 0, 10), b"data");
}

pub(super) fn link_over_a_name_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().hard_links {
        return;
    }
    let (file, _) = t.root.file(&t.dir, "file");
    t.root.file(&t.dir, "other");
    t.root.dir(&t.dir, "dir");
    for name in ["file", "other", "dir"] {
        t.refused(t.root.link(&file, &t.dir, name), &[Error::Exists]);
    }
    assert_eq!(t.root.attr(&file).nlink, 1);
}

pub(super) fn link_of_a_directory_is_refused(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().hard_links {
        return;
    }
    let dir = t.root.dir(&t.dir, "dir");
    t.refused(t.root.link(&dir, &t.dir, "other"), &[Error::IsDirectory]);
    assert_eq!(t.root.names(&t.dir), [b"dir"]);
}

pub(super) fn link_of_a_symlink_is_of_the_link_itself(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().hard_links || !has_symlinks(subject) {
        return;
    }
    t.root.file(&t.dir, "target");
    let link = t.root.symlink(&t.dir, "link", b"target").expect("symlinks work");
    t.root.link(&link, &t.dir, "other").expect("linked");
    assert_eq!(t.root.lookup(&t.dir, "other"), Ok(link));
    assert_eq!(t.root.attr(&link).nlink, 2);
}

/// Only where the limit is near enough to be tried.
pub(super) fn link_beyond_the_most_is_too_many(subject: &Subject) {
    let t = Scratch::new(subject);
    let most = subject.fs.properties().link_max;
    if !t.features().hard_links || most > 1 << 16 {
        return;
    }
    let (file, _) = t.root.file(&t.dir, "file");
    for number in 1..most {
        t.root.link(&file, &t.dir, number.to_string()).expect("linked");
    }
    t.refused(t.root.link(&file, &t.dir, "one more"), &[Error::TooManyLinks]);
    assert_eq!(t.root.attr(&file).nlink, most);
}

pub(super) fn symlink_text_is_kept_exactly(subject: &Subject) {
    let t = Scratch::new(subject);
    if !has_symlinks(subject) {
        return;
    }
    let long = vec![b'x'; 1000];
    let texts: [&[u8]; 7] =
        [b"a", b"../up/./and//down/", b"/", b".", b"a b\n", "é".as_bytes(), &long];
    for (number, text) in texts.into_iter().enumerate() {
        let link = t.root.symlink(&t.dir, number.to_string(), text).expect("symlinks work");
        assert_eq!(t.root.readlink(&link).as_deref(), Ok(text));
        assert_eq!(t.root.attr(&link).size, text.len() as u64);
    }
}

pub(super) fn symlink_text_is_any_bytes(subject: &Subject) {
    let t = Scratch::new(subject);
    if !has_symlinks(subject) || !t.features().any_names {
        return;
    }
    let text = b"\xff\xfe/caf\xe9";
    let link = t.root.symlink(&t.dir, "link", text).expect("symlinks work");
    assert_eq!(t.root.readlink(&link).as_deref(), Ok(&text[..]));
}

pub(super) fn symlink_text_is_whole_or_refused(subject: &Subject) {
    let t = Scratch::new(subject);
    if !has_symlinks(subject) {
        return;
    }
    let text = vec![b'y'; 4095];
    match t.root.symlink(&t.dir, "long", &text) {
        Ok(link) => assert_eq!(t.root.readlink(&link), Ok(text)),
        Err(_) => assert!(t.root.lookup(&t.dir, "long").is_err()),
    }
}

pub(super) fn readlink_of_anything_else_is_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    t.refused(t.root.readlink(&file), &[Error::Invalid]);
    t.refused(t.root.readlink(&t.dir), &[Error::Invalid]);
    if t.features().special_files {
        let made = t.root.make(&t.dir, "fifo", NewNode::Fifo, &mode(0o666));
        t.refused(t.root.readlink(&made.expect("fifos work").0), &[Error::Invalid]);
    }
}

pub(super) fn remove_of_a_symlink_leaves_its_target(subject: &Subject) {
    let t = Scratch::new(subject);
    if !has_symlinks(subject) {
        return;
    }
    let (file, _) = t.root.file(&t.dir, "target");
    t.root.symlink(&t.dir, "link", b"target").expect("symlinks work");
    t.root.remove(&t.dir, "link").expect("removed");
    assert_eq!(t.root.lookup(&t.dir, "target"), Ok(file));
}
