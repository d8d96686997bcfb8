//! Errors of the system in plain words.

use std::io::{self, ErrorKind};

const REASONS: [(ErrorKind, &str); 5] = [
    (ErrorKind::NotFound, "no such file or directory"),
    (ErrorKind::PermissionDenied, "permission denied"),
    (ErrorKind::NotADirectory, "not a directory"),
    (ErrorKind::IsADirectory, "it is a directory"),
    (ErrorKind::ReadOnlyFilesystem, "the file system is read-only"),
];

/// Why something failed.
pub(crate) fn reason(error: &io::Error) -> String {
    let known = REASONS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}
