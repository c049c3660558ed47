//! `cargo xtask sim`: many seeds of the simulator, with planted bugs in a build of its own; and the attacks on engines that
//! lack a check, which only that build can be.

use crate::{Outcome, packages, process, test};
use std::path::PathBuf;
use std::process::Command;

/// Runs the simulator's program with these words. A planted bug needs the build that has them.
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    let weakened = words == ["--weakened"];
    let planted = weakened || words.iter().any(|word| word == "--planted");
    let wrapper = if planted { Some(planted_rustc()?) } else { None };
    // The package's programs are built with any of its tests.
    let built = packages::build(&["--test", "hostile"], wrapper.as_deref())?;
    let program = if weakened { built.test("tests/sim", "hostile")? } else { built.program("sim")? };
    let mut sim = Command::new(program);
    if weakened {
        let folder = test::workspace().join("tests/sim");
        sim.current_dir(&folder).env("CARGO_MANIFEST_DIR", folder);
    } else {
        sim.args(words);
    }
    process::run(&mut sim)
}

/// The compiler that builds this workspace's packages with the planted bugs in.
fn planted_rustc() -> Outcome<PathBuf> {
    let mut cargo = Command::new("cargo");
    process::forget_own_package(&mut cargo);
    cargo.args(["build", "--quiet", "--package", "xtask", "--bin", "planted-rustc"]);
    process::run(cargo.current_dir(test::workspace()).env("CARGO_TARGET_DIR", test::target_folder()?))?;
    Ok(test::target_folder()?.join("debug/planted-rustc"))
}
