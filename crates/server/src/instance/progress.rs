//! What a compound is doing, for those who wait for it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use holdfast_proto::nfs4::{OpNum, SessionId};

use super::Shared;
use super::scope::Describe;

/// Kept with a place and set as its compound goes on. Relaxed: it is only ever read by people.
pub(crate) struct Progress {
    server: Weak<Shared>,
    connection: u64,
    xid: AtomicU32,
    op: AtomicU32,
    export: AtomicU32,
    session: [AtomicU64; 2],
    slot: AtomicU32,
}

const NO_EXPORT: u32 = u32::MAX;
const NO_SLOT: u32 = u32::MAX;

impl Progress {
    pub(super) fn new(server: &Arc<Shared>, connection: u64) -> Self {
        let server = Arc::downgrade(server);
        let (xid, op) = (AtomicU32::new(0), AtomicU32::new(0));
        let (export, slot) = (AtomicU32::new(NO_EXPORT), AtomicU32::new(NO_SLOT));
        Self { server, connection, xid, op, export, session: Default::default(), slot }
    }

    pub(super) fn begin(&self, xid: u32) {
        self.xid.store(xid, Ordering::Relaxed);
        self.export.store(NO_EXPORT, Ordering::Relaxed);
        self.slot.store(NO_SLOT, Ordering::Relaxed);
    }

    /// It holds a slot from now on.
    pub(crate) fn holds(&self, session: &SessionId, slot: u32) {
        let number = u128::from_be_bytes(session.0);
        let [high, low] = &self.session;
        high.store((number >> 64) as u64, Ordering::Relaxed);
        low.store(number as u64, Ordering::Relaxed);
        self.slot.store(slot, Ordering::Relaxed);
    }

    /// The slot it holds, if it does.
    pub(super) fn held(&self) -> Option<(SessionId, u32)> {
        let slot = self.slot.load(Ordering::Relaxed);
        let [high, low] = self.session.each_ref().map(|half| half.load(Ordering::Relaxed));
        let number = u128::from(high) << 64 | u128::from(low);
        (slot != NO_SLOT).then(|| (SessionId(number.to_be_bytes()), slot))
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
