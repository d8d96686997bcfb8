//! `holdfast`: an NFS server for a directory. What concerns the whole process is decided here and
//! nowhere else: its allocator, its signals, its limits, and where a panic is told.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod config;
mod export;
mod listen;
mod log;
mod nearest;
mod notify;
mod process;
mod reason;
mod report;
mod settings;
mod state_dir;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::log::error;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::tell_panics();
    let done = match Cli::parse().command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Check { config } => commands::check::run(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            error(format_args!("{why}"));
            ExitCode::FAILURE
        }
    }
}
