//! The kernel's list of mounts (`/proc/thread-self/mountinfo`): where there are any below a
//! directory, and whether the list has changed.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, pread};

/// Bytes of the list that are read at most: some hundred thousand mounts.
const BYTES_MAX: usize = 64 << 20;

/// Bytes that are read at once.
const PART: usize = 64 << 10;

/// The list of the mounts that the thread saw which opened it.
pub(crate) struct MountInfo(OwnedFd);

/// One mount below a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Below {
    /// Where, from the directory.
    pub(crate) path: PathBuf,
    /// The type of the file system, as in `/proc/filesystems`.
    pub(crate) kind: String,
}

impl MountInfo {
    pub(crate) fn open() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(c"/proc/thread-self/mountinfo", flags, Mode::empty()).ok().map(Self)
    }

    /// Whether something was mounted, moved or unmounted since this was last asked. Also if the
    /// kernel cannot tell.
    pub(crate) fn changed(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::PRI)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, Some(&now)) {
            Ok(_) => fds[0].revents().intersects(PollFlags::PRI | PollFlags::ERR),
            Err(_) => true,
        }
    }

    /// The mounts below a directory, by its path; those above others come first.
    pub(crate) fn below(&self, directory: &Path) -> rustix::io::Result<Vec<Below>> {
        let text = self.read()?;
        let lines = text.split(|byte| *byte == b'\n');
        let mut list: Vec<Below> = lines.filter_map(|line| parse(line, directory)).collect();
        list.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(list)
    }

    fn read(&self) -> rustix::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let start = text.len();
            if start > BYTES_MAX {
                return Err(Errno::FBIG);
            }
            text.resize(start + PART, 0);
            let count = pread(&self.0, &mut text[start..], start as u64)?;
            text.truncate(start + count);
            if count == 0 {
                return Ok(text);
            }
        }
    }
}

/// A line of the list (proc_pid_mountinfo(5)), if its mount is below the directory.
fn parse(line: &[u8], directory: &Path) -> Option<Below> {
    let mut words = line.split(|byte| *byte == b' ');
    let place = PathBuf::from(std::ffi::OsString::from_vec(unescape(words.nth(4)?)));
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    let path = place.strip_prefix(directory).ok()?.to_owned();
    let is_below = path.components().next().is_some();
    is_below.then(|| Below { path, kind: String::from_utf8_lossy(kind).into_owned() })
}

/// Spaces and the like are written as a backslash and three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_directory_are_found_in_the_list() {
        let line = b"36 35 98:0 /mnt1 /srv/a\\040b/sub rw,noatime shared:1 - ext4 /dev/x rw";
        let below = |directory: &str| parse(line, Path::new(directory));
        let found = |path: &str| Some(Below { path: path.into(), kind: "ext4".to_owned() });
        assert_eq!(below("/srv/a b"), found("sub"));
        assert_eq!(below("/"), found("srv/a b/sub"));
        assert_eq!((below("/srv/a"), below("/srv/a b/sub")), (None, None));
        assert_eq!((parse(b"", Path::new("/")), parse(b"1 2 3", Path::new("/"))), (None, None));
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape(b"\\134\\011x\\9\\400\\"), b"\\\tx\\9\\400\\");
    }

    #[test]
    fn the_list_of_this_machine_is_read() {
        let list = MountInfo::open().unwrap().below(Path::new("/")).unwrap();
        assert!(list.iter().any(|mount| mount.path == Path::new("proc")), "{list:?}");
    }
}
