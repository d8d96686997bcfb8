//! Folders larger than a reply.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::DirEntryExt;

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
