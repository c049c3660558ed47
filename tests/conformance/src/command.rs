//! The `tidelock` command, built beside this package's tests, which run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidelock_cli::main(std::env::args_os()).into()
}
