//! Extended attributes. Needs [`Properties::xattrs`](crate::Properties::xattrs), but for the case
//! that shows what is so without it.

use super::user::{User, mode};
use super::{Scratch, Subject};
use crate::XattrHow::{Create, Either, Replace};
use crate::{Access, Error, Handle, NewNode, XATTR_NAME_MAX, XATTR_VALUE_MAX};

fn with_xattrs(subject: &Subject) -> Option<Scratch<'_>> {
    subject.fs.properties().xattrs.then(|| Scratch::new(subject))
}

/// The names, sorted.
#[track_caller]
fn names(user: &User<'_>, node: &Handle) -> Vec<Vec<u8>> {
    let mut names = user.listxattrs(node).expect("the attributes can be listed");
    names.sort();
    names
}

pub(super) fn xattrs_that_are_not_there_are_not_supported(subject: &Subject) {
    if subject.fs.properties().xattrs {
        return;
    }
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let reasons = &[Error::NotSupported];
    t.refused(t.root.getxattr(&file, "name"), reasons);
    t.refused(t.root.setxattr(&file, "name", b"value", Either), reasons);
    t.refused(t.root.listxattrs(&file), reasons);
    t.refused(t.root.removexattr(&file, "name"), reasons);
}

pub(super) fn an_xattr_is_kept_until_it_is_removed(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    for node in [t.root.file(&t.dir, "file").0, t.root.dir(&t.dir, "dir")] {
        assert!(names(&t.root, &node).is_empty());
        let values = [("a", &b"\0\xff\n"[..]), ("b", b""), ("user.c", &[7; 500])];
        for (name, value) in values {
            t.root.setxattr(&node, name, value, Create).expect("it is set");
        }
        for (name, value) in values {
            assert_eq!(t.root.getxattr(&node, name).as_deref(), Ok(value));
        }
        assert_eq!(names(&t.root, &node), [&b"a"[..], b"b", b"user.c"]);
        t.root.removexattr(&node, "b").expect("it is removed");
        assert_eq!(names(&t.root, &node), [&b"a"[..], b"user.c"]);
        t.refused(t.root.getxattr(&node, "b"), &[Error::NoXattr]);
    }
}

pub(super) fn no_xattr_of_a_name_is_said_so(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    t.refused(t.root.getxattr(&file, "name"), &[Error::NoXattr]);
    t.refused(t.root.removexattr(&file, "name"), &[Error::NoXattr]);
    t.refused(t.root.setxattr(&file, "name", b"value", Replace), &[Error::NoXattr]);
    assert!(names(&t.root, &file).is_empty());
}

pub(super) fn an_xattr_is_set_as_asked(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    let value = || t.root.getxattr(&file, "name").expect("it is there");
    t.root.setxattr(&file, "name", b"1", Either).expect("a new one is set");
    t.root.setxattr(&file, "name", b"22", Either).expect("an old one is set");
    assert_eq!(value(), b"22");
    t.root.setxattr(&file, "name", b"", Replace).expect("an old one is replaced");
    assert_eq!(value(), b"");
    t.refused(t.root.setxattr(&file, "name", b"4", Create), &[Error::Exists]);
    assert_eq!(value(), b"");
}

pub(super) fn xattr_names_that_are_none_are_refused(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    let long = vec![b'n'; XATTR_NAME_MAX + 1];
    for (name, reason) in [
        (&b""[..], Error::BadName),
        (b"a\0b", Error::BadName),
        (&long, Error::NameTooLong),
        (&[b'n'; 5000], Error::NameTooLong),
    ] {
        t.refused(t.root.getxattr(&file, name), &[reason]);
        t.refused(t.root.setxattr(&file, name, b"value", Either), &[reason]);
        t.refused(t.root.removexattr(&file, name), &[reason]);
    }
    assert!(names(&t.root, &file).is_empty());
}

pub(super) fn xattr_names_are_any_bytes(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    let long = vec![b'n'; XATTR_NAME_MAX];
    let mut all = vec![&b"."[..], b"..", b"a/b", b"caf\xe9", b"Case", b"case", b" ", &long];
    for name in &all {
        t.root.setxattr(&file, name, name, Create).expect("it is set");
    }
    all.sort_unstable();
    assert_eq!(names(&t.root, &file), all);
    for name in all {
        assert_eq!(t.root.getxattr(&file, name).as_deref(), Ok(name));
        t.root.removexattr(&file, name).expect("it is removed");
    }
}

pub(super) fn an_xattr_too_large_is_refused(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    let value = vec![7; XATTR_VALUE_MAX + 1];
    t.refused(t.root.setxattr(&file, "name", &value, Either), &[Error::XattrTooBig]);
    let value = &value[1..];
    match t.root.setxattr(&file, "name", value, Either) {
        Ok(_) => assert_eq!(t.root.getxattr(&file, "name").as_deref(), Ok(value)),
        // Many file systems take less than what all together allow.
        Err(error) => t.refused::<()>(Err(error), &[Error::NoSpace, Error::XattrTooBig]),
    }
}

pub(super) fn only_files_and_directories_have_xattrs(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let mut nodes = Vec::new();
    if subject.fs.properties().symlinks {
        nodes.push(t.root.symlink(&t.dir, "link", b"target").expect("symlinks work"));
    }
    if t.features().special_files {
        let made = t.root.make(&t.dir, "fifo", NewNode::Fifo, &mode(0o666));
        nodes.push(made.expect("FIFOs work").0);
    }
    t.root.file(&t.dir, "target");
    for node in nodes {
        let set = t.root.setxattr(&node, "name", b"value", Either);
        t.refused(set, &[Error::NotPermitted]);
        t.refused(t.root.removexattr(&node, "name"), &[Error::NotPermitted]);
        t.refused(t.root.getxattr(&node, "name"), &[Error::NoXattr]);
        assert!(names(&t.root, &node).is_empty());
        let granted = t.root.access(&node, Access::ALL).expect("access works");
        let xattrs = Access::XATTR_READ.union(Access::XATTR_WRITE).union(Access::XATTR_LIST);
        assert_eq!(granted.intersect(xattrs), Access(0));
    }
}

pub(super) fn changed_xattrs_answer_the_change_of_their_object(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    let mut before = t.root.attr(&file);
    for (name, value) in [("a", Some("1")), ("b", Some("1")), ("a", Some("2")), ("a", None)] {
        let info = match value {
            Some(value) => t.root.setxattr(&file, name, value.as_bytes(), Either),
            None => t.root.removexattr(&file, name),
        };
        let (info, after) = (info.expect("it changed"), t.root.attr(&file));
        assert_eq!((info.before, info.after), (before.change, after.change));
        assert_ne!(after.change, before.change);
        assert!(after.ctime >= before.ctime);
        assert_eq!(after.mtime, before.mtime);
        before = after;
    }
}

pub(super) fn xattrs_belong_to_the_object_not_to_its_name(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let (file, _) = t.root.file(&t.dir, "file");
    t.root.setxattr(&file, "name", b"value", Either).expect("it is set");
    t.root.rename(&t.dir, "file", &t.dir, "moved").expect("renamed");
    let (new, _) = t.root.file(&t.dir, "file");
    assert!(names(&t.root, &new).is_empty());
    assert_eq!(t.root.getxattr(&file, "name").as_deref(), Ok(&b"value"[..]));
}

pub(super) fn xattrs_need_the_rights_to_read_and_write(subject: &Subject) {
    let Some(t) = with_xattrs(subject).filter(|t| t.features().users) else { return };
    let all = Access::XATTR_READ.union(Access::XATTR_WRITE).union(Access::XATTR_LIST);
    for (number, (bits, read, write)) in
        [(0o600, false, false), (0o604, true, false), (0o602, false, true), (0o606, true, true)]
            .into_iter()
            .enumerate()
    {
        let (file, _) = t.alice.file_of_mode(&t.dir, format!("file-{number}"), bits);
        t.alice.setxattr(&file, "name", b"value", Create).expect("she may write it");
        t.root.getxattr(&file, "name").expect("root may read it");
        let granted = t.bob.access(&file, all).expect("access works");
        assert_eq!(granted.contains(Access::XATTR_READ), read);
        assert_eq!(granted.contains(Access::XATTR_LIST), read);
        assert_eq!(granted.contains(Access::XATTR_WRITE), write);
        let check = |granted: bool, refusal: Option<Error>| {
            let right = if granted { None } else { Some(Error::AccessDenied) };
            assert!(right == refusal || !granted && !t.features().exact_errors);
        };
        check(read, t.bob.getxattr(&file, "name").err());
        check(read, t.bob.listxattrs(&file).err());
        check(write, t.bob.setxattr(&file, "name", b"other", Replace).err());
        check(write, t.bob.removexattr(&file, "name").err());
    }
}

pub(super) fn a_sticky_directory_keeps_its_xattrs_from_others(subject: &Subject) {
    let Some(t) = with_xattrs(subject).filter(|t| t.features().users) else { return };
    let dir = t.alice.dir_of_mode(&t.dir, "dir", 0o1777);
    t.refused(t.bob.setxattr(&dir, "name", b"value", Either), &[Error::NotPermitted]);
    t.alice.setxattr(&dir, "name", b"value", Either).expect("it is hers");
    t.refused(t.bob.removexattr(&dir, "name"), &[Error::NotPermitted]);
    t.bob.getxattr(&dir, "name").expect("he may read it");
    t.root.removexattr(&dir, "name").expect("root is privileged");
}

pub(super) fn xattrs_of_a_removed_object_are_stale(subject: &Subject) {
    let Some(t) = with_xattrs(subject) else { return };
    let file = t.root.guarded(&t.dir, "file").expect("created").node;
    t.root.remove(&t.dir, "file").expect("removed");
    t.refused(t.root.getxattr(&file, "name"), &[Error::Stale]);
    t.refused(t.root.setxattr(&file, "name", b"value", Either), &[Error::Stale]);
    t.refused(t.root.listxattrs(&file), &[Error::Stale]);
    t.refused(t.root.removexattr(&file, "name"), &[Error::Stale]);
}
