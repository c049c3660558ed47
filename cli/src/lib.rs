//! The `tidelock` command: its arguments, its words, and the commands behind them.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod args;
mod commands;
mod config;
mod context;
mod demo;
mod exit;
mod history;
mod input;
mod keys;
mod output;
mod progress;
pub mod serve;
mod signer;

use clap::{CommandFactory as _, FromArgMatches as _};
use std::process::ExitCode;

/// The whole command line, for completions, manual pages and tests.
pub fn command() -> clap::Command {
    args::Cli::command()
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    match args::Cli::from_arg_matches(&matches) {
        Ok(cli) => exit::code(cli.global.json, commands::run(cli)),
        Err(error) => error.exit(),
    }
}
