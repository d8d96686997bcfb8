//! The system calls that rustix does not have, the one it leaves unsafe, and the C library's
//! accounts.

use std::ffi::{CStr, c_int, c_long};
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

/// Gives this thread its own umask, working directory and root.
pub(crate) fn unshare_fs() -> Result<()> {
    // SAFETY: only CLONE_FS is unshared; descriptors and memory stay shared.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }
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
