//! `power-loss`: the server runs in a guest, clients outside change files through it, and the
//! machine is cut off in the middle. What they were told is done must be there when it is started
//! again on the same disk.
//!
//! To cut it off is to kill QEMU: everything in the guest's memory is lost, its page cache and the
//! journal's part that was not written. What it had written to its disk stays, flushed or not: a
//! flush of the disk's own cache that is missing would not be found.

mod client;
mod files;
mod model;
mod worker;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::Outcome;
use crate::guest::{Guest, Running};
use crate::process;
use worker::{Chance, Told};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) const HELP: &str = "\
power-loss [OPTION]...
    Cuts a virtual machine with a server off while clients work on it, and looks whether all that
    they were told is safe is there.
      --cuts N                how often (3)
      --fs ext4|xfs|btrfs     what its disk has (ext4)
      --seed N                what clients do and when the power goes; the order of things is not
                              in it
      --no-fsync              with a server that forces nothing to the disk: must find losses";

/// Clients at the same time.
const CLIENTS: u64 = 4;
/// How long they work before the power goes: between these.
const WORK_MS: (u64, u64) = (300, 3000);
/// How long the guest may take to boot and serve.
const BOOT: Duration = Duration::from_secs(120);
/// The size of the disk.
const DISK_BYTES: u64 = 512 << 20;
/// What the guest needs of its kernel, besides the file system.
const MODULES: [&str; 3] = ["virtio_net", "virtio_pci", "virtio_blk"];
/// Where the server listens in the guest.
const PORT: u16 = 2049;

/// What to do.
#[derive(Debug, PartialEq)]
struct Options {
    cuts: u64,
    fs: String,
    seed: Option<u64>,
    is_without_sync: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options =
            Self { cuts: 3, fs: "ext4".to_owned(), seed: None, is_without_sync: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--cuts" => options.cuts = value()?.parse()?,
                "--seed" => options.seed = Some(value()?.parse()?),
                "--no-fsync" => options.is_without_sync = true,
                "--fs" => match value()?.as_str() {
                    fs @ ("ext4" | "xfs" | "btrfs") => options.fs = fs.to_owned(),
                    fs => return Err(format!("--fs {fs}?").into()),
                },
                _ => return Err(format!("{arg}?").into()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn main(args: &[String]) -> Outcome {
    let options = Options::parse(args).map_err(|error| format!("{error}\nusage:\n{HELP}"))?;
    let since = SystemTime::UNIX_EPOCH.elapsed()?;
    let any = since.as_secs() ^ u64::from(since.subsec_nanos());
    let seed = options.seed.unwrap_or(any);
    println!("power-loss: {}, {} cuts, seed {seed}", options.fs, options.cuts);
    let disk = Disk::make(&options.fs)?;
    let guest = guest(&options, &disk)?;
    let script = script(&options);
    let mut chance = Chance(seed);
    let (mut told, mut wrong, mut acknowledged) = (Vec::new(), Vec::new(), 0);
    for cut in 0..=options.cuts {
        let mut machine = guest.boot(script.as_bytes())?;
        machine.wait_for("listening on", BOOT)?;
        let port = guest.forwards[0].0;
        for told in &told {
            let found = worker::check(port, told)
                .map_err(|error| machine.explain(&format!("after cut {cut}: {error}")))?;
            wrong.extend(found.into_iter().map(|what| format!("cut {cut}: {what}")));
        }
        if cut == options.cuts || !wrong.is_empty() {
            break;
        }
        told = work_until_cut(machine, port, cut, &mut chance)?;
        let changes: usize = told.iter().map(|told| told.model.acknowledged).sum();
        println!("power-loss: cut {}: {changes} changes were acknowledged", cut + 1);
        acknowledged += changes;
    }
    verdict(&options, seed, acknowledged, &wrong)
}

fn verdict(options: &Options, seed: u64, acknowledged: usize, wrong: &[String]) -> Outcome {
    wrong.iter().take(10).for_each(|what| println!("power-loss: {what}"));
    let count = wrong.len();
    if !wrong.is_empty() {
        println!("power-loss: LOST {count} things that were said to be safe; seed {seed}");
    }
    match (options.is_without_sync, wrong.is_empty()) {
        (false, true) => println!("power-loss: {acknowledged} changes acknowledged, none lost"),
        (true, false) => println!("power-loss: and so it must be, without sync"),
        (true, true) => println!("power-loss: FAILED: nothing is lost even without sync"),
        (false, false) => {}
    }
    Ok(u8::from(wrong.is_empty() == options.is_without_sync))
}

/// Has the clients work, and kills the machine.
fn work_until_cut(machine: Running, port: u16, cut: u64, chance: &mut Chance) -> Result<Vec<Told>> {
    let (least, most) = WORK_MS;
    let work = Duration::from_millis(least + chance.below(most - least));
    let seeds: Vec<u64> = (0..CLIENTS).map(|_| chance.next()).collect();
    std::thread::scope(|scope| {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let clients: Vec<_> = seeds
            .iter()
            .enumerate()
            .map(|(number, seed)| {
                let begun = begun.clone();
                scope.spawn(move || {
                    let dir = format!("cut{cut}-client{number}");
                    worker::work(port, &dir, &mut Chance(*seed), &begun)
                })
            })
            .collect();
        drop(begun);
        let _all = has_begun.iter().take(clients.len()).count();
        std::thread::sleep(work);
        machine.cut();
        let ended = clients.into_iter().map(|client| client.join());
        ended.map(|told| Ok(told.map_err(|_| "a client panicked")??)).collect()
    })
}

fn guest(options: &Options, disk: &Disk) -> Result<Guest> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let holdfast = build(options.is_without_sync)?;
    Ok(Guest {
        forwards: vec![(port, PORT)],
        copies: vec![(holdfast.clone(), "/holdfast".to_owned())],
        // For its libraries: its own path may not be there in the guest.
        programs: vec![holdfast],
        disk: Some(disk.path.clone()),
        modules: MODULES.into_iter().chain([&*options.fs]).map(str::to_owned).collect(),
        ..Guest::default()
    })
}

/// The server; where it shall be able not to sync, with its known bugs.
fn build(is_without_sync: bool) -> Result<PathBuf> {
    let mut words = vec!["build", "--release", "--bin", "holdfast"];
    let mut target = process::target_dir();
    if is_without_sync {
        words.extend(["--features", "holdfast-localfs/bugs"]);
        // Nobody shall take it for the server.
        target.push("bugs");
    }
    process::run(process::cargo().args(words).arg("--target-dir").arg(&target))?;
    Ok(target.join("release/holdfast").canonicalize()?)
}

/// Mounts the disk, which recovers what the cut left of its journal, and serves it.
fn script(options: &Options) -> String {
    let bug = if options.is_without_sync { "export HOLDFAST_BUG=without-sync\n" } else { "" };
    format!(
        "mkdir -p /disk\nmount -t {} /dev/vda /disk || exit 1\n{bug}\
         exec /holdfast serve /disk --listen 0.0.0.0:{PORT} --ephemeral --squash none\n",
        options.fs
    )
}

/// An image of a disk, gone with this value.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn make(fs: &str) -> Result<Self> {
        let name = format!("holdfast-power-loss-{}.img", std::process::id());
        let disk = Self { path: std::env::temp_dir().join(name) };
        std::fs::File::create(&disk.path)?.set_len(DISK_BYTES)?;
        let mkfs = format!("mkfs.{fs}");
        let program = process::find(&mkfs).ok_or_else(|| format!("there is no {mkfs}"))?;
        let force = if fs == "ext4" { "-F" } else { "-f" };
        process::run(Command::new(program).args(["-q", force]).arg(&disk.path))?;
        Ok(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options = parse("--cuts 9 --fs xfs --seed 7 --no-fsync").expect("is legal");
        let fs = "xfs".to_owned();
        assert_eq!(options, Options { cuts: 9, fs, seed: Some(7), is_without_sync: true });
        assert_eq!(parse("").expect("is legal").cuts, 3);
        assert!(parse("--fs fat").is_err());
        assert!(parse("--cuts").is_err());
    }
}
