//! Storage under the server: memory that is slow, refuses, hangs, and forgets what was not
//! committed.

mod gate;
mod undo;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use holdfast_server::Instance;
use holdfast_vfs::memfs::MemFs;
use holdfast_vfs::{
    Advice, ChangeInfo, Content, CreateHow, Created, Cred, Error, File, FileSystem, Handle,
    NewNode, OpenMode, Properties, ReadEnd, ReadSink, Reply, SetAttr, Stability, Written, XattrHow,
};

use self::gate::Gate;
use self::undo::Undo;
pub use self::undo::now;
use crate::rng::Rng;
use crate::sim::Sim;
use crate::sync::{Bell, lock};

/// Copies that are answered before they are complete, in a thousand.
const SHORT_COPY_PERMILLE: u32 = 500;

/// The disk of one server. It outlives every instance.
pub struct Storage {
    sim: Arc<Sim>,
    inner: MemFs,
    rng: Mutex<Rng>,
    undo: Mutex<Undo>,
    released: Bell,
    hangs: AtomicUsize,
    panics: AtomicUsize,
}

impl Storage {
    /// An empty disk.
    pub fn new(sim: &Arc<Sim>, inner: MemFs, mut rng: Rng) -> Arc<Self> {
        let undo = Mutex::new(Undo::new(rng.next()));
        let (released, hangs) = (Bell::default(), AtomicUsize::new(0));
        let panics = AtomicUsize::new(0);
        Arc::new(Self {
            sim: sim.clone(),
            inner,
            rng: Mutex::new(rng),
            undo,
            released,
            hangs,
            panics,
        })
    }

    /// The files, without any fault.
    pub const fn files(&self) -> &MemFs {
        &self.inner
    }

    /// Loses what was not committed.
    pub fn crash(&self) {
        let (lost, next) = {
            let mut undo = lock(&self.undo);
            (undo.crash(&self.inner), lock(&self.rng).next())
        };
        lock(&self.undo).set_verifier(next);
        self.sim.journal.count("fault", "storage crash");
        self.sim.journal.line("storage", || format!("crash: {lost} writes lost"));
    }

    /// How many times unstable data was lost.
    pub fn crashes(&self) -> u64 {
        lock(&self.undo).crashes()
    }

    /// Calls that hang go on.
    pub fn release(&self) {
        self.released.ring();
    }

    /// How many calls panicked since the last time this was asked.
    pub fn take_panics(&self) -> usize {
        self.panics.swap(0, Ordering::Relaxed)
    }

    /// How many calls hang.
    pub fn hangs(&self) -> usize {
        self.hangs.load(Ordering::Relaxed)
    }
}

/// What one instance sees of a disk. When the instance is gone, any further call is somebody
/// else's work in its name.
pub struct View {
    disk: Arc<Storage>,
    generation: u64,
    name: String,
    ended: AtomicBool,
    open: Arc<AtomicUsize>,
    abandoned: AtomicUsize,
    instance: Mutex<Weak<Instance>>,
}

/// A call that was not answered yet.
struct Call<'a> {
    view: &'a View,
    answered: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.answered && !std::thread::panicking() {
            self.view.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An open file, counted as a descriptor would be.
struct Descriptor {
    file: File,
    node: Handle,
    open: Arc<AtomicUsize>,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that goes through its gate, has its effect, and is answered.
macro_rules! through {
    ($self:ident, $call:expr, $effect:expr) => {{
        let gate = $self.gate($call);
        Reply::later(async move {
            let mut call = Call { view: $self, answered: false };
            let run = async {
                gate.before(&$self.disk).await?;
                let result = $effect;
                gate.after(&$self.disk).await;
                result
            };
            let result = run.await;
            call.answered = true;
            result
        })
    }};
}

impl View {
    /// The view of the instance of a generation.
    pub fn new(disk: Arc<Storage>, name: String, generation: u64) -> Self {
        let (ended, open, abandoned) =
            (AtomicBool::new(false), Arc::default(), AtomicUsize::new(0));
        Self { disk, generation, name, ended, open, abandoned, instance: Mutex::default() }
    }

    /// This instance serves it.
    pub fn served_by(&self, instance: &Arc<Instance>) {
        *lock(&self.instance) = Arc::downgrade(instance);
    }

    /// The instance is gone.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether the instance is gone.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The generation of its instance.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many calls were dropped before they were answered.
    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A call that changes nothing, through its gate.
    fn forward<'a, T: Send + Unpin + 'a>(
        &'a self,
        method: &'static str,
        call: impl FnOnce(&'a MemFs) -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        through!(self, method, call(&self.disk.inner).await)
    }

    fn descriptor(&self, file: File, node: Handle) -> File {
        self.open.fetch_add(1, Ordering::Relaxed);
        File::new(Descriptor { file, node, open: self.open.clone() })
    }

    /// Notes a call; answers what stands between it and the files.
    fn gate(&self, call: &'static str) -> Gate {
        let sim = &self.disk.sim;
        if self.ended.load(Ordering::Relaxed) {
            sim.checkers.generations.call_after_end(&self.name, self.generation, call);
        }
        sim.journal.count("storage call", call);
        sim.journal.line(&self.name, || format!("fs {call} (generation {})", self.generation));
        Gate::draw(sim, &mut lock(&self.disk.rng), call)
    }

    /// Notes that a call changes something now.
    fn effect(&self, cred: &Cred, call: &'static str) {
        self.effect_at(cred, call, 0);
    }

    /// As [`View::effect`], of a call that a request may make at several places.
    fn effect_at(&self, cred: &Cred, call: &'static str, at: u64) {
        let checkers = &self.disk.sim.checkers;
        checkers.exactly_once.executed(cred.groups.as_slice(), (call, at));
        let session = checkers.exactly_once.session_of(cred.groups.as_slice());
        let instance = lock(&self.instance).upgrade();
        if let (Some(session), Some(instance)) = (session, instance) {
            checkers.slots.runs(&self.name, call, session, &instance.sessions());
        }
        if self.ended.load(Ordering::Relaxed) {
            checkers.generations.call_after_end(&self.name, self.generation, call);
        }
        self.disk.sim.journal.digest(call.len() as u64, 0);
    }

    /// Notes what is about to be overwritten, where a crash may bring it back; answers whether.
    fn begin_unstable(&self, node: &Handle, (offset, len): (u64, u64)) -> bool {
        if self.disk.sim.options.unstable {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            lock(&self.disk.undo).note(&self.disk.inner, node, offset, len);
        }
        self.disk.sim.options.unstable
    }

    /// What to say of data that was written.
    fn written(&self, node: &Handle, is_unstable: bool, mut written: Written) -> Written {
        let mut undo = lock(&self.disk.undo);
        written.verifier = undo.verifier();
        if is_unstable {
            written.stability = Stability::Unstable;
        } else {
            undo.forget(node);
        }
        written
    }

    /// How much of a copy is made before it is answered.
    fn as_much_as_it_likes(&self, len: u64) -> u64 {
        let mut rng = lock(&self.disk.rng);
        if len > 1 && rng.chance(SHORT_COPY_PERMILLE) { rng.between(1, len) } else { len }
    }

    /// A range was changed, which is safe when it is answered, and all before it.
    fn is_safe(&self, node: &Handle) {
        lock(&self.disk.undo).forget(node);
    }
}

fn inner_of(file: &File) -> holdfast_vfs::Result<&File> {
    file.get::<Descriptor>().map(|descriptor| &descriptor.file)
}

impl FileSystem for View {
    fn properties(&self) -> Properties {
        self.disk.inner.properties()
    }

    fn properties_of(&self, node: &Handle) -> Properties {
        self.disk.inner.properties_of(node)
    }

    fn root(&self) -> Handle {
        self.disk.inner.root()
    }

    holdfast_vfs::forward!(getattr, access, lookup, lookup_parent, readlink, readdir, space);
    holdfast_vfs::forward!(getxattr, listxattrs);

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        through!(self, "setattr", {
            self.effect(cred, "setattr");
            if set.size.is_some() {
                lock(&self.disk.undo).forget(node);
            }
            let file = file.map(inner_of).transpose()?;
            self.disk.inner.setattr(cred, node, file, set).await
        })
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        through!(self, "open", {
            let file = self.disk.inner.open(cred, node, mode, owner_override).await?;
            Ok(self.descriptor(file, *node))
        })
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        through!(self, "create", {
            self.effect(cred, "create");
            let mut made = self.disk.inner.create(cred, dir, name, how, mode).await?;
            made.file = self.descriptor(made.file, made.node);
            Ok(made)
        })
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        through!(self, "make_node", {
            self.effect(cred, "make_node");
            self.disk.inner.make_node(cred, dir, name, kind, attrs).await
        })
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        through!(self, "remove", {
            self.effect(cred, "remove");
            self.disk.inner.remove(cred, dir, name).await
        })
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        through!(self, "rename", {
            self.effect(cred, "rename");
            self.disk.inner.rename(cred, from, to).await
        })
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        through!(self, "link", {
            self.effect(cred, "link");
            self.disk.inner.link(cred, node, dir, name).await
        })
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        through!(self, "read", self.disk.inner.read(inner_of(file)?, offset, len, sink).await)
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        through!(self, "write", {
            self.effect(cred, "write");
            let Descriptor { file, node, .. } = file.get()?;
            let is_unstable = stability == Stability::Unstable
                && self.begin_unstable(node, (offset, data.len() as u64));
            let written = self.disk.inner.write(cred, file, offset, data, stability).await?;
            Ok(self.written(node, is_unstable, written))
        })
    }

    fn read_plus<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        let inner = &self.disk.inner;
        through!(self, "read_plus", inner.read_plus(inner_of(file)?, offset, len, sink).await)
    }

    fn seek<'a>(&'a self, file: &'a File, offset: u64, what: Content) -> Reply<'a, Option<u64>> {
        through!(self, "seek", self.disk.inner.seek(inner_of(file)?, offset, what).await)
    }

    fn advise<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: u64,
        advice: Advice,
    ) -> Reply<'a, ()> {
        let inner = &self.disk.inner;
        through!(self, "advise", inner.advise(inner_of(file)?, offset, len, advice).await)
    }

    fn allocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        through!(self, "allocate", {
            self.effect(cred, "allocate");
            let Descriptor { file, node, .. } = file.get()?;
            let done = self.disk.inner.allocate(cred, file, offset, len).await;
            done.inspect(|()| self.is_safe(node))
        })
    }

    fn deallocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        through!(self, "deallocate", {
            self.effect(cred, "deallocate");
            let Descriptor { file, node, .. } = file.get()?;
            let done = self.disk.inner.deallocate(cred, file, offset, len).await;
            done.inspect(|()| self.is_safe(node))
        })
    }

    fn clone_range<'a>(
        &'a self,
        cred: &'a Cred,
        (source, from): (&'a File, u64),
        (target, to): (&'a File, u64),
        len: u64,
    ) -> Reply<'a, ()> {
        through!(self, "clone_range", {
            self.effect(cred, "clone_range");
            let source = inner_of(source)?;
            let Descriptor { file, node, .. } = target.get()?;
            let done = self.disk.inner.clone_range(cred, (source, from), (file, to), len).await;
            done.inspect(|()| self.is_safe(node))
        })
    }

    fn copy_range<'a>(
        &'a self,
        cred: &'a Cred,
        (source, from): (&'a File, u64),
        (target, to): (&'a File, u64),
        len: u64,
    ) -> Reply<'a, Written> {
        through!(self, "copy_range", {
            self.effect_at(cred, "copy_range", to);
            let source = inner_of(source)?;
            let Descriptor { file, node, .. } = target.get()?;
            let len = self.as_much_as_it_likes(len);
            let is_unstable = self.begin_unstable(node, (to, len));
            let copied = self.disk.inner.copy_range(cred, (source, from), (file, to), len).await?;
            Ok(self.written(node, is_unstable, copied))
        })
    }

    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        through!(self, "commit", {
            self.disk.inner.commit(node, offset, len).await?;
            let mut undo = lock(&self.disk.undo);
            undo.forget(node);
            Ok(undo.verifier())
        })
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        through!(self, "setxattr", {
            self.effect(cred, "setxattr");
            self.disk.inner.setxattr(cred, node, name, value, how).await
        })
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        through!(self, "removexattr", {
            self.effect(cred, "removexattr");
            self.disk.inner.removexattr(cred, node, name).await
        })
    }
}

/// Why the calls that change something may be refused here.
pub(crate) const REFUSALS: [Error; 3] = [Error::Busy, Error::Io, Error::NoSpace];
