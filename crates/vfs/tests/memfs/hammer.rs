//! Threads that do anything at all, and what must be true of the tree they leave.

use std::collections::HashMap;
use std::thread;

use holdfast_vfs::memfs::MemFs;
use holdfast_vfs::{
    Attr, CreateHow, Cred, DirEntry, DirSink, File, FileKind, FileSystem, Handle, NewNode,
    OpenMode, ReadSink, SetAttr, Stability, Want,
};

use super::world::{memfs, now};

const ROOT: Cred = Cred::ROOT;
const THREADS: u64 = 4;
const STEPS: usize = 25_000;
const LIMIT: u64 = 4 << 20;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % limit
    }
}

/// One thread's view: it acts on what it met, there any more or not.
struct Worker<'a> {
    fs: &'a MemFs,
    numbers: Numbers,
    dirs: Vec<Handle>,
    files: Vec<Handle>,
    open: Vec<File>,
}

impl Worker<'_> {
    fn dir(&mut self) -> Handle {
        self.dirs[self.numbers.below(self.dirs.len())]
    }

    fn file(&mut self) -> Option<Handle> {
        let at = self.numbers.below(self.files.len().max(1));
        self.files.get(at).copied()
    }

    fn opened(&mut self) -> Option<File> {
        let at = self.numbers.below(self.open.len().max(1));
        self.open.get(at).cloned()
    }

    fn name(&mut self) -> [u8; 1] {
        [b'a' + self.numbers.below(6) as u8]
    }

    fn step(&mut self) {
        match self.numbers.below(12) {
            0 => self.create(),
            1 => self.make_dir(),
            2 | 3 => self.remove(),
            4 | 5 => self.rename(),
            6 => self.link(),
            7 => self.write(),
            8 => self.read(),
            9 => self.resize(),
            10 => self.look(),
            _ => drop(self.open.pop()),
        }
        for known in [&mut self.dirs, &mut self.files] {
            if known.len() > 30 {
                known.remove(1);
            }
        }
        self.open.truncate(8);
    }

    fn create(&mut self) {
        let (dir, name) = (self.dir(), self.name());
        let how = CreateHow::Unchecked(SetAttr::default());
        if let Ok(made) = now(self.fs.create(&ROOT, &dir, &name, &how, OpenMode::BOTH)) {
            self.files.push(made.node);
            self.open.push(made.file);
        }
    }

    fn make_dir(&mut self) {
        let (dir, name, nothing) = (self.dir(), self.name(), SetAttr::default());
        let kind =
            if self.numbers.below(4) > 0 { NewNode::Directory } else { NewNode::Symlink(b"text") };
        if let Ok((made, _)) = now(self.fs.make_node(&ROOT, &dir, &name, kind, &nothing)) {
            self.dirs.push(made);
        }
    }

    fn remove(&mut self) {
        let (dir, name) = (self.dir(), self.name());
        _ = now(self.fs.remove(&ROOT, &dir, &name));
    }

    fn rename(&mut self) {
        let (from, to) = (self.dir(), self.dir());
        let (old, new) = (self.name(), self.name());
        _ = now(self.fs.rename(&ROOT, (&from, &old), (&to, &new)));
    }

    fn link(&mut self) {
        let (dir, name) = (self.dir(), self.name());
        if let Some(file) = self.file() {
            _ = now(self.fs.link(&ROOT, &file, &dir, &name));
        }
    }

    fn write(&mut self) {
        let data = vec![1; self.numbers.below(200_000)];
        let offset = self.numbers.below(1_000_000) as u64;
        if let Some(file) = self.opened() {
            _ = now(self.fs.write(&ROOT, &file, offset, &data, Stability::Unstable));
        }
    }

    fn read(&mut self) {
        let offset = self.numbers.below(1_000_000) as u64;
        if let Some(file) = self.opened() {
            let mut sink = Zeros::default();
            now(self.fs.read(&file, offset, 100_000, &mut sink)).expect("it is open for reading");
            assert!(sink.0.iter().all(|byte| *byte <= 1), "only what was written is read");
        }
    }

    fn resize(&mut self) {
        let set = SetAttr { size: Some(self.numbers.below(500_000) as u64), ..SetAttr::default() };
        if let Some(file) = self.file() {
            _ = now(self.fs.setattr(&ROOT, &file, None, &set));
        }
    }

    fn look(&mut self) {
        let dir = self.dir();
        let mut sink = Entries::default();
        let want = Want { attr: true, handle: true };
        _ = now(self.fs.readdir(&ROOT, &dir, 0, 0, want, &mut sink));
        for (handle, attr) in sink.0 {
            match attr.kind {
                FileKind::Directory => self.dirs.push(handle),
                FileKind::Regular => self.files.push(handle),
                FileKind::Symlink
                | FileKind::Block
                | FileKind::Character
                | FileKind::Fifo
                | FileKind::Socket => {}
            }
        }
    }
}

#[derive(Default)]
struct Zeros(Vec<u8>);

impl ReadSink for Zeros {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.0 = vec![0xff; len];
        &mut self.0
    }

    fn filled(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

#[derive(Default)]
struct Entries(Vec<(Handle, Attr)>);

impl DirSink for Entries {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        let handle = entry.handle.expect("handles were asked for");
        let attr = entry.attr.expect("attributes were asked for").expect("and can be read");
        self.0.push((handle, attr));
        true
    }
}

/// Walks the whole tree: every link count and every directory's parent is right, and all that is
/// used is used by what is there.
fn check(fs: &MemFs) {
    let mut todo = vec![(fs.root(), None)];
    let mut names = HashMap::<u64, (u32, Attr)>::new();
    let mut used = 0;
    while let Some((dir, parent)) = todo.pop() {
        assert_eq!(now(fs.lookup_parent(&ROOT, &dir)).ok(), parent);
        let attr = now(fs.getattr(&ROOT, &dir)).expect("it is in the tree");
        used += attr.used;
        let mut sink = Entries::default();
        let want = Want { attr: true, handle: true };
        now(fs.readdir(&ROOT, &dir, 0, 0, want, &mut sink)).expect("it is in the tree");
        let below = |(_, attr): &&(Handle, Attr)| attr.kind == FileKind::Directory;
        assert_eq!(attr.nlink, 2 + sink.0.iter().filter(below).count() as u32);
        for (handle, attr) in sink.0 {
            let seen = names.entry(attr.fileid).or_insert((0, attr));
            seen.0 += 1;
            if attr.kind == FileKind::Directory {
                assert_eq!(seen.0, 1, "a directory has one name");
                todo.push((handle, Some(dir)));
            }
        }
    }
    for (count, attr) in names.values() {
        if attr.kind != FileKind::Directory {
            assert_eq!(attr.nlink, *count, "the link count is the number of names");
            used += attr.used;
        }
    }
    let space = now(fs.space(&ROOT, &fs.root())).expect("space works");
    assert_eq!(space.total - space.free, used, "every byte is accounted for");
    assert_eq!(space.files_total - space.files_free, 1 + names.len() as u64);
}

#[test]
fn threads_leave_a_sound_tree() {
    let fs = memfs(LIMIT, 300);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let fs = &fs;
            scope.spawn(move || {
                let (dirs, files, open) = (vec![fs.root()], Vec::new(), Vec::new());
                let mut worker = Worker { fs, numbers: Numbers(seed), dirs, files, open };
                (0..STEPS).for_each(|_| worker.step());
            });
        }
    });
    check(&fs);
}
