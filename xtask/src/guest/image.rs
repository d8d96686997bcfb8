//! The guest's file system: an archive that the kernel unpacks into memory when it boots
//! (`newc` cpio, described in the kernel's documentation of the initramfs buffer format).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::process;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

const DIRECTORIES: [&str; 9] =
    ["/bin", "/sbin", "/proc", "/sys", "/dev", "/tmp", "/mnt", "/run/rpc_pipefs", "/var/lib/nfs"];

const INIT: &str = include_str!("init.sh");

/// The files of a guest.
pub(super) struct Image {
    /// By path, without the slash in front; a folder comes before what is in it.
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    mode: u32,
    data: Vec<u8>,
}

impl Image {
    /// A userland of busybox that starts `/script.sh`.
    pub(super) fn new() -> Result<Self> {
        let mut image = Self { entries: BTreeMap::new() };
        for path in DIRECTORIES {
            image.add_directory(path);
        }
        image.add_tree(Path::new("/bin/busybox"), "/bin/busybox")?;
        image.add_file("/init", 0o755, INIT.into());
        image.add_file("/etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n".to_vec());
        Ok(image)
    }

    /// Adds a file.
    pub(super) fn add_file(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.add_directory(parent);
        }
        self.add(path, REGULAR | mode, data);
    }

    /// Adds a file or folder of the host; links are followed.
    pub(super) fn add_tree(&mut self, from: &Path, to: &str) -> Result<()> {
        let named = |error: io::Error| format!("{}: {error}", from.display());
        let metadata = fs::metadata(from).map_err(named)?;
        if !metadata.is_dir() {
            let mode = metadata.permissions().mode() & 0o7777;
            self.add_file(to, mode, fs::read(from).map_err(named)?);
            return Ok(());
        }
        self.add_directory(to);
        for entry in fs::read_dir(from).map_err(named)? {
            let entry = entry.map_err(named)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            self.add_tree(&entry.path(), &format!("{to}/{name}"))?;
        }
        Ok(())
    }

    /// Adds a program under its own path, and the shared libraries it needs.
    pub(super) fn add_program(&mut self, program: &Path) -> Result<()> {
        self.add_tree(program, &program.to_string_lossy())?;
        // ldd refuses a static program, which needs nothing.
        let libraries = process::read(Command::new("ldd").arg(program)).unwrap_or_default();
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            self.add_tree(Path::new(library), library)?;
        }
        Ok(())
    }

    /// Writes the archive.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (index, (path, entry)) in self.entries.iter().enumerate() {
            write_entry(out, index, path, entry)?;
        }
        write_entry(out, 0, "TRAILER!!!", &Entry { mode: 0, data: Vec::new() })
    }

    fn add_directory(&mut self, path: &str) {
        for (end, _) in path.match_indices('/').skip(1) {
            self.add(&path[..end], DIRECTORY | 0o755, Vec::new());
        }
        self.add(path, DIRECTORY | 0o755, Vec::new());
    }

    fn add(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        let path = path.trim_start_matches('/');
        if !path.is_empty() {
            self.entries.insert(path.to_owned(), Entry { mode, data });
        }
    }
}

fn write_entry(out: &mut impl Write, index: usize, path: &str, entry: &Entry) -> io::Result<()> {
    let (mode, size, name_size) = (entry.mode, entry.data.len(), path.len() + 1);
    let links = if mode & DIRECTORY != 0 { 2 } else { 1 };
    // Magic; inode, mode, owner, group, links, time, size; four device numbers; length of the
    // name, checksum.
    write!(
        out,
        "070701{index:08x}{mode:08x}{0:08x}{0:08x}{links:08x}{0:08x}{size:08x}\
         {0:08x}{0:08x}{0:08x}{0:08x}{name_size:08x}{0:08x}",
        0
    )?;
    out.write_all(path.as_bytes())?;
    out.write_all(&[0])?;
    pad(out, 110 + name_size)?;
    out.write_all(&entry.data)?;
    pad(out, size)
}

/// Fills up to a multiple of four.
fn pad(out: &mut impl Write, written: usize) -> io::Result<()> {
    out.write_all(&[0; 3][..written.wrapping_neg() % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_folders_first_and_is_padded() {
        let mut image = Image { entries: BTreeMap::new() };
        image.add_file("/a/b", 0o600, b"12345".to_vec());
        let mut out = Vec::new();
        image.write(&mut out).expect("a vector takes all");
        assert_eq!(out.len() % 4, 0);
        let text = String::from_utf8(out).expect("is text here");
        assert!(text.starts_with("07070100000000000041ed"), "{text}");
        let file = text.find("a/b\0").expect("is there");
        assert_eq!((file - 110) % 4, 0);
        assert_eq!(&text[file - 110..file - 110 + 22], "0707010000000100008180");
        assert_eq!(&text[file - 110 + 54..file - 110 + 62], "00000005");
        assert!(text.contains("TRAILER!!!\0"));
    }
}
