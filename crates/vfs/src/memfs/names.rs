//! Finding, making, listing and removing names.

use std::sync::{Arc, RwLock, Weak};

use super::attrs::check_size;
use super::data::Data;
use super::dir::Dir;
use super::inode::{Birth, Body, Inode, require};
use super::io::OpenFile;
use super::{LINK_MAX, MemFs, rules};
use crate::{
    Access, Attr, ChangeInfo, CreateHow, Created, Cred, DirEnd, DirEntry, DirSink, Error, File,
    FileKind, Handle, NewNode, OpenMode, Result, SetAttr, Time, Want, access, check_name,
};

/// The longest text of a symbolic link.
const TEXT_MAX: usize = 4095;

impl MemFs {
    pub(super) fn find(&self, cred: &Cred, dir: &Handle, name: &[u8]) -> Result<Handle> {
        check_name(name)?;
        let parent = self.shared.resolve(dir)?;
        if parent.kind == FileKind::Symlink {
            return Err(Error::IsSymlink);
        }
        let entries = parent.entries()?;
        require(cred, &parent.attr(), Access::LOOKUP)?;
        entries.get(name).map(|node| node.handle()).ok_or(Error::NotFound)
    }

    pub(super) fn find_parent(&self, cred: &Cred, dir: &Handle) -> Result<Handle> {
        let dir = self.shared.resolve(dir)?;
        drop(dir.entries()?);
        require(cred, &dir.attr(), Access::LOOKUP)?;
        if dir.ino == self.root.ino {
            return Err(Error::NotFound);
        }
        dir.parent().map(|above| above.handle()).ok_or(Error::Stale)
    }

    pub(super) fn link_text(&self, node: &Handle) -> Result<Vec<u8>> {
        match &self.shared.resolve(node)?.body {
            Body::Symlink(text) => Ok(text.to_vec()),
            Body::Regular(_) | Body::Directory(_) | Body::Special => Err(Error::Invalid),
        }
    }

    pub(super) fn create_file(
        &self,
        cred: &Cred,
        dir: &Handle,
        name: &[u8],
        how: &CreateHow,
        mode: OpenMode,
    ) -> Result<Created> {
        check_name(name)?;
        let parent = self.shared.resolve(dir)?;
        let mut entries = parent.entries_mut()?;
        let above = parent.attr();
        require(cred, &above, Access::LOOKUP)?;
        if let Some(found) = entries.get(name).cloned() {
            drop(entries);
            let change = ChangeInfo { atomic: true, before: above.change, after: above.change };
            return self.open_existing(cred, found, how, mode, change);
        }
        require(cred, &above, Access::MODIFY)?;
        let set = how.attrs();
        let size = set.size.unwrap_or(0);
        check_size(size)?;
        let (bits, uid, gid) = rules::birth(cred, &above, FileKind::Regular, set)?;
        let now = self.shared.now();
        let birth = Birth {
            kind: FileKind::Regular,
            mode: bits,
            uid,
            gid,
            rdev: (0, 0),
            parent: Weak::new(),
            verifier: verifier(how),
            now,
        };
        let body = Body::Regular(RwLock::new(Data::with_size(size)));
        let inode = Inode::new(&self.shared, body, birth)?;
        rules::set_times(&mut inode.meta().attr, set, now);
        let change = self.attach(&parent, &mut entries, name, inode.clone(), now)?;
        Ok(created(inode, mode, true, change))
    }

    fn open_existing(
        &self,
        cred: &Cred,
        inode: Arc<Inode>,
        how: &CreateHow,
        mode: OpenMode,
        change: ChangeInfo,
    ) -> Result<Created> {
        match how {
            CreateHow::Unchecked(set) => {
                inode.data()?;
                require(cred, &inode.attr(), mode.access())?;
                if set.size == Some(0) {
                    self.empty(cred, &inode)?;
                }
            }
            CreateHow::Exclusive { verifier, .. } if inode.meta().verifier == Some(*verifier) => {
                let attr = inode.attr();
                // Made by this very call: as then, its mode does not bind its creator.
                if cred.uid != attr.uid {
                    require(cred, &attr, mode.access())?;
                }
            }
            CreateHow::Exclusive { .. } | CreateHow::Guarded(_) => return Err(Error::Exists),
        }
        Ok(created(inode, mode, false, change))
    }

    pub(super) fn create_node(
        &self,
        cred: &Cred,
        dir: &Handle,
        name: &[u8],
        node: NewNode<'_>,
        set: &SetAttr,
    ) -> Result<(Handle, ChangeInfo)> {
        check_name(name)?;
        let parent = self.shared.resolve(dir)?;
        let mut entries = parent.entries_mut()?;
        let above = parent.attr();
        require(cred, &above, Access::LOOKUP)?;
        if entries.get(name).is_some() {
            return Err(Error::Exists);
        }
        require(cred, &above, Access::MODIFY)?;
        let (kind, body, rdev) = parts(cred, node)?;
        let (mode, uid, gid) = rules::birth(cred, &above, kind, set)?;
        let (now, parent_ref) = (self.shared.now(), Arc::downgrade(&parent));
        let birth = Birth { kind, mode, uid, gid, rdev, parent: parent_ref, verifier: None, now };
        let inode = Inode::new(&self.shared, body, birth)?;
        rules::set_times(&mut inode.meta().attr, set, now);
        let handle = inode.handle();
        let change = self.attach(&parent, &mut entries, name, inode, now)?;
        Ok((handle, change))
    }

    pub(super) fn add_link(
        &self,
        cred: &Cred,
        node: &Handle,
        dir: &Handle,
        name: &[u8],
    ) -> Result<ChangeInfo> {
        check_name(name)?;
        let inode = self.shared.resolve(node)?;
        let parent = self.shared.resolve(dir)?;
        let mut entries = parent.entries_mut()?;
        let above = parent.attr();
        require(cred, &above, Access::LOOKUP)?;
        if inode.is_dir() {
            return Err(Error::IsDirectory);
        }
        if entries.get(name).is_some() {
            return Err(Error::Exists);
        }
        require(cred, &above, Access::MODIFY)?;
        let now = self.shared.now();
        inode.link_added(now)?;
        let attached = self.attach(&parent, &mut entries, name, inode.clone(), now);
        if attached.is_err() {
            inode.link_removed(now);
        }
        attached
    }

    pub(super) fn remove_name(&self, cred: &Cred, dir: &Handle, name: &[u8]) -> Result<ChangeInfo> {
        check_name(name)?;
        let parent = self.shared.resolve(dir)?;
        // Dropped after the locks: the data of a large file takes its time.
        let removed;
        let mut entries = parent.entries_mut()?;
        let above = parent.attr();
        require(cred, &above, Access::LOOKUP)?;
        let node = entries.get(name).ok_or(Error::NotFound)?;
        require(cred, &above, Access::MODIFY)?;
        if !access::may_unlink(cred, &above, &node.attr()) {
            return Err(Error::NotPermitted);
        }
        if node.is_dir() {
            let mut below = node.entries_mut()?;
            if !below.is_empty() {
                return Err(Error::NotEmpty);
            }
            below.dead = true;
        }
        removed = entries.remove(name).ok_or(Error::NotFound)?;
        let now = self.shared.now();
        removed.link_removed(now);
        self.shared.account.give_bytes(Dir::cost(name));
        let change = parent.entries_changed(entries.used(), -i32::from(removed.is_dir()), now);
        drop(entries);
        Ok(change)
    }

    pub(super) fn list(
        &self,
        cred: &Cred,
        dir: &Handle,
        cookie: u64,
        want: Want,
        sink: &mut dyn DirSink,
    ) -> Result<DirEnd> {
        let dir = self.shared.resolve(dir)?;
        let entries = dir.entries()?;
        require(cred, &dir.attr(), Access::READ)?;
        if !entries.gave(cookie) {
            return Err(Error::BadCookie);
        }
        let eof = entries.after(cookie).all(|(cookie, name, node)| {
            sink.entry(&DirEntry {
                name,
                cookie,
                fileid: node.ino,
                attr: want.attr.then(|| Ok(node.attr())),
                handle: want.handle.then(|| node.handle()),
            })
        });
        Ok(DirEnd { eof })
    }

    /// Gives an object its name in a directory where that does not exist.
    fn attach(
        &self,
        parent: &Inode,
        entries: &mut Dir,
        name: &[u8],
        node: Arc<Inode>,
        now: Time,
    ) -> Result<ChangeInfo> {
        let subdirs = i32::from(node.is_dir());
        check_subdirs(&parent.attr(), subdirs)?;
        self.shared.account.take_bytes(Dir::cost(name))?;
        entries.insert(name, node);
        Ok(parent.entries_changed(entries.used(), subdirs, now))
    }
}

/// Whether a directory can have so many more subdirectories.
pub(super) const fn check_subdirs(dir: &Attr, more: i32) -> Result<()> {
    if more > 0 && dir.nlink >= LINK_MAX { Err(Error::TooManyLinks) } else { Ok(()) }
}

const fn verifier(how: &CreateHow) -> Option<[u8; 8]> {
    match how {
        CreateHow::Exclusive { verifier, .. } => Some(*verifier),
        CreateHow::Unchecked(_) | CreateHow::Guarded(_) => None,
    }
}

fn created(inode: Arc<Inode>, mode: OpenMode, created: bool, change: ChangeInfo) -> Created {
    let node = inode.handle();
    Created { node, file: File::new(OpenFile { inode, mode }), created, change }
}

/// Kind, body and device numbers of a new object.
fn parts(cred: &Cred, node: NewNode<'_>) -> Result<(FileKind, Body, (u32, u32))> {
    let device = |kind: FileKind, major: u32, minor: u32| {
        if cred.uid == 0 {
            Ok((kind, Body::Special, (major, minor)))
        } else {
            Err(Error::NotPermitted)
        }
    };
    match node {
        NewNode::Directory => {
            Ok((FileKind::Directory, Body::Directory(RwLock::new(Dir::new())), (0, 0)))
        }
        NewNode::Symlink(text) if text.len() > TEXT_MAX => Err(Error::NameTooLong),
        NewNode::Symlink(text) if text.is_empty() || text.contains(&0) => Err(Error::Invalid),
        NewNode::Symlink(text) => Ok((FileKind::Symlink, Body::Symlink(text.into()), (0, 0))),
        NewNode::Block(major, minor) => device(FileKind::Block, major, minor),
        NewNode::Character(major, minor) => device(FileKind::Character, major, minor),
        NewNode::Fifo => Ok((FileKind::Fifo, Body::Special, (0, 0))),
        NewNode::Socket => Ok((FileKind::Socket, Body::Special, (0, 0))),
    }
}
