//! A server under test: a process of its own on a port of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::folders::Folders;
use crate::process;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long a server may take to listen, and how long to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; killed if it is dropped before it was stopped.
pub(super) struct Server {
    name: &'static str,
    child: Child,
    port: u16,
    log: PathBuf,
    words: Vec<String>,
    suite: Vec<String>,
    as_nobody: bool,
}

impl Server {
    /// Starts `holdfast serve` with these words. `suite` is what the guest's program is to be
    /// told of it: the path to mount, then its options.
    pub(super) fn start(
        name: &'static str,
        holdfast: &Path,
        serve: &[&str],
        suite: &[&str],
        folders: &Folders,
    ) -> Result<Self> {
        Self::start_as(name, holdfast, serve, suite, folders, false)
    }

    /// The same, `as_nobody` or as who we are.
    pub(super) fn start_as(
        name: &'static str,
        holdfast: &Path,
        serve: &[&str],
        suite: &[&str],
        folders: &Folders,
        as_nobody: bool,
    ) -> Result<Self> {
        let port = free_port()?;
        let log = folders.path(&format!("{name}.log"));
        let mut words: Vec<String> = serve.iter().map(|word| (*word).to_owned()).collect();
        words.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        if !serve.contains(&"--state-dir") {
            words.push("--ephemeral".to_owned());
        }
        let child = spawn(holdfast, &words, File::create(&log)?, as_nobody)?;
        let suite = suite.iter().map(|word| (*word).to_owned()).collect();
        Ok(Self { name, child, port, log, words, suite, as_nobody })
    }

    /// Ends it, as an operator does or as a crash would, and starts it again after `meanwhile`.
    pub(super) fn restart(
        &mut self,
        holdfast: &Path,
        kill: bool,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if kill {
            self.child.kill()?;
            self.child.wait()?;
        } else {
            let status = process::terminate(&mut self.child, PATIENCE)?;
            if !status.success() {
                self.show_log();
                return Err(format!("the {} server ended with {status}", self.name).into());
            }
        }
        meanwhile()?;
        let log = File::options().append(true).open(&self.log)?;
        self.child = spawn(holdfast, &self.words, log, self.as_nobody)?;
        self.wait_until_ready()
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The path that the guest's program is to mount, and its options.
    pub(super) fn suite(&self) -> (&str, String) {
        let words = self.suite[1..].iter().map(|word| format!("'{word}'"));
        (&self.suite[0], words.collect::<Vec<_>>().join(" "))
    }

    /// Waits until it takes connections.
    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                self.show_log();
                return Err(format!("the {} server ended: {status}", self.name).into());
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.show_log();
        Err(format!("the {} server does not listen", self.name).into())
    }

    /// Ends it as an operator does. Whether it was still there and ended well.
    pub(super) fn stop(&mut self) -> Result<bool> {
        let verdict = match self.child.try_wait()? {
            Some(status) => Err(format!("it had ended before: {status}")),
            None => match process::terminate(&mut self.child, PATIENCE) {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("it ended with {status}")),
                Err(error) => Err(error.to_string()),
            },
        };
        if let Err(error) = &verdict {
            println!("guest-test: the {} server: {error}", self.name);
            self.show_log();
        }
        Ok(verdict.is_ok())
    }

    /// Whether it said that.
    pub(super) fn said(&self, text: &str) -> Result<bool> {
        Ok(fs::read_to_string(&self.log)?.contains(text))
    }

    /// What it has counted under that name; it tells when it ends.
    pub(super) fn count(&self, name: &str) -> Result<u64> {
        let log = fs::read_to_string(&self.log)?;
        // A name that is not told was not counted.
        count_in(&log, name).map_or(Ok(0), |count| Ok(count.parse()?))
    }

    fn show_log(&self) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        println!("the last lines of the {} server:", self.name);
        for line in &lines[lines.len().saturating_sub(40)..] {
            println!("  {line}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a stop there is nothing left to end.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn spawn(holdfast: &Path, words: &[String], log: File, as_nobody: bool) -> Result<Child> {
    let bound = if as_nobody { process::bound_as_nobody } else { process::bound };
    let child = bound(holdfast)
        .arg("serve")
        .args(words)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child)
}

fn count_in<'a>(log: &'a str, name: &str) -> Option<&'a str> {
    log.lines()
        .rev()
        .find_map(|line| line.strip_prefix("holdfast: ")?.strip_prefix(name)?.strip_prefix(' '))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::count_in;

    #[test]
    fn counts_are_found_in_the_log() {
        let log = "holdfast: listening on a\nholdfast: replays 3\nholdfast: replays_x 4\n";
        assert_eq!(count_in(log, "replays"), Some("3"));
        assert_eq!(count_in(log, "panics"), None);
    }
}
