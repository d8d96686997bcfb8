//! `guest-restarts`: stops and starts the server, and kills it, while a guest works on a mount;
//! and moves what the guest has open and stands in, while there is no server.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::folders::Folders;
use super::server::Server;
use super::{build_server, build_suite};
use crate::Outcome;
use crate::guest::Guest;
use crate::process::{self, NOBODY};

pub(crate) const HELP: &str = "\
guest-restarts [COUNT] [--unprivileged]
    Stops or kills the server COUNT times (3) and starts it again, while a guest works on it.
    While it is down, what the guest has open is moved. With --unprivileged the server is nobody.";

/// How long a guest works between two restarts.
const WORK: Duration = Duration::from_secs(5);
/// How long the guest may take to begin.
const BEGIN: Duration = Duration::from_secs(120);
/// How long everything else may take.
const SECONDS: u64 = 240;

/// Where the directory is, from turn to turn, in which the guest holds and stands in something.
const PLACES: [&str; 3] = ["deep/a", "deep/b", "other/a"];
/// And the file that it holds, in that directory.
const HELD: [&str; 2] = ["x/y/held", "x/moved"];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(crate) fn main(args: &[String]) -> Outcome {
    let (unprivileged, args): (Vec<_>, Vec<_>) =
        args.iter().partition(|word| *word == "--unprivileged");
    let unprivileged = !unprivileged.is_empty();
    let count = match args[..] {
        [] => 3,
        [count] => count.parse().map_err(|_| format!("{count}?\nusage:\n{HELP}"))?,
        _ => return Err(format!("usage:\n{HELP}").into()),
    };
    let holdfast = build_server()?;
    let suite = build_suite()?;
    let folders = Folders::new()?;
    let holdfast = if unprivileged { for_nobody(&holdfast, &folders)? } else { holdfast };
    let (export, state) = (folders.path("rw"), folders.path("state"));
    let words = [&export.display().to_string(), "--squash", "none", "--lease", "15"];
    let state = state.display().to_string();
    let words = [&words[..], &["--state-dir", &state]].concat();
    let mut server =
        Server::start_as("restarted", &holdfast, &words, &["/"], &folders, unprivileged)?;
    server.wait_until_ready()?;
    if !server.said("good after a restart")? || unprivileged && !server.said("indexed handles")? {
        return Err("the server does not say that its handles are good after a restart".into());
    }
    let script = format!("/guest-suite restarts $HOST {} / 4.2\n", server.port());
    let guest = Guest {
        seconds: SECONDS + WORK.as_secs() * count,
        copies: vec![(suite, "/guest-suite".to_owned())],
        ..Guest::default()
    };
    // The server is started again on this thread: it ends with the thread that started it.
    let (status, restarted) = thread::scope(|scope| {
        let guest = scope.spawn(|| guest.run(script.as_bytes()).map_err(|error| error.to_string()));
        let restarted = restart(&mut server, &holdfast, &export, count);
        (guest.join(), restarted)
    });
    let status = status.map_err(|_| "a thread panicked")??;
    let stopped = server.stop()?;
    if let Err(error) = &restarted {
        println!("guest-restarts: {error}");
    }
    if status != 0 || restarted.is_err() || !stopped {
        println!("guest-restarts: FAILED (the guest's status is {status})");
        return Ok(1);
    }
    println!("guest-restarts: {count} restarts, every other one a kill; nothing lost");
    Ok(0)
}

/// A copy of the program that everybody may run, and folders that nobody may write.
fn for_nobody(holdfast: &Path, folders: &Folders) -> std::io::Result<PathBuf> {
    let (copy, state) = (folders.path("holdfast"), folders.path("state"));
    fs::create_dir(&state)?;
    if process::is_root() {
        for path in [&state, &folders.path("rw")] {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
    }
    let copied = Command::new("cp").arg(holdfast).arg(&copy).status()?;
    if copied.success() { Ok(copy) } else { Err(std::io::Error::other("cannot copy the server")) }
}

/// Restarts the server while the guest works, then says that it was the last time.
fn restart(server: &mut Server, holdfast: &Path, export: &Path, count: u64) -> Result<()> {
    let end = Instant::now() + BEGIN;
    while !export.join("started").exists() {
        if Instant::now() > end {
            return Err("the guest did not begin to work".into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    let restarted = (0..count).try_for_each(|turn| {
        thread::sleep(WORK);
        let meanwhile = || Ok(move_things(export, turn as usize)?);
        server.restart(holdfast, turn % 2 == 1, meanwhile).map_err(|error| error.to_string())
    });
    thread::sleep(WORK);
    fs::write(export.join("finish"), "")?;
    Ok(restarted?)
}

/// Moves a directory, and a file in it, to their next places.
fn move_things(export: &Path, turn: usize) -> std::io::Result<()> {
    let place = |turn: usize| export.join(PLACES[turn % PLACES.len()]);
    let held = |at: usize| place(turn + 1).join(HELD[at % HELD.len()]);
    fs::rename(place(turn), place(turn + 1))?;
    fs::rename(held(turn), held(turn + 1))
}
