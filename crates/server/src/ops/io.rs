//! READ, WRITE, COMMIT (RFC 8881 §18.22, §18.32, §18.3).

use holdfast_engine::limits;
use holdfast_engine::server::Share;
use holdfast_proto::nfs4::{
    CommitArgs, ReadArgs, StableHow, Stateid, Status, Verifier, WriteArgs, WriteOk,
};
use holdfast_proto::xdr::{Encode, Writer};
use holdfast_vfs::{File, OpenMode, Piped, ReadSink, Stability};

use crate::exports::Fh;
use crate::request::Request;
use crate::status;

/// READ.
pub(super) async fn read(rq: &mut Request, args: &ReadArgs) -> Result<(), Status> {
    const HEADER: usize = 8;
    const PADDING: usize = 3;
    let fh = rq.fh()?;
    let file = file_for(rq, &fh, &args.stateid, Share::READ).await?;
    let room = rq.room().saturating_sub(HEADER + PADDING);
    let asked = args.count.min(limits::IO_BYTES) as usize;
    let len = asked.min(room);
    if len == 0 && args.count > 0 {
        return Err(rq.too_big());
    }
    let eof_at = rq.out.reserve_u32();
    let len_at = rq.out.reserve_u32();
    // What is kept for a replay is kept in memory, and a result cannot follow what is not.
    let takes_pipe = rq.takes_pipes && rq.is_last && !rq.cache_this && len >= PIPED_FROM;
    let mut sink = ReplySink::new(&mut rq.out, takes_pipe);
    let fs = &rq.server.exports.get(&fh).fs;
    let end = fs.read(&file, args.offset, len, &mut sink).await.map_err(status::of)?;
    if rq.cache_this && len < asked && end.count == len && !end.eof {
        // The client would take what fits for all that it asked to be kept.
        return Err(Status::REP_TOO_BIG_TO_CACHE);
    }
    let (count, piped) = sink.finish();
    debug_assert_eq!(count, end.count, "the sink has what the file system says");
    rq.piped = piped;
    rq.out.patch_u32(eof_at, u32::from(end.eof));
    rq.out.patch_u32(len_at, count as u32);
    Ok(())
}

/// Below this size a copied reply, which leaves in one send with its neighbours, costs less than
/// a pipe.
const PIPED_FROM: usize = 32 * 1024;

/// Puts data behind what the reply holds already.
struct ReplySink<'w> {
    w: &'w mut Writer,
    start: usize,
    end: usize,
    takes_pipe: bool,
    piped: Option<Box<dyn Piped>>,
}

impl<'w> ReplySink<'w> {
    const fn new(w: &'w mut Writer, takes_pipe: bool) -> Self {
        let start = w.position();
        Self { w, start, end: start, takes_pipe, piped: None }
    }

    /// Completes the opaque; answers its length, and the pipe that its bytes and their padding
    /// follow in.
    fn finish(self) -> (usize, Option<Box<dyn Piped>>) {
        self.w.truncate(self.end);
        if let Some(piped) = self.piped {
            return (piped.len(), Some(piped));
        }
        let count = self.end - self.start;
        self.w.pad(count);
        (count, None)
    }
}

impl ReadSink for ReplySink<'_> {
    fn takes_pipe(&self) -> bool {
        self.takes_pipe
    }

    fn pipe(&mut self, data: Box<dyn Piped>) {
        debug_assert!(self.takes_pipe && self.start == self.end, "the whole read, as was asked");
        self.piped = Some(data);
    }

    fn buf(&mut self, len: usize) -> &mut [u8] {
        self.w.truncate(self.end);
        &mut self.w.padded_tail(len)[..len]
    }

    fn filled(&mut self, len: usize) {
        self.end = (self.end + len).min(self.w.position());
        self.w.truncate(self.end);
    }
}

/// The file to use for I/O under a state id; none under a special one, which means that the
/// caller's own rights decide.
///
/// # Errors
/// - `BAD_STATEID`, `OLD_STATEID`, `STALE_STATEID`: the state id is not good.
/// - `OPENMODE`: the file is not open for this.
/// - `LOCKED`: there is no open for it, and somebody's denies it.
pub(super) async fn opened_for(
    rq: &Request,
    fh: &Fh,
    stateid: &Stateid,
    access: Share,
) -> Result<Option<File>, Status> {
    let stateid = rq.stateid(stateid)?;
    let state = &rq.server.state;
    if stateid.is_special() {
        if stateid != Stateid::READ_BYPASS || access.write {
            state.check_grace().await?;
            state.check_io(&rq.key(fh), access, None).await?;
        }
        return Ok(None);
    }
    let key = rq.key(fh);
    let (files, own) = state.opened(rq.client()?, &key, &stateid).await?;
    // A client that writes parts of pages must read the rest of them, so a file that is open for
    // writing alone is read with the caller's own rights (RFC 8881 §9.1.2 allows it).
    let (open, mode) = if access.write {
        (Some(files.write.ok_or(Status::OPENMODE)?), OpenMode::WRITE)
    } else {
        (files.read, OpenMode::READ)
    };
    let Some((file, opener)) = open else {
        state.check_io(&key, access, Some(own)).await?;
        return Ok(None);
    };
    if opener != rq.principal {
        // A user who did not open the file needs the right to it.
        open_for(rq, fh, mode).await?;
    }
    Ok(Some(file))
}

/// The file to use for I/O under a state id, opened for this operation alone under a special one.
///
/// # Errors
/// As [`opened_for`], and what opening the file answers.
pub(super) async fn file_for(
    rq: &Request,
    fh: &Fh,
    stateid: &Stateid,
    access: Share,
) -> Result<File, Status> {
    match opened_for(rq, fh, stateid, access).await? {
        Some(file) => Ok(file),
        None if access.write => open_for(rq, fh, OpenMode::WRITE).await,
        None => open_for(rq, fh, OpenMode::READ).await,
    }
}

/// How safe data is, as the protocol says it.
pub(super) const fn committed(stability: Stability) -> StableHow {
    match stability {
        Stability::Unstable => StableHow::UNSTABLE,
        Stability::Data => StableHow::DATA_SYNC,
        Stability::File => StableHow::FILE_SYNC,
    }
}

/// Opens a file with the caller's own rights for one operation.
async fn open_for(rq: &Request, fh: &Fh, mode: OpenMode) -> Result<File, Status> {
    let cred = rq.cred(fh);
    rq.export(fh).fs.open(&cred, &fh.node, mode, true).await.map_err(status::of)
}

/// WRITE.
pub(super) async fn write(rq: &mut Request, args: &WriteArgs<'_>) -> Result<(), Status> {
    let fh = rq.fh()?;
    let stability = match args.stable {
        StableHow::UNSTABLE => Stability::Unstable,
        StableHow::DATA_SYNC => Stability::Data,
        StableHow::FILE_SYNC => Stability::File,
        _ => return Err(Status::INVAL),
    };
    rq.writable(&fh)?;
    let file = file_for(rq, &fh, &args.stateid, Share::WRITE).await?;
    let data = &args.data[..args.data.len().min(limits::IO_BYTES as usize)];
    let cred = rq.cred(&fh);
    let fs = &rq.server.exports.get(&fh).fs;
    let written = fs.write(&cred, &file, args.offset, data, stability).await.map_err(status::of)?;
    let committed = committed(written.stability);
    let writeverf = rq.server.write_verifier(written.verifier);
    WriteOk { count: written.count as u32, committed, writeverf }.encode(&mut rq.out);
    Ok(())
}

/// COMMIT.
pub(super) async fn commit(rq: &mut Request, args: &CommitArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    if args.offset.checked_add(u64::from(args.count)).is_none() {
        return Err(Status::INVAL);
    }
    let fs = &rq.export(&fh).fs;
    let verifier = fs.commit(&fh.node, args.offset, u64::from(args.count)).await;
    let writeverf: Verifier = rq.server.write_verifier(verifier.map_err(status::of)?);
    writeverf.encode(&mut rq.out);
    Ok(())
}
