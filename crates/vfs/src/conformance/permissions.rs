//! Who may do what. Needs [`Features::users`](super::Features::users).

use super::user::{NOTHING, mode, size};
use super::{ALICE, BOB, FOREIGN_GROUP, SHARED_GROUP, Scratch, Subject};
use crate::{Access, CreateHow, Error, Handle, NewNode, OpenMode, SetAttr, SetTime, Time, Want};

const DENIED: &[Error] = &[Error::AccessDenied];
const NOT_PERMITTED: &[Error] = &[Error::NotPermitted];
const NAMES: Want = Want { attr: false, handle: false };

fn with_users(subject: &Subject) -> Option<Scratch<'_>> {
    subject.features.users.then(|| Scratch::new(subject))
}

const fn uid(uid: u32) -> SetAttr {
    SetAttr { uid: Some(uid), ..NOTHING }
}

const fn gid(gid: u32) -> SetAttr {
    SetAttr { gid: Some(gid), ..NOTHING }
}

pub(super) fn new_objects_belong_to_their_maker(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let nodes = [t.alice.file(&t.dir, "file").0, t.alice.dir(&t.dir, "dir")];
    for attr in nodes.map(|node| t.root.attr(&node)) {
        assert_eq!((attr.uid, attr.gid), (ALICE.uid, ALICE.gid));
    }
}

pub(super) fn getattr_needs_no_right(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.root.dir_of_mode(&t.dir, "dir", 0);
    let (file, _) = t.root.file_of_mode(&dir, "file", 0);
    assert_eq!(t.bob.attr(&file).uid, 0);
    assert_eq!(t.bob.attr(&dir).mode, 0);
}

pub(super) fn only_the_owner_and_root_set_the_mode(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o666);
    t.refused(t.bob.setattr(&file, &mode(0o777)), NOT_PERMITTED);
    assert_eq!(t.root.attr(&file).mode, 0o666);
    t.root.setattr(&file, &mode(0o600)).expect("root sets any mode");
    t.alice.setattr(&file, &mode(0o640)).expect("the owner sets the mode");
    assert_eq!(t.root.attr(&file).mode, 0o640);
}

pub(super) fn only_root_gives_an_object_away(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !subject.fs.properties().chown_restricted {
        return;
    }
    let (file, _) = t.alice.file(&t.dir, "file");
    t.refused(t.alice.setattr(&file, &uid(BOB.uid)), NOT_PERMITTED);
    t.refused(t.bob.setattr(&file, &uid(BOB.uid)), NOT_PERMITTED);
    assert_eq!(t.root.attr(&file).uid, ALICE.uid);
    let set = SetAttr { uid: Some(BOB.uid), gid: Some(FOREIGN_GROUP), ..NOTHING };
    t.root.setattr(&file, &set).expect("root gives anything away");
    let attr = t.root.attr(&file);
    assert_eq!((attr.uid, attr.gid), (BOB.uid, FOREIGN_GROUP));
}

pub(super) fn the_owner_chooses_among_own_groups(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file(&t.dir, "file");
    t.alice.setattr(&file, &gid(SHARED_GROUP)).expect("she is in that group");
    assert_eq!(t.root.attr(&file).gid, SHARED_GROUP);
    if subject.fs.properties().chown_restricted {
        t.refused(t.alice.setattr(&file, &gid(FOREIGN_GROUP)), NOT_PERMITTED);
    }
    t.refused(t.bob.setattr(&file, &gid(BOB.gid)), NOT_PERMITTED);
    assert_eq!(t.root.attr(&file).gid, SHARED_GROUP);
}

pub(super) fn a_refused_setattr_sets_nothing(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !subject.fs.properties().chown_restricted {
        return;
    }
    let (file, open) = t.alice.file(&t.dir, "file");
    t.alice.write(&open, 0, b"data");
    let set = SetAttr { uid: Some(BOB.uid), size: Some(0), mode: Some(0o777), ..NOTHING };
    t.refused(t.alice.setattr(&file, &set), NOT_PERMITTED);
    let attr = t.root.attr(&file);
    assert_eq!((attr.uid, attr.mode, attr.size), (ALICE.uid, 0o644, 4));
}

pub(super) fn a_new_group_takes_the_set_id_bits(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !t.features().set_id {
        return;
    }
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o6755);
    assert_eq!(t.root.attr(&file).mode, 0o6755);
    t.alice.setattr(&file, &gid(SHARED_GROUP)).expect("she is in that group");
    assert_eq!(t.root.attr(&file).mode, 0o755);
}

pub(super) fn a_write_takes_the_set_id_bits(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !t.features().set_id {
        return;
    }
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o6777);
    let open = t.bob.open(&file, OpenMode::WRITE).expect("all may write it");
    t.bob.write(&open, 0, b"data");
    assert_eq!(t.root.attr(&file).mode, 0o777);
}

pub(super) fn a_new_size_takes_the_set_id_bits(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !t.features().set_id {
        return;
    }
    let (file, open) = t.alice.file(&t.dir, "file");
    t.alice.write(&open, 0, b"data");
    t.alice.setattr(&file, &mode(0o6777)).expect("the owner sets the mode");
    t.bob.setattr(&file, &size(1)).expect("all may write it");
    assert_eq!(t.root.attr(&file).mode, 0o777);
}

pub(super) fn times_are_set_to_values_by_the_owner(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o666);
    let time = Time { sec: 1_000_000_000, nsec: 0 };
    let set = SetAttr { mtime: Some(SetTime::To(time)), ..NOTHING };
    t.refused(t.bob.setattr(&file, &set), NOT_PERMITTED);
    assert_ne!(t.root.attr(&file).mtime, time);
    t.alice.setattr(&file, &set).expect("the owner sets times");
    assert_eq!(t.root.attr(&file).mtime, time);
}

pub(super) fn times_are_set_to_now_by_who_may_write(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o606);
    let now = SetAttr { atime: Some(SetTime::Now), mtime: Some(SetTime::Now), ..NOTHING };
    t.bob.setattr(&file, &now).expect("all may write it");
    t.alice.setattr(&file, &mode(0o444)).expect("the owner sets the mode");
    t.refused(t.bob.setattr(&file, &now), DENIED);
    t.alice.setattr(&file, &now).expect("the owner sets times");
}

pub(super) fn a_size_is_set_by_who_may_write(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o606);
    t.bob.setattr(&file, &size(10)).expect("all may write it");
    t.alice.setattr(&file, &mode(0o444)).expect("the owner sets the mode");
    t.refused(t.bob.setattr(&file, &size(5)), DENIED);
    assert_eq!(t.root.attr(&file).size, 10);
}

pub(super) fn a_size_is_set_through_a_file_open_for_writing(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, open) = t.alice.file_of_mode(&t.dir, "file", 0o444);
    t.alice.setattr_through(&file, &open, &size(10)).expect("it is open for writing");
    assert_eq!(t.root.attr(&file).size, 10);
    if t.features().exact_opens {
        let reader = t.bob.open(&file, OpenMode::READ).expect("all may read it");
        t.refused(t.bob.setattr_through(&file, &reader, &size(5)), DENIED);
    }
    assert_eq!(t.root.attr(&file).size, 10);
}

/// Checks what reading and writing of a file of these bits is granted to.
fn check_class(t: &Scratch<'_>, file: &Handle, bits: u32, expected: [&str; 2]) {
    t.root.setattr(file, &mode(bits)).expect("root sets any mode");
    for (user, expected) in [t.alice, t.bob].into_iter().zip(expected) {
        let granted = user.access(file, Access::ALL).expect("access works");
        let read = expected.contains('r');
        assert_eq!(granted.contains(Access::READ), read, "{bits:o} {user:?}", user = user.cred);
        assert_eq!(user.open(file, OpenMode::READ).is_ok(), read);
        let write = expected.contains('w');
        assert_eq!(granted.contains(Access::MODIFY), write, "{bits:o} {user:?}", user = user.cred);
        assert_eq!(user.open(file, OpenMode::WRITE).is_ok(), write);
        assert_eq!(granted.contains(Access::EXECUTE), expected.contains('x'));
    }
}

pub(super) fn the_owner_has_the_rights_of_the_owner(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !t.features().exact_opens {
        return;
    }
    let (file, _) = t.alice.file(&t.dir, "file");
    check_class(&t, &file, 0o700, ["rwx", ""]);
    check_class(&t, &file, 0o400, ["r", ""]);
    check_class(&t, &file, 0o077, ["", "rwx"]);
    check_class(&t, &file, 0o004, ["", "r"]);
    check_class(&t, &file, 0o002, ["", "w"]);
    check_class(&t, &file, 0o211, ["w", "x"]);
}

pub(super) fn the_group_has_the_rights_of_the_group(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !t.features().exact_opens {
        return;
    }
    let (file, _) = t.root.file(&t.dir, "file");
    t.root.setattr(&file, &gid(BOB.gid)).expect("root gives anything away");
    check_class(&t, &file, 0o060, ["", "rw"]);
    check_class(&t, &file, 0o707, ["rwx", ""]);
    t.root.setattr(&file, &gid(SHARED_GROUP)).expect("root gives anything away");
    check_class(&t, &file, 0o040, ["r", ""]);
    check_class(&t, &file, 0o704, ["", "r"]);
}

pub(super) fn access_grants_what_was_asked_for_and_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file_of_mode(&t.dir, "file", 0o755);
    let granted = |node: &Handle, want| t.root.access(node, want).expect("access works");
    assert_eq!(granted(&file, Access::READ), Access::READ);
    assert_eq!(granted(&file, Access(0)), Access(0));
    assert!(!granted(&file, Access::ALL).contains(Access::LOOKUP));
    assert!(!granted(&file, Access::ALL).contains(Access::DELETE));
    assert!(!granted(&t.dir, Access::ALL).contains(Access::EXECUTE));
    let list = Access::READ.union(Access::LOOKUP);
    assert_eq!(granted(&t.dir, list), list);
    let change = Access::MODIFY.union(Access::EXTEND);
    assert_eq!(granted(&t.dir, change), change);
}

pub(super) fn root_opens_everything(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.alice.dir_of_mode(&t.dir, "dir", 0);
    let (file, _) = t.root.file_of_mode(&dir, "file", 0);
    assert_eq!(t.root.lookup(&dir, "file"), Ok(file));
    t.root.open(&file, OpenMode::BOTH).expect("root opens everything");
    assert_eq!(t.root.names(&dir), [b"file"]);
    t.root.remove(&dir, "file").expect("root removes everything");
}

pub(super) fn open_without_a_right_is_denied(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0o604);
    t.bob.open(&file, OpenMode::READ).expect("all may read it");
    t.refused(t.bob.open(&file, OpenMode::WRITE), DENIED);
    t.refused(t.bob.open(&file, OpenMode::BOTH), DENIED);
}

pub(super) fn open_lets_the_owner_in_when_told_to(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, _) = t.alice.file_of_mode(&t.dir, "file", 0);
    if t.features().exact_opens {
        t.refused(t.alice.open(&file, OpenMode::READ), DENIED);
    }
    let open = t.alice.open_as_owner(&file, OpenMode::BOTH).expect("she owns it");
    t.alice.write(&open, 0, b"data");
    assert_eq!(t.alice.read(&open, 0, 10), b"data");
    t.refused(t.bob.open_as_owner(&file, OpenMode::READ), DENIED);
}

pub(super) fn a_new_file_is_open_whatever_its_mode(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    for (number, bits) in [0, 0o444, 0o222].into_iter().enumerate() {
        let how = CreateHow::Guarded(mode(bits));
        let made = t.alice.create(&t.dir, format!("file-{number}"), how, OpenMode::BOTH);
        let made = made.expect("created");
        t.alice.write(&made.file, 0, b"data");
        assert_eq!(t.alice.read(&made.file, 0, 10), b"data");
        assert_eq!(t.root.attr(&made.node).mode, bits);
    }
}

pub(super) fn create_of_what_may_not_be_opened_is_denied(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let (file, open) = t.alice.file_of_mode(&t.dir, "file", 0o604);
    t.alice.write(&open, 0, b"data");
    let keep = CreateHow::Unchecked(NOTHING);
    t.bob.create(&t.dir, "file", keep, OpenMode::READ).expect("all may read it");
    t.refused(t.bob.create(&t.dir, "file", keep, OpenMode::WRITE), DENIED);
    let empty = CreateHow::Unchecked(size(0));
    t.refused(t.bob.create(&t.dir, "file", empty, OpenMode::BOTH), DENIED);
    assert_eq!(t.root.attr(&file).size, 4);
}

pub(super) fn names_need_the_right_to_search(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.alice.dir_of_mode(&t.dir, "dir", 0o706);
    let (file, _) = t.alice.file(&dir, "file");
    let (mine, _) = t.bob.file(&t.dir, "mine");
    t.refused(t.bob.lookup(&dir, "file"), DENIED);
    t.refused(t.bob.lookup(&dir, "nothing"), DENIED);
    t.refused(t.bob.guarded(&dir, "new"), DENIED);
    t.refused(t.bob.mkdir(&dir, "new"), DENIED);
    t.refused(t.bob.remove(&dir, "file"), DENIED);
    t.refused(t.bob.rename(&dir, "file", &t.dir, "new"), DENIED);
    t.refused(t.bob.rename(&t.dir, "mine", &dir, "new"), DENIED);
    if t.features().hard_links {
        t.refused(t.bob.link(&mine, &dir, "new"), DENIED);
    }
    t.alice.setattr(&dir, &mode(0o701)).expect("the owner sets the mode");
    assert_eq!(t.bob.lookup(&dir, "file"), Ok(file));
}

pub(super) fn changed_names_need_the_right_to_write(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.alice.dir_of_mode(&t.dir, "dir", 0o755);
    t.alice.file(&dir, "file");
    t.alice.dir(&dir, "sub");
    let (mine, _) = t.bob.file(&t.dir, "mine");
    t.refused(t.bob.guarded(&dir, "new"), DENIED);
    let how = CreateHow::Unchecked(NOTHING);
    t.refused(t.bob.create(&dir, "new", how, OpenMode::READ), DENIED);
    t.refused(t.bob.mkdir(&dir, "new"), DENIED);
    t.refused(t.bob.remove(&dir, "file"), DENIED);
    t.refused(t.bob.remove(&dir, "sub"), DENIED);
    t.refused(t.bob.rename(&dir, "file", &dir, "new"), DENIED);
    t.refused(t.bob.rename(&dir, "file", &t.dir, "new"), DENIED);
    t.refused(t.bob.rename(&t.dir, "mine", &dir, "new"), DENIED);
    t.refused(t.bob.rename(&t.dir, "mine", &dir, "file"), DENIED);
    if t.features().hard_links {
        t.refused(t.bob.link(&mine, &dir, "new"), DENIED);
    }
    assert_eq!(t.root.names(&dir), [&b"file"[..], b"sub"]);
}

pub(super) fn readdir_needs_the_right_to_read(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.alice.dir_of_mode(&t.dir, "dir", 0o733);
    t.bob.file(&dir, "file");
    t.refused(t.bob.list(&dir, NAMES), DENIED);
    t.alice.setattr(&dir, &mode(0o755)).expect("the owner sets the mode");
    assert_eq!(t.bob.names(&dir), [b"file"]);
}

pub(super) fn a_device_needs_privilege(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    for kind in [NewNode::Block(7, 0), NewNode::Character(1, 3)] {
        t.refused(t.alice.make(&t.dir, "device", kind, &mode(0o600)), NOT_PERMITTED);
    }
    assert!(t.root.names(&t.dir).is_empty());
}

const STICKY: &[Error] = &[Error::NotPermitted, Error::AccessDenied];

pub(super) fn a_sticky_directory_keeps_the_files_of_others(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.root.dir_of_mode(&t.dir, "dir", 0o1777);
    t.alice.file_of_mode(&dir, "file", 0o666);
    t.alice.dir(&dir, "sub");
    t.bob.file(&dir, "mine");
    for name in ["file", "sub"] {
        t.refused(t.bob.remove(&dir, name), STICKY);
        t.refused(t.bob.rename(&dir, name, &dir, "new"), STICKY);
        t.refused(t.bob.rename(&dir, name, &t.dir, "new"), STICKY);
    }
    t.refused(t.bob.rename(&dir, "mine", &dir, "file"), STICKY);
    assert_eq!(t.root.names(&dir), [&b"file"[..], b"mine", b"sub"]);
}

pub(super) fn a_sticky_directory_lets_both_owners_remove(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    let dir = t.alice.dir_of_mode(&t.dir, "dir", 0o1777);
    for remover in [t.alice, t.bob, t.root] {
        t.bob.file(&dir, "file");
        t.bob.file(&dir, "other");
        remover.remove(&dir, "file").expect("removed");
        remover.rename(&dir, "other", &dir, "file").expect("renamed");
        t.root.remove(&dir, "file").expect("removed");
    }
}

pub(super) fn a_set_group_id_directory_gives_its_group(subject: &Subject) {
    let Some(t) = with_users(subject) else { return };
    if !t.features().group_inheritance {
        return;
    }
    let dir = t.root.dir(&t.dir, "dir");
    let set = SetAttr { gid: Some(SHARED_GROUP), mode: Some(0o2777), ..NOTHING };
    t.root.setattr(&dir, &set).expect("root sets everything");
    assert_eq!(t.root.attr(&dir).mode, 0o2777);
    let (file, _) = t.bob.file(&dir, "file");
    let attr = t.root.attr(&file);
    assert_eq!((attr.uid, attr.gid, attr.mode), (BOB.uid, SHARED_GROUP, 0o644));
    let (made, _) =
        t.alice.make(&dir, "sub", NewNode::Directory, &mode(0o755)).expect("all may write here");
    let attr = t.root.attr(&made);
    assert_eq!((attr.uid, attr.gid, attr.mode), (ALICE.uid, SHARED_GROUP, 0o2755));
    if subject.fs.properties().symlinks {
        let link = t.bob.symlink(&dir, "link", b"text").expect("symlinks work");
        assert_eq!(t.root.attr(&link).gid, SHARED_GROUP);
    }
}
