//! Memory for slots: what sessions keep is bounded for all of them together, and given back.

mod support;

use holdfast_engine::limits;
use holdfast_proto::nfs4::{ChannelAttrs, Op, OpBody, OpNum, SequenceOk, Stateid, Status};
use support::client::{Client, FORE};
use support::fixture::Server;
use support::ops;

const KEPT: usize = 8000;

/// A client with as many slots as it may have, and the file that it reads.
fn client(server: &Server, owner: &str, fh: &[u8]) -> (Client, Vec<Op<'static>>) {
    let terms = ChannelAttrs { maxrequests: limits::SLOTS, ..FORE };
    let client = Client::with_terms(&server.instance, owner, 2, terms);
    let fh: &'static [u8] = Vec::leak(fh.to_vec());
    let read = ops::read(Stateid::READ_BYPASS, 0, KEPT as u32);
    (client, vec![ops::put(fh), read])
}

fn sequence(client: &mut Client, slot: usize, ops: &[Op<'_>]) -> Result<SequenceOk, Status> {
    let record = client.in_session(slot, true, ops);
    let reply = client.exchange(&record);
    match reply.last() {
        (OpNum::SEQUENCE, Status::DELAY) => {
            client.slots[slot] -= 1;
            Err(Status::DELAY)
        }
        (_, status) => {
            assert_eq!(status, Status::OK);
            let OpBody::Sequence(ok) = reply.op(0) else { panic!("it is SEQUENCE") };
            Ok(ok)
        }
    }
}

/// Fills all slots of new clients with kept replies, until a client gets `slots` and no more.
fn fill(server: &Server, fh: &[u8], clients: &mut Vec<Client>, slots: u32) {
    loop {
        let (mut client, read) = client(server, &format!("client {}", clients.len()), fh);
        let has = client.terms.maxrequests;
        for slot in 0..client.slots.len() {
            let _ = sequence(&mut client, slot, &read);
        }
        clients.push(client);
        assert!(has >= slots, "memory does not get scarcer than that");
        if has == slots {
            return;
        }
    }
}

#[test]
fn when_memory_is_scarce_slots_are_asked_back_and_when_it_is_full_one_is_left() {
    let server = Server::new();
    let mut writer = server.client("writer");
    let (fh, stateid) = writer.make_file(b"file");
    let data = vec![7; KEPT];
    assert_eq!(writer.status(&[ops::put(&fh), ops::write(stateid, 0, &data)]), Status::OK);
    let mut clients = Vec::new();
    let (mut first, read) = client(&server, "first", &fh);
    for slot in 0..first.slots.len() {
        let ok = sequence(&mut first, slot, &read).expect("there is memory");
        assert_eq!((ok.highest_slotid, ok.target_highest_slotid), (127, 127));
    }
    fill(&server, &fh, &mut clients, limits::SLOTS_WHEN_SCARCE);

    server.world.advance(std::time::Duration::from_secs(5));
    let told = sequence(&mut first, 0, &read).expect("slot 0 goes on");
    assert_eq!((told.highest_slotid, told.target_highest_slotid), (127, 63));
    first.slots.truncate(64);
    let follows = sequence(&mut first, 0, &read).expect("slot 0 goes on");
    assert_eq!((follows.highest_slotid, follows.target_highest_slotid), (63, 63));

    fill(&server, &fh, &mut clients, 1);
    assert_eq!(sequence(&mut first, 1, &read), Err(Status::DELAY), "nothing more is kept");
    let uncached = first.in_session(1, false, &read);
    assert_eq!(first.exchange(&uncached).status(), Status::OK);
    sequence(&mut first, 0, &read).expect("the first slot is never stuck");

    for mut gone in clients {
        let destroy = [ops::destroy_session(gone.session)];
        assert_eq!(gone.bare(&destroy).status(), Status::OK);
    }
    server.world.advance(std::time::Duration::from_secs(5));
    let free = sequence(&mut first, 63, &read).expect("there is memory again");
    assert!(free.highest_slotid > 63, "a table that is used to its end grows again");
}
