//! The mount test: runs in the guest, mounts a server with the kernel's client and uses it as
//! programs use a file system. One line a step.
//!
//! Run as `guest-suite HOST PORT EXPORT VERS [OPTION]...`, or without any server, to test the
//! steps themselves, as `guest-suite local FOLDER [OPTION]...`; the options are in `options.rs`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod check;
mod content;
mod copies;
mod data;
mod exports;
mod holes;
mod links;
mod listing;
mod matrix;
mod mount;
mod names;
mod nested;
mod nodes;
mod options;
mod other_user;
mod pair;
mod permissions;
mod restarts;
mod set_id;
#[allow(unsafe_code)]
mod sys;
mod times;
mod transfer;
mod tree;
mod users;
mod xattrs;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use mount::Mount;
use options::{Options, REPORT};

/// Why a step failed.
type Failure = Box<dyn std::error::Error>;
/// What a step answers.
type Step = Result<(), Failure>;

type Steps = &'static [(&'static str, fn(&Mount) -> Step)];

/// What every file system must do.
const STEPS: Steps = &[
    ("unpack, drop caches, compare", tree::unpack_and_compare),
    ("rename a file", names::rename_file),
    ("rename over another file", names::rename_over),
    ("rename a folder", names::rename_folder),
    ("refused renames", names::refused_renames),
    ("refused names", names::refused_names),
    ("longest name", names::longest_name),
    ("name that is not UTF-8", names::not_utf8),
    ("bytes of names", names::bytes_of_names),
    ("rename of every kind over every kind", matrix::renames),
    ("odd renames", matrix::odd_renames),
    ("link counts", matrix::counts),
    ("link of every kind as every kind", matrix::links),
    ("exclusive create", names::exclusive_create),
    ("remove an open file", names::remove_open_file),
    ("hard link", links::hard_link),
    ("symbolic links", links::symbolic_links),
    ("fifo", links::fifo),
    ("socket", nodes::socket),
    ("folder of many entries", listing::many_entries),
    ("list while removing", listing::remove_while_listing),
    ("change while listing", listing::change_while_listing),
    ("truncate", data::truncate),
    ("append through two descriptors", data::append),
    ("sparse file", data::sparse),
    ("overlapping writes", data::overlapping_writes),
    ("large file", data::large),
    ("direct transfer", transfer::direct),
    ("shared memory", transfer::mapped),
    ("data and holes", holes::data_and_holes),
    ("punch a hole", holes::punch),
    ("preallocation", holes::preallocate),
    ("clone", copies::clone),
    ("copy", copies::copy),
    ("extended attributes", xattrs::attributes),
    ("free space", data::free_space),
    ("modes and times", users::modes_and_times),
    ("times of now", users::times_of_now),
    ("times of access and modification", times::omit_and_now),
    ("what moves the time of modification", times::modification),
    ("what moves the time of a folder", times::of_folders),
    ("what moves the time of change", times::change),
    ("umask", permissions::umask),
];

/// What needs a server that can act for more than one user.
const USER_STEPS: Steps = &[
    ("owners", users::owners),
    ("refusals to another user", users::refusals),
    ("group rights", users::group_rights),
    ("folder with the set-group-id bit", users::inherited_group),
    ("folder with the sticky bit", users::sticky_folder),
    ("set-user-id bit is lost on a write", users::lost_privilege),
    ("set-id bits fall", set_id::fall),
    ("modes, as four users", permissions::modes),
    ("changes, as four users", permissions::changes),
    ("sticky bit, as four users", permissions::sticky),
    ("rights to extended attributes", xattrs::rights),
    ("devices", nodes::devices),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((word, rest)) if word == other_user::COMMAND => other_user::main(rest),
        Some((word, rest)) if word == restarts::COMMAND => restarts::main(rest),
        Some((word, rest)) if word == pair::COMMAND => pair::main(rest),
        Some((word, rest)) if word == pair::HOLD => pair::hold(rest),
        _ => suite(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest-suite: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts steps, and tells of each.
struct Report {
    only: Option<String>,
    passed: usize,
    failed: Vec<String>,
    begin: Instant,
}

impl Report {
    /// Runs a step. One that fails does not keep the others from being tested.
    fn step(&mut self, name: &str, run: &mut dyn FnMut() -> Step) {
        if self.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            return;
        }
        let begin = Instant::now();
        let outcome = run();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<40} {verdict:<6} {:>6} ms", begin.elapsed().as_millis());
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("    {error}");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// How many passed in what time, and which did not.
    fn summary(&self) -> String {
        let (passed, seconds) = (self.passed, self.begin.elapsed().as_secs());
        let mut summary = format!("{passed} steps passed, {seconds} s");
        if !self.failed.is_empty() {
            let failed = self.failed.join("; ");
            write!(summary, "; {} FAILED: {failed}", self.failed.len()).expect("a string grows");
        }
        summary
    }
}

fn suite(args: &[String]) -> Step {
    let options = Options::parse(args)?;
    let only = options.only.clone();
    let mut report = Report { only, passed: 0, failed: Vec::new(), begin: Instant::now() };
    if let Err(error) = all_steps(&options, &mut report) {
        report.failed.push(error.to_string());
    }
    let summary = report.summary();
    println!("{summary}");
    if let Some(name) = &options.report {
        let mut file = OpenOptions::new().append(true).create(true).open(REPORT)?;
        writeln!(file, "{name}: {summary}")?;
    }
    if report.failed.is_empty() { Ok(()) } else { Err("not all steps passed".into()) }
}

fn all_steps(options: &Options, report: &mut Report) -> Step {
    let mount = Mount::new(options, &options.export, "/mnt/main")?;
    mount.begin()?;
    for (name, run) in STEPS {
        report.step(name, &mut || run(&mount));
    }
    if options.one_user {
        println!("the server acts as one user: {} steps are left out", USER_STEPS.len());
    } else {
        for (name, run) in USER_STEPS {
            report.step(name, &mut || run(&mount));
        }
    }
    mount.end()?;
    mount.unmount()?;
    exports::steps(options, &mut |name, run| report.step(name, run));
    Ok(())
}
