//! Whose rights this thread acts with. The kernel keeps them per thread; glibc's calls would
//! signal all threads to agree, so only raw calls are used. A switch happens when the identity
//! differs and is never undone: the next request decides.

use std::cell::{Cell, RefCell};

use holdfast_vfs::{Cred, Error, Groups, Result};
use rustix::fs::Mode;
use rustix::process::{Gid, geteuid, umask};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_thread_groups};

use crate::sys;

/// Where a thread rests between requests: with no right that matters.
const NOBODY: u32 = 65534;

thread_local! {
    static THREAD: Thread = const { Thread::new() };
}

struct Thread {
    prepared: Cell<bool>,
    uid: Cell<Option<u32>>,
    gid: Cell<Option<u32>>,
    groups: RefCell<Option<Groups>>,
    /// Whether the kernel lets this thread be somebody else.
    free: Cell<bool>,
}

impl Thread {
    const fn new() -> Self {
        Self {
            prepared: Cell::new(false),
            uid: Cell::new(None),
            gid: Cell::new(None),
            groups: RefCell::new(None),
            free: Cell::new(false),
        }
    }

    fn prepare(&self) {
        if self.prepared.replace(true) {
            return;
        }
        // A umask of the whole process is not ours to change.
        if sys::unshare_fs().is_ok() {
            umask(Mode::empty());
        }
        let Ok(mut sets) = capabilities(None) else {
            return;
        };
        let harmful = CapabilitySet::FSETID | CapabilitySet::SYS_RESOURCE;
        if sets.permitted.intersects(harmful) {
            sets.permitted.remove(harmful);
            sets.effective.remove(harmful);
            // Refused, set-id bits stay on a write by a privileged caller: no reason to stop.
            let _ = set_capabilities(None, sets);
        }
        let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
        self.free.set(sets.effective.contains(needed));
        if self.free.get() {
            // By way of 0: the kernel drops what overrides permission only on leaving that.
            let _ = self.set_uid(0);
            let _ = self.set_uid(NOBODY);
        }
    }

    fn set_uid(&self, uid: u32) -> Result<()> {
        if self.uid.get() != Some(uid) {
            self.uid.set(None);
            sys::set_fsuid(uid).map_err(|_| Error::AccessDenied)?;
            self.uid.set(Some(uid));
        }
        Ok(())
    }

    fn set_gid(&self, gid: u32) -> Result<()> {
        if self.gid.get() != Some(gid) {
            self.gid.set(None);
            sys::set_fsgid(gid).map_err(|_| Error::AccessDenied)?;
            self.gid.set(Some(gid));
        }
        Ok(())
    }

    fn set_groups(&self, groups: &Groups) -> Result<()> {
        let mut current = self.groups.borrow_mut();
        if current.as_ref() != Some(groups) {
            *current = None;
            let mut list = [Gid::ROOT; Groups::MAX];
            for (place, gid) in list.iter_mut().zip(groups.as_slice()) {
                if *gid == u32::MAX {
                    return Err(Error::AccessDenied);
                }
                *place = Gid::from_raw(*gid);
            }
            set_thread_groups(&list[..groups.as_slice().len()]).map_err(|_| Error::AccessDenied)?;
            *current = Some(*groups);
        }
        Ok(())
    }
}

/// Makes this thread one that may serve: with a umask of its own that is empty, without the
/// capabilities that make the kernel keep set-id bits and spend reserved space, and resting
/// without rights. Every operation does this for a thread that has not; a service thread calls it
/// first. Nothing of the process changes, but threads started from this one inherit all of it.
pub fn prepare_thread() {
    THREAD.with(Thread::prepare);
}

/// How one file system changes identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    switches: bool,
}

impl Identity {
    /// As the process may; never, if `one_user`.
    pub(crate) fn probe(one_user: bool) -> Self {
        prepare_thread();
        Self { switches: !one_user && THREAD.with(|thread| thread.free.get()) }
    }

    /// Whether callers act with their own rights.
    pub(crate) const fn switches(self) -> bool {
        self.switches
    }

    /// Acts as the caller from now on.
    pub(crate) fn assume(self, cred: &Cred) -> Result<()> {
        if !self.switches {
            return self.server();
        }
        THREAD.with(|thread| {
            thread.prepare();
            thread.set_groups(&cred.groups)?;
            thread.set_gid(cred.gid)?;
            thread.set_uid(cred.uid)
        })
    }

    /// Acts as the server from now on: what no permission is asked for.
    pub(crate) fn server(self) -> Result<()> {
        THREAD.with(|thread| {
            thread.prepare();
            if thread.free.get() {
                thread.set_uid(if self.switches { 0 } else { geteuid().as_raw() })?;
            }
            Ok(())
        })
    }

    /// Does something as the server, and acts as before again.
    pub(crate) fn as_server<T>(self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = THREAD.with(|thread| thread.uid.get());
        self.server()?;
        let result = work();
        if let Some(uid) = before {
            THREAD.with(|thread| thread.set_uid(uid))?;
        }
        result
    }
}
