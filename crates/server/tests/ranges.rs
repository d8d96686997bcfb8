//! The operations of NFSv4.2 on ranges of files: what is refused, and what the answer says. What
//! they do is in the suite for file systems.

mod support;

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::nfs4::{
    AllocateArgs, AttrValue, Bitmap, CloneArgs, CopyArgs, CopyOk, DataContent, DeallocateArgs,
    Fattr, IoAdviseArgs, NetLoc, OffloadCancelArgs, OffloadStatusArgs, Op, OpBody, ReadPlusArgs,
    ReadPlusContent, ReadPlusData, SeekArgs, SeekOk, StableHow, Stateid, Status, VerifyArgs, attr,
};
use holdfast_server::{Export, Squash};
use holdfast_vfs::Cred;
use support::client::Client;
use support::fixture::{Server, memfs_of};
use support::ops::{self, Attrs};
use support::probe_fs::{Mood, Probe};
use support::world::TestWorld;

const USER: Cred = Cred { uid: 1001, ..Cred::ROOT };
const MIB: u64 = 1 << 20;
const ANONYMOUS: Stateid = Stateid::ANONYMOUS;

/// A file and the state id it is open under.
type Opened = (Vec<u8>, Stateid);

fn rig() -> (Server, Client) {
    let server = Server::new();
    let client = server.client("a");
    (server, client)
}

fn copy_args(from: Stateid, to: Stateid) -> CopyArgs<'static> {
    CopyArgs {
        src_stateid: from,
        dst_stateid: to,
        src_offset: 0,
        dst_offset: 0,
        count: 0,
        consecutive: false,
        synchronous: false,
        source_server: Vec::new(),
    }
}

fn clone_args(from: Stateid, to: Stateid) -> Op<'static> {
    let (src_stateid, dst_stateid) = (from, to);
    Op::Clone(CloneArgs { src_stateid, dst_stateid, src_offset: 0, dst_offset: 0, count: 0 })
}

fn between<'a>(from: &'a [u8], to: &'a [u8], op: Op<'a>) -> [Op<'a>; 4] {
    [ops::put(from), Op::SaveFh, ops::put(to), op]
}

fn copied(client: &mut Client, from: &Opened, to: &Opened, args: CopyArgs<'_>) -> CopyOk {
    let answer = client.run(&between(&from.0, &to.0, Op::Copy(Box::new(args))));
    let OpBody::Copy(ok) = answer.last_ok() else { panic!("it was copied") };
    ok
}

fn grow(client: &mut Client, file: &Opened, size: u64) {
    let size = Attrs::new(&[AttrValue::Size(size)]);
    assert_eq!(client.status(&[ops::put(&file.0), ops::setattr(file.1, size.fattr())]), Status::OK);
}

fn fill(client: &mut Client, file: &Opened, mib: u64) {
    let data = vec![7; MIB as usize];
    for at in 0..mib {
        let write = ops::write(file.1, at * MIB, &data);
        assert_eq!(client.status(&[ops::put(&file.0), write]), Status::OK);
    }
}

fn size_of(client: &mut Client, fh: &[u8]) -> u64 {
    let reply = client.attrs(fh, &[attr::SIZE]);
    let (_, value) = reply.attrs().iter().next().expect("it is there").expect("it decodes");
    let AttrValue::Size(size) = value else { panic!("it is the size") };
    size
}

/// Each operation on ranges, on one file or from it to itself.
fn each(stateid: Stateid) -> Vec<Op<'static>> {
    vec![
        Op::Seek(SeekArgs { stateid, offset: 0, what: DataContent::DATA }),
        Op::ReadPlus(ReadPlusArgs { stateid, offset: 0, count: 9 }),
        Op::IoAdvise(IoAdviseArgs { stateid, offset: 0, count: 0, hints: Bitmap::of(&[4]) }),
        Op::Allocate(AllocateArgs { stateid, offset: 0, length: 9 }),
        Op::Deallocate(DeallocateArgs { stateid, offset: 0, length: 9 }),
        Op::Copy(Box::new(copy_args(stateid, stateid))),
        clone_args(stateid, stateid),
    ]
}

#[test]
fn a_seek_says_whether_the_end_came_first() {
    let (_server, mut client) = rig();
    let file = client.make_file(b"file");
    fill(&mut client, &file, 1);
    grow(&mut client, &file, 3 * MIB);
    let mut seek = |offset, what| {
        let stateid = file.1;
        client.run(&[ops::put(&file.0), Op::Seek(SeekArgs { stateid, offset, what })])
    };
    for (offset, what, expected) in [
        (5, DataContent::DATA, SeekOk { eof: false, offset: 5 }),
        (5, DataContent::HOLE, SeekOk { eof: false, offset: MIB }),
        (MIB, DataContent::DATA, SeekOk { eof: true, offset: 3 * MIB }),
    ] {
        let answer = seek(offset, what);
        let OpBody::Seek(ok) = answer.last_ok() else { panic!("it was found") };
        assert_eq!(ok, expected);
    }
    assert_eq!(seek(3 * MIB, DataContent::HOLE).status(), Status::NXIO);
    assert_eq!(seek(0, DataContent(7)).status(), Status::UNION_NOTSUPP);
    let data = client.make_file(b"data");
    fill(&mut client, &data, 1);
    let hole = SeekArgs { stateid: data.1, offset: 0, what: DataContent::HOLE };
    let answer = client.run(&[ops::put(&data.0), Op::Seek(hole)]);
    let OpBody::Seek(ok) = answer.last_ok() else { panic!("it was found") };
    assert_eq!(ok, SeekOk { eof: true, offset: MIB }, "the hole at the end of every file");
}

#[test]
fn a_read_plus_takes_no_more_room_than_a_read() {
    let (_server, mut client) = rig();
    let file = client.make_file(b"file");
    for at in 0..8 {
        // Chunks of memory with a hole at the end of each.
        let write = ops::write(file.1, at << 16, &[7; 40_000]);
        assert_eq!(client.status(&[ops::put(&file.0), write]), Status::OK);
    }
    for (offset, count) in [(0, 1 << 20), (39_999, 65_536), (40_000, 1), (1 << 16, 100)] {
        let args = ReadPlusArgs { stateid: file.1, offset, count };
        let plus = client.run(&[ops::put(&file.0), Op::ReadPlus(args)]).0.len();
        let read = client.run(&[ops::put(&file.0), ops::read(file.1, offset, count)]).0.len();
        assert!(plus <= read + 32, "{plus} bytes in place of {read}");
    }
}

#[test]
fn a_read_plus_of_nothing_is_a_segment_of_nothing() {
    let (_server, mut client) = rig();
    let file = client.make_file(b"file");
    fill(&mut client, &file, 1);
    for (offset, count, eof) in [(0, 0, false), (MIB, 100, true), (u64::MAX, 1, true)] {
        let args = ReadPlusArgs { stateid: file.1, offset, count };
        let answer = client.run(&[ops::put(&file.0), Op::ReadPlus(args)]);
        let OpBody::ReadPlus(ok) = answer.last_ok() else { panic!("it was read") };
        let nothing = ReadPlusContent::Data(ReadPlusData { offset, data: b"" });
        assert_eq!((ok.eof, &ok.contents[..]), (eof, &[nothing][..]));
    }
}

#[test]
fn ranges_that_end_nowhere_are_invalid() {
    let (_server, mut client) = rig();
    let (fh, stateid) = client.make_file(b"file");
    for (offset, length, status) in [
        (0, 0, Status::INVAL),
        (1, u64::MAX, Status::INVAL),
        (0, u64::MAX, Status::FBIG),
        (1 << 62, 1 << 62, Status::FBIG),
    ] {
        let allocate = Op::Allocate(AllocateArgs { stateid, offset, length });
        let deallocate = Op::Deallocate(DeallocateArgs { stateid, offset, length });
        assert_eq!(client.status(&[ops::put(&fh), allocate]), status);
        assert_eq!(client.status(&[ops::put(&fh), deallocate]), status);
    }
    let all = Op::Allocate(AllocateArgs { stateid, offset: 0, length: 1 << 50 });
    assert_eq!(client.status(&[ops::put(&fh), all]), Status::NOSPC);
    assert_eq!(size_of(&mut client, &fh), 0);
}

#[test]
fn what_is_not_a_regular_file_is_of_the_wrong_type() {
    let (_server, mut client) = rig();
    assert_eq!(client.status(&[Op::PutRootFh, ops::mkdir(b"dir")]), Status::OK);
    let link = holdfast_proto::nfs4::CreateType::Link(b"text");
    assert_eq!(client.status(&[Op::PutRootFh, ops::create_node(b"link", link)]), Status::OK);
    for (name, status) in [("dir", Status::ISDIR), ("link", Status::SYMLINK)] {
        let lookup = |op| [Op::PutRootFh, ops::lookup(name.as_bytes()), Op::SaveFh, op];
        for (at, op) in each(ANONYMOUS).into_iter().enumerate() {
            // The first three are as READ is.
            let expected = if at < 3 { status } else { Status::WRONG_TYPE };
            assert_eq!(client.status(&lookup(op.clone())), expected, "{op:?}");
        }
    }
}

#[test]
fn ranges_are_for_those_who_may_read_and_write() {
    let (_server, mut client) = rig();
    let (fh, stateid) = client.make_file(b"file");
    let mode = Attrs::new(&[AttrValue::Mode(0o600)]);
    let setattr = ops::setattr(ANONYMOUS, mode.fattr());
    assert_eq!(client.status(&[ops::put(&fh), setattr]), Status::OK);
    for op in each(ANONYMOUS).into_iter().chain(each(stateid)) {
        let reply = client.run_as(&USER, &[ops::put(&fh), Op::SaveFh, op.clone()]);
        assert_eq!(reply.status(), Status::ACCESS, "{op:?}");
    }
    for op in each(Stateid { seqid: 7, ..stateid }) {
        assert_eq!(client.status(&[ops::put(&fh), Op::SaveFh, op]), Status::BAD_STATEID);
    }
    let open = client.run(&[Op::PutRootFh, ops::open(b"file", b"reader", 1, 0)]).open().stateid;
    for op in each(open).into_iter().skip(3) {
        assert_eq!(client.status(&[ops::put(&fh), Op::SaveFh, op]), Status::OPENMODE);
    }
}

#[test]
fn a_denied_share_keeps_ranges_without_an_open_out() {
    let (server, mut client) = rig();
    let mut other = server.client("b");
    let create = ops::create(b"file", b"denier", 3, 3);
    let fh = client.run(&[Op::PutRootFh, create, Op::GetFh]).fh();
    for op in each(ANONYMOUS) {
        assert_eq!(other.status(&[ops::put(&fh), Op::SaveFh, op]), Status::LOCKED);
    }
}

#[test]
fn read_only_exports_are_read_only() {
    let world = TestWorld::new(1);
    let export = |path, number| Export::new(path, memfs_of(&world, number)).squash(Squash::None);
    let exports = vec![export("/one", 1), export("/two", 2), export("/ro", 3).read_only(true)];
    let server = Server::exporting(world, exports);
    let mut client = server.client("a");
    let root = client.find(&[b"ro"]);
    for op in each(ANONYMOUS).into_iter().skip(3) {
        assert_eq!(client.status(&[ops::put(&root), Op::SaveFh, op]), Status::ROFS);
    }
    let make = |client: &mut Client, export: &[u8]| {
        let create = ops::create(b"file", export, 3, 0);
        let made = client.run(&[Op::PutRootFh, ops::lookup(export), create, Op::GetFh]);
        (made.fh(), made.open().stateid)
    };
    let (one, two) = (make(&mut client, b"one"), make(&mut client, b"two"));
    for op in [Op::Copy(Box::new(copy_args(one.1, two.1))), clone_args(one.1, two.1)] {
        assert_eq!(client.status(&between(&one.0, &two.0, op)), Status::XDEV);
    }
}

#[test]
fn a_copy_says_how_it_was_done() {
    let (_server, mut client) = rig();
    let (from, to) = (client.make_file(b"from"), client.make_file(b"to"));
    fill(&mut client, &from, 3);
    let ok = copied(&mut client, &from, &to, copy_args(from.1, to.1));
    assert_eq!((ok.response.callback_id, ok.response.count), (None, 3 * MIB));
    assert!(ok.requirements.consecutive && ok.requirements.synchronous);
    assert_eq!(ok.response.committed, StableHow::FILE_SYNC);
    let commit = client.run(&[ops::put(&to.0), ops::commit(0, 0)]);
    let OpBody::Commit(commit) = commit.last_ok() else { panic!("it is committed") };
    assert_eq!(commit.writeverf, ok.response.writeverf);
    assert_eq!(size_of(&mut client, &to.0), 3 * MIB);
    let end = CopyArgs { src_offset: 3 * MIB, ..copy_args(from.1, to.1) };
    assert_eq!(copied(&mut client, &from, &to, end).response.count, 0);
}

#[test]
fn a_copy_of_what_is_not_there_is_invalid() {
    let (_server, mut client) = rig();
    let (from, to) = (client.make_file(b"from"), client.make_file(b"to"));
    fill(&mut client, &from, 1);
    for (src_offset, count) in [(MIB + 1, 0), (0, MIB + 1), (MIB, 1), (1, u64::MAX)] {
        let copy = CopyArgs { src_offset, count, ..copy_args(from.1, to.1) };
        let copy = Op::Copy(Box::new(copy));
        assert_eq!(client.status(&between(&from.0, &to.0, copy)), Status::INVAL);
        let (src_stateid, dst_stateid) = (from.1, to.1);
        let clone = CloneArgs { src_stateid, dst_stateid, src_offset, dst_offset: 0, count };
        assert_eq!(client.status(&between(&from.0, &to.0, Op::Clone(clone))), Status::INVAL);
    }
    let same = CopyArgs { dst_offset: MIB, ..copy_args(from.1, from.1) };
    let same = Op::Copy(Box::new(same));
    assert_eq!(client.status(&between(&from.0, &from.0, same)), Status::INVAL);
    let beyond = CopyArgs { dst_offset: u64::MAX, ..copy_args(from.1, to.1) };
    let beyond = Op::Copy(Box::new(beyond));
    assert_eq!(client.status(&between(&from.0, &to.0, beyond)), Status::FBIG);
    assert_eq!(size_of(&mut client, &to.0), 0);
}

#[test]
fn a_copy_from_another_server_is_not_supported() {
    let (_server, mut client) = rig();
    let (from, to) = (client.make_file(b"from"), client.make_file(b"to"));
    let source_server = vec![NetLoc::Name(b"elsewhere")];
    let copy = Op::Copy(Box::new(CopyArgs { source_server, ..copy_args(from.1, to.1) }));
    assert_eq!(client.status(&between(&from.0, &to.0, copy)), Status::NOTSUPP);
}

#[test]
fn copies_need_a_saved_file() {
    let (_server, mut client) = rig();
    let (fh, stateid) = client.make_file(b"file");
    for op in [Op::Copy(Box::new(copy_args(stateid, stateid))), clone_args(stateid, stateid)] {
        assert_eq!(client.status(&[ops::put(&fh), op]), Status::NOFILEHANDLE);
    }
    for op in each(stateid) {
        assert_eq!(client.status(&[op]), Status::NOFILEHANDLE);
    }
}

#[test]
fn the_saved_state_id_goes_with_the_saved_file() {
    let (_server, mut client) = rig();
    let (from, _) = (client.make_file(b"from"), client.make_file(b"to"));
    fill(&mut client, &from, 1);
    let current = Stateid::CURRENT;
    for op in [Op::Copy(Box::new(copy_args(current, current))), clone_args(current, current)] {
        let ops = [
            Op::PutRootFh,
            ops::open(b"from", b"r", 1, 0),
            Op::SaveFh,
            Op::PutRootFh,
            ops::open(b"to", b"w", 2, 0),
            op,
        ];
        assert_eq!(client.status(&ops), Status::OK);
    }
    let without = between(&from.0, &from.0, clone_args(current, ANONYMOUS));
    assert_eq!(client.status(&without), Status::BAD_STATEID);
}

#[test]
fn no_state_id_stands_for_a_copy() {
    let (_server, mut client) = rig();
    let (fh, stateid) = client.make_file(b"file");
    for stateid in [stateid, ANONYMOUS] {
        let cancel = Op::OffloadCancel(OffloadCancelArgs { stateid });
        let ask = Op::OffloadStatus(OffloadStatusArgs { stateid });
        assert_eq!(client.status(&[ops::put(&fh), cancel]), Status::BAD_STATEID);
        assert_eq!(client.status(&[ops::put(&fh), ask]), Status::BAD_STATEID);
    }
}

fn probed() -> (Server, Arc<Probe>, Client, Opened, Opened) {
    let (server, probe) = Server::probed();
    let mut client = server.client("a");
    let (from, to) = (client.make_file(b"from"), client.make_file(b"to"));
    (server, probe, client, from, to)
}

#[test]
fn a_long_copy_answers_how_far_it_came() {
    let (_server, probe, mut client, from, to) = probed();
    fill(&mut client, &from, 66);
    let ok = copied(&mut client, &from, &to, copy_args(from.1, to.1));
    assert_eq!(ok.response.count, 64 * MIB);
    assert!(probe.calls("copy_range") >= 64, "in steps");
    let rest = CopyArgs { src_offset: 64 * MIB, dst_offset: 64 * MIB, ..copy_args(from.1, to.1) };
    assert_eq!(copied(&mut client, &from, &to, rest).response.count, 2 * MIB);
}

#[test]
fn a_slow_copy_answers_after_a_second() {
    let (server, probe, mut client, from, to) = probed();
    fill(&mut client, &from, 2);
    probe.set("copy_range", Mood::Later);
    let copy = Op::Copy(Box::new(copy_args(from.1, to.1)));
    let record = client.in_session(0, false, &between(&from.0, &to.0, copy));
    client.peer.send(&record).expect("the connection lives");
    server.world.advance(Duration::from_secs(2));
    while client.peer.resume().expect("the connection lives") || server.world.run_job() {}
    let reply = support::client::Reply(client.peer.record().expect("it was answered"));
    let OpBody::Copy(ok) = reply.last_ok() else { panic!("it was copied") };
    assert_eq!(probe.calls("copy_range"), 1);
    assert!((1..2 * MIB).contains(&ok.response.count));
}

#[test]
fn a_copy_that_fails_midway_answers_how_far_it_came() {
    let (_server, _probe, mut client, from, to) = probed();
    fill(&mut client, &from, 2);
    let largest = i64::MAX as u64;
    let copy = CopyArgs { dst_offset: largest - MIB, ..copy_args(from.1, to.1) };
    assert_eq!(copied(&mut client, &from, &to, copy).response.count, MIB);
}

#[test]
fn what_a_file_system_does_not_have_is_not_supported() {
    let (_server, probe, mut client, from, to) = probed();
    fill(&mut client, &from, 1);
    for method in ["seek", "allocate", "deallocate", "clone_range", "copy_range", "advise"] {
        probe.set(method, Mood::Missing);
    }
    for (at, op) in each(from.1).into_iter().enumerate() {
        if let Op::Copy(_) | Op::Clone(_) = op {
            continue;
        }
        // Data can always be read, and advice can always be passed over.
        let expected = if matches!(at, 1 | 2) { Status::OK } else { Status::NOTSUPP };
        assert_eq!(client.status(&[ops::put(&from.0), op]), expected);
    }
    for op in [Op::Copy(Box::new(copy_args(from.1, to.1))), clone_args(from.1, to.1)] {
        assert_eq!(client.status(&between(&from.0, &to.0, op)), Status::NOTSUPP);
    }
}

#[test]
fn the_clone_block_is_an_attribute_of_minor_version_2() {
    let (server, mut client) = rig();
    let root = client.find(&[]);
    let reply = client.attrs(&root, &[attr::CLONE_BLKSIZE]);
    let (_, value) = reply.attrs().iter().next().expect("it is there").expect("it decodes");
    assert_eq!(value, AttrValue::CloneBlkSize(1 << 16));
    let mut old = Client::new(&server.instance, "old", 1);
    assert_eq!(old.attrs(&root, &[attr::CLONE_BLKSIZE]).attrs().iter().count(), 0);
}

#[test]
fn a_listing_of_nothing_needs_room_as_well() {
    let (_server, mut client) = rig();
    for (maxcount, status) in [(0, Status::TOOSMALL), (15, Status::TOOSMALL), (16, Status::OK)] {
        let readdir = ops::readdir(0, 0, maxcount, Bitmap::EMPTY);
        assert_eq!(client.status(&[Op::PutRootFh, readdir]), status, "{maxcount} bytes");
    }
}

#[test]
fn verify_of_values_that_are_none_is_bad() {
    let (_server, mut client) = rig();
    let fattr = Fattr { mask: Bitmap::of(&[attr::SIZE]), ..Fattr::EMPTY };
    let verify = Op::Verify(VerifyArgs { obj_attributes: fattr });
    assert_eq!(client.status(&[Op::PutRootFh, verify]), Status::BADXDR);
}
