//! A file system whose attributes wait, on a thread of the pool, for a gate to open.

use std::sync::{Arc, Condvar, Mutex};

use holdfast_base::World;
use holdfast_vfs::{Attr, Cred, Error, FileSystem, Handle, Properties, Reply, offload};

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

    /// Lets all pass when the guard goes, be it by a failed assertion: nobody waits for ever.
    pub(crate) const fn open_at_last(&self) -> OpenAtLast<'_> {
        OpenAtLast(self)
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

/// Opens a gate when it goes.
pub(crate) struct OpenAtLast<'a>(&'a Gate);

impl Drop for OpenAtLast<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// The file system.
pub(crate) struct GatedFs {
    pub(crate) inner: Arc<dyn FileSystem>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) gate: Arc<Gate>,
}

impl GatedFs {
    fn forward<'a, T>(
        &'a self,
        _: &'static str,
        call: impl FnOnce(&'a dyn FileSystem) -> Reply<'a, T>,
    ) -> Reply<'a, T> {
        call(&*self.inner)
    }
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

    fn properties_of(&self, node: &Handle) -> Properties {
        self.inner.properties_of(node)
    }

    fn root(&self) -> Handle {
        self.inner.root()
    }

    holdfast_vfs::forward!(setattr, access, lookup, lookup_parent, readlink);
    holdfast_vfs::forward!(open, create, make_node, remove, rename, link, readdir);
    holdfast_vfs::forward!(read, read_plus, seek, write, allocate, deallocate);
    holdfast_vfs::forward!(clone_range, copy_range, advise, commit, space);
    holdfast_vfs::forward!(getxattr, setxattr, listxattrs, removexattr);
    holdfast_vfs::forward!(open_locks, lock_ranges, test_range);
}
