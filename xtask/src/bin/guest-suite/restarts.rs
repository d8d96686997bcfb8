//! Work that goes on while the server is stopped and started: nothing that was acknowledged may
//! be missing at the end, and nothing may be there twice. What is open and what is stood in is
//! moved meanwhile by the other side: it must not go stale.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::check::equal;
use crate::mount::Mount;
use crate::options::Options;
use crate::{Failure, Step};

/// The word that selects this.
pub(crate) const COMMAND: &str = "restarts";

/// Made by the guest when its work begins.
const STARTED: &str = "started";
/// Made by the other side when the last restart is over.
const FINISH: &str = "finish";
/// Files that are there at a time.
const KEPT: u64 = 16;
/// Rounds after which it ends in any case.
const ROUNDS_MAX: u64 = 100_000;

pub(crate) fn main(args: &[String]) -> Step {
    let options = Options::parse(args)?;
    let mount = Mount::new(&options, &options.export, "/mnt/main")?;
    let top = mount.top().to_path_buf();
    fs::create_dir(top.join("files"))?;
    let mut log =
        OpenOptions::new().read(true).append(true).create_new(true).open(top.join("log"))?;
    // The other side knows these names.
    fs::create_dir_all(top.join("deep/a/x/y"))?;
    fs::create_dir(top.join("other"))?;
    std::env::set_current_dir(top.join("deep/a/x/y"))?;
    let mut held = OpenOptions::new().read(true).append(true).create_new(true).open("held")?;
    fs::write(top.join(STARTED), "")?;
    let mut round = 0;
    while !finished(&top)? {
        if round == ROUNDS_MAX {
            return Err("nobody said that the last restart is over".into());
        }
        work(&top, &mut log, round).map_err(|error| format!("round {round}: {error}"))?;
        hold(&mut held, round).map_err(|error| format!("round {round}, held: {error}"))?;
        round += 1;
    }
    log.sync_all()?;
    read_log(&mut held, round)?;
    drop((log, held));
    std::env::set_current_dir("/")?;
    mount.remount()?;
    check(&top, round)?;
    println!("{round} rounds, nothing lost");
    mount.unmount()
}

fn finished(top: &Path) -> Result<bool, Failure> {
    // A listing asks the server, where a look-up may answer from what it remembers.
    for entry in fs::read_dir(top)? {
        if entry?.file_name() == FINISH {
            return Ok(true);
        }
    }
    Ok(false)
}

fn work(top: &Path, log: &mut File, round: u64) -> Step {
    writeln!(log, "{round}")?;
    if round.is_multiple_of(4) {
        log.sync_data()?;
    }
    let files = top.join("files");
    let (new, kept) = (files.join(format!("new-{round}")), files.join(format!("file-{round}")));
    fs::write(&new, round.to_string())?;
    // A server that is killed forgets which replies were lost: what is sent again then finds
    // that it was done.
    match fs::rename(&new, &kept) {
        Err(error) if error.kind() == ErrorKind::NotFound && kept.exists() => {}
        renamed => renamed?,
    }
    if let Some(old) = round.checked_sub(KEPT) {
        match fs::remove_file(files.join(format!("file-{old}"))) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    if round.is_multiple_of(16) {
        read_log(log, round + 1)?;
    }
    Ok(())
}

/// Uses the file that is moved, and the directory that this program is in: neither by a path.
fn hold(held: &mut File, round: u64) -> Step {
    writeln!(held, "{round}")?;
    held.sync_data()?;
    fs::write("here", round.to_string())?;
    match fs::remove_file("here") {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

fn read_log(log: &mut File, rounds: u64) -> Step {
    let mut text = String::new();
    log.seek(SeekFrom::Start(0))?;
    log.read_to_string(&mut text)?;
    let wanted: String = (0..rounds).map(|round| format!("{round}\n")).collect();
    equal("the log", text == wanted, true)
}

fn check(top: &Path, rounds: u64) -> Step {
    read_log(&mut File::open(top.join("log"))?, rounds)?;
    let mut seen = Vec::new();
    for entry in fs::read_dir(top.join("files"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("file-").ok_or("a file that was renamed is still there")?;
        equal("content", fs::read_to_string(entry.path())?.as_str(), number)?;
        seen.push(number.parse::<u64>()?);
    }
    seen.sort_unstable();
    let wanted: Vec<u64> = (rounds.saturating_sub(KEPT)..rounds).collect();
    equal("the files", seen, wanted)
}
