//! How changes of names and attributes get to stable storage, by what file systems promise.
//!
//! What an `fsync` of a directory keeps differs:
//! - ext4 and XFS have one journal that is written in order: a commit of any object that was
//!   changed last keeps all changes before it.
//! - f2fs makes a checkpoint of everything.
//! - btrfs logs that directory, with the objects that got a name in it. A name that was taken away
//!   has been seen to come back with the log: so its whole is committed.
//! - POSIX promises of an object's `fsync` no more than that object.
//!
//! So where nothing better is known each changed object is synced, directories as well as what
//! is in them. On ext4 and XFS the one commit serves: a device is told to flush its cache once,
//! not once an object. Syncing the whole file system writes the data of all files and of other
//! programs too: it is for btrfs, for what no `fsync` takes, such as a symbolic link, and for the
//! many.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use holdfast_vfs::{Error, FileKind, Result};
use rustix::fs::{Mode, OFlags, Statx, Timespec, Timestamps, UTIME_NOW, fsync, futimens, syncfs};
use rustix::io::Errno;

use crate::cache::Node;
use crate::core::Core;
use crate::errno::error;
use crate::stable::Flush;
use crate::volume::Mount;

/// Objects synced one by one; beyond it one sync of everything is cheaper, and their descriptors
/// are bounded.
const OBJECTS_MAX: usize = 256;

/// What an operation answers, and what it changed.
pub(crate) struct Changed<T> {
    pub(crate) value: T,
    pub(crate) objects: [Option<Arc<Node>>; 2],
}

impl<T> Changed<T> {
    /// This object was changed.
    pub(crate) fn one(object: &Arc<Node>, value: T) -> Self {
        Self { value, objects: [Some(object.clone()), None] }
    }

    /// Both were changed. Of a move it is the target first: a power cut between two syncs then
    /// leaves two names, not none.
    pub(crate) fn two(first: &Arc<Node>, second: &Arc<Node>, value: T) -> Self {
        Self { value, objects: [Some(first.clone()), Some(second.clone())] }
    }

    /// Nothing was changed.
    pub(crate) const fn nothing(value: T) -> Self {
        Self { value, objects: [None, None] }
    }
}

/// The objects of many changes, each once, in the order in which they were changed first.
#[derive(Default)]
pub(crate) struct Objects {
    list: Vec<Arc<Node>>,
    /// What is committed as a whole: where a journal serves all changes, and where they are many.
    whole: Vec<Arc<Mount>>,
    /// Whether all is synced at once: there were too many to list, or their order is not clear.
    are_many: bool,
    /// Whether two directories of one change are listed: their order must stay.
    has_pair: bool,
}

impl Objects {
    /// Adds the directories of a move, the target first, or a new directory and the one above.
    fn add_pair(&mut self, first: Arc<Node>, second: Arc<Node>) {
        let place = |node: &Arc<Node>| self.list.iter().position(|known| Arc::ptr_eq(known, node));
        match (place(&first), place(&second)) {
            (Some(first), Some(second)) if first > second => self.add_all(),
            (None, Some(_)) if self.has_pair => self.add_all(),
            (None, Some(second)) => drop(self.list.remove(second)),
            (_, None) | (Some(_), Some(_)) => {}
        }
        self.has_pair = true;
        self.add(first);
        self.add(second);
    }

    fn add_all(&mut self) {
        self.are_many = true;
        for object in std::mem::take(&mut self.list) {
            self.add_whole(&object);
        }
    }

    fn add_whole(&mut self, object: &Node) {
        let mount = &object.volume().mount;
        if !self.whole.iter().any(|known| Arc::ptr_eq(known, mount)) {
            self.whole.push(mount.clone());
        }
    }

    fn add(&mut self, object: Arc<Node>) {
        if self.are_many {
            return self.add_whole(&object);
        }
        if self.list.iter().any(|known| Arc::ptr_eq(known, &object)) {
            return;
        }
        if self.list.len() < OBJECTS_MAX {
            self.list.push(object);
        } else {
            self.add_all();
            self.add_whole(&object);
        }
    }
}

/// A file system whose one journal keeps all changes in order.
pub(crate) struct Journal {
    /// A file without a name. To change it is to be the last change so far, so that its `fsync`
    /// commits all before it.
    marker: OwnedFd,
}

impl Journal {
    /// The journal of the file system of `mount`, if it is one like that and we may use it. Until
    /// this is dropped, the file system cannot be made read-only.
    pub(crate) fn probe(mount: &OwnedFd, is_journaled: bool) -> Option<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(mount, c".", flags, Mode::RUSR | Mode::WUSR).ok();
        is_journaled.then(open).flatten().map(|marker| Self { marker })
    }

    fn commit(&self) -> rustix::io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        futimens(&self.marker, &Timestamps { last_access: now, last_modification: now })?;
        sync(self.marker.as_fd())
    }
}

/// Whether an ext4 on this device has a journal: it can be made without, and ext2 is ext4 too.
pub(crate) fn ext4_has_journal(stat: &Statx) -> bool {
    let device = format!("/sys/dev/block/{}:{}", stat.stx_dev_major, stat.stx_dev_minor);
    let task = std::fs::read_link(device).ok().and_then(|device| {
        let name = device.file_name()?;
        let file: PathBuf =
            ["/sys/fs/ext4".as_ref(), name, "journal_task".as_ref()].iter().collect();
        std::fs::read_to_string(file).ok()
    });
    // Without a journal there is a word in place of the number.
    task.is_some_and(|task| task.trim().parse::<u32>().is_ok())
}

impl Flush for Core {
    type Change = [Option<Arc<Node>>; 2];
    type Changes = Objects;

    fn gather(&self, objects: &mut Objects, change: Self::Change) {
        // What one operation changes is on one file system.
        if let [Some(object), _] = &change
            && object.mount().commits_whole()
        {
            return objects.add_whole(object);
        }
        match change {
            [Some(first), Some(second)]
                if [&first, &second].iter().all(|node| node.kind() == FileKind::Directory) =>
            {
                objects.add_pair(first, second);
            }
            change => change.into_iter().flatten().for_each(|object| objects.add(object)),
        }
    }

    fn flush(&self, objects: &Objects) -> Result<()> {
        let synced = self.identity.server().map_err(|_| Errno::IO).and_then(|()| {
            objects.whole.iter().try_for_each(|mount| match &mount.journal {
                Some(journal) => journal.commit(),
                None => sync_all(mount),
            })?;
            objects.list.iter().try_for_each(|object| self.sync_object(object))
        });
        synced.map_err(|errno| {
            // It may be data that was lost.
            self.lost_data();
            match errno {
                Errno::NOSPC | Errno::DQUOT | Errno::ROFS => error(errno),
                // Others have meanings that say that nothing was done.
                _ => Error::Io,
            }
        })
    }
}

impl Core {
    fn sync_object(&self, node: &Node) -> rustix::io::Result<()> {
        // Dropped after the lock: its end asks for it.
        let writer = node.opens.oldest_writer();
        let _syncing = node.opens.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let synced = match &writer {
            Some(writer) => sync(writer.fd()),
            None => match self.open_to_sync(node) {
                Ok(fd) => sync(fd.as_fd()),
                Err(_) => return sync_all(node.mount()),
            },
        };
        if synced.is_err() {
            self.lost_data();
        }
        match synced {
            // This file system syncs no objects of that kind.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => sync_all(node.mount()),
            synced => synced,
        }
    }

    /// A descriptor that `fsync` takes.
    pub(crate) fn open_to_sync(&self, node: &Node) -> rustix::io::Result<OwnedFd> {
        match node.kind() {
            FileKind::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                self.descriptor(|| rustix::fs::openat(node.fd(), c".", flags, Mode::empty()))
            }
            FileKind::Regular => match self.reopen(node.fd(), OFlags::RDONLY) {
                Err(Errno::ACCESS) => self.reopen(node.fd(), OFlags::WRONLY),
                opened => opened,
            },
            FileKind::Symlink
            | FileKind::Block
            | FileKind::Character
            | FileKind::Fifo
            | FileKind::Socket => Err(Errno::NOTSUP),
        }
    }
}

fn sync_all(mount: &Mount) -> rustix::io::Result<()> {
    retry(|| syncfs(mount.root()))
}

fn sync(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    retry(|| fsync(fd))
}

/// A sync that a signal cut short has lost nothing.
fn retry(call: impl Fn() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use holdfast_vfs::Handle;
    use rustix::fs::{CWD, openat};

    use super::*;
    use crate::core::stat_fd;
    use crate::volume::Volume;

    fn node(kind: FileKind) -> Arc<Node> {
        let (root, program) = (c"/".to_owned(), std::env::current_exe().unwrap());
        let program = std::ffi::CString::new(program.into_os_string().into_vec()).unwrap();
        let path = if kind == FileKind::Directory { &root } else { &program };
        let open = |path| openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let fd = open(path).unwrap();
        let (stat, volume) = (stat_fd(fd.as_fd()).unwrap(), Volume::of_tests(open(&root).unwrap()));
        Arc::new(Node::new(fd, Handle::default(), &stat, volume))
    }

    fn is(objects: &Objects, wanted: &[&Arc<Node>]) -> bool {
        let same = objects.list.iter().zip(wanted).all(|(one, other)| Arc::ptr_eq(one, other));
        same && objects.list.len() == wanted.len()
    }

    /// A power cut between two syncs may leave two names of what was moved, never none.
    #[test]
    fn of_a_move_the_target_is_synced_first() {
        let [source, target] = [(); 2].map(|()| node(FileKind::Directory));
        let file = node(FileKind::Regular);
        let mut objects = Objects::default();
        objects.add(file.clone());
        objects.add(source.clone());
        objects.add_pair(target.clone(), source.clone());
        assert!(is(&objects, &[&file, &target, &source]));
        objects.add_pair(target.clone(), source.clone());
        assert!(is(&objects, &[&file, &target, &source]));
        objects.add_pair(source, target);
        assert!(objects.are_many, "there and back has no order");
    }

    #[test]
    fn an_order_that_is_needed_is_not_changed_for_another() {
        let [a, b, c] = [(); 3].map(|()| node(FileKind::Directory));
        let mut objects = Objects::default();
        objects.add_pair(a.clone(), b.clone());
        objects.add_pair(a.clone(), c.clone());
        assert!(is(&objects, &[&a, &b, &c]));
        objects.add_pair(node(FileKind::Directory), a);
        assert!(objects.are_many, "it would have to be before and after");
    }
}
