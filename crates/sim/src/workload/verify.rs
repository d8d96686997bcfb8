//! At the end: the whole tree, through the protocol, against the model.

use holdfast_proto::nfs4::{Op, OpNum, ReadArgs, ReadPlusArgs, Stateid, Status};

use super::Actor;
use super::data::READ_MAX;
use super::names::put;
use super::ranges::FILE_MAX;
use crate::model::{Body, ROOT};

impl Actor {
    /// Compares everything.
    pub(super) async fn verify(&mut self) {
        self.readdir(ROOT).await;
        if self.client.has_newer() {
            self.verify_xattrs(ROOT).await;
        }
        for (_, _, node) in self.model.all() {
            if self.sim.journal.is_broken() {
                return;
            }
            self.getattr(node).await;
            if self.client.has_newer() && !matches!(self.model.node(node).body, Body::Symlink(_)) {
                self.verify_xattrs(node).await;
            }
            match &self.model.node(node).body {
                Body::Dir(_) => self.readdir(node).await,
                Body::Symlink(_) => self.readlink(node).await,
                Body::File(_) => self.read_all(node).await,
            }
        }
    }

    async fn read_all(&mut self, node: u64) {
        let handle = self.handle(node).await;
        if self.client.has_newer() {
            let (stateid, count) = (Stateid::ANONYMOUS, FILE_MAX as u32 + 1);
            let read = Op::ReadPlus(ReadPlusArgs { stateid, offset: 0, count });
            let (done, status) = self.ask(&[put(&handle), read], OpNum::READ_PLUS).await;
            if self.expect("READ_PLUS at the end", status, &[Status::OK]) {
                self.compare_segments(node, (0, count), &done);
            }
        }
        let args = ReadArgs { stateid: Stateid::ANONYMOUS, offset: 0, count: READ_MAX };
        let (done, status) = self.ask(&[put(&handle), Op::Read(args)], OpNum::READ).await;
        if self.expect("READ at the end", status, &[Status::OK]) {
            self.compare_data(node, &done, true);
        }
    }
}
