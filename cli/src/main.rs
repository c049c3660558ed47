//! The `tidelock` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidelock_cli::main(std::env::args_os()).into()
}
