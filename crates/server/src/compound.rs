//! The loop of COMPOUND (RFC 8881 §16.2): admit, run one operation after the other, cache.

use holdfast_engine::limits;
use holdfast_proto::nfs4::{CompoundArgs, CompoundRes, Op, Status, begin_result};
use holdfast_proto::rpc::{AcceptStat, Call, finish_record_with, start_accepted};
use holdfast_proto::xdr::Reader;

use crate::counters::count;
use crate::ops::{self, Decoded, Flow};
use crate::request::{Reply, Request};

const MINOR_MIN: u32 = 1;
const MINOR_MAX: u32 = 2;

/// Runs the compound of a call; answers the whole reply record.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice in its future")]
pub(crate) fn run(mut rq: Request, call: Call) -> impl Future<Output = Reply> + Send + 'static {
    async move {
        count(&rq.server.state.counters.compounds);
        start_accepted(&mut rq.out, call.header.xid, AcceptStat::SUCCESS);
        rq.start = rq.out.position();
        rq.limit += rq.start;
        match CompoundArgs::decode(Reader::new(call.args())) {
            Ok(args) => run_compound(&mut rq, args).await,
            Err(_malformed) => {
                count(&rq.server.state.counters.garbage);
                rq.out.truncate(0);
                start_accepted(&mut rq.out, call.header.xid, AcceptStat::GARBAGE_ARGS);
            }
        }
        let piped = rq.piped.take();
        finish_record_with(&mut rq.out, 0, piped.as_ref().map_or(0, |piped| piped.len()));
        Reply { record: std::mem::take(&mut rq.out), piped }
    }
}

/// The most bytes that the results of a compound have, by what its arguments ask for.
pub(crate) fn reply_bytes(args: &[u8]) -> usize {
    /// Of an operation that does not say how much it wants: a link's target, many attributes.
    const OTHER_BYTES: usize = 4096;
    let Ok(mut args) = CompoundArgs::decode(Reader::new(args)) else { return 0 };
    let mut bytes = 0_usize;
    while let Some(Ok(op)) = args.next_op() {
        let asked = if let Op::Read(read) = &op {
            read.count.min(limits::IO_BYTES)
        } else if let Op::ReadPlus(read) = &op {
            read.count.min(limits::IO_BYTES)
        } else if let Op::ReadDir(read) = &op {
            read.maxcount
        } else if let Op::ListXattrs(list) = &op {
            list.maxcount
        } else if let Op::GetXattr(_) = &op {
            holdfast_vfs::XATTR_VALUE_MAX as u32
        } else {
            0
        };
        bytes = bytes.saturating_add((asked as usize).max(OTHER_BYTES));
    }
    bytes.min(limits::RESPONSE_BYTES as usize)
}

async fn run_compound(rq: &mut Request, mut args: CompoundArgs<'_>) {
    let header = CompoundRes::begin(&mut rq.out, args.tag);
    if !(MINOR_MIN..=MINOR_MAX).contains(&args.minor) {
        return header.finish(&mut rq.out, Status::MINOR_VERS_MISMATCH, 0);
    }
    if str::from_utf8(args.tag).is_err() {
        // RFC 8881 §14.5: what is to be UTF-8 and is not.
        return header.finish(&mut rq.out, Status::INVAL, 0);
    }
    (rq.minor, rq.operations) = (args.minor, args.count);
    let mut done = 0;
    let mut status = Status::OK;
    while let Some(next) = args.next_op() {
        rq.is_last = args.count == 0;
        done += 1;
        let op = Decoded::new(next, rq.minor);
        match run_op(rq, &op, done).await {
            Flow::Next => {}
            Flow::Stop(stopped) => {
                status = stopped;
                break;
            }
            Flow::Replayed => return,
        }
    }
    header.finish(&mut rq.out, status, done);
    complete(rq);
}

/// Gives the slot back with what the client is to see of this compound.
fn complete(rq: &mut Request) {
    if let Some(slot) = rq.slot.take() {
        let reply = &rq.out.bytes()[rq.start..];
        slot.complete(rq.cache_this.then_some(reply), rq.server.state.now());
    }
}

async fn run_op(rq: &mut Request, op: &Decoded<'_>, number: u32) -> Flow {
    let num = op.num();
    if let Some(progress) = &rq.progress {
        progress.at(num, rq.current.map(|fh| fh.export));
    }
    let status_at = begin_result(&mut rq.out, num);
    let body_at = rq.out.position();
    let ran = match ops::admit(rq, op, number) {
        Ok(op) => ops::run(rq, op).await,
        Err(status) => Err(status),
    };
    let status = match ran {
        Ok(Flow::Next) if rq.out.position() <= rq.limit => Status::OK,
        Ok(Flow::Next) => rq.too_big(),
        Ok(flow @ (Flow::Stop(_) | Flow::Replayed)) => return flow,
        Err(status) => status,
    };
    rq.out.patch_u32(status_at, status.0);
    if status == Status::OK {
        return Flow::Next;
    }
    rq.out.truncate(body_at);
    rq.write_error_body(num);
    Flow::Stop(status)
}
