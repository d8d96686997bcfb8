//! The command line. What clap cannot decide by a word's form is checked here, into values that
//! are legal by construction.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};
use holdfast_server::Exports;

use crate::export::{self, ExportError};
use crate::listen;
use crate::log::Level;
use crate::settings::{Directory, Given, IDS, Keep, LEASES, LOOPS, Squash, Squashing, THREADS};

/// An NFSv4.1 and NFSv4.2 server for a directory: no root, no kernel module.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves a directory, several, or an empty file system in memory.
    Serve(ServeArgs),
    /// Tells what a configuration file would have served, or what is wrong with it.
    Check {
        /// The configuration file
        config: PathBuf,
    },
}

/// The arguments of `serve`.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// The directory to serve as the root; without any export, an empty file system in memory
    pub(crate) dir: Option<PathBuf>,

    /// Read what is not said here from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Export DIR as /NAME; OPTION is ro, rw, sync, async, noxdev, squash=WHOM, anonuid=UID,
    /// anongid=GID or local-locks=false; may be given several times
    #[arg(long, value_name = "/NAME=DIR[,OPTION]...")]
    pub(crate) export: Vec<OsString>,

    /// Where to listen: ADDR, ADDR:PORT or :PORT, IPv6 in brackets; may be given several times
    /// [default: 127.0.0.1:2049]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,

    /// Where to keep the key that file handles are signed with, and the index of their files
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Keep nothing: after a restart, clients must mount anew
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// How long a silent client keeps what it has opened, 10 to 3600 [default: 90]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) lease: Option<u64>,

    /// Whose requests are done as nobody, where the export does not say [default: root]
    #[arg(long, value_name = "WHOM")]
    pub(crate) squash: Option<Squash>,

    /// Which user is nobody, where the export does not say [default: 65534]
    #[arg(long, value_name = "UID", value_parser = value_parser!(u32).range(of(&IDS)))]
    pub(crate) anonuid: Option<u32>,

    /// Which group is nobody's, where the export does not say [default: 65534]
    #[arg(long, value_name = "GID", value_parser = value_parser!(u32).range(of(&IDS)))]
    pub(crate) anongid: Option<u32>,

    /// Hide the file systems that are mounted below the exports
    #[arg(long)]
    pub(crate) noxdev: bool,

    /// Event loops [default: one for each CPU]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(of(&LOOPS)))]
    pub(crate) loops: Option<u16>,

    /// Threads for calls to file systems that may block
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(of(&THREADS)))]
    pub(crate) threads: Option<u16>,

    /// How much to log [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<Level>,
}

/// An argument that has the form but not the meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArgError {
    Export(String, ExportError),
    Exports(holdfast_server::ExportError),
    DirAndExport,
    Listen(String),
    ListenTwice(SocketAddr),
    Lease(u64),
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export(text, why) => write!(f, "bad --export {text:?}: {why}"),
            Self::Exports(why) => why.fmt(f),
            Self::DirAndExport => f.write_str(
                "a directory and --export together: the directory would be the whole tree; \
                 give it a name with --export /NAME=DIR",
            ),
            Self::Listen(text) => write!(f, "bad --listen {text:?}: {}", listen::FORM),
            Self::ListenTwice(addr) => write!(f, "--listen {addr} is given twice"),
            Self::Lease(seconds) => {
                let (least, most) = (LEASES.start(), LEASES.end());
                write!(f, "bad --lease {seconds}: it takes {least} to {most} seconds")
            }
        }
    }
}

impl std::error::Error for ArgError {}

impl ServeArgs {
    /// What the command line says.
    pub(crate) fn given(&self) -> Result<Given, ArgError> {
        let squash = Squashing { whom: self.squash, uid: self.anonuid, gid: self.anongid };
        Ok(Given {
            exports: self.directories()?,
            listen: self.addresses()?,
            keep: match &self.state_dir {
                Some(path) => Some(Keep::In(path.clone())),
                None => self.ephemeral.then_some(Keep::Nothing),
            },
            lease: self.lease.map(lease).transpose()?,
            squash,
            noxdev: self.noxdev.then_some(true),
            loops: self.loops.map(usize::from),
            threads: self.threads.map(usize::from),
            log: self.log,
        })
    }

    fn directories(&self) -> Result<Vec<Directory>, ArgError> {
        let list: Vec<_> = match &self.dir {
            Some(_) if !self.export.is_empty() => return Err(ArgError::DirAndExport),
            Some(path) => {
                vec![Directory::new("/", path)]
            }
            None => self.export.iter().map(directory).collect::<Result<_, _>>()?,
        };
        let names: Vec<_> = list.iter().map(|directory| directory.name.as_str()).collect();
        if !names.is_empty() {
            Exports::check(&names).map_err(ArgError::Exports)?;
        }
        Ok(list)
    }

    fn addresses(&self) -> Result<Option<Vec<SocketAddr>>, ArgError> {
        let read =
            |text: &String| listen::parse(text).ok_or_else(|| ArgError::Listen(text.clone()));
        let addrs = self.listen.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if let Some(at) = listen::twice(&addrs) {
            return Err(ArgError::ListenTwice(addrs[at]));
        }
        Ok((!addrs.is_empty()).then_some(addrs))
    }
}

fn directory(text: &OsString) -> Result<Directory, ArgError> {
    export::parse(text).map_err(|why| ArgError::Export(text.to_string_lossy().into_owned(), why))
}

fn lease(seconds: u64) -> Result<Duration, ArgError> {
    let legal = LEASES.contains(&seconds).then(|| Duration::from_secs(seconds));
    legal.ok_or(ArgError::Lease(seconds))
}

/// A range as clap takes it; each of ours fits.
fn of(range: &RangeInclusive<u64>) -> RangeInclusive<i64> {
    range.start().cast_signed()..=range.end().cast_signed()
}
