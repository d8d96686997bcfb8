//! What happens when memory or files run out, and whose handles are whose.

use holdfast_vfs::memfs::MemFs;
use holdfast_vfs::{
    CreateHow, Created, Cred, Error, FileSystem, NewNode, OpenMode, Result, SetAttr, Space,
    Stability, XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_VALUE_MAX, XattrHow,
};

use super::world::{memfs, now};

const ROOT: Cred = Cred::ROOT;
const NAME: &[u8] = b"file";

fn create(fs: &MemFs, name: &[u8]) -> Result<Created> {
    let how = CreateHow::Guarded(SetAttr::default());
    now(fs.create(&ROOT, &fs.root(), name, &how, OpenMode::BOTH))
}

fn write(fs: &MemFs, made: &Created, offset: u64, data: &[u8]) -> Result<usize> {
    let written = now(fs.write(&ROOT, &made.file, offset, data, Stability::Unstable));
    written.map(|written| written.count)
}

fn space(fs: &MemFs) -> Space {
    now(fs.space(&ROOT, &fs.root())).expect("space works")
}

#[test]
fn a_full_file_system_takes_again_what_was_freed() {
    let fs = memfs(1 << 20, 100);
    let empty = space(&fs);
    let made = create(&fs, NAME).expect("created");
    let block = vec![7; 64 << 10];
    let mut size = 0;
    while write(&fs, &made, size, &block).is_ok() {
        size += block.len() as u64;
    }
    assert!(size >= 900_000);
    let full = space(&fs);
    assert_eq!(write(&fs, &made, size, &block), Err(Error::NoSpace));
    assert_eq!(space(&fs), full, "a refused write leaves nothing behind");
    assert_eq!(now(fs.getattr(&ROOT, &made.node)).expect("it is there").size, size);
    assert_eq!(write(&fs, &made, 0, &block), Ok(block.len()), "what is there can be rewritten");

    let set = SetAttr { size: Some(0), ..SetAttr::default() };
    now(fs.setattr(&ROOT, &made.node, None, &set)).expect("the size can be set");
    assert_eq!(write(&fs, &made, 1 << 40, &block), Ok(block.len()));

    now(fs.remove(&ROOT, &fs.root(), NAME)).expect("removed");
    assert!(space(&fs).free < empty.free, "an open file keeps its data");
    drop(made);
    assert_eq!(space(&fs), empty);
}

#[test]
fn room_and_clones_are_counted_and_given_back() {
    let fs = memfs(1 << 20, 100);
    let empty = space(&fs);
    let (made, other) = (create(&fs, NAME).expect("created"), create(&fs, b"b").expect("created"));
    let names = space(&fs);
    let allocate = |offset, len| now(fs.allocate(&ROOT, &made.file, offset, len));
    for len in [2 << 20, 1 << 40, 1 << 62] {
        assert_eq!(allocate(0, len), Err(Error::NoSpace));
        assert_eq!(space(&fs), names, "a refused allocation leaves nothing behind");
    }
    assert_eq!(allocate(0, 700_000), Ok(()));
    let full = space(&fs);
    assert!(full.free < 400_000);
    assert_eq!(allocate(0, 700_000), Ok(()), "what has room needs none");
    assert_eq!(write(&fs, &made, 0, &vec![7; 700_000]), Ok(700_000));
    assert_eq!(space(&fs), full, "the room was there");
    let clone = now(fs.clone_range(&ROOT, (&made.file, 0), (&other.file, 0), 0));
    assert_eq!(clone, Err(Error::NoSpace), "a clone may be written: it counts in full");
    assert_eq!(space(&fs), full);
    now(fs.deallocate(&ROOT, &made.file, 1 << 16, 1 << 30)).expect("punched");
    now(fs.clone_range(&ROOT, (&made.file, 0), (&other.file, 1 << 17), 1 << 16)).expect("cloned");
    now(fs.deallocate(&ROOT, &made.file, 0, 1 << 30)).expect("punched");
    assert_eq!(names.free - space(&fs).free, 1 << 16, "what is left is the clone");
    for (made, name) in [(made, NAME), (other, b"b")] {
        now(fs.remove(&ROOT, &fs.root(), name)).expect("removed");
        drop(made);
    }
    assert_eq!(space(&fs), empty);
}

#[test]
fn room_around_a_punched_range_stays() {
    let fs = memfs(1 << 20, 100);
    let made = create(&fs, NAME).expect("created");
    now(fs.allocate(&ROOT, &made.file, 0, 60_000)).expect("there is room");
    assert_eq!(write(&fs, &made, 0, b"data"), Ok(4));
    let before = space(&fs);
    for (offset, len) in [(2, 10), (0, 100), (5000, 5000)] {
        now(fs.deallocate(&ROOT, &made.file, offset, len)).expect("punched");
    }
    assert_eq!(write(&fs, &made, 20_000, &[1; 40_000]), Ok(40_000));
    assert_eq!(space(&fs), before, "the writes found their room");
}

#[test]
fn every_file_counts_against_the_limit() {
    let fs = memfs(1 << 20, 3);
    create(&fs, b"a").expect("created");
    now(fs.make_node(&ROOT, &fs.root(), b"b", NewNode::Directory, &SetAttr::default()))
        .expect("made");
    create(&fs, b"c").expect("created");
    assert_eq!(space(&fs).files_free, 0);
    let free = space(&fs).free;
    assert_eq!(create(&fs, b"d").err(), Some(Error::NoSpace));
    assert_eq!(space(&fs).free, free);
    for name in [b"a", b"b"] {
        now(fs.remove(&ROOT, &fs.root(), name)).expect("removed");
        create(&fs, b"d").expect("created");
        now(fs.remove(&ROOT, &fs.root(), b"d")).expect("removed");
    }
}

#[test]
fn names_count_against_the_limit() {
    let fs = memfs(100_000, 10);
    let made = create(&fs, NAME).expect("created");
    let link = |number: u32| {
        let name = format!("{number:0255}");
        now(fs.link(&ROOT, &made.node, &fs.root(), name.as_bytes()))
    };
    let refused = (0..1000).map(link).find_map(Result::err);
    assert_eq!(refused, Some(Error::NoSpace));
    let attr = now(fs.getattr(&ROOT, &made.node)).expect("it is there");
    assert!((200..400).contains(&attr.nlink));
}

#[test]
fn handles_of_another_instance_are_stale() {
    let (first, second) = (memfs(1 << 20, 10), memfs(1 << 20, 10));
    let made = create(&first, NAME).expect("created");
    create(&second, NAME).expect("created");
    assert_eq!(now(second.getattr(&ROOT, &made.node)), Err(Error::Stale));
    assert_eq!(now(second.getattr(&ROOT, &first.root())), Err(Error::Stale));
    assert_eq!(write(&second, &made, 0, b"x"), Err(Error::Invalid));
}

#[test]
fn a_very_deep_tree_can_be_dropped() {
    let fs = memfs(1 << 30, 200_000);
    let mut at = fs.root();
    for _ in 0..100_000 {
        let made = now(fs.make_node(&ROOT, &at, b"d", NewNode::Directory, &SetAttr::default()));
        at = made.expect("made").0;
    }
    drop(fs);
}

#[test]
fn extended_attributes_count_against_the_limit() {
    let fs = memfs(1 << 20, 10);
    let empty = space(&fs);
    let made = create(&fs, NAME).expect("created");
    let before = space(&fs);
    let set = |name: &str, len: usize| {
        let value = vec![7; len];
        now(fs.setxattr(&ROOT, &made.node, name.as_bytes(), &value, XattrHow::Either)).map(drop)
    };
    let refused = (0..100).find_map(|number| set(&number.to_string(), XATTR_VALUE_MAX).err());
    assert_eq!(refused, Some(Error::NoSpace));
    let full = space(&fs);
    assert!(full.free < XATTR_VALUE_MAX as u64 + 200);
    set("0", 0).expect("a smaller value fits");
    assert!(space(&fs).free >= full.free + XATTR_VALUE_MAX as u64);
    for name in now(fs.listxattrs(&ROOT, &made.node)).expect("they are listed") {
        now(fs.removexattr(&ROOT, &made.node, &name)).expect("removed");
    }
    assert_eq!(space(&fs), before);
    set("name", 1000).expect("it fits again");
    now(fs.remove(&ROOT, &fs.root(), NAME)).expect("removed");
    drop(made);
    assert_eq!(space(&fs), empty);
}

#[test]
fn the_names_of_extended_attributes_have_a_limit() {
    let fs = memfs(1 << 30, 10);
    let made = create(&fs, NAME).expect("created");
    let name = |number: u32| format!("{number:0250}");
    let set = |number: u32| {
        let name = name(number);
        now(fs.setxattr(&ROOT, &made.node, name.as_bytes(), b"", XattrHow::Create)).map(drop)
    };
    let most = (XATTR_LIST_MAX / (XATTR_NAME_MAX + 1)) as u32;
    assert_eq!((0..most).find_map(|number| set(number).err()), None);
    assert_eq!(set(most), Err(Error::NoSpace));
    now(fs.removexattr(&ROOT, &made.node, name(0).as_bytes())).expect("removed");
    set(most).expect("there is room again");
}
