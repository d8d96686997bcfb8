//! The repository keeps its rules, and each rule finds what breaks it.

use super::repository::{Repository, Source};
use super::{Problem, Rule, code, documents, matrix, problems, rust, sim, text};

fn repository(files: &[(&str, &str)]) -> Repository {
    let files = files.iter().map(|(path, text)| Source {
        path: (*path).to_owned(),
        len: text.len(),
        text: (*text).to_owned(),
    });
    Repository { files: files.collect() }
}

fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let mut problems = Vec::new();
    rule(&repository(files), &mut problems);
    problems.iter().map(Problem::to_string).collect()
}

fn assert_found(rule: Rule, files: &[(&str, &str)], wanted: &[&str]) {
    assert_eq!(found(rule, files), wanted);
}

#[test]
fn the_repository_is_tidy() {
    let repository = Repository::read(crate::root()).expect("the repository is readable");
    let problems: Vec<String> = problems(&repository).iter().map(Problem::to_string).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

const MATRIX: &str = "[a]\nworkspace = [\"b\"]\noutside = [\"x\"]\ndev = [\"d\"]\nno_std = true\n\
                      forbid_unsafe = true\n[b]\nunsafe_files = [\"src/sys.rs\"]\n";
const B: (&str, &str) = ("crates/b/Cargo.toml", "[lints]\nworkspace = true\n");

fn with_manifest(manifest: &str) -> Vec<String> {
    let files = [("xtask/matrix.toml", MATRIX), ("crates/a/Cargo.toml", manifest), B];
    found(matrix::dependencies, &files)
}

#[test]
fn a_dependency_must_be_in_the_matrix() {
    let lints = "[lints]\nworkspace = true\n";
    let legal = "[dependencies]\nholdfast-b.workspace = true\nx = \"1\"\n\
                 [dev-dependencies]\nd = \"1\"\nx = \"1\"\n\
                 [dependencies.holdfast-b]\npath = \"\"\n";
    assert_eq!(with_manifest(&format!("{lints}{legal}")), [""; 0]);
    let cases = [
        ("[dependencies]\ny = \"1\"\n", "dependency on y"),
        ("[dependencies]\nholdfast-c.workspace = true\n", "dependency on holdfast-c"),
        ("[dependencies]\nd = \"1\"\n", "dependency on d"),
        ("[dependencies.y]\nversion = \"1\"\n", "dependency on y"),
        ("[dev-dependencies]\ny = \"1\"\n", "dev-dependency on y"),
        ("[build-dependencies]\nd = \"1\"\n", "build-dependency on d"),
        ("[target.'cfg(unix)'.dependencies]\ny = \"1\"\n", "dependency on y"),
    ];
    for (manifest, wanted) in cases {
        let found = with_manifest(&format!("{lints}{manifest}"));
        assert_eq!(found.len(), 1, "{manifest}");
        assert!(found[0].contains(wanted), "{found:?}");
    }
    assert_eq!(with_manifest(""), ["crates/a/Cargo.toml:0: does not take the workspace's lints"]);
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let files = [("xtask/matrix.toml", "[a]\n"), B];
    let wanted = [
        "xtask/matrix.toml:1: no crate a",
        "crates/b/Cargo.toml:0: has no row in xtask/matrix.toml",
    ];
    assert_found(matrix::dependencies, &files, &wanted);
}

#[test]
fn attributes_must_stand_where_the_matrix_wants_them() {
    let manifest = ("crates/a/Cargo.toml", "");
    let lib = ("crates/a/src/lib.rs", "//! A.\n// #![no_std]\n#![forbid(unsafe_code)]\n");
    let files = [("xtask/matrix.toml", MATRIX), manifest, lib];
    assert_found(matrix::attributes, &files, &["crates/a/src/lib.rs:1: lacks #![no_std]"]);
}

#[test]
fn unsafe_code_must_be_in_its_file() {
    let code = "// unsafe\nfn f() { let unsafe_x = \"unsafe\"; }\n";
    let bad = "fn f() {\n    unsafe { g() }\n}\n";
    let files = [
        ("xtask/matrix.toml", MATRIX),
        B,
        ("crates/b/src/sys.rs", bad),
        ("crates/b/src/lib.rs", code),
        ("crates/b/src/sys/more.rs", bad),
    ];
    let wanted = ["crates/b/src/sys/more.rs:2: unsafe code belongs elsewhere"];
    assert_found(matrix::unsafe_code, &files, &wanted);
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "a /* b /* c */ d */ e \"f\\\"g\" r#\"h\"i\"# 'j' '\\'' 'k: br\"l\" m // n\no";
    let code = rust::code(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "'k:", "m", "o"]);
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn a_module_must_say_what_it_is() {
    let files = [("a.rs", "use x;\n//! Late.\n"), ("b.rs", "//! Fine.\n")];
    assert_found(code::first_line, &files, &["a.rs:1: the first line is not a `//!` comment"]);
}

#[test]
fn a_file_must_not_have_too_much_code() {
    let (code, tests) = ("f();\n// Why.\n\n".repeat(800), "t();\n".repeat(900));
    let whole = format!("{code}#[cfg(test)]\nmod tests {{\n{tests}}}\n");
    let long = format!("{code}f();\n");
    let files = [("a.rs", long.as_str()), ("b.rs", &whole), ("c/tests.rs", &long)];
    assert_found(code::file_length, &files, &["a.rs:800: 801 lines of code; 800 are the limit"]);
}

#[test]
fn nothing_must_be_left_for_later() {
    for name in [concat!("to", "do!()"), concat!("unimple", "mented!()")] {
        let bad = format!("fn f() {{\n    {name}\n}}\n// {name}\n");
        assert_eq!(found(code::unfinished, &[("a.rs", &bad)]).len(), 1, "{name}");
    }
    let ignored = concat!("#[test]\n#[ig", "nore = \"slow\"]\nfn f() {}\n");
    assert_eq!(found(code::unfinished, &[("a.rs", ignored)]).len(), 1);
}

#[test]
fn every_file_must_be_a_module() {
    let files = [
        ("crates/a/src/lib.rs", "pub mod b;\n// mod dead;\n#[cfg(test)] mod tests;\n"),
        ("crates/a/src/b.rs", "mod c;\n"),
        ("crates/a/src/b/c.rs", ""),
        ("crates/a/src/tests.rs", ""),
        ("crates/a/src/dead.rs", ""),
        ("crates/a/src/dead/mod.rs", ""),
        ("crates/a/src/bin/p/main.rs", "mod q;"),
        ("crates/a/src/bin/p/q.rs", ""),
        ("crates/a/tests/t.rs", "mod common;\n"),
        ("crates/a/tests/common/mod.rs", ""),
    ];
    let wanted = [
        "crates/a/src/dead.rs:1: no module names this file",
        "crates/a/src/dead/mod.rs:1: no module names this file",
    ];
    assert_found(code::dead_files, &files, &wanted);
}

#[test]
fn a_line_must_not_be_too_wide() {
    let (fits, wide) = ("é".repeat(100), "é".repeat(101));
    let row = format!("| {wide} |");
    let files = [("a.rs", fits.as_str()), ("b.toml", &wide), ("c.md", &row)];
    assert_found(text::columns, &files, &["b.toml:1: 101 columns; 100 are the limit"]);
}

#[test]
fn words_are_banned() {
    let bad = [
        concat!("// FIX", "ME later"),
        concat!("// X", "XX"),
        concat!("in ../", "shared/x"),
        concat!("in /ho", "me/some-body/x"),
        concat!("from crates", ".io"),
        concat!("see iss", "ue 3"),
        concat!("see iss", "ues #", "3"),
        concat!("fixes (#", "12)"),
    ];
    for line in bad {
        assert_eq!(found(text::banned_words, &[("a.md", line)]).len(), 1, "{line}");
    }
    let good = ["FIXMEUP", "#a0b1c2", "color: #123abc", "# 1. Title", "no issue here", "&#39;"];
    for line in good {
        assert_eq!(found(text::banned_words, &[("a.md", line)]), [""; 0], "{line}");
    }
}

#[test]
fn a_file_must_not_be_too_large() {
    let large = "x".repeat((512 << 10) + 1);
    assert_found(text::file_size, &[("a.bin", &large)], &["a.bin:0: 512 KiB; 512 are the limit"]);
}

#[test]
fn lines_must_end_cleanly() {
    let files = [("a.rs", "a \nb\n"), ("b.rs", "a")];
    let wanted = ["a.rs:1: space at the end of the line", "b.rs:0: the last line has no end"];
    assert_found(text::line_ends, &files, &wanted);
}

#[test]
fn links_must_lead_somewhere() {
    let text = "[a](b.md) [c](../x/d.rs) [e](#some-title-it-is) [f](https://example.org/f)\n\
                ## Some title, it is\n[bad](missing.md) [bad](b.md#nothing)\n";
    let files = [("x/a.md", text), ("x/b.md", ""), ("x/d.rs", "")];
    let wanted = [
        "x/a.md:3: the link to missing.md leads nowhere",
        "x/a.md:3: the link to b.md#nothing leads nowhere",
    ];
    assert_found(documents::links, &files, &wanted);
}

#[test]
fn options_in_the_readme_must_exist() {
    let readme = "cargo run --release -- serve --state-dir x --gone\n| `--lease SECONDS` | x |\n";
    let args = "struct Serve { state_dir: PathBuf }";
    let files = [("README.md", readme), ("crates/cli/src/args.rs", args)];
    let wanted = [
        "README.md:1: crates/cli/src/args.rs knows no option --gone",
        "README.md:2: crates/cli/src/args.rs knows no option --lease",
    ];
    assert_found(documents::serve_options, &files, &wanted);
}

#[test]
fn tasks_in_documents_must_exist() {
    let bad = format!("run `cargo {} brew`, then `cargo xtask tidy`.\n", "xtask");
    let wanted = ["a.md:1: there is no cargo xtask brew"];
    assert_found(documents::xtask_commands, &[("a.md", &bad)], &wanted);
}

#[test]
fn exceptions_must_be_whole() {
    let good = "[[exception]]\nsection = \"RFC 8881 §1\"\nwhat = \"W\"\nreason = \"R\"\n";
    let bad = "[[exception]]\nsection = \"8881\"\nwhat = \"W\"\n";
    let text = format!("{good}{bad}");
    let wanted = [
        "specs/exceptions.toml:5: has no reason",
        "specs/exceptions.toml:5: a section looks like `RFC 8881 §18.10`",
    ];
    assert_found(documents::exceptions, &[("specs/exceptions.toml", &text)], &wanted);
}

#[test]
fn the_simulator_must_not_know_the_bugs_it_looks_for() {
    let bugs = "match self {\n    Self::LostReply => \"lost-reply\",\n}\n";
    let checker = "//! Finds lost-reply.\nuse holdfast_server::bugs;\nif on(Bug::LostReply) {}\n\
                   fn lost_reply() {}\n// All debugs, and lost-replys, are fine.\n";
    let files = [
        ("crates/engine/src/bugs.rs", bugs),
        ("crates/sim/src/checkers/a.rs", checker),
        ("crates/sim/src/main.rs", checker),
        ("crates/server/src/lib.rs", checker),
    ];
    let found = found(sim::known_bugs, &files);
    let lines = ["1: `lost-reply`", "2: `bugs`", "3: `LostReply`", "4: `lost_reply`"];
    assert_eq!(found.len(), lines.len(), "{found:?}");
    for (found, line) in found.iter().zip(lines) {
        assert!(found.starts_with(&format!("crates/sim/src/checkers/a.rs:{line}")), "{found}");
    }
    assert_eq!(self::found(sim::known_bugs, &[]).len(), 1, "a rule that finds no bug says so");
    let none = [("crates/engine/src/bugs.rs", "")];
    assert_eq!(self::found(sim::known_bugs, &none).len(), 1);
}
