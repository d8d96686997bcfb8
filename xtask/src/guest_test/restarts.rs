//! `guest-restarts`: stops and starts the server, and kills it, while a guest works on a mount.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::folders::Folders;
use super::server::Server;
use super::{build_server, build_suite};
use crate::Outcome;
use crate::guest::Guest;

pub(crate) const HELP: &str = "\
guest-restarts [COUNT]
    Stops or kills the server COUNT times (3) and starts it again, while a guest works on it.";

/// How long a guest works between two restarts.
const WORK: Duration = Duration::from_secs(5);
/// How long the guest may take to begin.
const BEGIN: Duration = Duration::from_secs(120);
/// How long everything else may take.
const SECONDS: u64 = 240;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(crate) fn main(args: &[String]) -> Outcome {
    let count = match args {
        [] => 3,
        [count] => count.parse().map_err(|_| format!("{count}?\nusage:\n{HELP}"))?,
        _ => return Err(format!("usage:\n{HELP}").into()),
    };
    let holdfast = build_server()?;
    let suite = build_suite()?;
    let folders = Folders::new()?;
    let (export, state) = (folders.path("rw"), folders.path("state"));
    let words = [&export.display().to_string(), "--squash", "none", "--lease", "15"];
    let state = state.display().to_string();
    let words = [&words[..], &["--state-dir", &state]].concat();
    let mut server = Server::start("restarted", &holdfast, &words, &["/"], &folders)?;
    server.wait_until_ready()?;
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
        server.restart(holdfast, turn % 2 == 1).map_err(|error| error.to_string())
    });
    thread::sleep(WORK);
    std::fs::write(export.join("finish"), "")?;
    Ok(restarted?)
}
