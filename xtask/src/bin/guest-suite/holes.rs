//! Holes: where data is, cutting holes, and room that is kept for data to come.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

use crate::check::{ensure, equal, refused, same_bytes};
use crate::content::Random;
use crate::mount::Mount;
use crate::options::Ability;
use crate::{Failure, Step};

const MIB: u64 = 1 << 20;
/// The file of these tests, MiB by MiB: whether there is data.
const LAYOUT: [bool; 8] = [false, false, true, true, false, true, false, false];

/// Makes a file of that layout; its content.
fn make(mount: &Mount, name: &str) -> Result<(File, Vec<u8>), Failure> {
    let path = mount.folder(name)?.join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    let mut random = Random::new(11);
    let mut content = Vec::new();
    for (index, is_data) in (0..).zip(LAYOUT) {
        let piece = if is_data { random.bytes(1 << 20) } else { vec![0; 1 << 20] };
        if is_data {
            file.write_all_at(&piece, index * MIB)?;
        }
        content.extend_from_slice(&piece);
    }
    file.set_len(u64::try_from(content.len())?)?;
    file.sync_all()?;
    mount.drop_caches()?;
    Ok((file, content))
}

fn read_whole(file: &File) -> Result<Vec<u8>, Failure> {
    let mut content = vec![1; usize::try_from(file.metadata()?.len())?];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

/// Goes through a file from data to hole to data. What it calls a hole must read as zeros. The
/// data it tells of, in MiB.
fn check(file: &File, content: &[u8]) -> Result<Vec<(u64, u64)>, Failure> {
    let len = u64::try_from(content.len())?;
    let mut seen = Vec::new();
    let mut at = 0;
    while at < len {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => len,
            Err(error) => return Err(format!("SEEK_DATA from {at}: {error}").into()),
        };
        ensure(data >= at, &format!("data at {data} is not before {at}"))?;
        let hole = &content[usize::try_from(at)?..usize::try_from(data)?];
        ensure(hole.iter().all(|byte| *byte == 0), &format!("a hole from {at} to {data}"))?;
        if data < len {
            at = seek(file, SeekFrom::Hole(data))?;
            ensure(at > data && at <= len, &format!("the data at {data} end at {at}"))?;
            seen.push((data / MIB, at.div_ceil(MIB)));
        } else {
            at = len;
        }
    }
    Ok(seen)
}

/// Where runs of data begin and end.
fn runs(flags: &[bool]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (index, _) in (0..).zip(flags).filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some(last) if last.1 == index => last.1 += 1,
            _ => runs.push((index, index + 1)),
        }
    }
    runs
}

pub(crate) fn data_and_holes(mount: &Mount) -> Step {
    let (file, content) = make(mount, "seek")?;
    let seen = check(&file, &content)?;
    if mount.has(Ability::Sparse) {
        equal("MiB with data", seen, runs(&LAYOUT))?;
    }
    let len = u64::try_from(content.len())?;
    equal("the hole at the end", seek(&file, SeekFrom::Hole(len - 1))?, {
        if mount.has(Ability::Sparse) { len - 1 } else { len }
    })?;
    if mount.has(Ability::Sparse) {
        let last = seek(&file, SeekFrom::Data(6 * MIB));
        refused("data in the last hole", last, &[Errno::NXIO])?;
        equal("data from amid data", seek(&file, SeekFrom::Data(3 * MIB + 5))?, 3 * MIB + 5)?;
        equal("a hole from amid a hole", seek(&file, SeekFrom::Hole(MIB + 7))?, MIB + 7)?;
    }
    for from in [SeekFrom::Data(len), SeekFrom::Hole(len), SeekFrom::Data(len + MIB)] {
        refused(&format!("{from:?} behind the end"), seek(&file, from), &[Errno::NXIO])?;
    }
    same_bytes("content", &read_whole(&file)?, &content)
}

pub(crate) fn punch(mount: &Mount) -> Step {
    let (file, mut content) = make(mount, "punch")?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if !mount.has(Ability::Sparse) {
        return refused("punch", fallocate(&file, flags, 0, MIB), &[Errno::OPNOTSUPP]);
    }
    let used = file.metadata()?.blocks() * 512;
    // A whole MiB, one across its borders, and one that goes on behind the end.
    for (at, len) in [(2 * MIB, MIB), (5 * MIB + 100, 7000), (7 * MIB + 5, 9 * MIB)] {
        fallocate(&file, flags, at, len)?;
        let end = usize::try_from(at + len)?.min(content.len());
        content[usize::try_from(at)?..end].fill(0);
        equal("length", file.metadata()?.len(), u64::try_from(content.len())?)?;
    }
    file.sync_all()?;
    mount.drop_caches()?;
    same_bytes("content", &read_whole(&file)?, &content)?;
    let left = file.metadata()?.blocks() * 512;
    ensure(left + MIB <= used, &format!("{used} bytes used, and {left} with a hole more"))?;
    check(&file, &content)?;
    equal("data behind what was cut", seek(&file, SeekFrom::Data(2 * MIB))?, 3 * MIB)?;
    // What is written into a hole is there.
    file.write_all_at(b"again", 2 * MIB + 10)?;
    content[2 * (1 << 20) + 10..][..5].copy_from_slice(b"again");
    file.sync_all()?;
    mount.drop_caches()?;
    same_bytes("content", &read_whole(&file)?, &content)?;
    let shut = File::open(mount.path("punch/file"))?;
    refused("punch of one open for reading", fallocate(&shut, flags, 0, MIB), &[Errno::BADF])
}

pub(crate) fn preallocate(mount: &Mount) -> Step {
    let path = mount.folder("allocate")?.join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    file.write_all_at(b"content", 0)?;
    file.sync_all()?;
    if !mount.has(Ability::Sparse) {
        let done = fallocate(&file, FallocateFlags::empty(), 0, MIB);
        return refused("allocation", done, &[Errno::OPNOTSUPP]);
    }
    fallocate(&file, FallocateFlags::empty(), 0, 2 * MIB)?;
    mount.drop_caches()?;
    let metadata = fs::metadata(&path)?;
    equal("length", metadata.len(), 2 * MIB)?;
    let used = metadata.blocks() * 512;
    ensure(used >= 2 * MIB, &format!("{used} bytes used, wanted 2 MiB"))?;
    let mut wanted = vec![0; 2 << 20];
    wanted[..7].copy_from_slice(b"content");
    same_bytes("content", &read_whole(&file)?, &wanted)?;
    // It never shortens a file.
    fallocate(&file, FallocateFlags::empty(), 100, 1000)?;
    equal("length", fs::metadata(&path)?.len(), 2 * MIB)?;
    refused("no bytes", fallocate(&file, FallocateFlags::empty(), 0, 0), &[Errno::INVAL])
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_of_data_are_found() {
        assert_eq!(runs(&super::LAYOUT), [(2, 4), (5, 6)]);
        assert_eq!(runs(&[true, false, true]), [(0, 1), (2, 3)]);
        assert!(runs(&[false]).is_empty());
    }
}
