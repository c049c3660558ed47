//! The `tidelock` command: its arguments, its words, and the commands behind them.
#![forbid(unsafe_code)]
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
use std::ffi::OsString;

/// The whole command line, for completions, manual pages and tests.
pub fn command() -> clap::Command {
    args::Cli::command()
}

/// Runs the command that `args` give, the program's name first; its exit code is the result. Programs that bring the
/// command along, such as the Python package, call it on their main thread and end with that code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    dump_no_core();
    let args: Vec<OsString> = args.into_iter().collect();
    let command = command();
    let words = args::values_behind_options(&command, args.clone());
    let parsed = command.try_get_matches_from(words).and_then(|matches| args::Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => exit::code(cli.global.json, commands::run(cli)),
        Err(error) if error.use_stderr() && asks_for_json(&args) => exit::code(true, Err(exit::usage(&error).into())),
        Err(error) => {
            // Nobody is left to tell it to.
            let _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(1)
        }
    }
}

/// A core dump, or a debugger of the same user, would have the vault's keys.
fn dump_no_core() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Where it can't be set, an administrator's own limit stands.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Whether the command line, which can't be parsed, has `--json` among its options.
fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}
