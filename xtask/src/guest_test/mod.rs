//! `guest-test`: the mount test. Starts servers on this machine and has a guest, with the Linux
//! kernel's client, mount and use them all (`src/bin/guest-suite` is what runs there).

mod folders;
pub(crate) mod restarts;
mod server;

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::guest::Guest;
use crate::process;
use folders::Folders;
use server::Server;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) const HELP: &str = "\
guest-test [OPTION]...
    Builds the server, starts it, and uses it from a guest through a kernel mount.
      --vers 4.1,4.2          the protocol versions
      --only localfs|memfs    one kind of server instead of both
    Root can test more: several users, a small export, a quota. The sizes of the test can be
    set: GUEST_FILES, GUEST_ENTRIES, GUEST_LARGE_MIB.";

/// What the static program is built for; the guest is of the same kind.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// How long one mount's test may take. It takes 70 s on an idle machine.
const SECONDS_PER_MOUNT: u64 = 300;
/// The variables that set the sizes of the test.
const SIZES: [&str; 3] = ["GUEST_FILES", "GUEST_ENTRIES", "GUEST_LARGE_MIB"];

/// What to test.
#[derive(Debug, PartialEq)]
struct Options {
    versions: Vec<String>,
    localfs: bool,
    memfs: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let versions = vec!["4.1".to_owned(), "4.2".to_owned()];
        let mut options = Self { versions, localfs: true, memfs: true };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            match (arg.as_str(), value.as_str()) {
                ("--vers", list) => options.versions = list.split(',').map(str::to_owned).collect(),
                ("--only", "localfs") => options.memfs = false,
                ("--only", "memfs") => options.localfs = false,
                _ => return Err(format!("{arg} {value}?").into()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn main(args: &[String]) -> Outcome {
    let options = Options::parse(args).map_err(|error| format!("{error}\nusage:\n{HELP}"))?;
    let holdfast = build_server()?;
    let suite = build_suite()?;
    let folders = Folders::new()?;
    let mut servers = Vec::new();
    if options.localfs {
        servers.push(localfs(&holdfast, &folders)?);
    }
    if options.memfs {
        servers.push(memfs(&holdfast, &folders)?);
    }
    for server in &mut servers {
        server.wait_until_ready()?;
    }
    let mounts = servers.len() * options.versions.len();
    let guest = Guest {
        seconds: SECONDS_PER_MOUNT * u64::try_from(mounts)?,
        copies: vec![(suite, "/guest-suite".to_owned())],
        ..Guest::default()
    };
    let status = guest.run(script(&servers, &options.versions).as_bytes())?;
    let mut failed = status != 0;
    for server in servers {
        failed |= !server.stop()?;
    }
    if failed {
        println!("guest-test: FAILED (the guest's status is {status})");
        return Ok(1);
    }
    println!("guest-test: {mounts} mounts passed, every server ended as asked");
    Ok(0)
}

/// A directory of this machine: as root with all kinds of exports, else for one user.
fn localfs(holdfast: &Path, folders: &Folders) -> Result<Server> {
    let directory = folders.path("rw").display().to_string();
    if !process::is_root() {
        println!("guest-test: not root: one user, no small export, no quota");
        let suite = ["/", "--one-user", "--holes"];
        return Server::start("localfs", holdfast, &[&directory], &suite, folders);
    }
    let mut serve = vec!["--squash".to_owned(), "none".to_owned()];
    let mut suite = vec!["/rw", "--holes", "--read-only-export", "/ro"];
    for export in [format!("/rw={directory}"), format!("/ro={directory},ro")] {
        serve.extend(["--export".to_owned(), export]);
    }
    // In a container even root may not mount.
    match folders.mount_tmpfs("small", "size=4m") {
        Ok(path) => {
            serve.extend(["--export".to_owned(), format!("/small={}", path.display())]);
            suite.extend(["--small-export", "/small"]);
        }
        Err(error) => println!("guest-test: without a small export: {}", one_line(&*error)),
    }
    match folders.mount_quota("quota", "1M") {
        Ok(path) => {
            serve.extend(["--export".to_owned(), format!("/quota={}", path.display())]);
            suite.extend(["--quota-export", "/quota"]);
        }
        Err(error) => println!("guest-test: without a quota: {}", one_line(&*error)),
    }
    let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
    Server::start("localfs", holdfast, &serve, &suite, folders)
}

fn one_line(error: &dyn std::error::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn memfs(holdfast: &Path, folders: &Folders) -> Result<Server> {
    Server::start("memfs", holdfast, &["--squash", "none"], &["/", "--holes"], folders)
}

fn build_server() -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "--bin", "holdfast"]))?;
    Ok(process::target_dir().join("release/holdfast"))
}

/// Builds the guest's program: static, so that it needs nothing there. A target directory of its
/// own keeps its flags from rebuilding everything else.
fn build_suite() -> Result<PathBuf> {
    let target = process::target_dir().join("guest");
    process::run(
        process::cargo()
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .args(["build", "--release", "-p", "xtask", "--bin", "guest-suite"])
            .args(["--target", TARGET, "--target-dir"])
            .arg(&target),
    )?;
    Ok(target.join(TARGET).join("release/guest-suite"))
}

/// The guest's script: every server with every version. One that fails does not keep the others
/// from being tested.
fn script(servers: &[Server], versions: &[String]) -> String {
    let mut script = String::from("failed=0\n");
    for name in SIZES {
        if let Ok(value) = std::env::var(name) {
            script += &format!("export {name}='{value}'\n");
        }
    }
    for server in servers {
        for version in versions {
            let (name, port) = (server.name(), server.port());
            let (export, options) = server.suite();
            script += &format!(
                "echo '--- {name}, version {version}'\n\
                 /guest-suite $HOST {port} {export} {version} {options} || {{\n\
                 echo '--- {name}, version {version}: FAILED'; failed=1\n\
                 umount -f -l /mnt/* 2>/dev/null\n}}\n"
            );
        }
    }
    script + "exit $failed\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options = parse("--vers 4.2 --only memfs").expect("is legal");
        let versions = vec!["4.2".to_owned()];
        assert_eq!(options, Options { versions, localfs: false, memfs: true });
        assert!(parse("--only tape").is_err());
        assert!(parse("--vers").is_err());
    }
}
