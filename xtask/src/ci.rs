//! `ci`: everything a change must pass, in the order in which it is cheap.

use std::process::Command;
use std::time::Instant;

use crate::{Outcome, process};

pub(crate) const HELP: &str = "\
ci [--no-tests] [--no-guest]
    fmt, clippy, doc, tidy, the tests, shuttle, the simulator, the mount tests, a power cut;
    stops at the first that fails.";

/// The command of the README, which `.ci/run` runs by itself.
const TESTS: [&str; 2] = ["test", "--workspace"];

/// The server's code on threads whose order is chance's.
const SHUTTLE: [&str; 7] =
    ["test", "--package", "holdfast-server", "--features", "shuttle", "--test", "shuttle"];

/// Connections go on to another event loop after each record.
const ROAMING: [&str; 3] = ["test", "--package", "holdfast-net"];

/// The simulator over as many seeds as there is time for; the soak has more.
const SIM: [&str; 7] = ["run", "--release", "--package", "holdfast-sim", "--", "--runs", "500"];

struct Step {
    name: &'static str,
    run: fn() -> Outcome,
}

const CHECKS: [Step; 4] = [
    Step { name: "fmt", run: || cargo(&["fmt", "--all", "--check"], &[]) },
    Step { name: "clippy", run: clippy },
    Step { name: "doc", run: doc },
    Step { name: "tidy", run: || crate::tidy::main(&[]) },
];

pub(crate) fn main(args: &[String]) -> Outcome {
    let (mut tests, mut guest) = (true, true);
    for arg in args {
        match arg.as_str() {
            "--no-tests" => tests = false,
            "--no-guest" => guest = false,
            _ => return Err(format!("{arg}?\nusage:\n{HELP}").into()),
        }
    }
    let begin = Instant::now();
    let tests = tests.then_some(Step { name: "tests", run: || cargo(&TESTS, &[]) });
    let guest = guest.then_some([
        Step { name: "guest-test", run: || crate::guest_test::main(&[]) },
        Step { name: "guest-pair", run: || crate::guest_test::pair::main(&[]) },
        Step { name: "guest-restarts", run: || crate::guest_test::restarts::main(&[]) },
        Step { name: "power-loss", run: power_loss },
    ]);
    let threads = [
        Step { name: "roaming", run: || cargo(&ROAMING, &[("HOLDFAST_TEST_ROAM", "1")]) },
        Step { name: "shuttle", run: || cargo(&SHUTTLE, &[]) },
        Step { name: "simulator", run: || cargo(&SIM, &[]) },
    ];
    for step in CHECKS.into_iter().chain(tests).chain(threads).chain(guest.into_iter().flatten()) {
        let status = timed(&step)?;
        if status != 0 {
            return Ok(status);
        }
    }
    println!("ci: all passed, {:.1} s", begin.elapsed().as_secs_f64());
    Ok(0)
}

fn timed(step: &Step) -> Outcome {
    println!("ci: {} ...", step.name);
    let begin = Instant::now();
    let outcome = (step.run)();
    let verdict = if matches!(outcome, Ok(0)) { "passed" } else { "FAILED" };
    println!("ci: {} {verdict}, {:.1} s", step.name, begin.elapsed().as_secs_f64());
    outcome
}

/// One cut; the soak has more.
fn power_loss() -> Outcome {
    crate::power_loss::main(&["--cuts".to_owned(), "1".to_owned()])
}

fn clippy() -> Outcome {
    let what = ["clippy", "--workspace", "--all-targets", "--all-features", "--quiet"];
    cargo(&[&what[..], &["--", "-D", "warnings"]].concat(), &[])
}

fn doc() -> Outcome {
    let what = ["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
    cargo(&what, &[("RUSTDOCFLAGS", "-D warnings")])
}

fn cargo(args: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command: Command = process::cargo();
    process::run(command.args(args).envs(variables.iter().copied()))?;
    Ok(0)
}
