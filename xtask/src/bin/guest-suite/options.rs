//! What is to be tested, from the command line; how much of it, from the environment.

use crate::Failure;

/// The command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The server's address.
    pub(crate) host: String,
    /// The server's port.
    pub(crate) port: String,
    /// The path to mount.
    pub(crate) export: String,
    /// The protocol's version, `4.1` or `4.2`.
    pub(crate) version: String,
    /// `--one-user`: the server cannot act for another user.
    pub(crate) one_user: bool,
    /// `--holes`: the file system says which blocks of a file are there.
    pub(crate) holes: bool,
    /// `--read-only-export PATH`: one that must refuse every change.
    pub(crate) read_only: Option<String>,
    /// `--small-export PATH`: one of a few MiB.
    pub(crate) small: Option<String>,
    /// `--quota-export PATH`: one where no user but root may have more than 1 MiB.
    pub(crate) quota: Option<String>,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut plain = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--one-user" => options.one_user = true,
                "--holes" => options.holes = true,
                "--read-only-export" => options.read_only = Some(value()?),
                "--small-export" => options.small = Some(value()?),
                "--quota-export" => options.quota = Some(value()?),
                option if option.starts_with('-') => return Err(format!("{option}?").into()),
                _ => plain.push(arg.clone()),
            }
        }
        let [host, port, export, version] = <[String; 4]>::try_from(plain)
            .map_err(|_| "usage: guest-suite HOST PORT EXPORT VERS [OPTION]...")?;
        Ok(Self { host, port, export, version, ..options })
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
        for line in ["h 1 /rw", "h 1 / 4.2 more", "h 1 / 4.2 --what", "h 1 / 4.2 --small-export"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
