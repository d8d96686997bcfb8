//! `guest-pair`: two guests with names of their own use one server at the same time.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use super::folders::Folders;
use super::meeting::Meeting;
use super::server::Server;
use super::{ability, build_server, build_suite, sizes};
use crate::guest::Guest;
use crate::{Outcome, process};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) const HELP: &str = "\
guest-pair [OPTION]...
    Two guests with names of their own use one server: what each sees of the other, locks, a
    database of SQLite, and a client that dies.
      --vers 4.1|4.2          the protocol version (4.2)
      --long                  the sizes of the soak
      --host                  one guest, and a process of this machine in the exported folder:
                              locks and a database of both
      --server PORT:EXPORT    a server that runs already, which has locks
      --local FOLDER          no guest: two processes, to test the steps themselves";

/// What two guests may take together.
const SECONDS: u64 = 600;
const SECONDS_LONG: u64 = 4 * 3600;
/// The lease of the server: this long a client that died keeps its locks.
const LEASE: &str = "15";
/// What a guest needs for the database; without it that step is left out.
const SQLITE: &str = "/usr/bin/sqlite3";
const ROLES: [&str; 2] = ["first", "second"];

#[derive(Debug, Default, PartialEq)]
struct Options {
    version: String,
    long: bool,
    host: bool,
    server: Option<(u16, String)>,
    local: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self { version: "4.2".to_owned(), ..Self::default() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--long" => options.long = true,
                "--host" => options.host = true,
                "--vers" => options.version.clone_from(value()?),
                "--local" => options.local = Some(value()?.into()),
                "--server" => {
                    let (port, export) = value()?.split_once(':').ok_or("PORT:EXPORT")?;
                    options.server = Some((port.parse()?, export.to_owned()));
                }
                _ => return Err(format!("{arg}?").into()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn main(args: &[String]) -> Outcome {
    let options = Options::parse(args).map_err(|error| format!("{error}\nusage:\n{HELP}"))?;
    let suite = build_suite()?;
    if let Some(folder) = &options.local {
        return local(&suite, folder);
    }
    if let Some((port, export)) = &options.server {
        let passed = guests(&options, &suite, *port, export, true)?;
        return Ok(u8::from(!passed));
    }
    let holdfast = build_server()?;
    let folders = Folders::new()?;
    let export = folders.path("rw").display().to_string();
    let words = [&export, "--squash", "none", "--lease", LEASE];
    let mut server = Server::start("pair", &holdfast, &words, &["/"], &folders)?;
    server.wait_until_ready()?;
    let locks = ability::offered()?.contains(&"locks");
    let passed = if options.host {
        beside(&options, &suite, server.port(), &folders.path("rw"))?
    } else {
        guests(&options, &suite, server.port(), "/", locks)?
    };
    let stopped = server.stop()?;
    if !passed || !stopped {
        println!("guest-pair: FAILED");
        return Ok(1);
    }
    let (clients, denied) = (server.count("clients_confirmed")?, server.count("locks_denied")?);
    println!("guest-pair: the server saw {clients} clients and denied {denied} locks");
    // Else the guests were one client, and what they saw proves nothing. A guest that was paused
    // for longer than its lease has become known twice.
    if clients < if options.host { 1 } else { 2 } || (locks && denied == 0) {
        println!("guest-pair: FAILED: two clients were to meet at the server");
        return Ok(1);
    }
    Ok(0)
}

/// Runs both guests; whether both were content.
fn guests(options: &Options, suite: &Path, port: u16, export: &str, locks: bool) -> Result<bool> {
    let meeting = Meeting::open()?;
    let has = if locks { "--has locks" } else { "" };
    let statuses: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = ROLES
            .map(|role| {
                let script = script(options, role, &meeting, port, export) + has + "\n";
                let guest = guest(role, suite, options.long);
                scope.spawn(move || guest.run(script.as_bytes()).map_err(|e| e.to_string()))
            })
            .into();
        running.into_iter().map(|thread| thread.join()).collect()
    });
    let mut passed = true;
    for (role, status) in ROLES.into_iter().zip(statuses) {
        match status.map_err(|_| "a thread panicked")? {
            Ok(0) => {}
            failed => {
                println!("guest-pair: the {role} guest: {failed:?}");
                passed = false;
            }
        }
    }
    Ok(passed)
}

/// Runs this machine's process and a guest that meets it; whether both were content. The guest is
/// the one that dies in the end.
fn beside(options: &Options, suite: &Path, port: u16, folder: &Path) -> Result<bool> {
    const WORDS: [&str; 3] = ["--has", "locks", "--mixed"];
    let meeting = Meeting::open()?;
    let address = format!("127.0.0.1:{}", meeting.port());
    let mut command = process::bound(suite);
    command.args(["pair", ROLES[0], &address, "local"]).arg(folder).args(WORDS);
    let mut here = command.stdin(Stdio::null()).spawn()?;
    let script = script(options, ROLES[1], &meeting, port, "/") + &WORDS.join(" ") + "\n";
    let status = guest(ROLES[1], suite, options.long).run(script.as_bytes());
    if status.is_err() {
        here.kill()?;
    }
    let (here, status) = (here.wait()?, status?);
    println!("guest-pair: the guest: {status}, this machine: {here}");
    Ok(status == 0 && here.success())
}

/// What a guest runs, but for the abilities.
fn script(options: &Options, role: &str, meeting: &Meeting, port: u16, export: &str) -> String {
    let (sizes, meeting) = (sizes(options.long), meeting.port());
    let version = &options.version;
    format!("{sizes}/guest-suite pair {role} $HOST:{meeting} $HOST {port} {export} {version} ")
}

fn guest(role: &str, suite: &Path, long: bool) -> Guest {
    let sqlite = PathBuf::from(SQLITE);
    let programs = if sqlite.exists() { vec![sqlite] } else { Vec::new() };
    Guest {
        name: format!("{role}{}", std::process::id()),
        label: format!("{role:>6}: "),
        seconds: if long { SECONDS_LONG } else { SECONDS },
        copies: vec![(suite.to_owned(), "/guest-suite".to_owned())],
        programs,
        ..Guest::default()
    }
}

/// Both clients as processes in a folder of this machine.
fn local(suite: &Path, folder: &Path) -> Outcome {
    let meeting = Meeting::open()?;
    let address = format!("127.0.0.1:{}", meeting.port());
    let mut children = Vec::new();
    for role in ROLES {
        let mut command = process::bound(suite);
        command.args(["pair", role, &address, "local"]).arg(folder).args(["--has", "locks"]);
        children.push(command.stdin(Stdio::null()).spawn()?);
    }
    let mut passed = true;
    for mut child in children {
        passed &= child.wait()?.success();
    }
    Ok(u8::from(!passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options = parse("--vers 4.1 --long --server 20600:/export").expect("is legal");
        assert_eq!((options.version.as_str(), options.long), ("4.1", true));
        assert_eq!(options.server, Some((20600, "/export".to_owned())));
        assert!(parse("--host").expect("is legal").host);
        for line in ["--vers", "--server 1", "--server x:/", "--what"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
