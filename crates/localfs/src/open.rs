//! Open regular files.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holdfast_vfs::{Cred, Error, File, Handle, OpenMode, Result};
use rustix::fs::{Mode, OFlags, openat2};
use rustix::io::Errno;

use crate::attr::regular;
use crate::cache::Node;
use crate::core::{Core, INSIDE, stat_fd};
use crate::errno::{Meaning, error};
use crate::handle::Parsed;
use crate::name::Name;
use crate::opens::{NO_MODE, Opens};
use crate::pins::Pin;
use crate::sys;

/// What a [`File`] of this crate holds.
pub(crate) struct OpenFile {
    handle: Handle,
    mode: OpenMode,
    opens: Arc<Opens>,
    /// Its place among the files that were opened before and after it.
    number: u64,
    state: Mutex<State>,
    me: Weak<Self>,
    core: Weak<Core>,
}

/// Entered for a moment, never over a system call.
struct State {
    awake: Option<Arc<Awake>>,
    /// Whether it was used since somebody looked for a descriptor to close.
    is_used: bool,
    /// Its place in the budget if it cannot sleep.
    pin: Option<Pin>,
}

/// An open file with its descriptor.
pub(crate) struct Awake {
    fd: OwnedFd,
    node: Arc<Node>,
    opens: Arc<Opens>,
    mode: OpenMode,
    /// Its place among the descriptors that were opened before and after it.
    number: u64,
    core: Weak<Core>,
}

/// An open file that gives its descriptor up, and is counted as one without until this is dropped.
pub(crate) struct Asleep<'a> {
    core: &'a Core,
    handle: Handle,
    opens: Arc<Opens>,
    /// Whether it is counted further on, until it is woken.
    is_done: bool,
}

impl<'a> Asleep<'a> {
    pub(crate) fn begin(core: &'a Core, handle: Handle, opens: &Arc<Opens>) -> Self {
        opens.falls_asleep();
        core.cache.add_asleep(&handle, opens);
        Self { core, handle, opens: opens.clone(), is_done: false }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.core.wakes(&self.handle, &self.opens);
        }
    }
}

impl OpenFile {
    pub(crate) const fn mode(&self) -> OpenMode {
        self.mode
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) const fn opens(&self) -> &Arc<Opens> {
        &self.opens
    }

    /// The file with its descriptor, which nobody closes until the answer is dropped. May act as
    /// the server afterwards.
    ///
    /// # Errors
    /// - [`Error::Busy`]: it had none, and no other file can give one up now.
    /// - [`Error::Stale`], [`Error::AccessDenied`]: a local process removed it meanwhile, or took
    ///   the server's right to open it again.
    pub(crate) fn awake(&self) -> Result<Arc<Awake>> {
        let mut state = self.state();
        state.is_used = true;
        let awake = state.awake.clone();
        drop(state);
        awake.map_or_else(|| self.wake(), Ok)
    }

    fn wake(&self) -> Result<Arc<Awake>> {
        let core = self.core.upgrade().ok_or(Error::Stale)?;
        let (fd, node) = core.open_again(self)?;
        let awake = Awake::new(&core, fd, node, self.opens.clone(), self.mode);
        let mut state = self.state();
        if let Some(faster) = &state.awake {
            return Ok(faster.clone());
        }
        state.awake = Some(awake.clone());
        drop(state);
        core.files.add(self.number, self.me.clone());
        core.wakes(&self.handle, &self.opens);
        Ok(awake)
    }

    /// Whether it is awake and its data in memory is as stable as it gets.
    pub(crate) fn is_volatile(&self) -> bool {
        self.peek().is_some_and(|awake| awake.node.mount().volatile)
    }

    /// The file with its descriptor, if it has one.
    pub(crate) fn peek(&self) -> Option<Arc<Awake>> {
        self.state().awake.clone()
    }

    /// The same if nobody uses it, nor used it since this was asked last if that is to be spared.
    pub(crate) fn peek_unused(&self, spares_used: bool) -> Option<Arc<Awake>> {
        let mut state = self.state();
        let was_used = std::mem::take(&mut state.is_used);
        let awake = state.awake.as_ref().filter(|awake| Arc::strong_count(awake) == 1);
        awake.filter(|_| !(was_used && spares_used)).cloned()
    }

    /// Keeps its descriptor as long as it is open; `true`: that counts as a pin from now on.
    pub(crate) fn stay_awake(&self, pin: Pin, core: &Core) -> bool {
        let mut state = self.state();
        let is_awake = state.awake.is_some() && state.pin.is_none();
        if is_awake {
            state.pin = Some(pin);
        }
        drop(state);
        if is_awake {
            core.files.remove(self.number);
        }
        is_awake
    }

    /// Gives up the descriptor that the caller alone uses; `false`: somebody else does.
    pub(crate) fn give_up(&self, awake: Arc<Awake>, mut asleep: Asleep<'_>) -> bool {
        let mut state = self.state();
        let is_same = state.awake.as_ref().is_some_and(|held| Arc::ptr_eq(held, &awake));
        // The caller's and ours.
        let is_free = is_same && Arc::strong_count(&awake) == 2 && !self.opens.has_unstable();
        let given_up = if is_free { state.awake.take() } else { None };
        drop(state);
        asleep.is_done = given_up.is_some();
        asleep.is_done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awake {
    fn new(
        core: &Arc<Core>,
        fd: OwnedFd,
        node: Arc<Node>,
        opens: Arc<Opens>,
        mode: OpenMode,
    ) -> Arc<Self> {
        let number = core.opens.fetch_add(1, Ordering::Relaxed);
        let awake = Arc::new(Self { fd, node, opens, mode, number, core: Arc::downgrade(core) });
        if mode.write {
            awake.opens.add_writer(number, &awake);
        }
        awake
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) const fn mode(&self) -> OpenMode {
        self.mode
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) const fn node_arc(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) const fn opens(&self) -> &Arc<Opens> {
        &self.opens
    }

    /// Asks a descriptor that nobody asks any more, since another might not be told.
    fn ask_at_last(&self, core: &Core) {
        if self.opens.syncing.try_lock().is_err() {
            // This may be an event loop, which does not wait for a disk: who syncs asks.
            let closed = self.fd.try_clone().map(|fd| self.opens.to_ask().push(fd));
            if closed.is_err() {
                return core.lost_data();
            }
        }
        // Unless somebody syncs still, or again.
        if let Ok(_syncing) = self.opens.syncing.try_lock() {
            core.ask_closed(&self.opens);
            if sys::write_back_failed(self.fd()) {
                core.lost_data();
            }
        }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        if self.mode.write {
            self.opens.remove_writer(self.number);
            if let Some(core) = self.core.upgrade()
                && !self.node.mount().volatile
            {
                self.ask_at_last(&core);
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let awake = state.awake.take();
        let core = self.core.upgrade();
        if let Some(core) = &core {
            match &awake {
                Some(_) => core.files.remove(self.number),
                None => core.wakes(&self.handle, &self.opens),
            }
        }
        let node = awake.as_ref().map(|awake| awake.node.clone());
        drop(awake);
        if !self.opens.closed() {
            return;
        }
        let kept = self.opens.let_go();
        // A descriptor in the cache would keep the space of a removed file.
        if let Some(core) = core
            && let Some(node) = node.or(kept).or_else(|| core.cache.get(&self.handle))
            && stat_fd(node.fd()).is_ok_and(|stat| stat.stx_nlink == 0)
        {
            core.forget(&node);
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
    /// Counts a file as one with a descriptor again, or as none.
    fn wakes(&self, handle: &Handle, opens: &Opens) {
        opens.wakes();
        self.cache.forget_awake(handle);
    }

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
        self.make_room()?;
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
        let opens = node.opens.clone();
        opens.opened(mode);
        let number = self.opens.fetch_add(1, Ordering::Relaxed);
        let handle = *node.handle();
        let awake = Some(Awake::new(self, fd, node, opens.clone(), mode));
        let state = Mutex::new(State { awake, is_used: true, pin: None });
        let core = Arc::downgrade(self);
        let file = Arc::new_cyclic(|me| {
            let me = me.clone();
            OpenFile { handle, mode, opens, number, state, me, core }
        });
        self.files.add(number, file.me.clone());
        File::from_arc(file)
    }

    /// Makes what was written to a file stable; answers the verifier of that moment. A failure
    /// means that data may be lost.
    pub(crate) fn sync(&self, node: &Node, fd: BorrowedFd<'_>, data_only: bool) -> Result<u64> {
        if node.mount().volatile {
            return Ok(self.verifier.load(Ordering::Acquire));
        }
        // The kernel tells one caller of a failure. Nobody answers before he has told the others.
        let _syncing = node.opens.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        node.opens.syncs();
        let result = if data_only { rustix::fs::fdatasync(fd) } else { rustix::fs::fsync(fd) };
        match result {
            Ok(()) => {}
            Err(Errno::INTR | Errno::AGAIN) => node.opens.wrote(),
            Err(_) => self.lost_data(),
        }
        self.ask_closed(&node.opens);
        result.map_err(error)?;
        Ok(self.verifier.load(Ordering::Acquire))
    }

    /// Asks the descriptors that were closed while somebody synced.
    pub(crate) fn ask_closed(&self, opens: &Opens) {
        let closed = std::mem::take(&mut *opens.to_ask());
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
        if let Some(writer) = node.opens.oldest_writer() {
            return self.sync(&node, writer.fd(), false);
        }
        if let Some((_, Some(Ok(data)))) = node.opens.kept_for(NO_MODE) {
            return self.sync(&node, data.as_fd(), false);
        }
        self.identity.server()?;
        let fd = self.open_to_sync(&node).meaning()?;
        self.sync(&node, fd.as_fd(), false)
    }
}
