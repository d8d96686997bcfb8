//! What is served, a line for each export: where, for whom, and what lasts.

use std::fmt;
use std::path::{Path, PathBuf};

use holdfast_localfs::{LocalFs, Mode};

use crate::log::warn;
use crate::settings::{Directory, Durability, Settings, Squashing};

/// What an export does, as far as the settings say.
pub(crate) fn directory(directory: &Directory) -> String {
    let Directory { name, path, read_only, squash, durability, noxdev, local_locks } = directory;
    let (mode, durability, path) = (mode(*read_only), names(*durability), absolute(path));
    let (below, locks) = (below(*noxdev), locks(*local_locks));
    format!("{} as {name}: {mode}; {squash}; {durability}{below}{locks}", path.display())
}

/// What memory does.
pub(crate) fn memory(squash: Squashing) -> String {
    format!("memory as /: {}; {squash}; its files end with this process", mode(false))
}

/// What an export does, now that it is open. `kept` says whether the key of its handles is.
pub(crate) fn opened(directory: &Directory, fs: &LocalFs, kept: bool) -> String {
    let Directory { name, path, read_only, squash, durability, noxdev, local_locks: _ } = directory;
    let callers = Callers { squash: *squash, switched: fs.switches_users() };
    let (mode, path, below) = (mode(*read_only), absolute(path), below(*noxdev));
    let (handles, durability) = (handles(fs.mode(), kept), names(*durability));
    let also = format!("{below}{}", locks(fs.locks_locally()));
    format!("{} as {name}: {mode}; {callers}; {durability}; {handles}{also}", path.display())
}

/// Warns where clients can see the state directory: its key makes them file handles.
pub(crate) fn warn_of_state(settings: &Settings, state: &Path) {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
    let state = real(state);
    for export in settings.exports.iter().filter(|it| state.starts_with(real(&it.path))) {
        warn(format_args!(
            "the state directory {} lies in the export {}: who can read the key in it can make \
             file handles; use --state-dir DIR",
            state.display(),
            export.name
        ));
    }
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

/// What becomes of file systems that are mounted below; nothing is said of the usual.
const fn below(noxdev: Option<bool>) -> &'static str {
    if let Some(true) = noxdev { "; file systems below are hidden" } else { "" }
}

const fn names(durability: Durability) -> &'static str {
    match durability {
        Durability::Sync => "data is on disk after COMMIT, names and attributes when answered",
        Durability::Async => {
            "data is on disk after COMMIT, names and attributes when the kernel writes them: a \
             crash may undo the last seconds"
        }
    }
}

const fn locks(are_local: bool) -> &'static str {
    if are_local { "" } else { "; local processes do not see clients' locks" }
}

const fn handles(mode: Mode, kept: bool) -> &'static str {
    match (mode, kept) {
        (Mode::KernelHandles, true) => "kernel handles, good after a restart",
        (Mode::KernelHandles, false) => "kernel handles, stale after a restart, as no key is kept",
        (Mode::IndexedHandles, _) => {
            "indexed handles, good after a restart (CAP_DAC_READ_SEARCH gives kernel handles)"
        }
        (Mode::ProcessHandles, true) => {
            "process handles, stale after a restart, as this kind of file system does not tell a \
             file from a later one (CAP_DAC_READ_SEARCH may give kernel handles)"
        }
        (Mode::ProcessHandles, false) => {
            "process handles, stale after a restart, as no index is kept"
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
