//! The folders that are exported; they are gone when the test ends.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use crate::process;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The size of a loop-mounted file system; xfs is not made smaller than 300 MiB.
const IMAGE_BYTES: u64 = 400 << 20;

/// A temporary folder of folders.
pub(super) struct Folders {
    root: PathBuf,
    mounted: Mutex<Vec<PathBuf>>,
}

impl Folders {
    /// Makes the folder, and `rw` in it.
    pub(super) fn new() -> Result<Self> {
        let name = format!("holdfast-guest-test-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir(&root)?;
        let folders = Self { root, mounted: Mutex::new(Vec::new()) };
        folders.make("rw")?;
        Ok(folders)
    }

    /// A path in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes a folder that is a file system in memory.
    pub(super) fn mount_tmpfs(&self, name: &str, options: &str) -> Result<PathBuf> {
        let path = self.make(name)?;
        process::read(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("mode=755,{options}"), "holdfast-test"])
                .arg(&path),
        )?;
        self.mounted.lock().map_err(|_| "a thread panicked")?.push(path.clone());
        Ok(path)
    }

    /// Makes a folder that is a file system of its own, in a file.
    pub(super) fn mount_loop(&self, name: &str, kind: &str) -> Result<PathBuf> {
        let image = self.path(&format!("{name}.img"));
        fs::File::create(&image)?.set_len(IMAGE_BYTES)?;
        let mut make = Command::new(format!("mkfs.{kind}"));
        // What ext4 has by itself in small images leaves too little room for attributes.
        make.args(if kind == "ext4" { &["-q", "-b", "4096"][..] } else { &["-q"] }).arg(&image);
        process::read(&mut make)?;
        let path = self.make(name)?;
        process::read(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&path))?;
        self.mounted.lock().map_err(|_| "a thread panicked")?.push(path.clone());
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// Makes a folder on a btrfs of its own, with room for `limit`: more is over quota.
    pub(super) fn mount_quota(&self, name: &str, limit: &str) -> Result<PathBuf> {
        let top = self.mount_loop(name, "btrfs")?;
        let path = top.join("limited");
        process::read(Command::new("btrfs").args(["quota", "enable"]).arg(&top))?;
        process::read(Command::new("btrfs").args(["subvolume", "create"]).arg(&path))?;
        process::read(Command::new("btrfs").args(["qgroup", "limit", limit]).arg(&path))?;
        Ok(path)
    }

    /// Makes a folder with file systems below: a tmpfs `mem`, and `disk`, a btrfs with the
    /// subvolumes `a` and `b`.
    pub(super) fn mount_nested(&self, name: &str) -> Result<PathBuf> {
        let path = self.make(name)?;
        self.mount_tmpfs(&format!("{name}/mem"), "size=64m")?;
        let (source, disk) = (
            self.mount_loop(&format!("{name}-disk"), "btrfs")?,
            self.make(&format!("{name}/disk"))?,
        );
        for subvolume in ["a", "b"] {
            let made = source.join(subvolume);
            process::read(Command::new("btrfs").args(["subvolume", "create"]).arg(made))?;
        }
        process::read(Command::new("mount").arg("--bind").arg(&source).arg(&disk))?;
        self.mounted.lock().map_err(|_| "a thread panicked")?.push(disk);
        Ok(path)
    }

    fn make(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir(&path)?;
        for path in [&self.root, &path] {
            fs::set_permissions(path, Permissions::from_mode(0o755))?;
        }
        Ok(path)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let mounted = std::mem::take(&mut *self.mounted.lock().unwrap_or_else(|e| e.into_inner()));
        let mut free = true;
        for path in mounted {
            let unmounted = process::read(Command::new("umount").arg(&path));
            if let Err(error) = unmounted {
                eprintln!("guest-test: {error}");
                free = false;
            }
        }
        if free && let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("guest-test: {}: {error}", self.root.display());
        }
    }
}
