//! What the file system of a folder can do, found by doing it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::{FallocateFlags, SeekFrom, XattrFlags, fallocate, ioctl_ficlone, seek, setxattr};

const LEN: u64 = 1 << 20;

/// Of `offered`, what is possible in a folder, in the words of the guest's program.
pub(super) fn possible(folder: &Path, offered: &[&str]) -> std::io::Result<String> {
    let names = [folder.join(".ability"), folder.join(".ability-2")];
    let [path, second] = &names;
    let (mut file, other) = (File::create(path)?, File::create(second)?);
    file.write_all(&vec![1; usize::try_from(2 * LEN).expect("2 MiB fit")])?;
    file.sync_all()?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let punched = fallocate(&file, flags, 0, LEN);
    let found = [
        ("locks", true),
        ("clone", ioctl_ficlone(&other, File::open(path)?).is_ok()),
        ("sparse", punched.is_ok() && seek(&file, SeekFrom::Data(0)) == Ok(LEN)),
        ("xattr", setxattr(path, "user.ability", b"1", XattrFlags::empty()).is_ok()),
    ];
    for name in &names {
        std::fs::remove_file(name)?;
    }
    let found = found.into_iter().filter(|(name, is)| *is && offered.contains(name));
    Ok(found.map(|(name, _)| name).collect::<Vec<_>>().join(","))
}
