//! `cargo xtask test`: runs the suites one after another, each to its end whatever the others did.

use crate::suites::{SUITES, Step, Suite};
use crate::{Outcome, process, servers};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

/// Prints the suites.
pub(crate) fn list() {
    for suite in SUITES {
        println!("{:12} {}{}", suite.name, suite.proves, if suite.is_slow { " (with --all)" } else { "" });
    }
}

/// Runs the named suites, or those that run by default; with `all` every one. Ends with how long each step took and a line `N passed, N failed`; any failure is an error.
pub(crate) fn run(names: &[String], all: bool) -> Outcome<()> {
    let mut passed = 0;
    let mut failures = Vec::new();
    let mut minutes = Vec::new();
    let suites = chosen(names, all)?;
    servers::build_ahead(servers_of(&suites));
    for suite in &suites {
        println!("\n━━ {}: {}", suite.name, suite.proves);
        match run_suite(suite, &mut minutes) {
            Ok(()) => passed += 1,
            Err(problem) => {
                eprintln!("━━ {} failed: {problem}", suite.name);
                failures.push(format!("{}: {problem}", suite.name));
            }
        }
        if process::interrupted() {
            break;
        }
    }
    println!("\n{}", minutes.join("\n"));
    println!("{}", closing_line(passed, failures.len()));
    if process::interrupted() {
        failures.push("interrupted".into());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nxtask: ")) }
}

/// The suites of these names in the table's order; if there is no name, the default ones or all.
fn chosen(names: &[String], all: bool) -> Outcome<Vec<&'static Suite>> {
    if let Some(unknown) = names.iter().find(|name| SUITES.iter().all(|suite| suite.name != **name)) {
        let known: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        return Err(format!("no suite `{unknown}`: there are {}", known.join(", ")));
    }
    let is_chosen = |suite: &&Suite| match names.is_empty() {
        true => all || !suite.is_slow,
        false => names.iter().any(|name| name == suite.name),
    };
    Ok(SUITES.iter().filter(is_chosen).collect())
}

/// The servers that suites need, each once, in the order they are needed.
fn servers_of(suites: &[&Suite]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in suites.iter().flat_map(|suite| suite.steps).flat_map(|step| step.servers) {
        if !names.contains(name) {
            names.push(*name);
        }
    }
    names
}

fn closing_line(passed: usize, failed: usize) -> String {
    format!("{passed} passed, {failed} failed")
}

/// Runs a suite up to its first step that fails, and notes how long everything took.
fn run_suite(suite: &Suite, minutes: &mut Vec<String>) -> Outcome<()> {
    let start = Instant::now();
    let mut folders = Vec::new();
    for need in suite.needs {
        folders.extend(need.provide()?);
    }
    let path = path_with(folders)?;
    minutes.push(minutes_line(suite.name, start, "what it needs"));
    for step in suite.steps {
        println!("── {}", step.command);
        let start = Instant::now();
        let outcome = run_step(step, &path);
        minutes.push(minutes_line(suite.name, start, step.command));
        outcome?;
    }
    Ok(())
}

fn minutes_line(suite: &str, start: Instant, what: &str) -> String {
    format!("{suite:12} {:5.1} min  {what}", start.elapsed().as_secs_f64() / 60.0)
}

fn run_step(step: &Step, path: &OsString) -> Outcome<()> {
    let mut words = step.command.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    process::forget_own_package(&mut command);
    command.args(words).envs(step.env.iter().copied()).env("PATH", path).current_dir(workspace());
    command.env("CARGO_TARGET_DIR", target_folder()?); // programs other than cargo look there too
    servers::run_beside(step.servers, &mut command)
}

/// Cargo's target folder: this program lies in `debug/` there.
pub(crate) fn target_folder() -> Outcome<PathBuf> {
    let program = std::env::current_exe().map_err(|error| format!("this program is nowhere: {error}"))?;
    Ok(program.ancestors().nth(2).ok_or("this program lies in no target folder")?.to_owned())
}

/// `PATH` with folders before it.
pub(crate) fn path_with(mut folders: Vec<PathBuf>) -> Outcome<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    std::env::join_paths(folders).map_err(|error| format!("PATH can't name the cache: {error}"))
}

/// The workspace's folder. Asked of the cargo that runs this, not of the one that built it: clones may share a target folder.
pub(crate) fn workspace() -> &'static Path {
    static XTASK: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).into()
    });
    XTASK.parent().expect("xtask/ lies in the workspace's folder")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn names(suites: &[&Suite]) -> Vec<&'static str> {
        suites.iter().map(|suite| suite.name).collect()
    }

    #[test]
    fn no_name_means_every_suite_and_an_unknown_one_none() {
        assert_eq!(chosen(&[], true).map(|all| all.len()), Ok(SUITES.len()));
        let by_default = chosen(&[], false).expect("all exist");
        assert!(!by_default.is_empty() && by_default.iter().all(|suite| !suite.is_slow));
        let slow = chosen(&["ceph".into()], false).expect("it exists");
        assert_eq!(names(&slow), ["ceph"], "a name is enough");
        let two = chosen(&["unit".into(), "lint".into()], false).expect("both exist");
        assert_eq!(names(&two), ["lint", "unit"]);
        let error = chosen(&["lint".into(), "linted".into()], false).err().expect("there is no such suite");
        assert!(error.contains("`linted`") && error.contains("conformance"), "{error}");
    }

    #[test]
    fn each_row_can_run() {
        let mut seen = BTreeSet::new();
        for suite in SUITES {
            assert!(seen.insert(suite.name), "{} twice", suite.name);
            assert!(!suite.steps.is_empty(), "{} does nothing", suite.name);
            for server in suite.steps.iter().flat_map(|step| step.servers) {
                assert!(servers::NAMES.contains(server), "{server}");
            }
        }
    }

    #[test]
    fn servers_are_built_for_the_suites_that_run() {
        let suites = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            servers_of(&chosen(&names, false).expect("they exist"))
        };
        assert_eq!(suites(&["lint", "unit"]), [""; 0]);
        assert_eq!(suites(&["kotlin", "conformance"]), ["versitygw", "minio", "moto", "rclone"]);
    }

    #[test]
    fn the_closing_line_has_its_form() {
        assert_eq!(closing_line(6, 0), "6 passed, 0 failed");
        assert_eq!(closing_line(4, 2), "4 passed, 2 failed");
    }
}
