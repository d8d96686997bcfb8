//! The methods of a [`FileSystem`] as plain calls of one caller.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::{
    Access, Advice, Attr, ChangeInfo, Content, CreateHow, Created, Cred, DirEnd, DirEntry, DirSink,
    File, FileSystem, Handle, NewNode, OpenMode, ReadSink, Result, SetAttr, Space, Stability, Want,
    Written, XattrHow,
};

/// Polls a future on this thread until it is ready.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return answer;
        }
        std::thread::park();
    }
}

/// One caller of a file system.
#[derive(Clone, Copy)]
pub(super) struct User<'a> {
    pub(super) fs: &'a dyn FileSystem,
    pub(super) cred: Cred,
}

/// An entry as it was listed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) cookie: u64,
    pub(super) fileid: u64,
    pub(super) attr: Option<Result<Attr>>,
    pub(super) handle: Option<Handle>,
}

/// Bytes long enough to list any small directory at once.
const ROOM: usize = 1 << 16;

pub(super) const MODE_644: SetAttr = mode(0o644);
pub(super) const NOTHING: SetAttr =
    SetAttr { size: None, uid: None, gid: None, mode: None, atime: None, mtime: None };

pub(super) const fn mode(mode: u32) -> SetAttr {
    SetAttr { mode: Some(mode), ..NOTHING }
}

pub(super) const fn size(size: u64) -> SetAttr {
    SetAttr { size: Some(size), ..NOTHING }
}

impl User<'_> {
    pub(super) fn getattr(&self, node: &Handle) -> Result<Attr> {
        block_on(self.fs.getattr(&self.cred, node))
    }

    /// The attributes of an object that is there.
    #[track_caller]
    pub(super) fn attr(&self, node: &Handle) -> Attr {
        self.getattr(node).expect("getattr works")
    }

    pub(super) fn setattr(&self, node: &Handle, set: &SetAttr) -> Result<()> {
        block_on(self.fs.setattr(&self.cred, node, None, set))
    }

    pub(super) fn setattr_through(&self, node: &Handle, file: &File, set: &SetAttr) -> Result<()> {
        block_on(self.fs.setattr(&self.cred, node, Some(file), set))
    }

    pub(super) fn access(&self, node: &Handle, want: Access) -> Result<Access> {
        block_on(self.fs.access(&self.cred, node, want))
    }

    pub(super) fn lookup(&self, dir: &Handle, name: impl AsRef<[u8]>) -> Result<Handle> {
        block_on(self.fs.lookup(&self.cred, dir, name.as_ref()))
    }

    pub(super) fn lookup_parent(&self, dir: &Handle) -> Result<Handle> {
        block_on(self.fs.lookup_parent(&self.cred, dir))
    }

    pub(super) fn readlink(&self, node: &Handle) -> Result<Vec<u8>> {
        block_on(self.fs.readlink(&self.cred, node))
    }

    pub(super) fn open(&self, node: &Handle, mode: OpenMode) -> Result<File> {
        block_on(self.fs.open(&self.cred, node, mode, false))
    }

    pub(super) fn open_as_owner(&self, node: &Handle, mode: OpenMode) -> Result<File> {
        block_on(self.fs.open(&self.cred, node, mode, true))
    }

    pub(super) fn create(
        &self,
        dir: &Handle,
        name: impl AsRef<[u8]>,
        how: CreateHow,
        mode: OpenMode,
    ) -> Result<Created> {
        block_on(self.fs.create(&self.cred, dir, name.as_ref(), &how, mode))
    }

    /// Makes a file that is not there yet, with mode 0644.
    pub(super) fn guarded(&self, dir: &Handle, name: impl AsRef<[u8]>) -> Result<Created> {
        self.create(dir, name, CreateHow::Guarded(MODE_644), OpenMode::BOTH)
    }

    /// [`User::guarded`], where nothing is in the way.
    #[track_caller]
    pub(super) fn file(&self, dir: &Handle, name: impl AsRef<[u8]>) -> (Handle, File) {
        let made = self.guarded(dir, name).expect("a file can be made");
        (made.node, made.file)
    }

    /// Makes a file of this mode, where nothing is in the way.
    #[track_caller]
    pub(super) fn file_of_mode(
        &self,
        dir: &Handle,
        name: impl AsRef<[u8]>,
        bits: u32,
    ) -> (Handle, File) {
        let made = self.create(dir, name, CreateHow::Guarded(mode(bits)), OpenMode::BOTH);
        let made = made.expect("a file can be made");
        self.setattr(&made.node, &mode(bits)).expect("its owner sets its mode");
        (made.node, made.file)
    }

    pub(super) fn make(
        &self,
        dir: &Handle,
        name: impl AsRef<[u8]>,
        kind: NewNode<'_>,
        attrs: &SetAttr,
    ) -> Result<(Handle, ChangeInfo)> {
        block_on(self.fs.make_node(&self.cred, dir, name.as_ref(), kind, attrs))
    }

    pub(super) fn mkdir(&self, dir: &Handle, name: impl AsRef<[u8]>) -> Result<Handle> {
        self.make(dir, name, NewNode::Directory, &mode(0o777)).map(|made| made.0)
    }

    /// [`User::mkdir`], where nothing is in the way.
    #[track_caller]
    pub(super) fn dir(&self, dir: &Handle, name: impl AsRef<[u8]>) -> Handle {
        self.mkdir(dir, name).expect("a directory can be made")
    }

    /// Makes a directory of exactly this mode.
    #[track_caller]
    pub(super) fn dir_of_mode(&self, dir: &Handle, name: impl AsRef<[u8]>, bits: u32) -> Handle {
        let made = self.dir(dir, name);
        self.setattr(&made, &mode(bits)).expect("its owner sets its mode");
        made
    }

    pub(super) fn symlink(
        &self,
        dir: &Handle,
        name: impl AsRef<[u8]>,
        text: &[u8],
    ) -> Result<Handle> {
        self.make(dir, name, NewNode::Symlink(text), &mode(0o777)).map(|made| made.0)
    }

    pub(super) fn remove(&self, dir: &Handle, name: impl AsRef<[u8]>) -> Result<ChangeInfo> {
        block_on(self.fs.remove(&self.cred, dir, name.as_ref()))
    }

    pub(super) fn rename(
        &self,
        from: &Handle,
        from_name: impl AsRef<[u8]>,
        to: &Handle,
        to_name: impl AsRef<[u8]>,
    ) -> Result<(ChangeInfo, ChangeInfo)> {
        let (from_name, to_name) = (from_name.as_ref(), to_name.as_ref());
        block_on(self.fs.rename(&self.cred, (from, from_name), (to, to_name)))
    }

    pub(super) fn link(
        &self,
        node: &Handle,
        dir: &Handle,
        name: impl AsRef<[u8]>,
    ) -> Result<ChangeInfo> {
        block_on(self.fs.link(&self.cred, node, dir, name.as_ref()))
    }

    /// Lists at most `count` entries from after `cookie`.
    pub(super) fn list_some(
        &self,
        dir: &Handle,
        cookie: u64,
        count: usize,
        want: Want,
    ) -> Result<(Vec<Entry>, DirEnd)> {
        let mut sink = Collect { entries: Vec::new(), count, over: false };
        let reply = self.fs.readdir(&self.cred, dir, cookie, ROOM, want, &mut sink);
        let end = block_on(reply)?;
        Ok((sink.entries, end))
    }

    /// Lists a whole directory.
    pub(super) fn list(&self, dir: &Handle, want: Want) -> Result<Vec<Entry>> {
        let mut entries = Vec::<Entry>::new();
        loop {
            let cookie = entries.last().map_or(0, |entry| entry.cookie);
            let (more, end) = self.list_some(dir, cookie, usize::MAX, want)?;
            assert!(end.eof || !more.is_empty(), "a listing with room gets on");
            entries.extend(more);
            if end.eof {
                return Ok(entries);
            }
        }
    }

    /// The sorted names of a directory.
    #[track_caller]
    pub(super) fn names(&self, dir: &Handle) -> Vec<Vec<u8>> {
        let entries = self.list(dir, Want { attr: false, handle: false });
        let mut names: Vec<_> =
            entries.expect("a listing works").into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    /// One read: the bytes and whether the end was reached.
    pub(super) fn read_once(
        &self,
        file: &File,
        offset: u64,
        len: usize,
    ) -> Result<(Vec<u8>, bool)> {
        let mut sink = Bytes::default();
        let end = block_on(self.fs.read(file, offset, len, &mut sink))?;
        assert_eq!(end.count, sink.kept, "the sink was given what the read says");
        assert!(end.count <= len, "no more is read than was asked for");
        sink.bytes.truncate(sink.kept);
        Ok((sink.bytes, end.eof))
    }

    /// Reads until there is all, or the end.
    #[track_caller]
    pub(super) fn read(&self, file: &File, offset: u64, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len {
            let (more, eof) = self
                .read_once(file, offset + all.len() as u64, len - all.len())
                .expect("a read works");
            assert!(eof || !more.is_empty(), "a read gets on or says that it is at the end");
            all.extend(more);
            if eof {
                break;
            }
        }
        all
    }

    pub(super) fn write_once(&self, file: &File, offset: u64, data: &[u8]) -> Result<Written> {
        let reply = self.fs.write(&self.cred, file, offset, data, Stability::Unstable);
        let written = block_on(reply)?;
        assert!(written.count <= data.len(), "no more is written than was given");
        Ok(written)
    }

    pub(super) fn write_stable(
        &self,
        file: &File,
        data: &[u8],
        stability: Stability,
    ) -> Result<Written> {
        block_on(self.fs.write(&self.cred, file, 0, data, stability))
    }

    /// Writes all of it.
    #[track_caller]
    pub(super) fn write(&self, file: &File, mut offset: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let written = self.write_once(file, offset, data).expect("a write works");
            assert_ne!(written.count, 0, "a write gets on");
            offset += written.count as u64;
            data = &data[written.count..];
        }
    }

    /// One read that tells of holes: the bytes, how many of them were in one, and whether the end
    /// was reached.
    pub(super) fn read_plus(
        &self,
        file: &File,
        offset: u64,
        len: usize,
    ) -> Result<(Vec<u8>, usize, bool)> {
        let mut sink = Bytes::default();
        let end = block_on(self.fs.read_plus(file, offset, len, &mut sink))?;
        assert_eq!(end.count, sink.kept, "the sink was given what the read says");
        assert!(end.count <= len, "no more is read than was asked for");
        sink.bytes.truncate(sink.kept);
        Ok((sink.bytes, sink.holes, end.eof))
    }

    pub(super) fn seek(&self, file: &File, offset: u64, what: Content) -> Result<Option<u64>> {
        block_on(self.fs.seek(file, offset, what))
    }

    pub(super) fn allocate(&self, file: &File, offset: u64, len: u64) -> Result<()> {
        block_on(self.fs.allocate(&self.cred, file, offset, len))
    }

    pub(super) fn deallocate(&self, file: &File, offset: u64, len: u64) -> Result<()> {
        block_on(self.fs.deallocate(&self.cred, file, offset, len))
    }

    pub(super) fn clone_range(
        &self,
        source: &File,
        from: u64,
        target: &File,
        to: u64,
        len: u64,
    ) -> Result<()> {
        block_on(self.fs.clone_range(&self.cred, (source, from), (target, to), len))
    }

    pub(super) fn copy_once(
        &self,
        source: &File,
        from: u64,
        target: &File,
        to: u64,
        len: u64,
    ) -> Result<Written> {
        let reply = self.fs.copy_range(&self.cred, (source, from), (target, to), len);
        let written = block_on(reply)?;
        assert!(written.count as u64 <= len, "no more is copied than was asked for");
        Ok(written)
    }

    /// Copies all of it.
    #[track_caller]
    pub(super) fn copy(&self, source: &File, from: u64, target: &File, to: u64, len: u64) {
        let mut done = 0;
        while done < len {
            let copied = self
                .copy_once(source, from + done, target, to + done, len - done)
                .expect("a copy works");
            assert_ne!(copied.count, 0, "a copy gets on");
            done += copied.count as u64;
        }
    }

    pub(super) fn advise(&self, file: &File, offset: u64, len: u64, advice: Advice) -> Result<()> {
        block_on(self.fs.advise(file, offset, len, advice))
    }

    pub(super) fn commit(&self, node: &Handle, offset: u64, len: u64) -> Result<u64> {
        block_on(self.fs.commit(node, offset, len))
    }

    pub(super) fn getxattr(&self, node: &Handle, name: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        block_on(self.fs.getxattr(&self.cred, node, name.as_ref()))
    }

    pub(super) fn setxattr(
        &self,
        node: &Handle,
        name: impl AsRef<[u8]>,
        value: &[u8],
        how: XattrHow,
    ) -> Result<ChangeInfo> {
        block_on(self.fs.setxattr(&self.cred, node, name.as_ref(), value, how))
    }

    pub(super) fn listxattrs(&self, node: &Handle) -> Result<Vec<Vec<u8>>> {
        block_on(self.fs.listxattrs(&self.cred, node))
    }

    pub(super) fn removexattr(&self, node: &Handle, name: impl AsRef<[u8]>) -> Result<ChangeInfo> {
        block_on(self.fs.removexattr(&self.cred, node, name.as_ref()))
    }

    pub(super) fn space(&self, node: &Handle) -> Result<Space> {
        block_on(self.fs.space(&self.cred, node))
    }
}

struct Collect {
    entries: Vec<Entry>,
    count: usize,
    over: bool,
}

impl DirSink for Collect {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        assert!(!self.over, "no entry comes after one that was not taken");
        self.over = self.entries.len() >= self.count;
        if self.over {
            return false;
        }
        self.entries.push(Entry {
            name: entry.name.to_vec(),
            cookie: entry.cookie,
            fileid: entry.fileid,
            attr: entry.attr,
            handle: entry.handle,
        });
        true
    }
}

/// Gives buffers full of old data, as a reused one is.
#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    kept: usize,
    holes: usize,
}

impl ReadSink for Bytes {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.bytes.truncate(self.kept);
        self.bytes.resize(self.kept + len, 0xa5);
        &mut self.bytes[self.kept..]
    }

    fn filled(&mut self, len: usize) {
        self.kept += len;
        assert!(self.kept <= self.bytes.len(), "no more is filled than there was room for");
    }
    fn hole(&mut self, len: usize) {
        self.buf(len).fill(0);
        self.filled(len);
        self.holes += len;
    }
}
