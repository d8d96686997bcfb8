//! What is wrong with a configuration file, and where: the line is shown.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::reason::reason;

/// How many problems are shown.
const SHOWN: usize = 20;

/// Something wrong, and the bytes of the text that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

impl Problem {
    /// A text that is no TOML.
    pub(super) fn of_form(error: &toml::de::Error, text: &str) -> Self {
        let span = error.span().unwrap_or_default();
        let what = bare_word(text, span.start).map_or_else(
            || error.message().to_owned(),
            |word| format!("`{word}` is no number, nor true or false: a string takes quotes"),
        );
        Self { span, what }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, path: &Path, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        let at = self.span.start.min(bytes.len());
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end =
            bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |it| at + it);
        let number = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let before = text.get(start..at).map_or(0, |text| text.chars().count());
        let marked = text.get(at..self.span.end.min(end)).map_or(0, |text| text.chars().count());
        writeln!(f, "{}:{number}:{}: {}", path.display(), before + 1, self.what)?;
        // What would move the cursor would move the mark below off its place.
        let line: String = text[start..end].chars().map(printable).collect();
        writeln!(f, "{number:5} | {}", line.trim_end())?;
        write!(f, "      | {}{}", " ".repeat(before), "^".repeat(marked.max(1)))
    }
}

/// The word that begins at `at` as a value, without quotes. TOML's own message guesses at what it
/// should have been by its first letter.
fn bare_word(text: &str, at: usize) -> Option<&str> {
    let (before, after) = text.split_at_checked(at)?;
    let value = before.trim_end().ends_with(['=', '[', ',']);
    let word = after.split([' ', '\t', '\r', '\n', ',', ']', '#']).next()?;
    let begins = |char: char| char.is_alphabetic() || "/~.:".contains(char);
    (value && word.starts_with(begins)).then_some(word)
}

fn printable(char: char) -> char {
    if char.is_control() { ' ' } else { char }
}

/// Why a configuration file cannot be used.
#[derive(Debug)]
pub(crate) enum ConfigError {
    Read(PathBuf, io::Error),
    TooLarge(PathBuf, u64),
    NotText(PathBuf, usize),
    Wrong { path: PathBuf, text: String, problems: Vec<Problem> },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => {
                write!(f, "cannot read {}: {}", path.display(), reason(error))
            }
            Self::TooLarge(path, most) => {
                write!(f, "{} has more than {} KiB", path.display(), most >> 10)
            }
            Self::NotText(path, line) => {
                write!(f, "{}:{line}: this line is not UTF-8", path.display())
            }
            Self::Wrong { path, text, problems } => {
                for (number, problem) in problems.iter().take(SHOWN).enumerate() {
                    if number > 0 {
                        writeln!(f)?;
                    }
                    problem.write(f, path, text)?;
                }
                match problems.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "\nand {more} more like these"),
                }
            }
        }
    }
}

impl std::error::Error for ConfigError {}
