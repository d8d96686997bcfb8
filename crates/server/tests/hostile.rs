//! Peers that send anything at all: every outcome is a well-formed reply or a closed connection,
//! and what the server keeps for them is bounded.

mod support;

use holdfast_proto::nfs4::{Op, OpNum, Status};
use holdfast_proto::rpc::Credential;
use holdfast_proto::xdr::{Encode, Writer};
use support::client::{Client, encode};
use support::fixture::Server;
use support::ops;
use support::peer::{Peer, call};
use support::seeds::{Values, every_operation};
use support::targets::{check, feed};
use support::world::Seeded;

#[track_caller]
fn unharmed(server: &Server) {
    let counters = server.instance.counters();
    assert_eq!((counters.panics, counters.poisoned), (0, 0));
    let mut client = server.client("afterwards");
    assert_eq!(client.status(&[Op::PutRootFh, Op::GetFh]), Status::OK);
}

#[test]
fn random_bytes_do_no_harm() {
    let server = Server::new();
    let mut random = Seeded(11);
    for _ in 0..3000 {
        let mut bytes = vec![0; random.below(3000) + 1];
        random.fill(&mut bytes);
        let _ = feed(&mut server.peer(), &bytes);
    }
    unharmed(&server);
}

#[test]
fn random_records_do_no_harm() {
    let server = Server::new();
    let mut random = Seeded(12);
    let mut peer = server.peer();
    for _ in 0..20_000 {
        let mut body = vec![0; random.below(60) * 4];
        random.fill(&mut body);
        // Small words, so that they mean something.
        for word in body.chunks_exact_mut(4).filter(|word| word[0] < 0xe0) {
            word[..3].fill(0);
            word[3] %= 80;
        }
        let record = call(random.next() as u32, Credential::None, |w| w.raw(&body));
        feed(&mut peer, &record).expect("a whole call breaks no connection");
    }
    unharmed(&server);
}

/// Damages a few bits of the bytes from `from` on.
fn flip(random: &mut Seeded, bytes: &mut [u8], from: usize) {
    for _ in 0..=random.below(4) {
        let at = from + random.below(bytes.len() - from);
        bytes[at] ^= 1 << random.below(8);
    }
}

#[test]
fn damaged_operations_do_no_harm() {
    let server = Server::new();
    let values = Values::new();
    let compounds = values.compounds();
    let mut random = Seeded(13);
    for round in 0..40 {
        let mut client = server.client(&format!("client {round}"));
        for _ in 0..20 {
            for (_, ops) in &compounds {
                let mut record = client.in_session(0, random.below(2) == 0, ops);
                let operations = record.len() - body_bytes(ops);
                flip(&mut random, &mut record, operations);
                let replies = feed(&mut client.peer, &record).expect("the frame is whole");
                assert_eq!(replies, 1);
            }
        }
    }
    unharmed(&server);
}

/// How many bytes of a record these operations take: all but the header and SEQUENCE.
fn body_bytes(ops: &[Op<'_>]) -> usize {
    let mut w = Writer::default();
    ops.iter().for_each(|op| op.encode(&mut w));
    w.len()
}

#[test]
fn damaged_records_do_no_harm() {
    let server = Server::new();
    let values = Values::new();
    let compounds = values.compounds();
    let mut random = Seeded(14);
    let mut client = server.client("a");
    for round in 0..20_000 {
        let (_, ops) = &compounds[round % compounds.len()];
        let mut record = client.in_session(random.below(16), false, ops);
        flip(&mut random, &mut record, 0);
        if feed(&mut client.peer, &record).is_err() || client.peer.connection.is_partial() {
            client.reconnect(&server.instance);
        }
        if round % 100 == 0 {
            client = server.client(&format!("client {round}"));
        }
    }
    unharmed(&server);
}

#[test]
fn records_cut_short_do_no_harm() {
    let server = Server::new();
    let values = Values::new();
    let mut client = server.client("a");
    for (_, ops) in values.compounds() {
        let record = client.in_session(0, false, &ops);
        for end in 0..record.len() {
            let mut peer = server.peer();
            assert_eq!(
                feed(&mut peer, &record[..end]),
                Ok(0),
                "nothing is run before all is there"
            );
            assert_eq!(peer.connection.is_partial(), end > 0);
        }
        client.slots[0] -= 1;
        let len = (record.len() - 4) as u32;
        for shorter in (8..len).step_by(4) {
            let mut cut = record[..4 + shorter as usize].to_vec();
            cut[..4].copy_from_slice(&(0x8000_0000 | shorter).to_be_bytes());
            assert_eq!(feed(&mut server.peer(), &cut), Ok(1));
        }
    }
    unharmed(&server);
}

#[test]
fn a_record_may_come_byte_by_byte_and_in_fragments() {
    let server = Server::new();
    let mut client = server.client("a");
    let ops = [Op::PutRootFh, ops::mkdir(b"d"), Op::GetFh];
    let record = client.in_session(0, true, &ops);
    let mut replies = 0;
    for byte in &record {
        replies += feed(&mut client.peer, std::slice::from_ref(byte)).expect("it is well-formed");
    }
    assert_eq!(replies, 1);
    let fragments = |record: &[u8], size: usize| {
        let mut out = Vec::new();
        let chunks: Vec<_> = record[4..].chunks(size).collect();
        for (at, chunk) in chunks.iter().enumerate() {
            let last = if at + 1 == chunks.len() { 0x8000_0000 } else { 0 };
            out.extend_from_slice(&(last | chunk.len() as u32).to_be_bytes());
            out.extend_from_slice(chunk);
        }
        out
    };
    for size in [1, 3, 7, 64] {
        let again = fragments(&record, size);
        assert_eq!(feed(&mut client.peer, &again), Ok(1), "in fragments of {size} bytes");
    }
}

#[test]
fn marks_that_promise_too_much_or_nothing_end_the_connection() {
    let server = Server::new();
    let mut broken = 0;
    for mark in [0xffff_ffff_u32, 0x7fff_ffff, 0x8020_0000, 0x0020_0000, 0x8000_0000, 0x8000_0007] {
        let mut peer = server.peer();
        let bytes = [&mark.to_be_bytes()[..], &[0; 16]].concat();
        assert!(feed(&mut peer, &bytes).is_err(), "{mark:x}");
        broken += 1;
    }
    let mut peer = server.peer();
    let nothing = [0; 4].repeat(2000);
    assert!(feed(&mut peer, &nothing).is_err(), "fragments of nothing have an end");
    broken += 1;
    assert_eq!(server.instance.counters().connections_broken, broken);
    unharmed(&server);
}

#[test]
fn long_compounds_are_refused_at_their_beginning() {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let many = vec![ops::lookup(b"x"); 10_000];
    let record = client.in_session(0, false, &many);
    assert_eq!(client.exchange(&record).last(), (OpNum::SEQUENCE, Status::TOO_MANY_OPS));
    let reply = client.bare(&many);
    assert_eq!((reply.last(), reply.count()), ((OpNum::LOOKUP, Status::OP_NOT_IN_SESSION), 1));
    let mut with_client = many;
    with_client.insert(0, ops::exchange_id(b"x", 1));
    let reply = client.bare(&with_client);
    assert_eq!(reply.last(), (OpNum::EXCHANGE_ID, Status::NOT_ONLY_OP));
    assert_eq!(probe.calls("lookup"), 0);
}

#[test]
fn announced_operations_that_do_not_come_are_not_waited_for() {
    let server = Server::new();
    let mut client = server.client("a");
    for count in [2, 100, 0x7fff_ffff, u32::MAX] {
        let record = call(3, client.cred, |w| {
            w.opaque(b"");
            w.u32(2);
            w.u32(count);
            client.sequence_again(0, false).encode(w);
        });
        check(&client.exchange(&record).0);
    }
    unharmed(&server);
}

#[test]
fn giant_counts_within_arguments_do_no_harm() {
    let server = Server::new();
    for op in every_operation() {
        let mut encoded = Writer::default();
        op.encode(&mut encoded);
        let encoded = encoded.into_inner();
        let mut client = server.client(&format!("client {}", op.num().0));
        for at in (4..encoded.len().min(200)).step_by(4) {
            for value in [u32::MAX, 0x7fff_ffff, 0x0100_0000, 0x0001_0000, 1024, 255] {
                let mut damaged = encoded.clone();
                damaged[at..at + 4].copy_from_slice(&value.to_be_bytes());
                damaged.resize(damaged.len() + 64, 0xff);
                send_raw(&mut client, &damaged);
            }
        }
    }
    unharmed(&server);
}

/// Sends SEQUENCE, PUTROOTFH, and one operation as these bytes.
fn send_raw(client: &mut Client, op: &[u8]) {
    let first = [client.sequence(0, false), Op::PutRootFh];
    let record = call(3, client.cred, |w| {
        let mut args = Writer::default();
        encode(&mut args, 2, &first);
        args.patch_u32(4 + 4 + 4, 3);
        w.raw(args.bytes());
        w.raw(op);
    });
    assert_eq!(feed(&mut client.peer, &record), Ok(1));
}

#[test]
fn replies_that_nobody_takes_are_bounded() {
    const UNSENT_MAX: usize = 4 << 20;
    const REPLY_MAX: usize = (1 << 20) + 8192;
    let server = Server::new();
    let mut client = server.client("a");
    let (fh, stateid) = client.make_file(b"file");
    let data = vec![7; 1 << 20];
    assert_eq!(client.status(&[ops::put(&fh), ops::write(stateid, 0, &data)]), Status::OK);
    let read = [ops::put(&fh), ops::read(stateid, 0, 1 << 20)];
    let records: Vec<u8> = (0..200).flat_map(|_| client.in_session(0, false, &read)).collect();
    let Peer { connection, buffers, .. } = &mut client.peer;
    let space = connection.space(buffers).expect("there is a buffer");
    assert!(records.len() <= space.len(), "one buffer holds them all");
    space[..records.len()].copy_from_slice(&records);
    connection.received(records.len(), buffers).expect("they are well-formed");
    assert!(!connection.wants_input());
    let pending = connection.transmit().pending();
    assert!(pending < UNSENT_MAX + REPLY_MAX, "{pending} bytes wait to be sent");

    let mut sent = 0;
    while connection.transmit().pending() > 0 {
        let n = connection.transmit().pending();
        connection.transmit().sent(n);
        sent += n;
        connection.run_received(buffers).expect("they are well-formed");
    }
    assert!(sent > 200 << 20, "all of them are answered: {sent}");
}

#[test]
fn clients_that_never_confirm_are_forgotten() {
    let server = Server::new();
    let mut client = Client::unknown(&server.instance, 2);
    for number in 0..5000_u32 {
        let owner = number.to_be_bytes();
        assert_eq!(client.bare(&[ops::exchange_id(&owner, 1)]).status(), Status::OK);
    }
    unharmed(&server);
}

#[test]
fn sessions_and_connections_of_one_client_are_bounded() {
    let server = Server::new();
    let mut client = server.client("a");
    let mut made = 1;
    let refused = loop {
        match client.create_session(made + 1, support::client::FORE) {
            Ok(_) => made += 1,
            Err(status) => break status,
        }
        assert!(made < 1000);
    };
    assert_eq!(refused, Status::NOSPC);
    assert_eq!(client.status(&[Op::PutRootFh]), Status::OK);
}
