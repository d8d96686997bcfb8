//! The file: records are appended, what is torn is cut off, and what is mostly dead is written
//! anew. Nothing is forced to the disk: after a power cut a scan finds what is missing.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::{HEADER, PREFIX, REST_MAX, Record, Seal};

/// Bytes that are copied at a time.
const CHUNK: usize = 64 << 10;

/// What becomes of a log after one of its records was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Ours,
    /// It is of another directory.
    Foreign,
}

/// An open log. Only one may have it at a time.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    /// How many bytes of it are good: the next record goes there.
    len: u64,
}

impl Log {
    /// Opens the log, or makes it; tells what it says, up to the first record that is not good.
    /// What is no log of this export is replaced: `foreign` takes back what was told.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(crate) fn open(
        path: &Path,
        seal: &Seal,
        mut tell: impl FnMut(&Record<'_>) -> Verdict,
        foreign: impl FnOnce(),
    ) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        let good = read(&file, seal, &mut tell)?;
        let Some(len) = good else {
            foreign();
            return Self::create(path, seal)?.install(path);
        };
        file.set_len(len)?;
        Ok(Self { path: path.to_owned(), file, len })
    }

    /// A new log beside the one of that path, which it is to replace.
    pub(crate) fn create(path: &Path, seal: &Seal) -> io::Result<Self> {
        let mut name = OsString::from(path);
        name.push(".new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let path = PathBuf::from(name);
        // One that was not finished, or is another's who is about to end.
        match remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut log = Self { file: options.open(&path)?, path, len: 0 };
        log.append(&seal.header())?;
        Ok(log)
    }

    /// Removes a new log that could not be finished.
    pub(crate) fn discard(self) {
        // If it stays it takes room, until the next one removes it.
        let _ = remove_file(&self.path);
    }

    /// Puts it in the place of another.
    pub(crate) fn install(mut self, path: &Path) -> io::Result<Self> {
        rename(&self.path, path)?;
        path.clone_into(&mut self.path);
        Ok(self)
    }

    /// Adds records. After an error the next ones go where these should have gone.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all_at(records, self.len)?;
        self.len += records.len() as u64;
        Ok(())
    }

    /// Adds what another log has from there on.
    pub(crate) fn append_from(&mut self, other: &Self, mut start: u64) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while start < other.len {
            let len = usize::try_from(other.len - start).map_or(CHUNK, |rest| rest.min(CHUNK));
            other.file.read_exact_at(&mut chunk[..len], start)?;
            self.append(&chunk[..len])?;
            start += len as u64;
        }
        Ok(())
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a log; answers how much of it is good, `None` if it is not ours.
fn read(
    file: &File,
    seal: &Seal,
    tell: &mut impl FnMut(&Record<'_>) -> Verdict,
) -> io::Result<Option<u64>> {
    let mut reader = BufReader::with_capacity(CHUNK, file);
    let mut header = [0; HEADER];
    if !fill(&mut reader, &mut header)? || header != seal.header() {
        return Ok(None);
    }
    let (mut good, mut prefix, mut rest) = (HEADER as u64, [0; PREFIX], [0; REST_MAX]);
    while fill(&mut reader, &mut prefix)? {
        let (len, check) = Seal::prefix(prefix);
        let Some(rest) = rest.get_mut(..len) else { break };
        if !fill(&mut reader, rest)? {
            break;
        }
        let Some(record) = seal.read(check, rest) else { break };
        if tell(&record) == Verdict::Foreign {
            return Ok(None);
        }
        good += (PREFIX + len) as u64;
    }
    Ok(Some(good))
}

/// Fills the buffer; `false` at the end of the file.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
