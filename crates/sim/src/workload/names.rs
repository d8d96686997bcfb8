//! Names and attributes.

use std::collections::BTreeMap;

use holdfast_proto::nfs4::{
    AttrValue, Bitmap, CreateArgs, CreateHow, CreateType, CreateVerfAttr, Fattr, FileType,
    GetAttrArgs, LinkArgs, LookupArgs, Op, OpBody, OpNum, OpenClaim, OpenHow, PutFhArgs,
    ReadDirArgs, RemoveArgs, RenameArgs, SetAttrArgs, Stateid, Status, Verifier, attr,
    encode_fattr,
};
use holdfast_proto::xdr::{Decode, Reader, Writer};

use super::{Actor, BOTH, SHARED_DIR};
use crate::client::Done;
use crate::client::held::open_op;
use crate::client::wire::Reply;
use crate::model::{Body, Change, Node, NodeId, ROOT};

/// The attributes that are compared.
const COMPARED: Bitmap =
    Bitmap::of(&[attr::TYPE, attr::CHANGE, attr::SIZE, attr::MODE, attr::NUMLINKS]);

/// Attributes, encoded.
pub(super) struct Attrs(Vec<u8>);

impl Attrs {
    pub(super) fn new(values: &[AttrValue<'_>]) -> Self {
        let mut w = Writer::default();
        encode_fattr(&mut w, values);
        Self(w.into_inner())
    }

    pub(super) fn fattr(&self) -> Fattr<'_> {
        Fattr::decode(&mut Reader::new(&self.0)).unwrap_or(Fattr::EMPTY)
    }
}

/// PUTFH of a handle.
pub(super) const fn put(handle: &[u8]) -> Op<'_> {
    Op::PutFh(PutFhArgs { object: handle })
}

/// GETATTR of what is compared.
pub(super) const fn compared<'a>() -> Op<'a> {
    Op::GetAttr(GetAttrArgs { attr_request: COMPARED })
}

/// The handle that GETFH gave.
pub(super) fn handle_of(reply: &Reply) -> Option<Vec<u8>> {
    reply.find(OpNum::GETFH, |body| {
        if let OpBody::GetFh(ok) = body { Some(ok.object.to_vec()) } else { None }
    })
}

/// The file-system call that a change makes, and the operation that makes it.
const fn call_of(change: &Change) -> (&'static str, OpNum) {
    match change {
        Change::Guarded(..) | Change::Unchecked(..) | Change::Exclusive(..) => {
            ("create", OpNum::OPEN)
        }
        Change::Mkdir(..) | Change::Symlink(..) => ("make_node", OpNum::CREATE),
        Change::Link(..) => ("link", OpNum::LINK),
        Change::Remove(..) => ("remove", OpNum::REMOVE),
        Change::Rename(..) => ("rename", OpNum::RENAME),
    }
}

fn status_of(result: Result<NodeId, Status>) -> Status {
    result.err().unwrap_or(Status::OK)
}

impl Actor {
    /// Makes the user's own directory, the shared one, and the user's token in it.
    pub(super) async fn set_up(&mut self) {
        let own = self.name.clone();
        let mut ops = self.client.root();
        ops.push(Op::GetFh);
        let (done, _) = self.ask(&ops, OpNum::GETFH).await;
        self.expect("the way to the files", done.reply.status(), &[Status::OK]);
        let root = handle_of(&done.reply).unwrap_or_default();
        let handle = self.directory(&root, &own, 0o755).await;
        self.handles.insert(ROOT, handle);
        self.shared_dir = self.directory(&root, SHARED_DIR, 0o777).await;
        let token = self.token_name();
        let shared = self.shared_dir.clone();
        self.directory(&shared, &token, 0o777).await;
        self.sim.checkers.shared.token(&self.client.host.name, None, &token);
    }

    /// Makes a directory, or finds it.
    async fn directory(&self, parent: &[u8], name: &str, mode: u32) -> Vec<u8> {
        let at = put(parent);
        let attrs = Attrs::new(&[AttrValue::Mode(mode)]);
        let create = Op::Create(CreateArgs {
            objtype: CreateType::Directory,
            objname: name.as_bytes(),
            createattrs: attrs.fattr(),
        });
        loop {
            let ops = [at.clone(), create.clone()];
            let (_, status, _) = self.change_request(&ops, OpNum::CREATE).await;
            if !self.refused(status) && !self.expect("mkdir", status, &[Status::OK, Status::EXIST])
            {
                return Vec::new();
            }
            let lookup = Op::Lookup(LookupArgs { objname: name.as_bytes() });
            let (done, status) = self.ask(&[at.clone(), lookup, Op::GetFh], OpNum::LOOKUP).await;
            if status == Status::OK {
                return handle_of(&done.reply).unwrap_or_default();
            }
        }
    }

    /// The handle of an object that has a name, or had one when its handle was asked for.
    pub(super) async fn handle(&mut self, node: NodeId) -> Vec<u8> {
        if let Some(handle) = self.handles.get(&node) {
            return handle.clone();
        }
        let mut path = Vec::new();
        let mut at = node;
        while !self.handles.contains_key(&at) {
            let all = self.model.all();
            let Some((dir, name, _)) = all.into_iter().find(|(_, _, id)| *id == at) else { break };
            path.push(name);
            at = dir;
        }
        let mut ops = vec![put(&self.handles[&at])];
        let steps = path.iter().rev();
        ops.extend(steps.map(|name| Op::Lookup(LookupArgs { objname: name.as_bytes() })));
        ops.push(Op::GetFh);
        let (done, _) = self.ask(&ops, OpNum::GETFH).await;
        self.expect("LOOKUP of what exists", done.reply.status(), &[Status::OK]);
        let handle = handle_of(&done.reply).unwrap_or_default();
        self.handles.insert(node, handle.clone());
        handle
    }

    /// Changes names, in the tree and in the model.
    pub(super) async fn change(&mut self, change: &Change, truncate: bool) {
        if truncate {
            self.flush_name(change).await;
        }
        let mut after = self.model.clone();
        let first = after.apply(change);
        let again = status_of(after.clone().apply(change));
        let (call, num) = call_of(change);
        let owner = self.owner();
        let (done, status, in_doubt) = self.send(change, truncate, &owner, num).await;
        if self.refused(status) {
            return;
        }
        let mut expected = vec![status_of(first)];
        if in_doubt {
            expected.push(again);
        }
        if !self.expect(&format!("{change:?}"), status, &expected) {
            return;
        }
        let Ok(node) = first else { return };
        self.model = after;
        if status != Status::OK {
            if let Change::Guarded(dir, name) | Change::Exclusive(dir, name) = change {
                let dir = self.handle(*dir).await;
                self.settle(&dir, name, owner).await;
            }
            return;
        }
        self.sim.checkers.exactly_once.succeeded(done.tag, call);
        if num == OpNum::OPEN {
            if truncate {
                self.model.resize(node, 0);
            }
            self.opened(&done, node, owner);
        } else if num == OpNum::CREATE
            && let Some(handle) = handle_of(&done.reply)
        {
            self.handles.insert(node, handle);
        }
    }

    /// What is not safe yet in the file of a name is made so before that is emptied.
    async fn flush_name(&mut self, change: &Change) {
        if let Change::Unchecked(dir, name) = change {
            let found = self.model.entries(*dir).ok().and_then(|names| names.get(name).copied());
            if let Some(node) = found {
                self.flush(node).await;
            }
        }
    }

    pub(super) fn owner(&mut self) -> Vec<u8> {
        self.owners += 1;
        format!("u{} o{}", self.number, self.owners).into_bytes()
    }

    async fn send(
        &mut self,
        change: &Change,
        truncate: bool,
        owner: &[u8],
        num: OpNum,
    ) -> (Done, Status, bool) {
        let mode = AttrValue::Mode(0o644);
        match change {
            Change::Guarded(dir, name) => {
                let attrs = Attrs::new(&[mode]);
                self.create(*dir, name, CreateHow::Guarded(attrs.fattr()), owner).await
            }
            Change::Unchecked(dir, name) => {
                let sized = Attrs::new(&[AttrValue::Size(0), mode.clone()]);
                let plain = Attrs::new(&[mode]);
                let attrs = if truncate { sized } else { plain };
                self.create(*dir, name, CreateHow::Unchecked(attrs.fattr()), owner).await
            }
            Change::Exclusive(dir, name) => {
                let verf = Verifier(self.rng.next().to_be_bytes());
                let attrs = Attrs::new(&[mode]);
                let with = CreateVerfAttr { verf, attrs: attrs.fattr() };
                self.create(*dir, name, CreateHow::Exclusive41(with), owner).await
            }
            Change::Mkdir(dir, name) => {
                let attrs = Attrs::new(&[AttrValue::Mode(0o755)]);
                self.make(*dir, name, CreateType::Directory, &attrs).await
            }
            Change::Symlink(dir, name, text) => {
                let attrs = Attrs::new(&[AttrValue::Mode(0o777)]);
                self.make(*dir, name, CreateType::Link(text.as_bytes()), &attrs).await
            }
            Change::Link(node, dir, name) => {
                let (node, dir) = (self.handle(*node).await, self.handle(*dir).await);
                let link = Op::Link(LinkArgs { newname: name.as_bytes() });
                self.change_request(&[put(&node), Op::SaveFh, put(&dir), link], num).await
            }
            Change::Remove(dir, name) => {
                let dir = self.handle(*dir).await;
                let remove = Op::Remove(RemoveArgs { target: name.as_bytes() });
                self.change_request(&[put(&dir), remove], num).await
            }
            Change::Rename(from, old, to, new) => {
                let (from, to) = (self.handle(*from).await, self.handle(*to).await);
                let (oldname, newname) = (old.as_bytes(), new.as_bytes());
                let rename = Op::Rename(RenameArgs { oldname, newname });
                self.change_request(&[put(&from), Op::SaveFh, put(&to), rename], num).await
            }
        }
    }

    async fn create(
        &mut self,
        dir: NodeId,
        name: &str,
        how: CreateHow<'_>,
        owner: &[u8],
    ) -> (Done, Status, bool) {
        let dir = self.handle(dir).await;
        let open = open_op(owner, BOTH, OpenHow::Create(how), OpenClaim::Null(name.as_bytes()));
        self.change_request(&[put(&dir), open, Op::GetFh, compared()], OpNum::OPEN).await
    }

    async fn make(
        &mut self,
        dir: NodeId,
        name: &str,
        objtype: CreateType<'_>,
        attrs: &Attrs,
    ) -> (Done, Status, bool) {
        let dir = self.handle(dir).await;
        let (objname, createattrs) = (name.as_bytes(), attrs.fattr());
        let create = Op::Create(CreateArgs { objtype, objname, createattrs });
        self.change_request(&[put(&dir), create, Op::GetFh, compared()], OpNum::CREATE).await
    }

    pub(super) async fn chmod(&mut self, node: NodeId, mode: u32) {
        let handle = self.handle(node).await;
        let attrs = Attrs::new(&[AttrValue::Mode(mode)]);
        let (stateid, obj_attributes) = (Stateid::ANONYMOUS, attrs.fattr());
        let set = Op::SetAttr(SetAttrArgs { stateid, obj_attributes });
        let ops = [put(&handle), set, compared()];
        let (done, status, _) = self.change_request(&ops, OpNum::SETATTR).await;
        if !self.refused(status) && self.expect("chmod", status, &[Status::OK]) {
            self.sim.checkers.exactly_once.succeeded(done.tag, "setattr");
            self.model.chmod(node, mode);
            self.compare(node, &done.reply);
        }
    }

    pub(super) async fn getattr(&mut self, node: NodeId) {
        let handle = self.handle(node).await;
        let (done, status) = self.ask(&[put(&handle), compared()], OpNum::GETATTR).await;
        if self.expect("GETATTR", status, &[Status::OK]) {
            self.compare(node, &done.reply);
        }
    }

    /// Compares attributes, if the reply has any.
    pub(super) fn compare(&mut self, node: NodeId, reply: &Reply) {
        let results = reply.results();
        let Some(OpBody::GetAttr(ok)) =
            results.iter().find(|result| result.num == OpNum::GETATTR).map(|result| &result.body)
        else {
            return;
        };
        let (tree, who) = (&self.sim.checkers.tree, &self.name);
        let Node { body, mode, .. } = self.model.node(node);
        for value in ok.obj_attributes.iter() {
            match value {
                Ok((_, AttrValue::Type(kind))) => tree.equal(who, "type", &kind, &kind_of(body)),
                Ok((_, AttrValue::Mode(got))) => tree.equal(who, "mode", &got, mode),
                Ok((_, AttrValue::NumLinks(got))) => {
                    tree.equal(who, "link count", &got, &self.model.links(node));
                }
                Ok((_, AttrValue::Size(got))) if self.is_certain(node) => {
                    if let Body::File(bytes) = body {
                        tree.equal(who, "size", &got, &(bytes.len() as u64));
                    }
                }
                Ok((_, AttrValue::Change(got))) => {
                    let before = self.changes.insert(node, got).unwrap_or(0);
                    tree.equal(who, "change went back", &(got < before), &false);
                }
                Ok(_) => {}
                Err(error) => self.sim.journal.violation("wire", error.to_string()),
            }
        }
    }

    pub(super) async fn lookup(&mut self, dir: NodeId, name: &str) {
        let handle = self.handle(dir).await;
        let lookup = Op::Lookup(LookupArgs { objname: name.as_bytes() });
        let ops = [put(&handle), lookup, Op::GetFh, compared()];
        let (done, status) = self.ask(&ops, OpNum::LOOKUP).await;
        let found = self.model.entries(dir).ok().and_then(|names| names.get(name).copied());
        let expected = if found.is_some() { Status::OK } else { Status::NOENT };
        self.expect(&format!("LOOKUP {name}"), status, &[expected]);
        let Some(node) = found else { return };
        self.compare(node, &done.reply);
        let handle = handle_of(&done.reply).unwrap_or_default();
        let known = self.handles.entry(node).or_insert_with(|| handle.clone());
        self.sim.checkers.tree.equal(&self.name, "handle", &handle, known);
    }

    pub(super) async fn readlink(&mut self, node: NodeId) {
        let handle = self.handle(node).await;
        let (done, status) = self.ask(&[put(&handle), Op::ReadLink], OpNum::READLINK).await;
        self.expect("READLINK", status, &[Status::OK]);
        let text = done.reply.find(OpNum::READLINK, |body| {
            if let OpBody::ReadLink(ok) = body {
                Some(String::from_utf8_lossy(ok.link).into_owned())
            } else {
                None
            }
        });
        if let Body::Symlink(expected) = &self.model.node(node).body {
            self.sim.checkers.tree.equal(&self.name, "text", &text.as_ref(), &Some(expected));
        }
    }

    pub(super) async fn readdir(&mut self, dir: NodeId) {
        let handle = self.handle(dir).await;
        let maxcount = *self.rng.pick(&[300, 1_000, 8_000]);
        let Some(names) = self.list(&handle, maxcount).await else { return };
        let expected: Vec<String> =
            self.model.entries(dir).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let got: Vec<String> = names.keys().cloned().collect();
        self.sim.checkers.tree.equal(&self.name, "listing", &got, &expected);
    }

    /// All names of a directory, and how often each was given.
    pub(super) async fn list(&self, handle: &[u8], maxcount: u32) -> Option<BTreeMap<String, u32>> {
        let mut names = BTreeMap::new();
        let (mut cookie, mut cookieverf) = (0, Verifier([0; 8]));
        loop {
            let attr_request = Bitmap::of(&[attr::TYPE, attr::FILEID]);
            let args = ReadDirArgs { cookie, cookieverf, dircount: 0, maxcount, attr_request };
            let ops = [put(handle), Op::ReadDir(args)];
            let (done, status) = self.ask(&ops, OpNum::READDIR).await;
            if !self.expect("READDIR", status, &[Status::OK]) {
                return None;
            }
            let page = done.reply.find(OpNum::READDIR, |body| {
                if let OpBody::ReadDir(ok) = body {
                    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                    let entries: Vec<_> = ok.iter().map(|e| (name(e.name), e.cookie)).collect();
                    Some((entries, ok.eof, ok.cookieverf))
                } else {
                    None
                }
            });
            let (entries, eof, verifier) = page?;
            cookieverf = verifier;
            for (name, next) in entries {
                cookie = next;
                let times = names.entry(name.clone()).or_insert(0);
                *times += 1;
                self.sim.checkers.tree.equal(&self.name, "times a name is listed", times, &1);
            }
            if eof || self.sim.journal.is_broken() {
                return Some(names);
            }
        }
    }
}

const fn kind_of(body: &Body) -> FileType {
    match body {
        Body::File(_) => FileType::REG,
        Body::Dir(_) => FileType::DIR,
        Body::Symlink(_) => FileType::LNK,
    }
}
