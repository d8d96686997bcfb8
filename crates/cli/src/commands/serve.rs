//! `holdfast serve`: exports directories, or memory, until a signal comes.

use std::error::Error;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use holdfast_base::World;
use holdfast_localfs::{LocalFs, Mode, Options};
use holdfast_net::{Congestion, Notice, Runtime, RuntimeConfig, ServeConfig, Service};
use holdfast_server::{Builder, Export};
use holdfast_vfs::Fsid;
use holdfast_vfs::memfs::{MemFs, MemFsOptions};
use rustix::process::{Resource, getrlimit};

use crate::args::{Directory, ServeArgs, Squash};
use crate::log::{self, debug, info, say, warn};
use crate::process::{self, Stops};
use crate::state_dir::{self, Secrets, StateDir};

/// How long requests that run may take when the server is told to stop.
const STOP_BUDGET: Duration = Duration::from_secs(30);

/// Bytes of memory that a file takes at least, for the limit of files in memory.
const FILE_BYTES: u64 = 1024;

/// The fsid of memory.
const MEMORY: Fsid = Fsid { major: 1, minor: 0 };

/// Serves until a signal comes.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Box<dyn Error>> {
    log::set_level(args.log);
    let directories = args.directories()?;
    let (listen, lease) = (args.addresses()?, args.lease()?);
    process::raise_descriptor_limit();
    let mut stops = Stops::catch()?;
    let state = state(args, &directories)?;
    let secrets = &state.secrets;
    let runtime = runtime(args)?;
    let exports = exports(&directories, args.squash, &secrets.handle_key, &runtime)?;
    let mut config = ServeConfig {
        listen,
        stop_budget: STOP_BUDGET,
        notice: Arc::new(|notice: Notice| warn(format_args!("{notice}"))),
        ..ServeConfig::default()
    };
    config.threads = args.threads.map_or(config.threads, usize::from);
    let service = runtime.serve(config, |server| {
        let server = server.lease(lease).identity(secrets.identity);
        exports.into_iter().fold(server, Builder::export)
    })?;
    announce(&service);
    stops.wait();
    stop(&service);
    drop(state);
    Ok(())
}

fn runtime(args: &ServeArgs) -> Result<Runtime, holdfast_net::StartError> {
    let mut config = RuntimeConfig {
        // All threads are the service's.
        threads: 0,
        prepare_thread: Arc::new(holdfast_localfs::prepare_thread),
        ..RuntimeConfig::default()
    };
    config.loops = args.loops.map_or(config.loops, usize::from);
    Runtime::start(config)
}

/// Where the state is, if anywhere.
struct State {
    secrets: Secrets,
    /// Held until the end.
    _lock: Option<File>,
}

fn state(args: &ServeArgs, directories: &[Directory]) -> Result<State, Box<dyn Error>> {
    let path = match &args.state_dir {
        Some(path) => Some(path.clone()),
        // Files in memory end with the process: there is nothing to keep.
        None if args.ephemeral || directories.is_empty() => None,
        None => Some(state_dir::default_path(directories)?),
    };
    let Some(path) = path else {
        if args.ephemeral {
            info(format_args!("nothing is kept: clients must mount anew after a restart"));
        }
        return Ok(State { secrets: Secrets::ephemeral()?, _lock: None });
    };
    debug(format_args!("the state directory is {}", path.display()));
    let StateDir { secrets, lock } = StateDir::open(&path)?;
    Ok(State { secrets, _lock: Some(lock) })
}

/// Opens each export in a world of its own, so that one that hangs leaves threads for the others.
fn exports(
    directories: &[Directory],
    squash: Squash,
    key: &[u8; 16],
    runtime: &Runtime,
) -> Result<Vec<Export>, Box<dyn Error>> {
    let squash = match squash {
        Squash::None => holdfast_server::Squash::None,
        Squash::Root => holdfast_server::Squash::Root,
        Squash::All => holdfast_server::Squash::All,
    };
    if directories.is_empty() {
        return Ok(vec![Export::new("/", memory(runtime.world())).squash(squash)]);
    }
    let fd_budget = fd_budget(directories.len());
    let mut list = Vec::new();
    for directory in directories {
        let mut options = Options::new(*key);
        options.export_id = Export::id_of(&directory.name);
        options.read_only = directory.read_only;
        options.fd_budget = Some(fd_budget);
        let fs = LocalFs::open(&directory.path, runtime.world(), options)?;
        if rustix::process::geteuid().is_root() && !fs.switches_users() {
            // Whoever a client says it is, it would act as root.
            return Err(
                "root without CAP_SETUID and CAP_SETGID cannot act for other users: start \
                        as an ordinary user, or with these capabilities"
                    .into(),
            );
        }
        tell_export(directory, &fs);
        let export = Export::new(&directory.name, Arc::new(fs));
        list.push(export.read_only(directory.read_only).squash(squash));
    }
    Ok(list)
}

/// Half of the descriptors are for the caches of all exports together.
fn fd_budget(exports: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(1 << 20) / 2 / exports
}

fn memory(world: Arc<dyn World>) -> Arc<MemFs> {
    let system = rustix::system::sysinfo();
    let ram = (system.totalram as u64).saturating_mul(u64::from(system.mem_unit));
    let (limit_bytes, limit_files) = (ram / 2, ram / 2 / FILE_BYTES);
    info(format_args!(
        "exporting memory as /, up to {} MiB: its files end with this process",
        limit_bytes >> 20
    ));
    Arc::new(MemFs::new(world, MemFsOptions { limit_bytes, limit_files, fsid: MEMORY }))
}

fn tell_export(directory: &Directory, fs: &LocalFs) {
    let path = std::path::absolute(&directory.path);
    let path = path.unwrap_or_else(|_| directory.path.clone());
    let (name, path) = (&directory.name, path.display());
    let ro = if directory.read_only { ", read-only" } else { "" };
    match fs.mode() {
        Mode::KernelHandles => {
            info(format_args!("exporting {path} as {name}{ro}; its handles are durable"));
        }
        Mode::ProcessHandles => info(format_args!(
            "exporting {path} as {name}{ro}; clients see stale handles after a restart of this \
             process; run with CAP_DAC_READ_SEARCH for durable ones"
        )),
    }
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
