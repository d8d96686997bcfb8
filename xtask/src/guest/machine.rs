//! The virtual machine: QEMU with software emulation, a serial console and a user-mode network.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::image::Image;
use super::kernel::Kernel;
use super::{Guest, NO_STATUS, TIMED_OUT};
use crate::Outcome;
use crate::process;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The lines that are shown where a guest did not do what it should.
const LINES_SHOWN: usize = 40;

/// A guest that runs its script.
pub(crate) struct Running {
    machine: Machine,
    lines: Receiver<String>,
    /// Until the kernel runs.
    archive: Option<Archive>,
    end: Instant,
    seconds: u64,
    label: String,
    /// What it said last, where that is not printed.
    said: Vec<String>,
}

impl Running {
    pub(super) fn start(guest: &Guest, kernel: &Kernel, image: &Image) -> Result<Self> {
        let archive = Archive::write(image, &guest.name)?;
        let mut machine = Machine::start(guest, kernel, &archive.path)?;
        let lines = machine.lines()?;
        let end = Instant::now() + Duration::from_secs(guest.seconds);
        let (archive, said) = (Some(archive), Vec::new());
        let (seconds, label) = (guest.seconds, guest.label.clone());
        Ok(Self { machine, lines, archive, end, seconds, label, said })
    }

    /// Prints what it prints until it ends; its exit status.
    pub(super) fn finish(mut self) -> Outcome {
        let mut running = false;
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.ends_with("GUEST-START") => {
                    running = true;
                    drop(self.archive.take());
                }
                Ok(line) => {
                    if let Some((text, status)) = exit_status(&line) {
                        print(&self.label, text);
                        return Ok(status);
                    }
                    if running {
                        println!("{}{line}", self.label);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("guest: no end within {} s", self.seconds);
                    return Ok(TIMED_OUT);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(NO_STATUS),
            }
        }
    }

    /// Waits until it prints a line with this text.
    pub(crate) fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                return Err(self.explain(&format!("the guest did not say: {text}")).into());
            };
            let (is_it, is_end) = (line.contains(text), exit_status(&line).is_some());
            self.said.push(line);
            if is_end {
                return Err(self.explain("the guest's script ended").into());
            }
            if is_it {
                drop(self.archive.take());
                return Ok(());
            }
        }
    }

    /// An error with what the guest said last.
    pub(crate) fn explain(&mut self, error: &str) -> String {
        self.said.extend(self.lines.try_iter());
        let from = self.said.len().saturating_sub(LINES_SHOWN);
        format!("{error}\nthe guest's last lines:\n  {}", self.said[from..].join("\n  "))
    }

    /// Cuts it off, as a power cut does.
    pub(crate) fn cut(self) {
        drop(self.machine);
    }
}

fn print(label: &str, text: &str) {
    if !text.is_empty() {
        println!("{label}{text}");
    }
}

/// The status that a line tells, and what the script left in front of it.
fn exit_status(line: &str) -> Option<(&str, u8)> {
    let (text, status) = line.rsplit_once("GUEST-EXIT ")?;
    Some((text, status.trim().parse().ok()?))
}

/// A running QEMU; killed when it is dropped.
struct Machine(Child);

impl Machine {
    fn start(guest: &Guest, kernel: &Kernel, archive: &Path) -> Result<Self> {
        let mut network = "user,id=net0".to_owned();
        for (host, inside) in &guest.forwards {
            network += &format!(",hostfwd=tcp:127.0.0.1:{host}-:{inside}");
        }
        let mut disk = Vec::new();
        if let Some(path) = &guest.disk {
            disk.push("-drive".to_owned());
            disk.push(format!("file={},format=raw,if=virtio,cache=writeback", path.display()));
        }
        let child = process::bound("qemu-system-x86_64")
            .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"])
            .args(["-m", &guest.mib.to_string(), "-nographic", "-no-reboot"])
            .arg("-kernel")
            .arg(kernel.image())
            .arg("-initrd")
            .arg(archive)
            .args(["-append", "console=ttyS0 quiet loglevel=4 panic=-1 no_timer_check"])
            .args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net0,romfile="])
            .args(disk)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// What the serial console prints.
    fn lines(&mut self) -> Result<Receiver<String>> {
        let console = self.0.stdout.take().ok_or("the console was taken before")?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut console = BufReader::new(console);
            let mut line = Vec::new();
            while console.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).replace('\r', "");
                if sender.send(text.trim_end_matches('\n').to_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Ok(receiver)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to do.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The image as a file, which QEMU needs until the kernel runs.
struct Archive {
    path: PathBuf,
}

impl Archive {
    fn write(image: &Image, guest: &str) -> Result<Self> {
        let name = format!("holdfast-guest-{}-{guest}.cpio", std::process::id());
        let archive = Self { path: std::env::temp_dir().join(name) };
        let mut out = BufWriter::new(File::create(&archive.path)?);
        image.write(&mut out)?;
        out.flush()?;
        Ok(archive)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_behind_an_unfinished_line() {
        assert_eq!(exit_status("GUEST-EXIT 3"), Some(("", 3)));
        assert_eq!(exit_status("no newlineGUEST-EXIT 0"), Some(("no newline", 0)));
        assert_eq!(exit_status("GUEST-EXIT"), None);
    }
}
