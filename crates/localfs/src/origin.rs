//! What a file system is known by, wherever its device is: its UUID, or what it makes of that.
//! The number of a device is another one after a restart, or another device's.

use std::hash::Hasher;
use std::os::fd::BorrowedFd;

use rustix::fs::{StatFs, Statx, fstatvfs};
use siphasher::sip::SipHasher24;

use crate::kinds::{EXT4, TMPFS};
use crate::sys;

/// Bytes that are read of what udev knows of a device.
const UDEV_MAX: u64 = 64 << 10;

/// A digest that is the same everywhere and for ever: handles and fsids are made of it.
#[derive(Clone)]
pub(crate) struct Digest(SipHasher24);

impl Digest {
    /// Of things of one kind, which has a name.
    pub(crate) fn new(of: &str) -> Self {
        let mut digest = Self(SipHasher24::new_with_key(b"holdfast volumes"));
        digest.0.write(of.as_bytes());
        digest
    }

    /// With one more part.
    pub(crate) fn and(mut self, part: u64) -> Self {
        self.0.write(&part.to_le_bytes());
        self
    }

    /// Never 0.
    pub(crate) fn finish(self) -> u64 {
        self.0.finish().max(1)
    }
}

/// What tells the file system of a descriptor from others, as far as that can be found out: of
/// what has no name of its own, the type only. Subvolumes of one have one origin: `base`.
pub(crate) fn origin(fd: BorrowedFd<'_>, stat: &Statx, statfs: &StatFs, base: Option<u64>) -> u64 {
    let kind = statfs.f_type as u32;
    let name = base
        .or_else(|| sys::fs_uuid(fd).map(fold))
        // Kernels before 6.9 tell the UUID of these only in that form. Others, such as XFS, have
        // the number of the device there.
        .or_else(|| matches!(kind, EXT4 | TMPFS).then(|| statvfs_id(fd)).filter(|id| *id != 0))
        .or_else(|| udev_uuid(stat).map(fold));
    name.into_iter().fold(Digest::new("origin").and(u64::from(kind)), Digest::and).finish()
}

/// The UUID as `statvfs` has it on ext4 and tmpfs.
fn fold(uuid: [u8; 16]) -> u64 {
    let whole = u128::from_le_bytes(uuid);
    whole as u64 ^ (whole >> 64) as u64
}

fn statvfs_id(fd: BorrowedFd<'_>) -> u64 {
    fstatvfs(fd).map_or(0, |statvfs| statvfs.f_fsid)
}

/// What udev found on the block device.
fn udev_uuid(stat: &Statx) -> Option<[u8; 16]> {
    let path = format!("/run/udev/data/b{}:{}", stat.stx_dev_major, stat.stx_dev_minor);
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    std::io::Read::read_to_string(&mut std::io::Read::take(file, UDEV_MAX), &mut text).ok()?;
    text.lines().find_map(|line| uuid(line.strip_prefix("E:ID_FS_UUID=")?))
}

/// A UUID, or the shorter serial number of a volume that some file systems have for one.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
    if digits.is_empty() || digits.len() > 32 {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::fs::{Mode, OFlags, open};

    use super::*;

    #[test]
    fn what_udev_writes_is_read_as_the_kernel_tells_it() {
        let whole = uuid("01020304-0506-0708-090a-0b0c0d0e0f10");
        assert_eq!(whole, Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]));
        let serial = uuid("1234-ABCD").map(|id| id[12..].to_vec());
        assert_eq!(serial, Some(vec![0x12, 0x34, 0xab, 0xcd]));
        assert_eq!((uuid(""), uuid("nothing"), uuid(&"1".repeat(33))), (None, None, None));
    }

    #[test]
    fn a_digest_depends_on_every_part() {
        let of = |name, parts: &[u64]| {
            parts.iter().fold(Digest::new(name), |digest, part| digest.and(*part)).finish()
        };
        assert_eq!(of("a", &[1, 2]), of("a", &[1, 2]));
        assert_ne!(of("a", &[1, 2]), of("a", &[2, 1]));
        assert_ne!(of("a", &[1]), of("b", &[1]));
    }

    /// The two ways must come to the same: a newer kernel is no reason for handles to go stale.
    #[test]
    fn the_id_of_statvfs_is_the_uuid_where_that_is_told() {
        for path in [c"/", c"/dev/shm"] {
            let Ok(fd) = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
                continue;
            };
            let kind = rustix::fs::fstatfs(&fd).unwrap().f_type as u32;
            if let (EXT4 | TMPFS, Some(uuid)) = (kind, sys::fs_uuid(fd.as_fd())) {
                assert_eq!(statvfs_id(fd.as_fd()), fold(uuid), "{path:?}");
            }
        }
    }
}
