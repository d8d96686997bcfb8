//! Sample compounds: what to damage, and what a fuzzer begins with.

use holdfast_proto::nfs4::{
    Access, AccessArgs, AllocateArgs, AttrValue, Bitmap, CloneArgs, CopyArgs, CreateHow,
    CreateType, DataContent, DeallocateArgs, Fattr, IoAdviseArgs, LockType, NVerifyArgs, Op, OpNum,
    ReadPlusArgs, SeekArgs, SetTime, Specdata, Stateid, Verifier, VerifyArgs, attr,
};

use super::ops::{self, Attrs};

/// Attribute values that the samples borrow.
pub(crate) struct Values {
    mode: Attrs,
    several: Attrs,
    size: Attrs,
}

impl Values {
    pub(crate) fn new() -> Self {
        Self {
            mode: Attrs::new(&[AttrValue::Mode(0o640)]),
            several: Attrs::new(&[
                AttrValue::Size(100),
                AttrValue::Mode(0o600),
                AttrValue::Owner(b"1000"),
                AttrValue::OwnerGroup(b"1000"),
                AttrValue::TimeAccessSet(SetTime::ServerTime),
            ]),
            size: Attrs::new(&[AttrValue::Size(5)]),
        }
    }

    /// Compounds that make sense one after the other, on an empty file system.
    pub(crate) fn compounds(&self) -> Vec<(&'static str, Vec<Op<'_>>)> {
        let mut all = self.names();
        all.extend(self.files());
        all.extend(Self::locks());
        all.extend(self.ranges());
        all.extend(self.others());
        all
    }

    fn names(&self) -> Vec<(&'static str, Vec<Op<'_>>)> {
        let root = || Op::PutRootFh;
        let link = CreateType::Link(b"dir/file");
        let device = CreateType::Block(Specdata { major: 7, minor: 300 });
        vec![
            ("mkdir", vec![root(), ops::mkdir(b"dir"), Op::GetFh]),
            ("symlink", vec![root(), ops::create_node(b"link", link), Op::GetFh]),
            ("mknod", vec![root(), ops::create_node(b"device", device)]),
            ("lookup", vec![root(), ops::lookup(b"dir"), Op::GetFh, Op::LookupP, Op::GetFh]),
            ("readlink", vec![root(), ops::lookup(b"link"), Op::ReadLink]),
            ("readdir", vec![root(), ops::readdir(0, 512, 4096, Bitmap::of(&[0, 1, 8, 11, 20]))]),
            ("secinfo", vec![root(), ops::secinfo(b"dir")]),
            ("rename", vec![root(), Op::SaveFh, root(), ops::rename(b"link", b"link2")]),
            ("access", vec![root(), Op::Access(AccessArgs { access: Access(0x1ff) })]),
            ("remove", vec![root(), ops::remove(b"link2")]),
            ("restore", vec![root(), Op::SaveFh, ops::lookup(b"dir"), Op::RestoreFh, Op::GetFh]),
        ]
    }

    fn files(&self) -> Vec<(&'static str, Vec<Op<'_>>)> {
        let (root, current) = (|| Op::PutRootFh, Stateid::CURRENT);
        let open = |owner| ops::open(b"file", owner, 3, 0);
        let how = CreateHow::Exclusive(Verifier(*b"verifier"));
        let guarded = CreateHow::Guarded(self.several.fattr());
        let anonymous = Stateid::ANONYMOUS;
        vec![
            ("create", vec![root(), ops::create(b"file", b"o", 3, 0), Op::GetFh]),
            ("guarded", vec![root(), ops::create_how(b"g", b"o", 3, 0, guarded), Op::GetFh]),
            ("exclusive", vec![root(), ops::create_how(b"e", b"o", 3, 0, how), Op::GetFh]),
            ("write", vec![root(), open(b"w"), ops::write(current, 3, b"data"), ops::commit(0, 0)]),
            ("read", vec![root(), open(b"r"), ops::read(current, 0, 100), ops::close(current)]),
            ("setattr", vec![root(), open(b"s"), ops::setattr(current, self.several.fattr())]),
            ("chmod", vec![root(), ops::setattr(anonymous, self.mode.fattr())]),
            ("deny", vec![root(), ops::open(b"file", b"d", 1, 2), ops::close(current)]),
            ("link", vec![root(), ops::lookup(b"file"), Op::SaveFh, root(), ops::link(b"other")]),
        ]
    }

    fn locks() -> Vec<(&'static str, Vec<Op<'static>>)> {
        let (current, all) = (Stateid::CURRENT, (0, u64::MAX));
        let open = |owner| ops::open(b"file", owner, 3, 0);
        let lock = |owner| ops::lock_new(current, owner, LockType::WRITE, all);
        let file = || vec![Op::PutRootFh, ops::lookup(b"file")];
        let cut = ops::unlock(current, (10, 10));
        let test = ops::test_lock(b"other", LockType::READW, (5, 1));
        let less = [ops::open(b"file", b"d", 1, 0), Op::PutRootFh, ops::open(b"file", b"d", 2, 0)];
        vec![
            ("lock", vec![Op::PutRootFh, open(b"l"), lock(b"l"), cut, ops::test_stateids(&[])]),
            ("lock-denied", vec![Op::PutRootFh, open(b"m"), lock(b"m")]),
            ("lock-test", [file(), vec![test]].concat()),
            ("lock-free", [file(), vec![ops::test_lock(b"o", LockType::READ, (12, 1))]].concat()),
            ("unlock", vec![Op::PutRootFh, open(b"l"), ops::close(current)]),
            (
                "lock-more",
                vec![
                    Op::PutRootFh,
                    open(b"m"),
                    lock(b"m"),
                    ops::lock_more(current, LockType::READ, (0, 9)),
                    ops::unlock(current, all),
                    ops::free_stateid(current),
                ],
            ),
            ("downgrade", [&[Op::PutRootFh], &less[..], &[ops::downgrade(current, 1, 0)]].concat()),
        ]
    }

    fn ranges(&self) -> Vec<(&'static str, Vec<Op<'_>>)> {
        let (root, stateid) = (|| Op::PutRootFh, Stateid::CURRENT);
        let open = || ops::open(b"file", b"ranges", 3, 0);
        let both = |op| vec![root(), ops::lookup(b"g"), Op::SaveFh, root(), open(), op];
        let on = |op| vec![root(), open(), op];
        let (src_stateid, dst_stateid) = (Stateid::ANONYMOUS, stateid);
        let copy = CopyArgs {
            src_stateid,
            dst_stateid,
            src_offset: 1,
            dst_offset: 70_000,
            count: 3,
            consecutive: true,
            synchronous: false,
            source_server: Vec::new(),
        };
        let (src_offset, dst_offset, count) = (0, 2 << 16, 0);
        let clone = CloneArgs { src_stateid, dst_stateid, src_offset, dst_offset, count };
        let hints = Bitmap::of(&[0, 1, 4]);
        vec![
            ("allocate", on(Op::Allocate(AllocateArgs { stateid, offset: 5, length: 100_000 }))),
            ("deallocate", on(Op::Deallocate(DeallocateArgs { stateid, offset: 7, length: 9 }))),
            ("seek", on(Op::Seek(SeekArgs { stateid, offset: 0, what: DataContent::HOLE }))),
            ("read-plus", on(Op::ReadPlus(ReadPlusArgs { stateid, offset: 0, count: 90_000 }))),
            ("advise", on(Op::IoAdvise(IoAdviseArgs { stateid, offset: 0, count: 9, hints }))),
            ("copy", both(Op::Copy(Box::new(copy)))),
            ("clone", both(Op::Clone(clone))),
        ]
    }

    fn others(&self) -> Vec<(&'static str, Vec<Op<'_>>)> {
        let nverify = Op::NVerify(NVerifyArgs { obj_attributes: self.mode.fattr() });
        let verify = Op::Verify(VerifyArgs { obj_attributes: self.size.fattr() });
        let set_only =
            Bitmap::of(&[attr::TIME_ACCESS_SET, attr::TIME_MODIFY_SET, attr::MODE_UMASK]);
        let all = (0..87).collect::<Bitmap>().without(&set_only);
        let usual = Bitmap::of(&[attr::TYPE, attr::SIZE, attr::MODE, attr::MOUNTED_ON_FILEID]);
        let empty = ops::setattr(Stateid::ANONYMOUS, Fattr::EMPTY);
        vec![
            ("getattr", vec![Op::PutRootFh, ops::getattr(&usual)]),
            ("getattr-all", vec![Op::PutRootFh, ops::getattr(&all), empty]),
            ("verify", vec![Op::PutRootFh, ops::lookup(b"file"), verify, Op::GetFh]),
            ("nverify", vec![Op::PutRootFh, ops::lookup(b"file"), nverify, Op::GetFh]),
            ("setxattr", vec![Op::PutRootFh, ops::setxattr(b"name", b"value", 0)]),
            ("getxattr", vec![Op::PutRootFh, ops::getxattr(b"name"), ops::listxattrs(0, 100)]),
            ("removexattr", vec![Op::PutRootFh, ops::removexattr(b"name")]),
            ("exchange-id", vec![ops::exchange_id(b"other", 1)]),
            ("deleg", vec![Op::PutRootFh, ops::any(OpNum::GET_DIR_DELEGATION), Op::GetFh]),
        ]
    }
}

/// Every operation there is, each alone and with arguments that are nearly nothing.
pub(crate) fn every_operation() -> Vec<Op<'static>> {
    let known = OpNum::KNOWN.iter().copied().filter(|num| *num != OpNum::ILLEGAL);
    known.map(ops::any).collect()
}
