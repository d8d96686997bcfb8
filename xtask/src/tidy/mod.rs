//! `tidy`: the repository's own rules, tested. Each rule looks at the files as values, so that
//! its test can show it a bad one.

mod code;
mod documents;
mod matrix;
mod repository;
mod rust;
mod sim;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use crate::Outcome;
use repository::Repository;

pub(crate) const HELP: &str = "\
tidy
    The repository's own rules: who imports whom, where unsafe code may be, sizes, words,
    links. Prints what breaks them.";

/// A rule: adds what breaks it.
type Rule = fn(&Repository, &mut Vec<Problem>);

const RULES: [Rule; 16] = [
    matrix::dependencies,
    matrix::attributes,
    matrix::unsafe_code,
    code::first_line,
    code::file_length,
    code::unfinished,
    code::dead_files,
    text::columns,
    text::banned_words,
    text::file_size,
    text::line_ends,
    documents::links,
    documents::serve_options,
    documents::xtask_commands,
    documents::exceptions,
    sim::known_bugs,
];

/// Something that breaks a rule.
#[derive(Debug, PartialEq)]
struct Problem {
    path: String,
    line: usize,
    text: String,
}

impl Problem {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

pub(crate) fn main(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err(format!("usage:\n{HELP}").into());
    }
    let problems = problems(&Repository::read(crate::root())?);
    for problem in &problems {
        println!("{problem}");
    }
    Ok(u8::from(!problems.is_empty()))
}

fn problems(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in RULES {
        rule(repository, &mut problems);
    }
    problems
}
