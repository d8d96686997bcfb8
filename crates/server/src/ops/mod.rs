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
    op: &'a Decoded<'a>,
    number: u32,
) -> Result<&'a Op<'a>, Status> {
    let op = match op {
        Decoded::Op(op) => op,
        Decoded::Bad(_, status) => {
            count(&rq.server.state.counters.garbage);
            return Err(*status);
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
/// What is asked often is awaited in place; the rest is boxed, to keep the compound's future
/// small.
///
/// # Errors
/// The operation's status.
pub(crate) async fn run(rq: &mut Request, op: &Op<'_>) -> Result<Flow, Status> {
    match op {
        Op::Sequence(args) => return session::sequence(rq, args).await,
        Op::PutFh(args) => fh::put(rq, args.object),
        Op::PutRootFh | Op::PutPubFh => fh::put_root(rq),
        Op::GetFh => fh::get(rq),
        Op::SaveFh => fh::save(rq),
        Op::RestoreFh => fh::restore(rq),
        Op::GetAttr(args) => attr::getattr(rq, args).await,
        Op::Access(args) => attr::access(rq, *args).await,
        Op::Lookup(args) => lookup::lookup(rq, args.objname).await,
        Op::LookupP => lookup::lookup_parent(rq).await,
        Op::Read(args) => io::read(rq, args).await,
        Op::Write(args) => io::write(rq, args).await,
        Op::Open(args) => Box::pin(open::open(rq, args)).await,
        Op::Close(args) => Box::pin(open::close(rq, args)).await,
        Op::Commit(args) => Box::pin(io::commit(rq, args)).await,
        Op::ReadDir(args) => Box::pin(readdir::readdir(rq, args)).await,
        Op::ReadLink => Box::pin(lookup::readlink(rq)).await,
        Op::SetAttr(args) => Box::pin(attr::setattr(rq, args)).await,
        Op::Verify(args) => Box::pin(attr::verify(rq, &args.obj_attributes)).await,
        Op::NVerify(args) => Box::pin(attr::nverify(rq, &args.obj_attributes)).await,
        Op::Create(args) => Box::pin(dir::create(rq, args)).await,
        Op::Remove(args) => Box::pin(names::remove(rq, args.target)).await,
        Op::Rename(args) => Box::pin(names::rename(rq, args)).await,
        Op::Link(args) => Box::pin(names::link(rq, args.newname)).await,
        Op::SecInfo(args) => Box::pin(secinfo::secinfo(rq, args.name)).await,
        Op::SecInfoNoName(args) => Box::pin(secinfo::no_name(rq, args.style)).await,
        Op::ExchangeId(args) => Box::pin(session::exchange_id(rq, args)).await,
        Op::CreateSession(args) => Box::pin(session::create_session(rq, args)).await,
        Op::DestroySession(args) => Box::pin(session::destroy_session(rq, args)).await,
        Op::DestroyClientId(args) => Box::pin(session::destroy_clientid(rq, args.clientid)).await,
        Op::BindConnToSession(args) => Box::pin(session::bind(rq, args)).await,
        Op::ReclaimComplete(args) => Box::pin(session::reclaim_complete(rq, args.one_fs)).await,
        Op::GetDirDelegation(_) => dir::no_delegation(rq),
        Op::Illegal(_) => Err(Status::OP_ILLEGAL),
        // Decoded and not offered: specs/exceptions.toml says why.
        Op::DelegPurge(_) | Op::DelegReturn(_) | Op::WantDelegation(_) => Err(Status::NOTSUPP),
        Op::Lock(_) | Op::LockT(_) | Op::LockU(_) => Err(Status::NOTSUPP),
        Op::OpenAttr(_) | Op::OpenDowngrade(_) | Op::BackchannelCtl(_) => Err(Status::NOTSUPP),
        Op::FreeStateid(_) | Op::TestStateid(_) | Op::SetSsv(_) => Err(Status::NOTSUPP),
        Op::OpenConfirm(_) | Op::Renew(_) | Op::ReleaseLockOwner(_) => Err(Status::NOTSUPP),
        Op::SetClientId(_) | Op::SetClientIdConfirm(_) => Err(Status::NOTSUPP),
        Op::GetDeviceInfo(_) | Op::GetDeviceList(_) => Err(Status::NOTSUPP),
        Op::LayoutCommit(_) | Op::LayoutGet(_) | Op::LayoutReturn(_) => Err(Status::NOTSUPP),
        Op::LayoutError(_) | Op::LayoutStats(_) => Err(Status::NOTSUPP),
        Op::Allocate(_) | Op::Deallocate(_) | Op::Seek(_) => Err(Status::NOTSUPP),
        Op::ReadPlus(_) | Op::WriteSame(_) | Op::IoAdvise(_) => Err(Status::NOTSUPP),
        Op::Copy(_) | Op::CopyNotify(_) | Op::Clone(_) => Err(Status::NOTSUPP),
        Op::OffloadCancel(_) | Op::OffloadStatus(_) => Err(Status::NOTSUPP),
        Op::GetXattr(_) | Op::SetXattr(_) => Err(Status::NOTSUPP),
        Op::ListXattrs(_) | Op::RemoveXattr(_) => Err(Status::NOTSUPP),
    }
    .map(|()| Flow::Next)
}
