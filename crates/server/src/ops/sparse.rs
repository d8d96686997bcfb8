//! SEEK, ALLOCATE, DEALLOCATE, IO_ADVISE (RFC 7862 §15.11, §15.1, §15.4, §15.5).

use holdfast_engine::server::Share;
use holdfast_proto::nfs4::{
    AllocateArgs, Bitmap, DataContent, DeallocateArgs, IoAdvice, IoAdviseArgs, IoAdviseOk,
    SeekArgs, SeekOk, Stateid, Status,
};
use holdfast_proto::xdr::Encode;
use holdfast_vfs::{Advice, Content, Error, File};

use crate::exports::Fh;
use crate::ops::io;
use crate::request::Request;
use crate::status;

/// SEEK. There is a hole at the end of every file; where there is no further data, the answer is
/// the end.
pub(super) async fn seek(rq: &mut Request, args: &SeekArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let what = match args.what {
        DataContent::DATA => Content::Data,
        DataContent::HOLE => Content::Hole,
        _ => return Err(Status::UNION_NOTSUPP),
    };
    let file = io::file_for(rq, &fh, &args.stateid, Share::READ).await?;
    let found = rq.export(&fh).fs.seek(&file, args.offset, what).await.map_err(status::of)?;
    let ok = match (found, what) {
        (Some(offset), Content::Data) => SeekOk { eof: false, offset },
        (Some(offset), Content::Hole) => SeekOk { eof: offset >= rq.attr(&fh).await?.size, offset },
        (None, _) => SeekOk { eof: true, offset: rq.attr(&fh).await?.size },
    };
    ok.encode(&mut rq.out);
    Ok(())
}

/// ALLOCATE.
pub(super) async fn allocate(rq: &Request, args: &AllocateArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let file = file_to_change(rq, &fh, &args.stateid, (args.offset, args.length)).await?;
    let cred = rq.cred(&fh);
    let done = rq.export(&fh).fs.allocate(&cred, &file, args.offset, args.length).await;
    done.map_err(status::of)
}

/// DEALLOCATE.
pub(super) async fn deallocate(rq: &Request, args: &DeallocateArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let file = file_to_change(rq, &fh, &args.stateid, (args.offset, args.length)).await?;
    let cred = rq.cred(&fh);
    let done = rq.export(&fh).fs.deallocate(&cred, &file, args.offset, args.length).await;
    done.map_err(status::of)
}

/// The file that a range of is to be changed.
///
/// # Errors
/// `INVAL`: the range is empty, or ends nowhere. Otherwise as [`regular`].
async fn file_to_change(
    rq: &Request,
    fh: &Fh,
    stateid: &Stateid,
    (offset, length): (u64, u64),
) -> Result<File, Status> {
    if length == 0 || offset.checked_add(length).is_none() {
        return Err(Status::INVAL);
    }
    rq.writable(fh)?;
    regular(rq, fh, stateid, Share::WRITE).await
}

/// The file to use under a state id, as [`io::file_for`]; that it is not a regular one has one
/// status here, whatever it is (RFC 7862 §15.1.3, §15.2.3, §15.4.3, §15.13.3).
///
/// # Errors
/// `WRONG_TYPE`: it is not a regular file. Otherwise as [`io::file_for`].
pub(super) async fn regular(
    rq: &Request,
    fh: &Fh,
    stateid: &Stateid,
    access: Share,
) -> Result<File, Status> {
    io::file_for(rq, fh, stateid, access).await.map_err(|status| match status {
        Status::ISDIR | Status::SYMLINK => Status::WRONG_TYPE,
        other => other,
    })
}

/// The hints that a file system may follow.
const HINTS: [(u32, Advice); 6] = [
    (IoAdvice::NORMAL.0, Advice::Normal),
    (IoAdvice::SEQUENTIAL.0, Advice::Sequential),
    (IoAdvice::RANDOM.0, Advice::Random),
    (IoAdvice::WILLNEED.0, Advice::WillNeed),
    (IoAdvice::DONTNEED.0, Advice::DontNeed),
    (IoAdvice::NOREUSE.0, Advice::NoReuse),
];

/// IO_ADVISE: answers the hints that were followed.
pub(super) async fn advise(rq: &mut Request, args: &IoAdviseArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let file = io::file_for(rq, &fh, &args.stateid, Share::READ).await?;
    let fs = &rq.export(&fh).fs;
    let mut hints = Bitmap::EMPTY;
    for (number, advice) in HINTS {
        if !args.hints.contains(number) {
            continue;
        }
        match fs.advise(&file, args.offset, args.count, advice).await {
            Ok(()) => hints.insert(number),
            Err(Error::NotSupported) => {}
            Err(error) => return Err(status::of(error)),
        }
    }
    IoAdviseOk { hints }.encode(&mut rq.out);
    Ok(())
}
