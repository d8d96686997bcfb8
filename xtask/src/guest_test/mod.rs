//! `guest-test`: the mount test. Starts servers on this machine and has a guest, with the Linux
//! kernel's client, mount and use them all (`src/bin/guest-suite` is what runs there).

mod ability;
mod folders;
mod meeting;
pub(crate) mod pair;
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
      --steps TEXT            the steps with that in their names
      --long                  the sizes of the soak
    Root can test more: several users, a small export, a quota, loop-mounted file systems. The
    sizes can be set: GUEST_FILES, GUEST_ENTRIES, GUEST_CHANGING, GUEST_LARGE_MIB; for
    guest-pair GUEST_RACES, GUEST_APPENDS, GUEST_TRANSACTIONS.";

/// What the static program is built for; the guest is of the same kind.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// How long one mount's test may take. It takes one to two minutes on an
/// idle machine.
const SECONDS_PER_MOUNT: u64 = 900;
const SECONDS_PER_MOUNT_LONG: u64 = 4 * 3600;
/// The variables that set the sizes of the test, and how large they are in the soak.
const SIZES: [(&str, u32); 7] = [
    ("GUEST_FILES", 20_000),
    ("GUEST_ENTRIES", 100_000),
    ("GUEST_CHANGING", 100_000),
    ("GUEST_LARGE_MIB", 2000),
    ("GUEST_RACES", 1000),
    ("GUEST_APPENDS", 2000),
    ("GUEST_TRANSACTIONS", 1000),
];
/// The kinds of file systems that root tests besides that of temporary files.
const KINDS: [&str; 3] = ["ext4", "xfs", "btrfs"];

/// What to test.
#[derive(Debug, PartialEq)]
struct Options {
    versions: Vec<String>,
    localfs: bool,
    memfs: bool,
    steps: Option<String>,
    long: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let versions = vec!["4.1".to_owned(), "4.2".to_owned()];
        let mut options = Self { versions, localfs: true, memfs: true, steps: None, long: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--long" {
                options.long = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            match (arg.as_str(), value.as_str()) {
                ("--vers", list) => options.versions = list.split(',').map(str::to_owned).collect(),
                ("--steps", text) => options.steps = Some(text.to_owned()),
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
    let per_mount = if options.long { SECONDS_PER_MOUNT_LONG } else { SECONDS_PER_MOUNT };
    let guest = Guest {
        seconds: per_mount * u64::try_from(mounts)?,
        copies: vec![(suite, "/guest-suite".to_owned())],
        ..Guest::default()
    };
    let status = guest.run(script(&servers, &options).as_bytes())?;
    let mut failed = status != 0;
    for server in &mut servers {
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
    let offered = ability::offered()?;
    let has = ability::possible(&folders.path("rw"), &offered)?;
    if !process::is_root() {
        println!("guest-test: not root: one user, no small export, no quota, no loop mount");
        let suite = ["/", "--one-user", "--holes", "--has", &has];
        return Server::start("localfs", holdfast, &[&directory], &suite, folders);
    }
    let mut serve = vec!["--squash".to_owned(), "none".to_owned()];
    let suite = ["/rw", "--holes", "--read-only-export", "/ro", "--has", &has];
    let mut suite: Vec<String> = suite.map(str::to_owned).into();
    for export in [format!("/rw={directory}"), format!("/ro={directory},ro")] {
        serve.extend(["--export".to_owned(), export]);
    }
    // In a container even root may not mount.
    let mut mounted = |name: &str, path: Result<PathBuf>, words: [String; 2]| match path {
        Ok(path) => {
            serve.extend(["--export".to_owned(), format!("/{name}={}", path.display())]);
            suite.extend(words);
        }
        Err(error) => println!("guest-test: WITHOUT the export {name}: {}", one_line(&*error)),
    };
    let small = folders.mount_tmpfs("small", "size=4m");
    mounted("small", small, ["--small-export".to_owned(), "/small".to_owned()]);
    let quota = folders.mount_quota("quota", "1M");
    mounted("quota", quota, ["--quota-export".to_owned(), "/quota".to_owned()]);
    let nested = folders.mount_nested("nested");
    let is_there = nested.is_ok();
    mounted("nested", nested, ["--nested-export".to_owned(), "/nested".to_owned()]);
    if is_there {
        let same = Ok(PathBuf::from(format!("{},noxdev", folders.path("nested").display())));
        mounted("noxdev", same, ["--noxdev-export".to_owned(), "/noxdev".to_owned()]);
    }
    for kind in KINDS {
        let path = folders.mount_loop(kind, kind);
        let has = path.as_ref().map(|path| ability::possible(path, &offered));
        let has = has.unwrap_or_else(|_| Ok(String::new()))?;
        mounted(kind, path, ["--kind".to_owned(), format!("/{kind}={has}")]);
    }
    let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
    let suite: Vec<&str> = suite.iter().map(String::as_str).collect();
    Server::start("localfs", holdfast, &serve, &suite, folders)
}

fn one_line(error: &dyn std::error::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn memfs(holdfast: &Path, folders: &Folders) -> Result<Server> {
    let has = ability::offered()?.join(",");
    let suite = ["/", "--holes", "--has", &has];
    Server::start("memfs", holdfast, &["--squash", "none"], &suite, folders)
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

/// The sizes of the test as a guest's script sets them: as this process got them, else long ones
/// for the soak, else those of the guest's program.
fn sizes(long: bool) -> String {
    let mut script = String::new();
    for (name, soak) in SIZES {
        let value = std::env::var(name).ok().or_else(|| long.then(|| soak.to_string()));
        script += &value.map(|value| format!("export {name}='{value}'\n")).unwrap_or_default();
    }
    script
}

/// The guest's script: every server with every version. One that fails does not keep the others
/// from being tested.
fn script(servers: &[Server], options: &Options) -> String {
    let mut script = sizes(options.long) + "failed=0\n";
    let only = options.steps.as_ref().map(|steps| format!("--only '{steps}'"));
    let only = only.unwrap_or_default();
    for server in servers {
        for version in &options.versions {
            let (name, port) = (server.name(), server.port());
            let (export, words) = server.suite();
            script += &format!(
                "echo '--- {name}, version {version}'\n\
                 /guest-suite $HOST {port} {export} {version} {words} {only} \
                 --report '{name}, version {version}' || {{\n\
                 failed=1\n\
                 umount -f -l /mnt/* 2>/dev/null\n}}\n"
            );
        }
    }
    script + "echo '---'\ncat /tmp/report\nexit $failed\n"
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
        let wanted = Options { versions, localfs: false, memfs: true, steps: None, long: false };
        assert_eq!(options, wanted);
        let options = parse("--long --steps lock").expect("is legal");
        assert_eq!((options.long, options.steps.as_deref()), (true, Some("lock")));
        assert!(parse("--only tape").is_err());
        assert!(parse("--vers").is_err());
    }
}
