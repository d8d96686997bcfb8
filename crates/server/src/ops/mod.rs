//! Operations: who may run when, and which function does it.

mod attr;
mod dir;
mod fh;
mod io;
mod lookup;
mod names;
mod open;
mod readdir;
mod secinfo;
mod session;
mod table;

use holdfast_proto::nfs4::{Op, OpDecodeError, OpNum, Status};

use crate::counters::count;
use crate::request::Request;

/// How the compound goes on after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// With the next operation.
    Next,
    /// Not at all.
    Stop(Status),
    /// Not at all: the whole reply of an earlier execution is in its place.
    Replayed,
}

/// An operation as it came: decoded, or not to be had.
pub(crate) enum Decoded<'a> {
    /// Decoded.
    Op(Op<'a>),
    /// Its number, and why it cannot be run.
    Bad(OpNum, Status),
}

impl<'a> Decoded<'a> {
    /// What a decoder gave, in a compound of this minor version.
    pub(crate) fn new(decoded: Result<Op<'a>, OpDecodeError>, minor: u32) -> Self {
        match decoded {
            Ok(Op::Illegal(_)) => Self::Bad(OpNum::ILLEGAL, Status::OP_ILLEGAL),
            Ok(op) if table::of(op.num()).minor > minor => {
                Self::Bad(OpNum::ILLEGAL, Status::OP_ILLEGAL)
            }
            Ok(op) => Self::Op(op),
            Err(error) => Self::Bad(error.num, Status::BADXDR),
        }
    }

    /// The number that the result carries.
    pub(crate) fn num(&self) -> OpNum {
        match self {
            Self::Op(op) => op.num(),
            Self::Bad(num, _) => *num,
        }
    }
}

/// Whether an operation may run as the `number`th of its compound.
///
/// # Errors
/// The status that refuses it (RFC 8881 §2.10.2.1, §2.10.6.4, §18.46.3).
pub(crate) fn admit<'a>(
    rq: &Request,
    op: Decoded<'a>,
    number: u32,
) -> Result<Op<'a>, Status> {
    let op = match op {
        Decoded::Op(op) => op,
        Decoded::Bad(_, status) => {
            count(&rq.server.state.counters.garbage);
            return Err(status);
        }
    };
    let info = table::of(op.num());
    if number == 1 {
        if !info.first {
            return Err(Status::OP_NOT_IN_SESSION);
        }
        if op.num() != OpNum::SEQUENCE && rq.operations != 1 {
            return Err(Status::NOT_ONLY_OP);
        }
        return Ok(op);
    }
    if rq.slot.is_none() {
        return Err(Status::RETRY_UNCACHED_REP);
    }
    if op.num() == OpNum::SEQUENCE {
        return Err(Status::SEQUENCE_POS);
    }
    if op.num() == OpNum::BIND_CONN_TO_SESSION {
        return Err(Status::NOT_ONLY_OP);
    }
    if info.needs_fh && rq.current.is_none() {
        return Err(Status::NOFILEHANDLE);
    }
    if rq.room() < info.max_reply {
        return Err(rq.too_big());
    }
    Ok(op)
}

/// Runs one operation. Its result's body is in the reply when it answers [`Flow::Next`].
///
/// # Errors
/// The operation's status.
pub(crate) async fn run(rq: &mut Request, op: Op<'_>) -> Result<Flow, Status> {
    let done = match op {
        Op::Sequence(args) => return session::sequence(rq, &args).await,
        Op::PutFh(args) => fh::put(rq, args.object),
        Op::PutRootFh | Op::PutPubFh => fh::put_root(rq),
        Op::GetFh => fh::get(rq),
        Op::SaveFh => fh::save(rq),
        Op::RestoreFh => fh::restore(rq),
        Op::GetAttr(args) => attr::getattr(rq, &args).await,
        Op::Access(args) => attr::access(rq, args).await,
        Op::Lookup(args) => lookup::lookup(rq, args.objname).await,
        Op::LookupP => lookup::lookup_parent(rq).await,
        Op::Read(args) => io::read(rq, &args).await,
        Op::Write(args) => io::write(rq, &args).await,
        cold => return Box::pin(run_cold(rq, cold)).await.map(|()| Flow::Next),
    };
    done.map(|()| Flow::Next)
}

/// The operations whose futures are kept out of the compound's own.
async fn run_cold(rq: &mut Request, op: Op<'_>) -> Result<(), Status> {
    match op {
        Op::Open(args) => open::open(rq, &args).await,
        Op::Close(args) => open::close(rq, &args).await,
        Op::Commit(args) => io::commit(rq, &args).await,
        Op::ReadDir(args) => readdir::readdir(rq, &args).await,
        Op::ReadLink => lookup::readlink(rq).await,
        Op::SetAttr(args) => attr::setattr(rq, &args).await,
        Op::Verify(args) => attr::verify(rq, &args.obj_attributes, Status::NOT_SAME).await,
        Op::NVerify(args) => attr::verify(rq, &args.obj_attributes, Status::SAME).await,
        Op::Create(args) => dir::create(rq, &args).await,
        Op::Remove(args) => names::remove(rq, args.target).await,
        Op::Rename(args) => names::rename(rq, &args).await,
        Op::Link(args) => names::link(rq, args.newname).await,
        Op::SecInfo(args) => secinfo::secinfo(rq, args.name).await,
        Op::SecInfoNoName(args) => secinfo::no_name(rq, args.style).await,
        Op::ExchangeId(args) => session::exchange_id(rq, &args).await,
        Op::CreateSession(args) => session::create_session(rq, &args).await,
        Op::DestroySession(args) => session::destroy_session(rq, &args).await,
        Op::DestroyClientId(args) => session::destroy_clientid(rq, args.clientid).await,
        Op::BindConnToSession(args) => session::bind(rq, &args).await,
        Op::ReclaimComplete(args) => session::reclaim_complete(rq, args.one_fs).await,
        Op::GetDirDelegation(_) => dir::no_delegation(rq),
        // Decoded and not offered: see specs/exceptions.toml.
        Op::DelegPurge(_)
        | Op::DelegReturn(_)
        | Op::Lock(_)
        | Op::LockT(_)
        | Op::LockU(_)
        | Op::OpenAttr(_)
        | Op::OpenConfirm(_)
        | Op::OpenDowngrade(_)
        | Op::Renew(_)
        | Op::SetClientId(_)
        | Op::SetClientIdConfirm(_)
        | Op::ReleaseLockOwner(_)
        | Op::BackchannelCtl(_)
        | Op::FreeStateid(_)
        | Op::GetDeviceInfo(_)
        | Op::GetDeviceList(_)
        | Op::LayoutCommit(_)
        | Op::LayoutGet(_)
        | Op::LayoutReturn(_)
        | Op::SetSsv(_)
        | Op::TestStateid(_)
        | Op::WantDelegation(_)
        | Op::Allocate(_)
        | Op::Copy(_)
        | Op::CopyNotify(_)
        | Op::Deallocate(_)
        | Op::IoAdvise(_)
        | Op::LayoutError(_)
        | Op::LayoutStats(_)
        | Op::OffloadCancel(_)
        | Op::OffloadStatus(_)
        | Op::ReadPlus(_)
        | Op::Seek(_)
        | Op::WriteSame(_)
        | Op::Clone(_)
        | Op::GetXattr(_)
        | Op::SetXattr(_)
        | Op::ListXattrs(_)
        | Op::RemoveXattr(_) => Err(Status::NOTSUPP),
        // `run` and `admit` keep these away.
        Op::Sequence(_)
        | Op::PutFh(_)
        | Op::PutRootFh
        | Op::PutPubFh
        | Op::GetFh
        | Op::SaveFh
        | Op::RestoreFh
        | Op::GetAttr(_)
        | Op::Access(_)
        | Op::Lookup(_)
        | Op::LookupP
        | Op::Read(_)
        | Op::Write(_)
        | Op::Illegal(_) => Err(Status::SERVERFAULT),
    }
}
