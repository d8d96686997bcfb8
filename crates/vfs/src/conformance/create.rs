//! Making files and all else, opening and removing.

use super::user::{NOTHING, mode, size};
use super::{Scratch, Subject};
use crate::{CreateHow, Error, FileKind, NewNode, OpenMode, SetAttr};

const BOTH: OpenMode = OpenMode::BOTH;

const fn exclusive(verifier: u8, attrs: SetAttr) -> CreateHow {
    CreateHow::Exclusive { verifier: [verifier; 8], attrs }
}

/// Every way to create a file.
const HOWS: [CreateHow; 3] =
    [CreateHow::Unchecked(mode(0o644)), CreateHow::Guarded(mode(0o644)), exclusive(3, mode(0o644))];

pub(super) fn create_makes_an_open_file(subject: &Subject) {
    let t = Scratch::new(subject);
    for (number, how) in HOWS.into_iter().enumerate() {
        let name = format!("file-{number}");
        let made = t.root.create(&t.dir, &name, how, BOTH).expect("created");
        assert!(made.created);
        assert_ne!(made.change.before, made.change.after);
        assert_eq!(t.root.lookup(&t.dir, &name), Ok(made.node));
        t.root.write(&made.file, 0, b"data");
        assert_eq!(t.root.read(&made.file, 0, 10), b"data");
        assert_eq!(t.root.attr(&made.node).mode, 0o644);
    }
}

pub(super) fn create_with_a_size_makes_a_hole(subject: &Subject) {
    let t = Scratch::new(subject);
    for how in [CreateHow::Unchecked(size(1000)), CreateHow::Guarded(size(1000))] {
        let made = t.root.create(&t.dir, "file", how, BOTH).expect("created");
        assert_eq!(t.root.attr(&made.node).size, 1000);
        assert_eq!(t.root.read(&made.file, 0, 2000), [0; 1000]);
        t.root.remove(&t.dir, "file").expect("removed");
    }
}

pub(super) fn create_unchecked_opens_what_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    let how = CreateHow::Unchecked(mode(0o600));
    let found = t.root.create(&t.dir, "file", how, BOTH).expect("opened");
    assert!(!found.created);
    assert_eq!(found.node, file);
    assert!(!found.change.atomic || found.change.before == found.change.after);
    assert_eq!(t.root.read(&found.file, 0, 10), b"data");
    assert_eq!(t.root.attr(&file).mode, 0o644, "the attributes are for a new file");
}

pub(super) fn create_unchecked_of_size_zero_empties_what_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    let found = t.root.create(&t.dir, "file", CreateHow::Unchecked(size(0)), BOTH);
    assert!(!found.expect("opened").created);
    assert_eq!(t.root.attr(&file).size, 0);
    assert_eq!(t.root.read(&open, 0, 10), b"");
}

pub(super) fn create_unchecked_of_another_size_leaves_what_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.create(&t.dir, "file", CreateHow::Unchecked(size(2)), BOTH).expect("opened");
    assert_eq!(t.root.attr(&file).size, 4);
}

pub(super) fn create_guarded_of_what_exists_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    let (file, open) = t.root.file(&t.dir, "file");
    t.root.write(&open, 0, b"data");
    t.root.dir(&t.dir, "dir");
    for name in ["file", "dir"] {
        let how = CreateHow::Guarded(size(0));
        t.refused(t.root.create(&t.dir, name, how, BOTH), &[Error::Exists]);
    }
    assert_eq!(t.root.attr(&file).size, 4);
}

pub(super) fn create_exclusive_again_opens_the_file(subject: &Subject) {
    let t = Scratch::new(subject);
    let first = t.root.create(&t.dir, "file", exclusive(1, NOTHING), BOTH).expect("created");
    let again = t.root.create(&t.dir, "file", exclusive(1, NOTHING), BOTH).expect("opened");
    assert_eq!(again.node, first.node);
    t.root.write(&again.file, 0, b"data");
    assert_eq!(t.root.read(&first.file, 0, 10), b"data");
}

pub(super) fn create_exclusive_with_another_verifier_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.create(&t.dir, "file", exclusive(1, NOTHING), BOTH).expect("created");
    t.refused(t.root.create(&t.dir, "file", exclusive(2, NOTHING), BOTH), &[Error::Exists]);
    t.refused(t.root.guarded(&t.dir, "file"), &[Error::Exists]);
}

pub(super) fn create_exclusive_of_another_file_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    t.root.dir(&t.dir, "dir");
    for name in ["file", "dir"] {
        t.refused(t.root.create(&t.dir, name, exclusive(1, NOTHING), BOTH), &[Error::Exists]);
    }
}

pub(super) fn create_after_a_removal_makes_another_file(subject: &Subject) {
    let t = Scratch::new(subject);
    for how in HOWS {
        let first = t.root.create(&t.dir, "file", how, BOTH).expect("created");
        t.root.write(&first.file, 0, b"old");
        t.root.remove(&t.dir, "file").expect("removed");
        let second = t.root.create(&t.dir, "file", how, BOTH).expect("created");
        assert!(second.created);
        assert_ne!(second.node, first.node);
        assert_eq!(t.root.read(&second.file, 0, 10), b"");
        t.root.remove(&t.dir, "file").expect("removed");
    }
}

/// One of each kind that is no regular file, with what opening it gives.
fn others(t: &Scratch<'_>) -> Vec<(&'static str, Error)> {
    t.root.dir(&t.dir, "dir");
    let mut others = vec![("dir", Error::IsDirectory)];
    if t.subject.fs.properties().symlinks {
        t.root.symlink(&t.dir, "link", b"nowhere").expect("symlinks work");
        others.push(("link", Error::IsSymlink));
    }
    if t.features().special_files {
        t.root.make(&t.dir, "fifo", NewNode::Fifo, &mode(0o666)).expect("fifos work");
        t.root.make(&t.dir, "socket", NewNode::Socket, &mode(0o666)).expect("sockets work");
        others.extend([("fifo", Error::WrongType), ("socket", Error::WrongType)]);
    }
    others
}

pub(super) fn create_unchecked_opens_regular_files_only(subject: &Subject) {
    let t = Scratch::new(subject);
    for (name, reason) in others(&t) {
        let how = CreateHow::Unchecked(size(0));
        t.refused(t.root.create(&t.dir, name, how, BOTH), &[reason]);
    }
    assert!(t.root.lookup(&t.dir, "nowhere").is_err(), "no link was followed");
}

pub(super) fn open_is_for_regular_files(subject: &Subject) {
    let t = Scratch::new(subject);
    for (name, reason) in others(&t) {
        let node = t.root.lookup(&t.dir, name).expect("found");
        for mode in [OpenMode::READ, OpenMode::WRITE, OpenMode::BOTH] {
            t.refused(t.root.open(&node, mode), &[reason]);
        }
    }
}

pub(super) fn make_node_makes_every_kind(subject: &Subject) {
    let t = Scratch::new(subject);
    let mut kinds = vec![("dir", NewNode::Directory, FileKind::Directory)];
    if subject.fs.properties().symlinks {
        kinds.push(("link", NewNode::Symlink(b"text"), FileKind::Symlink));
    }
    if t.features().special_files {
        kinds.push(("fifo", NewNode::Fifo, FileKind::Fifo));
        kinds.push(("socket", NewNode::Socket, FileKind::Socket));
    }
    if t.features().devices {
        kinds.push(("block", NewNode::Block(7, 300), FileKind::Block));
        kinds.push(("character", NewNode::Character(1, 3), FileKind::Character));
    }
    for (name, kind, expected) in kinds {
        let (node, change) = t.root.make(&t.dir, name, kind, &mode(0o755)).expect("made");
        assert_ne!(change.before, change.after);
        assert_eq!(t.root.lookup(&t.dir, name), Ok(node));
        let attr = t.root.attr(&node);
        assert_eq!(attr.kind, expected);
        assert!(expected == FileKind::Symlink || attr.mode == 0o755);
        let rdev = match kind {
            NewNode::Block(major, minor) | NewNode::Character(major, minor) => (major, minor),
            NewNode::Directory | NewNode::Symlink(_) | NewNode::Fifo | NewNode::Socket => (0, 0),
        };
        assert_eq!(attr.rdev, rdev);
        t.refused(t.root.make(&t.dir, name, kind, &mode(0o755)), &[Error::Exists]);
        t.root.remove(&t.dir, name).expect("removed");
    }
}

pub(super) fn make_node_over_a_name_is_exists(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    t.refused(t.root.mkdir(&t.dir, "file"), &[Error::Exists]);
    if subject.fs.properties().symlinks {
        t.refused(t.root.symlink(&t.dir, "file", b"text"), &[Error::Exists]);
    }
}

pub(super) fn remove_takes_the_name_away(subject: &Subject) {
    let t = Scratch::new(subject);
    t.root.file(&t.dir, "file");
    t.root.dir(&t.dir, "dir");
    for name in ["file", "dir"] {
        let change = t.root.remove(&t.dir, name).expect("removed");
        assert_ne!(change.before, change.after);
        t.refused(t.root.lookup(&t.dir, name), &[Error::NotFound]);
    }
    assert!(t.root.names(&t.dir).is_empty());
}

pub(super) fn remove_of_no_name_is_not_found(subject: &Subject) {
    let t = Scratch::new(subject);
    t.refused(t.root.remove(&t.dir, "nothing"), &[Error::NotFound]);
}

pub(super) fn remove_of_a_full_directory_is_not_empty(subject: &Subject) {
    let t = Scratch::new(subject);
    let dir = t.root.dir(&t.dir, "dir");
    t.root.file(&dir, "file");
    t.refused(t.root.remove(&t.dir, "dir"), &[Error::NotEmpty]);
    t.root.remove(&dir, "file").expect("removed");
    t.root.dir(&dir, "sub");
    t.refused(t.root.remove(&t.dir, "dir"), &[Error::NotEmpty]);
    t.root.remove(&dir, "sub").expect("removed");
    t.root.remove(&t.dir, "dir").expect("removed");
}
