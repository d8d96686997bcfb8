//! What a fuzzer runs, and a test replays: bytes into the decoders, into a connection, and into a
//! session. Each panics when the bytes do harm.

use std::collections::BTreeMap;
use std::sync::Mutex;

use holdfast_proto::nfs4::{
    CbOp, CbOpNum, CompoundArgs, CompoundRes, Fattr, Op, OpNum, OpResult, Status,
};
use holdfast_proto::xdr::{Decode, Encode, Reader, Writer};
use holdfast_server::ConnectionError;
use holdfast_vfs::{Cred, Groups};

use super::client::{Client, Reply};
use super::fixture::Server;
use super::peer::{Peer, call, credential};

/// How often each operation was executed: with success, and without.
static REACHED: Mutex<BTreeMap<u32, [u64; 2]>> = Mutex::new(BTreeMap::new());

/// How often each operation was executed so far, by its number: with success, and without.
pub(crate) fn reached() -> BTreeMap<u32, [u64; 2]> {
    REACHED.lock().expect("counting does not panic").clone()
}

fn count(num: OpNum, status: Status) {
    let mut reached = REACHED.lock().expect("counting does not panic");
    reached.entry(num.0).or_default()[usize::from(status != Status::OK)] += 1;
}

/// A target by its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: [Target; 3] = [("xdr", xdr), ("rpc", rpc), ("compound", compound)];

/// Sends bytes; checks every reply that comes.
pub(crate) fn feed(peer: &mut Peer, bytes: &[u8]) -> Result<usize, ConnectionError> {
    let sent = peer.send(bytes);
    let mut replies = 0;
    while let Some(record) = peer.record() {
        check(&record);
        replies += 1;
    }
    sent.map(|()| replies)
}

/// A reply is well-formed to its last byte.
#[track_caller]
pub(crate) fn check(record: &[u8]) {
    let reply = Reply(record.to_vec());
    let Some(accepted) = reply.accepted() else { return };
    assert!(accepted.0 <= 4, "the server did not fail: {accepted:?}");
    if accepted.0 != 0 || record.len() == 24 {
        return;
    }
    let mut res = CompoundRes::decode(Reader::new(reply.body())).expect("the header decodes");
    let mut last = res.status;
    while let Some(result) = res.next_result() {
        let result = result.expect("a result decodes");
        count(result.num, result.status);
        last = result.status;
    }
    assert!(res.results.finish().is_ok(), "nothing is left after the last result");
    assert_eq!(last, res.status);
}

/// Encodes a value, decodes it again, and compares.
macro_rules! again {
    ($value:expr, |$r:ident| $decode:expr) => {{
        let mut w = Writer::default();
        $value.encode(&mut w);
        let mut reader = Reader::new(w.bytes());
        let $r = &mut reader;
        let decoded = $decode.expect("what was encoded decodes");
        assert_eq!(decoded, $value);
        assert!(reader.finish().is_ok(), "nothing is left");
    }};
}

/// What decodes is encoded as something that decodes to the same. The first byte chooses what the
/// rest is.
pub(crate) fn xdr(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let mut r = Reader::new(data);
    match kind % 5 {
        0 => arguments(r),
        1 => results(r),
        2 => {
            let Ok(num) = r.u32() else { return };
            if let Ok(op) = Op::decode(OpNum(num), &mut r) {
                again!(op, |r| OpNum::decode(r).and_then(|num| Op::decode(num, r)));
            }
        }
        3 => {
            let Ok(num) = r.u32() else { return };
            if let Ok(op) = CbOp::decode(CbOpNum(num), &mut r) {
                again!(op, |r| CbOpNum::decode(r).and_then(|num| CbOp::decode(num, r)));
            }
        }
        _ => {
            let Ok(fattr) = Fattr::decode(&mut r) else { return };
            fattr.iter().for_each(drop);
            again!(fattr, |r| Fattr::decode(r));
        }
    }
}

fn arguments(r: Reader<'_>) {
    let Ok(mut args) = CompoundArgs::decode(r) else { return };
    while let Some(Ok(op)) = args.next_op() {
        if matches!(op, Op::Illegal(_)) {
            return;
        }
        again!(op, |r| OpNum::decode(r).and_then(|num| Op::decode(num, r)));
    }
}

fn results(r: Reader<'_>) {
    let Ok(mut res) = CompoundRes::decode(r) else { return };
    while let Some(Ok(result)) = res.next_result() {
        again!(result, |r| OpResult::decode(r));
    }
}

/// A whole stream into a connection of a server that has a client with a session.
pub(crate) fn rpc(data: &[u8]) {
    let server = Server::new();
    let _client = server.client("fuzz");
    let mut peer = server.peer();
    let half = data.len() / 2;
    if feed(&mut peer, &data[..half]).is_ok() {
        let _ = feed(&mut peer, &data[half..]);
    }
    unharmed(&server);
}

/// Operations into a session, several compounds one after the other. Each has four bytes before
/// it: flags, the count of operations, and its length in bytes (two).
pub(crate) fn compound(data: &[u8]) {
    const USER: Cred = Cred { uid: 1000, gid: 1000, groups: Groups::NONE };
    let server = Server::new();
    let mut clients = [1, 2].map(|minor| Client::new(&server.instance, &minor.to_string(), minor));
    let mut rest = data;
    while let Some(([flags, count, high, low], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (operations, tail) = tail.split_at(len);
        rest = tail;
        let client = &mut clients[usize::from(flags & 1)];
        client.cred = credential(if flags & 2 == 0 { &Cred::ROOT } else { &USER });
        let sequence = client.sequence(usize::from(flags >> 4), flags & 4 != 0);
        let record = call(1, client.cred, |w| {
            w.opaque(b"");
            w.u32(client.minor);
            w.u32(u32::from(*count) + 1);
            sequence.encode(w);
            w.raw(operations);
        });
        let peer = &mut client.peer;
        let mut replies = feed(peer, &record).expect("a whole call breaks no connection");
        if let Some(later) = peer.record_in_time() {
            check(&later);
            replies += 1;
        }
        assert_eq!(replies, 1);
    }
    unharmed(&server);
}

fn unharmed(server: &Server) {
    let counters = server.instance.counters();
    assert_eq!((counters.panics, counters.poisoned), (0, 0));
}
