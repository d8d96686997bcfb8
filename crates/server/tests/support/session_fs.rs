//! A file system each of whose methods is a compound of an NFS client: with it the suite for file
//! systems runs through the whole server.

mod convert;
mod open_file;
mod ranges;
mod xattr;

use std::sync::{Arc, Mutex, MutexGuard};

use holdfast_proto::nfs4::{
    Access as NfsAccess, AccessArgs, AttrValue, CreateHow as NfsHow, CreateVerfAttr, OpBody,
    StableHow, Stateid, Verifier, WriteArgs, attr,
};
use holdfast_proto::nfs4::{Bitmap, Op};
use holdfast_vfs::{
    Access, Advice, Attr, ChangeAttrType, ChangeInfo, Content, CreateHow, Created, Cred, DirEnd,
    DirEntry, DirSink, Error, File, FileSystem, Handle, NewNode, OpenMode, Properties, ReadEnd,
    ReadSink, Reply, Result, SetAttr, Space, Stability, Want, Written, XattrHow,
};

use self::convert::{
    ATTRS, attr_of, change, checked, checked_name, entry_of, kind_of, settable, stable_of,
};
use self::open_file::OpenFile;
use super::client::Client;
use super::client::Reply as Answer;
use super::fixture::Server;
use super::ops;
use super::probe_fs::Mood;

/// The client, and the server it speaks to.
pub(crate) struct SessionFs {
    wire: Arc<Wire>,
    root: Handle,
    properties: Properties,
}

/// What open files share with their file system.
struct Wire {
    client: Mutex<Client>,
    opens: std::sync::atomic::AtomicU64,
    _server: Server,
}

impl Wire {
    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().expect("no compound panics here")
    }

    /// Runs a compound with the rights of `cred`.
    fn run(&self, cred: &Cred, ops: &[Op<'_>]) -> Result<Answer> {
        checked(self.client().run_as(cred, ops))
    }

    /// An owner that has opened nothing: so every open has a state id of its own.
    fn owner(&self) -> [u8; 8] {
        self.opens.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes()
    }
}

const fn share(mode: OpenMode) -> u32 {
    mode.read as u32 | (mode.write as u32) << 1
}

fn handle(answer: &Answer) -> Result<Handle> {
    Handle::new(&answer.fh()).map_err(|_| Error::Io)
}

impl SessionFs {
    /// A client of a server that exports memory with nobody squashed.
    pub(crate) fn new(minor: u32) -> Self {
        Self::of(Server::new(), minor)
    }

    /// The same, of memory that answers nothing at once.
    pub(crate) fn late(minor: u32) -> Self {
        let (server, probe) = Server::probed();
        probe.set_all(Mood::Later);
        Self::of(server, minor)
    }

    fn of(server: Server, minor: u32) -> Self {
        let mut client = Client::new(&server.instance, "suite", minor);
        client.peer.world = Some(server.world.clone());
        let opens = std::sync::atomic::AtomicU64::new(0);
        let wire = Arc::new(Wire { client: Mutex::new(client), opens, _server: server });
        let found = wire.run(&Cred::ROOT, &[Op::PutRootFh, Op::GetFh]);
        let root = handle(&found.expect("there is a root")).expect("handles are short");
        let properties = Self::ask_properties(&wire, &root);
        Self { wire, root, properties }
    }

    fn ask_properties(wire: &Wire, root: &Handle) -> Properties {
        let want = Bitmap::of(&[
            attr::LINK_SUPPORT,
            attr::SYMLINK_SUPPORT,
            attr::CHOWN_RESTRICTED,
            attr::MAXFILESIZE,
            attr::MAXLINK,
            attr::MAXNAME,
            attr::TIME_DELTA,
            attr::CHANGE_ATTR_TYPE,
            attr::CLONE_BLKSIZE,
            attr::XATTR_SUPPORT,
        ]);
        let ops = [ops::put(root.as_slice()), ops::getattr(&want)];
        let answer = wire.run(&Cred::ROOT, &ops).expect("the root has attributes");
        let mut properties = Properties {
            name_max: 0,
            link_max: 0,
            size_max: 0,
            time_granularity_ns: 0,
            symlinks: false,
            links: false,
            chown_restricted: false,
            durable_handles: true,
            xattrs: false,
            local_locks: false,
            change_attr_type: ChangeAttrType::Undefined,
            clone_block: None,
        };
        for value in answer.attrs().iter() {
            convert::property(&mut properties, &value.expect("it decodes").1);
        }
        properties
    }

    fn attr(&self, cred: &Cred, node: &Handle) -> Result<Attr> {
        let answer = self.wire.run(cred, &[ops::put(node.as_slice()), ops::getattr(&ATTRS)]);
        answer.and_then(|answer| attr_of(&answer.attrs()))
    }

    fn open_anyway(&self, cred: &Cred, node: &Handle, mode: OpenMode) -> Result<File> {
        // Nothing opens a file with the owner's privilege but I/O without an open: what of it is
        // allowed shows when nothing is read and nothing written.
        let fh = node.as_slice();
        if mode.read {
            let read = ops::read(Stateid::ANONYMOUS, 0, 0);
            self.wire.run(cred, &[ops::put(fh), read])?;
        }
        if mode.write {
            let write = ops::write(Stateid::ANONYMOUS, 0, b"");
            self.wire.run(cred, &[ops::put(fh), write])?;
        }
        Ok(OpenFile::without_state(&self.wire, *cred, *node, mode))
    }

    fn open_with_state(&self, cred: &Cred, node: &Handle, mode: OpenMode) -> Result<File> {
        let owner = self.wire.owner();
        let open = ops::open_fh(&owner, share(mode), 0);
        let answer = self.wire.run(cred, &[ops::put(node.as_slice()), open])?;
        Ok(OpenFile::with_state(&self.wire, *cred, *node, mode, answer.open().stateid))
    }

    fn create_file(
        &self,
        cred: &Cred,
        dir: &Handle,
        name: &[u8],
        how: &CreateHow,
        mode: OpenMode,
    ) -> Result<Created> {
        let owner = self.wire.owner();
        let attrs = settable(how.attrs());
        let attrs = attrs.fattr();
        let nfs_how = match how {
            CreateHow::Unchecked(_) => NfsHow::Unchecked(attrs),
            CreateHow::Guarded(_) => NfsHow::Guarded(attrs),
            CreateHow::Exclusive { verifier, .. } => {
                NfsHow::Exclusive41(CreateVerfAttr { verf: Verifier(*verifier), attrs })
            }
        };
        let open = ops::create_how(name, &owner, share(mode), 0, nfs_how);
        let ops = [ops::put(dir.as_slice()), open, Op::GetFh];
        let answer = self.wire.client().run_as(cred, &ops);
        let answer = checked_name(answer, &[name])?;
        let node = handle(&answer)?;
        let open = answer.open();
        let change = change(&open.cinfo);
        let file = OpenFile::with_state(&self.wire, *cred, node, mode, open.stateid);
        Ok(Created { node, file, created: change.before != change.after, change })
    }

    fn set(&self, cred: &Cred, node: &Handle, file: Option<&File>, set: &SetAttr) -> Result<()> {
        let stateid = match file {
            Some(file) => file.get::<OpenFile>()?.stateid(),
            None => Stateid::ANONYMOUS,
        };
        let attrs = settable(set);
        let set = ops::setattr(stateid, attrs.fattr());
        self.wire.run(cred, &[ops::put(node.as_slice()), set]).map(drop)
    }

    fn named(&self, cred: &Cred, names: &[&[u8]], ops: &[Op<'_>]) -> Result<Answer> {
        let answer = self.wire.client().run_as(cred, ops);
        checked_name(answer, names)
    }

    fn list(
        &self,
        cred: &Cred,
        dir: &Handle,
        (cookie, room): (u64, usize),
        want: Want,
        sink: &mut dyn DirSink,
    ) -> Result<DirEnd> {
        let mut numbers = Bitmap::of(&[attr::FILEID, attr::RDATTR_ERROR]);
        if want.attr {
            numbers = numbers.union(&ATTRS);
        }
        if want.handle {
            numbers.insert(attr::FILEHANDLE);
        }
        let dircount = u32::try_from(room).unwrap_or(u32::MAX);
        let readdir = ops::readdir(cookie, dircount, 32 * 1024, numbers);
        let answer = self.wire.run(cred, &[ops::put(dir.as_slice()), readdir])?;
        let OpBody::ReadDir(listing) = answer.last_ok() else { return Err(Error::Io) };
        for entry in listing.iter() {
            let (fileid, handle, attr) = entry_of(&entry.attrs)?;
            let attr = want.attr.then_some(attr);
            let entry = DirEntry { name: entry.name, cookie: entry.cookie, fileid, attr, handle };
            if !sink.entry(&entry) {
                return Ok(DirEnd { eof: false });
            }
        }
        Ok(DirEnd { eof: listing.eof })
    }

    fn read_some(
        &self,
        file: &File,
        offset: u64,
        len: usize,
        sink: &mut dyn ReadSink,
    ) -> Result<ReadEnd> {
        let file = file.get::<OpenFile>()?;
        // A server may let a client read what it opened to write (RFC 8881 §9.1.2), so it is the
        // client that holds its users to what they opened.
        if !file.mode.read {
            return Err(Error::AccessDenied);
        }
        let count = u32::try_from(len).unwrap_or(u32::MAX);
        let read = ops::read(file.stateid(), offset, count);
        let answer = self.wire.run(&file.cred, &[ops::put(file.node.as_slice()), read])?;
        let OpBody::Read(ok) = answer.last_ok() else { return Err(Error::Io) };
        sink.bytes(ok.data);
        Ok(ReadEnd { count: ok.data.len(), eof: ok.eof })
    }

    fn write_some(
        &self,
        cred: &Cred,
        file: &File,
        offset: u64,
        data: &[u8],
        stability: Stability,
    ) -> Result<Written> {
        const WRITE_MAX: usize = 1 << 20;
        let file = file.get::<OpenFile>()?;
        let stable = match stability {
            Stability::Unstable => StableHow::UNSTABLE,
            Stability::Data => StableHow::DATA_SYNC,
            Stability::File => StableHow::FILE_SYNC,
        };
        let data = &data[..data.len().min(WRITE_MAX)];
        let stateid = file.stateid();
        let write = Op::Write(WriteArgs { stateid, offset, stable, data });
        let answer = self.wire.run(cred, &[ops::put(file.node.as_slice()), write])?;
        let OpBody::Write(ok) = answer.last_ok() else { return Err(Error::Io) };
        Ok(Written {
            count: ok.count as usize,
            stability: stable_of(ok.committed)?,
            verifier: u64::from_be_bytes(ok.writeverf.0),
        })
    }
}

impl FileSystem for SessionFs {
    fn properties(&self) -> Properties {
        self.properties
    }

    fn root(&self) -> Handle {
        self.root
    }

    fn getattr<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Attr> {
        self.attr(cred, node).into()
    }

    fn setattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        file: Option<&'a File>,
        set: &'a SetAttr,
    ) -> Reply<'a, ()> {
        self.set(cred, node, file, set).into()
    }

    fn access<'a>(&'a self, cred: &'a Cred, node: &'a Handle, want: Access) -> Reply<'a, Access> {
        let access = Op::Access(AccessArgs { access: NfsAccess(u32::from(want.0)) });
        let answer = self.wire.run(cred, &[ops::put(node.as_slice()), access]);
        let granted = answer.and_then(|answer| {
            let OpBody::Access(ok) = answer.last_ok() else { return Err(Error::Io) };
            u16::try_from(ok.access.0).map(Access).map_err(|_| Error::Io)
        });
        granted.into()
    }

    fn lookup<'a>(&'a self, cred: &'a Cred, dir: &'a Handle, name: &'a [u8]) -> Reply<'a, Handle> {
        let ops = [ops::put(dir.as_slice()), ops::lookup(name), Op::GetFh];
        self.named(cred, &[name], &ops).and_then(|answer| handle(&answer)).into()
    }

    fn lookup_parent<'a>(&'a self, cred: &'a Cred, dir: &'a Handle) -> Reply<'a, Handle> {
        let answer = self.wire.run(cred, &[ops::put(dir.as_slice()), Op::LookupP, Op::GetFh]);
        answer.and_then(|answer| handle(&answer)).into()
    }

    fn readlink<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<u8>> {
        let answer = self.wire.run(cred, &[ops::put(node.as_slice()), Op::ReadLink]);
        let text = match answer {
            Ok(answer) => {
                let OpBody::ReadLink(ok) = answer.last_ok() else { panic!("it is READLINK") };
                Ok(ok.link.to_vec())
            }
            // The protocol has a status of its own for it (RFC 8881 §18.24.4).
            Err(Error::WrongType) => Err(Error::Invalid),
            Err(other) => Err(other),
        };
        text.into()
    }

    fn open<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Reply<'a, File> {
        let opened = if owner_override {
            self.open_anyway(cred, node, mode)
        } else {
            self.open_with_state(cred, node, mode)
        };
        opened.into()
    }

    fn create<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        how: &'a CreateHow,
        mode: OpenMode,
    ) -> Reply<'a, Created> {
        self.create_file(cred, dir, name, how, mode).into()
    }

    fn make_node<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
        kind: NewNode<'a>,
        attrs: &'a SetAttr,
    ) -> Reply<'a, (Handle, ChangeInfo)> {
        let attrs = settable(attrs);
        let create = Op::Create(holdfast_proto::nfs4::CreateArgs {
            objtype: kind_of(&kind),
            objname: name,
            createattrs: attrs.fattr(),
        });
        let made = self.named(cred, &[name], &[ops::put(dir.as_slice()), create, Op::GetFh]);
        let made = made.and_then(|answer| {
            let OpBody::Create(ok) = answer.op(2) else { return Err(Error::Io) };
            Ok((handle(&answer)?, change(&ok.cinfo)))
        });
        made.into()
    }

    fn remove<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let answer = self.named(cred, &[name], &[ops::put(dir.as_slice()), ops::remove(name)]);
        let removed = answer.and_then(|answer| {
            let OpBody::Remove(ok) = answer.last_ok() else { return Err(Error::Io) };
            Ok(change(&ok.cinfo))
        });
        removed.into()
    }

    fn rename<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a Handle, &'a [u8]),
        to: (&'a Handle, &'a [u8]),
    ) -> Reply<'a, (ChangeInfo, ChangeInfo)> {
        let ops = [
            ops::put(from.0.as_slice()),
            Op::SaveFh,
            ops::put(to.0.as_slice()),
            ops::rename(from.1, to.1),
        ];
        let renamed = self.named(cred, &[from.1, to.1], &ops);
        let renamed = renamed.and_then(|answer| {
            let OpBody::Rename(ok) = answer.last_ok() else { return Err(Error::Io) };
            Ok((change(&ok.source_cinfo), change(&ok.target_cinfo)))
        });
        renamed.into()
    }

    fn link<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        dir: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        let (node, dir) = (ops::put(node.as_slice()), ops::put(dir.as_slice()));
        let answer = self.named(cred, &[name], &[node, Op::SaveFh, dir, ops::link(name)]);
        let linked = answer.and_then(|answer| {
            let OpBody::Link(ok) = answer.last_ok() else { return Err(Error::Io) };
            Ok(change(&ok.cinfo))
        });
        linked.into()
    }

    fn readdir<'a>(
        &'a self,
        cred: &'a Cred,
        dir: &'a Handle,
        cookie: u64,
        room: usize,
        want: Want,
        sink: &'a mut dyn DirSink,
    ) -> Reply<'a, DirEnd> {
        self.list(cred, dir, (cookie, room), want, sink).into()
    }

    fn read<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.read_some(file, offset, len, sink).into()
    }

    fn read_plus<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: usize,
        sink: &'a mut dyn ReadSink,
    ) -> Reply<'a, ReadEnd> {
        self.read_pieces(file, offset, len, sink).into()
    }

    fn seek<'a>(&'a self, file: &'a File, offset: u64, what: Content) -> Reply<'a, Option<u64>> {
        self.find(file, offset, what).into()
    }

    fn write<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        data: &'a [u8],
        stability: Stability,
    ) -> Reply<'a, Written> {
        self.write_some(cred, file, offset, data, stability).into()
    }

    fn allocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        self.give_room(cred, file, (offset, len)).into()
    }

    fn deallocate<'a>(
        &'a self,
        cred: &'a Cred,
        file: &'a File,
        offset: u64,
        len: u64,
    ) -> Reply<'a, ()> {
        self.punch(cred, file, (offset, len)).into()
    }

    fn clone_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, ()> {
        self.share(cred, from, to, len).into()
    }

    fn copy_range<'a>(
        &'a self,
        cred: &'a Cred,
        from: (&'a File, u64),
        to: (&'a File, u64),
        len: u64,
    ) -> Reply<'a, Written> {
        self.copy_some(cred, from, to, len).into()
    }

    fn advise<'a>(
        &'a self,
        file: &'a File,
        offset: u64,
        len: u64,
        advice: Advice,
    ) -> Reply<'a, ()> {
        self.hint(file, (offset, len), advice).into()
    }

    fn commit<'a>(&'a self, node: &'a Handle, offset: u64, len: u64) -> Reply<'a, u64> {
        let count = u32::try_from(len).unwrap_or(0);
        let commit = ops::commit(offset, count);
        let answer = self.wire.run(&Cred::ROOT, &[ops::put(node.as_slice()), commit]);
        let verifier = answer.and_then(|answer| {
            let OpBody::Commit(ok) = answer.last_ok() else { return Err(Error::Io) };
            Ok(u64::from_be_bytes(ok.writeverf.0))
        });
        verifier.into()
    }

    fn space<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Space> {
        let want = Bitmap::of(&[
            attr::FILES_AVAIL,
            attr::FILES_FREE,
            attr::FILES_TOTAL,
            attr::SPACE_AVAIL,
            attr::SPACE_FREE,
            attr::SPACE_TOTAL,
        ]);
        let answer = self.wire.run(cred, &[ops::put(node.as_slice()), ops::getattr(&want)]);
        let space = answer.and_then(|answer| {
            let mut space = Space::default();
            for value in answer.attrs().iter() {
                let (_, value): (u32, AttrValue<'_>) = value.map_err(|_| Error::Io)?;
                convert::space(&mut space, &value);
            }
            Ok(space)
        });
        space.into()
    }

    fn getxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, Vec<u8>> {
        xattr::get(self, cred, node, name).into()
    }

    fn setxattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
        value: &'a [u8],
        how: XattrHow,
    ) -> Reply<'a, ChangeInfo> {
        xattr::set(self, cred, node, (name, value), how).into()
    }

    fn listxattrs<'a>(&'a self, cred: &'a Cred, node: &'a Handle) -> Reply<'a, Vec<Vec<u8>>> {
        xattr::list(self, cred, node).into()
    }

    fn removexattr<'a>(
        &'a self,
        cred: &'a Cred,
        node: &'a Handle,
        name: &'a [u8],
    ) -> Reply<'a, ChangeInfo> {
        xattr::remove(self, cred, node, name).into()
    }
}
