//! A file system whose attributes wait, on a thread of the pool, for a gate to open.

use std::sync::{Arc, Condvar, Mutex};

use holdfast_base::World;
use holdfast_vfs::{
    Access, Attr, ChangeInfo, CreateHow, Created, Cred, DirEnd, DirSink, Error, File, FileSystem,
    Handle, NewNode, OpenMode, Properties, ReadEnd, ReadSink, Reply, SetAttr, Space, Stability,
    Want, Written, XattrHow, offload,
};

/// What jobs wait for.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    /// Lets all pass from now on.
    pub(crate) fn open(&self) {
        self.state.lock().unwrap().0 = true;
        self.changed.notify_all();
    }

    /// How many came to the gate so far.
    pub(crate) fn came(&self) -> usize {
        self.state.lock().unwrap().1
    }

    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        while !state.0 {
            state = self.changed.wait(state).unwrap();
        }
    }
}

/// The file system.
pub(crate) struct GatedFs {
    pub(crate) inner: Arc<dyn FileSystem>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) gate: Arc<Gate>,
}

impl FileSystem for GatedFs {
    fn getattr<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        let (inner, gate) = (self.inner.clone(), self.gate.clone());
        let (cred, node) = (*cred, *node);
        Reply::later(offload(&*self.world, move || {
            gate.pass();
            let Reply::Now(answer) = inner.getattr(&cred, &node) else { return Err(Error::Io) };
            answer.unwrap_or(Err(Error::Io))
        }))
    }

    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn root(&self) -> Handle {
        self.inner.root()
    }

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        self.inner.setattr(cred, node, file, set)
    }

    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        self.inner.access(cred, node, want)
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        self.inner.lookup(cred, dir, name)
    }

    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        self.inner.lookup_parent(cred, dir)
    }

    fn readlink<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        self.inner.readlink(cred, node)
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        self.inner.open(cred, node, mode, owner_override)
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        self.inner.create(cred, dir, name, how, mode)
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        self.inner.make_node(cred, dir, name, kind, attrs)
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.inner.remove(cred, dir, name)
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        self.inner.rename(cred, from, to)
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.inner.link(cred, node, dir, name)
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
        self.inner.readdir(cred, dir, cookie, room, want, sink)
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.inner.read(file, offset, len, sink)
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        self.inner.write(cred, file, offset, data, stability)
    }

    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        self.inner.commit(node, offset, len)
    }

    fn space<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        self.inner.space(cred, node)
    }

    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        self.inner.getxattr(cred, node, name)
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        self.inner.setxattr(cred, node, name, value, how)
    }

    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        self.inner.listxattrs(cred, node)
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        self.inner.removexattr(cred, node, name)
    }
}
