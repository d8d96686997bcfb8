//! Development tasks: `cargo xtask COMMAND`. One module a command.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod ci;
mod guest;
mod guest_test;
mod power_loss;
mod process;
mod soak;
mod tidy;
mod toml;

use std::path::Path;
use std::process::ExitCode;

/// What a command answers: the exit status, or why it could not do its work.
type Outcome = Result<u8, Box<dyn std::error::Error>>;

struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: [Command; 8] = [
    Command { name: "ci", help: ci::HELP, run: ci::main },
    Command { name: "tidy", help: tidy::HELP, run: tidy::main },
    Command { name: "guest", help: guest::HELP, run: guest::main },
    Command { name: "guest-test", help: guest_test::HELP, run: guest_test::main },
    Command { name: "guest-pair", help: guest_test::pair::HELP, run: guest_test::pair::main },
    Command {
        name: "guest-restarts",
        help: guest_test::restarts::HELP,
        run: guest_test::restarts::main,
    },
    Command { name: "power-loss", help: power_loss::HELP, run: power_loss::main },
    Command { name: "soak", help: soak::HELP, run: soak::main },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let named = args.first().and_then(|name| COMMANDS.iter().find(|c| c.name == name));
    let Some(command) = named else {
        eprintln!("usage: cargo xtask COMMAND");
        for command in &COMMANDS {
            eprintln!("\n{}", command.help);
        }
        return ExitCode::from(2);
    };
    match (command.run)(&args[1..]) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("xtask {}: {error}", command.name);
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}
