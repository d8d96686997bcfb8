//! A file system that counts what is asked of another, and can be late or panic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_base::World;
use holdfast_vfs::{
    Access, Attr, ChangeInfo, CreateHow, Created, Cred, DirEnd, DirSink, File, FileSystem, Handle,
    NewNode, OpenMode, Properties, ReadEnd, ReadSink, Reply, Result, SetAttr, Space, Stability,
    Want, Written, XattrHow, offload,
};

/// How a method answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// At once.
    #[default]
    Now,
    /// When a job of the world has run.
    Later,
    /// It panics at once.
    Panic,
    /// It panics when a job of the world has run.
    PanicLater,
    /// After so much time.
    After(Duration),
    /// Not at all.
    Never,
}

/// The probe. Methods go by their names.
pub(crate) struct Probe {
    inner: Arc<dyn FileSystem>,
    world: Arc<dyn World>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    moods: Mutex<BTreeMap<&'static str, Mood>>,
    mood: Mutex<Mood>,
    /// Turns bits of the write verifier around.
    verifier: AtomicU64,
}

impl Probe {
    pub(crate) fn new(inner: Arc<dyn FileSystem>, world: Arc<dyn World>) -> Self {
        Self {
            inner,
            world,
            calls: Mutex::default(),
            moods: Mutex::default(),
            mood: Mutex::default(),
            verifier: AtomicU64::new(0),
        }
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.calls.lock().expect("counting does not panic").get(method).copied().unwrap_or(0)
    }

    /// How a method answers from now on.
    pub(crate) fn set(&self, method: &'static str, mood: Mood) {
        self.moods.lock().expect("setting does not panic").insert(method, mood);
    }

    /// How the methods answer that were told nothing else.
    pub(crate) fn set_all(&self, mood: Mood) {
        *self.mood.lock().expect("setting does not panic") = mood;
    }

    /// From now on these bits of the write verifier are the other way round.
    pub(crate) fn lose_writes(&self, bits: u64) {
        self.verifier.store(bits, Ordering::Relaxed);
    }

    fn ask<'a, T: Send + Unpin + 'a>(
        &'a self,
        method: &'static str,
        ask: impl FnOnce() -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        *self.calls.lock().expect("counting does not panic").entry(method).or_insert(0) += 1;
        let mood = self.moods.lock().expect("setting does not panic").get(method).copied();
        let mood = mood.unwrap_or_else(|| *self.mood.lock().expect("setting does not panic"));
        match mood {
            Mood::Now => ask(),
            Mood::Panic => panic!("{method} was told to panic"),
            Mood::Later | Mood::PanicLater => {
                let waited = offload(&*self.world, || Ok(()));
                Reply::later(async move {
                    waited.await?;
                    assert_eq!(mood, Mood::Later, "{method} was told to panic");
                    ask().await
                })
            }
            Mood::After(time) => {
                let waited = self.world.sleep(self.world.now() + time);
                Reply::later(async move {
                    waited.await;
                    ask().await
                })
            }
            Mood::Never => Reply::later(std::future::pending()),
        }
    }
}

impl FileSystem for Probe {
    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn root(&self) -> Handle {
        self.inner.root()
    }

    fn getattr<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        self.ask("getattr", move || self.inner.getattr(cred, node))
    }

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        self.ask("setattr", move || self.inner.setattr(cred, node, file, set))
    }

    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        self.ask("access", move || self.inner.access(cred, node, want))
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        self.ask("lookup", move || self.inner.lookup(cred, dir, name))
    }

    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        self.ask("lookup_parent", move || self.inner.lookup_parent(cred, dir))
    }

    fn readlink<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        self.ask("readlink", move || self.inner.readlink(cred, node))
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        self.ask("open", move || self.inner.open(cred, node, mode, owner_override))
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        self.ask("create", move || self.inner.create(cred, dir, name, how, mode))
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        self.ask("make_node", move || self.inner.make_node(cred, dir, name, kind, attrs))
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.ask("remove", move || self.inner.remove(cred, dir, name))
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        self.ask("rename", move || self.inner.rename(cred, from, to))
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.ask("link", move || self.inner.link(cred, node, dir, name))
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
        self.ask("readdir", move || self.inner.readdir(cred, dir, cookie, room, want, sink))
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.ask("read", move || self.inner.read(file, offset, len, sink))
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        self.ask("write", move || self.inner.write(cred, file, offset, data, stability))
    }

    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        let bits = self.verifier.load(Ordering::Relaxed);
        let turn = move |verifier: Result<u64>| verifier.map(|verifier| verifier ^ bits);
        self.ask("commit", move || match self.inner.commit(node, offset, len) {
            Reply::Now(verifier) => Reply::Now(verifier.map(turn)),
            later @ Reply::Later(_) => later,
        })
    }

    fn space<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        self.ask("space", move || self.inner.space(cred, node))
    }

    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        self.ask("getxattr", move || self.inner.getxattr(cred, node, name))
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        self.ask("setxattr", move || self.inner.setxattr(cred, node, name, value, how))
    }

    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        self.ask("listxattrs", move || self.inner.listxattrs(cred, node))
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.ask("removexattr", move || self.inner.removexattr(cred, node, name))
    }
}
