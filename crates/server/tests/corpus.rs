//! Replays what the fuzzer begins with and what it found: every file below `fuzz/corpus`.
//!
//! `HOLDFAST_WRITE_CORPUS=1 cargo test -p holdfast-server --test corpus` writes the seeds anew.
// The corpus is files: nothing of the server touches them.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_proto::nfs4::{CompoundRes, Op, OpNum, ReclaimCompleteArgs, Status, begin_result};
use holdfast_proto::rpc::Credential;
use holdfast_proto::xdr::{Encode, Writer};
use support::client::encode;
use support::fixture::Server;
use support::ops;
use support::peer::call;
use support::seeds::{Values, every_operation};
use support::targets::{TARGETS, compound, reached};

/// What these inputs only have refused: what is not offered, does not stand in a compound with
/// others, or names what nobody can guess.
const NEVER_DONE: [OpNum; 26] = [
    OpNum::DELEGPURGE,
    OpNum::DELEGRETURN,
    OpNum::OPENATTR,
    OpNum::OPEN_CONFIRM,
    OpNum::RENEW,
    OpNum::SETCLIENTID,
    OpNum::SETCLIENTID_CONFIRM,
    OpNum::RELEASE_LOCKOWNER,
    OpNum::BACKCHANNEL_CTL,
    OpNum::BIND_CONN_TO_SESSION,
    OpNum::CREATE_SESSION,
    OpNum::DESTROY_SESSION,
    OpNum::GETDEVICEINFO,
    OpNum::GETDEVICELIST,
    OpNum::LAYOUTCOMMIT,
    OpNum::LAYOUTGET,
    OpNum::LAYOUTRETURN,
    OpNum::SET_SSV,
    OpNum::WANT_DELEGATION,
    OpNum::DESTROY_CLIENTID,
    OpNum::COPY_NOTIFY,
    OpNum::LAYOUTERROR,
    OpNum::LAYOUTSTATS,
    OpNum::OFFLOAD_CANCEL,
    OpNum::OFFLOAD_STATUS,
    OpNum::WRITE_SAME,
];

const SEED_BYTES_MAX: usize = 4096;
const CORPUS_BYTES_MAX: usize = 300 * 1024;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

fn bytes(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::default();
    write(&mut w);
    w.into_inner()
}

/// The first byte chooses the decoder.
fn kind(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind], rest].concat()
}

fn xdr_seeds(values: &Values) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, ops) in values.compounds() {
        seeds.push((format!("args-{name}"), kind(0, &bytes(|w| encode(w, 2, &ops)))));
    }
    for op in every_operation() {
        let name = format!("op-{}", op.num().0);
        seeds.push((name, kind(2, &bytes(|w| op.encode(w)))));
        let result = bytes(|w| {
            let header = CompoundRes::begin(w, b"tag");
            begin_result(w, op.num());
            header.finish(w, Status::OK, 1);
            w.raw(&[0; 64]);
        });
        seeds.push((format!("result-{}", op.num().0), kind(1, &result)));
    }
    for number in 3..16_u32 {
        let call = bytes(|w| {
            w.u32(number);
            w.raw(&[0; 128]);
        });
        seeds.push((format!("callback-{number}"), kind(3, &call)));
    }
    seeds
}

/// What a server really answers, as results to decode.
fn answers(values: &Values) -> Vec<(String, Vec<u8>)> {
    let server = Server::new();
    let mut client = server.client("seeds");
    let answer = |(name, ops): (&str, Vec<Op<'_>>)| {
        (format!("answer-{name}"), kind(1, client.run(&ops).body()))
    };
    values.compounds().into_iter().map(answer).collect()
}

fn rpc_seeds(values: &Values) -> Vec<(String, Vec<u8>)> {
    let server = Server::new();
    let mut client = server.client("fuzz");
    let mut seeds: Vec<_> = values
        .compounds()
        .into_iter()
        .map(|(name, ops)| (name.to_owned(), client.in_session(0, false, &ops)))
        .collect();
    let all: Vec<u8> = seeds.iter().take(4).flat_map(|seed| seed.1.clone()).collect();
    seeds.push(("several".into(), all));
    let nothing = call(1, Credential::None, |w| encode(w, 2, &[]));
    let mut fragments = [&[0, 0, 0, 8], &nothing[4..12]].concat();
    fragments.extend_from_slice(&(0x8000_0000 | (nothing.len() - 12) as u32).to_be_bytes());
    fragments.extend_from_slice(&nothing[12..]);
    seeds.push(("fragments".into(), fragments));
    seeds
}

fn compound_seeds(values: &Values) -> Vec<(String, Vec<u8>)> {
    let chunk = |flags: u8, ops: &[Op<'_>]| {
        let body = bytes(|w| ops.iter().for_each(|op| op.encode(w)));
        let [high, low] = (body.len() as u16).to_be_bytes();
        [&[flags, ops.len() as u8, high, low], &body[..]].concat()
    };
    let mut story = Vec::new();
    let mut seeds = Vec::new();
    for (name, ops) in values.compounds() {
        story.extend(chunk(1, &ops));
        seeds.push((name.to_owned(), [chunk(1, &ops), chunk(6, &ops)].concat()));
    }
    for op in every_operation() {
        let name = format!("op-{}", op.num().0);
        seeds.push((name, chunk(1, &[Op::PutRootFh, Op::SaveFh, op])));
    }
    let again = Op::ReclaimComplete(ReclaimCompleteArgs { one_fs: true });
    let root = Server::new().client("1").find(&[]);
    seeds.push(("put".into(), chunk(1, &[ops::put(&root), Op::GetFh, again])));
    seeds.push(("story".into(), story));
    seeds
}

fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let values = Values::new();
    let of = |target, seeds: Vec<(String, Vec<u8>)>| {
        seeds.into_iter().map(move |(name, bytes)| (target, name, bytes))
    };
    let xdr = of("xdr", xdr_seeds(&values)).chain(of("xdr", answers(&values)));
    xdr.chain(of("rpc", rpc_seeds(&values)))
        .chain(of("compound", compound_seeds(&values)))
        .collect()
}

#[test]
fn the_seeds_are_what_is_encoded_today() {
    let write = std::env::var_os("HOLDFAST_WRITE_CORPUS").is_some();
    for (target, name, bytes) in seeds() {
        assert!(bytes.len() <= SEED_BYTES_MAX, "{target}/{name} has {} bytes", bytes.len());
        let path = folder(target).join(&name);
        if write {
            fs::create_dir_all(folder(target)).expect("a folder for it");
            fs::write(&path, &bytes).expect("a file for it");
        }
        let found = fs::read(&path).unwrap_or_default();
        assert_eq!(found, bytes, "{target}/{name} is not as encoded: write the corpus anew");
    }
}

/// Runs all files of a folder; answers how many bytes they have.
fn replay(folder: &Path, run: fn(&[u8])) -> usize {
    let files = fs::read_dir(folder).expect("the folder is there");
    let run_one = |file: std::io::Result<fs::DirEntry>| {
        let path = file.expect("the folder can be listed").path();
        let data = fs::read(&path).expect("the file can be read");
        run(&data);
        data.len()
    };
    files.map(run_one).sum()
}

/// With `HOLDFAST_FOUND=FOLDER`, what a fuzzer found for `compound` as well.
#[test]
#[allow(clippy::print_stdout, reason = "who runs the fuzzer reads it")]
fn nothing_in_the_corpus_does_harm_and_every_operation_is_reached() {
    let total: usize = TARGETS.iter().map(|(target, run)| replay(&folder(target), *run)).sum();
    assert!(total <= CORPUS_BYTES_MAX, "the corpus has {total} bytes");
    if let Some(found) = std::env::var_os("HOLDFAST_FOUND") {
        replay(Path::new(&found), compound);
    }
    let reached = reached();
    for op in every_operation() {
        let [ok, refused] = reached.get(&op.num().0).copied().unwrap_or_default();
        println!("{:?}: {ok} done, {refused} refused", op.num());
        assert!(ok + refused > 0, "{:?} is not reached", op.num());
        let may_be_done = !NEVER_DONE.contains(&op.num());
        assert!(ok > 0 || !may_be_done, "{:?} is never done", op.num());
    }
}
