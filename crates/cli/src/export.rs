//! The grammar of `--export`: `/NAME=DIR`, then options after commas.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use clap::ValueEnum;

use crate::nearest::hint;
use crate::settings::{Directory, Durability, IDS, Squash, Squashing};

const OPTIONS: [&str; 9] =
    ["ro", "rw", "sync", "async", "noxdev", "squash", "anonuid", "anongid", "local-locks"];

/// Why it is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExportError {
    Form,
    Unknown(String),
    Squash(String),
    Id(&'static str, String),
    Switch(&'static str, String),
    Flag(&'static str),
    Twice(&'static str),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str(
                "it takes a name and a directory, as in /NAME=DIR, and options after commas, as \
                 in /NAME=DIR,ro",
            ),
            Self::Unknown(word) => {
                write!(f, "there is no option `{word}`: {}", hint(word, &OPTIONS))?;
                f.write_str(" (a directory with a comma in its name goes into a --config file)")
            }
            Self::Squash(value) => {
                write!(f, "squash={value}: {}", hint(value, &["none", "root", "all"]))
            }
            Self::Id(option, value) => {
                let (least, most) = (IDS.start(), IDS.end());
                write!(f, "{option}={value}: it takes a number, {least} to {most}")
            }
            Self::Switch(option, value) => {
                write!(f, "{option}={value}: {}", hint(value, &["true", "false"]))
            }
            Self::Flag(option) => write!(f, "`{option}` takes no value"),
            Self::Twice(option) => write!(f, "`{option}` is a second word on the same matter"),
        }
    }
}

/// Reads one export.
pub(crate) fn parse(text: &OsStr) -> Result<Directory, ExportError> {
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').ok_or(ExportError::Form)?;
    let name = str::from_utf8(&bytes[..equals]).map_err(|_| ExportError::Form)?;
    let mut parts = bytes[equals + 1..].split(|byte| *byte == b',');
    let path = parts.next().filter(|path| !path.is_empty()).ok_or(ExportError::Form)?;
    if !name.starts_with('/') {
        return Err(ExportError::Form);
    }
    let mut said = Said::default();
    for part in parts {
        said.option(&String::from_utf8_lossy(part))?;
    }
    Ok(Directory {
        read_only: said.read_only.unwrap_or_default(),
        squash: said.squash,
        durability: said.durability.unwrap_or_default(),
        local_locks: said.local_locks.unwrap_or(true),
        noxdev: said.noxdev.map(|()| true),
        ..Directory::new(name, OsStr::from_bytes(path))
    })
}

#[derive(Default)]
struct Said {
    read_only: Option<bool>,
    squash: Squashing,
    durability: Option<Durability>,
    local_locks: Option<bool>,
    noxdev: Option<()>,
}

impl Said {
    fn option(&mut self, text: &str) -> Result<(), ExportError> {
        let (option, value) = text.split_once('=').unwrap_or((text, ""));
        let flag = |name| if text == name { Ok(()) } else { Err(ExportError::Flag(name)) };
        match option {
            "ro" => flag("ro").and_then(|()| once("ro", &mut self.read_only, true)),
            "rw" => flag("rw").and_then(|()| once("rw", &mut self.read_only, false)),
            "sync" => flag("sync").and_then(|()| self.durability("sync", Durability::Sync)),
            "async" => flag("async").and_then(|()| self.durability("async", Durability::Async)),
            "noxdev" => flag("noxdev").and_then(|()| once("noxdev", &mut self.noxdev, ())),
            "squash" => {
                let whom = Squash::from_str(value, false);
                let whom = whom.map_err(|_| ExportError::Squash(value.to_owned()))?;
                once("squash", &mut self.squash.whom, whom)
            }
            "anonuid" => once("anonuid", &mut self.squash.uid, id("anonuid", value)?),
            "anongid" => once("anongid", &mut self.squash.gid, id("anongid", value)?),
            "local-locks" => {
                let switch = value.parse();
                let switch =
                    switch.map_err(|_| ExportError::Switch("local-locks", value.into()))?;
                once("local-locks", &mut self.local_locks, switch)
            }
            _ => Err(ExportError::Unknown(option.to_owned())),
        }
    }

    fn durability(&mut self, option: &'static str, value: Durability) -> Result<(), ExportError> {
        once(option, &mut self.durability, value)
    }
}

fn once<T>(option: &'static str, place: &mut Option<T>, value: T) -> Result<(), ExportError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ExportError::Twice(option)),
    }
}

fn id(option: &'static str, value: &str) -> Result<u32, ExportError> {
    let id = value.parse().ok().filter(|id| IDS.contains(&u64::from(*id)));
    id.ok_or_else(|| ExportError::Id(option, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_a_name_a_directory_and_options() {
        let read = |text: &str| parse(OsStr::new(text));
        let of = |name: &str, path: &str, read_only, whom, uid, gid| {
            let squash = Squashing { whom, uid, gid };
            Ok(Directory { read_only, squash, ..Directory::new(name, path) })
        };
        let plain = |name, path, ro| of(name, path, ro, None, None, None);
        assert_eq!(read("/music=/srv/music"), plain("/music", "/srv/music", false));
        assert_eq!(read("/a/b=c,ro"), plain("/a/b", "c", true));
        assert_eq!(read("/=x=y,rw"), plain("/", "x=y", false));
        assert_eq!(
            read("/a=/b,anongid=100,squash=all,ro,anonuid=1000"),
            of("/a", "/b", true, Some(Squash::All), Some(1000), Some(100))
        );
        let durability = |text| read(text).map(|it| it.durability);
        assert_eq!(durability("/a=/b,async"), Ok(Durability::Async));
        assert_eq!(durability("/a=/b,sync"), Ok(Durability::Sync));
        assert_eq!(durability("/a=/b"), Ok(Durability::Sync));
        let local_locks = |text| read(text).map(|it| it.local_locks);
        assert_eq!(local_locks("/a=/b,local-locks=false"), Ok(false));
        assert_eq!(local_locks("/a=/b,local-locks=true"), Ok(true));
        assert_eq!(local_locks("/a=/b"), Ok(true));
        let noxdev = |text| read(text).map(|it| it.noxdev);
        assert_eq!((noxdev("/a=/b,noxdev"), noxdev("/a=/b")), (Ok(Some(true)), Ok(None)));
        let bytes = parse(OsStr::from_bytes(b"/a=\xff,ro")).map(|it| it.path);
        assert_eq!(bytes, Ok(OsStr::from_bytes(b"\xff").into()));
    }

    #[test]
    fn what_is_wrong_with_an_export_is_told() {
        let said = |text: &str| parse(OsStr::new(text)).map_err(|why| why.to_string());
        let form = "it takes a name and a directory, as in /NAME=DIR, and options after commas, \
                    as in /NAME=DIR,ro";
        let id = "it takes a number, 0 to 4294967294";
        let comma = " (a directory with a comma in its name goes into a --config file)";
        let options = "there are `ro`, `rw`, `sync`, `async`, `noxdev`, `squash`, `anonuid`, \
                       `anongid` and `local-locks`";
        for (text, why) in [
            ("/srv/music", form.to_owned()),
            ("music=/srv", form.to_owned()),
            ("=/srv", form.to_owned()),
            ("/music=", form.to_owned()),
            ("/music=,ro", form.to_owned()),
            ("", form.to_owned()),
            (
                "/a=/b,squahs=all",
                format!("there is no option `squahs`: did you mean `squash`?{comma}"),
            ),
            ("/a=/b,", format!("there is no option ``: {options}{comma}")),
            ("/a=/b,fsid=0", format!("there is no option `fsid`: {options}{comma}")),
            ("/a=/b,squash", "squash=: there are `none`, `root` and `all`".to_owned()),
            ("/a=/b,squash=rot", "squash=rot: did you mean `root`?".to_owned()),
            ("/a=/b,anonuid=-1", format!("anonuid=-1: {id}")),
            ("/a=/b,anongid=4294967295", format!("anongid=4294967295: {id}")),
            ("/a=/b,local-locks", "local-locks=: there are `true` and `false`".to_owned()),
            ("/a=/b,local-locks=fals", "local-locks=fals: did you mean `false`?".to_owned()),
            ("/a=/b,ro=yes", "`ro` takes no value".to_owned()),
            ("/a=/b,async=no", "`async` takes no value".to_owned()),
            ("/a=/b,sync,async", "`async` is a second word on the same matter".to_owned()),
            ("/a=/b,noxdev=yes", "`noxdev` takes no value".to_owned()),
            ("/a=/b,ro,rw", "`rw` is a second word on the same matter".to_owned()),
            (
                "/a=/b,anonuid=1,anonuid=1",
                "`anonuid` is a second word on the same matter".to_owned(),
            ),
        ] {
            assert_eq!(said(text), Err(why), "{text}");
        }
    }
}
