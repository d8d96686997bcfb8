//! Extended attributes.

use std::collections::BTreeMap;

use holdfast_proto::nfs4::{
    GetXattrArgs, ListXattrsArgs, Op, OpBody, OpNum, RemoveXattrArgs, SetXattrArgs, SetXattrOption,
    Status,
};

use super::Actor;
use super::names::{compared, put};
use crate::model::NodeId;

/// What LISTXATTRS may answer with: so little that a listing takes several.
const LIST_MAX: u32 = 32;

impl Actor {
    pub(super) async fn set_xattr(
        &mut self,
        node: NodeId,
        name: &str,
        value: &[u8],
        option: SetXattrOption,
    ) {
        let handle = self.handle(node).await;
        let set = Op::SetXattr(SetXattrArgs { option, key: name.as_bytes(), value });
        let ops = [put(&handle), set, compared()];
        let (done, status, in_doubt) = self.change_request(&ops, OpNum::SETXATTR).await;
        if self.refused(status) {
            return;
        }
        let exists = self.model.node(node).xattrs.contains_key(name);
        let wanted = match option {
            SetXattrOption::CREATE if exists => Status::EXIST,
            SetXattrOption::REPLACE if !exists => Status::NOXATTR,
            _ => Status::OK,
        };
        let mut expected = vec![wanted];
        if in_doubt && option == SetXattrOption::CREATE {
            expected.push(Status::EXIST);
        }
        if !self.expect("SETXATTR", status, &expected) || wanted != Status::OK {
            return;
        }
        self.model.set_xattr(node, name, value);
        if status == Status::OK {
            self.sim.checkers.exactly_once.succeeded(done.tag, "setxattr");
            self.compare(node, &done.reply);
        }
    }

    pub(super) async fn remove_xattr(&mut self, node: NodeId, name: &str) {
        let handle = self.handle(node).await;
        let remove = Op::RemoveXattr(RemoveXattrArgs { name: name.as_bytes() });
        let ops = [put(&handle), remove, compared()];
        let (done, status, in_doubt) = self.change_request(&ops, OpNum::REMOVEXATTR).await;
        if self.refused(status) {
            return;
        }
        let exists = self.model.node(node).xattrs.contains_key(name);
        let wanted = if exists { Status::OK } else { Status::NOXATTR };
        let mut expected = vec![wanted];
        if in_doubt {
            expected.push(Status::NOXATTR);
        }
        if !self.expect("REMOVEXATTR", status, &expected) || !exists {
            return;
        }
        self.model.remove_xattr(node, name);
        if status == Status::OK {
            self.sim.checkers.exactly_once.succeeded(done.tag, "removexattr");
            self.compare(node, &done.reply);
        }
    }

    pub(super) async fn get_xattr(&self, node: NodeId, name: &str, handle: &[u8]) {
        let get = Op::GetXattr(GetXattrArgs { name: name.as_bytes() });
        let (done, status) = self.ask(&[put(handle), get], OpNum::GETXATTR).await;
        let expected = self.model.node(node).xattrs.get(name);
        let wanted = if expected.is_some() { Status::OK } else { Status::NOXATTR };
        if !self.expect("GETXATTR", status, &[wanted]) {
            return;
        }
        let value = done.reply.find(OpNum::GETXATTR, |body| {
            if let OpBody::GetXattr(ok) = body { Some(ok.value.to_vec()) } else { None }
        });
        self.sim.checkers.tree.equal(&self.name, "attribute", &value.as_ref(), &expected);
    }

    /// Lists the names, in as many requests as that takes.
    pub(super) async fn list_xattrs(&self, node: NodeId, handle: &[u8]) {
        let mut names = BTreeMap::new();
        let mut cookie = 0;
        loop {
            let list = Op::ListXattrs(ListXattrsArgs { cookie, maxcount: LIST_MAX });
            let (done, status) = self.ask(&[put(handle), list], OpNum::LISTXATTRS).await;
            if !self.expect("LISTXATTRS", status, &[Status::OK]) {
                return;
            }
            let page = done.reply.find(OpNum::LISTXATTRS, |body| {
                let OpBody::ListXattrs(ok) = body else { return None };
                let name = |name: &&[u8]| String::from_utf8_lossy(name).into_owned();
                Some((ok.names.iter().map(name).collect::<Vec<_>>(), ok.cookie, ok.eof))
            });
            let Some((page, next, eof)) = page else { return };
            cookie = next;
            let is_stuck = page.is_empty() && !eof;
            for name in page {
                *names.entry(name).or_insert(0) += 1;
            }
            if eof || is_stuck {
                break;
            }
        }
        let once = |name: &String| (name.clone(), 1);
        let expected: BTreeMap<_, _> = self.model.node(node).xattrs.keys().map(once).collect();
        self.sim.checkers.tree.equal(&self.name, "attributes listed", &names, &expected);
    }

    /// Compares all attributes of an object, names and values.
    pub(super) async fn verify_xattrs(&mut self, node: NodeId) {
        let handle = self.handle(node).await;
        self.list_xattrs(node, &handle).await;
        for name in self.model.node(node).xattrs.keys() {
            self.get_xattr(node, name, &handle).await;
        }
    }
}
