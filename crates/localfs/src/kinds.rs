//! Kinds of file systems: which answer from memory, which are the kernel's own.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::core::FdName;
use crate::mountinfo::MountInfo;

pub(crate) const EXT4: u32 = 0xef53;
pub(crate) const XFS: u32 = 0x5846_5342;
pub(crate) const BTRFS: u32 = 0x9123_683e;
pub(crate) const TMPFS: u32 = 0x0102_1994;
const F2FS: u32 = 0xf2f5_2010;
const BCACHEFS: u32 = 0xca45_1a4e;
const ZFS: u32 = 0x2fc1_2fc1;
const NFS: u32 = 0x6969;
pub(crate) const OVERLAY: u32 = 0x794c_7630;
pub(crate) const RAMFS: u32 = 0x8584_58f6;

/// [`is_known`] by the names in the list of mounts.
const FAST: [&str; 9] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "f2fs", "overlay"];

/// The magic numbers of the kernel's own file systems (`linux/magic.h`): proc, sysfs, devpts,
/// cgroup, cgroup2, debugfs, tracefs, securityfs, selinuxfs, smackfs, bpf, nsfs, pipefs, autofs,
/// binfmt_misc, configfs, efivarfs, pstore, mqueue, fusectl, hugetlbfs, rpc_pipefs, nfsd.
const KERNEL_KINDS: [u32; 23] = [
    0x9fa0,
    0x6265_6572,
    0x1cd1,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xf97c_ff8c,
    0x4341_5d53,
    0xcafe_4a11,
    0x6e73_6673,
    0x5049_5045,
    0x0187,
    0x4249_4e4d,
    0x6265_6570,
    0xde5e_81e4,
    0x6165_676c,
    0x1980_0202,
    0x6573_5543,
    0x9584_58f6,
    0x6759_6969,
    0x6e66_7364,
];

/// Some of them by name: what is not shown does not block.
const KERNEL_NAMES: [&str; 18] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// Whether an inode's number and stamp are the same for good. Elsewhere (FUSE, FAT) they may be
/// made up anew when the kernel or a daemon next hears of the object.
pub(crate) const fn is_lasting(kind: u32) -> bool {
    matches!(kind, EXT4 | XFS | BTRFS | TMPFS | F2FS | BCACHEFS | ZFS | NFS)
}

/// Whether something is mounted below that may block. Its type tells: it is not asked.
pub(crate) fn has_slow(root: &OwnedFd, proc_fds: Option<&OwnedFd>) -> bool {
    let below = || MountInfo::open()?.below(&path_of(root.as_fd(), proc_fds?)?).ok();
    let is_fast = |kind: &str| FAST.contains(&kind) || KERNEL_NAMES.contains(&kind);
    below().is_some_and(|list| list.iter().any(|mount| !is_fast(&mount.kind)))
}

/// Where an object is now.
pub(crate) fn path_of(fd: BorrowedFd<'_>, proc_fds: &OwnedFd) -> Option<PathBuf> {
    let path = rustix::fs::readlinkat(proc_fds, FdName::new(fd).as_bytes(), Vec::new()).ok()?;
    Some(OsStr::from_bytes(path.to_bytes()).into())
}

/// Whether this kind of file system answers from memory what is in memory.
pub(crate) const fn is_known(kind_of_fs: u32) -> bool {
    matches!(kind_of_fs, EXT4 | XFS | BTRFS | TMPFS | F2FS | OVERLAY)
}

/// Whether this kind of file system is the kernel's own: it shows processes, devices and settings.
pub(crate) fn is_of_the_kernel(kind_of_fs: u32) -> bool {
    KERNEL_KINDS.contains(&kind_of_fs)
}
