//! Rules of the documents: what they name is there.

use super::Problem;
use super::repository::{Repository, Source};
use crate::toml;

const ARGS: &str = "crates/cli/src/args.rs";
const EXCEPTIONS: &str = "specs/exceptions.toml";

/// Links into the repository lead somewhere.
pub(super) fn links(repository: &Repository, problems: &mut Vec<Problem>) {
    for file in repository.ending(".md") {
        for (index, line) in file.text.lines().enumerate() {
            for target in link_targets(line) {
                if !leads_somewhere(repository, file, target) {
                    let text = format!("the link to {target} leads nowhere");
                    problems.push(Problem::new(&file.path, index + 1, text));
                }
            }
        }
    }
}

fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

fn leads_somewhere(repository: &Repository, from: &Source, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(p, a)| (p, Some(a)));
    let mut parts: Vec<&str> = from.path.split('/').collect();
    if !path.is_empty() {
        parts.pop();
        for part in path.trim_end_matches('/').split('/') {
            match part {
                "." => {}
                ".." => drop(parts.pop()),
                name => parts.push(name),
            }
        }
    }
    let full = parts.join("/");
    match (repository.file(&full), anchor) {
        (Some(file), Some(anchor)) => file.text.lines().any(|line| heading(line) == anchor),
        (None, Some(_)) => false,
        (_, None) => repository.has(&full),
    }
}

/// What a heading is called in links.
fn heading(line: &str) -> String {
    let Some(title) = line.strip_prefix('#') else {
        return String::new();
    };
    let title = title.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|s| s.is_alphanumeric() || [' ', '-', '_'].contains(s));
    kept.map(|symbol| if symbol == ' ' { '-' } else { symbol }).collect()
}

/// The options of `serve` that the README names are there.
pub(super) fn serve_options(repository: &Repository, problems: &mut Vec<Problem>) {
    let Some(readme) = repository.file("README.md") else {
        return problems.push(Problem::new("README.md", 0, "is not there"));
    };
    let args = repository.file(ARGS).map_or("", |file| &file.text);
    for (index, line) in readme.text.lines().enumerate() {
        // Options are in the row of a table, or in a command.
        let of_serve = line.starts_with("| `") || line.contains(" serve ");
        let words = line.split(|s: char| !(s.is_ascii_lowercase() || s == '-'));
        for option in words.filter_map(|word| word.strip_prefix("--")) {
            // Cargo's own option, which stands before ours.
            let known = option.is_empty() || option == "release";
            let field = option.replace('-', "_");
            if of_serve && !known && !args.contains(&field) && !args.contains(option) {
                let text = format!("{ARGS} knows no option --{option}");
                problems.push(Problem::new(&readme.path, index + 1, text));
            }
        }
    }
}

/// The tasks that documents name are there.
pub(super) fn xtask_commands(repository: &Repository, problems: &mut Vec<Problem>) {
    let named = |file: &&Source| file.path.ends_with(".md") || file.path == ".ci/run";
    for file in repository.files.iter().filter(named) {
        for (index, line) in file.text.lines().enumerate() {
            for rest in line.split("cargo xtask ").skip(1) {
                let end = rest.find(|s: char| !(s.is_ascii_lowercase() || s == '-'));
                let name = &rest[..end.unwrap_or(rest.len())];
                let known = crate::COMMANDS.iter().any(|command| command.name == name);
                if !known && !name.is_empty() {
                    let text = format!("there is no cargo xtask {name}");
                    problems.push(Problem::new(&file.path, index + 1, text));
                }
            }
        }
    }
}

/// Whatever is left out of the protocol is named with its section and a reason.
pub(super) fn exceptions(repository: &Repository, problems: &mut Vec<Problem>) {
    let Some(file) = repository.file(EXCEPTIONS) else {
        return problems.push(Problem::new(EXCEPTIONS, 0, "is not there"));
    };
    let tables = match toml::parse(&file.text) {
        Ok(tables) => tables,
        Err(error) => return problems.push(Problem::new(EXCEPTIONS, 0, error)),
    };
    for table in tables.iter().filter(|table| !table.name.is_empty()) {
        if table.name != "exception" {
            let text = format!("what is [{}]?", table.name);
            problems.push(Problem::new(EXCEPTIONS, table.line, text));
        }
        for key in ["section", "what", "reason"] {
            if table.text(key).is_none_or(str::is_empty) {
                problems.push(Problem::new(EXCEPTIONS, table.line, format!("has no {key}")));
            }
        }
        let section = table.text("section").unwrap_or_default();
        if !(section.starts_with("RFC ") && section.contains('§')) {
            let text = "a section looks like `RFC 8881 §18.10`";
            problems.push(Problem::new(EXCEPTIONS, table.line, text));
        }
    }
}
