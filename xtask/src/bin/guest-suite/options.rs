//! What is to be tested, from the command line; how much of it, from the environment.

use crate::Failure;

/// What a file system may have beyond what every one has. Where one says that it has not, it must
/// refuse as POSIX programs expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Locks of ranges and of files.
    Locks,
    /// It says where holes are, cuts them and keeps room for data to come.
    Sparse,
    /// Copies that share their blocks.
    Clone,
    /// Extended attributes.
    Xattr,
}

impl Ability {
    const ALL: [(&'static str, Self); 4] = [
        ("locks", Self::Locks),
        ("sparse", Self::Sparse),
        ("clone", Self::Clone),
        ("xattr", Self::Xattr),
    ];

    fn parse_list(list: &str) -> Result<Vec<Self>, Failure> {
        let words = list.split(',').filter(|word| !word.is_empty());
        let found = words.map(|word| {
            let ability = Self::ALL.iter().find(|(name, _)| *name == word);
            ability.map(|(_, ability)| *ability).ok_or_else(|| format!("{word}?").into())
        });
        found.collect()
    }
}

/// An export of a file system of its own kind.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) path: String,
    pub(crate) has: Vec<Ability>,
}

/// The command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The server's address.
    pub(crate) host: String,
    /// The server's port.
    pub(crate) port: String,
    /// The path to mount, or the folder to work in where nothing is mounted.
    pub(crate) export: String,
    /// The protocol's version, `4.1` or `4.2`; empty where nothing is mounted.
    pub(crate) version: String,
    /// `--one-user`: the server cannot act for another user.
    pub(crate) one_user: bool,
    /// `--mixed`: of a pair, one is a client and the other a process beside the server.
    pub(crate) mixed: bool,
    /// `--holes`: the file system says how many blocks of a file are there.
    pub(crate) holes: bool,
    /// `--has ABILITY,...`.
    pub(crate) has: Vec<Ability>,
    /// `--only TEXT`: the steps with that in their names.
    pub(crate) only: Option<String>,
    /// `--report NAME`: how it ended is added under that name to `REPORT`.
    pub(crate) report: Option<String>,
    /// `--read-only-export PATH`: one that must refuse every change.
    pub(crate) read_only: Option<String>,
    /// `--small-export PATH`: one of a few MiB.
    pub(crate) small: Option<String>,
    /// `--quota-export PATH`: one where no user but root may have more than 1 MiB.
    pub(crate) quota: Option<String>,
    /// `--nested-export PATH`: one with file systems below: `mem`, `disk`, `disk/a` and `disk/b`.
    pub(crate) nested: Option<String>,
    /// `--noxdev-export PATH`: the same folder, which hides them.
    pub(crate) noxdev: Option<String>,
    /// `--kind PATH=ABILITY,...`: exports of other kinds of file systems.
    pub(crate) kinds: Vec<Kind>,
}

/// Where reports are added.
pub(crate) const REPORT: &str = "/tmp/report";

const USAGE: &str = "usage: guest-suite HOST PORT EXPORT VERS [OPTION]...
       guest-suite local FOLDER [OPTION]...";

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut plain = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--one-user" => options.one_user = true,
                "--mixed" => options.mixed = true,
                "--holes" => options.holes = true,
                "--has" => options.has = Ability::parse_list(&value()?)?,
                "--only" => options.only = Some(value()?),
                "--report" => options.report = Some(value()?),
                "--read-only-export" => options.read_only = Some(value()?),
                "--small-export" => options.small = Some(value()?),
                "--quota-export" => options.quota = Some(value()?),
                "--nested-export" => options.nested = Some(value()?),
                "--noxdev-export" => options.noxdev = Some(value()?),
                "--kind" => {
                    let value = value()?;
                    let (path, has) = value.split_once('=').ok_or("PATH=ABILITY,...")?;
                    let has = Ability::parse_list(has)?;
                    options.kinds.push(Kind { path: path.to_owned(), has });
                }
                option if option.starts_with('-') => return Err(format!("{option}?").into()),
                _ => plain.push(arg.clone()),
            }
        }
        match <[String; 4]>::try_from(plain) {
            Ok([host, port, export, version]) => {
                Ok(Self { host, port, export, version, ..options })
            }
            Err(plain) => match <[String; 2]>::try_from(plain) {
                Ok([local, export]) if local == "local" => Ok(Self { export, ..options }),
                _ => Err(USAGE.into()),
            },
        }
    }

    /// Whether nothing is mounted: the steps work in a folder of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.version.is_empty()
    }

    /// Whether the steps are to see that. Of these version 4.1 has locks only.
    pub(crate) fn has(&self, ability: Ability) -> bool {
        let spoken = self.version != "4.1" || ability == Ability::Locks;
        spoken && self.has.contains(&ability)
    }
}

/// A size of the test: the value of an environment variable, else `usual`.
pub(crate) fn size(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parse =
            |line: &str| Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let options = parse("h 1 /rw 4.2 --holes --small-export /s").expect("is legal");
        assert_eq!((options.export.as_str(), options.version.as_str()), ("/rw", "4.2"));
        assert!(options.holes && !options.one_user);
        assert_eq!((options.small.as_deref(), options.quota), (Some("/s"), None));
        let options = parse("local /dir --has xattr,clone --kind /b=sparse").expect("is legal");
        assert!(options.is_local() && options.has(Ability::Clone) && !options.has(Ability::Locks));
        assert_eq!(options.kinds[0].has, [Ability::Sparse]);
        let old = parse("h 1 / 4.1 --has xattr,locks").expect("is legal");
        assert!(!old.has(Ability::Xattr) && old.has(Ability::Locks));
        for line in ["h 1 / 4.2 --has wings", "h 1 / 4.2 --kind /b", "else /dir"] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["h 1 /rw", "h 1 / 4.2 more", "h 1 / 4.2 --what", "h 1 / 4.2 --small-export"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
