//! Files that are being made by GUARDED creates. Whoever asks for one again is told that it
//! exists, so such an OPEN must not fail once the file is there: who opens the file by its name
//! before its maker has is told to try again.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use holdfast_engine::server::FileKey;
use holdfast_proto::nfs4::{ClientId, Status};

use super::{Piece, State};
use crate::sync::AtomicUsize;

/// A directory, and a name in it.
type Name = (FileKey, Box<[u8]>);

/// The names; as many as there are requests at most.
pub(super) struct Making {
    /// Nearly always zero: then nobody looks further.
    count: AtomicUsize,
    names: Piece<BTreeSet<Name>>,
}

impl Making {
    pub(super) const fn new() -> Self {
        Self { count: AtomicUsize::new(0), names: Piece::new(BTreeSet::new()) }
    }
}

/// The right to make a file and be the first to open it, until it is dropped.
pub(crate) struct MakerGuard<'a> {
    state: &'a State,
    name: Name,
}

impl State {
    /// Begins a GUARDED create.
    ///
    /// # Errors
    /// `DELAY`: somebody else makes this file, or the client has no room for another open.
    pub(crate) async fn begin_making(
        &self,
        client: ClientId,
        dir: FileKey,
        name: &[u8],
    ) -> Result<MakerGuard<'_>, Status> {
        self.check_room_for_open(client).await?;
        let name: Name = (dir, Box::from(name));
        let own = name.clone();
        if !self.with(&self.making.names, |names| names.insert(own)).await? {
            return Err(Status::DELAY);
        }
        self.making.count.fetch_add(1, Ordering::AcqRel);
        Ok(MakerGuard { state: self, name })
    }

    /// Whether a file that was found by its name may be opened. To be asked before the open is
    /// reserved: a maker that is not seen any more has reserved its own.
    ///
    /// # Errors
    /// `DELAY`: its maker has not opened it yet.
    pub(crate) async fn check_made(
        &self,
        dir: impl FnOnce() -> FileKey,
        name: &[u8],
    ) -> Result<(), Status> {
        if self.making.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let name: Name = (dir(), Box::from(name));
        let is_made = self.with(&self.making.names, |names| !names.contains(&name)).await?;
        if is_made { Ok(()) } else { Err(Status::DELAY) }
    }
}

impl Drop for MakerGuard<'_> {
    fn drop(&mut self) {
        // A poisoned piece is not used again: there is nothing to give back.
        let _ = self.state.making.names.enter(|names| names.remove(&self.name));
        self.state.making.count.fetch_sub(1, Ordering::AcqRel);
    }
}
