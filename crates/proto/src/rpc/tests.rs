//! The conversation as a peer sees it: chopped, hostile, duplex.

use alloc::vec;
use alloc::vec::Vec;
use std::string::ToString;

use super::buffers::SLAB_BYTES;
use super::{Connection as ConnectionOf, Transmit as TransmitOf, *};
use crate::xdr::{Reader, Writer};

type Connection = ConnectionOf;
type Transmit = TransmitOf;

const RECORD_MAX: usize = 1 << 20;

fn pool() -> Buffers {
    Buffers::new(RECORD_MAX + 4, 2)
}

fn feed(connection: &mut Connection, pool: &mut Buffers, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = connection.space(pool).expect("room");
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        connection.received(n);
        bytes = &bytes[n..];
        if n == 0 {
            return;
        }
    }
}

fn call_bytes(xid: u32, cred: Credential, args: &[u8]) -> Vec<u8> {
    let mut w = Writer::new(Vec::new());
    let header = CallHeader { xid, prog: 100_003, vers: 4, proc: 1, cred };
    write_call_header(&mut w, &header, b"test");
    w.raw(args);
    finish_record(&mut w, 0);
    w.into_inner()
}

fn sys() -> Credential {
    Credential::Sys(AuthSys::new(1000, 100, &[4, 24]).unwrap())
}

fn next_call(connection: &mut Connection, pool: &mut Buffers) -> Option<Call> {
    match connection.poll_message(pool).expect("a sound stream") {
        Some(Message::Call(call)) => Some(call),
        Some(Message::Reply { .. }) => panic!("not a call"),
        None => None,
    }
}

fn sent(connection: &mut Connection) -> Vec<u8> {
    let bytes: Vec<u8> = connection.transmit().slices().flatten().copied().collect();
    connection.transmit().sent(bytes.len());
    bytes
}

#[test]
fn a_call_arrives_whole_however_it_is_cut() {
    let bytes = call_bytes(7, sys(), b"argument");
    for cut in 1..bytes.len() {
        let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
        feed(&mut c, &mut pool, &bytes[..cut]);
        assert!(next_call(&mut c, &mut pool).is_none());
        assert!(c.is_partial());
        feed(&mut c, &mut pool, &bytes[cut..]);
        let call = next_call(&mut c, &mut pool).unwrap();
        assert_eq!((call.header.xid, call.header.cred), (7, sys()));
        assert_eq!(call.args(), b"argument");
        assert!(!c.is_partial());
    }
}

#[test]
fn many_calls_in_one_buffer_keep_their_bytes() {
    let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
    let mut stream = Vec::new();
    for xid in 0..3000u32 {
        stream.extend(call_bytes(xid, sys(), &xid.to_be_bytes()));
    }
    let mut held = Vec::new();
    for piece in stream.chunks(10_007) {
        feed(&mut c, &mut pool, piece);
        held.extend(core::iter::from_fn(|| next_call(&mut c, &mut pool)));
    }
    assert_eq!(held.len(), 3000);
    assert!(held.iter().all(|call| call.args() == call.header.xid.to_be_bytes()));
}

#[test]
fn fragments_are_joined() {
    let whole = call_bytes(9, Credential::None, &[5; 100]);
    let mut stream = Vec::new();
    for piece in whole[4..].chunks(16) {
        stream.extend((piece.len() as u32).to_be_bytes());
        stream.extend(piece);
    }
    stream.extend(0x8000_0000u32.to_be_bytes());
    let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
    feed(&mut c, &mut pool, &stream);
    assert_eq!(next_call(&mut c, &mut pool).unwrap().args(), [5; 100]);
}

#[test]
fn endless_fragments_end_the_connection() {
    let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
    feed(&mut c, &mut pool, &[0; 4 * 2000]);
    assert_eq!(c.poll_message(&mut pool).unwrap_err(), RecordError::TooManyFragments);
}

#[test]
fn a_large_record_is_taken_and_a_giant_mark_refused_before_memory_is() {
    let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
    let data = vec![3; RECORD_MAX - 200];
    let bytes = call_bytes(1, sys(), &data);
    for _ in 0..5 {
        feed(&mut c, &mut pool, &bytes);
        assert_eq!(next_call(&mut c, &mut pool).unwrap().args(), data);
    }
    assert_eq!(pool.large_count(), 1, "the buffer is used again");
    for mark in [0x7fff_ffffu32, 0xffff_ffff, 0x8000_0000 | (RECORD_MAX as u32 + 1)] {
        let mut c = Connection::new(RECORD_MAX);
        feed(&mut c, &mut pool, &mark.to_be_bytes());
        let refused = c.poll_message(&mut pool).unwrap_err();
        assert_eq!(refused.to_string(), "a record exceeds 1048576 bytes");
    }
    assert_eq!(pool.large_count(), 1);
}

#[test]
fn large_buffers_are_bounded_and_a_waiting_connection_goes_on() {
    let mut pool = pool();
    let mut connections: Vec<_> = (0..3).map(|_| Connection::new(RECORD_MAX)).collect();
    let bytes = call_bytes(1, sys(), &vec![3; 200_000]);
    for c in &mut connections {
        feed(c, &mut pool, &bytes[..4]);
        assert!(next_call(c, &mut pool).is_none());
    }
    assert!(connections[0].space(&mut pool).is_some());
    assert!(connections[1].space(&mut pool).is_some());
    assert!(connections[2].space(&mut pool).is_none());
    drop(connections.remove(0));
    assert!(connections[1].space(&mut pool).is_some());
}

/// A record of `bytes` in fragments of so many bytes.
fn in_fragments(record: &[u8], fragment: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut pieces = record[4..].chunks(fragment).peekable();
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { 0x8000_0000 } else { 0 };
        stream.extend((piece.len() as u32 | last).to_be_bytes());
        stream.extend(piece);
    }
    stream
}

#[test]
fn fragments_of_any_size_are_joined_wherever_they_are_cut() {
    let data: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
    for (len, fragment) in [(10, 1), (50, 7), (300_000, 1000), (300_000, 70_000), (65_500, 65_000)]
    {
        let whole = call_bytes(9, sys(), &data[..len]);
        let stream = in_fragments(&whole, fragment);
        let second = call_bytes(10, sys(), b"next");
        for piece in [1, 3, 1400, 65_536, 1 << 20] {
            if stream.len() / piece > 10_000 {
                continue;
            }
            let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
            let mut calls = Vec::new();
            for bytes in [&stream[..], &second[..]].concat().chunks(piece) {
                let mut at = 0;
                while at < bytes.len() {
                    let room = c.space(&mut pool).expect("room");
                    let n = room.len().min(bytes.len() - at);
                    room[..n].copy_from_slice(&bytes[at..at + n]);
                    c.received(n);
                    at += n;
                    calls.extend(core::iter::from_fn(|| next_call(&mut c, &mut pool)));
                }
            }
            assert_eq!(calls.len(), 2, "{len} in {fragment}, cut in {piece}");
            assert!(calls[0].args() == &data[..len] && calls[1].args() == b"next");
            assert!(!c.is_partial());
        }
    }
}

/// Feeds as much as there is room for.
fn feed_some(c: &mut Connection, pool: &mut Buffers, bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len()
        && let Some(room) = c.space(pool)
    {
        let n = room.len().min(bytes.len() - at);
        room[..n].copy_from_slice(&bytes[at..at + n]);
        c.received(n);
        at += n;
        assert!(next_call(c, pool).is_none());
    }
    at
}

#[test]
fn small_fragments_take_large_buffers_of_the_bounded_number() {
    let mut pool = pool();
    let stream = in_fragments(&call_bytes(1, sys(), &vec![3; 200_000]), 1000);
    let most = stream.len() - 1;
    let mut connections: Vec<_> = (0..3).map(|_| Connection::new(RECORD_MAX)).collect();
    let fed: Vec<_> =
        connections.iter_mut().map(|c| feed_some(c, &mut pool, &stream[..most])).collect();
    assert_eq!((fed[0], fed[1], pool.large_count()), (most, most, 2));
    assert!(fed[2] < 2 * SLAB_BYTES + 1000, "it waits with what fits in its own buffers");
    assert!(next_call(&mut connections[2], &mut pool).is_none());
    assert!(connections[2].space(&mut pool).is_none(), "there is still none");

    feed(&mut connections[0], &mut pool, &stream[most..]);
    let call = next_call(&mut connections[0], &mut pool).expect("it is whole");
    assert_eq!(call.args(), vec![3; 200_000]);
    assert!(next_call(&mut connections[2], &mut pool).is_none());
    assert!(connections[2].space(&mut pool).is_none(), "the record is in use");
    drop(call);
    assert!(next_call(&mut connections[2], &mut pool).is_none(), "it goes on");
    let rest = fed[2] + feed_some(&mut connections[2], &mut pool, &stream[fed[2]..most]);
    assert_eq!(rest, most);
    feed(&mut connections[2], &mut pool, &stream[most..]);
    assert!(next_call(&mut connections[2], &mut pool).is_some());
    drop(connections);
    assert_eq!(pool.large_count(), 1, "what a connection was filling goes with it");
}

/// A small fragment, then a large one: they need one buffer, not two.
#[test]
fn a_record_in_fragments_never_waits_for_itself() {
    let mut pool = Buffers::new(RECORD_MAX + 4, 1);
    let mut c = Connection::new(RECORD_MAX);
    let whole = call_bytes(1, sys(), &vec![3; 900_000]);
    for fragment in [100_000, 500_000, 899_000] {
        let stream = in_fragments(&whole, fragment);
        let last = stream.len() - 1;
        assert_eq!(feed_some(&mut c, &mut pool, &stream[..last]), last);
        feed(&mut c, &mut pool, &stream[last..]);
        assert_eq!(next_call(&mut c, &mut pool).expect("it is whole").args().len(), 900_000);
    }
    assert_eq!(pool.large_count(), 1);
}

#[test]
fn refusals_follow_the_rfc() {
    let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
    let mut other_version = call_bytes(1, sys(), b"");
    other_version[12..16].copy_from_slice(&3u32.to_be_bytes());
    let with_flavor = |flavor: u32| {
        let mut bytes = call_bytes(1, Credential::None, b"");
        bytes[28..32].copy_from_slice(&flavor.to_be_bytes());
        bytes
    };
    let cases: [(Vec<u8>, &[u32]); 5] = [
        (other_version, &[1, 1, 1, 0, 2, 2]),
        (with_flavor(Flavor::TLS.0), &[1, 1, 1, 1, AuthStat::BADCRED.0]),
        (with_flavor(Flavor::GSS.0), &[1, 1, 1, 1, AuthStat::BADCRED.0]),
        (with_flavor(Flavor::SHORT.0), &[1, 1, 1, 1, AuthStat::REJECTEDCRED.0]),
        (vec![0x80, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2], &[1, 1, 0, 0, 0, 4]),
    ];
    for (bytes, words) in cases {
        feed(&mut c, &mut pool, &bytes);
        assert!(next_call(&mut c, &mut pool).is_none());
        let reply = sent(&mut c);
        let mut r = Reader::new(&reply[4..]);
        assert!(words.iter().all(|word| r.u32() == Ok(*word)), "{words:?} {reply:?}");
        assert_eq!(r.remaining(), 0);
    }
    assert_eq!(c.refusals(), Refusals { version: 1, auth: 3, garbage: 1, unknown_xid: 0 });
}

#[test]
fn a_malformed_auth_sys_body_is_a_bad_credential() {
    let good = call_bytes(1, sys(), b"");
    for len in 0..40u32 {
        let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
        let mut bytes = good.clone();
        bytes[32..36].copy_from_slice(&len.to_be_bytes());
        feed(&mut c, &mut pool, &bytes);
        let _either = next_call(&mut c, &mut pool);
    }
    let mut too_many = good;
    let gids_at = too_many.len() - 8 - 8 - 4;
    too_many[gids_at..gids_at + 4].copy_from_slice(&17u32.to_be_bytes());
    let (mut c, mut pool) = (Connection::new(RECORD_MAX), pool());
    feed(&mut c, &mut pool, &too_many);
    assert!(next_call(&mut c, &mut pool).is_none());
    assert_eq!(c.refusals().auth, 1);
}

#[test]
fn both_ends_call_on_one_connection() {
    let (mut server, mut client) = (Connection::new(RECORD_MAX), Connection::new(RECORD_MAX));
    let (mut pool_s, mut pool_c) = (pool(), pool());
    let header = CallHeader { xid: 0, prog: 1, vers: 1, proc: 0, cred: Credential::None };
    let xid = server.call(header, |w| w.u32(42)).unwrap();
    feed(&mut client, &mut pool_c, &sent(&mut server));
    let call = next_call(&mut client, &mut pool_c).unwrap();
    assert_eq!(call.args(), 42u32.to_be_bytes());

    let mut w = Writer::new(Vec::new());
    start_accepted(&mut w, call.header.xid, AcceptStat::SUCCESS);
    w.u32(43);
    finish_record(&mut w, 0);
    client.reply(w.into_inner());
    let mut answer = sent(&mut client);
    let again = answer.clone();
    answer.extend(call_bytes(5, sys(), b"mixed in"));
    feed(&mut server, &mut pool_s, &answer);
    let Ok(Some(Message::Reply { xid: got, header, record, results })) =
        server.poll_message(&mut pool_s)
    else {
        panic!("a reply")
    };
    assert_eq!((got, header), (xid, Some(ReplyHeader::Accepted(AcceptStat::SUCCESS))));
    assert_eq!(record.bytes()[results..], 43u32.to_be_bytes());
    assert_eq!(next_call(&mut server, &mut pool_s).unwrap().args(), b"mixed in");

    feed(&mut server, &mut pool_s, &again);
    assert!(next_call(&mut server, &mut pool_s).is_none());
    assert_eq!(server.refusals().unknown_xid, 1);
}

#[test]
fn calls_of_our_own_are_bounded() {
    let mut c = Connection::new(RECORD_MAX);
    let header = CallHeader { xid: 0, prog: 1, vers: 1, proc: 0, cred: Credential::None };
    let made = (0..1000).take_while(|_| c.call(header, |_| ()).is_ok()).count();
    assert_eq!(made, 128);
    c.forget(1);
    assert!(c.call(header, |_| ()).is_ok());
}

#[test]
fn partial_sends_lose_and_repeat_nothing() {
    let mut t = Transmit::new();
    let mut expected = Vec::new();
    for (at, len) in [10usize, 40_000, 3, 20_000, 17_000, 5].into_iter().enumerate() {
        let message = vec![at as u8; len];
        expected.extend_from_slice(&message);
        t.push(message);
    }
    let mut got = Vec::new();
    while t.pending() > 0 {
        let step: Vec<u8> = t.slices().flatten().copied().take(7001).collect();
        t.sent(step.len());
        got.extend(step);
    }
    assert!(got == expected);
    assert_eq!(t.slices().count(), 0);
}

#[test]
fn a_reply_from_two_places_is_one_record_between_its_neighbours() {
    /// Data that is elsewhere, for the test: how many bytes of which value.
    struct Elsewhere(u8);

    let mut c = ConnectionOf::<Elsewhere>::new(RECORD_MAX);
    c.reply_copy(b"before--");
    let mut w = Writer::new(Vec::new());
    start_accepted(&mut w, 7, AcceptStat::SUCCESS);
    finish_record_with(&mut w, 0, 50_001);
    let head = w.bytes().to_vec();
    c.reply_with(w.into_inner(), Elsewhere(9), 50_001);
    c.reply_copy(b"after---");
    let expected = [b"before--", &head[..], &[9; 50_001], &[0; 3], b"after---"].concat();
    assert_eq!(c.pending(), expected.len());
    let mark = u32::from_be_bytes(head[..4].try_into().unwrap());
    assert_eq!(mark, 0x8000_0000 | (head.len() - 4 + 50_001 + 3) as u32);
    let (mut got, t) = (Vec::new(), c.transmit());
    while t.pending() > 0 {
        let step: Vec<u8> = match t.elsewhere() {
            Some((data, left)) => vec![data.0; left.min(7001)],
            None => t.slices().flatten().copied().take(11).collect(),
        };
        t.sent(step.len());
        got.extend(step);
    }
    assert!(got == expected);
    assert!(t.elsewhere().is_none());
}
