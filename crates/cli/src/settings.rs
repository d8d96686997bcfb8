//! What to serve and how, from the command line and the configuration file together.

use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::args::ServeArgs;
use crate::config;
use crate::log::Level;

/// The port of NFS.
pub(crate) const PORT: u16 = 2049;
/// Leases that are allowed, in seconds.
pub(crate) const LEASES: RangeInclusive<u64> = 10..=3600;
/// Event loops that are allowed.
pub(crate) const LOOPS: RangeInclusive<u64> = 1..=1024;
/// Threads for calls that may block.
pub(crate) const THREADS: RangeInclusive<u64> = 1..=8192;
/// Users and groups; the one above them stands for "no change" in the kernel.
pub(crate) const IDS: RangeInclusive<u64> = 0..=u32::MAX as u64 - 1;

const LEASE: Duration = Duration::from_secs(90);
/// The user and the group nobody.
const NOBODY: u32 = 65_534;

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

/// Whose requests are done as somebody else's, and whose. What is not said has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Squashing {
    pub(crate) whom: Option<Squash>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl Squashing {
    /// This, and from another what is not said here.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            whom: self.whom.or(other.whom),
            uid: self.uid.or(other.uid),
            gid: self.gid.or(other.gid),
        }
    }

    pub(crate) fn whom(self) -> Squash {
        self.whom.unwrap_or(Squash::Root)
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid.unwrap_or(NOBODY)
    }

    pub(crate) fn gid(self) -> u32 {
        self.gid.unwrap_or(NOBODY)
    }

    /// Whether somebody is made root by it.
    pub(crate) fn makes_root(self) -> bool {
        self.whom() != Squash::None && self.uid() == 0
    }
}

impl fmt::Display for Squashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uid, gid) = (self.uid(), self.gid());
        match self.whom() {
            Squash::None => f.write_str("nobody squashed"),
            Squash::Root => write!(f, "root squashed to {uid}:{gid}"),
            Squash::All => write!(f, "everybody squashed to {uid}:{gid}"),
        }
    }
}

/// When a change of names or attributes is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// When it is on disk.
    #[default]
    Sync,
    /// When it is made.
    Async,
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
    /// Who acts as whom.
    pub(crate) squash: Squashing,
    /// When changes are answered.
    pub(crate) durability: Durability,
    /// Whether file systems that are mounted below are hidden; if not said, they are not.
    pub(crate) noxdev: Option<bool>,
    /// Whether locks of clients and of local processes exclude each other.
    pub(crate) local_locks: bool,
}

impl Directory {
    /// An export that only has what it must have.
    pub(crate) fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            read_only: false,
            squash: Squashing::default(),
            durability: Durability::default(),
            noxdev: None,
            local_locks: true,
        }
    }
}

/// Where the state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Where the environment says.
    #[default]
    Default,
    /// In this directory.
    In(PathBuf),
    /// Nowhere.
    Nothing,
}

/// What a command line says, or a file. What it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) exports: Vec<Directory>,
    pub(crate) listen: Option<Vec<SocketAddr>>,
    pub(crate) keep: Option<Keep>,
    pub(crate) lease: Option<Duration>,
    pub(crate) squash: Squashing,
    /// For exports that do not say it.
    pub(crate) noxdev: Option<bool>,
    pub(crate) loops: Option<usize>,
    pub(crate) threads: Option<usize>,
    pub(crate) log: Option<Level>,
}

/// What to serve and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// None: memory.
    pub(crate) exports: Vec<Directory>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) keep: Keep,
    pub(crate) lease: Duration,
    /// Who acts as whom in memory; for directories it is in `exports`.
    pub(crate) squash: Squashing,
    /// Event loops, if not as many as the runtime likes.
    pub(crate) loops: Option<usize>,
    /// Threads, if not as many as the service likes.
    pub(crate) threads: Option<usize>,
    pub(crate) log: Level,
}

/// Exports are given twice, or not at all where a file is to give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListError {
    Two(PathBuf),
    None(PathBuf),
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Two(path) => write!(
                f,
                "{} has exports, and so has the command line: leave DIR and --export out, or add \
                 an [[export]] to the file",
                path.display()
            ),
            Self::None(path) => write!(
                f,
                "{} has no [[export]]: add one; files in memory are served without --config only",
                path.display()
            ),
        }
    }
}

impl Error for ListError {}

impl Settings {
    /// From the arguments, and the file that they name.
    pub(crate) fn read(args: &ServeArgs) -> Result<Self, Box<dyn Error>> {
        let line = args.given()?;
        let Some(path) = &args.config else { return Ok(Self::of(line)) };
        let file = config::read(path)?;
        Ok(Self::join(line, file, path)?)
    }

    /// What the command line says stands before what the file says; exports are all in one place.
    ///
    /// # Errors
    /// They are in both, or in neither: a file that was cut short must not have memory served.
    pub(crate) fn join(line: Given, file: Given, path: &Path) -> Result<Self, ListError> {
        let exports = match (line.exports.is_empty(), file.exports.is_empty()) {
            (false, false) => return Err(ListError::Two(path.to_owned())),
            (true, true) => return Err(ListError::None(path.to_owned())),
            (false, true) => line.exports,
            (true, false) => file.exports,
        };
        Ok(Self::of(Given {
            exports,
            listen: line.listen.or(file.listen),
            keep: line.keep.or(file.keep),
            lease: line.lease.or(file.lease),
            squash: line.squash.or(file.squash),
            noxdev: line.noxdev.or(file.noxdev),
            loops: line.loops.or(file.loops),
            threads: line.threads.or(file.threads),
            log: line.log.or(file.log),
        }))
    }

    /// With defaults for what is not said.
    pub(crate) fn of(given: Given) -> Self {
        let mut exports = given.exports;
        for export in &mut exports {
            export.squash = export.squash.or(given.squash);
            export.noxdev = export.noxdev.or(given.noxdev);
        }
        Self {
            exports,
            listen: given.listen.unwrap_or_else(|| vec![(Ipv4Addr::LOCALHOST, PORT).into()]),
            keep: given.keep.unwrap_or_default(),
            lease: given.lease.unwrap_or(LEASE),
            squash: given.squash,
            loops: given.loops,
            threads: given.threads,
            log: given.log.unwrap_or(Level::Info),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str, whom: Option<Squash>) -> Directory {
        let squash = Squashing { whom, ..Squashing::default() };
        Directory { squash, ..Directory::new(name, "/srv") }
    }

    fn given(number: usize) -> Given {
        Given {
            exports: Vec::new(),
            listen: Some(vec![([10, 0, 0, number as u8], PORT).into()]),
            keep: Some(Keep::In(number.to_string().into())),
            lease: Some(Duration::from_secs(number as u64)),
            squash: Squashing {
                whom: Some(Squash::All),
                uid: Some(number as u32),
                gid: Some(number as u32),
            },
            noxdev: Some(number == 20),
            loops: Some(number),
            threads: Some(number),
            log: Some(Level::Warn),
        }
    }

    #[test]
    fn what_nobody_says_has_a_default() {
        let settings = Settings::of(Given::default());
        assert_eq!(settings.exports, []);
        assert_eq!(settings.listen, [SocketAddr::from(([127, 0, 0, 1], 2049))]);
        assert_eq!((settings.keep, settings.lease), (Keep::Default, Duration::from_secs(90)));
        assert_eq!((settings.loops, settings.threads, settings.log), (None, None, Level::Info));
        assert_eq!(settings.squash.to_string(), "root squashed to 65534:65534");
    }

    #[test]
    fn the_command_line_stands_before_the_file() {
        let exports = || vec![directory("/a", None)];
        let file = |given| Given { exports: exports(), ..given };
        let join = |line, given| Settings::join(line, file(given), Path::new("x.toml"));
        let of = |given| Ok(Settings::of(file(given)));
        assert_eq!(join(given(20), given(30)), of(given(20)));
        assert_eq!(join(Given::default(), given(30)), of(given(30)));
        assert_eq!(join(given(20), Given::default()), of(given(20)));
        let nothing = Given { keep: Some(Keep::Nothing), ..Given::default() };
        assert_eq!(join(nothing, given(30)).map(|it| it.keep), Ok(Keep::Nothing));
    }

    #[test]
    fn exports_are_in_one_place() {
        let with = |name| Given { exports: vec![directory(name, None)], ..Given::default() };
        let names = |settings: Settings| settings.exports[0].name.clone();
        let join = |line, file| Settings::join(line, file, Path::new("x.toml")).map(names);
        assert_eq!(join(with("/a"), Given::default()).as_deref(), Ok("/a"));
        assert_eq!(join(Given::default(), with("/b")).as_deref(), Ok("/b"));
        assert_eq!(join(with("/a"), with("/b")), Err(ListError::Two("x.toml".into())));
        let none = join(Given::default(), Given::default());
        assert_eq!(none, Err(ListError::None("x.toml".into())));
    }

    #[test]
    fn an_export_stands_before_the_defaults_of_all() {
        let squash = Squashing { whom: Some(Squash::All), uid: Some(7), gid: None };
        let exports = vec![directory("/a", Some(Squash::None)), directory("/b", None)];
        let settings =
            Settings::of(Given { exports, squash, noxdev: Some(true), ..Given::default() });
        assert!(settings.exports.iter().all(|it| it.noxdev == Some(true)));
        let said: Vec<_> = settings.exports.iter().map(|it| it.squash.to_string()).collect();
        assert_eq!(said, ["nobody squashed", "everybody squashed to 7:65534"]);
    }

    #[test]
    fn who_is_made_root_is_known() {
        let of = |whom, uid| Squashing { whom: Some(whom), uid, gid: None }.makes_root();
        assert!(of(Squash::All, Some(0)) && of(Squash::Root, Some(0)));
        assert!(!of(Squash::None, Some(0)) && !of(Squash::All, None));
    }
}
