//! LOCK, LOCKT, LOCKU (RFC 8881 §18.10 to §18.12). Locks are advisory: READ and WRITE pass by them.

use holdfast_engine::server::{
    ByteRange, HeldRange, LockBy, LockConflict, LockKind, LockRefused, LockRequest, LockerId,
};
use holdfast_proto::nfs4::{
    LockArgs, LockDenied, LockOk, LockTArgs, LockType, LockUArgs, LockUOk, Locker, StateOwner,
    Stateid, Status,
};
use holdfast_proto::xdr::Encode;
use holdfast_vfs::{File, FileKind};

use crate::counters::count;
use crate::exports::Fh;
use crate::request::Request;
use crate::state::Local;

/// LOCK. A client that would wait for the lock is refused like any other, and asks again.
pub(super) async fn lock(rq: &mut Request, args: &LockArgs<'_>) -> Result<(), Status> {
    let (fh, client) = (rq.fh()?, rq.client()?);
    let wanted = wanted(args.locktype, args.offset, args.length)?;
    let by = match &args.locker {
        Locker::New(new) => LockBy::Open(rq.own_stateid(&new.open_stateid)?, new.lock_owner.owner),
        Locker::Existing(known) => LockBy::Locks(rq.own_stateid(&known.lock_stateid)?),
    };
    let server = rq.server.clone();
    if args.reclaim {
        server.state.check_reclaim(client).await?;
    } else {
        server.state.check_new_open(client).await?;
    }
    let request = LockRequest { client, by, wanted };
    let lock_stateid = match grant(rq, &fh, &request).await {
        Ok(stateid) => stateid,
        // The reclaim of one who lost its lock to somebody else.
        Err(LockRefused::Denied(_)) if args.reclaim => return Err(Status::RECLAIM_CONFLICT),
        Err(refused) => return Err(explain(rq, &fh, refused).await),
    };
    count(&server.state.counters.locks);
    rq.current_stateid = Some(lock_stateid);
    LockOk { lock_stateid }.encode(&mut rq.out);
    Ok(())
}

/// Reserves a lock, asks local processes where there are any, and makes it real.
async fn grant(rq: &Request, fh: &Fh, request: &LockRequest<'_>) -> Result<Stateid, LockRefused> {
    let (state, export) = (&rq.server.state, rq.export(fh));
    let guard = state.begin_lock(rq.key(fh), request).await?;
    if !export.fs.properties().local_locks {
        return Ok(guard.commit().await?);
    }
    let open = open_file(rq, fh, request).await?;
    let local = Local { fs: &export.fs, node: &fh.node };
    state.commit_locally(guard, local, &open, request.wanted).await
}

/// The open file under which a lock is reserved.
async fn open_file(rq: &Request, fh: &Fh, request: &LockRequest<'_>) -> Result<File, Status> {
    let (LockBy::Open(stateid, _) | LockBy::Locks(stateid)) = request.by;
    let newest = Stateid { seqid: 0, ..stateid };
    let (open, _) = rq.server.state.opened(request.client, &rq.key(fh), &newest).await?;
    let file = match request.wanted.kind {
        LockKind::Read => open.read,
        LockKind::Write => open.write,
    };
    file.map(|(file, _)| file).ok_or(Status::OPENMODE)
}

/// LOCKT.
pub(super) async fn test(rq: &mut Request, args: &LockTArgs<'_>) -> Result<(), Status> {
    let (fh, client) = (rq.fh()?, rq.client()?);
    let wanted = wanted(args.locktype, args.offset, args.length)?;
    regular(rq, &fh).await?;
    rq.server.state.check_grace().await?;
    let locker = LockerId { client, owner: args.owner.owner };
    let (key, export) = (rq.key(&fh), rq.export(&fh));
    let mut tested = rq.server.state.test_lock(&key, locker, wanted).await;
    if tested.is_ok() && export.fs.properties().local_locks {
        let local = Local { fs: &export.fs, node: &fh.node };
        tested = rq.server.state.test_locally(&key, local, wanted).await;
    }
    match tested {
        Ok(()) => Ok(()),
        Err(refused) => Err(explain(rq, &fh, refused).await),
    }
}

/// LOCKU.
pub(super) async fn unlock(rq: &mut Request, args: &LockUArgs) -> Result<(), Status> {
    let (fh, client) = (rq.fh()?, rq.client()?);
    kind(args.locktype)?;
    let range = ByteRange::new(args.offset, args.length)?;
    let stateid = rq.own_stateid(&args.lock_stateid)?;
    let unlocked = rq.server.state.unlock(client, &rq.key(&fh), &stateid, range).await;
    let lock_stateid = match unlocked {
        Ok(stateid) => stateid,
        Err(status) => return Err(of_type(rq, &fh, status).await),
    };
    rq.current_stateid = Some(lock_stateid);
    LockUOk { lock_stateid }.encode(&mut rq.out);
    Ok(())
}

fn wanted(locktype: LockType, offset: u64, length: u64) -> Result<HeldRange, Status> {
    Ok(HeldRange { range: ByteRange::new(offset, length)?, kind: kind(locktype)? })
}

const fn kind(locktype: LockType) -> Result<LockKind, Status> {
    match locktype {
        LockType::READ | LockType::READW => Ok(LockKind::Read),
        LockType::WRITE | LockType::WRITEW => Ok(LockKind::Write),
        _ => Err(Status::BADXDR),
    }
}

/// What to say of a lock that is not to be had; who holds it goes into the reply.
async fn explain(rq: &mut Request, fh: &Fh, refused: LockRefused) -> Status {
    match refused {
        LockRefused::Denied(conflict) => {
            count(&rq.server.state.counters.locks_denied);
            deny(rq, conflict)
        }
        LockRefused::Status(status) => of_type(rq, fh, status).await,
    }
}

fn deny(rq: &mut Request, conflict: LockConflict) -> Status {
    const FIXED_BYTES: usize = 8 + 8 + 4 + 8 + 4;
    if rq.room() < FIXED_BYTES + conflict.owner.len().next_multiple_of(4) {
        return rq.too_big();
    }
    rq.denied = Some(Box::new(conflict));
    Status::DENIED
}

/// `LOCK4denied`.
pub(crate) fn write_denied(rq: &mut Request) {
    let Some(conflict) = rq.denied.take() else { return };
    let LockConflict { client, owner, held } = *conflict;
    let denied = LockDenied {
        offset: held.range.first,
        length: held.range.length(),
        locktype: match held.kind {
            LockKind::Read => LockType::READ,
            LockKind::Write => LockType::WRITE,
        },
        owner: StateOwner { clientid: client, owner: &owner },
    };
    denied.encode(&mut rq.out);
}

/// A state id that does not fit the current object: the object's type says more, if it is one
/// that nobody can lock.
async fn of_type(rq: &Request, fh: &Fh, status: Status) -> Status {
    if status != Status::BAD_STATEID {
        return status;
    }
    regular(rq, fh).await.err().unwrap_or(status)
}

/// # Errors
/// `ISDIR`, `SYMLINK`, `WRONG_TYPE`: the object is no regular file.
async fn regular(rq: &Request, fh: &Fh) -> Result<(), Status> {
    match rq.attr(fh).await?.kind {
        FileKind::Regular => Ok(()),
        FileKind::Directory => Err(Status::ISDIR),
        FileKind::Symlink => Err(Status::SYMLINK),
        FileKind::Block | FileKind::Character | FileKind::Fifo | FileKind::Socket => {
            Err(Status::WRONG_TYPE)
        }
    }
}
