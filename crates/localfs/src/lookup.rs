//! From a name to a handle, and back up.

use std::os::fd::AsFd;
use std::sync::Arc;

use holdfast_vfs::{Cred, Error, FileKind, Handle, Result};
use rustix::fs::ResolveFlags;
use rustix::io::Errno;

use crate::cache::Node;
use crate::core::{Core, stat_fd};
use crate::errno::{Meaning, error};
use crate::name::Name;
use crate::sys;

/// How many directories above a number's are looked up to name one that was reached from below.
const CLIMB: usize = 64;

impl Core {
    pub(crate) fn lookup(&self, cred: &Cred, dir: &Handle, name: &Name) -> Result<Handle> {
        let parent = self.searchable(dir)?;
        self.assume(cred)?;
        self.find(&parent, name).map_err(|error| self.blame(&parent, error))
    }

    /// [`Self::lookup`] of what is in memory; `None` when the directory has to be read.
    pub(crate) fn lookup_cached(
        &self,
        cred: &Cred,
        dir: &Handle,
        name: &Name,
    ) -> Result<Option<Handle>> {
        if self.is_volatile() || !self.resolve_cached {
            return self.lookup(cred, dir, name).map(Some);
        }
        let parent = self.searchable(dir)?;
        self.assume(cred)?;
        let rules = self.inside().union(ResolveFlags::CACHED);
        let fd = match self.open_name_by(parent.fd(), name.as_c_str(), rules) {
            // Not in memory, or changed meanwhile.
            Err(Error::Busy) => return Ok(None),
            Err(error) => return Err(self.blame(&parent, error)),
            Ok(fd) => fd,
        };
        if self.is_elsewhere(&parent, &stat_fd(fd.as_fd()).meaning()?) {
            // What is asked of another volume may wait for its disk.
            return Ok(None);
        }
        Ok(Some(*self.admit(fd, &parent, name.as_bytes())?.handle()))
    }

    fn searchable(&self, dir: &Handle) -> Result<Arc<Node>> {
        let parent = self.node(dir)?;
        match parent.kind() {
            FileKind::Directory => {}
            FileKind::Symlink => return Err(Error::IsSymlink),
            FileKind::Regular
            | FileKind::Block
            | FileKind::Character
            | FileKind::Fifo
            | FileKind::Socket => return Err(Error::NotDirectory),
        }
        Ok(parent)
    }

    /// The handle of a name, as whoever this thread acts as.
    pub(crate) fn find(&self, parent: &Node, name: &Name) -> Result<Handle> {
        if self.table.is_none() {
            // The kernel checks the right to search here as it does in an open.
            match sys::name_to_handle_at(parent.fd(), name.as_c_str(), 0) {
                Ok((kernel, mount)) if parent.mount().is_number(mount as u64) => {
                    let id = parent.mount().id();
                    let handle = self.minter.kernel(id, &kernel).ok_or(Error::NotSupported)?;
                    if self.cache.get(&handle).is_some() {
                        return Ok(handle);
                    }
                }
                // Something is mounted there; it need not have handles.
                Ok(_) | Err(Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(error(errno)),
            }
        }
        let fd = self.open_name(parent.fd(), name.as_c_str())?;
        Ok(*self.admit(fd, parent, name.as_bytes())?.handle())
    }

    pub(crate) fn lookup_parent(&self, cred: &Cred, dir: &Handle) -> Result<Handle> {
        let node = self.directory(dir)?;
        if node.handle() == self.root.handle() {
            return Err(Error::NotFound);
        }
        self.stat(&node)?;
        self.assume(cred)?;
        let above = match self.open_parent(node.fd()) {
            Err(Error::CrossDevice | Error::NotFound) => return Err(Error::Stale),
            result => result?,
        };
        // The handle outlives a move; what lies above the new place is nobody's business.
        self.identity.server()?;
        if !self.is_inside(above.as_fd())? {
            return Err(Error::Stale);
        }
        Ok(*self.admit_above(above, CLIMB)?.handle())
    }
}
