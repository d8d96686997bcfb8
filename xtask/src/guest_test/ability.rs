//! What the steps may ask for, in the words of the guest's program: what the server offers, and
//! what the file system of a folder can do, found by doing it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rustix::fs::{FallocateFlags, SeekFrom, XattrFlags, fallocate, ioctl_ficlone, seek, setxattr};

use crate::toml::{self, Table};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LEN: u64 = 1 << 20;
/// The abilities, and an operation without which there is none.
const OPERATIONS: [(&str, &str); 4] =
    [("locks", "LOCK"), ("sparse", "SEEK"), ("clone", "CLONE"), ("xattr", "SETXATTR")];

/// What the server offers: what `specs/exceptions.toml` does not take away.
pub(super) fn offered() -> Result<Vec<&'static str>> {
    let path = crate::root().join("specs/exceptions.toml");
    Ok(offered_but(&toml::parse(&fs::read_to_string(path)?)?))
}

fn offered_but(exceptions: &[Table]) -> Vec<&'static str> {
    let refused = |operation: &str| {
        let mut whats = exceptions.iter().filter_map(|table| table.text("what"));
        whats.any(|what| what.rsplit(": ").next() == Some(operation))
    };
    let offered = OPERATIONS.into_iter().filter(|(_, operation)| !refused(operation));
    offered.map(|(ability, _)| ability).collect()
}

/// Of `offered`, what is possible in a folder, in the words of the guest's program.
pub(super) fn possible(folder: &Path, offered: &[&str]) -> Result<String> {
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
        fs::remove_file(name)?;
    }
    let found = found.into_iter().filter(|(name, is)| *is && offered.contains(name));
    Ok(found.map(|(name, _)| name).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_takes_an_ability_away() {
        let text = "[[exception]]\nwhat = \"answers NFS4ERR_NOTSUPP: SEEK\"\n\
                    [[exception]]\nwhat = \"answers NFS4ERR_NOTSUPP: LOCKT\"\n";
        let exceptions = toml::parse(text).expect("is legal");
        assert_eq!(offered_but(&exceptions), ["locks", "clone", "xattr"]);
    }
}
