//! The command line. What clap cannot decide by a word's form is checked here, into values that
//! are legal by construction.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::log::Level;

/// The port of NFS.
const PORT: u16 = 2049;
/// Leases that are allowed, in seconds.
const LEASES: RangeInclusive<u64> = 10..=3600;

/// An NFSv4.1 and NFSv4.2 server for a directory: no root, no kernel module, no configuration.
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
}

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The directory to serve as the root; without it and without --export, an empty file system
    /// in memory
    pub(crate) dir: Option<PathBuf>,

    /// Export DIR as /NAME, read-only with `,ro`; may be given several times
    #[arg(long, value_name = "/NAME=DIR[,ro]")]
    pub(crate) export: Vec<OsString>,

    /// Where to listen: ADDR, ADDR:PORT or :PORT, IPv6 in brackets; may be given several times
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2049")]
    pub(crate) listen: Vec<String>,

    /// Where to keep the key that file handles are signed with
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Keep nothing: after a restart, clients must mount anew
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// How long a silent client keeps what it has opened, 10 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    pub(crate) lease: u64,

    /// Whose requests are done as nobody
    #[arg(long, value_name = "WHOM", default_value = "root")]
    pub(crate) squash: Squash,

    /// Event loops
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) loops: Option<u16>,

    /// Threads for calls to file systems that may block
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8192))]
    pub(crate) threads: Option<u16>,

    /// How much to log
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: Level,
}

/// Whose requests are done as nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Squash {
    /// Nobody's.
    None,
    /// Root's.
    Root,
    /// Everybody's.
    All,
}

/// A directory to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Where clients find it.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether changes are refused.
    pub(crate) read_only: bool,
}

/// An argument that has the form but not the meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArgError {
    Export(String),
    DirAndExport,
    Listen(String),
    Lease(u64),
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export(text) => write!(
                f,
                "bad --export {text:?}: it takes a name and a directory, /NAME=DIR or /NAME=DIR,ro"
            ),
            Self::DirAndExport => f.write_str(
                "a directory and --export together: the directory would be the whole tree; \
                 give it a name with --export /NAME=DIR",
            ),
            Self::Listen(text) => write!(
                f,
                "bad --listen {text:?}: it takes ADDR, ADDR:PORT or :PORT, with numbers, and IPv6 \
                 in brackets"
            ),
            Self::Lease(seconds) => {
                let (least, most) = (LEASES.start(), LEASES.end());
                write!(f, "bad --lease {seconds}: it takes {least} to {most} seconds")
            }
        }
    }
}

impl std::error::Error for ArgError {}

impl ServeArgs {
    /// The directories to export; none: memory.
    pub(crate) fn directories(&self) -> Result<Vec<Directory>, ArgError> {
        match &self.dir {
            Some(_) if !self.export.is_empty() => Err(ArgError::DirAndExport),
            Some(path) => {
                let name = "/".to_owned();
                Ok(vec![Directory { name, path: path.clone(), read_only: false }])
            }
            None => self.export.iter().map(|text| export(text)).collect(),
        }
    }

    /// Where to listen.
    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>, ArgError> {
        self.listen.iter().map(|text| address(text)).collect()
    }

    /// How long a lease lasts.
    pub(crate) fn lease(&self) -> Result<Duration, ArgError> {
        let seconds = self.lease;
        let legal = LEASES.contains(&seconds).then(|| Duration::from_secs(seconds));
        legal.ok_or(ArgError::Lease(seconds))
    }
}

fn export(text: &OsStr) -> Result<Directory, ArgError> {
    let bad = || ArgError::Export(text.to_string_lossy().into_owned());
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
    let name = str::from_utf8(&bytes[..equals]).map_err(|_| bad())?;
    let path = &bytes[equals + 1..];
    let (path, read_only) = match path.strip_suffix(b",ro") {
        Some(path) => (path, true),
        None => (path.strip_suffix(b",rw").unwrap_or(path), false),
    };
    if !name.starts_with('/') || name.len() < 2 || path.is_empty() {
        return Err(bad());
    }
    Ok(Directory { name: name.to_owned(), path: OsStr::from_bytes(path).into(), read_only })
}

fn address(text: &str) -> Result<SocketAddr, ArgError> {
    let bad = || ArgError::Listen(text.to_owned());
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(bare) = bare {
        let ip: Ipv6Addr = bare.parse().map_err(|_| bad())?;
        return Ok((ip, PORT).into());
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok((ip, PORT).into());
    }
    let port = text.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or_else(bad)?;
    Ok((Ipv4Addr::UNSPECIFIED, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_a_name_and_a_directory() {
        let read = |text: &str| export(OsStr::new(text));
        let of = |name: &str, path: &str, read_only| {
            Ok(Directory { name: name.into(), path: path.into(), read_only })
        };
        assert_eq!(read("/music=/srv/music"), of("/music", "/srv/music", false));
        assert_eq!(read("/a/b=c,ro"), of("/a/b", "c", true));
        assert_eq!(read("/a=x=y,z,rw"), of("/a", "x=y,z", false));
        for bad in ["/srv/music", "music=/srv", "=/srv", "/=/srv", "/music=", "/music=,ro", ""] {
            assert_eq!(read(bad), Err(ArgError::Export(bad.to_owned())));
        }
    }

    #[test]
    fn an_address_may_lack_its_port_or_its_host() {
        let read = |text| address(text).map(|addr| addr.to_string());
        assert_eq!(read("127.0.0.1:0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(read("10.0.0.1").as_deref(), Ok("10.0.0.1:2049"));
        assert_eq!(read(":111").as_deref(), Ok("0.0.0.0:111"));
        assert_eq!(read("[::1]").as_deref(), Ok("[::1]:2049"));
        assert_eq!(read("[::1]:5").as_deref(), Ok("[::1]:5"));
        assert_eq!(read("::1").as_deref(), Ok("[::1]:2049"));
        for bad in ["", ":", "localhost", "1.2.3.4:", "1.2.3.4:70000", "[1.2.3.4]", "[::1"] {
            assert_eq!(read(bad), Err(ArgError::Listen(bad.to_owned())));
        }
    }
}
