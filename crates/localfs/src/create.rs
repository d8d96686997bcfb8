//! Regular files: made and opened in one step.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use holdfast_vfs::{
    CreateHow, Created, Cred, Error, FileKind, Handle, OpenMode, Result, SetAttr, SetTime, Time,
};
use rustix::fs::{AtFlags, Mode, OFlags, Statx, ftruncate, openat2, unlinkat, utimensat};
use rustix::io::Errno;

use crate::attr::regular;
use crate::cache::Node;
use crate::core::{Core, INSIDE, device, stat_fd};
use crate::errno::Meaning;
use crate::flush::Changed;
use crate::name::Name;
use crate::open::flags;
use crate::setattr::timestamps;

/// How often a name may come and go under an open that makes or finds it.
const TRIES: usize = 8;

const FILE_MODE: u32 = 0o600;
const SET_ID: u32 = 0o6000;

impl Core {
    pub(crate) fn create(
        self: &Arc<Self>,
        cred: &Cred,
        dir: &Handle,
        name: &Name,
        how: &CreateHow,
        mode: OpenMode,
    ) -> Result<Changed<Created>> {
        let parent = self.directory(dir)?;
        let before = self.change(&parent)?;
        self.make_room()?;
        for _ in 0..TRIES {
            self.assume(cred)?;
            let made = if self.read_only {
                Err(Error::Exists)
            } else {
                self.create_new(cred, &parent, name, how, mode)
            };
            let (node, fd, created) = match made {
                Ok((node, fd)) => (node, fd, true),
                Err(Error::Exists) => match self.open_existing(cred, &parent, name, how, mode) {
                    Ok((node, fd)) => (node, fd, false),
                    Err(Error::NotFound) => {
                        self.writable()?;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(self.blame(&parent, error)),
            };
            let change = if created {
                self.change_since(&parent, before)
            } else {
                self.info_since(&parent, before)
            };
            let file = self.file(fd, node.clone(), mode);
            let made = Created { node: *node.handle(), file, created, change };
            return Ok(changed_by_create(&parent, &node, how, made));
        }
        // What exists but cannot be opened is on another file system, or comes and goes.
        Err(Error::Exists)
    }

    fn create_new(
        &self,
        cred: &Cred,
        parent: &Node,
        name: &Name,
        how: &CreateHow,
        mode: OpenMode,
    ) -> Result<(Arc<Node>, OwnedFd)> {
        let bits = how.attrs().mode.unwrap_or(FILE_MODE) & 0o7777;
        let flags = flags(mode) | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let bits = Mode::from_raw_mode(bits);
        let open = || openat2(parent.fd(), name.as_c_str(), flags, bits, INSIDE);
        let fd = match self.descriptor(open) {
            // Something is mounted there: hidden, but the name is taken.
            Err(Errno::XDEV) => return Err(Error::Exists),
            result => result.meaning()?,
        };
        let node = self
            .name_new(parent, name, &fd)
            .and_then(|node| self.finish_new(cred, &node, how).map(|()| node))
            .inspect_err(|_| self.undo(cred, (parent, name), fd.as_fd(), AtFlags::empty()))?;
        Ok((node, fd))
    }

    /// The node of a file that was just made.
    fn name_new(&self, parent: &Node, name: &Name, fd: &OwnedFd) -> Result<Arc<Node>> {
        let named = match self.reopen(fd.as_fd(), OFlags::PATH) {
            Ok(named) => named,
            Err(_) => {
                let named = self.open_name(parent.fd(), name.as_c_str())?;
                let (made, found) = (stat_fd(fd.as_fd()), stat_fd(named.as_fd()));
                let same = made.meaning()?.stx_ino == found.meaning()?.stx_ino;
                if !same {
                    return Err(Error::Busy);
                }
                named
            }
        };
        self.admit(named, parent, name.as_bytes())
    }

    /// Gives a new file what an open cannot.
    fn finish_new(&self, cred: &Cred, node: &Node, how: &CreateHow) -> Result<()> {
        let attrs = how.attrs();
        if let Some(size) = attrs.size.filter(|size| *size != 0) {
            if size > node.mount().properties.size_max {
                return Err(Error::TooBig);
            }
            self.resize_new(node, size)?;
            self.assume(cred)?;
        }
        let (atime, mtime) = match how {
            CreateHow::Exclusive { verifier, .. } => {
                let [first, second] = halves(*verifier);
                (Some(SetTime::To(first)), Some(SetTime::To(second)))
            }
            CreateHow::Unchecked(_) | CreateHow::Guarded(_) => (attrs.atime, attrs.mtime),
        };
        if atime.is_some() || mtime.is_some() {
            let times = timestamps(atime, mtime)?;
            utimensat(node.fd(), c"", &times, AtFlags::EMPTY_PATH).meaning()?;
        }
        self.own_new(cred, node, attrs)
    }

    /// Gives a new object its owner, and then the set-id bits that a change of owner takes away.
    pub(crate) fn own_new(&self, cred: &Cred, node: &Node, attrs: &SetAttr) -> Result<()> {
        self.chown(node.fd(), attrs)?;
        if let Some(mode) = attrs.mode.filter(|mode| mode & SET_ID != 0) {
            let gid = stat_fd(node.fd()).meaning()?.stx_gid;
            self.chmod(cred, node, gid, mode)?;
        }
        Ok(())
    }

    /// Takes a name back whose object could not be finished, if it is still that object's and the
    /// caller may: should the name change hands in between, no more is lost than the caller could
    /// remove by himself.
    pub(crate) fn undo(
        &self,
        cred: &Cred,
        (parent, name): (&Node, &Name),
        made: BorrowedFd<'_>,
        flags: AtFlags,
    ) {
        let still = self
            .identity
            .server()
            .and_then(|()| self.open_name(parent.fd(), name.as_c_str()))
            .and_then(|there| Ok((stat_fd(there.as_fd()).meaning()?, stat_fd(made).meaning()?)))
            .is_ok_and(|(there, made)| {
                (device(&there), there.stx_ino) == (device(&made), made.stx_ino)
            });
        if still && self.assume(cred).is_ok() {
            // Nothing more can be done about a failure here; the first error is the one to tell.
            let _ = unlinkat(parent.fd(), name.as_c_str(), flags);
        }
    }

    fn open_existing(
        &self,
        cred: &Cred,
        parent: &Node,
        name: &Name,
        how: &CreateHow,
        mode: OpenMode,
    ) -> Result<(Arc<Node>, OwnedFd)> {
        let fd = self.open_name(parent.fd(), name.as_c_str())?;
        let node = self.admit(fd, parent, name.as_bytes())?;
        let stat = self.stat(&node)?;
        let truncate = match how {
            CreateHow::Guarded(_) => return Err(Error::Exists),
            CreateHow::Exclusive { verifier, .. } => {
                if node.kind() != FileKind::Regular || !holds(&stat, *verifier) {
                    return Err(Error::Exists);
                }
                // The creator had the right when it made the file.
                let fd = self.open_data(&node, mode, stat.stx_uid == cred.uid)?;
                return Ok((node, fd));
            }
            CreateHow::Unchecked(attrs) => attrs.size == Some(0),
        };
        regular(node.kind())?;
        if mode.write || truncate {
            self.writable()?;
        }
        let fd = self.open_data(&node, mode, false)?;
        if truncate && !mode.write {
            let writer = self.open_data(&node, OpenMode::WRITE, false)?;
            ftruncate(writer, 0).meaning()?;
            self.changed(&node);
        } else if truncate {
            ftruncate(&fd, 0).meaning()?;
            self.changed(&node);
        }
        Ok((node, fd))
    }
}

/// What a create changed. With the same verifier again it is the try before that may not be on
/// stable storage: its answer never came.
fn changed_by_create(
    parent: &Arc<Node>,
    node: &Arc<Node>,
    how: &CreateHow,
    made: Created,
) -> Changed<Created> {
    let is_exclusive = matches!(how, CreateHow::Exclusive { .. });
    if made.created || is_exclusive {
        Changed::two(node, parent, made)
    } else if how.attrs().size == Some(0) {
        Changed::one(node, made)
    } else {
        Changed::nothing(made)
    }
}

/// A verifier as two times: 31 bits of each half as seconds, which every file system keeps, and
/// the bit left over as a nanosecond, which most do.
fn halves(verifier: [u8; 8]) -> [Time; 2] {
    let bits = u64::from_le_bytes(verifier);
    [bits as u32, (bits >> 32) as u32]
        .map(|half| Time { sec: i64::from(half & 0x7fff_ffff), nsec: half >> 31 })
}

/// Whether a file was made with this verifier, as far as its file system could keep it.
fn holds(stat: &Statx, verifier: [u8; 8]) -> bool {
    let [first, second] = halves(verifier);
    [(stat.stx_atime, first), (stat.stx_mtime, second)].iter().all(|(kept, given)| {
        kept.tv_sec == given.sec && (kept.tv_nsec == given.nsec || kept.tv_nsec == 0)
    })
}
