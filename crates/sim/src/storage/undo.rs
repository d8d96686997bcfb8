//! What a crash takes back: the bytes before each write that was not committed.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use holdfast_vfs::memfs::MemFs;
use holdfast_vfs::{
    Cred, FileSystem, Handle, OpenMode, ReadSink, Reply, Result, SetAttr, Stability,
};

struct Before {
    node: Handle,
    offset: u64,
    bytes: Vec<u8>,
    size: u64,
}

/// The writes that are not safe yet, oldest first.
pub(super) struct Undo {
    writes: Vec<Before>,
    verifier: u64,
    crashes: u64,
}

impl Undo {
    pub(super) const fn new(verifier: u64) -> Self {
        Self { writes: Vec::new(), verifier, crashes: 0 }
    }

    pub(super) const fn verifier(&self) -> u64 {
        self.verifier
    }

    pub(super) const fn set_verifier(&mut self, verifier: u64) {
        self.verifier = verifier;
    }

    pub(super) const fn crashes(&self) -> u64 {
        self.crashes
    }

    /// Remembers what is about to be overwritten.
    pub(super) fn note(&mut self, files: &MemFs, node: &Handle, offset: u64, len: usize) {
        let Ok(attr) = now(files.getattr(&Cred::ROOT, node)) else { return };
        let Ok(file) = now(files.open(&Cred::ROOT, node, OpenMode::READ, false)) else { return };
        let mut sink = Bytes(Vec::new());
        if now(files.read(&file, offset, len, &mut sink)).is_ok() {
            self.writes.push(Before { node: *node, offset, bytes: sink.0, size: attr.size });
        }
    }

    /// What was written to a file is safe.
    pub(super) fn forget(&mut self, node: &Handle) {
        self.writes.retain(|write| write.node != *node);
    }

    /// Takes back all that is not safe; answers how many writes that were.
    pub(super) fn crash(&mut self, files: &MemFs) -> usize {
        self.crashes += 1;
        let count = self.writes.len();
        while let Some(write) = self.writes.pop() {
            // A file without a name is gone with the crash, too.
            let _ = write.take_back(files);
        }
        count
    }
}

impl Before {
    fn take_back(&self, files: &MemFs) -> Result<()> {
        let file = now(files.open(&Cred::ROOT, &self.node, OpenMode::WRITE, false))?;
        now(files.write(&Cred::ROOT, &file, self.offset, &self.bytes, Stability::File))?;
        let set = SetAttr { size: Some(self.size), ..SetAttr::default() };
        now(files.setattr(&Cred::ROOT, &self.node, None, &set))
    }
}

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

/// The answer of a file system that never waits.
///
/// # Panics
/// When it does.
pub fn now<T: Unpin>(reply: Reply<'_, T>) -> Result<T> {
    match pin!(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("memory answers at once"),
    }
}
