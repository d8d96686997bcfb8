//! COPY, CLONE (RFC 7862 §15.2, §15.13), both from the saved file to the current one, and what is
//! left of copies that go on after the answer: none does.

use holdfast_base::Pause;
use holdfast_engine::limits;
use holdfast_engine::server::Share;
use holdfast_proto::nfs4::{
    CloneArgs, CopyArgs, CopyOk, CopyRequirements, Stateid, Status, WriteResponse,
};
use holdfast_proto::xdr::Encode;
use holdfast_vfs::{File, Written};

use crate::exports::Fh;
use crate::ops::{io, sparse};
use crate::request::Request;
use crate::status;

/// Two files of one file system, and where in them.
struct Pair {
    source: File,
    from: u64,
    target: File,
    to: u64,
}

/// COPY, done before the answer and in order, whatever the client asked for: at most about
/// [`limits::COPY_NS`] and [`limits::COPY_BYTES`] of it. The client asks for the rest.
pub(super) async fn copy(rq: &mut Request, args: &CopyArgs<'_>) -> Result<(), Status> {
    if !args.source_server.is_empty() {
        return Err(Status::NOTSUPP);
    }
    let (src, dst) = (rq.saved_fh()?, rq.fh()?);
    let stateids = (&args.src_stateid, &args.dst_stateid);
    let (source, target) = files(rq, (&src, &dst), stateids).await?;
    if rq.key(&src) == rq.key(&dst) {
        return Err(Status::INVAL);
    }
    let size = rq.attr(&src).await?.size;
    let count = part_of(size, args.src_offset, args.count)?;
    let pair = Pair { source, from: args.src_offset, target, to: args.dst_offset };
    let copied = copy_in_line(rq, &dst, &pair, count).await?;
    let response = WriteResponse {
        callback_id: None,
        count: copied.count as u64,
        committed: io::committed(copied.stability),
        writeverf: rq.server.write_verifier(copied.verifier),
    };
    let requirements = CopyRequirements { consecutive: true, synchronous: true };
    CopyOk { response, requirements }.encode(&mut rq.out);
    Ok(())
}

/// The length of a range that must be in a file of this size; 0 is to its end.
fn part_of(size: u64, offset: u64, count: u64) -> Result<u64, Status> {
    let left = size.checked_sub(offset).ok_or(Status::INVAL)?;
    match count {
        0 => Ok(left),
        _ if count > left => Err(Status::INVAL),
        _ => Ok(count),
    }
}

/// Copies step by step, so that neither the loop nor a stop waits for more than one.
async fn copy_in_line(rq: &Request, dst: &Fh, pair: &Pair, count: u64) -> Result<Written, Status> {
    let state = &rq.server.state;
    let (fs, cred) = (&rq.export(dst).fs, rq.cred(dst));
    let until = state.now() + std::time::Duration::from_nanos(limits::COPY_NS);
    let count = count.min(limits::COPY_BYTES);
    let mut all: Option<Written> = None;
    loop {
        let done = all.map_or(0, |all| all.count as u64);
        let (from, to) =
            ((&pair.source, pair.from + done), (&pair.target, pair.to.saturating_add(done)));
        let step = (count - done).min(limits::COPY_STEP);
        let copied = match fs.copy_range(&cred, from, to, step).await {
            Ok(copied) => copied,
            // What was copied before counts.
            Err(error) => return all.ok_or_else(|| status::of(error)),
        };
        let sum = all.map_or(copied, |all| add(all, copied));
        let is_over = copied.count == 0 || sum.count as u64 >= count;
        if is_over || state.now() >= until || state.is_stopping() {
            return Ok(sum);
        }
        all = Some(sum);
        Pause::Once.await;
    }
}

/// Two parts of a copy as one. The verifier is the first one's: if the later one's differs, data
/// may be lost, and so does the one of the COMMIT to come.
fn add(before: Written, more: Written) -> Written {
    Written {
        count: before.count + more.count,
        stability: before.stability.min(more.stability),
        verifier: before.verifier,
    }
}

/// CLONE.
pub(super) async fn clone(rq: &Request, args: &CloneArgs) -> Result<(), Status> {
    let (src, dst) = (rq.saved_fh()?, rq.fh()?);
    let stateids = (&args.src_stateid, &args.dst_stateid);
    let (source, target) = files(rq, (&src, &dst), stateids).await?;
    let (from, to) = ((&source, args.src_offset), (&target, args.dst_offset));
    let cred = rq.cred(&dst);
    let done = rq.export(&dst).fs.clone_range(&cred, from, to, args.count).await;
    done.map_err(status::of)
}

/// The source to read and the target to write.
///
/// # Errors
/// - `XDEV`: they are in two exports.
/// - `WRONG_TYPE`: one is not a regular file.
/// - as READ of the source and WRITE of the target answer.
async fn files(
    rq: &Request,
    (src, dst): (&Fh, &Fh),
    (src_stateid, dst_stateid): (&Stateid, &Stateid),
) -> Result<(File, File), Status> {
    rq.writable(dst)?;
    if src.export != dst.export {
        return Err(Status::XDEV);
    }
    // The state id that goes with the saved file is the saved one (RFC 8881 §16.2.3.1.2).
    let src_stateid = match *src_stateid {
        Stateid::CURRENT => rq.saved_stateid.ok_or(Status::BAD_STATEID)?,
        given => given,
    };
    let source = sparse::regular(rq, src, &src_stateid, Share::READ).await?;
    let target = sparse::regular(rq, dst, dst_stateid, Share::WRITE).await?;
    Ok((source, target))
}
