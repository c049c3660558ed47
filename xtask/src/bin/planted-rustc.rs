//! rustc with `--cfg tidelock_planted`. Named in `RUSTC_WORKSPACE_WRAPPER`, it builds this workspace's own packages with the
//! planted bugs in, apart from the usual ones; others' crates are shared by both.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(rustc) = words.next() else {
        eprintln!("planted-rustc: cargo runs this, as RUSTC_WORKSPACE_WRAPPER");
        return ExitCode::FAILURE;
    };
    match Command::new(&rustc).args(words).args(["--cfg", "tidelock_planted"]).status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("planted-rustc: {} does not start: {error}", rustc.display());
            ExitCode::FAILURE
        }
    }
}
