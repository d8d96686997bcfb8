//! A file system that counts what is asked of another, and can be late or panic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_base::World;
use holdfast_vfs::{Error, FileSystem, Handle, Properties, Reply, Result, offload};

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
    /// That the method is not there.
    Missing,
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

    fn forward<'a, T: Send + Unpin + 'a>(
        &'a self,
        method: &'static str,
        call: impl FnOnce(&'a dyn FileSystem) -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        *self.calls.lock().expect("counting does not panic").entry(method).or_insert(0) += 1;
        let mood = self.moods.lock().expect("setting does not panic").get(method).copied();
        let mood = mood.unwrap_or_else(|| *self.mood.lock().expect("setting does not panic"));
        match mood {
            Mood::Now => call(&*self.inner),
            Mood::Panic => panic!("{method} was told to panic"),
            Mood::Later | Mood::PanicLater => {
                let waited = offload(&*self.world, || Ok(()));
                Reply::later(async move {
                    waited.await?;
                    assert_eq!(mood, Mood::Later, "{method} was told to panic");
                    call(&*self.inner).await
                })
            }
            Mood::After(time) => {
                let waited = self.world.sleep(self.world.now() + time);
                Reply::later(async move {
                    waited.await;
                    call(&*self.inner).await
                })
            }
            Mood::Missing => Reply::now(Err(Error::NotSupported)),
            Mood::Never => Reply::later(std::future::pending()),
        }
    }
}

impl FileSystem for Probe {
    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn properties_of(&self, node: &Handle) -> Properties {
        self.inner.properties_of(node)
    }

    fn root(&self) -> Handle {
        self.inner.root()
    }

    holdfast_vfs::forward!(getattr, setattr, access, lookup, lookup_parent, readlink);
    holdfast_vfs::forward!(open, create, make_node, remove, rename, link, readdir);
    holdfast_vfs::forward!(read, read_plus, seek, write, allocate, deallocate);
    holdfast_vfs::forward!(clone_range, copy_range, advise, space);
    holdfast_vfs::forward!(getxattr, setxattr, listxattrs, removexattr);
    holdfast_vfs::forward!(open_locks, lock_ranges, test_range);

    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        let bits = self.verifier.load(Ordering::Relaxed);
        let turn = move |verifier: Result<u64>| verifier.map(|verifier| verifier ^ bits);
        self.forward("commit", move |inner| match inner.commit(node, offset, len) {
            Reply::Now(verifier) => Reply::Now(verifier.map(turn)),
            later @ Reply::Later(_) => later,
        })
    }
}
