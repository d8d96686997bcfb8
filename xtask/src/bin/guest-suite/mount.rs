//! A mount of the server, and caches that can be emptied.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;

use crate::check::refused;
use crate::options::{Ability, Options};
use crate::{Failure, Step};

/// A mounted export.
#[derive(Debug)]
pub(crate) struct Mount {
    options: Options,
    export: String,
    point: PathBuf,
}

impl Mount {
    /// Mounts an export of the server. Where there is none, the export is the folder itself.
    pub(crate) fn new(options: &Options, export: &str, point: &str) -> Result<Self, Failure> {
        let point = if options.is_local() { export } else { point };
        fs::create_dir_all(point)?;
        let mount =
            Self { options: options.clone(), export: export.to_owned(), point: point.into() };
        mount.attach()?;
        Ok(mount)
    }

    /// What was asked for.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether the steps are to see that.
    pub(crate) fn has(&self, ability: Ability) -> bool {
        self.options.has(ability)
    }

    /// A name on another file system, if there is one.
    pub(crate) fn elsewhere(&self) -> Option<PathBuf> {
        let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
        let other = std::env::temp_dir();
        (device(&other)? != device(&self.point)?).then(|| other.join("elsewhere"))
    }

    /// The mount point.
    pub(crate) fn top(&self) -> &Path {
        &self.point
    }

    /// A path in the folder of this run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // Two of a pair meet in one folder.
        let run = if self.options.mixed { "mixed" } else { &self.options.version };
        self.point.join(format!("run-{run}")).join(name)
    }

    /// Makes the folder of this run: what a failed one has left does not disturb it.
    pub(crate) fn begin(&self) -> Step {
        fs::create_dir(self.path("")).map_err(|error| format!("mkdir: {error}"))?;
        Ok(())
    }

    /// Removes the folder of this run, and makes sure of it.
    pub(crate) fn end(&self) -> Step {
        fs::remove_dir_all(self.path("")).map_err(|error| format!("remove: {error}"))?;
        refused("the folder", fs::metadata(self.path("")), &[Errno::NOENT])
    }

    /// Makes an empty folder of that name, which all users may enter.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        fs::create_dir(&path).map_err(|error| format!("mkdir {name}: {error}"))?;
        Ok(path)
    }

    /// Makes the server's answers the only source: forgets what the client holds.
    pub(crate) fn drop_caches(&self) -> Step {
        if self.options.is_local() {
            return Ok(());
        }
        rustix::fs::sync();
        fs::write("/proc/sys/vm/drop_caches", "3")?;
        Ok(())
    }

    /// Unmounts, forgets and mounts again.
    pub(crate) fn remount(&self) -> Step {
        if self.options.is_local() {
            return Ok(());
        }
        self.unmount()?;
        fs::write("/proc/sys/vm/drop_caches", "3")?;
        self.attach()
    }

    /// Unmounts, and makes sure of it.
    pub(crate) fn unmount(&self) -> Step {
        if self.options.is_local() {
            return Ok(());
        }
        run(Command::new("umount").arg(&self.point))?;
        let point = self.point.to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/mounts")?;
        let mounted = mounts.lines().any(|line| line.split(' ').nth(1) == Some(&point));
        if mounted { Err("it is still mounted".into()) } else { Ok(()) }
    }

    fn attach(&self) -> Step {
        if self.options.is_local() {
            return Ok(());
        }
        let Options { host, port, version, .. } = &self.options;
        let options = format!("vers={version},port={port},proto=tcp,sec=sys");
        run(Command::new("/sbin/mount.nfs")
            .arg(format!("{host}:{}", self.export))
            .arg(&self.point)
            .args(["-o", &options]))
    }
}

fn run(command: &mut Command) -> Step {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {}", output.status, said.trim()).into())
}
