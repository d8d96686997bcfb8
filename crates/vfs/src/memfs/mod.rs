//! Files in memory: the reference backend, and what `holdfast serve` exports without a directory.
//!
//! Everything answers at once. Sinks are called while a lock is held and must not call back.
//! Reading a file does not move its time of last read.

mod account;
mod attrs;
mod data;
mod dir;
mod inode;
mod io;
mod names;
mod ranges;
mod rename;
mod rules;
mod shared;
mod sync;
mod xattrs;

use std::sync::{Arc, RwLock, Weak};

use holdfast_base::World;

use self::dir::Dir;
use self::inode::{Birth, Body, Inode};
use self::shared::Shared;
use crate::{
    Access, Attr, ChangeAttrType, ChangeInfo, Content, CreateHow, Created, Cred, DirEnd, DirSink,
    File, FileKind, FileSystem, Fsid, Handle, NAME_MAX, NewNode, OpenMode, Properties, ReadEnd,
    ReadSink, Reply, SetAttr, Space, Stability, Want, Written, XattrHow,
};

/// The most names of a file, and the most subdirectories of a directory.
const LINK_MAX: u32 = i32::MAX as u32;

/// The largest file: what a signed offset can reach.
const SIZE_MAX: u64 = i64::MAX as u64;

/// The mode of the root, as `/tmp` has it: a new file system has no owner but root yet.
const ROOT_MODE: u32 = 0o1777;

/// How much a [`MemFs`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct MemFsOptions {
    /// Bytes of data, names and texts, with what it costs to keep them.
    pub limit_bytes: u64,
    /// Files of all kinds, beside the root.
    pub limit_files: u64,
    /// What the file system is called.
    pub fsid: Fsid,
}

/// A file system in memory. All of it is gone when the value is, but for files still open.
pub struct MemFs {
    shared: Arc<Shared>,
    root: Arc<Inode>,
}

impl MemFs {
    /// An empty file system: its root belongs to the privileged user, and all may make files in
    /// it.
    pub fn new(world: Arc<dyn World>, options: MemFsOptions) -> Self {
        let mut options = options;
        options.limit_files = options.limit_files.saturating_add(1);
        let shared = Arc::new(Shared::new(world, &options));
        let birth = Birth {
            kind: FileKind::Directory,
            mode: ROOT_MODE,
            uid: 0,
            gid: 0,
            rdev: (0, 0),
            parent: Weak::new(),
            verifier: None,
            now: shared.now(),
        };
        let body = Body::Directory(RwLock::new(Dir::new()));
        let root = Inode::new(&shared, body, birth).expect("the limit has a place for the root");
        Self { shared, root }
    }
}

impl FileSystem for MemFs {
    fn properties(&self) -> Properties {
        Properties {
            name_max: NAME_MAX as u32,
            link_max: LINK_MAX,
            size_max: SIZE_MAX,
            time_granularity_ns: 1,
            symlinks: true,
            links: true,
            chown_restricted: true,
            durable_handles: false,
            xattrs: true,
            local_locks: false,
            change_attr_type: ChangeAttrType::Monotonic,
            clone_block: Some(data::CHUNK as u32),
        }
    }

    fn root(&self) -> Handle {
        self.root.handle()
    }

    fn getattr<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        Reply::now(self.shared.resolve(node).map(|inode| inode.attr()))
    }

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        Reply::now(self.set_attributes(cred, node, file, set))
    }

    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        let granted = |inode: Arc<Inode>| crate::access::granted(cred, &inode.attr(), want);
        Reply::now(self.shared.resolve(node).map(granted))
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        Reply::now(self.find(cred, dir, name))
    }

    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        Reply::now(self.find_parent(cred, dir))
    }

    fn readlink<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        Reply::now(self.link_text(node))
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        Reply::now(self.open_node(cred, node, mode, owner_override))
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        Reply::now(self.create_file(cred, dir, name, how, mode))
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        Reply::now(self.create_node(cred, dir, name, kind, attrs))
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        Reply::now(self.remove_name(cred, dir, name))
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        Reply::now(self.move_name(cred, from, to))
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        Reply::now(self.add_link(cred, node, dir, name))
    }

    fn readdir<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        cookie: u64,
        _: usize,
        want: Want,
        sink: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd> {
        Reply::now(self.list(cred, dir, cookie, want, sink))
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        Reply::now(self.read_file(file, offset, len, sink))
    }

    fn read_plus<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        Reply::now(self.read_pieces(file, offset, len, sink))
    }

    fn seek<'a>(&'a self, file: &'a File, offset: u64, what: Content) -> Reply<'a, Option<u64>> {
        Reply::now(self.seek_in(file, offset, what))
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        _: Stability,
    ) -> Reply<'a, Written> {
        Reply::now(self.write_file(cred, file, offset, data))
    }

    fn allocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        Reply::now(self.give_room(cred, file, offset, len))
    }

    fn deallocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        Reply::now(self.punch(cred, file, offset, len))
    }

    fn clone_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, ()> {
        Reply::now(self.share_range(cred, from, to, len))
    }

    fn copy_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, Written> {
        Reply::now(self.copy_some(cred, from, to, len))
    }

    fn commit<'a>(&'a self, node: &'a Handle, _: u64, _: u64) -> Reply<'a, u64> {
        let inode = self.shared.resolve(node);
        Reply::now(inode.and_then(|inode| inode.data().map(|_| self.shared.verifier)))
    }

    fn space<'a>(&'a self, _: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        Reply::now(self.shared.resolve(node).map(|_| self.shared.account.space()))
    }

    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        Reply::now(self.xattr(cred, node, name))
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        Reply::now(self.set_xattr(cred, node, name, value, how))
    }

    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        Reply::now(self.xattr_names(cred, node))
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        Reply::now(self.remove_xattr(cred, node, name))
    }
}

#[cfg(test)]
mod tests;
