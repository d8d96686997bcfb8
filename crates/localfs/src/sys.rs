//! The system calls that rustix does not have, the one it leaves unsafe, and the C library's
//! accounts.

use std::ffi::{CStr, c_int, c_long, c_short};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

/// The longest file handle the kernel makes (MAX_HANDLE_SZ).
const LONGEST: usize = 128;

/// The kernel's own name for an object of a file system.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct KernelHandle {
    len: u32,
    kind: i32,
    bytes: [u8; LONGEST],
}

impl KernelHandle {
    /// The handle with these parts; `None` when the kernel cannot have made it.
    pub(crate) fn new(kind: i32, bytes: &[u8]) -> Option<Self> {
        let mut handle = Self { len: bytes.len() as u32, kind, bytes: [0; LONGEST] };
        handle.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(handle)
    }

    /// How the file system made it.
    pub(crate) const fn kind(&self) -> i32 {
        self.kind
    }

    /// What it consists of.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..(self.len as usize).min(LONGEST)]
    }
}

fn check(result: c_long) -> Result<c_long> {
    if result >= 0 {
        return Ok(result);
    }
    let code = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)))
}

/// The handle of the object `name` (of `fd` itself when that is empty), and the mount it is on.
pub(crate) fn name_to_handle_at(
    fd: BorrowedFd<'_>,
    name: &CStr,
    flags: c_int,
) -> Result<(KernelHandle, c_int)> {
    let mut handle = KernelHandle { len: LONGEST as u32, kind: 0, bytes: [0; LONGEST] };
    let mut mount: c_int = 0;
    // SAFETY: the name is NUL-terminated; the kernel writes at most `handle.len` bytes behind the
    // header of `handle`, which has the layout of `struct file_handle`, and one int to `mount`.
    check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            fd.as_raw_fd(),
            name.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    })?;
    Ok((handle, mount))
}

/// Opens the object of a handle.
pub(crate) fn open_by_handle_at(
    mount: BorrowedFd<'_>,
    handle: &KernelHandle,
    flags: c_int,
) -> Result<OwnedFd> {
    // SAFETY: the kernel reads the header of `handle` and `handle.len` bytes behind it, and
    // `KernelHandle::new` keeps that within the array.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            std::ptr::from_ref(handle),
            flags,
        )
    })?;
    // SAFETY: the kernel just made this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// Sets this thread's file-system user, or says that the kernel did not.
pub(crate) fn set_fsuid(uid: u32) -> Result<()> {
    set_fsid(libc::SYS_setfsuid, uid)
}

/// Sets this thread's file-system group, or says that the kernel did not.
pub(crate) fn set_fsgid(gid: u32) -> Result<()> {
    set_fsid(libc::SYS_setfsgid, gid)
}

/// These calls answer the id before and never fail: only a second one tells whether the first
/// was obeyed (an id without a mapping in the user namespace is not).
fn set_fsid(call: c_long, id: u32) -> Result<()> {
    // SAFETY: the call takes one integer and touches no memory of ours.
    unsafe { libc::syscall(call, id) };
    // SAFETY: as above; -1 is no id, so this only reads.
    let now = unsafe { libc::syscall(call, u32::MAX) };
    if now as u32 == id { Ok(()) } else { Err(Errno::PERM) }
}

/// Sets the mode of an object by any descriptor of it.
pub(crate) fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    // SAFETY: the path is a NUL-terminated constant.
    check(unsafe {
        libc::syscall(libc::SYS_fchmodat2, fd.as_raw_fd(), c"".as_ptr(), mode, libc::AT_EMPTY_PATH)
    })?;
    Ok(())
}

/// Asks for rights (`R_OK`, `W_OK`, `X_OK`) on an object by any descriptor of it.
pub(crate) fn access(fd: BorrowedFd<'_>, rights: c_int) -> Result<()> {
    // SAFETY: the path is a NUL-terminated constant.
    check(unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            fd.as_raw_fd(),
            c"".as_ptr(),
            rights,
            libc::AT_EMPTY_PATH | libc::AT_EACCESS,
        )
    })?;
    Ok(())
}

/// Lets a range of one file share its blocks with another; `len` 0 is to the source's end.
pub(crate) fn clone_range(
    source: BorrowedFd<'_>,
    from: u64,
    target: BorrowedFd<'_>,
    to: u64,
    len: u64,
) -> Result<()> {
    let range = libc::file_clone_range {
        src_fd: i64::from(source.as_raw_fd()),
        src_offset: from,
        src_length: len,
        dest_offset: to,
    };
    // SAFETY: the kernel reads one `struct file_clone_range`, which lives through the call.
    let result = unsafe { libc::ioctl(target.as_raw_fd(), libc::FICLONERANGE, &raw const range) };
    check(c_long::from(result))?;
    Ok(())
}

/// A lock of bytes of a file, in the kernel's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLock {
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    pub(crate) kind: c_int,
    /// The first byte.
    pub(crate) start: i64,
    /// How many bytes; 0 is to the end.
    pub(crate) len: i64,
}

/// Locks or unlocks for the open file description of `fd`, without waiting for anybody.
pub(crate) fn lock(fd: BorrowedFd<'_>, lock: FileLock) -> Result<()> {
    control_lock(fd, libc::F_OFD_SETLK, lock).map(|_| ())
}

/// A lock of somebody else that such a lock would conflict with.
pub(crate) fn conflicting_lock(fd: BorrowedFd<'_>, lock: FileLock) -> Result<Option<FileLock>> {
    let found = control_lock(fd, libc::F_OFD_GETLK, lock)?;
    Ok((found.kind != libc::F_UNLCK).then_some(found))
}

fn control_lock(fd: BorrowedFd<'_>, command: c_int, lock: FileLock) -> Result<FileLock> {
    let mut flock = libc::flock {
        l_type: lock.kind as c_short,
        l_whence: libc::SEEK_SET as c_short,
        l_start: lock.start,
        l_len: lock.len,
        // These commands take no other.
        l_pid: 0,
    };
    // SAFETY: the kernel reads and writes one `struct flock`, which lives through the call.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), command, &raw mut flock) };
    check(c_long::from(result))?;
    let (kind, start, len) = (c_int::from(flock.l_type), flock.l_start, flock.l_len);
    Ok(FileLock { kind, start, len })
}

/// Whether write-back of an object failed since `fd` was opened or last said so. Starts nothing
/// and waits for nothing: no page is in the range that it asks about.
pub(crate) fn write_back_failed(fd: BorrowedFd<'_>) -> bool {
    const BEYOND_ALL_PAGES: i64 = i64::MAX - 1;
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE;
    // SAFETY: the call takes integers and touches no memory of ours.
    let result = unsafe { libc::sync_file_range(fd.as_raw_fd(), BEYOND_ALL_PAGES, 1, flags) };
    let unasked = [Errno::INVAL, Errno::SPIPE, Errno::NOSYS, Errno::PERM];
    check(c_long::from(result)).is_err_and(|errno| !unasked.contains(&errno))
}

/// How many pages of a range of a file are in memory.
pub(crate) fn pages_in_memory(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<u64> {
    // The same number on all architectures; libc does not have it everywhere.
    const CACHESTAT: c_long = 451;
    let range = [offset, len];
    // Of the five counts, the first is of the pages that are there.
    let mut counts = [0_u64; 5];
    // SAFETY: `range` and `counts` have the layout of `struct cachestat_range` and `struct
    // cachestat`: two and five 64-bit integers. The kernel reads the one and fills the other.
    check(unsafe {
        libc::syscall(CACHESTAT, fd.as_raw_fd(), &raw const range, &raw mut counts, 0_u32)
    })?;
    Ok(counts[0])
}

/// Gives this thread its own umask, working directory and root.
pub(crate) fn unshare_fs() -> Result<()> {
    // SAFETY: only CLONE_FS is unshared; descriptors and memory stay shared.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }
}

/// The UUID of a file system, where the kernel tells it (FS_IOC_GETFSUUID, Linux 6.9).
pub(crate) fn fs_uuid(fd: BorrowedFd<'_>) -> Option<[u8; 16]> {
    /// `struct fsuuid2`.
    #[repr(C)]
    struct FsUuid {
        len: u8,
        uuid: [u8; 16],
    }
    const GET_FS_UUID: u32 = 0x8011_1500;
    let mut answer = FsUuid { len: 0, uuid: [0; 16] };
    // SAFETY: the kernel writes at most one `struct fsuuid2`, which lives through the call.
    let result =
        unsafe { libc::ioctl(fd.as_raw_fd(), GET_FS_UUID as libc::Ioctl, &raw mut answer) };
    // One that is shorter is no UUID, but tells as much.
    (result == 0 && answer.len > 0 && answer.uuid != [0; 16]).then_some(answer.uuid)
}

/// The number of the btrfs subvolume that a directory is in (BTRFS_IOC_INO_LOOKUP).
pub(crate) fn subvolume(fd: BorrowedFd<'_>) -> Result<u64> {
    /// `struct btrfs_ioctl_ino_lookup_args`.
    #[repr(C)]
    struct InoLookup {
        tree: u64,
        object: u64,
        name: [u8; 4080],
    }
    const INO_LOOKUP: u32 = 0xd000_9412;
    /// BTRFS_FIRST_FREE_OBJECTID: with it anybody may ask.
    const ROOT_OBJECT: u64 = 256;
    let mut asked = InoLookup { tree: 0, object: ROOT_OBJECT, name: [0; 4080] };
    // SAFETY: the kernel reads and writes one `struct btrfs_ioctl_ino_lookup_args`, which lives
    // through the call. Only file systems of that kind are asked.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), INO_LOOKUP as libc::Ioctl, &raw mut asked) };
    check(c_long::from(result))?;
    Ok(asked.tree)
}

/// Bytes that an account's record takes at most: a group may have many members.
const RECORD_MAX: usize = 1 << 20;

/// Calls with room for a record, more where that was too little.
fn with_room(mut find: impl FnMut(&mut [libc::c_char]) -> c_int) {
    let mut room = vec![0; 1 << 10];
    loop {
        match find(&mut room) {
            libc::ERANGE if room.len() < RECORD_MAX => room.resize(room.len() * 4, 0),
            libc::EINTR => {}
            _ => return,
        }
    }
}

/// The number of the user of a name; none: there is no such user, or nobody could be asked.
pub(crate) fn user_id(name: &CStr) -> Option<u32> {
    // SAFETY: all bits zero are a valid `struct passwd` of null pointers.
    let mut record: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    with_room(|room| {
        // SAFETY: the name is NUL-terminated; the call writes to `record`, at most `room.len()`
        // bytes to `room`, and to `found`; all of them outlive it, and no pointer into `room` is
        // used after it.
        unsafe {
            let (start, len) = (room.as_mut_ptr(), room.len());
            libc::getpwnam_r(name.as_ptr(), &raw mut record, start, len, &raw mut found)
        }
    });
    (!found.is_null()).then_some(record.pw_uid)
}

/// The number of the group of a name; none: there is no such group, or nobody could be asked.
pub(crate) fn group_id(name: &CStr) -> Option<u32> {
    // SAFETY: all bits zero are a valid `struct group` of null pointers.
    let mut record: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    with_room(|room| {
        // SAFETY: as for `getpwnam_r`.
        unsafe {
            let (start, len) = (room.as_mut_ptr(), room.len());
            libc::getgrnam_r(name.as_ptr(), &raw mut record, start, len, &raw mut found)
        }
    });
    (!found.is_null()).then_some(record.gr_gid)
}
