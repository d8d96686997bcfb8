//! A FUSE file system of one empty directory, over `/dev/fuse` itself, whose GETATTR stops being
//! answered when it is told so.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const STATFS: u32 = 17;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENOSYS: i32 = 38;

const DIRECTORY: u32 = 0o040_755;

/// A mounted file system. Unmounted when it is dropped; what hangs fails then.
pub(crate) struct Fuse {
    pub(crate) path: PathBuf,
    device: File,
    hanging: Arc<Mutex<Hanging>>,
    server: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Hanging {
    hangs: bool,
    requests: Vec<u64>,
}

impl Fuse {
    /// Mounts it; none where that cannot be done.
    pub(crate) fn mount() -> Option<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let path = std::env::temp_dir().join(format!("holdfast-fuse-{}", std::process::id()));
        std::fs::create_dir_all(&path).ok()?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let options = std::ffi::CString::new(options).ok()?;
        mount("holdfast-test", &path, "fuse", MountFlags::empty(), Some(&*options)).ok()?;
        let (hanging, reader) = (Arc::<Mutex<Hanging>>::default(), device.try_clone().ok()?);
        let shared = hanging.clone();
        let server = Some(std::thread::spawn(move || answer_all(reader, &shared)));
        Some(Self { path, device, hanging, server })
    }

    /// From now on GETATTR is not answered.
    pub(crate) fn hang(&self) {
        self.hanging.lock().unwrap().hangs = true;
    }

    /// How many requests hang.
    pub(crate) fn hanging(&self) -> usize {
        self.hanging.lock().unwrap().requests.len()
    }

    /// Fails what hangs.
    pub(crate) fn release(&self) {
        let mut hanging = self.hanging.lock().unwrap();
        hanging.hangs = false;
        for unique in hanging.requests.drain(..) {
            answer(&self.device, unique, EIO, &[]);
        }
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        self.release();
        let _ = unmount(&self.path, UnmountFlags::DETACH);
        // The kernel ends the conversation when nobody uses the mount any more.
        let _ = self.server.take().map(JoinHandle::join);
        let _ = std::fs::remove_dir(&self.path);
    }
}

fn answer_all(mut device: File, hanging: &Mutex<Hanging>) {
    let mut request = vec![0; 1 << 20];
    while let Ok(n) = device.read(&mut request) {
        let number = |at: usize| u32::from_ne_bytes(*request[at..].first_chunk().unwrap());
        let unique = u64::from_ne_bytes(*request[8..].first_chunk().unwrap());
        assert!(n >= 40, "a request has a header");
        match number(4) {
            INIT => answer(&device, unique, 0, &init()),
            GETATTR => {
                let mut hanging = hanging.lock().unwrap();
                if hanging.hangs {
                    hanging.requests.push(unique);
                } else {
                    answer(&device, unique, 0, &attr());
                }
            }
            STATFS => answer(&device, unique, 0, &[0; 80]),
            OPENDIR => answer(&device, unique, 0, &[0; 16]),
            RELEASEDIR => answer(&device, unique, 0, &[]),
            LOOKUP => answer(&device, unique, ENOENT, &[]),
            FORGET | INTERRUPT | BATCH_FORGET => {}
            _ => answer(&device, unique, ENOSYS, &[]),
        }
    }
}

fn answer(mut device: &File, unique: u64, error: i32, body: &[u8]) {
    let len = 16 + body.len() as u32;
    let mut record = Vec::new();
    record.extend_from_slice(&len.to_ne_bytes());
    record.extend_from_slice(&(-error).to_ne_bytes());
    record.extend_from_slice(&unique.to_ne_bytes());
    record.extend_from_slice(body);
    // Who asked may have gone.
    let _ = device.write(&record);
}

/// Version 7.31, no features.
fn init() -> Vec<u8> {
    let mut words = [0_u32; 16];
    (words[0], words[1], words[2], words[5], words[6]) = (7, 31, 1 << 16, 1 << 16, 1);
    words.map(u32::to_ne_bytes).concat()
}

/// The attributes of the directory, to be asked for each time.
fn attr() -> Vec<u8> {
    let mut words = [0_u32; 26];
    // The number of the node; after six numbers of 64 bits and three of 32, mode and links.
    (words[4], words[19], words[20]) = (1, DIRECTORY, 2);
    words.map(u32::to_ne_bytes).concat()
}
