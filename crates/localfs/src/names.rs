//! Directories, links and special files made; names removed and moved.

use std::sync::Arc;

use holdfast_vfs::{ChangeInfo, Cred, Error, FileKind, Handle, NewNode, Result, SetAttr};
use rustix::fs::{
    AtFlags, FileType, Mode, StatxFlags, linkat, makedev, mkdirat, mknodat, renameat, statx,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::attr::of_type;
use crate::cache::Node;
use crate::core::{ALL, Core, FdName, stat_fd};
use crate::errno::{Meaning, error};
use crate::flush::Changed;
use crate::name::Name;
use crate::setattr::timestamps;
use crate::sys;

/// How often a name may change its type under a removal.
const TRIES: usize = 4;

const SET_ID: u32 = 0o6000;

/// [`NewNode`] with the text it may have.
#[derive(Clone)]
pub(crate) enum Making {
    Directory,
    Symlink(Vec<u8>),
    Special(FileType, u32, u32),
}

impl Making {
    /// Whether this makes objects of that kind.
    fn makes(&self, made: FileKind) -> bool {
        match self {
            Self::Directory => made == FileKind::Directory,
            Self::Symlink(_) => made == FileKind::Symlink,
            Self::Special(kind, ..) => made == of_type(*kind),
        }
    }

    /// The flags that remove such an object's name.
    const fn removal(&self) -> AtFlags {
        match self {
            Self::Directory => AtFlags::REMOVEDIR,
            Self::Symlink(_) | Self::Special(..) => AtFlags::empty(),
        }
    }
}

impl From<NewNode<'_>> for Making {
    fn from(kind: NewNode<'_>) -> Self {
        match kind {
            NewNode::Directory => Self::Directory,
            NewNode::Symlink(text) => Self::Symlink(text.to_vec()),
            NewNode::Block(major, minor) => Self::Special(FileType::BlockDevice, major, minor),
            NewNode::Character(major, minor) => {
                Self::Special(FileType::CharacterDevice, major, minor)
            }
            NewNode::Fifo => Self::Special(FileType::Fifo, 0, 0),
            NewNode::Socket => Self::Special(FileType::Socket, 0, 0),
        }
    }
}

impl Core {
    pub(crate) fn make_node(
        &self,
        cred: &Cred,
        dir: &Handle,
        name: &Name,
        kind: &Making,
        attrs: &SetAttr,
    ) -> Result<Changed<(Handle, ChangeInfo)>> {
        let parent = self.directory(dir)?;
        self.writable()?;
        let before = self.change(&parent)?;
        self.assume(cred)?;
        make(&parent, name, kind, attrs.mode)
            .meaning()
            .map_err(|error| self.blame(&parent, error))?;
        // The maker may read what it made even where it may not search any more.
        let node = self.identity.server().and_then(|()| {
            let fd = self.open_name(parent.fd(), name.as_c_str())?;
            self.admit(fd, &parent, name.as_bytes())
        })?;
        if !kind.makes(node.kind()) {
            // Somebody else took the name: what is there now is not ours to finish.
            return Err(Error::Busy);
        }
        if let Err(error) = self.finish_node(cred, &node, attrs) {
            self.undo(cred, (&parent, name), node.fd(), kind.removal());
            self.removed(Some(&node));
            return Err(error);
        }
        let made = (*node.handle(), self.change_since(&parent, before));
        Ok(changed_by_making(&parent, &node, attrs, made))
    }

    fn finish_node(&self, cred: &Cred, node: &Node, attrs: &SetAttr) -> Result<()> {
        self.assume(cred)?;
        if attrs.size.is_some() {
            return Err(Error::Invalid);
        }
        if attrs.atime.is_some() || attrs.mtime.is_some() {
            let times = timestamps(attrs.atime, attrs.mtime)?;
            rustix::fs::utimensat(node.fd(), c"", &times, AtFlags::EMPTY_PATH).meaning()?;
        }
        let mut attrs = *attrs;
        if let (FileKind::Directory, Some(mode)) = (node.kind(), attrs.mode.as_mut())
            && *mode & SET_ID != 0
        {
            // What the directory inherited stays.
            *mode |= u32::from(stat_fd(node.fd()).meaning()?.stx_mode) & 0o2000;
        }
        self.own_new(cred, node, &attrs)
    }

    pub(crate) fn remove(
        &self,
        cred: &Cred,
        dir: &Handle,
        name: &Name,
    ) -> Result<Changed<ChangeInfo>> {
        let parent = self.directory(dir)?;
        self.writable()?;
        let before = self.change(&parent)?;
        self.assume(cred)?;
        let victim = self.cached(&parent, name)?;
        let _steady = self.steady_victim(victim.as_ref())?;
        self.assume(cred)?;
        let inode = self.to_change(&parent, name);
        for _ in 0..TRIES {
            match self.unlink(&parent, name) {
                Ok(()) => {
                    self.changed_inode(&parent, inode);
                    self.removed(victim.as_deref());
                    let change = self.change_by_removal(&parent, before);
                    return Ok(Changed::one(&parent, change));
                }
                // Another object took the name since its type was read.
                Err(Errno::NOTDIR | Errno::ISDIR) => {}
                Err(Errno::EXIST) => return Err(Error::NotEmpty),
                Err(errno) => return Err(self.blame(&parent, error(errno))),
            }
        }
        Err(Error::Busy)
    }

    fn unlink(&self, parent: &Node, name: &Name) -> rustix::io::Result<()> {
        let stat = statx(
            parent.fd(),
            name.as_c_str(),
            AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
            StatxFlags::TYPE,
        )?;
        let directory = crate::attr::kind(&stat) == FileKind::Directory;
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(parent.fd(), name.as_c_str(), flags)
    }

    pub(crate) fn rename(
        &self,
        cred: &Cred,
        from: (&Handle, &Name),
        to: (&Handle, &Name),
    ) -> Result<Changed<(ChangeInfo, ChangeInfo)>> {
        let source = self.directory(from.0)?;
        let target = self.directory(to.0)?;
        self.writable()?;
        let before = (self.change(&source)?, self.change(&target)?);
        self.assume(cred)?;
        let victim = self.cached(&target, to.1)?;
        let _steady = self.steady_victim(victim.as_ref())?;
        self.assume(cred)?;
        let inodes = [self.to_change(&source, from.1), self.to_change(&target, to.1)];
        renameat(source.fd(), from.1.as_c_str(), target.fd(), to.1.as_c_str()).map_err(
            |errno| match errno {
                // RFC 8881 §18.26.3 has one status for a target of another type or with entries.
                Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR => Error::Exists,
                errno => self.blame(&source, self.blame(&target, error(errno))),
            },
        )?;
        // Of two names of one object both stay.
        let changes_none = inodes[0].is_some() && inodes[0] == inodes[1];
        if !changes_none {
            let parents = [&source, &target].into_iter();
            parents.zip(inodes).for_each(|(parent, inode)| self.changed_inode(parent, inode));
            [&source, &target].into_iter().for_each(|directory| self.changed(directory));
        }
        self.removed(victim.as_deref());
        if self.table.is_some() {
            // The number's record follows the move; if that fails the next lookup mends it.
            let _ = self.identity.server().and_then(|()| self.find(&target, to.1));
        }
        let changes = (self.info_since(&source, before.0), self.info_since(&target, before.1));
        Ok(Changed::two(&target, &source, changes))
    }

    pub(crate) fn link(
        &self,
        cred: &Cred,
        handle: &Handle,
        dir: &Handle,
        name: &Name,
    ) -> Result<Changed<ChangeInfo>> {
        let node = self.node(handle)?;
        let parent = self.directory(dir)?;
        self.stat(&node)?;
        if node.kind() == FileKind::Directory {
            return Err(Error::IsDirectory);
        }
        self.writable()?;
        let before = self.change(&parent)?;
        self.assume(cred)?;
        let linked = self.link_node(&node, &parent, name);
        linked.meaning().map_err(|error| {
            let gone = error == Error::NotFound && self.stat(&node).is_err();
            if gone { Error::Stale } else { self.blame(&parent, error) }
        })?;
        self.changed(&node);
        Ok(Changed::two(&node, &parent, self.change_since(&parent, before)))
    }

    fn link_node(&self, node: &Node, parent: &Node, name: &Name) -> rustix::io::Result<()> {
        if let Some(proc_fds) = &self.proc_fds {
            let old = FdName::new(node.fd());
            let flags = AtFlags::SYMLINK_FOLLOW;
            return linkat(proc_fds, old.as_bytes(), parent.fd(), name.as_c_str(), flags);
        }
        // Without /proc only the server may name an object by its descriptor: what the caller may
        // is asked before, with the rule of `fs.protected_hardlinks`.
        sys::access(parent.fd(), libc::W_OK | libc::X_OK)?;
        sys::access(node.fd(), libc::R_OK | libc::W_OK)?;
        self.identity.server().map_err(|_| Errno::ACCESS)?;
        linkat(node.fd(), c"", parent.fd(), name.as_c_str(), AtFlags::EMPTY_PATH)
    }

    /// What is cached of the object of a name, or open: its last name may be about to go. May act
    /// as the server afterwards.
    ///
    /// # Errors
    /// [`Error::Busy`]: it has open files, and there is no descriptor for it now.
    fn cached(&self, parent: &Node, name: &Name) -> Result<Option<Arc<Node>>> {
        if self.index().is_some() {
            return Ok(self.victim(parent, name));
        }
        let Some(handle) = self.handle_at(parent, name) else { return Ok(None) };
        self.cache.get(&handle).map_or_else(|| self.sleeper(&handle), |node| Ok(Some(node)))
    }

    /// The handle that the object of a name has, if clients can have one.
    fn handle_at(&self, parent: &Node, name: &Name) -> Option<Handle> {
        if let Some(table) = &self.table {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let stat = statx(parent.fd(), name.as_c_str(), flags, ALL).ok()?;
            let identity = self.identify(parent.volume(), (parent.fd(), name.as_c_str()), &stat);
            return Some(self.minter.process(table.known(identity)?));
        }
        let (kernel, _) = sys::name_to_handle_at(parent.fd(), name.as_c_str(), 0).ok()?;
        self.minter.kernel(parent.mount().id(), &kernel)
    }

    /// Forgets an object with its last name, so that nothing keeps its space.
    fn removed(&self, victim: Option<&Node>) {
        if let Some(node) = victim
            && !node.is_open()
            && stat_fd(node.fd()).is_ok_and(|stat| stat.stx_nlink == 0)
        {
            self.forget(node);
        }
    }
}

/// What making a node changed: with its name it is kept as it was made, but for what it was given
/// afterwards. A directory can be synced at little cost, the others only with everything else.
fn changed_by_making<T>(
    parent: &Arc<Node>,
    node: &Arc<Node>,
    attrs: &SetAttr,
    made: T,
) -> Changed<T> {
    let SetAttr { size: _, mode, uid, gid, atime, mtime } = attrs;
    let is_finished_later = mode.is_some_and(|mode| mode & SET_ID != 0)
        || uid.is_some()
        || gid.is_some()
        || atime.is_some()
        || mtime.is_some();
    if is_finished_later || node.kind() == FileKind::Directory {
        Changed::two(node, parent, made)
    } else {
        Changed::one(parent, made)
    }
}

fn make(parent: &Node, name: &Name, kind: &Making, mode: Option<u32>) -> rustix::io::Result<()> {
    let bits = |default: u32| Mode::from_raw_mode(mode.unwrap_or(default) & 0o7777);
    match kind {
        Making::Directory => mkdirat(parent.fd(), name.as_c_str(), bits(0o700)),
        Making::Symlink(text) => symlinkat(&**text, parent.fd(), name.as_c_str()),
        Making::Special(kind, major, minor) => {
            let dev = makedev(*major, *minor);
            mknodat(parent.fd(), name.as_c_str(), *kind, bits(0o600), dev)
        }
    }
}

#[cfg(test)]
mod tests;
