//! Extended attributes: the `user.` namespace, by way of `/proc/self/fd`, because the kernel
//! reads and sets none through a descriptor that only names its object.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use holdfast_vfs::{
    ChangeInfo, Cred, Error, FileKind, Handle, Result, XATTR_LIST_MAX, XATTR_NAME_MAX,
    XATTR_VALUE_MAX, XattrHow, check_xattr_name,
};
use rustix::buffer::spare_capacity;
use rustix::fs::{XattrFlags, fgetxattr, getxattr, listxattr, removexattr, setxattr};
use rustix::io::Errno;

use crate::cache::Node;
use crate::core::{Core, FdName};
use crate::errno::{Meaning, error};
use crate::flush::Changed;
use crate::sys;

const PREFIX: &[u8] = b"user.";
const FDS: &[u8] = b"/proc/self/fd/";

/// Bytes that most values fit into; a larger one takes a second call.
const USUAL: usize = 1 << 10;

/// The kernel's name of an attribute: with the namespace, and NUL-terminated.
#[derive(Clone, Copy)]
pub(crate) struct XattrName {
    len: usize,
    bytes: [u8; PREFIX.len() + XATTR_NAME_MAX + 1],
}

impl XattrName {
    /// Refuses what is no name before the kernel sees it.
    pub(crate) fn new(name: &[u8]) -> Result<Self> {
        check_xattr_name(name)?;
        let mut bytes = [0; PREFIX.len() + XATTR_NAME_MAX + 1];
        let len = PREFIX.len() + name.len();
        bytes[..PREFIX.len()].copy_from_slice(PREFIX);
        bytes[PREFIX.len()..len].copy_from_slice(name);
        Ok(Self { len, bytes })
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[..=self.len]).expect("a name has no NUL but the last")
    }
}

/// The path of a descriptor's object, of whatever kind that is.
struct FdPath {
    len: usize,
    bytes: [u8; 32],
}

impl FdPath {
    fn new(fd: BorrowedFd<'_>) -> Self {
        let number = FdName::new(fd);
        let len = FDS.len() + number.as_bytes().len();
        let mut bytes = [0; 32];
        bytes[..FDS.len()].copy_from_slice(FDS);
        bytes[FDS.len()..len].copy_from_slice(number.as_bytes());
        Self { len, bytes }
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[..=self.len]).expect("a path has no NUL but the last")
    }
}

/// Whether a file system has extended attributes of users: asked for one, it would know.
pub(crate) fn works(fd: BorrowedFd<'_>) -> bool {
    let answer = fgetxattr(fd, c"user.holdfast", &mut [0; 0]);
    !matches!(answer, Err(Errno::OPNOTSUPP | Errno::NOSYS))
}

impl Core {
    pub(crate) fn getxattr(
        &self,
        cred: &Cred,
        handle: &Handle,
        name: &XattrName,
    ) -> Result<Vec<u8>> {
        let node = self.with_xattrs(handle)?;
        self.assume(cred)?;
        let (path, name) = (FdPath::new(node.fd()), name.as_c_str());
        let read = |value: &mut Vec<u8>| getxattr(path.as_c_str(), name, spare_capacity(value));
        grown([USUAL, XATTR_VALUE_MAX], read).map_err(meaning)
    }

    pub(crate) fn setxattr(
        &self,
        cred: &Cred,
        handle: &Handle,
        name: &XattrName,
        value: &[u8],
        how: XattrHow,
    ) -> Result<Changed<ChangeInfo>> {
        let flags = match how {
            XattrHow::Either => XattrFlags::empty(),
            XattrHow::Create => XattrFlags::CREATE,
            XattrHow::Replace => XattrFlags::REPLACE,
        };
        self.change_xattrs(cred, handle, |path| setxattr(path, name.as_c_str(), value, flags))
    }

    pub(crate) fn removexattr(
        &self,
        cred: &Cred,
        handle: &Handle,
        name: &XattrName,
    ) -> Result<Changed<ChangeInfo>> {
        self.change_xattrs(cred, handle, |path| removexattr(path, name.as_c_str()))
    }

    pub(crate) fn listxattrs(&self, cred: &Cred, handle: &Handle) -> Result<Vec<Vec<u8>>> {
        let node = self.with_xattrs(handle)?;
        if !matches!(node.kind(), FileKind::Regular | FileKind::Directory) {
            return Ok(Vec::new());
        }
        self.assume(cred)?;
        // The kernel lists for anybody who can reach the object by a path. A handle is no path.
        sys::access(node.fd(), libc::R_OK).meaning()?;
        let path = FdPath::new(node.fd());
        let read = |list: &mut Vec<u8>| listxattr(path.as_c_str(), spare_capacity(list));
        let list = grown([USUAL, XATTR_LIST_MAX], read).map_err(meaning)?;
        let users = list.split(|byte| *byte == 0).filter_map(|name| name.strip_prefix(PREFIX));
        Ok(users.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    fn change_xattrs(
        &self,
        cred: &Cred,
        handle: &Handle,
        change: impl FnOnce(&CStr) -> rustix::io::Result<()>,
    ) -> Result<Changed<ChangeInfo>> {
        let node = self.with_xattrs(handle)?;
        self.writable()?;
        let before = self.change(&node)?;
        self.assume(cred)?;
        change(FdPath::new(node.fd()).as_c_str()).map_err(meaning)?;
        Ok(Changed::one(&node, self.change_since(&node, before)))
    }

    /// The object of a handle, on a file system with extended attributes.
    fn with_xattrs(&self, handle: &Handle) -> Result<std::sync::Arc<Node>> {
        let node = self.node(handle)?;
        self.stat(&node)?;
        if node.mount().properties.xattrs { Ok(node) } else { Err(Error::NotSupported) }
    }
}

/// What an errno means of an attribute. The descriptor is open: only `/proc` can be missing.
const fn meaning(errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Error::NotSupported,
        Errno::RANGE => Error::Io,
        errno => error(errno),
    }
}

/// Reads into the first of these sizes that is enough.
fn grown(
    sizes: [usize; 2],
    read: impl Fn(&mut Vec<u8>) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let [small, large] = sizes;
    let mut bytes = Vec::with_capacity(small);
    match read(&mut bytes) {
        Err(Errno::RANGE) => {
            bytes = Vec::with_capacity(large);
            read(&mut bytes)?;
        }
        result => drop(result?),
    }
    Ok(bytes)
}
