//! `hist`: a device's shell history, in step with the others'.
#![forbid(unsafe_code)]

mod commands;

use clap::Parser as _;
use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        // Whoever read the output has had enough.
        Err(commands::Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("hist: {stop}");
            ExitCode::FAILURE
        }
    }
}
