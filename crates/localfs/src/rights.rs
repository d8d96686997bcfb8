//! ACCESS: which rights the kernel would grant.

use holdfast_vfs::{Access, Attr, Cred, FileKind, Handle, Result, access::granted};
use rustix::io::Errno;

use crate::attr::attr;
use crate::cache::Node;
use crate::core::Core;
use crate::sys;

const CHANGES: Access = Access::MODIFY.union(Access::EXTEND);
const XATTR_READS: Access = Access::XATTR_READ.union(Access::XATTR_LIST);

impl Core {
    pub(crate) fn access(&self, cred: &Cred, handle: &Handle, want: Access) -> Result<Access> {
        let node = self.node(handle)?;
        let stat = self.stat(&node)?;
        self.assume(cred)?;
        let (reads, writes, search) = self.rights(&node);
        let classes = [(libc::R_OK, reads), (libc::W_OK, writes), (libc::X_OK, search)];
        let asked = classes
            .iter()
            .filter(|(_, rights)| rights.intersect(want) != Access(0))
            .fold(0, |bits, (bit, _)| bits | bit);
        if asked == 0 {
            return Ok(Access(0));
        }
        let possible = reads.union(writes).union(search).intersect(want);
        match sys::access(node.fd(), asked) {
            Ok(()) => return Ok(possible),
            Err(Errno::NOSYS | Errno::INVAL) => {
                return Ok(self.by_mode(cred, &attr(node.volume(), &stat), possible));
            }
            Err(_) => {}
        }
        let each = classes.iter().filter(|(bit, _)| asked & bit != 0);
        Ok(each.fold(Access(0), |sum, (bit, rights)| {
            let granted = asked != *bit && sys::access(node.fd(), *bit).is_ok();
            if granted { sum.union(rights.intersect(want)) } else { sum }
        }))
    }

    /// The rights that an object of this kind has: to read, to write, to search or execute.
    fn rights(&self, node: &Node) -> (Access, Access, Access) {
        let (writes, search, xattrs) = match node.kind() {
            FileKind::Directory => (CHANGES.union(Access::DELETE), Access::LOOKUP, true),
            FileKind::Regular => (CHANGES, Access::EXECUTE, true),
            FileKind::Symlink
            | FileKind::Block
            | FileKind::Character
            | FileKind::Fifo
            | FileKind::Socket => (CHANGES, Access::EXECUTE, false),
        };
        let (reads, writes) = if xattrs && node.mount().properties.xattrs {
            (Access::READ.union(XATTR_READS), writes.union(Access::XATTR_WRITE))
        } else {
            (Access::READ, writes)
        };
        (reads, if self.read_only { Access(0) } else { writes }, search)
    }

    /// Whether whoever this thread acts as may write to the object.
    pub(crate) fn may_write(&self, node: &Node) -> bool {
        sys::access(node.fd(), libc::W_OK).is_ok()
    }

    /// For a kernel that cannot be asked about a descriptor.
    fn by_mode(&self, cred: &Cred, attr: &Attr, want: Access) -> Access {
        let server = Cred {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            ..Cred::ROOT
        };
        let cred = if self.identity.switches() { cred } else { &server };
        granted(cred, attr, want)
    }
}
