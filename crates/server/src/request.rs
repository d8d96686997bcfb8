//! One compound while it runs: who asks, where it stands, and the reply so far.

use std::sync::Arc;

use holdfast_engine::Principal;
use holdfast_engine::server::{FileKey, LockConflict};
use holdfast_proto::nfs4::{ClientId, OpNum, Stateid, Status};
use holdfast_proto::xdr::Writer;
use holdfast_vfs::{Attr, Cred, Piped};

use crate::exports::{Export, Fh};
use crate::instance::{Progress, Shared};
use crate::state::{ConnectionBinding, SlotClaim};
use crate::status;

/// A whole reply record.
pub(crate) struct Reply {
    pub(crate) record: Writer,
    /// Data of a READ that the record ends in, and that it counts with its padding.
    pub(crate) piped: Option<Box<dyn Piped>>,
}

/// The state of a running compound.
pub(crate) struct Request {
    pub(crate) server: Arc<Shared>,
    pub(crate) connection: Arc<ConnectionBinding>,
    pub(crate) principal: Principal,
    /// The caller's rights before any export squashes them.
    caller: Cred,
    /// Bytes of the call, without record marks.
    pub(crate) call_bytes: usize,
    /// Operations the header announces.
    pub(crate) operations: u32,
    pub(crate) minor: u32,
    /// Held from SEQUENCE to the end.
    pub(crate) slot: Option<SlotClaim>,
    pub(crate) cache_this: bool,
    pub(crate) current: Option<Fh>,
    pub(crate) saved: Option<Fh>,
    pub(crate) current_stateid: Option<Stateid>,
    pub(crate) saved_stateid: Option<Stateid>,
    /// Whose lock is in the way: what `DENIED` comes with.
    pub(crate) denied: Option<Box<LockConflict>>,
    /// Whether the running operation is the last that the header announces.
    pub(crate) is_last: bool,
    /// Where others see how far it is.
    pub(crate) progress: Option<Arc<Progress>>,
    pub(crate) out: Writer,
    /// Whether whoever sends the reply can send what is in a pipe.
    pub(crate) takes_pipes: bool,
    /// What the reply ends in behind `out`.
    pub(crate) piped: Option<Box<dyn Piped>>,
    /// Where the compound's result begins in `out`.
    pub(crate) start: usize,
    /// How far `out` may grow.
    pub(crate) limit: usize,
}

/// Bytes of a reply before any session has set a limit.
const UNBOUND_REPLY_BYTES: usize = 64 * 1024;

impl Request {
    pub(crate) const fn new(
        server: Arc<Shared>,
        connection: Arc<ConnectionBinding>,
        (principal, caller): (Principal, Cred),
        call_bytes: usize,
        out: Writer,
    ) -> Self {
        let start = out.position();
        Self {
            server,
            connection,
            principal,
            caller,
            call_bytes,
            operations: 0,
            minor: 0,
            slot: None,
            cache_this: false,
            current: None,
            saved: None,
            current_stateid: None,
            saved_stateid: None,
            denied: None,
            is_last: false,
            progress: None,
            out,
            takes_pipes: false,
            piped: None,
            start,
            limit: start + UNBOUND_REPLY_BYTES,
        }
    }

    /// The current file handle.
    ///
    /// # Errors
    /// `NOFILEHANDLE`: there is none.
    pub(crate) fn fh(&self) -> Result<Fh, Status> {
        self.current.ok_or(Status::NOFILEHANDLE)
    }

    /// The saved file handle.
    ///
    /// # Errors
    /// `NOFILEHANDLE`: there is none.
    pub(crate) fn saved_fh(&self) -> Result<Fh, Status> {
        self.saved.ok_or(Status::NOFILEHANDLE)
    }

    /// Makes an object current; the current state id does not belong to it.
    pub(crate) const fn set_fh(&mut self, fh: Fh) {
        self.current = Some(fh);
        self.current_stateid = None;
    }

    pub(crate) fn export(&self, fh: &Fh) -> &Export {
        self.server.exports.get(fh)
    }

    /// The export of an object that is to be changed.
    ///
    /// # Errors
    /// `ROFS`: changes are refused there.
    pub(crate) fn writable(&self, fh: &Fh) -> Result<&Export, Status> {
        let export = self.export(fh);
        if export.read_only { Err(Status::ROFS) } else { Ok(export) }
    }

    /// The caller's rights on an object's export.
    pub(crate) fn cred(&self, fh: &Fh) -> Cred {
        self.export(fh).cred(&self.caller)
    }

    pub(crate) fn key(&self, fh: &Fh) -> FileKey {
        self.server.exports.handle(fh)
    }

    pub(crate) async fn attr(&self, fh: &Fh) -> Result<Attr, Status> {
        let cred = self.cred(fh);
        self.export(fh).fs.getattr(&cred, &fh.node).await.map_err(status::of)
    }

    /// The client behind the compound's session.
    ///
    /// # Errors
    /// `OP_NOT_IN_SESSION`: there is no session.
    pub(crate) fn client(&self) -> Result<ClientId, Status> {
        let slot = self.slot.as_ref().ok_or(Status::OP_NOT_IN_SESSION)?;
        Ok(slot.cell().client)
    }

    /// What a state id in arguments stands for: the current one, where it says so, whatever
    /// became of it since (RFC 8881 §8.2.3).
    ///
    /// # Errors
    /// `BAD_STATEID`: there is no current one, or it is one that is never valid.
    pub(crate) fn stateid(&self, given: &Stateid) -> Result<Stateid, Status> {
        match *given {
            Stateid::CURRENT => {
                let current = self.current_stateid.ok_or(Status::BAD_STATEID)?;
                Ok(Stateid { seqid: 0, ..current })
            }
            Stateid::ANONYMOUS | Stateid::READ_BYPASS => Ok(*given),
            _ if given.is_special() => Err(Status::BAD_STATEID),
            _ => Ok(*given),
        }
    }

    /// As [`Request::stateid`], where only a state will do.
    ///
    /// # Errors
    /// As there; `BAD_STATEID`: it stands for none.
    pub(crate) fn own_stateid(&self, given: &Stateid) -> Result<Stateid, Status> {
        let stateid = self.stateid(given)?;
        if stateid.is_special() { Err(Status::BAD_STATEID) } else { Ok(stateid) }
    }

    /// As [`Request::own_stateid`], for what ends or reduces an open: an OPEN that widened it
    /// meanwhile must not be undone, so the current state id is taken to the number.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn exact_stateid(&self, given: &Stateid) -> Result<Stateid, Status> {
        match *given {
            Stateid::CURRENT => self.current_stateid.ok_or(Status::BAD_STATEID),
            _ => self.own_stateid(given),
        }
    }

    /// How many bytes the reply may still grow.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.out.position())
    }

    /// What to say when the reply would outgrow its limit.
    pub(crate) const fn too_big(&self) -> Status {
        if self.cache_this { Status::REP_TOO_BIG_TO_CACHE } else { Status::REP_TOO_BIG }
    }

    /// Writes the parts of a result that come with an error.
    pub(crate) fn write_error_body(&mut self, num: OpNum) {
        if num == OpNum::SETATTR {
            self.out.u32(0);
        }
        crate::ops::write_denied(self);
    }
}

/// A name that can be looked up or made (RFC 8881 §14.5, §18.13.3).
///
/// # Errors
/// `INVAL`: it is empty. `BADNAME`: `.` or `..`. `BADCHAR`: it has `/` or NUL. `NAMETOOLONG`.
pub(crate) fn check_name(name: &[u8]) -> Result<&[u8], Status> {
    match name {
        [] => Err(Status::INVAL),
        b"." | b".." => Err(Status::BADNAME),
        _ if name.iter().any(|byte| matches!(byte, 0 | b'/')) => Err(Status::BADCHAR),
        _ if name.len() > holdfast_vfs::NAME_MAX => Err(Status::NAMETOOLONG),
        _ => Ok(name),
    }
}
