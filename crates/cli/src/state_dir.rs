//! What outlives the process: the key that file handles are signed with, and the server's name
//! among servers. Both are 16 random bytes of one file, so that neither tells anything of the
//! other.

use std::env;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;

use crate::reason::reason;
use crate::settings::Directory;

const KEY_BYTES: usize = 32;
/// The bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// The two halves of the key file.
pub(crate) struct Secrets {
    /// Signs file handles.
    pub(crate) handle_key: [u8; 16],
    /// Names the server.
    pub(crate) identity: [u8; 16],
}

/// A state directory. It belongs to this process as long as the lock is open.
pub(crate) struct StateDir {
    pub(crate) secrets: Secrets,
    pub(crate) lock: File,
}

/// Why the state directory cannot be used.
#[derive(Debug)]
pub(crate) enum StateError {
    NoPlace,
    NotWritable(PathBuf, io::Error),
    InUse(PathBuf),
    KeyLength(PathBuf, u64),
    KeyOpen(PathBuf, u32),
    KeyForeign(PathBuf, u32),
    Key(PathBuf, io::Error),
    NoRandom(rustix::io::Errno),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlace => f.write_str(
                "no place for the state directory, as HOME is not set: use --state-dir DIR, or \
                 --ephemeral to keep nothing",
            ),
            Self::NotWritable(path, error) => write!(
                f,
                "cannot write the state directory {}: {}; use --state-dir DIR, or --ephemeral to \
                 keep nothing",
                path.display(),
                reason(error)
            ),
            Self::InUse(path) => write!(
                f,
                "the state directory {} is in use by another server: stop that one, or use \
                 --state-dir DIR",
                path.display()
            ),
            Self::KeyLength(path, bytes) => write!(
                f,
                "{} has {bytes} bytes, not {KEY_BYTES}: it is no key; without it a new one is \
                 made, and clients must mount anew",
                path.display()
            ),
            Self::KeyOpen(path, mode) => write!(
                f,
                "{} may be read by others (its mode is {mode:04o}): chmod 600 it",
                path.display()
            ),
            Self::KeyForeign(path, uid) => {
                write!(f, "{} belongs to user {uid}, who can read it: chown it", path.display())
            }
            Self::Key(path, error) => {
                write!(f, "cannot read {}: {}", path.display(), reason(error))
            }
            Self::NoRandom(errno) => write!(f, "the kernel gives no random numbers: {errno}"),
        }
    }
}

impl std::error::Error for StateError {}

impl Secrets {
    /// Secrets that end with the process.
    pub(crate) fn ephemeral() -> Result<Self, StateError> {
        Ok(Self::split(random()?))
    }

    fn split(bytes: [u8; KEY_BYTES]) -> Self {
        let mut secrets = Self { handle_key: [0; 16], identity: [0; 16] };
        secrets.handle_key.copy_from_slice(&bytes[..16]);
        secrets.identity.copy_from_slice(&bytes[16..]);
        secrets
    }
}

impl StateDir {
    /// Takes a directory, and makes what it lacks.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let not_writable = |error| StateError::NotWritable(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(not_writable)?;
        // The files in it may be writable when it is not: what is to be kept needs new ones.
        let may = Access::WRITE_OK | Access::EXEC_OK;
        access(path, may).map_err(|errno| not_writable(errno.into()))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join("lock")).map_err(not_writable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(not_writable(error)),
        }
        let bytes = match read_key(&path.join("key"))? {
            Some(bytes) => bytes,
            None => {
                let bytes = random()?;
                write_key(path, &bytes).map_err(not_writable)?;
                bytes
            }
        };
        Ok(Self { secrets: Secrets::split(bytes), lock })
    }
}

fn read_key(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, StateError> {
    let failed = |error| StateError::Key(path.to_owned(), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(StateError::KeyOpen(path.to_owned(), mode));
    }
    if ![0, geteuid().as_raw()].contains(&metadata.uid()) {
        return Err(StateError::KeyForeign(path.to_owned(), metadata.uid()));
    }
    if metadata.len() != KEY_BYTES as u64 {
        return Err(StateError::KeyLength(path.to_owned(), metadata.len()));
    }
    let mut bytes = [0; KEY_BYTES];
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Writes the key so that there is all of it or none, whenever the machine stops.
fn write_key(dir: &Path, bytes: &[u8]) -> io::Result<()> {
    let (new, key) = (dir.join("key.new"), dir.join("key"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, &key)?;
    File::open(dir)?.sync_all()
}

fn random() -> Result<[u8; KEY_BYTES], StateError> {
    let mut bytes = [0; KEY_BYTES];
    // A request of up to 256 bytes is answered whole.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(StateError::NoRandom)?;
    Ok(bytes)
}

/// The state directory for these exports when none is named: the service manager's, or one of the
/// user's.
pub(crate) fn default_path(directories: &[Directory]) -> Result<PathBuf, StateError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(list) = set("STATE_DIRECTORY") {
        // A service manager may name several, with colons between them.
        let first = env::split_paths(&list).next();
        return first.ok_or(StateError::NoPlace);
    }
    let state = set("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = state.or_else(home).ok_or(StateError::NoPlace)?;
    Ok(state.join("holdfast").join(name_of(directories)))
}

/// The same name for the same exports, wherever the server is started from.
fn name_of(directories: &[Directory]) -> String {
    let mut lines: Vec<Vec<u8>> = directories
        .iter()
        .map(|it| {
            let path = fs::canonicalize(&it.path);
            let path = path.or_else(|_| std::path::absolute(&it.path));
            let path = path.unwrap_or_else(|_| it.path.clone());
            [it.name.as_bytes(), b"\0", path.as_os_str().as_bytes(), b"\0"].concat()
        })
        .collect();
    lines.sort();
    // FNV-1a: nobody gains by a collision of his own directories, and the lock would tell.
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = lines.concat().iter().fold(0xcbf2_9ce4_8422_2325, hash);
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_depends_on_what_is_exported_and_not_on_the_order() {
        let of = |name: &str, path: &str| Directory::new(name, path);
        let (a, b) = (of("/a", "/nowhere/1"), of("/b", "/nowhere/2"));
        assert_eq!(name_of(&[a.clone(), b.clone()]), name_of(&[b.clone(), a.clone()]));
        assert_ne!(name_of(std::slice::from_ref(&a)), name_of(&[b]));
        assert_ne!(name_of(&[of("/", "/nowhere/1")]), name_of(&[a]));
    }
}
