//! What is on the disk when everything has ended is what the users were told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use holdfast_vfs::memfs::MemFs;
use holdfast_vfs::{
    Cred, DirEntry, DirSink, FileKind, FileSystem, Handle, OpenMode, ReadSink, Want,
};

use crate::journal::Journal;
use crate::model::{Body, Model, NodeId, ROOT};
use crate::storage::now;
use crate::sync::lock;

/// Room for the names of a directory.
const ROOM: usize = 1 << 20;

/// The checker.
pub struct Disk {
    journal: Journal,
    trees: Mutex<BTreeMap<(String, String), Model>>,
}

#[derive(Default)]
struct Names(BTreeMap<String, Handle>);

impl DirSink for Names {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        if let Some(handle) = entry.handle {
            self.0.insert(String::from_utf8_lossy(entry.name).into_owned(), handle);
        }
        true
    }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl ReadSink for Bytes {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.0.resize(len, 0);
        &mut self.0
    }

    fn filled(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl Disk {
    /// Nobody was told anything yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, trees: Mutex::default() }
    }

    /// What a user's directory on a server should be from now on.
    pub fn should_be(&self, server: &str, user: &str, model: Model) {
        lock(&self.trees).insert((server.into(), user.into()), model);
    }

    /// Compares the disk of a server with what its users were told.
    pub fn compare(&self, server: &str, files: &MemFs) {
        let trees = lock(&self.trees);
        for ((_, user), model) in trees.iter().filter(|((host, _), _)| host == server) {
            let root = now(files.lookup(&Cred::ROOT, &files.root(), user.as_bytes()));
            match root {
                Ok(root) => self.directory(files, &format!("{server}:/{user}"), model, ROOT, &root),
                Err(error) => self.wrong(format!("{server}:/{user}: {error}")),
            }
        }
    }

    /// The names in a directory of the root.
    pub fn names(files: &MemFs, dir: &str) -> Vec<String> {
        let dir = now(files.lookup(&Cred::ROOT, &files.root(), dir.as_bytes()));
        dir.map(|dir| list(files, &dir).into_keys().collect()).unwrap_or_default()
    }

    fn wrong(&self, message: String) {
        self.journal.violation("disk", message);
    }

    fn directory(&self, files: &MemFs, path: &str, model: &Model, dir: NodeId, handle: &Handle) {
        let found = list(files, handle);
        let Ok(expected) = model.entries(dir) else { return };
        let (names, should): (Vec<_>, Vec<_>) = (found.keys().collect(), expected.keys().collect());
        if names != should {
            return self.wrong(format!("{path} has {names:?}, not {should:?}"));
        }
        for (name, id) in expected {
            self.object(files, &format!("{path}/{name}"), model, *id, &found[name]);
        }
    }

    fn object(&self, files: &MemFs, path: &str, model: &Model, id: NodeId, handle: &Handle) {
        let kind = now(files.getattr(&Cred::ROOT, handle)).map(|attr| (attr.kind, attr.nlink));
        let node = model.node(id);
        let should = match node.body {
            Body::File(_) => FileKind::Regular,
            Body::Dir(_) => FileKind::Directory,
            Body::Symlink(_) => FileKind::Symlink,
        };
        if kind != Ok((should, model.links(id))) {
            return self.wrong(format!("{path} is {kind:?}, not {should:?}"));
        }
        let xattrs = xattrs(files, handle);
        if xattrs != node.xattrs {
            let should = &node.xattrs;
            return self.wrong(format!("{path} has attributes {xattrs:?}, not {should:?}"));
        }
        match &node.body {
            Body::Dir(_) => self.directory(files, path, model, id, handle),
            Body::File(bytes) => {
                if read(files, handle) != *bytes {
                    self.wrong(format!("{path} has other bytes than were written"));
                }
            }
            Body::Symlink(text) => {
                let found = now(files.readlink(&Cred::ROOT, handle));
                if found.as_deref() != Ok(text.as_bytes()) {
                    self.wrong(format!("{path} has another text"));
                }
            }
        }
    }
}

/// The extended attributes of an object.
fn xattrs(files: &MemFs, node: &Handle) -> BTreeMap<String, Vec<u8>> {
    let names = now(files.listxattrs(&Cred::ROOT, node)).unwrap_or_default();
    let value = |name: &Vec<u8>| now(files.getxattr(&Cred::ROOT, node, name)).unwrap_or_default();
    let pair = |name: &Vec<u8>| (String::from_utf8_lossy(name).into_owned(), value(name));
    names.iter().map(pair).collect()
}

fn list(files: &MemFs, dir: &Handle) -> BTreeMap<String, Handle> {
    let mut names = Names::default();
    let want = Want { attr: false, handle: true };
    let _ = now(files.readdir(&Cred::ROOT, dir, 0, ROOM, want, &mut names));
    names.0
}

fn read(files: &MemFs, node: &Handle) -> Vec<u8> {
    let mut bytes = Bytes::default();
    if let Ok(file) = now(files.open(&Cred::ROOT, node, OpenMode::READ, false)) {
        let _ = now(files.read(&file, 0, ROOM, &mut bytes));
    }
    bytes.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use holdfast_vfs::memfs::MemFsOptions;
    use holdfast_vfs::{CreateHow, Fsid, NewNode, SetAttr, Stability};

    use super::*;
    use crate::checkers::testing::verdicts;
    use crate::executor::{Executor, Preemption};
    use crate::journal::Tracing;
    use crate::model::Change;
    use crate::rng::Rng;

    fn disk() -> MemFs {
        let executor =
            Executor::new(Rng::new(1), Journal::new(Tracing::Off), Preemption::default());
        let world = Arc::new(executor.world(0, Duration::from_secs(1)));
        let fsid = Fsid { major: 1, minor: 1 };
        let options = MemFsOptions { limit_bytes: 1 << 20, limit_files: 100, fsid };
        let files = MemFs::new(world, options);
        let (root, none) = (files.root(), SetAttr::default());
        let made = now(files.make_node(&Cred::ROOT, &root, b"u", NewNode::Directory, &none));
        let (dir, _) = made.unwrap();
        let how = CreateHow::Guarded(none);
        let made = now(files.create(&Cred::ROOT, &dir, b"f", &how, OpenMode::BOTH)).unwrap();
        now(files.write(&Cred::ROOT, &made.file, 0, b"data", Stability::File)).unwrap();
        files
    }

    fn compared(bytes: &[u8], more: bool) -> Vec<String> {
        let mut model = Model::default();
        let file = model.apply(&Change::Guarded(ROOT, "f".into())).unwrap();
        model.write(file, 0, bytes);
        if more {
            model.apply(&Change::Mkdir(ROOT, "g".into())).unwrap();
        }
        verdicts(Disk::new, |checker| {
            checker.should_be("s", "u", model);
            checker.compare("s", &disk());
        })
    }

    #[test]
    fn names_and_bytes_are_compared() {
        assert_eq!(compared(b"data", false), Vec::<String>::new());
        assert_eq!(compared(b"late", false).len(), 1);
        assert_eq!(compared(b"data", true).len(), 1);
        assert_eq!(Disk::names(&disk(), "u"), ["f"]);
    }
}
