//! `cargo xtask sim`: many seeds of the simulator, with planted bugs in a build of its own; and the attacks on engines that
//! lack a check, which only that build can be.

use crate::{Outcome, process, test};
use std::process::Command;

/// Runs the simulator's program with these words. A planted bug needs the build that has them.
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    let weakened = words == ["--weakened"];
    let mut sim = Command::new("cargo");
    if weakened {
        sim.args(["test", "--package", "tidelock-sim", "--test", "hostile"]);
    } else {
        sim.args(["run", "--quiet", "--package", "tidelock-sim", "--bin", "sim", "--"]).args(words);
    }
    if weakened || words.iter().any(|word| word == "--planted") {
        let mut wrapper = Command::new("cargo");
        wrapper.args(["build", "--quiet", "--package", "xtask", "--bin", "planted-rustc"]);
        process::run(in_workspace(&mut wrapper)?)?;
        sim.env("RUSTC_WORKSPACE_WRAPPER", test::target_folder()?.join("debug/planted-rustc"));
    }
    process::run(in_workspace(&mut sim)?)
}

fn in_workspace(command: &mut Command) -> Outcome<&mut Command> {
    process::forget_own_package(command);
    Ok(command.current_dir(test::workspace()).env("CARGO_TARGET_DIR", test::target_folder()?))
}
