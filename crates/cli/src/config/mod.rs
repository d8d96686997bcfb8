//! The configuration file: what `serve` takes on the command line, and the exports. Everything
//! in it is checked, and all that is wrong is told at once, each with its line.

mod error;
mod section;

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_server::{ExportError, Exports};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use self::error::ConfigError;
use self::error::Problem;
use self::section::Section;
use crate::listen;
use crate::reason::reason;
use crate::settings::{Directory, Given, IDS, Keep, LEASES, LOOPS, Squashing, THREADS};

/// Bytes of a file; ten thousand exports fit.
const FILE_MAX: u64 = 1 << 20;

const TOP: [&str; 12] = [
    "export",
    "listen",
    "state-dir",
    "ephemeral",
    "lease",
    "squash",
    "anonuid",
    "anongid",
    "noxdev",
    "loops",
    "threads",
    "log",
];
const EXPORT: [&str; 9] = [
    "name",
    "path",
    "read-only",
    "durability",
    "noxdev",
    "squash",
    "anonuid",
    "anongid",
    "local-locks",
];

/// Reads a configuration file. Relative paths in it begin at its folder.
pub(crate) fn read(path: &Path) -> Result<Given, ConfigError> {
    let text = text(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    parse(&text, folder).map_err(|problems| ConfigError::Wrong {
        path: path.to_owned(),
        text,
        problems,
    })
}

fn text(path: &Path) -> Result<String, ConfigError> {
    let failed = |error| ConfigError::Read(path.to_owned(), error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(ConfigError::TooLarge(path.to_owned(), FILE_MAX));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::NotText(path.to_owned(), line)
    })
}

fn parse(text: &str, folder: &Path) -> Result<Given, Vec<Problem>> {
    let table = DeTable::parse(text).map_err(|error| vec![Problem::of_form(&error, text)])?;
    let mut problems = Vec::new();
    let given = top(&mut Section::new(table.get_ref(), &mut problems), folder);
    if problems.is_empty() {
        return Ok(given);
    }
    problems.sort_by_key(|problem| problem.span.start);
    Err(problems)
}

fn top(file: &mut Section<'_, '_>, folder: &Path) -> Given {
    for key in file.unknown(&TOP) {
        file.tell_unknown(key, "at the top of the file", &TOP, &EXPORT, "to an [[export]]");
    }
    Given {
        listen: addresses(file),
        keep: keep(file, folder),
        lease: file.number("lease", &LEASES).map(Duration::from_secs),
        squash: squash(file),
        noxdev: file.flag("noxdev"),
        loops: file.number("loops", &LOOPS).map(|number| number as usize),
        threads: file.number("threads", &THREADS).map(|number| number as usize),
        log: file.word("log"),
        exports: exports(file, folder),
    }
}

fn squash(section: &mut Section<'_, '_>) -> Squashing {
    Squashing {
        whom: section.word("squash"),
        uid: section.number("anonuid", &IDS).map(|id| id as u32),
        gid: section.number("anongid", &IDS).map(|id| id as u32),
    }
}

fn keep(file: &mut Section<'_, '_>, folder: &Path) -> Option<Keep> {
    let place = file.path("state-dir", folder);
    let nothing = file.flag("ephemeral").unwrap_or(false);
    match place {
        Some((_, span)) if nothing => {
            file.tell(span, "`state-dir` and `ephemeral = true` contradict each other".into());
            None
        }
        Some((path, _)) => Some(Keep::In(path)),
        None => nothing.then_some(Keep::Nothing),
    }
}

/// One address, or a list.
fn addresses(file: &mut Section<'_, '_>) -> Option<Vec<SocketAddr>> {
    let value = file.value("listen")?;
    let texts = value.get_ref().as_array().map_or_else(|| vec![value], |it| it.iter().collect());
    if texts.is_empty() {
        file.tell(value.span(), "`listen` is an empty list: leave it out, or fill it".into());
        return None;
    }
    let mut addrs = Vec::new();
    for text in &texts {
        addrs.push(address(file, text)?);
    }
    if let Some(at) = listen::twice(&addrs) {
        file.tell(texts[at].span(), format!("{} is listened on twice", addrs[at]));
    }
    Some(addrs)
}

fn address(file: &mut Section<'_, '_>, value: &Spanned<DeValue<'_>>) -> Option<SocketAddr> {
    let DeValue::String(text) = value.get_ref() else {
        file.tell_type("listen", value, "a string, or a list of them");
        return None;
    };
    let addr = listen::parse(text);
    if addr.is_none() {
        file.tell(value.span(), format!("{text:?} is no address: {}", listen::FORM));
    }
    addr
}

fn exports(file: &mut Section<'_, '_>, folder: &Path) -> Vec<Directory> {
    let Some(value) = file.value("export") else { return Vec::new() };
    let DeValue::Array(list) = value.get_ref() else {
        let what = "every export begins with a line [[export]], in two brackets";
        file.tell(value.span(), what.into());
        return Vec::new();
    };
    let (mut directories, mut spans) = (Vec::new(), Vec::new());
    for entry in list {
        let DeValue::Table(table) = entry.get_ref() else {
            file.tell_type("export", entry, "tables, each under a line [[export]]");
            continue;
        };
        if let Some((directory, span)) = export(&mut file.below(table), &entry.span(), folder) {
            directories.push(directory);
            spans.push(span);
        }
    }
    let names: Vec<_> = directories.iter().map(|directory| directory.name.as_str()).collect();
    if let Some((at, why)) = first_misfit(&names) {
        file.tell(spans[at].clone(), why.to_string());
    }
    directories
}

/// One export, and where its name stands.
fn export(
    section: &mut Section<'_, '_>,
    place: &Range<usize>,
    folder: &Path,
) -> Option<(Directory, Range<usize>)> {
    for key in section.unknown(&EXPORT) {
        let top = "to the top of the file, before the first [[export]]";
        section.tell_unknown(key, "in an export", &EXPORT, &TOP, top);
    }
    for key in ["name", "path"] {
        if section.value(key).is_none() {
            section.tell(place.clone(), format!("this export has no `{key}`"));
        }
    }
    let name = section.string("name");
    let path = section.path("path", folder);
    if let Some((path, span)) = &path {
        check_directory(section, path, span);
    }
    let read_only = section.flag("read-only").unwrap_or_default();
    let noxdev = section.flag("noxdev");
    let (squash, durability) = (squash(section), section.word("durability").unwrap_or_default());
    let local_locks = section.flag("local-locks").unwrap_or(true);
    let ((name, span), (path, _)) = (name?, path?);
    let directory = Directory::new(name, path);
    let directory = Directory { read_only, squash, durability, noxdev, local_locks, ..directory };
    Some((directory, span))
}

fn check_directory(section: &mut Section<'_, '_>, path: &PathBuf, span: &Range<usize>) {
    if let Err(error) = fs::read_dir(path) {
        let home = if path.iter().any(|part| part == "~") { " (~ means nothing here)" } else { "" };
        let what = format!("cannot export {}: {}{home}", path.display(), reason(&error));
        section.tell(span.clone(), what);
    }
}

/// The first name that does not fit those before it.
fn first_misfit(names: &[&str]) -> Option<(usize, ExportError)> {
    let why = |count: usize| Exports::check(&names[..count]).err();
    if names.is_empty() || why(names.len()).is_none() {
        return None;
    }
    // Some names fit, and with those up to `bad` they do not.
    let (mut good, mut bad) = (0, names.len());
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if why(middle).is_none() { good = middle } else { bad = middle }
    }
    why(bad).map(|why| (bad - 1, why))
}

#[cfg(test)]
mod tests;
