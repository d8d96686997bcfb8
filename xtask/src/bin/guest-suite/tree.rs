//! Unpacking a tree of many small files, and finding it again.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::check::{ensure, equal};
use crate::content::{Random, checksum};
use crate::mount::Mount;
use crate::options::size;
use crate::{Failure, Step};

/// Files in one folder.
const FILES_PER_FOLDER: usize = 60;
/// What modes the files get in turn.
const MODES: [u32; 5] = [0o644, 0o755, 0o600, 0o640, 0o444];

/// What is known of a file.
#[derive(Debug, PartialEq)]
struct Record {
    len: u64,
    checksum: u64,
    mode: u32,
    seconds: i64,
    nanoseconds: i64,
}

/// Unpacks a tree, then compares it twice: with an empty cache, and after a new mount.
pub(crate) fn unpack_and_compare(mount: &Mount) -> Step {
    let root = mount.folder("tree")?;
    let count = size("GUEST_FILES", 3000);
    let mut random = Random::new(1);
    let mut records = BTreeMap::new();
    for number in 0..count {
        let folder = folder_of(&root, number / FILES_PER_FOLDER);
        if number % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(&folder)?;
        }
        let path = folder.join(format!("file-{number}.{}", ["c", "h", "txt"][number % 3]));
        let record = unpack(&path, number, &mut random)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        records.insert(path, record);
    }
    mount.remount()?;
    compare(&root, &records)?;
    mount.drop_caches()?;
    let (files, folders) = walk(&root)?;
    equal("files found", files, count)?;
    ensure(folders >= count.div_ceil(FILES_PER_FOLDER), "every folder is found")
}

/// Folders are nested: eight on a level.
fn folder_of(root: &Path, number: usize) -> PathBuf {
    let mut path = root.to_path_buf();
    let mut number = number;
    loop {
        path.push(format!("folder-{}", number % 8));
        number /= 8;
        if number == 0 {
            return path;
        }
    }
}

fn unpack(path: &Path, number: usize, random: &mut Random) -> Result<Record, Failure> {
    let len = random_len(random);
    let content = random.bytes(len);
    let mode = MODES[number % MODES.len()];
    let (seconds, nanoseconds) = (1_000_000_000 + random.below(700_000_000), 123_456_789);
    let time = SystemTime::UNIX_EPOCH
        + Duration::new(u64::try_from(seconds)?, u32::try_from(nanoseconds)?);
    let mut file = File::create_new(path)?;
    file.write_all(&content)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time))?;
    Ok(Record {
        len: u64::try_from(len)?,
        checksum: checksum(&content),
        mode,
        seconds: i64::try_from(seconds)?,
        nanoseconds,
    })
}

/// Mostly small, some empty, some up to 64 KiB.
fn random_len(random: &mut Random) -> usize {
    match random.below(100) {
        0..10 => 0,
        10..75 => random.below(4 << 10),
        75..95 => random.below(16 << 10),
        95..98 => random.below(64 << 10),
        _ => 64 << 10,
    }
}

fn compare(root: &Path, records: &BTreeMap<PathBuf, Record>) -> Step {
    let mut seen = 0;
    for (path, wanted) in records {
        let metadata = fs::symlink_metadata(path)?;
        let record = Record {
            len: metadata.len(),
            checksum: checksum(&fs::read(path)?),
            mode: metadata.mode() & 0o7777,
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        };
        equal(&path.display().to_string(), &record, wanted)?;
        seen += 1;
    }
    equal("files compared", seen, walk(root)?.0)
}

/// How many files and folders are below a folder.
fn walk(folder: &Path) -> Result<(usize, usize), Failure> {
    let (mut files, mut folders) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let (more_files, more_folders) = walk(&entry.path())?;
            files += more_files;
            folders += more_folders + 1;
        } else {
            files += 1;
        }
    }
    Ok((files, folders))
}
