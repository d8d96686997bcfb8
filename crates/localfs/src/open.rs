//! Open regular files.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use holdfast_vfs::{Cred, Error, File, Handle, OpenMode, Result};
use rustix::fs::{Mode, OFlags, openat2};
use rustix::io::Errno;

use crate::attr::regular;
use crate::cache::Node;
use crate::core::{Core, INSIDE, stat_fd};
use crate::errno::{Meaning, error};
use crate::handle::Parsed;
use crate::name::Name;
use crate::sys;

/// What a [`File`] of this crate holds.
pub(crate) struct OpenFile {
    fd: OwnedFd,
    node: Arc<Node>,
    mode: OpenMode,
    /// Its place among the files that were opened before and after it.
    number: u64,
    core: Weak<Core>,
}

impl OpenFile {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) const fn mode(&self) -> OpenMode {
        self.mode
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }
}

impl OpenFile {
    /// Asks a descriptor that nobody asks any more, since another might not be told.
    fn ask_at_last(&self, core: &Core) {
        if self.node.syncing.try_lock().is_err() {
            // This may be an event loop, which does not wait for a disk: who syncs asks.
            let closed = self.fd.try_clone().map(|fd| self.node.to_ask().push(fd));
            if closed.is_err() {
                return core.lost_data();
            }
        }
        // Unless somebody syncs still, or again.
        if let Ok(_syncing) = self.node.syncing.try_lock() {
            core.ask_closed(&self.node);
            if sys::write_back_failed(self.fd()) {
                core.lost_data();
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.mode.write {
            self.node.remove_writer(self.number);
            if let Some(core) = self.core.upgrade()
                && !self.node.mount().volatile
            {
                self.ask_at_last(&core);
            }
        }
        if !self.node.closed() {
            return;
        }
        // A descriptor in the cache would keep the space of a removed file.
        if stat_fd(self.fd()).is_ok_and(|stat| stat.stx_nlink == 0)
            && let Some(core) = self.core.upgrade()
        {
            core.forget(&self.node);
        }
    }
}

/// The flags of an open in this mode that neither waits nor follows.
pub(crate) fn flags(mode: OpenMode) -> OFlags {
    let access = match (mode.read, mode.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (true | false, false) => OFlags::RDONLY,
    };
    access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

impl Core {
    pub(crate) fn open(
        self: &Arc<Self>,
        cred: &Cred,
        handle: &Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Result<File> {
        let node = self.node(handle)?;
        let stat = self.stat(&node)?;
        regular(node.kind())?;
        if mode.write {
            self.writable()?;
        }
        self.assume(cred)?;
        let is_owner = owner_override && stat.stx_uid == cred.uid;
        let fd = self.open_data(&node, mode, is_owner)?;
        Ok(self.file(fd, node, mode))
    }

    /// Opens the data of a regular file as whoever this thread acts as; as the server where that
    /// is refused but `anyway`.
    pub(crate) fn open_data(&self, node: &Node, mode: OpenMode, anyway: bool) -> Result<OwnedFd> {
        match self.open_data_once(node, mode) {
            Err(Errno::ACCESS) if anyway && self.identity.switches() => {
                self.identity.server()?;
                self.open_data_once(node, mode).meaning()
            }
            Err(Errno::NOENT) => Err(Error::Stale),
            result => result.meaning(),
        }
    }

    fn open_data_once(&self, node: &Node, mode: OpenMode) -> rustix::io::Result<OwnedFd> {
        match self.reopen(node.fd(), flags(mode)) {
            Err(Errno::NOSYS) => self.open_data_without_proc(node, mode),
            // A container may hide /proc after we looked; the object itself is still there.
            Err(Errno::NOENT) if stat_fd(node.fd()).is_ok() => {
                self.open_data_without_proc(node, mode)
            }
            result => result,
        }
    }

    fn open_data_without_proc(&self, node: &Node, mode: OpenMode) -> rustix::io::Result<OwnedFd> {
        // By handle nothing is checked, and by name not as the caller: so it is asked before.
        let read = if mode.read { libc::R_OK } else { 0 };
        sys::access(node.fd(), read | if mode.write { libc::W_OK } else { 0 })?;
        self.identity.server().map_err(|_| Errno::ACCESS)?;
        match self.minter.parse(node.handle()).map_err(|_| Errno::STALE)? {
            Parsed::Kernel(_, handle) => {
                let bits = flags(mode).bits() as i32;
                self.descriptor(|| sys::open_by_handle_at(node.mount().root(), &handle, bits))
            }
            parsed @ (Parsed::Process(_) | Parsed::Durable(_)) => {
                let (identity, place) = self.entry_of(&parsed).ok_or(Errno::STALE)?;
                let parent = self.handle_of_number(place.parent).ok_or(Errno::STALE)?;
                let parent = self.node(&parent).map_err(|_| Errno::STALE)?;
                let name = Name::new(&place.name).map_err(|_| Errno::STALE)?;
                let open = || {
                    let flags = flags(mode) | OFlags::NOFOLLOW;
                    openat2(parent.fd(), name.as_c_str(), flags, Mode::empty(), INSIDE)
                };
                let fd = self.descriptor(open)?;
                let stat = stat_fd(fd.as_fd())?;
                let same = self.identify(node.volume(), (fd.as_fd(), c""), &stat) == identity;
                if same { Ok(fd) } else { Err(Errno::STALE) }
            }
        }
    }

    /// The open file around a descriptor.
    pub(crate) fn file(self: &Arc<Self>, fd: OwnedFd, node: Arc<Node>, mode: OpenMode) -> File {
        node.opened();
        let number = self.opens.fetch_add(1, Ordering::Relaxed);
        let file = Arc::new(OpenFile { fd, node, mode, number, core: Arc::downgrade(self) });
        if mode.write {
            file.node.add_writer(number, &file);
        }
        File::from_arc(file)
    }

    /// Makes what was written to a file stable; answers the verifier of that moment. A failure
    /// means that data may be lost.
    pub(crate) fn sync(&self, node: &Node, fd: BorrowedFd<'_>, data_only: bool) -> Result<u64> {
        if node.mount().volatile {
            return Ok(self.verifier.load(Ordering::Acquire));
        }
        // The kernel tells one caller of a failure. Nobody answers before he has told the others.
        let _syncing = node.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let result = if data_only { rustix::fs::fdatasync(fd) } else { rustix::fs::fsync(fd) };
        if !matches!(result, Ok(()) | Err(Errno::INTR | Errno::AGAIN)) {
            self.lost_data();
        }
        self.ask_closed(node);
        result.map_err(error)?;
        Ok(self.verifier.load(Ordering::Acquire))
    }

    /// Asks the descriptors that were closed while somebody synced.
    pub(crate) fn ask_closed(&self, node: &Node) {
        let closed = std::mem::take(&mut *node.to_ask());
        if closed.iter().filter(|fd| sys::write_back_failed(fd.as_fd())).count() > 0 {
            self.lost_data();
        }
    }

    pub(crate) fn commit(&self, handle: &Handle) -> Result<u64> {
        let node = self.node(handle)?;
        self.stat(&node)?;
        regular(node.kind())?;
        if node.mount().volatile {
            return Ok(self.verifier.load(Ordering::Acquire));
        }
        if let Some(writer) = node.oldest_writer() {
            return self.sync(&node, writer.fd(), false);
        }
        self.identity.server()?;
        let fd = self.open_to_sync(&node).meaning()?;
        self.sync(&node, fd.as_fd(), false)
    }
}
