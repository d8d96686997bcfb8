//! `holdfast serve`: exports directories, or memory, until a signal comes.

use std::error::Error;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_localfs::{Accounts, IndexOptions, LocalFs, Options, Tell};
use holdfast_net::{Congestion, Notice, Runtime, RuntimeConfig, ServeConfig, Service};
use holdfast_server::{Builder, Export, Owners};
use holdfast_vfs::Fsid;
use holdfast_vfs::memfs::{MemFs, MemFsOptions};
use rustix::process::{Resource, getrlimit};

use crate::args::ServeArgs;
use crate::log::{self, debug, info, say, warn};
use crate::process::{self, Stops};
use crate::settings::{Directory, Durability, Keep, Settings, Squash, Squashing};
use crate::state_dir::{self, Secrets, StateDir, StateError};
use crate::{notify, reason, report};

/// How long requests that run may take when the server is told to stop.
const STOP_BUDGET: Duration = Duration::from_secs(30);

/// Bytes of memory that a file takes at least, for the limit of files in memory.
const FILE_BYTES: u64 = 1024;

/// The fsid of memory.
const MEMORY: Fsid = Fsid { major: 1, minor: 0 };

/// Serves until a signal comes.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(args)?;
    log::set_level(settings.log);
    process::raise_descriptor_limit();
    let mut stops = Stops::catch()?;
    let state = state(&settings)?;
    let secrets = &state.secrets;
    let runtime = runtime(&settings)?;
    let exports = exports(&settings, &state, &runtime)?;
    report::warn_of_root(&settings);
    let mut config = ServeConfig {
        listen: settings.listen,
        stop_budget: STOP_BUDGET,
        notice: Arc::new(|notice: Notice| warn(format_args!("{notice}"))),
        ..ServeConfig::default()
    };
    config.threads = settings.threads.unwrap_or(config.threads);
    let service = runtime.serve(config, |server| {
        let server = server.lease(settings.lease).identity(secrets.identity);
        exports.into_iter().fold(server, Builder::export)
    })?;
    announce(&service);
    notify::ready();
    stops.wait();
    notify::stopping();
    stop(&service);
    drop(state);
    Ok(())
}

fn runtime(settings: &Settings) -> Result<Runtime, holdfast_net::StartError> {
    let mut config = RuntimeConfig {
        // All threads are the service's.
        threads: 0,
        prepare_thread: Arc::new(holdfast_localfs::prepare_thread),
        ..RuntimeConfig::default()
    };
    config.loops = settings.loops.unwrap_or(config.loops);
    Runtime::start(config)
}

/// Where the state is, if anywhere.
struct State {
    secrets: Secrets,
    /// Held until the end; none when nothing is kept.
    lock: Option<File>,
    /// Where it is, when something is kept.
    dir: Option<PathBuf>,
}

impl State {
    /// How the index of an export is kept, if anything is.
    fn index(&self, name: &str, export_id: u32) -> Option<IndexOptions> {
        let path = self.dir.as_ref()?.join(format!("index-{export_id:08x}"));
        let mut index = IndexOptions::new(&path);
        let name = name.to_owned();
        index.notice = Arc::new(move |error| {
            warn(format_args!(
                "cannot keep the index of {name} in {}: {}; after a restart, clients wait while \
                 its files are searched for",
                path.display(),
                reason::reason(error)
            ));
        });
        Some(index)
    }
}

fn state(settings: &Settings) -> Result<State, StateError> {
    let Some(path) = state_path(settings)? else {
        if settings.keep == Keep::Nothing {
            info(format_args!(
                "nothing is kept: file handles, opens and locks end with this process, and \
                 clients must mount anew"
            ));
        }
        return Ok(State { secrets: Secrets::ephemeral()?, lock: None, dir: None });
    };
    debug(format_args!("the state directory is {}", path.display()));
    let StateDir { secrets, lock } = StateDir::open(&path)?;
    report::warn_of_state(settings, &path);
    Ok(State { secrets, lock: Some(lock), dir: Some(path) })
}

/// Where these settings have the state kept, if anywhere.
pub(crate) fn state_path(settings: &Settings) -> Result<Option<PathBuf>, StateError> {
    match &settings.keep {
        Keep::In(path) => Ok(Some(path.clone())),
        Keep::Nothing => Ok(None),
        // Files in memory end with the process: there is nothing to keep.
        Keep::Default if settings.exports.is_empty() => Ok(None),
        Keep::Default => state_dir::default_path(&settings.exports).map(Some),
    }
}

/// The accounts of this machine, for owners that clients name.
struct Names(Accounts);

impl Owners for Names {
    fn user(&self, who: &str) -> Option<u32> {
        self.0.user(who)
    }

    fn group(&self, who: &str) -> Option<u32> {
        self.0.group(who)
    }
}

/// Opens each export in a world of its own, so that one that hangs leaves threads for the others.
fn exports(
    settings: &Settings,
    state: &State,
    runtime: &Runtime,
) -> Result<Vec<Export>, Box<dyn Error>> {
    if settings.exports.is_empty() {
        let options = memory();
        let said = report::memory(settings.squash);
        info(format_args!("exporting {said}, up to {} MiB", options.limit_bytes >> 20));
        let fs = Arc::new(MemFs::new(runtime.world(), options));
        return Ok(vec![squashed(Export::new("/", fs), settings.squash)]);
    }
    let fd_budget = fd_budget(settings.exports.len());
    let accounts = Arc::new(Names(Accounts::of_this_machine()));
    let mut list = Vec::new();
    for directory in &settings.exports {
        let fs = open(directory, fd_budget, state, runtime)?;
        info(format_args!("exporting {}", report::opened(directory, &fs, state.lock.is_some())));
        let export = Export::new(&directory.name, Arc::new(fs)).owners(accounts.clone());
        list.push(squashed(export.read_only(directory.read_only), directory.squash));
    }
    Ok(list)
}

fn open(
    directory: &Directory,
    fd_budget: usize,
    state: &State,
    runtime: &Runtime,
) -> Result<LocalFs, Box<dyn Error>> {
    let mut options = Options::new(state.secrets.handle_key);
    options.export_id = Export::id_of(&directory.name);
    options.index = state.index(&directory.name, options.export_id);
    options.read_only = directory.read_only;
    options.local_locks = directory.local_locks;
    options.fd_budget = Some(fd_budget);
    options.noxdev = directory.noxdev.unwrap_or_default();
    let name = directory.name.clone();
    options.tell = Tell::by(move |sentence| warn(format_args!("export {name}: {sentence}")));
    options.durability = match directory.durability {
        Durability::Sync => holdfast_localfs::Durability::Sync,
        Durability::Async => holdfast_localfs::Durability::Async,
    };
    let fs = LocalFs::open(&directory.path, runtime.world(), options)?;
    if rustix::process::geteuid().is_root() && !fs.switches_users() {
        // Whoever a client says it is, it would act as root.
        return Err("root without CAP_SETUID and CAP_SETGID cannot act for other users: start \
                    as an ordinary user, or with these capabilities"
            .into());
    }
    Ok(fs)
}

fn squashed(export: Export, squash: Squashing) -> Export {
    let whom = match squash.whom() {
        Squash::None => holdfast_server::Squash::None,
        Squash::Root => holdfast_server::Squash::Root,
        Squash::All => holdfast_server::Squash::All,
    };
    export.squash(whom).anonymous(squash.uid(), squash.gid())
}

/// Half of the descriptors are for the caches and the open files of all exports together. What
/// cannot be opened again may take a quarter besides.
fn fd_budget(exports: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(1 << 20) / 2 / exports
}

/// Half of the machine's memory.
fn memory() -> MemFsOptions {
    let system = rustix::system::sysinfo();
    let ram = (system.totalram as u64).saturating_mul(u64::from(system.mem_unit));
    let (limit_bytes, limit_files) = (ram / 2, ram / 2 / FILE_BYTES);
    MemFsOptions { limit_bytes, limit_files, fsid: MEMORY }
}

fn announce(service: &Service) {
    if let Congestion::Refused { wanted, used } = service.congestion() {
        info(format_args!("the kernel has no congestion control {wanted}: using {used}"));
    }
    for addr in service.local_addrs() {
        say(format_args!("listening on {addr}"));
        if !addr.ip().to_canonical().is_loopback() {
            warn(format_args!(
                "{addr} can be reached from other machines, and clients are believed who their \
                 users are"
            ));
        }
    }
    let Some(addr) = service.local_addrs().first() else { return };
    let (host, port) = (host(addr), addr.port());
    let proto = if addr.is_ipv6() { "tcp6" } else { "tcp" };
    info(format_args!(
        "on Linux:   mount -t nfs4 -o vers=4.2,proto={proto},port={port} {host}:/ /mnt"
    ));
    info(format_args!(
        "on macOS 26 and later:   mount -t nfs -o vers=4.1,port={port} {host}:/ DIR"
    ));
    info(format_args!(
        "on Windows: its own client speaks NFSv3 only; use an NFSv4.1 client, such as \
         ms-nfs41-client, with port {port}"
    ));
}

/// What a client calls this machine.
fn host(addr: &SocketAddr) -> String {
    match addr.ip() {
        ip if ip.is_unspecified() => {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        }
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn stop(service: &Service) {
    info(format_args!("stopping"));
    let instance = service.server().instance();
    let report = service.stop();
    for running in &report.given_up {
        warn(format_args!("gave up on {running}"));
    }
    if report.jobs_dropped + report.threads_left > 0 {
        warn(format_args!(
            "{} jobs were not begun, {} threads are stuck",
            report.jobs_dropped, report.threads_left
        ));
    }
    let counts = instance.map(|instance| instance.counters()).unwrap_or_default();
    let network = service.runtime().counters();
    let counts: Vec<_> = counts.iter().chain(network.iter()).collect();
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        info(format_args!("{name} {count}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_vfs::pseudo::PseudoFs;

    #[test]
    fn an_export_squashes_as_its_settings_say() {
        let fs = Arc::new(PseudoFs::new(&["/"], MEMORY).expect("the path is good"));
        let of = |whom, uid, gid| {
            let export = squashed(Export::new("/", fs.clone()), Squashing { whom, uid, gid });
            (export.squash, export.anon_uid, export.anon_gid)
        };
        assert_eq!(of(None, None, None), (holdfast_server::Squash::Root, 65_534, 65_534));
        let all = of(Some(Squash::All), Some(1000), Some(100));
        assert_eq!(all, (holdfast_server::Squash::All, 1000, 100));
        assert_eq!(of(Some(Squash::None), None, Some(7)).0, holdfast_server::Squash::None);
    }
}
