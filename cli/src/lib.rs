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
mod spoken;
mod spool;

use clap::{CommandFactory as _, FromArgMatches as _};
use std::process::ExitCode;

/// The whole command line, for completions, manual pages and tests.
pub fn command() -> clap::Command {
    args::Cli::command()
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let command = command();
    let words = args::values_behind_options(&command, std::env::args_os().collect());
    let parsed = command.try_get_matches_from(words).and_then(|matches| args::Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => exit::code(cli.global.json, commands::run(cli)),
        Err(error) if error.use_stderr() && asks_for_json() => exit::code(true, Err(exit::usage(&error).into())),
        // Help and version are no errors, and print themselves.
        Err(error) => error.exit(),
    }
}

/// Whether the command line, which can't be parsed, has `--json` among its options.
fn asks_for_json() -> bool {
    std::env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json")
}
