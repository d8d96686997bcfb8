//! Who may import whom, and who may be unsafe: `xtask/matrix.toml` against the crates.

use super::Problem;
use super::repository::Repository;
use super::rust;
use crate::toml::{self, Table};

const MATRIX: &str = "xtask/matrix.toml";
const PREFIX: &str = "holdfast-";

/// A crate and its row.
struct Crate<'a> {
    folder: String,
    row: &'a Table,
}

impl Crate<'_> {
    fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// The file where its attributes stand.
    fn top(&self, repository: &Repository) -> String {
        let library = format!("{}/src/lib.rs", self.folder);
        if repository.has(&library) { library } else { format!("{}/src/main.rs", self.folder) }
    }
}

fn tables(repository: &Repository, path: &str) -> Result<Vec<Table>, Problem> {
    let file = repository.file(path).ok_or_else(|| Problem::new(path, 0, "is not there"))?;
    toml::parse(&file.text).map_err(|error| Problem::new(path, 0, error))
}

/// The crates that have a row; those that have none are a problem of `dependencies`.
fn crates<'a>(repository: &Repository, rows: &'a [Table]) -> Vec<Crate<'a>> {
    let named = rows.iter().filter(|row| !row.name.is_empty()).map(|row| {
        let folder =
            if row.name == "xtask" { "xtask".into() } else { format!("crates/{}", row.name) };
        Crate { folder, row }
    });
    named.filter(|found| repository.has(&found.manifest())).collect()
}

/// Every dependency is in the matrix, and every crate is.
pub(super) fn dependencies(repository: &Repository, problems: &mut Vec<Problem>) {
    let rows = match tables(repository, MATRIX) {
        Ok(rows) => rows,
        Err(problem) => return problems.push(problem),
    };
    let crates = crates(repository, &rows);
    for row in rows.iter().filter(|row| !row.name.is_empty()) {
        if !crates.iter().any(|found| found.row.name == row.name) {
            problems.push(Problem::new(MATRIX, row.line, format!("no crate {}", row.name)));
        }
    }
    for file in repository.ending("/Cargo.toml").filter(|file| !file.path.starts_with("fuzz/")) {
        match crates.iter().find(|found| found.manifest() == file.path) {
            Some(found) => manifest(repository, found, problems),
            None => problems.push(Problem::new(&file.path, 0, format!("has no row in {MATRIX}"))),
        }
    }
}

fn manifest(repository: &Repository, found: &Crate<'_>, problems: &mut Vec<Problem>) {
    let path = found.manifest();
    let tables = match tables(repository, &path) {
        Ok(tables) => tables,
        Err(problem) => return problems.push(problem),
    };
    if !tables.iter().any(|table| table.name == "lints" && table.is_true("workspace")) {
        problems.push(Problem::new(&path, 0, "does not take the workspace's lints"));
    }
    for table in &tables {
        // `[dependencies]`, `[dependencies.name]`, `[target.'cfg(…)'.dependencies]`.
        let (kind, single) = match table.name.rsplit_once("dependencies") {
            Some((kind, single)) => (kind, single.strip_prefix('.')),
            None => continue,
        };
        let keys = table.entries.iter().map(|(key, _)| key.split('.').next().unwrap_or(key));
        let names: Vec<&str> = single.map_or_else(|| keys.collect(), |name| vec![name]);
        for name in names.into_iter().filter(|name| !allowed(found.row, kind, name)) {
            let text = format!("{kind}dependency on {name} is not in {MATRIX}");
            problems.push(Problem::new(&path, table.line, text));
        }
    }
}

fn allowed(row: &Table, kind: &str, name: &str) -> bool {
    let has = |list: &str, name: &str| row.list(list).iter().any(|known| known == name);
    let imported = match name.strip_prefix(PREFIX) {
        Some(ours) => has("workspace", ours),
        None => has("outside", name),
    };
    imported || (kind.ends_with("dev-") && has("dev", name))
}

/// `no_std` and `forbid(unsafe_code)` stand where the matrix wants them.
pub(super) fn attributes(repository: &Repository, problems: &mut Vec<Problem>) {
    let rows = tables(repository, MATRIX).unwrap_or_default();
    for found in crates(repository, &rows) {
        let path = found.top(repository);
        let Some(file) = repository.file(&path) else {
            problems.push(Problem::new(&path, 0, "is not there"));
            continue;
        };
        let code = rust::code(&file.text);
        let wanted = [("no_std", "#![no_std]"), ("forbid_unsafe", "#![forbid(unsafe_code)]")];
        for (key, attribute) in wanted {
            if found.row.is_true(key) && !code.lines().any(|line| line.trim() == attribute) {
                problems.push(Problem::new(&path, 1, format!("lacks {attribute}")));
            }
        }
    }
}

/// Unsafe code is in the files that may have it, and nowhere else.
pub(super) fn unsafe_code(repository: &Repository, problems: &mut Vec<Problem>) {
    let rows = tables(repository, MATRIX).unwrap_or_default();
    let crates = crates(repository, &rows);
    let may = |path: &str| {
        crates.iter().any(|found| {
            let mut files = found.row.list("unsafe_files").iter();
            files.any(|file| format!("{}/{file}", found.folder) == path)
        })
    };
    for file in repository.ending(".rs").filter(|file| !may(&file.path)) {
        for (index, line) in rust::code(&file.text).lines().enumerate() {
            if rust::has_word(line, "unsafe") {
                problems.push(Problem::new(&file.path, index + 1, "unsafe code belongs elsewhere"));
            }
        }
    }
}
