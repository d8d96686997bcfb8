//! `holdfast-sim`: runs seeds, or one seed with its trace.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program reports")]
#![expect(clippy::disallowed_methods, reason = "the rate is measured in real time")]
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use holdfast_sim::journal::Tracing;
use holdfast_sim::options::Options;
use holdfast_sim::report::Report;
use holdfast_sim::rng::Rng;
use holdfast_sim::run::{self, Outcome};

const USAGE: &str = "\
holdfast-sim --seed N            runs one seed and prints its trace
holdfast-sim --runs N [--from N] runs N seeds, from 1 or the one given
holdfast-sim --time S [--from N] runs seeds for S seconds
  --keep-going                   goes on after a failure
  --bug NAME                     with a known bug on (only built with the feature `bugs`)
";

/// Runs from which on every listed kind must have happened.
const SOAK: u64 = 1000;

/// Lines of the trace that are printed with a failure.
const LAST_LINES: usize = 80;

#[derive(Default)]
struct Args {
    seed: Option<u64>,
    runs: Option<u64>,
    time: Option<Duration>,
    from: u64,
    keep_going: bool,
}

fn parse() -> Option<Args> {
    let mut args = Args { from: 1, ..Args::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u64>().ok();
        match word.as_str() {
            "--seed" => args.seed = Some(number()?),
            "--runs" => args.runs = Some(number()?),
            "--time" => args.time = Some(Duration::from_secs(number()?)),
            "--from" => args.from = number()?,
            "--keep-going" => args.keep_going = true,
            "--bug" => switch_on(&words.next()?)?,
            _ => return None,
        }
    }
    (args.seed.is_some() || args.runs.is_some() || args.time.is_some()).then_some(args)
}

#[cfg(feature = "bugs")]
fn switch_on(name: &str) -> Option<()> {
    use holdfast_server::bugs::{self, Bug};
    let bug = Bug::ALL.into_iter().find(|bug| bug.name() == name)?;
    bugs::switch_on(Some(bug));
    Some(())
}

#[cfg(not(feature = "bugs"))]
const fn switch_on(_: &str) -> Option<()> {
    None
}

fn main() -> ExitCode {
    let Some(args) = parse() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match args.seed {
        Some(seed) => replay(seed),
        None => soak(&args),
    }
}

fn replay(seed: u64) -> ExitCode {
    print!("seed {seed}\n{}", Options::draw(&mut Rng::new(seed).split(1)));
    let outcome = run::run(seed, Tracing::All);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    println!("digest {:016x}", outcome.digest);
    verdict(&outcome)
}

fn verdict(outcome: &Outcome) -> ExitCode {
    for violation in &outcome.violations {
        println!("FAILED {}: {}", violation.checker, violation.message);
    }
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak(args: &Args) -> ExitCode {
    let began = Instant::now();
    let mut report = Report::default();
    let mut seed = args.from;
    while args.runs.is_none_or(|runs| report.runs < runs)
        && args.time.is_none_or(|time| began.elapsed() < time)
    {
        let outcome = run::run(seed, Tracing::Off);
        report.add(&outcome);
        if !outcome.violations.is_empty() {
            failed(seed, !args.keep_going);
            if !args.keep_going {
                break;
            }
        }
        seed += 1;
    }
    let took = began.elapsed().as_secs_f64();
    print!("seeds {} to {}: {report}", args.from, args.from + report.runs.saturating_sub(1));
    let (runs, operations) = (report.runs as f64, report.operations() as f64);
    println!(
        "{:.0} runs a minute, {:.0} operations a second",
        runs * 60.0 / took,
        operations / took
    );
    let missing = if report.runs >= SOAK { report.missing() } else { Vec::new() };
    for (group, kind) in &missing {
        println!("NEVER {group}: {kind}");
    }
    if !report.failed.is_empty() {
        println!("FAILED {} seeds: {:?}", report.failed.len(), report.failed);
    }
    let clean = report.failed.is_empty() && missing.is_empty();
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a failing seed again for its trace.
fn failed(seed: u64, whole: bool) {
    let outcome = run::run(seed, Tracing::Last);
    println!("seed {seed}");
    if whole {
        print!("{}", outcome.options);
        let skip = outcome.lines.len().saturating_sub(LAST_LINES);
        outcome.lines.iter().skip(skip).for_each(|line| println!("{line}"));
    }
    verdict(&outcome);
}
