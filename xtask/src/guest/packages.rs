//! The Debian packages that the guest is made of.

use std::process::Command;

use crate::process;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A package and a file that shows that it is there.
const PACKAGES: [(&str, &str); 6] = [
    ("qemu-system-x86", "/usr/bin/qemu-system-x86_64"),
    ("busybox-static", "/bin/busybox"),
    ("kmod", "/sbin/modprobe"),
    ("nfs-common", "/sbin/mount.nfs"),
    ("netbase", "/etc/protocols"),
    ("libtirpc-common", "/etc/netconfig"),
];

/// Installs what is missing, which takes root.
pub(super) fn install() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, file)| !std::path::Path::new(file).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !process::is_root() || process::find("apt-get").is_none() {
        return Err(format!("the guest needs these Debian packages: {names}").into());
    }
    process::run(Command::new("apt-get").args(["update", "-qq"]))?;
    process::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(missing)
            .stdout(std::process::Stdio::null()),
    )
}
