//! Counts heap allocations: the common requests of a warm connection make none.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use holdfast_proto::nfs4::{Bitmap, Op, OpBody, Stateid, Status, attr};
use support::client::{Client, Reply};
use support::fixture::Server;
use support::ops;

/// The system's allocator, counting what this thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends allocates after its counter is gone: that is nobody's test.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came; counting touches a `Cell` only.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs a record through the server with nothing around it; answers the allocations of that.
fn counted(client: &mut Client, record: &[u8], reply: &mut [u8]) -> (u64, usize) {
    let peer = &mut client.peer;
    let before = COUNT.get();
    let space = peer.connection.space(&mut peer.buffers).expect("there is a buffer");
    space[..record.len()].copy_from_slice(record);
    let received = peer.connection.received(record.len(), &mut peer.buffers);
    let transmit = peer.connection.transmit();
    let mut bytes = 0;
    for slice in transmit.slices() {
        reply[bytes..bytes + slice.len()].copy_from_slice(slice);
        bytes += slice.len();
    }
    transmit.sent(bytes);
    let allocations = COUNT.get() - before;
    received.expect("the connection lives");
    (allocations, bytes)
}

/// The allocations of each of a hundred requests after the first few.
fn warm(client: &mut Client, ops: &[Op<'_>]) -> u64 {
    warm_kept(client, ops, false)
}

fn warm_kept(client: &mut Client, ops: &[Op<'_>], cachethis: bool) -> u64 {
    let mut reply = vec![0; 64 * 1024];
    let mut worst = 0;
    for round in 0..110 {
        let record = client.in_session(0, cachethis, ops);
        let (allocations, bytes) = counted(client, &record, &mut reply);
        let (status, results) = (Reply(reply[4..bytes].to_vec()), ops.len() + 1);
        assert_eq!((status.status(), status.count()), (Status::OK, results));
        if round >= 10 {
            worst = worst.max(allocations);
        }
    }
    worst
}

/// What Linux asks for when it looks at a file again.
const USUAL: Bitmap = Bitmap::of(&[
    attr::TYPE,
    attr::CHANGE,
    attr::SIZE,
    attr::FSID,
    attr::FILEID,
    attr::MODE,
    attr::NUMLINKS,
    attr::OWNER,
    attr::OWNER_GROUP,
    attr::RAWDEV,
    attr::SPACE_USED,
    attr::TIME_ACCESS,
    attr::TIME_METADATA,
    attr::TIME_MODIFY,
    attr::MOUNTED_ON_FILEID,
]);

fn with_file() -> (Server, Client, Vec<u8>, Stateid) {
    let server = Server::new();
    let mut client = server.client("a");
    let (fh, stateid) = client.make_file(b"file");
    let data = [7; 8192];
    assert_eq!(client.status(&[ops::put(&fh), ops::write(stateid, 0, &data)]), Status::OK);
    (server, client, fh, stateid)
}

#[test]
fn the_allocator_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(COUNT.get() - before, 1);
}

#[test]
fn getattr_allocates_nothing() {
    let (_server, mut client, fh, _) = with_file();
    assert_eq!(warm(&mut client, &[ops::put(&fh), ops::getattr(&USUAL)]), 0);
}

#[test]
fn getattr_with_a_kept_reply_allocates_nothing() {
    let (_server, mut client, fh, _) = with_file();
    assert_eq!(warm_kept(&mut client, &[ops::put(&fh), ops::getattr(&USUAL)], true), 0);
}

#[test]
fn lookup_allocates_nothing() {
    let (_server, mut client, ..) = with_file();
    let ops = [Op::PutRootFh, ops::lookup(b"file"), Op::GetFh, ops::getattr(&USUAL)];
    assert_eq!(warm(&mut client, &ops), 0);
}

#[test]
fn access_allocates_nothing() {
    let (_server, mut client, fh, _) = with_file();
    let access = holdfast_proto::nfs4::AccessArgs { access: holdfast_proto::nfs4::Access(0x3f) };
    assert_eq!(warm(&mut client, &[ops::put(&fh), Op::Access(access), ops::getattr(&USUAL)]), 0);
}

#[test]
fn a_read_of_4_kib_allocates_nothing() {
    let (_server, mut client, fh, stateid) = with_file();
    let read = ops::read(stateid, 0, 4096);
    let reply = client.run(&[ops::put(&fh), read.clone()]);
    let OpBody::Read(ok) = reply.last_ok() else { panic!("it was read") };
    assert_eq!(ok.data, [7; 4096]);
    assert_eq!(warm(&mut client, &[ops::put(&fh), read]), 0);
}

#[test]
fn a_write_of_4_kib_allocates_nothing() {
    let (_server, mut client, fh, stateid) = with_file();
    let data = [9; 4096];
    assert_eq!(warm(&mut client, &[ops::put(&fh), ops::write(stateid, 0, &data)]), 0);
}
