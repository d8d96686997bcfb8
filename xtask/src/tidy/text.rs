//! Rules of all text files.

use super::Problem;
use super::repository::{Repository, Source};
use super::rust;

const COLUMNS_MAX: usize = 100;
const BYTES_MAX: usize = 512 << 10;

/// Made by programs, or not ours to word.
const NOT_OURS: [&str; 4] = ["Cargo.lock", "fuzz/Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"];

/// What must not be written, and why. In pieces, so that this file keeps the rule itself.
const BANNED: [(&str, &str); 12] = [
    (concat!("FIX", "ME"), "do it, or describe the limit"),
    (concat!("X", "XX"), "do it, or describe the limit"),
    (concat!("session ", "ends at"), "the text is about the project, not about writing it"),
    (concat!("../", "shared"), "the repository stands alone"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("crates", ".io"), "name the package, not where it is kept"),
    (concat!("debian", ".org"), "name the package, not where it is kept"),
    (concat!("pypi", ".org"), "name the package, not where it is kept"),
    (concat!("npmjs", ".org"), "name the package, not where it is kept"),
    (concat!("golang", ".org"), "name the package, not where it is kept"),
    (concat!("docker", ".io"), "name the package, not where it is kept"),
];

fn ours(repository: &Repository) -> impl Iterator<Item = &Source> {
    repository.files.iter().filter(|file| !NOT_OURS.contains(&file.path.as_str()))
}

/// No line is too wide to be read beside another one.
pub(super) fn columns(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in ours(repository) {
        let document = file.path.ends_with(".md");
        for (index, line) in file.text.lines().enumerate() {
            let width = line.chars().count();
            // A table's row and a link cannot be broken.
            let whole = document && (line.starts_with('|') || line.contains("]("));
            if width > COLUMNS_MAX && !whole {
                let text = format!("{width} columns; {COLUMNS_MAX} are the limit");
                problems.push(Problem::new(&file.path, index + 1, text));
            }
        }
    }
}

/// Words that do not belong into the repository.
pub(super) fn banned_words(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in ours(repository) {
        for (index, line) in file.text.lines().enumerate() {
            for (word, why) in BANNED.iter().filter(|(word, _)| has_banned(line, word)) {
                let text = format!("`{word}`: {why}");
                problems.push(Problem::new(&file.path, index + 1, text));
            }
            if names_home(line) {
                let text = "somebody's home is a path of one machine";
                problems.push(Problem::new(&file.path, index + 1, text));
            }
            if names_issue(line) {
                let text = "the number of an issue: say what it is about";
                problems.push(Problem::new(&file.path, index + 1, text));
            }
        }
    }
}

/// Words stand alone; anything with another symbol in it is found anywhere.
fn has_banned(line: &str, banned: &str) -> bool {
    if banned.chars().all(char::is_alphanumeric) {
        rust::has_word(line, banned)
    } else {
        line.contains(banned)
    }
}

/// Whether a line has a path below somebody's home. An export may well be called `/home`.
fn names_home(line: &str) -> bool {
    line.split("/home/").skip(1).any(|rest| {
        let end = rest.find(|symbol: char| !symbol.is_alphanumeric() && symbol != '-');
        end.is_some_and(|end| end > 0 && rest[end..].starts_with('/'))
    })
}

/// Whether a line has `#1` or the word with a number behind it.
fn names_issue(line: &str) -> bool {
    let lower = line.to_lowercase();
    let starts_with_digit = |text: &str| text.starts_with(|symbol: char| symbol.is_ascii_digit());
    let word = concat!("iss", "ue");
    let worded = lower.match_indices(word).any(|(at, _)| {
        let rest = lower[at + word.len()..].trim_start_matches('s').trim_start_matches([' ', '#']);
        starts_with_digit(rest)
    });
    let hashed = lower.match_indices('#').any(|(at, _)| {
        let before = lower[..at].chars().next_back().unwrap_or(' ');
        let number = lower[at + 1..].trim_start_matches(|symbol: char| symbol.is_ascii_digit());
        let after = number.chars().next().unwrap_or(' ');
        let color = after.is_alphanumeric() || after == '_';
        starts_with_digit(&lower[at + 1..]) && matches!(before, ' ' | '(' | '[') && !color
    });
    worded || hashed
}

/// No file weighs down every clone.
pub(super) fn file_size(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in repository.files.iter().filter(|file| file.len > BYTES_MAX) {
        let text = format!("{} KiB; {} are the limit", file.len >> 10, BYTES_MAX >> 10);
        problems.push(Problem::new(&file.path, 0, text));
    }
}

/// Lines end with a line feed, the last one too, and nothing invisible stands before it.
pub(super) fn line_ends(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in ours(repository) {
        for (index, line) in file.text.split('\n').enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                problems.push(Problem::new(&file.path, index + 1, "space at the end of the line"));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            problems.push(Problem::new(&file.path, 0, "the last line has no end"));
        }
    }
}
