//! What a compound is doing, for those who wait for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use holdfast_proto::nfs4::OpNum;

use super::Shared;
use super::scope::Describe;

/// Kept with a place and set as its compound goes on. Relaxed: it is only ever read by people.
pub(crate) struct Progress {
    server: Weak<Shared>,
    connection: u64,
    xid: AtomicU32,
    op: AtomicU32,
    export: AtomicU32,
}

const NO_EXPORT: u32 = u32::MAX;

impl Progress {
    pub(super) fn new(server: &Arc<Shared>, connection: u64) -> Self {
        let server = Arc::downgrade(server);
        let (xid, op) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { server, connection, xid, op, export: AtomicU32::new(NO_EXPORT) }
    }

    pub(super) fn begin(&self, xid: u32) {
        self.xid.store(xid, Ordering::Relaxed);
        self.export.store(NO_EXPORT, Ordering::Relaxed);
    }

    /// An operation begins, on an object of this export.
    pub(crate) fn at(&self, op: OpNum, export: Option<u16>) {
        self.op.store(op.0, Ordering::Relaxed);
        self.export.store(export.map_or(NO_EXPORT, u32::from), Ordering::Relaxed);
    }
}

impl Describe for Progress {
    fn describe(&self) -> String {
        let (xid, op) = (self.xid.load(Ordering::Relaxed), self.op.load(Ordering::Relaxed));
        let (op, connection) = (OpNum(op), self.connection);
        let export = u16::try_from(self.export.load(Ordering::Relaxed)).ok();
        let shared = self.server.upgrade();
        let path = shared.as_ref().zip(export).and_then(|(shared, at)| shared.exports.path(at));
        let place = path.map(|path| format!(" on the file system of export {path}"));
        let place = place.unwrap_or_default();
        format!("request {xid:#010x} of connection {connection}: {op:?}{place}")
    }
}
