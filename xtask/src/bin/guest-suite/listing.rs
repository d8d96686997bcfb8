//! Folders larger than a reply.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::DirEntryExt;
use std::path::Path;

use crate::Step;
use crate::check::{ensure, equal};
use crate::mount::Mount;
use crate::options::size;

pub(crate) fn many_entries(mount: &Mount) -> Step {
    let dir = mount.folder("many")?;
    let names: BTreeSet<OsString> = (0..size("GUEST_ENTRIES", 2000))
        .map(|number| format!("entry-{number}-{}", "y".repeat(number % 90)).into())
        .collect();
    for name in &names {
        File::create_new(dir.join(name))?;
    }
    mount.drop_caches()?;
    let (mut seen, mut inodes, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
    for entry in fs::read_dir(&dir)? {
        let entry = entry?;
        inodes.insert(entry.ino());
        seen.insert(entry.file_name());
        count += 1;
    }
    equal("entries listed", count, names.len())?;
    equal("inodes", inodes.len(), names.len())?;
    ensure(seen == names, "what is listed is what was made")
}

pub(crate) fn remove_while_listing(mount: &Mount) -> Step {
    let dir = mount.path("many");
    let wanted = fs::read_dir(&dir)?.count();
    let mut removed = 0;
    for entry in fs::read_dir(&dir)? {
        fs::remove_file(entry?.path())?;
        removed += 1;
    }
    equal("entries removed", removed, wanted)?;
    fs::remove_dir(dir)?;
    Ok(())
}

/// A folder that changes while it is listed: what stays is listed once, nothing is twice.
pub(crate) fn change_while_listing(mount: &Mount) -> Step {
    let dir = mount.folder("changing")?;
    let count = size("GUEST_CHANGING", 500);
    for number in 0..count {
        File::create_new(dir.join(format!("{}-{number}", KINDS[number % KINDS.len()])))?;
    }
    mount.drop_caches()?;
    let mut seen = BTreeSet::new();
    let (mut listed, mut next) = (0, 0);
    for entry in fs::read_dir(&dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure(seen.insert(name.clone()), &format!("{name} is listed once"))?;
        listed += 1;
        // One change for every entry that is read, all over the folder.
        if next < count {
            change_one(&dir, next * 7919 % count, next)?;
            next += 1;
        }
    }
    ensure(listed >= count / KINDS.len(), "the listing is not cut short")?;
    let stays = |name: &&String| name.starts_with(KINDS[0]);
    equal("entries that stay", seen.iter().filter(stays).count(), count.div_ceil(KINDS.len()))?;
    fs::remove_dir_all(dir)?;
    Ok(())
}

/// What becomes of entries in turn.
const KINDS: [&str; 3] = ["stays", "goes", "moves"];

fn change_one(dir: &Path, number: usize, serial: usize) -> Step {
    let kind = KINDS[number % KINDS.len()];
    let path = dir.join(format!("{kind}-{number}"));
    match kind {
        // 7919 is a prime: each number comes once, unless the count is a multiple of it.
        "goes" if path.exists() => fs::remove_file(path)?,
        "moves" if path.exists() => fs::rename(path, dir.join(format!("moved-{serial}")))?,
        _ => drop(File::create(dir.join(format!("new-{serial}")))?),
    }
    Ok(())
}
