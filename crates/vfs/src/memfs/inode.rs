//! One object: its attributes, and its data, entries or text.

use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use super::LINK_MAX;
use super::data::Data;
use super::dir::Dir;
use super::shared::Shared;
use super::sync::{lock, owned, read, write};
use super::xattrs::Xattrs;
use crate::{Access, Attr, ChangeInfo, Cred, Error, FileKind, Handle, Result, Time, access};

pub(super) struct Inode {
    pub(super) ino: u64,
    pub(super) kind: FileKind,
    pub(super) shared: Arc<Shared>,
    pub(super) body: Body,
    meta: Mutex<Meta>,
}

pub(super) enum Body {
    Regular(RwLock<Data>),
    Directory(RwLock<Dir>),
    Symlink(Box<[u8]>),
    /// A device, FIFO or socket.
    Special,
}

pub(super) struct Meta {
    /// Size and use are those of the body, kept here so that reading attributes takes one lock.
    pub(super) attr: Attr,
    /// Of a directory: the one above. Of the root: nothing.
    pub(super) parent: Weak<Inode>,
    /// Of an exclusive create.
    pub(super) verifier: Option<[u8; 8]>,
    /// Not counted in the attributes' use.
    pub(super) xattrs: Xattrs,
}

/// What a new object starts with.
pub(super) struct Birth {
    pub(super) kind: FileKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) rdev: (u32, u32),
    pub(super) parent: Weak<Inode>,
    pub(super) verifier: Option<[u8; 8]>,
    pub(super) now: Time,
}

impl Inode {
    /// A new object that no directory has yet. It is gone again if it stays so.
    pub(super) fn new(shared: &Arc<Shared>, body: Body, birth: Birth) -> Result<Arc<Self>> {
        let text = if let Body::Symlink(text) = &body { text.len() as u64 } else { 0 };
        shared.account.take_file()?;
        if let Err(error) = shared.account.take_bytes(text) {
            shared.account.give_file();
            return Err(error);
        }
        let Birth { kind, mode, uid, gid, rdev, parent, verifier, now } = birth;
        let ino = shared.new_ino();
        let size = if let Body::Regular(data) = &body { read(data).size() } else { text };
        let attr = Attr {
            kind,
            mode,
            nlink: if kind == FileKind::Directory { 2 } else { 1 },
            uid,
            gid,
            size,
            used: text,
            fileid: ino,
            fsid: shared.fsid,
            mounted_on: None,
            rdev,
            change: 1,
            atime: now,
            mtime: now,
            ctime: now,
            btime: Some(now),
        };
        let meta = Mutex::new(Meta { attr, parent, verifier, xattrs: Xattrs::default() });
        let inode = Arc::new(Self { ino, kind, shared: shared.clone(), body, meta });
        shared.enter(&inode);
        Ok(inode)
    }

    pub(super) fn meta(&self) -> MutexGuard<'_, Meta> {
        lock(&self.meta)
    }

    pub(super) fn attr(&self) -> Attr {
        self.meta().attr
    }

    pub(super) fn handle(&self) -> Handle {
        self.shared.handle(self.ino)
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// The entries, to look at.
    pub(super) fn entries(&self) -> Result<RwLockReadGuard<'_, Dir>> {
        let entries = read(self.dir()?);
        if entries.dead { Err(Error::Stale) } else { Ok(entries) }
    }

    /// The entries, to change.
    pub(super) fn entries_mut(&self) -> Result<RwLockWriteGuard<'_, Dir>> {
        let entries = write(self.dir()?);
        if entries.dead { Err(Error::Stale) } else { Ok(entries) }
    }

    fn dir(&self) -> Result<&RwLock<Dir>> {
        if let Body::Directory(dir) = &self.body { Ok(dir) } else { Err(Error::NotDirectory) }
    }

    /// The data of a regular file; of anything else, the error that opening it gives.
    pub(super) fn data(&self) -> Result<&RwLock<Data>> {
        match &self.body {
            Body::Regular(data) => Ok(data),
            Body::Directory(_) => Err(Error::IsDirectory),
            Body::Symlink(_) => Err(Error::IsSymlink),
            Body::Special => Err(Error::WrongType),
        }
    }

    /// The directory above this one.
    pub(super) fn parent(&self) -> Option<Arc<Self>> {
        self.meta().parent.upgrade()
    }

    /// Whether this directory is `other` or lies below it. True for as long as the topology is
    /// held.
    pub(super) fn is_within(self: &Arc<Self>, other: &Self) -> bool {
        let mut at = self.clone();
        while at.ino != other.ino {
            let Some(above) = at.parent() else { return false };
            at = above;
        }
        true
    }

    /// Records that entries changed: their new use, and how many subdirectories came or went.
    pub(super) fn entries_changed(&self, used: u64, subdirs: i32, now: Time) -> ChangeInfo {
        let mut meta = self.meta();
        let before = meta.attr.change;
        meta.attr.used = used;
        meta.attr.size = used;
        meta.attr.nlink = meta.attr.nlink.saturating_add_signed(subdirs);
        meta.touch_data(now);
        ChangeInfo { atomic: true, before, after: meta.attr.change }
    }

    /// One more name.
    pub(super) fn link_added(&self, now: Time) -> Result<()> {
        let mut meta = self.meta();
        match meta.attr.nlink {
            0 => return Err(Error::Stale),
            LINK_MAX.. => return Err(Error::TooManyLinks),
            _ => meta.attr.nlink += 1,
        }
        meta.touch(now);
        Ok(())
    }

    /// One name less; a directory has no other.
    pub(super) fn link_removed(&self, now: Time) {
        let mut meta = self.meta();
        meta.attr.nlink = if self.is_dir() { 0 } else { meta.attr.nlink.saturating_sub(1) };
        meta.touch(now);
    }
}

impl Meta {
    /// Records a change of attributes.
    pub(super) fn touch(&mut self, now: Time) {
        self.attr.ctime = now;
        self.attr.change += 1;
    }

    /// Records a change of data.
    pub(super) fn touch_data(&mut self, now: Time) {
        self.attr.mtime = now;
        self.touch(now);
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        self.shared.forget(self.ino);
        let bytes = match &mut self.body {
            Body::Regular(data) => owned(data).used(),
            Body::Directory(dir) => {
                let dir = owned(dir);
                drop_all(dir.take_nodes().collect());
                dir.used()
            }
            Body::Symlink(text) => text.len() as u64,
            Body::Special => 0,
        };
        let xattrs = self.meta().xattrs.used();
        self.shared.account.give_bytes(bytes + xattrs);
        self.shared.account.give_file();
    }
}

/// Drops a whole tree without recursion: it may be deeper than a stack.
fn drop_all(mut nodes: Vec<Arc<Inode>>) {
    while let Some(node) = nodes.pop() {
        if let Some(mut inode) = Arc::into_inner(node)
            && let Body::Directory(dir) = &mut inode.body
        {
            nodes.extend(owned(dir).take_nodes());
        }
    }
}

/// [`Error::AccessDenied`] unless `cred` has all of `want`.
pub(super) fn require(cred: &Cred, attr: &Attr, want: Access) -> Result<()> {
    if access::allows(cred, attr, want) { Ok(()) } else { Err(Error::AccessDenied) }
}
