//! What the inodes of one file system share: the table that handles are looked up in, the account
//! of space, and the clock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use holdfast_base::World;

use super::MemFsOptions;
use super::account::Account;
use super::inode::Inode;
use super::sync::{read, write};
use crate::{Error, Fsid, Handle, Result, Time};

pub(super) const ROOT_INO: u64 = 1;

const HANDLE_LEN: usize = 20;
const SHARDS: usize = 64;

type Shard = RwLock<HashMap<u64, Weak<Inode>, BuildHasherDefault<InoHasher>>>;

/// The table holds no inode alive: directories and open files do. So an object is gone, and its
/// handle stale, when neither has it any more.
pub(super) struct Shared {
    world: Arc<dyn World>,
    pub(super) fsid: Fsid,
    pub(super) account: Account,
    /// Never changes: what was written is lost only together with all handles.
    pub(super) verifier: u64,
    /// Held while a directory may get another parent.
    pub(super) topology: Mutex<()>,
    /// Makes the handles of a former process strangers.
    tag: [u8; 4],
    secret: u64,
    next_ino: AtomicU64,
    shards: [Shard; SHARDS],
}

impl Shared {
    pub(super) fn new(world: Arc<dyn World>, options: &MemFsOptions) -> Self {
        let mut chance = [0; 20];
        world.random(&mut chance);
        let word = |at: usize| {
            u64::from_le_bytes(chance[at..at + 8].try_into().expect("eight bytes were cut"))
        };
        Self {
            world,
            fsid: options.fsid,
            account: Account::new(options.limit_bytes, options.limit_files),
            verifier: word(4),
            topology: Mutex::new(()),
            tag: [chance[0], chance[1], chance[2], chance[3]],
            secret: word(12),
            next_ino: AtomicU64::new(ROOT_INO),
            shards: std::array::from_fn(|_| Shard::default()),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.world.wall()
    }

    pub(super) fn new_ino(&self) -> u64 {
        self.next_ino.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn handle(&self, ino: u64) -> Handle {
        let mut bytes = [0; HANDLE_LEN];
        bytes[..8].copy_from_slice(&ino.to_le_bytes());
        bytes[8..16].copy_from_slice(&mix(ino ^ self.secret).to_le_bytes());
        bytes[16..].copy_from_slice(&self.tag);
        Handle::new(&bytes).expect("a handle has more room than this")
    }

    pub(super) fn resolve(&self, handle: &Handle) -> Result<Arc<Inode>> {
        if handle.len() != HANDLE_LEN {
            return Err(Error::BadHandle);
        }
        let (ino, _) = handle.as_slice().split_first_chunk().ok_or(Error::BadHandle)?;
        let ino = u64::from_le_bytes(*ino);
        if self.handle(ino) != *handle {
            return Err(Error::Stale);
        }
        read(self.shard(ino)).get(&ino).and_then(Weak::upgrade).ok_or(Error::Stale)
    }

    pub(super) fn enter(&self, inode: &Arc<Inode>) {
        write(self.shard(inode.ino)).insert(inode.ino, Arc::downgrade(inode));
    }

    pub(super) fn forget(&self, ino: u64) {
        write(self.shard(ino)).remove(&ino);
    }

    fn shard(&self, ino: u64) -> &Shard {
        &self.shards[ino as usize % SHARDS]
    }
}

/// Inode numbers are counted, not chosen by a caller: they need spreading, not protection.
#[derive(Default)]
struct InoHasher(u64);

impl Hasher for InoHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(number);
    }
}

/// Spreads every bit of `x` over all bits; no two inputs meet (the finalizer of SplitMix64).
const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
