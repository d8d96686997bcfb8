//! The repository's files, in memory.

use std::fs;
use std::io;
use std::path::Path;

/// All files that belong to the repository.
pub(super) struct Repository {
    pub(super) files: Vec<Source>,
}

/// A file.
pub(super) struct Source {
    /// Its path from the root.
    pub(super) path: String,
    /// Its length in bytes.
    pub(super) len: usize,
    /// What is in it; empty if that is no text.
    pub(super) text: String,
}

/// What is built or recorded, not written. In a work tree beside the first, `.git` is a file.
const FOREIGN: [&str; 3] = ["target", ".git", "corpus"];

impl Repository {
    /// Reads all files below a folder.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut repository = Self { files: Vec::new() };
        repository.read_folder(root, "")?;
        repository.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(repository)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if FOREIGN.contains(&name.as_str()) {
                continue;
            }
            let (path, kind) = (format!("{prefix}{name}"), entry.file_type()?);
            if kind.is_dir() {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                let data = fs::read(entry.path())?;
                let len = data.len();
                self.files.push(Source {
                    path,
                    len,
                    text: String::from_utf8(data).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// The file of a path.
    pub(super) fn file(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file or folder of that path.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The files whose name ends so.
    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a Source> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }
}
