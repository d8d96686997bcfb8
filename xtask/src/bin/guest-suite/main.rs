//! The mount test: runs in the guest, mounts a server with the kernel's client and uses it as
//! programs use a file system. One line a step; the first failure ends it.
//!
//! Run as `guest-suite HOST PORT EXPORT VERS [OPTION]...`; the options are in `options.rs`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod check;
mod content;
mod data;
mod exports;
mod links;
mod listing;
mod mount;
mod names;
mod options;
mod other_user;
mod restarts;
mod tree;
mod users;
mod xattrs;

use std::process::ExitCode;
use std::time::Instant;

use mount::Mount;
use options::Options;

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
    ("exclusive create", names::exclusive_create),
    ("remove an open file", names::remove_open_file),
    ("hard link", links::hard_link),
    ("symbolic links", links::symbolic_links),
    ("fifo", links::fifo),
    ("extended attributes", xattrs::keep),
    ("folder of many entries", listing::many_entries),
    ("list while removing", listing::remove_while_listing),
    ("truncate", data::truncate),
    ("append through two descriptors", data::append),
    ("sparse file", data::sparse),
    ("overlapping writes", data::overlapping_writes),
    ("large file", data::large),
    ("free space", data::free_space),
    ("modes and times", users::modes_and_times),
    ("times of now", users::times_of_now),
];

/// What needs a server that can act for more than one user.
const USER_STEPS: Steps = &[
    ("owners", users::owners),
    ("refusals to another user", users::refusals),
    ("group rights", users::group_rights),
    ("folder with the set-group-id bit", users::inherited_group),
    ("folder with the sticky bit", users::sticky_folder),
    ("set-user-id bit is lost on a write", users::lost_privilege),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((word, rest)) if word == other_user::COMMAND => other_user::main(rest),
        Some((word, rest)) if word == restarts::COMMAND => restarts::main(rest),
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

fn suite(args: &[String]) -> Step {
    let options = Options::parse(args)?;
    let begin = Instant::now();
    let mut count = 0;
    let mut step = |name: &str, run: &mut dyn FnMut() -> Step| -> Step {
        let begin = Instant::now();
        let outcome = run();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<40} {verdict:<6} {:>6} ms", begin.elapsed().as_millis());
        count += 1;
        outcome.map_err(|error| format!("{name}: {error}").into())
    };
    let mut mount = None;
    step("mount", &mut || {
        let main = mount.insert(Mount::new(&options, &options.export, "/mnt/main")?);
        main.begin()
    })?;
    let mount = mount.ok_or("not mounted")?;
    for (name, run) in STEPS {
        step(name, &mut || run(&mount))?;
    }
    if options.one_user {
        println!("the server acts as one user: {} steps are left out", USER_STEPS.len());
    } else {
        for (name, run) in USER_STEPS {
            step(name, &mut || run(&mount))?;
        }
    }
    step("remove all of it", &mut || mount.end())?;
    step("unmount", &mut || mount.unmount())?;
    exports::steps(&options, &mut step)?;
    println!("{count} steps, {} s", begin.elapsed().as_secs());
    Ok(())
}
