//! The program as its user meets it.

#[path = "serve/config.rs"]
mod config;
#[path = "serve/notify.rs"]
mod notify;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user and the group nobody.
const NOBODY: u32 = 65_534;

/// A directory that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("holdfast-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn dir(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn holdfast(args: &[&str]) -> Command {
    holdfast_at(Path::new(env!("CARGO_BIN_EXE_holdfast")), args)
}

fn holdfast_at(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").args(args).stdin(Stdio::null()).stderr(Stdio::piped());
    for name in ["STATE_DIRECTORY", "XDG_STATE_HOME", "NOTIFY_SOCKET", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

/// A server that listens.
struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    lines: Vec<String>,
    addr: SocketAddr,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut command = holdfast(args);
        command.args(["--listen", "127.0.0.1:0"]);
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let addr = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, stderr, lines: Vec::new(), addr };
        while server.addr.port() == 0 {
            let mut line = String::new();
            let read = server.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended: {:?}", server.lines);
            if let Some(addr) = line.trim_end().strip_prefix("holdfast: listening on ") {
                server.addr = addr.parse().unwrap();
            }
            server.lines.push(line.trim_end().to_owned());
        }
        server
    }

    fn said(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// Sends a NULL call and takes its reply.
    fn ping(&self) {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&null()).unwrap();
        let mut reply = [0; 28];
        stream.read_exact(&mut reply).unwrap();
        let words = [0x8000_0018_u32, 7, 1, 0, 0, 0, 0];
        assert_eq!(reply[..], words.map(u32::to_be_bytes).concat());
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal. The status, and all that was said.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), self.lines.join("\n") + "\n" + &rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The record of a NULL call.
fn null() -> Vec<u8> {
    let words = [0x8000_0028_u32, 7, 0, 2, 100_003, 4, 0, 0, 0, 0, 0];
    words.map(u32::to_be_bytes).concat()
}

fn run(args: &[&str]) -> Output {
    holdfast(args).output().unwrap()
}

/// Asserts that the server does not start and says why in one line.
#[track_caller]
fn assert_refused(args: &[&str], why: &str) {
    let output = run(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<_> = said.lines().filter(|line| !line.contains("exporting")).collect();
    assert_eq!(errors, [format!("holdfast: {why}")]);
}

#[test]
fn memory_is_served_until_a_signal_comes() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(&[]);
        assert!(server.said("exporting memory as /"));
        assert!(server.said("its files end with this process"));
        server.ping();
        let port = server.addr.port();
        let (status, said) = server.stop(signal);
        assert_eq!(status, Some(0), "{said}");
        let mount = format!("mount -t nfs4 -o vers=4.2,proto=tcp,port={port} 127.0.0.1:/ /mnt");
        assert!(said.contains(&mount), "{said}");
        assert!(said.contains("connections 1"), "{said}");
    }
}

#[test]
fn a_terminal_that_hangs_up_changes_nothing() {
    let server = Server::start(&[]);
    server.signal(Signal::HUP);
    server.ping();
    let (status, said) = server.stop(Signal::TERM);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn directories_are_served() {
    let folder = Folder::new();
    let (a, b) = (folder.dir("a"), folder.dir("b"));
    let server = Server::start(&[&a, "--ephemeral"]);
    assert!(server.said(&format!("exporting {a} as /: read-write; ")), "{:?}", server.lines);
    server.ping();
    let (a, b) = (format!("/a={a}"), format!("/b/c={b},ro"));
    let server = Server::start(&["--export", &a, "--export", &b, "--ephemeral"]);
    let said = server.said(" as /a: read-write; ") && server.said(" as /b/c: read-only; ");
    assert!(said, "{:?}", server.lines);
    server.ping();
}

/// The line that tells of an export.
fn line_of<'a>(server: &'a Server, name: &str) -> &'a str {
    let name = format!(" as {name}: ");
    let line = server.lines.iter().find(|line| line.contains(&name));
    line.unwrap_or_else(|| panic!("{name} is not told of: {:?}", server.lines))
}

#[test]
fn each_export_is_told_of_in_a_line() {
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.dir("state"));
    let exports = [
        format!("/a={dir},squash=all,anonuid=7,anongid=8"),
        format!("/b={dir},ro,async,local-locks=false"),
    ];
    let [a, b] = exports.each_ref().map(String::as_str);
    let args = ["--export", a, "--export", b, "--anonuid", "0", "--state-dir", &state];
    let server = Server::start(&args);
    let (a, b) = (line_of(&server, "/a"), line_of(&server, "/b"));
    if geteuid().is_root() {
        assert!(a.contains("; everybody squashed to 7:8; "), "{a}");
        assert!(b.contains("; root squashed to 0:65534; "), "{b}");
    } else {
        let user = format!("; everybody acts as the server's user, {}; ", geteuid().as_raw());
        assert!(a.contains(&user) && b.contains(&user), "{a} {b}");
    }
    let kept = |line: &str, handles: &str| {
        line.contains(&format!("kernel handles, {handles}"))
            || line.contains(&format!("indexed handles, {handles}"))
            || line.contains("process handles, stale after a restart")
    };
    assert!(kept(a, "good after a restart") && kept(b, "good after a restart"), "{a} {b}");
    let disk = "; data is on disk after COMMIT, names and attributes when";
    assert!(a.contains(&format!("{disk} answered; ")), "{a}");
    assert!(b.contains(&format!("{disk} the kernel writes them: a crash may")), "{b}");
    let locks = "; local processes do not see clients' locks";
    assert!(b.ends_with(locks) && !a.contains(locks), "{a} {b}");
    assert!(server.said("in /b whoever is squashed acts as root, as anonuid is 0"));
    assert!(!server.said("in /a whoever"));
    let server = Server::start(&[&dir, "--ephemeral"]);
    let line = line_of(&server, "/");
    assert!(kept(line, "stale after a restart, as no key is kept"), "{line}");
    let ends = "file handles, opens and locks end with this process";
    assert!(server.said(ends), "{:?}", server.lines);
}

#[test]
fn little_is_said_when_little_is_wanted() {
    let server = Server::start(&["--log", "error"]);
    let (status, said) = server.stop(Signal::TERM);
    assert_eq!(status, Some(0));
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn listening_beyond_the_machine_is_warned_of() {
    let server = Server::spawn(holdfast(&["--listen", ":0", "--log", "warn"]).env_clear());
    let (_, said) = server.stop(Signal::TERM);
    assert!(said.contains("can be reached from other machines"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    assert_refused(&["--listen", &addr], &format!("cannot listen on {addr}: address in use"));
}

#[test]
fn a_directory_that_cannot_be_exported_is_told() {
    let folder = Folder::new();
    let (file, none) = (folder.path("file"), folder.path("none"));
    fs::write(&file, "").unwrap();
    let refused = |path: &Path, why: &str| {
        let path = path.to_str().unwrap();
        let args = [path, "--ephemeral", "--log", "warn", "--listen", "127.0.0.1:0"];
        assert_refused(&args, &format!("cannot export {path}: {why}"));
    };
    refused(&file, "not a directory");
    refused(&none, "no such directory");
}

#[test]
fn arguments_that_mean_nothing_are_told() {
    let export = "it takes a name and a directory, as in /NAME=DIR, and options after commas, as \
                  in /NAME=DIR,ro";
    for bad in ["/srv", "srv=/srv", "/srv="] {
        assert_refused(&["--export", bad], &format!("bad --export {bad:?}: {export}"));
    }
    let option = "squash=rot: did you mean `root`?";
    let bad = "/a=/tmp,squash=rot";
    assert_refused(&["--export", bad], &format!("bad --export {bad:?}: {option}"));
    let below = "export path \"/a/b\" lies below the export \"/a\", whose files are there";
    assert_refused(&["--export", "/a/b=/tmp", "--export", "/a=/tmp"], below);
    let twice = "--listen 127.0.0.1:2049 is given twice";
    assert_refused(&["--listen", "127.0.0.1", "--listen", "127.0.0.1:2049"], twice);
    let listen = "it takes ADDR, ADDR:PORT or :PORT, with numbers, and IPv6 in brackets";
    assert_refused(&["--listen", "here"], &format!("bad --listen \"here\": {listen}"));
    for bad in ["9", "3601"] {
        assert_refused(
            &["--lease", bad],
            &format!("bad --lease {bad}: it takes 10 to 3600 seconds"),
        );
    }
    let both = "a directory and --export together: the directory would be the whole tree; give it \
                a name with --export /NAME=DIR";
    assert_refused(&["/tmp", "--export", "/a=/tmp"], both);
}

#[test]
fn a_wrong_usage_has_a_status_of_its_own() {
    for args in [
        &["--no-such-option"][..],
        &["--lease", "soon"],
        &["--squash", "some"],
        &["--anonuid", "4294967295"],
        &["--anongid", "-1"],
        &["--loops", "0"],
        &["--threads", "8193"],
        &["--state-dir", "/tmp", "--ephemeral"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn two_servers_do_not_share_a_state_directory() {
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.path("state"));
    let state = state.to_str().unwrap();
    let args = [&dir, "--state-dir", state, "--log", "warn", "--listen", "127.0.0.1:0"];
    let first = Server::start(&args[..5]);
    let in_use = format!(
        "the state directory {state} is in use by another server: stop that one, or use \
         --state-dir DIR"
    );
    assert_refused(&args, &in_use);
    assert_eq!(first.stop(Signal::TERM).0, Some(0));
    Server::start(&args[..5]).ping();
}

#[test]
fn the_key_is_kept_and_is_secret() {
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.path("deep/state"));
    let args = [&dir, "--state-dir", state.to_str().unwrap()];
    assert_eq!(Server::start(&args).stop(Signal::TERM).0, Some(0));
    let key = fs::read(state.join("key")).unwrap();
    assert_eq!(key.len(), 32);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&state), mode(&state.join("key"))), (0o700, 0o600));
    assert_eq!(Server::start(&args).stop(Signal::TERM).0, Some(0));
    assert_eq!(fs::read(state.join("key")).unwrap(), key);
}

#[test]
fn a_state_directory_that_clients_see_is_warned_of() {
    let folder = Folder::new();
    let (dir, other) = (folder.dir("dir"), folder.dir("dir-2"));
    let warned = |state: &Path| {
        let (exports, state) = (format!("/a={dir}"), state.to_str().unwrap());
        Server::start(&["--export", &exports, "--state-dir", state]).said("lies in the export /a:")
    };
    std::os::unix::fs::symlink(&dir, folder.path("link")).unwrap();
    assert!(warned(&folder.path("dir/deep/state")) && warned(&folder.path("link/state")));
    assert!(!warned(Path::new(&other)));
}

#[test]
fn a_key_that_is_none_is_told() {
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.dir("state"));
    let args = [&dir, "--state-dir", &state, "--log", "warn", "--listen", "127.0.0.1:0"];
    let key = Path::new(&state).join("key");
    fs::write(&key, [7; 31]).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let key = key.display();
    let open = format!("{key} may be read by others (its mode is 0640): chmod 600 it");
    assert_refused(&args, &open);
    fs::set_permissions(key.to_string(), Permissions::from_mode(0o600)).unwrap();
    let length = format!(
        "{key} has 31 bytes, not 32: it is no key; without it a new one is made, and clients must \
         mount anew"
    );
    assert_refused(&args, &length);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told() {
    let folder = Folder::new();
    let (dir, file) = (folder.dir("dir"), folder.path("file"));
    fs::write(&file, "").unwrap();
    let state = file.join("state");
    let state = state.to_str().unwrap();
    let why = format!(
        "cannot write the state directory {state}: not a directory; use --state-dir DIR, or \
         --ephemeral to keep nothing"
    );
    assert_refused(&[&dir, "--state-dir", state, "--log", "warn"], &why);
}

/// The program for a user whom permissions stop: root's own test would tell nothing.
fn holdfast_as_nobody(folder: &Folder, args: &[&str]) -> Command {
    let mut command = holdfast(args);
    if geteuid().is_root() {
        let program = folder.path("holdfast");
        // A program that this process had open to write might be busy in what other tests fork.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_holdfast")).arg(&program);
        assert!(copy.status().unwrap().success());
        command = holdfast_at(&program, args);
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

#[test]
fn a_state_directory_that_takes_no_new_file_is_refused() {
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.dir("state"));
    if geteuid().is_root() {
        chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let args = [&dir, "--state-dir", &state, "--log", "warn", "--listen", "127.0.0.1:0"];
    let server = Server::spawn(&mut holdfast_as_nobody(&folder, &args));
    assert_eq!(server.stop(Signal::TERM).0, Some(0));
    // The key and the lock are there and may be written.
    fs::set_permissions(&state, Permissions::from_mode(0o500)).unwrap();
    let output = holdfast_as_nobody(&folder, &args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let why = format!(
        "holdfast: cannot write the state directory {state}: permission denied; use --state-dir \
         DIR, or --ephemeral to keep nothing\n"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), why);
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn handles_without_privilege_are_good_after_a_restart_if_anything_is_kept() {
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.dir("state"));
    if geteuid().is_root() {
        chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
        chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let export = format!("/a={dir}");
    let start = |keep: &[&str]| {
        let args = [&["--export", &export, "--listen", "127.0.0.1:0"], keep].concat();
        Server::spawn(&mut holdfast_as_nobody(&folder, &args))
    };
    let server = start(&["--ephemeral"]);
    let line = line_of(&server, "/a");
    assert!(line.contains("process handles, stale after a restart, as no index is kept"), "{line}");
    drop(server);
    let keep = ["--state-dir", &state];
    let server = start(&keep);
    let line = line_of(&server, "/a");
    assert!(line.contains("indexed handles, good after a restart"), "{line}");
    drop(server);
    let mut names = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name());
    let is_index = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("index-");
    let index = Path::new(&state).join(names.find(is_index).expect("there is an index"));
    assert_eq!(fs::metadata(&index).unwrap().permissions().mode() & 0o777, 0o600);
    // One that cannot be written is told of, and is no reason not to serve.
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    let server = start(&keep);
    let told = format!("cannot keep the index of /a in {}: it is a directory; ", index.display());
    assert!(server.said(&told), "{:?}", server.lines);
    server.ping();
}

#[test]
fn a_key_that_is_another_users_is_refused() {
    if !geteuid().is_root() {
        // Nobody else can make a file another user's.
        return;
    }
    let folder = Folder::new();
    let (dir, state) = (folder.dir("dir"), folder.dir("state"));
    let key = Path::new(&state).join("key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    chown(&key, Some(NOBODY), None).unwrap();
    let why = format!("{} belongs to user 65534, who can read it: chown it", key.display());
    let args = [&dir, "--state-dir", &state, "--log", "warn", "--listen", "127.0.0.1:0"];
    assert_refused(&args, &why);
}

#[test]
fn the_state_is_where_the_environment_says() {
    let folder = Folder::new();
    let dir = folder.dir("dir");
    let started = |name: &str, value: &Path| {
        let mut command = holdfast(&[&dir, "--listen", "127.0.0.1:0"]);
        command.env_remove("HOME").env(name, value);
        assert_eq!(Server::spawn(&mut command).stop(Signal::TERM).0, Some(0));
    };
    let service = folder.path("service");
    started("STATE_DIRECTORY", &service);
    assert!(service.join("key").exists());
    for (name, below) in [("XDG_STATE_HOME", "holdfast"), ("HOME", ".local/state/holdfast")] {
        let place = folder.path(name);
        started(name, &place);
        let hashes: Vec<_> = fs::read_dir(place.join(below)).unwrap().flatten().collect();
        assert!(hashes.len() == 1 && hashes[0].path().join("key").exists());
    }
    let mut command = holdfast(&[&dir, "--log", "warn"]);
    let said = command.env_remove("HOME").output().unwrap().stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("holdfast: no place for the state directory"), "{said}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&[]);
    // Replies that a peer does not take keep the first one from ending it.
    let mut peer = TcpStream::connect(server.addr).unwrap();
    peer.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let calls = null().repeat(1000);
    while peer.write_all(&calls).is_ok() {}
    server.signal(Signal::TERM);
    let mut line = String::new();
    while !line.ends_with("stopping\n") {
        assert!(server.stderr.read_line(&mut line).unwrap() > 0, "it ended: {line}");
    }
    let (status, said) = server.stop(Signal::INT);
    assert_eq!(status, Some(130), "{said}");
}
