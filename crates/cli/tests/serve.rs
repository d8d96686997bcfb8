//! The program as its user meets it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("serve").args(args).stdin(Stdio::null()).stderr(Stdio::piped());
    for name in ["STATE_DIRECTORY", "XDG_STATE_HOME", "RUST_BACKTRACE"] {
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
    assert!(server.said(&format!("exporting {a} as /;")), "{:?}", server.lines);
    server.ping();
    let (a, b) = (format!("/a={a}"), format!("/b/c={b},ro"));
    let server = Server::start(&["--export", &a, "--export", &b, "--ephemeral"]);
    assert!(server.said("as /a;") && server.said("as /b/c, read-only;"), "{:?}", server.lines);
    server.ping();
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
    let export = "it takes a name and a directory, /NAME=DIR or /NAME=DIR,ro";
    for bad in ["/srv", "srv=/srv", "/srv="] {
        assert_refused(&["--export", bad], &format!("bad --export {bad:?}: {export}"));
    }
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
    for args in [&["--no-such-option"][..], &["--lease", "soon"], &["--squash", "some"]] {
        assert_eq!(run(args).status.code(), Some(2));
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
