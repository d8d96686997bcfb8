//! The guest's kernel: Debian's one for clouds, unpacked once into the user's cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The package that always depends on the newest kernel of its kind.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// What a guest loads that uses NFS, with all that these need.
pub(super) const MODULES: [&str; 10] = [
    "virtio_net",
    "virtio_pci",
    "virtio_blk",
    "nfsv4",
    "nfsv3",
    "nfsd",
    "nfs_layout_nfsv41_files",
    "nfs_layout_flexfiles",
    "loop",
    "ext4",
];

/// An unpacked kernel package.
pub(super) struct Kernel {
    dir: PathBuf,
    release: String,
}

/// The kernel in the cache; puts it there first if need be.
pub(super) fn cached() -> Result<Kernel> {
    let cache = cache_dir()?;
    let dir = cache.join("kernel");
    if !dir.join("boot").is_dir() {
        fs::create_dir_all(&cache)?;
        let fresh = cache.join(format!("kernel.{}", std::process::id()));
        let unpacked = unpack(&fresh);
        // Another guest may have been faster: then its kernel serves.
        if unpacked.is_err() || fs::rename(&fresh, &dir).is_err() {
            fs::remove_dir_all(&fresh)?;
        }
        unpacked?;
    }
    let release = release(&dir)?;
    Ok(Kernel { dir, release })
}

impl Kernel {
    /// The kernel itself.
    pub(super) fn image(&self) -> PathBuf {
        self.dir.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// The files of these modules and of what they need, in the order in which they load.
    pub(super) fn modules(&self, names: &[String]) -> Result<Vec<PathBuf>> {
        let modprobe = process::find("modprobe").ok_or("there is no modprobe")?;
        let mut files = Vec::new();
        for module in names {
            let mut command = Command::new(&modprobe);
            command.arg("-d").arg(&self.dir).args(["-S", &self.release, "--show-depends", module]);
            // A module that this kernel has built in, or not at all, is no failure here: the
            // script that needs it says so better.
            let Ok(lines) = process::read(&mut command) else {
                continue;
            };
            let paths = lines.lines().filter_map(|line| line.strip_prefix("insmod "));
            for path in paths.map(|path| PathBuf::from(path.trim())) {
                if !files.contains(&path) {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }
}

fn cache_dir() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => return Err("neither XDG_CACHE_HOME nor HOME is set".into()),
    };
    Ok(base.join("holdfast-guest"))
}

fn unpack(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let package = package()?;
    println!("guest: fetching {package}");
    process::run(
        Command::new("apt-get")
            .args(["download", "-qq", &package])
            .current_dir(dir)
            .stderr(Stdio::null()),
    )?;
    for entry in fs::read_dir(dir)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg").arg("-x").arg(&file).arg(dir))?;
            fs::remove_file(file)?;
        }
    }
    if !dir.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", dir.join("lib"))?;
    }
    let depmod = process::find("depmod").ok_or("there is no depmod")?;
    process::run(Command::new(depmod).arg("-b").arg(dir).arg(release(dir)?))
}

/// The name of the newest kernel's package.
fn package() -> Result<String> {
    if let Some(package) = dependency()? {
        return Ok(package);
    }
    process::run(Command::new("apt-get").args(["update", "-qq"]))
        .map_err(|error| format!("no list of Debian packages, and none to be had: {error}"))?;
    dependency()?.ok_or_else(|| format!("there is no package {META_PACKAGE}").into())
}

fn dependency() -> Result<Option<String>> {
    let text = process::read(Command::new("apt-cache").args(["depends", META_PACKAGE]))
        .unwrap_or_default();
    let depends = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(depends.map(str::to_owned).find(|package| package.starts_with("linux-image-")))
}

fn release(dir: &Path) -> Result<String> {
    let modules = dir.join("lib/modules");
    let first = fs::read_dir(&modules)?.next().ok_or("the kernel package has no modules")??;
    Ok(first.file_name().to_string_lossy().into_owned())
}
