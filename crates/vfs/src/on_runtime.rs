//! A file system whose futures need a runtime around them: an adaptor that enters it for every
//! call and every poll.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use holdfast_base::BoxFuture;

use crate::{
    Access, Attr, ChangeInfo, CreateHow, Created, Cred, DirEnd, DirSink, File, FileSystem, Handle,
    NewNode, OpenMode, Properties, ReadEnd, ReadSink, Reply, Result, SetAttr, Space, Stability,
    Want, Written, XattrHow,
};

/// Runs something inside a runtime: with tokio, `let _guard = handle.enter(); run()`.
pub trait Runtime: Send + Sync + 'static {
    /// Calls `run` once, inside the runtime.
    fn enter(&self, run: &mut dyn FnMut());
}

impl<T: Fn(&mut dyn FnMut()) + Send + Sync + 'static> Runtime for T {
    fn enter(&self, run: &mut dyn FnMut()) {
        self(run);
    }
}

/// A file system that is called and polled inside a runtime, whichever thread serves it.
pub struct OnRuntime<F, R> {
    fs: F,
    runtime: Arc<R>,
}

impl<F: FileSystem, R: Runtime> OnRuntime<F, R> {
    /// Puts `fs` inside `runtime`.
    pub fn new(fs: F, runtime: R) -> Self {
        Self { fs, runtime: Arc::new(runtime) }
    }

    fn run<'a, T: Send + 'a>(&'a self, call: impl FnOnce(&'a F) -> Reply<'a, T>) -> Reply<'a, T> {
        match enter(&*self.runtime, || call(&self.fs)) {
            Reply::Later(future) => {
                let runtime = self.runtime.clone();
                Reply::Later(Box::pin(Inside { future, runtime }))
            }
            now @ Reply::Now(_) => now,
        }
    }
}

fn enter<R: Runtime, T>(runtime: &R, run: impl FnOnce() -> T) -> T {
    let (mut run, mut output) = (Some(run), None);
    runtime.enter(&mut || output = run.take().map(|run| run()));
    output.expect("a runtime calls what it is given once")
}

struct Inside<'a, T, R> {
    future: BoxFuture<'a, Result<T>>,
    runtime: Arc<R>,
}

impl<T, R: Runtime> Future for Inside<'_, T, R> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        enter(&*this.runtime, || this.future.as_mut().poll(cx))
    }
}

impl<F: FileSystem, R: Runtime> FileSystem for OnRuntime<F, R> {
    fn properties(&self) -> Properties {
        self.fs.properties()
    }

    fn root(&self) -> Handle {
        self.fs.root()
    }

    fn getattr<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        self.run(|fs| fs.getattr(cred, node))
    }

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        self.run(|fs| fs.setattr(cred, node, file, set))
    }

    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        self.run(|fs| fs.access(cred, node, want))
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        self.run(|fs| fs.lookup(cred, dir, name))
    }

    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        self.run(|fs| fs.lookup_parent(cred, dir))
    }

    fn readlink<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        self.run(|fs| fs.readlink(cred, node))
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        self.run(|fs| fs.open(cred, node, mode, owner_override))
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        self.run(|fs| fs.create(cred, dir, name, how, mode))
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        self.run(|fs| fs.make_node(cred, dir, name, kind, attrs))
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.run(|fs| fs.remove(cred, dir, name))
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        self.run(|fs| fs.rename(cred, from, to))
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.run(|fs| fs.link(cred, node, dir, name))
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
        self.run(|fs| fs.readdir(cred, dir, cookie, room, want, sink))
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.run(|fs| fs.read(file, offset, len, sink))
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        self.run(|fs| fs.write(cred, file, offset, data, stability))
    }

    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        self.run(|fs| fs.commit(node, offset, len))
    }

    fn space<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        self.run(|fs| fs.space(cred, node))
    }

    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        self.run(|fs| fs.getxattr(cred, node, name))
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        self.run(|fs| fs.setxattr(cred, node, name, value, how))
    }

    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        self.run(|fs| fs.listxattrs(cred, node))
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.run(|fs| fs.removexattr(cred, node, name))
    }
}
