//! Tests and programs of single packages, out of one build of the workspace's default members.
//!
//! `cargo test --package` of one after another would compile nearly everything several times: cargo gives others' crates the
//! features that the named packages ask for, and those differ.

use crate::{Outcome, process, test};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the tests of the packages in these folders, or of all others, each to its end. Tests of documentation are not among
/// them: `cargo test --doc` has them.
pub(crate) fn run(folders: &[String], all_but: bool) -> Outcome<()> {
    let built = build(&[], None)?;
    if let Some(unknown) = folders.iter().find(|folder| built.tests.iter().all(|test| test.package != **folder)) {
        return Err(format!("no package with tests lies in `{unknown}`"));
    }
    let mut failed = Vec::new();
    for test in built.tests.iter().filter(|test| folders.contains(&test.package) != all_but) {
        println!("── {} · {}", test.package, test.name);
        if process::run(&mut test.command()).is_err() {
            failed.push(format!("{} · {}", test.package, test.name));
        }
        if process::interrupted() {
            return Err("interrupted".into());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// What a build of tests made.
pub(crate) struct Built {
    tests: Vec<Test>,
    programs: Vec<PathBuf>,
}

/// One program with tests.
pub(crate) struct Test {
    /// The package's folder in the workspace.
    package: String,
    /// The test's, the library's or the program's name.
    name: String,
    program: PathBuf,
}

impl Test {
    /// Runs it where cargo would.
    pub(crate) fn command(&self) -> Command {
        let folder = test::workspace().join(&self.package);
        let mut command = Command::new(&self.program);
        process::forget_own_package(&mut command);
        command.current_dir(&folder).env("CARGO_MANIFEST_DIR", folder);
        command
    }
}

/// `cargo …` in the workspace, into the target folder of this program.
pub(crate) fn cargo(words: &[&str]) -> Outcome<Command> {
    let mut cargo = Command::new("cargo");
    process::forget_own_package(&mut cargo);
    cargo.args(words).current_dir(test::workspace()).env("CARGO_TARGET_DIR", test::target_folder()?);
    Ok(cargo)
}

/// Builds the tests of the default members, or those that these words of `cargo test` choose, and the programs of their packages;
/// with this wrapper around the compiler of the workspace's own packages.
pub(crate) fn build(words: &[&str], wrapper: Option<&Path>) -> Outcome<Built> {
    let output = tempfile::NamedTempFile::new().map_err(|error| format!("no temporary file: {error}"))?;
    let stdout = output.reopen().map_err(|error| format!("no temporary file: {error}"))?;
    let mut cargo = cargo(&["test", "--no-run", "--message-format=json-render-diagnostics"])?;
    cargo.args(words).envs(wrapper.map(|wrapper| ("RUSTC_WORKSPACE_WRAPPER", wrapper)));
    process::run(cargo.stdout(stdout))?;
    let messages = std::fs::read_to_string(output.path()).map_err(|error| format!("cargo's output: {error}"))?;
    read(&messages, test::workspace())
}

impl Built {
    /// The program of this name.
    pub(crate) fn program(&self, name: &str) -> Outcome<&Path> {
        let program = self.programs.iter().find(|program| program.file_name() == Some(OsStr::new(name)));
        program.map(PathBuf::as_path).ok_or_else(|| format!("cargo built no program `{name}`"))
    }

    /// The program with the tests of this name in the package in this folder.
    pub(crate) fn test(&self, package: &str, name: &str) -> Outcome<&Test> {
        let test = self.tests.iter().find(|test| test.package == package && test.name == name);
        test.ok_or_else(|| format!("cargo built no test `{name}` in {package}"))
    }
}

/// The programs that cargo's messages name, of packages in this folder.
fn read(messages: &str, workspace: &Path) -> Outcome<Built> {
    let mut built = Built { tests: Vec::new(), programs: Vec::new() };
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).map_err(|error| format!("cargo's message is not read: {error}: {line}"))?;
        let Some(program) = message["executable"].as_str().map(PathBuf::from) else { continue };
        if message["profile"]["test"] != true {
            built.programs.push(program);
            continue;
        }
        let folder = message["manifest_path"].as_str().and_then(|path| Path::new(path).parent());
        let package = folder.and_then(|folder| folder.strip_prefix(workspace).ok()).and_then(Path::to_str);
        let (Some(package), Some(name)) = (package, message["target"]["name"].as_str()) else {
            return Err(format!("cargo's message names no package of the workspace: {line}"));
        };
        built.tests.push(Test { package: package.into(), name: name.into(), program });
    }
    // Cargo tells them as they are done.
    built.tests.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_programs_are_told_apart() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/w/core/Cargo.toml","target":{"kind":["lib"],"name":"core"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/tests/sim/Cargo.toml","target":{"kind":["bin"],"name":"sim"},"profile":{"test":false},"executable":"/t/debug/sim"}
{"reason":"compiler-artifact","manifest_path":"/w/tests/sim/Cargo.toml","target":{"kind":["test"],"name":"world"},"profile":{"test":true},"executable":"/t/debug/deps/world-1"}
{"reason":"build-finished","success":true}"#;
        let built = read(messages, Path::new("/w")).expect("these are cargo's messages");
        assert_eq!(built.program("sim"), Ok(Path::new("/t/debug/sim")));
        assert_eq!(built.test("tests/sim", "world").map(|test| &*test.program), Ok(Path::new("/t/debug/deps/world-1")));
        assert!(built.program("world").is_err());
        assert!(built.test("tests/sim", "sim").is_err());
        assert!(read(messages, Path::new("/elsewhere")).is_err());
        assert!(read("warning: not a message", Path::new("/w")).is_err());
    }
}
