//! Transfer of data past the cache, and through memory.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::OFlags;

use crate::Step;
use crate::check::{equal, same_bytes};
use crate::content::Random;
use crate::mount::Mount;
use crate::sys::Mapping;

/// What direct transfers are aligned to, in memory and in the file.
const ALIGNED: usize = 4096;
const LEN: usize = 1 << 20;

/// The part of `room` that begins at a multiple of `ALIGNED` in memory.
fn aligned(room: &mut [u8]) -> &mut [u8] {
    let start = room.as_ptr().align_offset(ALIGNED);
    &mut room[start..start + LEN]
}

pub(crate) fn direct(mount: &Mount) -> Step {
    let path = mount.folder("direct")?.join("file");
    let direct = i32::try_from(OFlags::DIRECT.bits())?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).custom_flags(direct).open(&path)?;
    let content = Random::new(15).bytes(LEN);
    let mut room = vec![0; LEN + ALIGNED];
    aligned(&mut room).copy_from_slice(&content);
    file.write_all_at(aligned(&mut room), 0)?;
    // Through the cache of a second descriptor, and back past it.
    same_bytes("content", &fs::read(&path)?, &content)?;
    let cached = OpenOptions::new().write(true).open(&path)?;
    cached.write_all_at(b"through the cache", 100)?;
    cached.sync_all()?;
    let mut wanted = content;
    wanted[100..117].copy_from_slice(b"through the cache");
    aligned(&mut room).fill(0);
    file.read_exact_at(aligned(&mut room), 0)?;
    same_bytes("content read directly", aligned(&mut room), &wanted)?;
    equal("bytes behind the end", file.read_at(aligned(&mut room), u64::try_from(LEN)?)?, 0)?;
    mount.drop_caches()?;
    same_bytes("content", &fs::read(&path)?, &wanted)
}

pub(crate) fn mapped(mount: &Mount) -> Step {
    let path = mount.folder("mapped")?.join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let mut wanted = Random::new(16).bytes(LEN + 100);
    file.write_all_at(&wanted, 0)?;
    let mut mapping = Mapping::new(&file, wanted.len())?;
    same_bytes("what is mapped", &mapping.read(0, wanted.len())?, &wanted)?;
    let mut random = Random::new(17);
    for at in [0, 5000, 4090, LEN - 3, LEN + 60] {
        let piece = random.bytes(40);
        mapping.write(at, &piece)?;
        wanted[at..at + 40].copy_from_slice(&piece);
    }
    same_bytes("read before it is synced", &fs::read(&path)?, &wanted)?;
    mapping.sync()?;
    mount.drop_caches()?;
    same_bytes("read after it is synced", &fs::read(&path)?, &wanted)?;
    file.write_all_at(b"written", 9000)?;
    same_bytes("a write seen in the mapping", &mapping.read(9000, 7)?, b"written")?;
    mapping.write(70_000, b"last")?;
    // The mapping outlives the descriptor, and what is in it is kept when it goes.
    drop(file);
    drop(mapping);
    mount.drop_caches()?;
    let mut seen = [0; 4];
    File::open(&path)?.read_exact_at(&mut seen, 70_000)?;
    same_bytes("written when nobody had it open", &seen, b"last")
}
