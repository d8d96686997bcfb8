//! From what a handle says to the object, where handles are not the kernel's: by the places that
//! the table has, and by a scan where that does not lead to it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use holdfast_vfs::{Error, Handle, Result};
use rustix::fs::Statx;

use super::Index;
use crate::attr::kind;
use crate::cache::Node;
use crate::core::{Core, DEPTH, device, stat_fd};
use crate::crossing::Gate;
use crate::errno::Meaning;
use crate::handle::Parsed;
use crate::name::Name;
use crate::table::{Identity, Place, Table};
use crate::volume::Volume;

/// The device in place of the file system: for handles that end with the process.
pub(crate) const fn volume_of_device(stat: &Statx) -> u64 {
    let (major, minor) = device(stat);
    (major as u64) << 32 | minor as u64
}

impl Core {
    /// The table and its index, where handles are good after a restart.
    pub(super) fn indexed(&self) -> Option<(&Table, &Index)> {
        let table = self.table.as_ref()?;
        Some((table, table.index()?))
    }

    /// What makes handles good after a restart without privilege.
    pub(crate) fn index(&self) -> Option<&Index> {
        self.table.as_ref()?.index()
    }

    /// Records the handles that an answer is about to show.
    pub(crate) fn record_handles(&self) {
        if let Some((table, index)) = self.indexed() {
            index.flush(table);
        }
    }

    /// The handle of an object of the table.
    pub(crate) fn handle_of(&self, id: u64, identity: &Identity) -> Handle {
        match self.index() {
            Some(_) => self.minter.durable(identity),
            None => self.minter.process(id),
        }
    }

    /// The number of a node, where there are numbers.
    pub(crate) fn number(&self, node: &Node) -> Result<u64> {
        match (self.minter.parse(node.handle())?, &self.table) {
            (Parsed::Process(id), _) => Ok(id),
            (Parsed::Durable(identity), Some(table)) => Ok(table.known(identity).unwrap_or_else(
                // The table forgot it while it is in use.
                || table.identify(identity, Table::NOWHERE, b"", node.kind()),
            )),
            (Parsed::Kernel(..) | Parsed::Durable(_), _) => Err(Error::BadHandle),
        }
    }

    /// What the table has of a handle's object.
    pub(crate) fn entry_of(&self, parsed: &Parsed) -> Option<(Identity, Place)> {
        let table = self.table.as_ref()?;
        match parsed {
            Parsed::Process(id) => table.entry(*id),
            Parsed::Durable(identity) => table.entry(table.known(*identity)?),
            Parsed::Kernel(..) => None,
        }
    }

    /// The handle of a number.
    pub(crate) fn handle_of_number(&self, id: u64) -> Option<Handle> {
        let (identity, _) = self.table.as_ref()?.entry(id)?;
        Some(self.handle_of(id, &identity))
    }

    /// Forgets the object of a handle: it is gone.
    pub(crate) fn forget_entry(&self, table: &Table, handle: &Handle) {
        match self.minter.parse(handle) {
            Ok(Parsed::Process(id)) => table.forget(id),
            Ok(Parsed::Durable(identity)) => {
                if let Some(id) = table.known(identity) {
                    table.forget(id);
                }
                if let Some(index) = table.index() {
                    index.removed(identity);
                }
            }
            Ok(Parsed::Kernel(..)) | Err(_) => {}
        }
    }

    /// The object of a name that may be about to lose its last one: with an index it is known
    /// afterwards that it is gone, and no scan need look for it.
    pub(crate) fn victim(&self, parent: &Node, name: &Name) -> Option<Arc<Node>> {
        let fd = self.open_name(parent.fd(), name.as_c_str()).ok()?;
        let stat = stat_fd(fd.as_fd()).ok()?;
        let gate = Gate { parent, name: name.as_bytes(), listed: None };
        let volume = self.volume_at(gate, fd.as_fd(), &stat).ok()?;
        let handle = self.minter.durable(&self.identify(&volume, (fd.as_fd(), c""), &stat));
        if let Some(cached) = self.cache.get(&handle) {
            return Some(cached);
        }
        let node = Node::new(fd, handle, &stat, volume);
        // The cache knows the open files of those whose files sleep.
        Some(if self.cache.sleeps(&handle) { self.cache.insert(node) } else { Arc::new(node) })
    }

    /// Opens the object of an identity.
    pub(crate) fn open_identity(&self, table: &Table, identity: Identity) -> Result<Arc<Node>> {
        let found = match table.known(identity) {
            Some(id) => self.open_number(table, id),
            None => Err(Error::Stale),
        };
        match (found, table.index()) {
            // A scan sees the export's own file system only.
            (Err(Error::Stale), Some(index)) if identity.volume == self.volumes.own.id => {
                Err(index.ask(identity))
            }
            (found, _) => found,
        }
    }

    /// Opens the object of a number by way of the nearest directory above it that is open.
    pub(crate) fn open_number(&self, table: &Table, id: u64) -> Result<Arc<Node>> {
        let mut path = Vec::new();
        let mut at = id;
        let start = loop {
            if at == Table::ROOT {
                break self.root.clone();
            }
            let (identity, place) = table.entry(at).ok_or(Error::Stale)?;
            if let Some(node) = self.cache.get(&self.handle_of(at, &identity)) {
                break node;
            }
            let parent = place.parent;
            path.push((at, identity, place));
            if path.len() > DEPTH {
                return Err(Error::Stale);
            }
            at = parent;
        };
        let (mut above, mut node) = (None, None);
        while let Some((at, identity, place)) = path.pop() {
            let from = node.as_ref().unwrap_or(&*start);
            let next = self.reopen_number(table, from, at, identity, &place)?;
            above = node.replace(next);
        }
        let Some(node) = node else { return Ok(start) };
        self.ensure_inside(above.as_ref().unwrap_or(&*start))?;
        if let Some(above) = above {
            self.cache.insert(above);
        }
        Ok(self.cache.insert(node))
    }

    /// Refuses what lies in a directory that somebody moved out of the export.
    fn ensure_inside(&self, directory: &Node) -> Result<()> {
        if directory.handle() == self.root.handle() {
            return Ok(());
        }
        match self.is_inside(directory.fd()) {
            Ok(true) => Ok(()),
            Err(Error::Busy) => Err(Error::Busy),
            Ok(false) | Err(_) => Err(Error::Stale),
        }
    }

    fn reopen_number(
        &self,
        table: &Table,
        parent: &Node,
        id: u64,
        identity: Identity,
        place: &Place,
    ) -> Result<Node> {
        let same = |fd: OwnedFd, name: &[u8]| {
            let gate = Gate { parent, name, listed: None };
            self.is_identity(gate, fd, identity)
        };
        let mut found = Name::new(&place.name)
            .and_then(|name| self.open_name(parent.fd(), name.as_c_str()))
            .and_then(|fd| same(fd, &place.name));
        if matches!(found, Err(Error::Stale | Error::NotFound | Error::BadName)) {
            // Somebody else renamed it: where it was is the first place to look.
            let name = self.name_of(parent, identity.ino)?.ok_or(Error::Stale)?;
            found = self
                .open_name(parent.fd(), name.as_c_str())
                .and_then(|fd| same(fd, name.as_bytes()));
            if let Ok((_, stat, _)) = &found {
                table.identify(identity, place.parent, name.as_bytes(), kind(stat));
            }
        }
        let (fd, stat, volume) = match found {
            Err(Error::NotFound | Error::NotDirectory) => return Err(Error::Stale),
            found => found?,
        };
        Ok(Node::new(fd, self.handle_of(id, &identity), &stat, volume))
    }

    fn is_identity(
        &self,
        gate: Gate<'_>,
        fd: OwnedFd,
        identity: Identity,
    ) -> Result<(OwnedFd, Statx, Arc<Volume>)> {
        let stat = stat_fd(fd.as_fd()).meaning()?;
        let volume = self.volume_at(gate, fd.as_fd(), &stat)?;
        if self.identify(&volume, (fd.as_fd(), c""), &stat) == identity {
            Ok((fd, stat, volume))
        } else {
            Err(Error::Stale)
        }
    }
}
