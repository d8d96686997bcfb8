//! File systems below an export: each is one of its own here, too, and tools find their way.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;

use crate::Step;
use crate::check::{ensure, equal, refused};
use crate::mount::Mount;
use crate::options::Options;

/// Where they are, and the export's own.
const PLACES: [&str; 5] = ["", "mem", "disk", "disk/a", "disk/b"];
const FOLDERS: usize = 3;
const FILES: usize = 5;
const BYTES: usize = 10_000;

pub(crate) fn shown(options: &Options, path: &str) -> Step {
    let mount = Mount::new(options, path, "/mnt/nested")?;
    let top = mount.top().to_owned();
    let run = format!("run-{}", options.version);
    for place in PLACES {
        fill(&top.join(place).join(&run), place)?;
    }
    mount.drop_caches()?;
    ids(&top, &run)?;
    found(&top, &run)?;
    ways_up(&top)?;
    copied(&mount, &run)?;
    names_stay(&top, &run)?;
    let folders = PLACES.map(|place| top.join(place).join(&run));
    tool(Command::new("rm").arg("-r").args(&folders))?;
    mount.drop_caches()?;
    for folder in &folders {
        refused("a removed folder", fs::metadata(folder), &[Errno::NOENT])?;
    }
    mount.unmount()
}

pub(crate) fn hidden(options: &Options, path: &str) -> Step {
    let mount = Mount::new(options, path, "/mnt/noxdev")?;
    for name in ["mem", "disk"] {
        let path = mount.top().join(name);
        refused(name, fs::metadata(&path), &[Errno::NOENT])?;
        refused("mkdir", fs::create_dir(&path), &[Errno::EXIST])?;
        let mut names = fs::read_dir(mount.top())?.map(|entry| entry.map(|it| it.file_name()));
        ensure(!names.any(|it| it.is_ok_and(|it| it == name)), &format!("{name} is not listed"))?;
    }
    mount.unmount()
}

fn fill(folder: &Path, text: &str) -> Step {
    fs::create_dir(folder)?;
    for number in 0..FOLDERS {
        let below = folder.join(format!("folder-{number}"));
        fs::create_dir(&below)?;
        for number in 0..FILES {
            let mut content = format!("{text} {number}").into_bytes();
            content.resize(BYTES, b'.');
            fs::write(below.join(format!("leaf-{number}")), content)?;
        }
    }
    Ok(())
}

/// Each has a device of its own; their inode numbers may be the same.
fn ids(top: &Path, run: &str) -> Step {
    let mut devices = BTreeSet::new();
    for place in PLACES {
        let folder = top.join(place);
        let device = fs::metadata(&folder)?.dev();
        ensure(devices.insert(device), &format!("'{place}' has a device of its own"))?;
        equal("device of what is in it", fs::metadata(folder.join(run))?.dev(), device)?;
    }
    let roots = ["disk/a", "disk/b"].map(|name| fs::metadata(top.join(name)).map(|it| it.ino()));
    let [a, b] = roots;
    equal("inodes of the roots of two subvolumes", a?, b?)
}

/// What find and du see, with and without the file systems below.
fn found(top: &Path, run: &str) -> Step {
    let leaves = |options: &[&str]| {
        let pattern = format!("*/{run}/*/leaf-*");
        let found = tool(Command::new("find").arg(top).args(options).args(["-path", &pattern]))?;
        Ok::<_, crate::Failure>(found.lines().count())
    };
    equal("leaves in all", leaves(&[])?, PLACES.len() * FOLDERS * FILES)?;
    equal("leaves of one file system", leaves(&["-xdev"])?, FOLDERS * FILES)?;
    let kib = |options: &str| {
        let said = tool(Command::new("du").arg(options).arg(top.join("disk")))?;
        Ok::<_, crate::Failure>(said.split_whitespace().next().unwrap_or_default().parse::<u64>()?)
    };
    let (all, one) = (kib("-sk")?, kib("-skx")?);
    let least = (FOLDERS * FILES * BYTES / 1024) as u64;
    ensure(one >= least, &format!("du -x: {one} KiB are {least} at least"))?;
    ensure(all >= one + 2 * least, &format!("du: {all} KiB are those of three, not of one, {one}"))
}

/// From the root of each, two dots lead to where it is mounted.
fn ways_up(top: &Path) -> Step {
    for place in &PLACES[1..] {
        let folder = top.join(place);
        let above = folder.parent().ok_or("there is a folder above")?;
        let (up, above) = (fs::metadata(folder.join(".."))?, fs::metadata(above)?);
        equal("what two dots lead to", (up.dev(), up.ino()), (above.dev(), above.ino()))?;
    }
    Ok(())
}

/// Copies three file systems out, and into one of them; all arrives.
fn copied(mount: &Mount, run: &str) -> Step {
    let (disk, outside) = (mount.top().join("disk"), PathBuf::from("/tmp/nested-copy"));
    let inside = mount.top().join("mem").join(run).join("copy");
    tool(Command::new("cp").arg("-a").arg(&disk).arg(&outside))?;
    tool(Command::new("cp").arg("-a").arg(&outside).arg(&inside))?;
    mount.drop_caches()?;
    for copy in [&outside, &inside] {
        for place in ["", "a", "b"] {
            let (from, to) = (disk.join(place).join(run), copy.join(place).join(run));
            tool(Command::new("diff").arg("-r").args([&from, &to]))?;
            let leaf = "folder-0/leaf-0";
            equal("size", fs::metadata(to.join(leaf))?.len(), BYTES as u64)?;
            equal(
                "time",
                fs::metadata(to.join(leaf))?.mtime(),
                fs::metadata(from.join(leaf))?.mtime(),
            )?;
        }
    }
    fs::remove_dir_all(outside)?;
    Ok(())
}

/// No name moves from one to another, and none of the roots goes.
fn names_stay(top: &Path, run: &str) -> Step {
    for pair in PLACES.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|place| top.join(place).join(run));
        let leaf = from.join("folder-0/leaf-0");
        refused("rename", fs::rename(&leaf, to.join("new")), &[Errno::XDEV])?;
        refused("link", fs::hard_link(&leaf, to.join("new")), &[Errno::XDEV])?;
    }
    refused("rmdir", fs::remove_dir(top.join("mem")), &[Errno::BUSY])
}

/// Runs a program; answers what it says.
fn tool(command: &mut Command) -> Result<String, crate::Failure> {
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    let good = output.status.success() && error.is_empty();
    ensure(good, &format!("{command:?}: {} {error}", output.status))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
