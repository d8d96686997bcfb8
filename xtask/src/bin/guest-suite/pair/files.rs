//! What one client does and the other one sees.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Pair;
use crate::check::equal;
use crate::options::size;
use crate::sys::{self, Lock, Range};
use crate::{Failure, Step};

const ROUNDS: usize = 20;

/// Who opens a file after it was closed sees what was written.
pub(super) fn writes(pair: &mut Pair) -> Step {
    let path = pair.folder("pair-writes")?.join("file");
    for round in 0..ROUNDS {
        // Of another length each time, and of the same length with other bytes.
        let text = |who: &str| format!("{who} {round} {}", "x".repeat(round / 2 * 3000));
        let (one, two) = (text("a"), text("b"));
        let read = |wanted: &str| {
            let seen = fs::read_to_string(&path)?;
            equal(&format!("content in round {round}"), seen == wanted, true)
        };
        pair.in_turn(|| Ok(fs::write(&path, &one)?), || read(&one))?;
        pair.in_turn(|| Ok(()), || Ok(fs::write(&path, &two)?))?;
        pair.in_turn(|| read(&two), || read(&two))?;
    }
    Ok(())
}

/// A name that was not looked up before is asked for at the server.
pub(super) fn names(pair: &mut Pair) -> Step {
    let dir = pair.folder("pair-names")?;
    for round in 0..ROUNDS {
        let (a, b) = (dir.join(format!("a{round}")), dir.join(format!("b{round}")));
        pair.in_turn(|| Ok(fs::write(&a, "made")?), || Ok(fs::rename(&a, &b)?))?;
        pair.in_turn(
            || equal("content", fs::read_to_string(&b)?.as_str(), "made"),
            || Ok(fs::remove_file(&b)?),
        )?;
        let names = || -> Result<usize, Failure> { Ok(fs::read_dir(&dir)?.count()) };
        pair.in_turn(|| Ok(()), || equal("names left", names()?, 0))?;
    }
    Ok(())
}

/// Of two who make the same name, one does and one is told that it is there.
pub(super) fn creations(pair: &mut Pair) -> Step {
    let dir = pair.folder("pair-races")?;
    let count = size("GUEST_RACES", 60);
    let own = dir.join(if pair.is_first { "of-first" } else { "of-second" });
    fs::write(&own, "")?;
    if pair.is_first {
        for number in 0..count {
            fs::write(dir.join(format!("source-{number}")), "")?;
        }
    }
    type Try<'a> = &'a dyn Fn(&Path, usize) -> std::io::Result<()>;
    let tries: [(&str, Try<'_>); 4] = [
        ("file", &|path, _| File::create_new(path).map(drop)),
        ("folder", &|path, _| fs::create_dir(path)),
        ("link", &|path, _| fs::hard_link(&own, path)),
        ("rename", &|path, number| fs::rename(dir.join(format!("source-{number}")), path)),
    ];
    for (what, run) in tries {
        pair.meet()?;
        let mut won = String::new();
        for number in 0..count {
            // Those who rename one thing do so to different names.
            let own_name = what == "rename" && pair.is_first;
            let path = dir.join(format!("{what}-{number}{}", if own_name { "-first" } else { "" }));
            let lost =
                if what == "rename" { ErrorKind::NotFound } else { ErrorKind::AlreadyExists };
            won.push(match run(&path, number) {
                Ok(()) => '1',
                Err(error) if error.kind() == lost => '0',
                Err(error) => return Err(format!("{}: {error}", path.display()).into()),
            });
        }
        let others = pair.peer.exchange(&won)?;
        equal("races", others.len(), count)?;
        for (number, (ours, theirs)) in won.chars().zip(others.chars()).enumerate() {
            equal(&format!("one winner of {what} {number}"), ours == theirs, false)?;
        }
    }
    Ok(())
}

fn append(path: &Path, text: &str) -> Step {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

pub(super) fn append_in_turns(pair: &mut Pair) -> Step {
    let path = pair.folder("pair-append")?.join("log");
    let mut wanted = String::new();
    for round in 0..ROUNDS {
        let (one, two) = (format!("first {round}\n"), format!("second {round}\n"));
        pair.in_turn(|| append(&path, &one), || append(&path, &two))?;
        wanted += &(one + &two);
    }
    equal("the log", fs::read_to_string(&path)? == wanted, true)
}

/// Both append at the same time, each under a lock: no line is lost or torn.
pub(super) fn append_under_lock(pair: &mut Pair) -> Step {
    let path = pair.folder("pair-append-locked")?.join("log");
    let count = size("GUEST_APPENDS", 60);
    let name = if pair.is_first { "first" } else { "second" };
    let whole = Range::new(0, 0);
    let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
    pair.meet()?;
    for number in 0..count {
        sys::lock(&file, Lock::Write, whole)?;
        let line = format!("{name} {number} {}\n", "z".repeat(number * 37 % 500));
        (&file).write_all(line.as_bytes())?;
        sys::unlock(&file, whole)?;
    }
    drop(file);
    pair.meet()?;
    let text = fs::read_to_string(&path)?;
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (who, number) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let tail = words.next().ok_or_else(|| format!("a torn line: {line:?}"))?;
        let number: usize = number.parse()?;
        equal("length of the tail", tail.len(), number * 37 % 500)?;
        equal("lines twice", seen.insert((who.to_owned(), number)), true)?;
    }
    equal("lines", seen.len(), 2 * count)
}
