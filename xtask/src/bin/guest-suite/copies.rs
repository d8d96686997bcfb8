//! Copies that the file system makes by itself.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::Errno;

use crate::Step;
use crate::check::{equal, refused, same_bytes};
use crate::content::Random;
use crate::mount::Mount;
use crate::options::Ability;

/// Larger than one request, and not a number of blocks.
const LEN: usize = (5 << 20) + 12_345;
/// Calls of `copy_file_range` that may be needed for all of it.
const CALLS_MAX: usize = 10_000;

pub(crate) fn clone(mount: &Mount) -> Step {
    let dir = mount.folder("clone")?;
    let content = Random::new(12).bytes(LEN);
    fs::write(dir.join("from"), &content)?;
    let from = File::open(dir.join("from"))?;
    let to = File::create_new(dir.join("to"))?;
    if !mount.has(Ability::Clone) {
        refused("clone", ioctl_ficlone(&to, &from), &[Errno::OPNOTSUPP])?;
        return equal("length", to.metadata()?.len(), 0);
    }
    ioctl_ficlone(&to, &from)?;
    mount.drop_caches()?;
    same_bytes("the clone", &fs::read(dir.join("to"))?, &content)?;
    // Each is a file of its own from now on.
    to.write_all_at(b"changed", 4096)?;
    to.sync_all()?;
    mount.drop_caches()?;
    same_bytes("the first one", &fs::read(dir.join("from"))?, &content)?;
    let mut changed = content;
    changed[4096..4103].copy_from_slice(b"changed");
    same_bytes("the changed one", &fs::read(dir.join("to"))?, &changed)?;
    // What is not on the server yet is cloned, too.
    let writer = OpenOptions::new().write(true).open(dir.join("from"))?;
    writer.write_all_at(b"late", 0)?;
    let again = File::create_new(dir.join("again"))?;
    ioctl_ficlone(&again, &from)?;
    equal("first bytes", &fs::read(dir.join("again"))?[..4], b"late")?;
    let shut = File::open(dir.join("to"))?;
    refused("to one open for reading", ioctl_ficlone(&shut, &from), &[Errno::BADF])
}

pub(crate) fn copy(mount: &Mount) -> Step {
    let dir = mount.folder("copy")?;
    let content = Random::new(13).bytes(LEN);
    fs::write(dir.join("from"), &content)?;
    let from = File::open(dir.join("from"))?;
    let path = dir.join("to");
    let to = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let (mut read_at, mut write_at) = (1000, 77);
    let mut calls = 0;
    loop {
        let copied = copy_file_range(&from, Some(&mut read_at), &to, Some(&mut write_at), LEN)?;
        calls += 1;
        if copied == 0 {
            break;
        }
        equal("calls", calls > CALLS_MAX, false)?;
    }
    let wanted = [&[0; 77], &content[1000..]].concat();
    equal("where reading ended", read_at, u64::try_from(LEN)?)?;
    equal("where writing ended", write_at, u64::try_from(wanted.len())?)?;
    mount.drop_caches()?;
    same_bytes("the copy", &fs::read(&path)?, &wanted)?;
    copy_within(&to, wanted)?;
    let (mut from_end, mut end) = (u64::try_from(LEN)?, 0);
    let copied = copy_file_range(&from, Some(&mut from_end), &to, Some(&mut end), 100)?;
    equal("copied from the end", copied, 0)?;
    let shut = File::open(&path)?;
    let refusal = copy_file_range(&from, None, &shut, None, 100);
    refused("to one open for reading", refusal, &[Errno::BADF])?;
    let mut append = OpenOptions::new().append(true).open(&path)?;
    let refusal = copy_file_range(&from, None, &append, None, 100);
    refused("to one open for appending", refusal, &[Errno::BADF])?;
    append.write_all(b"end")?;
    Ok(())
}

/// A file may be copied into itself where the pieces do not overlap.
fn copy_within(file: &File, mut wanted: Vec<u8>) -> Step {
    let (mut from, mut to) = (0, 2_000_000);
    let mut left = 1_000_000;
    for _ in 0..CALLS_MAX {
        let copied = copy_file_range(file, Some(&mut from), file, Some(&mut to), left)?;
        left -= copied;
        if copied == 0 || left == 0 {
            break;
        }
    }
    equal("bytes that were not copied", left, 0)?;
    wanted.copy_within(0..1_000_000, 2_000_000);
    let mut seen = vec![0; wanted.len()];
    file.read_exact_at(&mut seen, 0)?;
    same_bytes("the file copied into itself", &seen, &wanted)?;
    let (mut from, mut to) = (0, 500);
    let refusal = copy_file_range(file, Some(&mut from), file, Some(&mut to), 1000);
    refused("pieces that overlap", refusal, &[Errno::INVAL])
}
