//! What is served, a line for each export: where, for whom, and what lasts.

use std::fmt;
use std::path::{Path, PathBuf};

use holdfast_localfs::{LocalFs, Mode};

use crate::log::warn;
use crate::settings::{Directory, Settings, Squashing};

/// What an export does, as far as the settings say.
pub(crate) fn directory(directory: &Directory) -> String {
    let Directory { name, path, read_only, squash } = directory;
    let mode = mode(*read_only);
    format!("{} as {name}: {mode}; {squash}", absolute(path).display())
}

/// What memory does.
pub(crate) fn memory(squash: Squashing) -> String {
    format!("memory as /: {}; {squash}; its files end with this process", mode(false))
}

/// What an export does, now that it is open. `kept` says whether the key of its handles is.
pub(crate) fn opened(directory: &Directory, fs: &LocalFs, kept: bool) -> String {
    let Directory { name, path, read_only, squash } = directory;
    let callers = Callers { squash: *squash, switched: fs.switches_users() };
    let mode = mode(*read_only);
    let path = absolute(path);
    format!(
        "{} as {name}: {mode}; {callers}; {}; data is on disk after COMMIT, names and attributes \
         when the kernel writes them",
        path.display(),
        handles(fs.mode(), kept)
    )
}

/// Warns where a squashed caller is made root.
pub(crate) fn warn_of_root(settings: &Settings) {
    let all = settings.exports.iter().map(|export| (export.name.as_str(), export.squash));
    let memory = settings.exports.is_empty().then_some(("/", settings.squash));
    for (name, _) in all.chain(memory).filter(|(_, squash)| squash.makes_root()) {
        warn(format_args!("in {name} whoever is squashed acts as root, as anonuid is 0"));
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

const fn mode(read_only: bool) -> &'static str {
    if read_only { "read-only" } else { "read-write" }
}

const fn handles(mode: Mode, kept: bool) -> &'static str {
    match (mode, kept) {
        (Mode::KernelHandles, true) => "kernel handles, good after a restart",
        (Mode::KernelHandles, false) => "kernel handles, stale after a restart, as no key is kept",
        (Mode::ProcessHandles, _) => {
            "process handles, stale after a restart (CAP_DAC_READ_SEARCH gives kernel handles)"
        }
    }
}

/// Whose rights requests have.
struct Callers {
    squash: Squashing,
    /// Whether a request can have other rights than the server's.
    switched: bool,
}

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.switched {
            return self.squash.fmt(f);
        }
        let user = rustix::process::geteuid();
        write!(f, "everybody acts as the server's user, {user}")
    }
}
