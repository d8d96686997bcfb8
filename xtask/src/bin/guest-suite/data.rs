//! What is in files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::statvfs;

use crate::Step;
use crate::check::{ensure, equal, same_bytes};
use crate::content::{Checksum, Random};
use crate::mount::Mount;
use crate::options::size;

const MIB: u64 = 1 << 20;

pub(crate) fn truncate(mount: &Mount) -> Step {
    let path = mount.folder("truncate")?.join("file");
    let mut wanted = Random::new(2).bytes(100_000);
    fs::write(&path, &wanted)?;
    let file = OpenOptions::new().write(true).open(&path)?;
    for len in [70_001, 200_000, 5, 5000, 0, 123] {
        file.set_len(u64::try_from(len)?)?;
        wanted.resize(len, 0);
        mount.drop_caches()?;
        equal("length", fs::metadata(&path)?.len(), u64::try_from(len)?)?;
        same_bytes("content", &fs::read(&path)?, &wanted)?;
    }
    File::create(&path)?;
    mount.drop_caches()?;
    equal("length after an open that truncates", fs::metadata(&path)?.len(), 0)
}

pub(crate) fn append(mount: &Mount) -> Step {
    let path = mount.folder("append")?.join("log");
    let open = || OpenOptions::new().append(true).create(true).open(&path);
    let (mut one, mut two) = (open()?, open()?);
    let mut wanted = Vec::new();
    for number in 0..100 {
        let line = format!("line {number}\n");
        let file = if number % 2 == 0 { &mut one } else { &mut two };
        file.write_all(line.as_bytes())?;
        if number % 25 == 0 {
            file.sync_data()?;
        }
        wanted.extend_from_slice(line.as_bytes());
    }
    drop((one, two));
    mount.drop_caches()?;
    same_bytes("content", &fs::read(&path)?, &wanted)
}

pub(crate) fn sparse(mount: &Mount) -> Step {
    let path = mount.folder("sparse")?.join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let data = Random::new(3).bytes(64 << 10);
    let len = 64 * MIB;
    file.write_all_at(&data, 32 * MIB)?;
    file.set_len(len)?;
    file.sync_all()?;
    mount.drop_caches()?;
    let metadata = fs::metadata(&path)?;
    equal("length", metadata.len(), len)?;
    if mount.options().holes {
        let used = metadata.blocks() * 512;
        ensure(used <= MIB, &format!("{used} bytes used are below 1 MiB"))?;
    }
    let mut seen = vec![1; data.len()];
    for hole in [0, 17 * MIB + 5, 32 * MIB - 65_536, 32 * MIB + 65_536, len - 65_536] {
        file.read_exact_at(&mut seen, hole)?;
        ensure(seen.iter().all(|byte| *byte == 0), &format!("the hole at {hole} reads as zero"))?;
    }
    file.read_exact_at(&mut seen, 32 * MIB)?;
    same_bytes("content", &seen, &data)
}

/// Writes at odd places that overlap, with data on its way to the server.
pub(crate) fn overlapping_writes(mount: &Mount) -> Step {
    let path = mount.folder("overlap")?.join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let mut random = Random::new(4);
    let mut wanted = vec![0; 300_000];
    file.set_len(300_000)?;
    for round in 0..200 {
        let (at, len) = (random.below(290_000), 1 + random.below(10_000));
        let data = random.bytes(len);
        file.write_all_at(&data, u64::try_from(at)?)?;
        wanted[at..at + len].copy_from_slice(&data);
        if round % 50 == 0 {
            file.sync_data()?;
        }
    }
    mount.drop_caches()?;
    same_bytes("content", &fs::read(&path)?, &wanted)
}

pub(crate) fn large(mount: &Mount) -> Step {
    let path = mount.folder("large")?.join("file");
    let pieces = size("GUEST_LARGE_MIB", 200);
    let mut random = Random::new(5);
    let mut written = Checksum::new();
    let mut file = File::create_new(&path)?;
    for _ in 0..pieces {
        let piece = random.bytes(1 << 20);
        written.feed(&piece);
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    drop(file);
    mount.drop_caches()?;
    let mut read = Checksum::new();
    let mut file = File::open(&path)?;
    let mut piece = vec![0; 1 << 20];
    for _ in 0..pieces {
        file.read_exact(&mut piece)?;
        read.feed(&piece);
    }
    equal("bytes behind the end", file.read(&mut piece)?, 0)?;
    equal("checksum", read.value(), written.value())?;
    fs::remove_file(path)?;
    Ok(())
}

pub(crate) fn free_space(mount: &Mount) -> Step {
    let space = statvfs(mount.path("."))?;
    ensure(space.f_frsize >= 512, "a block has at least 512 bytes")?;
    ensure(space.f_blocks > 0, "there are blocks")?;
    ensure(space.f_bfree <= space.f_blocks, "no more are free than there are")?;
    ensure(space.f_bavail <= space.f_bfree, "no more are to be had than are free")?;
    ensure(space.f_ffree <= space.f_files, "no more files are free than there can be")?;
    ensure(space.f_namemax >= 255, "names may have 255 bytes")
}
