//! Changes, and looks at what there is, as requests.

use std::io;

use holdfast_proto::nfs4::{
    AttrValue, Bitmap, ClientId, CloseArgs, CommitArgs, CreateArgs, CreateHow, CreateType,
    CreateVerfAttr, GetAttrArgs, LinkArgs, LookupArgs, Op, OpBody, OpNum, OpenArgs, OpenClaim,
    OpenHow, PutFhArgs, ReadArgs, ReadDirArgs, RemoveArgs, RenameArgs, SetAttrArgs, ShareAccess,
    ShareDeny, StableHow, StateOwner, Stateid, Status, Verifier, WriteArgs, attr,
};

use super::client::{Attrs, Client, Reply};
use super::model::{Action, Body, FOLDERS, Name, Object, Stable};

/// The most bytes of a file that are read; none is longer.
const FILE_MAX: u32 = 1 << 20;

/// A worker's two folders.
pub(super) struct Files {
    client: Client,
    folders: Vec<Vec<u8>>,
}

const fn put(handle: &[u8]) -> Op<'_> {
    Op::PutFh(PutFhArgs { object: handle })
}

const fn lookup(name: &str) -> Op<'_> {
    Op::Lookup(LookupArgs { objname: name.as_bytes() })
}

const fn getattr(numbers: &[u32]) -> Op<'static> {
    Op::GetAttr(GetAttrArgs { attr_request: Bitmap::of(numbers) })
}

fn open<'a>(name: &'a str, how: CreateHow<'a>) -> Op<'a> {
    Op::Open(OpenArgs {
        seqid: 0,
        share_access: ShareAccess::BOTH,
        share_deny: ShareDeny::NONE,
        owner: StateOwner { clientid: ClientId(0), owner: b"power-loss" },
        openhow: OpenHow::Create(how),
        claim: OpenClaim::Null(name.as_bytes()),
    })
}

const CLOSE: Op<'static> = Op::Close(CloseArgs { seqid: 0, open_stateid: Stateid::CURRENT });

fn handle(reply: &Reply) -> io::Result<Vec<u8>> {
    reply.find(OpNum::GETFH, |body| {
        let OpBody::GetFh(ok) = body else { return None };
        Some(ok.object.to_vec())
    })
}

fn fileid(reply: &Reply) -> io::Result<u64> {
    values(reply, |value| if let AttrValue::FileId(id) = value { Some(*id) } else { None })
}

/// The first attribute that `take` takes.
fn values<T>(reply: &Reply, take: impl Fn(&AttrValue<'_>) -> Option<T>) -> io::Result<T> {
    reply.find(OpNum::GETATTR, |body| {
        let OpBody::GetAttr(ok) = body else { return None };
        ok.obj_attributes.iter().flatten().find_map(|(_, value)| take(&value))
    })
}

impl Files {
    /// Makes the folders `dir/a` and `dir/b`, or finds them.
    pub(super) fn new(mut client: Client, dir: &str) -> io::Result<Self> {
        let top = folder(&mut client, &Op::PutRootFh, dir)?;
        let mut folders = Vec::new();
        for name in FOLDERS {
            folders.push(folder(&mut client, &put(&top), name)?);
        }
        Ok(Self { client, folders })
    }

    /// Does a change; answers its status and the id of a new object.
    pub(super) fn act(&mut self, action: &Action) -> io::Result<(Status, u64)> {
        let reply = match action {
            Action::Create(name, verifier) => self.create(name, *verifier)?,
            Action::MakeFolder(name) => self.make(name, CreateType::Directory, 0o750)?,
            Action::Symlink(name, text) => {
                self.make(name, CreateType::Link(text.as_bytes()), 0o777)?
            }
            Action::Link(old, new) => {
                let link = Op::Link(LinkArgs { newname: new.1.as_bytes() });
                self.two(old, new, &[lookup(&old.1)], link)?
            }
            Action::Rename(old, new) => {
                let (oldname, newname) = (old.1.as_bytes(), new.1.as_bytes());
                self.two(old, new, &[], Op::Rename(RenameArgs { oldname, newname }))?
            }
            Action::Remove(name) => {
                let remove = Op::Remove(RemoveArgs { target: name.1.as_bytes() });
                self.on(name, &[remove])?
            }
            Action::Write(name, offset, data, how) => self.write(name, *offset, data, *how)?,
            Action::Resize(name, size) => self.set(name, &AttrValue::Size(*size as u64))?,
            Action::Mode(name, mode) => self.set(name, &AttrValue::Mode(*mode))?,
        };
        let status = reply.status();
        let is_new =
            matches!(action, Action::Create(..) | Action::MakeFolder(_) | Action::Symlink(..));
        let id = if is_new && status == Status::OK { fileid(&reply)? } else { 0 };
        Ok((status, id))
    }

    fn on(&mut self, name: &Name, ops: &[Op<'_>]) -> io::Result<Reply> {
        let all = [&[put(&self.folders[name.0])], ops].concat();
        self.client.request(&all)
    }

    /// From what `way` leads to in the folder of the first name, which is saved, to the second's.
    fn two(&mut self, old: &Name, new: &Name, way: &[Op<'_>], op: Op<'_>) -> io::Result<Reply> {
        let (from, to) = (put(&self.folders[old.0]), put(&self.folders[new.0]));
        let all = [&[from][..], way, &[Op::SaveFh, to, op]].concat();
        self.client.request(&all)
    }

    /// Makes a file; with a verifier, exclusively.
    pub(super) fn create(&mut self, name: &Name, verifier: Option<[u8; 8]>) -> io::Result<Reply> {
        let attrs = Attrs::new(&[AttrValue::Mode(0o640)]);
        let attrs = attrs.fattr();
        let how = match verifier {
            None => CreateHow::Guarded(attrs),
            Some(verf) => CreateHow::Exclusive41(CreateVerfAttr { verf: Verifier(verf), attrs }),
        };
        self.on(name, &[open(&name.1, how), getattr(&[attr::FILEID]), CLOSE])
    }

    fn make(&mut self, name: &Name, objtype: CreateType<'_>, mode: u32) -> io::Result<Reply> {
        let attrs = Attrs::new(&[AttrValue::Mode(mode)]);
        let create = CreateArgs { objtype, objname: name.1.as_bytes(), createattrs: attrs.fattr() };
        self.on(name, &[Op::Create(create), getattr(&[attr::FILEID])])
    }

    fn set(&mut self, name: &Name, value: &AttrValue<'_>) -> io::Result<Reply> {
        let attrs = Attrs::new(std::slice::from_ref(value));
        let (stateid, obj_attributes) = (Stateid::ANONYMOUS, attrs.fattr());
        let set = Op::SetAttr(SetAttrArgs { stateid, obj_attributes });
        self.on(name, &[lookup(&name.1), set])
    }

    /// Writes so that the reply means that it is stable. A server that lost data in between, which
    /// the verifier tells, is asked again.
    fn write(&mut self, name: &Name, offset: usize, data: &[u8], how: Stable) -> io::Result<Reply> {
        let stable = match how {
            Stable::File => StableHow::FILE_SYNC,
            Stable::Data => StableHow::DATA_SYNC,
            Stable::Commit => StableHow::UNSTABLE,
        };
        let (stateid, offset) = (Stateid::ANONYMOUS, offset as u64);
        loop {
            let write = Op::Write(WriteArgs { stateid, offset, stable, data });
            let written = self.on(name, &[lookup(&name.1), write])?;
            if written.status() != Status::OK || how != Stable::Commit {
                return Ok(written);
            }
            let commit = Op::Commit(CommitArgs { offset: 0, count: 0 });
            let committed = self.on(name, &[lookup(&name.1), commit])?;
            if committed.status() != Status::OK {
                return Ok(committed);
            }
            let before = written.find(OpNum::WRITE, |body| {
                let OpBody::Write(ok) = body else { return None };
                Some(ok.writeverf)
            })?;
            let after = committed.find(OpNum::COMMIT, |body| {
                let OpBody::Commit(ok) = body else { return None };
                Some(ok.writeverf)
            })?;
            if before == after {
                return Ok(committed);
            }
        }
    }

    /// The names that are there.
    pub(super) fn list(&mut self) -> io::Result<Vec<Name>> {
        let mut all = Vec::new();
        for folder in 0..FOLDERS.len() {
            let (mut cookie, mut cookieverf) = (0, Verifier([0; 8]));
            loop {
                let (dircount, maxcount, attr_request) = (0, 65_536, Bitmap::EMPTY);
                let args = ReadDirArgs { cookie, cookieverf, dircount, maxcount, attr_request };
                let ops = [put(&self.folders[folder]), Op::ReadDir(args)];
                let reply = self.client.request(&ops)?;
                let eof = reply.find(OpNum::READDIR, |body| {
                    let OpBody::ReadDir(ok) = body else { return None };
                    for entry in ok.iter() {
                        let name = String::from_utf8_lossy(entry.name).into_owned();
                        all.push(Name(folder, name));
                        cookie = entry.cookie;
                    }
                    cookieverf = ok.cookieverf;
                    Some(ok.eof)
                })?;
                if eof {
                    break;
                }
            }
        }
        Ok(all)
    }

    /// The object of a name, as `like` says what to look at.
    pub(super) fn look(&mut self, name: &Name, like: &Object) -> io::Result<Object> {
        let attrs = getattr(&[attr::FILEID, attr::MODE]);
        let reply = self.on(name, &[lookup(&name.1), Op::GetFh, attrs])?;
        let (fileid, handle) = (fileid(&reply)?, handle(&reply)?);
        let mode =
            values(
                &reply,
                |value| if let AttrValue::Mode(mode) = value { Some(*mode) } else { None },
            )?;
        let body = match &like.body {
            Body::Folder => Body::Folder,
            Body::File(_) => Body::File(self.read(&handle)?),
            Body::Link(_) => {
                let reply = self.client.request(&[put(&handle), Op::ReadLink])?;
                Body::Link(reply.find(OpNum::READLINK, |body| {
                    let OpBody::ReadLink(ok) = body else { return None };
                    Some(String::from_utf8_lossy(ok.link).into_owned())
                })?)
            }
        };
        Ok(Object { fileid, body, mode: like.mode.map(|_| mode), verifier: like.verifier })
    }

    fn read(&mut self, handle: &[u8]) -> io::Result<Vec<u8>> {
        let read = ReadArgs { stateid: Stateid::ANONYMOUS, offset: 0, count: FILE_MAX };
        self.client.request(&[put(handle), Op::Read(read)])?.find(OpNum::READ, |body| {
            let OpBody::Read(ok) = body else { return None };
            ok.eof.then(|| ok.data.to_vec())
        })
    }

    /// The id of the file that an exclusive create of before finds again.
    pub(super) fn create_again(&mut self, name: &Name, verifier: [u8; 8]) -> io::Result<u64> {
        fileid(&self.create(name, Some(verifier))?)
    }
}

fn folder(client: &mut Client, at: &Op<'_>, name: &str) -> io::Result<Vec<u8>> {
    let attrs = Attrs::new(&[AttrValue::Mode(0o755)]);
    let (objtype, objname) = (CreateType::Directory, name.as_bytes());
    let create = Op::Create(CreateArgs { objtype, objname, createattrs: attrs.fattr() });
    // It may be there: the lookup tells.
    client.request(&[at.clone(), create])?;
    handle(&client.request(&[at.clone(), lookup(name), Op::GetFh])?)
}
