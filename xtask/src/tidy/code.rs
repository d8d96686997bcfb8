//! Rules of Rust files.

use super::Problem;
use super::repository::{Repository, Source};
use super::rust;

/// How many lines of code a file may have; its tests do not count.
const LINES_MAX: usize = 800;

/// What stands where something is missing.
const UNFINISHED: [&str; 3] =
    [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];

/// Every module says first what it is. A file of tests says it by its name.
pub(super) fn first_line(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in repository.ending(".rs").filter(|file| !rust::is_test(&file.path)) {
        if !file.text.starts_with("//! ") {
            problems.push(Problem::new(&file.path, 1, "the first line is not a `//!` comment"));
        }
    }
}

/// No file has too much code.
pub(super) fn file_length(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in repository.ending(".rs").filter(|file| !rust::is_test(&file.path)) {
        let lines = code_lines(&file.text);
        if lines > LINES_MAX {
            let text = format!("{lines} lines of code; {LINES_MAX} are the limit");
            problems.push(Problem::new(&file.path, LINES_MAX, text));
        }
    }
}

/// The lines that have code, up to the tests at the end.
fn code_lines(text: &str) -> usize {
    let code = rust::code(text);
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let is_test_module = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    let end = lines.windows(2).position(is_test_module).unwrap_or(lines.len());
    lines[..end].iter().filter(|line| !line.is_empty()).count()
}

/// Nothing is left for later, and every test runs.
pub(super) fn unfinished(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in repository.ending(".rs") {
        for (index, line) in rust::code(&file.text).lines().enumerate() {
            for macro_name in UNFINISHED.iter().filter(|name| line.contains(**name)) {
                let text = format!("{macro_name}: finish it, or leave it out");
                problems.push(Problem::new(&file.path, index + 1, text));
            }
        }
    }
}

/// Every file is a module of some other file.
pub(super) fn dead_files(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in repository.ending(".rs").filter(|file| !is_top(&file.path)) {
        if !parents(repository, &file.path).any(|parent| declares(parent, &file.path)) {
            problems.push(Problem::new(&file.path, 1, "no module names this file"));
        }
    }
}

/// Whether cargo finds a file by itself.
fn is_top(path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else {
        return true;
    };
    let own_program = folder.rsplit_once('/').is_some_and(|(above, _)| above.ends_with("src/bin"));
    let above = folder.rsplit('/').next().unwrap_or(folder);
    match name {
        "lib.rs" | "main.rs" => above == "src" || own_program,
        "build.rs" if !folder.contains("src") => true,
        _ => {
            let alone = ["tests", "examples", "benches", "fuzz_targets"].contains(&above);
            folder.ends_with("src/bin") || (alone && !folder.contains("/src/"))
        }
    }
}

/// The files that may name a module's file.
fn parents<'a>(repository: &'a Repository, path: &str) -> impl Iterator<Item = &'a Source> {
    let above = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let module = path.strip_suffix("/mod.rs").unwrap_or(path);
    let folder = above(module);
    repository.ending(".rs").filter(move |file| {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let inside = above(&file.path) == folder;
        let holds = matches!(name, "lib.rs" | "main.rs" | "mod.rs") || is_top(&file.path);
        (inside && holds) || file.path.strip_suffix(".rs") == Some(&folder)
    })
}

fn declares(parent: &Source, path: &str) -> bool {
    let module = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    let name = module.rsplit('/').next().unwrap_or(module);
    let declaration = format!("mod {name};");
    let code = rust::code(&parent.text);
    code.lines().any(|line| line.trim_end().ends_with(&declaration))
}
