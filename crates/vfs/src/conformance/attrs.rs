//! Reading and setting attributes, except times and rights.

use super::user::{NOTHING, mode, size};
use super::{Scratch, Subject};
use crate::{Access, ChangeAttrType, Error, FileKind, NewNode};

pub(super) fn getattr_of_the_root_is_a_directory(subject: &Subject) {
    let t = Scratch::new(subject);
    let attr = t.root.attr(&t.root.fs.root());
    assert_eq!(attr.kind, FileKind::Directory);
}

pub(super) fn properties_are_sane(subject: &Subject) {
    let properties = subject.fs.properties();
    assert!(properties.name_max >= 14 && properties.link_max >= 1);
    assert!(properties.size_max > u64::from(u32::MAX));
    assert!((1..=1_000_000_000).contains(&properties.time_granularity_ns));
    assert_eq!(properties, subject.fs.properties());
}

pub(super) fn space_is_sane(subject: &Subject) {
    let t = Scratch::new(subject);
    let space = t.root.space(&t.dir).expect("space works");
    assert!(space.avail <= space.free && space.free <= space.total);
    assert!(space.files_avail <= space.files_free && space.files_free <= space.files_total);
}

pub(super) fn new_objects_have_the_attributes_of_their_kind(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let attr = t.root.attr(&file);
    assert_eq!((attr.kind, attr.size, attr.nlink), (FileKind::Regular, 0, 1));
    assert_eq!(attr.mode, 0o644);
    let attr = t.root.attr(&t.root.dir(&t.dir, "dir"));
    assert_eq!(attr.kind, FileKind::Directory);
    assert_eq!(attr.mode & 0o777, 0o777);
    if subject.fs.properties().symlinks {
        let link = t.root.symlink(&t.dir, "link", b"some/where").expect("symlinks work");
        let attr = t.root.attr(&link);
        assert_eq!((attr.kind, attr.size, attr.nlink), (FileKind::Symlink, 10, 1));
    }
}

pub(super) fn fileids_differ_and_stay(subject: &Subject) {
    let t = Scratch::new(subject);
    let nodes = [t.dir, t.root.dir(&t.dir, "d"), t.root.file(&t.dir, "f").0];
    let attrs = nodes.map(|node| t.root.attr(&node));
    assert_ne!(attrs[0].fileid, attrs[1].fileid);
    assert_ne!(attrs[1].fileid, attrs[2].fileid);
    assert_ne!(attrs[2].fileid, attrs[0].fileid);
    assert!(attrs.iter().all(|attr| attr.fsid == attrs[0].fsid));
    t.root.rename(&t.dir, "f", &t.dir, "g").expect("a file can be renamed");
    assert_eq!(t.root.attr(&nodes[2]).fileid, attrs[2].fileid);
}

pub(super) fn setattr_mode_sets_permission_bits(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let dir = t.root.dir(&t.dir, "dir");
    for bits in [0o600, 0o000, 0o777, 0o421] {
        for node in [&file, &dir] {
            t.root.setattr(node, &mode(bits)).expect("its owner sets the mode");
            assert_eq!(t.root.attr(node).mode, bits);
        }
    }
    t.root.setattr(&dir, &mode(0o1755)).expect("its owner sets the mode");
    assert_eq!(t.root.attr(&dir).mode, 0o1755);
}

pub(super) fn setattr_mode_keeps_set_id_bits(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().set_id {
        return;
    }
    let (file, _) = t.root.file(&t.dir, "file");
    for bits in [0o6755, 0o4711, 0o2755] {
        t.root.setattr(&file, &mode(bits)).expect("its owner sets the mode");
        assert_eq!(t.root.attr(&file).mode, bits);
    }
}

pub(super) fn setattr_of_nothing_changes_nothing(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let before = t.root.attr(&file);
    t.root.setattr(&file, &NOTHING).expect("nothing can be set");
    assert_eq!(t.root.attr(&file).change, before.change);
}

pub(super) fn setattr_sets_several_at_once(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"0123456789");
    let mut set = size(4);
    set.mode = Some(0o640);
    t.root.setattr(&file, &set).expect("size and mode can be set");
    let attr = t.root.attr(&file);
    assert_eq!((attr.size, attr.mode), (4, 0o640));
}

pub(super) fn setattr_size_of_a_directory_is_refused(subject: &Subject) {
    let t = Scratch::new(subject);
    t.refused(t.root.setattr(&t.dir, &size(0)), &[Error::IsDirectory]);
}

pub(super) fn setattr_size_of_a_symlink_is_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    if !subject.fs.properties().symlinks {
        return;
    }
    let link = t.root.symlink(&t.dir, "link", b"text").expect("symlinks work");
    t.refused(t.root.setattr(&link, &size(0)), &[Error::Invalid]);
}

pub(super) fn setattr_size_of_a_fifo_is_invalid(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().special_files {
        return;
    }
    let made = t.root.make(&t.dir, "fifo", NewNode::Fifo, &mode(0o666));
    let (fifo, _) = made.expect("fifos work");
    t.refused(t.root.setattr(&fifo, &size(0)), &[Error::Invalid]);
}

pub(super) fn setattr_size_beyond_the_largest_is_too_big(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let size_max = subject.fs.properties().size_max;
    for beyond in [size_max.saturating_add(1), u64::MAX] {
        if beyond > size_max {
            t.refused(t.root.setattr(&file, &size(beyond)), &[Error::TooBig]);
        }
    }
    assert_eq!(t.root.attr(&file).size, 0);
}

/// Checks that each step of `steps` moves the change attribute, and upwards where that is
/// promised.
fn check_changes(t: &Scratch<'_>, node: &crate::Handle, steps: &[(&str, &dyn Fn())]) {
    let monotonic = t.subject.fs.properties().change_attr_type == ChangeAttrType::Monotonic;
    let mut seen = vec![t.root.attr(node).change];
    for (step, run) in steps {
        run();
        let change = t.root.attr(node).change;
        assert!(!seen.contains(&change), "{step} changed the attribute to a new value");
        assert!(!monotonic || seen.iter().all(|old| *old < change), "{step} moved it upwards");
        seen.push(change);
    }
}

pub(super) fn change_of_a_file_differs_after_each_change(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    let t = &t;
    let set = |set| t.root.setattr(&file, &set).expect("attributes can be set");
    check_changes(
        t,
        &file,
        &[
            ("a write", &|| t.root.write(&open, 0, b"data")),
            ("the same write", &|| t.root.write(&open, 0, b"data")),
            ("a new mode", &|| set(mode(0o600))),
            ("a shorter size", &|| set(size(1))),
            ("a longer size", &|| set(size(100))),
        ],
    );
    if !t.features().hard_links {
        return;
    }
    check_changes(
        t,
        &file,
        &[
            ("a link", &|| _ = t.root.link(&file, &t.dir, "other").expect("a link can be made")),
            ("an unlink", &|| _ = t.root.remove(&t.dir, "other").expect("it can be removed")),
        ],
    );
}

pub(super) fn change_of_a_directory_differs_after_each_change(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    let t = &t;
    check_changes(
        t,
        &dir,
        &[
            ("a new file", &|| _ = t.root.file(&dir, "file")),
            ("a new directory", &|| _ = t.root.dir(&dir, "sub")),
            ("a rename", &|| _ = t.root.rename(&dir, "file", &dir, "new").expect("renamed")),
            ("a rename away", &|| _ = t.root.rename(&dir, "new", &t.dir, "x").expect("renamed")),
            ("a rename back", &|| _ = t.root.rename(&t.dir, "x", &dir, "new").expect("renamed")),
            ("a removal", &|| _ = t.root.remove(&dir, "new").expect("removed")),
            ("a removed directory", &|| _ = t.root.remove(&dir, "sub").expect("removed")),
            ("a new mode", &|| t.root.setattr(&dir, &mode(0o700)).expect("its mode is set")),
        ],
    );
}

pub(super) fn change_stays_while_nothing_changes(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, _) = t.root.file(&t.dir, "file");
    let before = (t.root.attr(&file).change, t.root.attr(&t.dir).change);
    t.root.lookup(&t.dir, "file").expect("the file is there");
    t.root.access(&file, Access::ALL).expect("access works");
    t.root.names(&t.dir);
    t.refused(t.root.remove(&t.dir, "no file"), &[Error::NotFound]);
    t.refused(t.root.mkdir(&t.dir, "file"), &[Error::Exists]);
    assert_eq!((t.root.attr(&file).change, t.root.attr(&t.dir).change), before);
}

pub(super) fn change_infos_chain(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    let mut last = t.root.attr(&dir).change;
    let mut follow = |step: &str, info: crate::ChangeInfo| {
        let now = t.root.attr(&dir).change;
        if info.atomic {
            assert_eq!(info.before, last, "{step} starts where the last one ended");
            assert_eq!(info.after, now, "{step} ends where the directory is");
        }
        assert_ne!(now, last, "{step} changed the directory");
        last = now;
    };
    follow("create", t.root.guarded(&dir, "a").expect("created").change);
    let made = t.root.make(&dir, "d", NewNode::Directory, &mode(0o755)).expect("made");
    follow("make_node", made.1);
    let (from, to) = t.root.rename(&dir, "a", &dir, "b").expect("renamed");
    assert_eq!((from.before, from.after), (to.before, to.after));
    follow("rename within", from);
    follow("rename away", t.root.rename(&dir, "b", &t.dir, "b").expect("renamed").0);
    follow("rename back", t.root.rename(&t.dir, "b", &dir, "b").expect("renamed").1);
    if t.features().hard_links {
        let node = t.root.lookup(&dir, "b").expect("found");
        follow("link", t.root.link(&node, &dir, "c").expect("linked"));
    }
    follow("remove", t.root.remove(&dir, "b").expect("removed"));
    follow("remove of a directory", t.root.remove(&dir, "d").expect("removed"));
}

pub(super) fn directories_count_their_subdirectories(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().counts_subdirectories {
        return;
    }
    let dir = t.root.dir(&t.dir, "dir");
    assert_eq!(t.root.attr(&dir).nlink, 2);
    t.root.dir(&dir, "a");
    t.root.dir(&dir, "b");
    t.root.file(&dir, "file");
    assert_eq!(t.root.attr(&dir).nlink, 4);
    t.root.rename(&dir, "a", &t.dir, "a").expect("renamed");
    assert_eq!(t.root.attr(&dir).nlink, 3);
    t.root.rename(&t.dir, "a", &dir, "b").expect("an empty directory is replaced");
    assert_eq!(t.root.attr(&dir).nlink, 3);
    t.root.remove(&dir, "b").expect("removed");
    assert_eq!(t.root.attr(&dir).nlink, 2);
}
