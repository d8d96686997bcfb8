//! An open file of the client: its state id, and CLOSE when the last clone is dropped.

use std::sync::Arc;

use holdfast_proto::nfs4::Stateid;
use holdfast_vfs::{Cred, File, Handle, OpenMode};

use super::Wire;
use crate::support::ops;

/// What a [`File`] of the client holds.
pub(super) struct OpenFile {
    wire: Arc<Wire>,
    pub(super) cred: Cred,
    pub(super) node: Handle,
    pub(super) mode: OpenMode,
    state: Option<Stateid>,
}

impl OpenFile {
    pub(super) fn with_state(
        wire: &Arc<Wire>,
        cred: Cred,
        node: Handle,
        mode: OpenMode,
        stateid: Stateid,
    ) -> File {
        File::new(Self { wire: wire.clone(), cred, node, mode, state: Some(stateid) })
    }

    /// For I/O that no OPEN came before.
    pub(super) fn without_state(
        wire: &Arc<Wire>,
        cred: Cred,
        node: Handle,
        mode: OpenMode,
    ) -> File {
        File::new(Self { wire: wire.clone(), cred, node, mode, state: None })
    }

    pub(super) fn stateid(&self) -> Stateid {
        self.state.unwrap_or(Stateid::ANONYMOUS)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(stateid) = self.state else { return };
        let ops = [ops::put(self.node.as_slice()), ops::close(stateid)];
        let closed = self.wire.run(&self.cred, &ops);
        assert!(closed.is_ok() || std::thread::panicking(), "what was opened is closed");
    }
}
