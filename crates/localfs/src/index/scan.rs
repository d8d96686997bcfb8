//! The scan: all of the export, a turn at a time. It learns where everything is that it sees, and
//! ends without what is nowhere.
//!
//! What is moved behind its back, from where it has not been to where it has, it does not see. So
//! it goes a second time before it ends without something that was asked for.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use holdfast_vfs::FileKind;
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom, openat2, seek};
use rustix::io::{Errno, Result};

use super::Index;
use crate::attr::kind;
use crate::core::{Core, DEPTH, INSIDE, stat_fd};
use crate::dir::stat_name;
use crate::name::Name;
use crate::table::Table;

/// Entries and directories of one turn of the job: between two turns others come to theirs.
const TURN: usize = 4096;
/// How often the export is gone through at most.
const PASSES: u32 = 2;
/// How many directories are open at a time.
const OPEN_MAX: usize = 32;
/// Bytes of one read of a directory. As many of names may wait on each level.
const BATCH: usize = 16 << 10;

const LISTING: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory on the way from the root to where the scan is.
struct Level {
    name: Box<[u8]>,
    id: u64,
    ino: u64,
    /// None where too many are open.
    fd: Option<OwnedFd>,
    /// Where its listing goes on.
    offset: u64,
    is_read: bool,
    /// The directories in it that are still to be entered.
    below: Vec<Box<[u8]>>,
}

/// A scan.
pub(super) struct Walk {
    number: u64,
    passes: u32,
    began: Instant,
    levels: Vec<Level>,
    /// How much of this turn is left.
    left: usize,
    /// Whether something was not seen that another time may be.
    is_blind: bool,
}

impl Walk {
    /// Notes why something was not seen.
    fn missed(&mut self, errno: Errno) {
        let passes = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR, Errno::AGAIN];
        self.is_blind |= passes.contains(&errno);
    }
}

impl Core {
    /// A turn of the index's job. Whether there is more to do.
    pub(super) fn work(&self) -> bool {
        let Some((table, index)) = self.indexed() else { return false };
        if index.is_closed() || self.identity.server().is_err() {
            return false;
        }
        index.compact_if_wasteful(table);
        let has_more = self.scan(table, index);
        index.flush(table);
        has_more
    }

    fn scan(&self, table: &Table, index: &Index) -> bool {
        let walk = index.walk().take().or_else(|| begin(index));
        let Some(mut walk) = walk else { return false };
        walk.left = TURN;
        while walk.left > 0 {
            if self.step(table, index, &mut walk) {
                continue;
            }
            if walk.passes == PASSES || walk.passes > 0 && !index.questions().misses(walk.number) {
                return end(index, &walk);
            }
            walk.passes += 1;
            match self.top() {
                Ok(top) => walk.levels.push(top),
                Err(errno) => walk.missed(errno),
            }
        }
        *index.walk() = Some(walk);
        true
    }

    fn top(&self) -> Result<Level> {
        let ino = stat_fd(self.root.fd())?.stx_ino;
        Ok(Level::new(b"", Table::ROOT, ino, self.open_top()?))
    }

    fn open_top(&self) -> Result<OwnedFd> {
        self.descriptor(|| openat2(self.root.fd(), c".", LISTING, Mode::empty(), INSIDE))
    }

    /// One read, one directory entered or one left; `false` when all of it was seen.
    fn step(&self, table: &Table, index: &Index, walk: &mut Walk) -> bool {
        let depth = walk.levels.len();
        let Some(level) = walk.levels.last() else { return false };
        if level.fd.is_none()
            && let Err(errno) = self.descend_again(&mut walk.levels)
        {
            // Perhaps somebody moved it: it is seen elsewhere, or on the next pass.
            walk.missed(errno);
            walk.levels.pop();
            return true;
        }
        let Some(level) = walk.levels.last_mut() else { return false };
        let Some(fd) = level.fd.take() else { return false };
        if let Some(name) = level.below.pop() {
            walk.left = walk.left.saturating_sub(1);
            let entered = self.enter(table, (fd.as_fd(), level.id), &name);
            level.fd = Some(fd);
            match entered {
                Ok(entered) if depth < DEPTH => walk.levels.push(entered),
                Ok(_) => {}
                Err(errno) => walk.missed(errno),
            }
            if let Some(too_many) = walk.levels.len().checked_sub(OPEN_MAX + 1) {
                walk.levels[too_many].fd = None;
            }
        } else if level.is_read {
            walk.levels.pop();
        } else {
            let read = self.read_some(table, index, fd.as_fd(), level);
            level.fd = Some(fd);
            walk.left = walk.left.saturating_sub(*read.as_ref().unwrap_or(&1));
            if let Err(errno) = read {
                level.is_read = true;
                walk.missed(errno);
            }
        }
        true
    }

    fn enter(&self, table: &Table, above: (BorrowedFd<'_>, u64), name: &[u8]) -> Result<Level> {
        let fd = self.open_below(above.0, name)?;
        let stat = stat_fd(fd.as_fd())?;
        if self.is_elsewhere(&self.root, &stat) {
            return Err(Errno::XDEV);
        }
        let identity = self.identify(self.root.volume(), (fd.as_fd(), c""), &stat);
        let id = table.identify(identity, above.1, name, FileKind::Directory);
        Ok(Level::new(name, id, stat.stx_ino, fd))
    }

    /// Opens the lowest level again, by the names of those above it.
    fn descend_again(&self, levels: &mut [Level]) -> Result<()> {
        let last = levels.len().checked_sub(1).ok_or(Errno::NOENT)?;
        let mut here = self.open_top()?;
        for at in 1..=last {
            let next = self.open_below(here.as_fd(), &levels[at].name)?;
            let above = std::mem::replace(&mut here, next);
            if at + OPEN_MAX > last + 1 {
                levels[at - 1].fd = Some(above);
            }
        }
        if stat_fd(here.as_fd())?.stx_ino != levels[last].ino {
            return Err(Errno::NOENT);
        }
        levels[last].fd = Some(here);
        Ok(())
    }

    fn open_below(&self, above: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
        let name = Name::new(name).map_err(|_| Errno::NOENT)?;
        self.descriptor(|| openat2(above, name.as_c_str(), LISTING, Mode::empty(), INSIDE))
    }

    /// Reads on in a directory; answers how many entries were seen.
    fn read_some(
        &self,
        table: &Table,
        index: &Index,
        fd: BorrowedFd<'_>,
        level: &mut Level,
    ) -> Result<usize> {
        let mut buffer = Vec::with_capacity(BATCH);
        let mut seen = 1;
        seek(fd, SeekFrom::Start(level.offset))?;
        let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
        loop {
            let Some(entry) = listing.next() else {
                level.is_read = true;
                return Ok(seen);
            };
            let entry = entry?;
            seen += 1;
            level.offset = entry.next_entry_cookie();
            let name = entry.file_name();
            if self.learn(table, index, (fd, level.id), name) == Some(FileKind::Directory) {
                level.below.push(name.to_bytes().into());
            }
            if listing.is_buffer_empty() {
                return Ok(seen);
            }
        }
    }

    /// Notes where an object is; answers its kind, unless it is hidden.
    fn learn(
        &self,
        table: &Table,
        index: &Index,
        (fd, parent): (BorrowedFd<'_>, u64),
        name: &CStr,
    ) -> Option<FileKind> {
        if matches!(name.to_bytes(), b"." | b"..") {
            return None;
        }
        let stat = stat_name(fd, name).ok().filter(|stat| !self.is_elsewhere(&self.root, stat))?;
        let identity = self.identify(self.root.volume(), (fd, name), &stat);
        let kind = kind(&stat);
        let is_wanted = kind == FileKind::Directory || index.questions().is_asked(&identity);
        // A full table is not emptied for what nobody asked for, and one of several links is
        // as good as another.
        let is_welcome = match table.known(identity) {
            Some(_) => stat.stx_nlink == 1,
            None => !table.is_full(),
        };
        if is_wanted || is_welcome {
            table.identify(identity, parent, name.to_bytes(), kind);
            // Who asks from now on finds it.
            index.questions().found(&identity);
        }
        Some(kind)
    }
}

impl Level {
    fn new(name: &[u8], id: u64, ino: u64, fd: OwnedFd) -> Self {
        let (offset, is_read, below) = (0, false, Vec::new());
        Self { name: name.into(), id, ino, fd: Some(fd), offset, is_read, below }
    }
}

fn begin(index: &Index) -> Option<Walk> {
    let began = Instant::now();
    let mut questions = index.questions();
    if !questions.wants(began) {
        return None;
    }
    let number = questions.begin();
    Some(Walk { number, passes: 0, began, levels: Vec::new(), left: 0, is_blind: false })
}

/// Whether another scan may begin at once.
fn end(index: &Index, walk: &Walk) -> bool {
    let pause = walk.began.elapsed().max(index.options.scan_pause);
    let now = Instant::now();
    let mut questions = index.questions();
    if walk.is_blind {
        questions.give_up(now, pause);
    } else {
        questions.end(walk.number, now, pause);
    }
    questions.wants(now)
}
