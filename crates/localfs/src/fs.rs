//! The contract, over [`Core`]: each operation runs here and now where the file system answers
//! from memory, and on a thread that may block where it does not.

use std::path::Path;
use std::sync::Arc;

use holdfast_base::World;
use holdfast_vfs::{
    Access, Advice, Attr, ChangeInfo, Content, CreateHow, Created, Cred, DirEnd, DirEntry, DirSink,
    Error, File, FileSystem, Handle, LockStep, Locked, NewNode, OpenMode, Piped, Properties,
    ReadEnd, ReadSink, Reply, Result, SetAttr, Space, Stability, Want, Written, XATTR_VALUE_MAX,
    XattrHow, offload,
};

use crate::core::Core;
use crate::dir::OwnedEntry;
use crate::flush::Changed;
use crate::index::IndexCounts;
use crate::io::{Progress, Wait};
use crate::keeper::Keeper;
use crate::listing::Listings;
use crate::locks::{LockFile, STEPS_AT_ONCE};
use crate::name::Name;
use crate::names::Making;
use crate::open::OpenFile;
use crate::options::{Mode, OpenError, Options};
use crate::pace::{Calls, Class, Pace, Watch};
use crate::stable::{Flushed, Group};
use crate::start;
use crate::xattr::XattrName;

/// Answers an error without a job.
macro_rules! ready {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Reply::now(Err(error)),
        }
    };
}

/// A directory of this machine.
pub struct LocalFs {
    core: Arc<Core>,
    world: Arc<dyn World>,
    /// Whether operations are answered at once.
    prompt: bool,
    pace: Pace,
    /// What changes wait for, unless they are answered when made.
    group: Option<Arc<Group<Core>>>,
}

/// Data on its way from a thread that may block.
#[derive(Default)]
struct Collected {
    data: Vec<u8>,
    len: usize,
    /// Where data goes on after a hole, and the hole's length.
    holes: Vec<(usize, usize)>,
}

impl Collected {
    fn give(&self, sink: &mut dyn ReadSink) {
        let mut at = 0;
        for (to, hole) in &self.holes {
            give_some(sink, &self.data[at..*to]);
            sink.hole(*hole);
            at = *to;
        }
        give_some(sink, &self.data[at..]);
    }
}

fn give_some(sink: &mut dyn ReadSink, data: &[u8]) {
    if !data.is_empty() {
        sink.bytes(data);
    }
}

impl ReadSink for Collected {
    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.data.resize(self.len + len, 0);
        &mut self.data[self.len..]
    }

    fn filled(&mut self, len: usize) {
        self.len += len;
        self.data.truncate(self.len);
    }

    fn hole(&mut self, len: usize) {
        self.holes.push((self.len, len));
    }
}

/// What a thread that may block has read.
enum Fetched {
    Piped(Box<dyn Piped>, ReadEnd),
    /// With whether the file ends there.
    Copied(Vec<u8>, bool),
}

impl LocalFs {
    /// Exports a directory.
    ///
    /// # Errors
    /// [`OpenError`] when it is none, or the server may not open it.
    pub fn open(
        path: &Path,
        world: Arc<dyn World>,
        options: Options,
    ) -> std::result::Result<Self, OpenError> {
        let (core, prompt) = start::open(path, &*world, &options)?;
        let core = Arc::new(core);
        if let Some(index) = core.index() {
            index.attach(&core, &world);
        }
        // Nobody has set it before.
        let _ = core.volumes.keeper.set(Keeper::new(world.clone(), &core));
        // What is mounted below may be on a disk, whatever this is.
        let is_volatile = core.is_volatile() && !core.volumes.crosses;
        let waits = core.usage.syncs && !is_volatile;
        let group = waits.then(|| Group::new(core.clone(), world.clone()));
        Ok(Self { core, world, prompt, pace: Pace::default(), group })
    }

    /// What its handles are made of.
    pub fn mode(&self) -> Mode {
        match (&self.core.table, self.core.index()) {
            (None, _) => Mode::KernelHandles,
            (Some(_), Some(_)) => Mode::IndexedHandles,
            (Some(_), None) => Mode::ProcessHandles,
        }
    }

    /// What its index did so far, if it has one.
    pub fn index(&self) -> Option<IndexCounts> {
        let table = self.core.table.as_ref()?;
        Some(table.index()?.counts(table))
    }

    /// Whether callers act with their own rights. If not, all act with the server's.
    pub fn switches_users(&self) -> bool {
        self.core.identity.switches()
    }

    /// Whether clients and local processes exclude each other with locks, as far as it is known.
    pub fn locks_locally(&self) -> bool {
        !self.core.volumes.own.mount.locking.is_refused()
    }

    /// How many changes waited for stable storage, and for how many flushes.
    pub fn flushed(&self) -> Flushed {
        self.group.as_ref().map(|group| group.flushed()).unwrap_or_default()
    }

    /// How many calls of a class were not made at once, and how many should not have been.
    pub fn calls(&self, class: Class) -> Calls {
        self.pace.calls(class)
    }

    /// How many listings took names, cookies and handles from memory.
    pub fn listed_again(&self) -> u64 {
        self.core.listings.as_ref().map_or(0, Listings::found)
    }

    /// Begins a call that is made at once, on these objects; `None` when it may have to wait.
    fn begin(&self, class: Class, nodes: &[&Handle]) -> Option<Watch<'_>> {
        self.sync_if_asked();
        if !self.prompt {
            return None;
        }
        if self.core.is_volatile() {
            return Some(Watch::NONE);
        }
        // To open by a handle may be to read the disk. One that is not ours is refused at once.
        let is_quick =
            |node: &&Handle| self.core.cache.holds(node) || self.core.minter.parse(node).is_err();
        nodes.iter().all(is_quick).then(|| self.pace.begin(&*self.world, class))?
    }

    fn run<'a, T: Send + 'static>(
        &'a self,
        class: Class,
        nodes: &[&Handle],
        job: impl FnOnce(&Arc<Core>) -> Result<T> + Send + 'static,
    ) -> Reply<'a, T> {
        let Some(_watch) = self.begin(class, nodes) else { return self.send(class, job) };
        Reply::now(recorded(&self.core, job))
    }

    /// Sends a call of a class to a thread.
    fn send<'a, T: Send + 'static>(
        &'a self,
        class: Class,
        job: impl FnOnce(&Arc<Core>) -> Result<T> + Send + 'static,
    ) -> Reply<'a, T> {
        self.pace.offloaded(class);
        self.block(job)
    }

    fn block<'a, T: Send + 'static>(
        &'a self,
        job: impl FnOnce(&Arc<Core>) -> Result<T> + Send + 'static,
    ) -> Reply<'a, T> {
        let core = self.core.clone();
        Reply::later(offload(&*self.world, move || recorded(&core, job)))
    }

    /// Makes a change, and answers when it is on stable storage.
    fn change<'a, T: Send + Unpin + 'static>(
        &'a self,
        nodes: &[&Handle],
        job: impl FnOnce(&Arc<Core>) -> Result<Changed<T>> + Send + 'static,
    ) -> Reply<'a, T> {
        if let Some(watch) = self.begin(Class::Changes, nodes) {
            let changed = recorded(&self.core, job);
            drop(watch);
            return self.settle(ready!(changed));
        }
        let making = self.send(Class::Changes, job);
        Reply::later(async move { self.settle(making.await?).await })
    }

    fn settle<'a, T: Send + Unpin + 'static>(&'a self, changed: Changed<T>) -> Reply<'a, T> {
        let Changed { value, objects } = changed;
        let Some(group) = self
            .group
            .as_ref()
            .filter(|_| objects.iter().flatten().any(|object| !object.mount().volatile))
        else {
            return Reply::now(Ok(value));
        };
        let settled = group.settle(objects);
        Reply::later(async move { settled.await.map(|()| value) })
    }

    /// Syncs on another thread what keeps files from giving their descriptors up.
    fn sync_if_asked(&self) {
        if self.core.files.takes_syncs() {
            let core = self.core.clone();
            // Refused, the world ends, and nobody needs more descriptors.
            let _ = self.world.blocking(Box::new(move || core.sync_some()));
        }
    }

    /// What waits for a disk, if there is one.
    fn block_unless_volatile<'a, T: Send + 'static>(
        &'a self,
        job: impl FnOnce(&Arc<Core>) -> Result<T> + Send + 'static,
    ) -> Reply<'a, T> {
        if self.core.is_volatile() && self.prompt {
            Reply::now(job(&self.core))
        } else {
            self.block(job)
        }
    }

    /// The rest of a read of which `before` bytes were given to the sink.
    fn read_blocking<'a>(
        &'a self,
        file: Arc<OpenFile>,
        offset: u64,
        len: usize,
        before: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        let takes_pipe = before == 0 && sink.takes_pipe();
        let reading = self.send(Class::Reads, move |core| {
            if takes_pipe && let Some((data, end)) = core.read_piped(&file, offset, len)? {
                return Ok(Fetched::Piped(data, end));
            }
            let mut data = Collected::default();
            let at = offset + before as u64;
            let progress = core.read(&file, at, len - before, Wait::Allowed, &mut data)?;
            let eof = matches!(progress, Progress::Done(ReadEnd { eof: true, .. }));
            Ok(Fetched::Copied(data.data, eof))
        });
        Reply::later(async move {
            match reading.await? {
                Fetched::Piped(data, end) => {
                    sink.pipe(data);
                    Ok(end)
                }
                Fetched::Copied(data, eof) => {
                    sink.bytes(&data);
                    Ok(ReadEnd { count: before + data.len(), eof })
                }
            }
        })
    }

    fn write_blocking<'a>(
        &'a self,
        cred: &'a Cred,
        file: Arc<OpenFile>,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        let (cred, data) = (*cred, data.to_vec());
        self.send(Class::Writes, move |core| {
            let written = core.write(&cred, &file, offset, &data)?;
            core.settle(&file, written, stability)
        })
    }
}

impl Drop for LocalFs {
    fn drop(&mut self) {
        if let Some(table) = &self.core.table
            && let Some(index) = table.index()
        {
            index.close(table);
        }
    }
}

/// Does a job, and records the handles that its answer may show.
fn recorded<T>(core: &Arc<Core>, job: impl FnOnce(&Arc<Core>) -> Result<T>) -> Result<T> {
    let result = job(core);
    core.record_handles();
    result
}

impl FileSystem for LocalFs {
    fn properties(&self) -> Properties {
        self.core.properties()
    }

    fn properties_of(&self, node: &Handle) -> Properties {
        self.core.properties_of(node)
    }

    fn root(&self) -> Handle {
        *self.core.root.handle()
    }

    fn getattr<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        let node = *node;
        self.run(Class::Attributes, &[&node], move |core| core.getattr(&node))
    }

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        let file = ready!(file.map(File::get_arc::<OpenFile>).transpose());
        let (cred, node, set) = (*cred, *node, *set);
        self.change(&[&node], move |core| core.setattr(&cred, &node, file.as_ref(), &set))
    }

    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        let (cred, node) = (*cred, *node);
        self.run(Class::Attributes, &[&node], move |core| core.access(&cred, &node, want))
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        let (cred, dir, name) = (*cred, *dir, ready!(Name::new(name)));
        if let Some(_watch) = self.begin(Class::Names, &[&dir])
            && let Some(found) = ready!(self.core.lookup_cached(&cred, &dir, &name))
        {
            return Reply::now(Ok(found));
        }
        self.send(Class::Names, move |core| core.lookup(&cred, &dir, &name))
    }

    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        let (cred, dir) = (*cred, *dir);
        self.run(Class::Names, &[&dir], move |core| core.lookup_parent(&cred, &dir))
    }

    fn readlink<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        let (cred, node) = (*cred, *node);
        self.run(Class::Texts, &[&node], move |core| core.readlink(&cred, &node))
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        let (cred, node) = (*cred, *node);
        self.run(Class::Opens, &[&node], move |core| core.open(&cred, &node, mode, owner_override))
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        let (cred, dir, name, how) = (*cred, *dir, ready!(Name::new(name)), *how);
        self.change(&[&dir], move |core| core.create(&cred, &dir, &name, &how, mode))
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        let (cred, dir, name, attrs) = (*cred, *dir, ready!(Name::new(name)), *attrs);
        let kind = Making::from(kind);
        self.change(&[&dir], move |core| core.make_node(&cred, &dir, &name, &kind, &attrs))
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let (cred, dir, name) = (*cred, *dir, ready!(Name::new(name)));
        self.change(&[&dir], move |core| core.remove(&cred, &dir, &name))
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        let (cred, from_dir, to_dir) = (*cred, *from.0, *to.0);
        let (from, to) = (ready!(Name::new(from.1)), ready!(Name::new(to.1)));
        self.change(&[&from_dir, &to_dir], move |core| {
            core.rename(&cred, (&from_dir, &from), (&to_dir, &to))
        })
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let (cred, node, dir, name) = (*cred, *node, *dir, ready!(Name::new(name)));
        self.change(&[&node, &dir], move |core| core.link(&cred, &node, &dir, &name))
    }

    fn readdir<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        cookie: u64,
        room: usize,
        want: Want,
        sink: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd> {
        if (self.core.is_volatile() || self.core.was_listed(dir))
            && let Some(_watch) = self.begin(Class::Listings, &[dir])
        {
            let mut take = |entry: &DirEntry<'_>| sink.entry(entry);
            let end = self.core.readdir(cred, dir, cookie, room, want, &mut take);
            self.core.record_handles();
            return Reply::now(end);
        }
        let (cred, dir) = (*cred, *dir);
        let listing = self.send(Class::Listings, move |core| {
            // Cookie, length, name, handle and a word of attributes at least, as they are sent.
            let bytes = |entry: &DirEntry<'_>| {
                24 + entry.name.len() + entry.handle.as_ref().map_or(0, |it| it.as_slice().len())
            };
            let (mut entries, mut listed) = (Vec::new(), 0);
            let end = core.readdir(&cred, &dir, cookie, room, want, &mut |entry| {
                // One at least, however small the room: else the listing never goes on.
                let fits = entries.is_empty() || listed < room;
                if fits {
                    listed += bytes(entry);
                    entries.push(OwnedEntry::new(entry));
                }
                fits
            })?;
            Ok((entries, end))
        });
        Reply::later(async move {
            let (entries, end) = listing.await?;
            let all = entries.iter().all(|entry| sink.entry(&entry.as_entry()));
            Ok(DirEnd { eof: end.eof && all })
        })
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        let open = ready!(readable(file));
        let mut before = 0;
        if let Some(_watch) = self.begin(Class::Reads, &[]) {
            if sink.takes_pipe()
                && self.core.is_in_memory(open, offset, len)
                && let Some((data, end)) = ready!(self.core.read_piped(open, offset, len))
            {
                sink.pipe(data);
                return Reply::now(Ok(end));
            }
            if self.core.is_readable_now(open, offset, len) {
                match ready!(self.core.read(open, offset, len, Wait::Never, sink)) {
                    Progress::Done(end) => return Reply::now(Ok(end)),
                    Progress::Waits(count) => before = count,
                }
            }
        }
        self.read_blocking(ready!(file.get_arc()), offset, len, before, sink)
    }

    fn read_plus<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        let open = ready!(readable(file));
        if self.prompt && open.peek().is_some() && !ready!(self.core.has_holes(open)) {
            return self.read(file, offset, len, sink);
        }
        if open.is_volatile() {
            return Reply::now(self.core.read_plus(open, offset, len, sink));
        }
        let file = ready!(file.get_arc::<OpenFile>());
        let reading = self.block(move |core| {
            let mut collected = Collected::default();
            let end = core.read_plus(&file, offset, len, &mut collected)?;
            Ok((collected, end))
        });
        Reply::later(async move {
            let (collected, end) = reading.await?;
            collected.give(sink);
            Ok(end)
        })
    }

    fn seek<'a>(&'a self, file: &'a File, offset: u64, what: Content) -> Reply<'a, Option<u64>> {
        ready!(readable(file));
        let file = ready!(file.get_arc::<OpenFile>());
        // Where the holes are may have to be read from the disk.
        self.block_unless_volatile(move |core| core.seek(&file, offset, what))
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        let open = ready!(file.get::<OpenFile>());
        if !open.mode().write {
            return Reply::now(Err(Error::AccessDenied));
        }
        let watch = self.begin(Class::Writes, &[]);
        let world = &*self.world;
        if watch.is_none() || !self.core.is_writable_now(world, open, offset, data.len()) {
            let file = ready!(file.get_arc());
            return self.write_blocking(cred, file, offset, data, stability);
        }
        let written = ready!(self.core.write(cred, open, offset, data));
        drop(watch);
        if stability == Stability::Unstable || open.is_volatile() {
            return Reply::now(Ok(Written { stability, ..written }));
        }
        let file = ready!(file.get_arc());
        self.block(move |core| core.settle(&file, written, stability))
    }

    fn allocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        let (cred, file) = (*cred, ready!(writable(file)));
        self.block(move |core| core.allocate(&cred, &file, offset, len))
    }

    fn deallocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        let (cred, file) = (*cred, ready!(writable(file)));
        self.block(move |core| core.deallocate(&cred, &file, offset, len))
    }

    fn clone_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, ()> {
        ready!(readable(from.0));
        let (cred, source, target) = (*cred, ready!(from.0.get_arc()), ready!(writable(to.0)));
        let (from, to) = (from.1, to.1);
        self.block(move |core| core.clone_range(&cred, (&source, from), (&target, to), len))
    }

    fn copy_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, Written> {
        ready!(readable(from.0));
        let (cred, source, target) = (*cred, ready!(from.0.get_arc()), ready!(writable(to.0)));
        let (from, to) = (from.1, to.1);
        self.block(move |core| core.copy_range(&cred, (&source, from), (&target, to), len))
    }

    fn advise<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: u64,
        advice: Advice,
    ) -> Reply<'a, ()> {
        let file = ready!(file.get_arc::<OpenFile>());
        self.block(move |core| core.advise(&file, offset, len, advice))
    }

    fn commit<'a>(&'a self, node: &'a Handle, _: u64, _: u64) -> Reply<'a, u64> {
        let node = *node;
        self.block_unless_volatile(move |core| core.commit(&node))
    }

    fn open_locks<'a>(&'a self, node: &'a Handle, open: Option<&'a File>) -> Reply<'a, File> {
        let (node, open) = (*node, ready!(open.map(File::get_arc::<OpenFile>).transpose()));
        self.run(Class::Opens, &[&node], move |core| {
            Ok(File::new(core.open_locks(&node, open.as_deref())?))
        })
    }

    fn lock_ranges<'a>(&'a self, locks: &'a File, steps: &'a [LockStep]) -> Reply<'a, Locked> {
        if self.prompt && steps.len() <= STEPS_AT_ONCE {
            return Reply::now(self.core.lock_ranges(ready!(locks.get()), steps));
        }
        let (locks, steps) = (ready!(locks.get_arc::<LockFile>()), steps.to_vec());
        self.block(move |core| core.lock_ranges(&locks, &steps))
    }

    fn test_range<'a>(&'a self, locks: &'a File, step: LockStep) -> Reply<'a, Locked> {
        let locks = ready!(locks.get_arc::<LockFile>());
        self.run(Class::Texts, &[], move |core| core.test_range(&locks, step))
    }

    fn space<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        let node = *node;
        self.run(Class::Texts, &[&node], move |core| core.space(&node))
    }

    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        let (cred, node, name) = (*cred, *node, ready!(XattrName::new(name)));
        self.run(Class::Texts, &[&node], move |core| core.getxattr(&cred, &node, &name))
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        let (cred, node, name) = (*cred, *node, ready!(XattrName::new(name)));
        if value.len() > XATTR_VALUE_MAX {
            return Reply::now(Err(Error::XattrTooBig));
        }
        let value = value.to_vec();
        self.change(&[&node], move |core| core.setxattr(&cred, &node, &name, &value, how))
    }

    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        let (cred, node) = (*cred, *node);
        self.run(Class::Texts, &[&node], move |core| core.listxattrs(&cred, &node))
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let (cred, node, name) = (*cred, *node, ready!(XattrName::new(name)));
        self.change(&[&node], move |core| core.removexattr(&cred, &node, &name))
    }
}

/// The open file, if data may be read from it.
fn readable(file: &File) -> Result<&OpenFile> {
    let open: &OpenFile = file.get()?;
    if open.mode().read { Ok(open) } else { Err(Error::AccessDenied) }
}

/// The open file, if data may be written to it.
fn writable(file: &File) -> Result<Arc<OpenFile>> {
    let open: Arc<OpenFile> = file.get_arc()?;
    if open.mode().write { Ok(open) } else { Err(Error::AccessDenied) }
}
