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
    if weakened {
        return process::run(&mut built.test("tests/sim", "hostile")?.command());
    }
    // Worlds come and go by the dozen a second: what one gives back the next one takes, a tenth faster than from the system.
    process::run(Command::new(built.program("sim")?).args(words).env("MIMALLOC_PURGE_DELAY", "10000"))
}

/// The compiler that builds this workspace's packages with the planted bugs in.
fn planted_rustc() -> Outcome<PathBuf> {
    process::run(&mut packages::cargo(&["build", "--quiet", "--package", "xtask", "--bin", "planted-rustc"])?)?;
    Ok(test::target_folder()?.join("debug/planted-rustc"))
}
