//! `guest`: runs a script in a small virtual machine that has the Linux kernel's NFS client and
//! server. It is emulated in software: no privilege and no KVM, 10 to 30 times slower than the
//! machine it runs on. It serves correctness, never speed.

mod image;
mod kernel;
mod machine;
mod packages;

use std::path::{Path, PathBuf};

use crate::Outcome;
use image::Image;
pub(crate) use machine::Running;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) const HELP: &str = "\
guest [OPTION]... SCRIPT
    Boots a Debian kernel in QEMU, runs SCRIPT with busybox sh as root, and prints what it
    prints. Exits with its status; 124: no end within the limit; 125: no status seen.
    In the guest, $HOST is this machine's loopback address.
      -n NAME                 the guest's host name, of which Linux makes its client id
      -t SECONDS              the limit (300)
      -m MIB                  memory (1024)
      -f HOSTPORT:GUESTPORT   forwards a port of our loopback address into the guest
      -c HOSTFILE:GUESTPATH   copies a file or folder in
      -b PROGRAM              copies a program in, with its libraries";

/// The exit status when the script did not end in time.
const TIMED_OUT: u8 = 124;
/// The exit status when the guest ended without telling one.
const NO_STATUS: u8 = 125;

/// A guest to be.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its host name.
    pub(crate) name: String,
    /// What stands before each line that it prints.
    pub(crate) label: String,
    /// How long its script may take, the boot included.
    pub(crate) seconds: u64,
    /// Its memory.
    pub(crate) mib: u32,
    /// Ports of our loopback address, and where in the guest they lead.
    pub(crate) forwards: Vec<(u16, u16)>,
    /// Files and folders to copy in, and where to.
    pub(crate) copies: Vec<(PathBuf, String)>,
    /// A disk image, `/dev/vda` there.
    pub(crate) disk: Option<PathBuf>,
    /// What the kernel loads, of what it has as modules.
    pub(crate) modules: Vec<String>,
    /// Programs to copy in under the same path, with their libraries.
    pub(crate) programs: Vec<PathBuf>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            name: format!("guest{}", std::process::id()),
            label: String::new(),
            seconds: 300,
            mib: 1024,
            forwards: Vec::new(),
            copies: Vec::new(),
            disk: None,
            modules: kernel::MODULES.map(str::to_owned).to_vec(),
            programs: Vec::new(),
        }
    }
}

impl Guest {
    /// Boots it, runs the script, prints its output and gives its exit status.
    pub(crate) fn run(&self, script: &[u8]) -> Outcome {
        self.boot(script)?.finish()
    }

    /// Boots it and has it run the script.
    pub(crate) fn boot(&self, script: &[u8]) -> Result<Running> {
        if !cfg!(target_arch = "x86_64") {
            return Err("the guest is made for x86_64 machines".into());
        }
        packages::install()?;
        let kernel = kernel::cached()?;
        let image = self.image(&kernel, script)?;
        Running::start(self, &kernel, &image)
    }

    fn image(&self, kernel: &kernel::Kernel, script: &[u8]) -> Result<Image> {
        let mut image = Image::new()?;
        image.add_program(Path::new("/sbin/mount.nfs"))?;
        for program in &self.programs {
            image.add_program(&program.canonicalize()?)?;
        }
        for (from, to) in &self.copies {
            image.add_tree(from, to)?;
        }
        // mount.nfs looks the protocol `tcp` up in both.
        for file in ["/etc/protocols", "/etc/netconfig"] {
            image.add_tree(Path::new(file), file)?;
        }
        for (index, module) in kernel.modules(&self.modules)?.iter().enumerate() {
            let file = module.file_name().unwrap_or_default().to_string_lossy();
            image.add_tree(module, &format!("/modules/{index:03}-{file}"))?;
        }
        image.add_file("/script.sh", 0o644, script.to_vec());
        image.add_file("/etc/hostname", 0o644, self.name.clone().into_bytes());
        Ok(image)
    }
}

pub(crate) fn main(args: &[String]) -> Outcome {
    let Ok((guest, script)) = parse(args) else {
        return Err(format!("usage:\n{HELP}").into());
    };
    let script = std::fs::read(&script).map_err(|error| format!("{script}: {error}"))?;
    guest.run(&script)
}

fn parse(args: &[String]) -> Result<(Guest, String)> {
    let mut guest = Guest::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or("an option needs a value");
        match arg.as_str() {
            "-n" => guest.name = value()?.clone(),
            "-t" => guest.seconds = value()?.parse()?,
            "-m" => guest.mib = value()?.parse()?,
            "-f" => {
                let (host, inside) = value()?.split_once(':').ok_or("HOSTPORT:GUESTPORT")?;
                guest.forwards.push((host.parse()?, inside.parse()?));
            }
            "-c" => {
                let (host, inside) = value()?.split_once(':').ok_or("HOSTFILE:GUESTPATH")?;
                guest.copies.push((host.into(), inside.to_owned()));
            }
            "-b" => guest.programs.push(value()?.into()),
            script if !script.starts_with('-') && args.len() == 0 => {
                return Ok((guest, script.to_owned()));
            }
            _ => return Err(format!("{arg}?").into()),
        }
    }
    Err("no script".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read() {
        let (guest, script) =
            parse(&words("-n a -t 9 -m 64 -f 1:2 -c /x:/y/z -b /bin/ls s.sh")).expect("is legal");
        assert_eq!(script, "s.sh");
        assert_eq!((guest.name.as_str(), guest.seconds, guest.mib), ("a", 9, 64));
        assert_eq!(guest.forwards, [(1, 2)]);
        assert_eq!(guest.copies, [(PathBuf::from("/x"), "/y/z".to_owned())]);
        assert_eq!(guest.programs, [PathBuf::from("/bin/ls")]);
    }

    #[test]
    fn a_missing_script_or_value_is_refused() {
        for line in ["-n a", "-t s.sh", "-f 1 s.sh", "-q s.sh", "s.sh more"] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
    }
}
