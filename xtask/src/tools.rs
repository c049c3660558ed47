//! What suites and servers need on the machine: found, or installed at a pinned version, or named.

mod root;

use crate::{Outcome, process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something a suite can't run without.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// A program that the system provides, and Debian's package of it if that one is new enough.
    Program { name: &'static str, debian: Option<&'static str> },
    /// A compilation target of the pinned Rust toolchain.
    RustTarget(&'static str),
    /// A program that is built from a registry, into the cache.
    Tool(Tool),
}

/// A program of one exact version, built or taken from its registry.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// The binary's name.
    pub(crate) name: &'static str,
    /// The registry's exact version.
    pub(crate) version: &'static str,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// A registry that tools are built from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// crates.io; the crate has the tool's name.
    Crates,
    /// The Go module proxy; the path of the main package.
    Go(&'static str),
    /// PyPI; the package, in an environment of its own. Only the package's version is pinned, not those it asks for.
    PyPi(&'static str),
    /// Debian, in the system's own release; each program with its package.
    Debian(&'static [(&'static str, &'static str)]),
    /// Debian, in a root of another release, which the version names.
    DebianRoot {
        /// What is installed there.
        packages: &'static [&'static str],
        /// Other programs of it that are run, beside the tool itself.
        programs: &'static [&'static str],
    },
}

const GO: Need = Need::Program { name: "go", debian: None };
/// With `venv`, which Debian packs apart.
pub(crate) const PYTHON: Need = Need::Program { name: "python3", debian: Some("python3-venv") };

impl Need {
    /// Sees to it that it is there. Some: a folder to put on `PATH`.
    pub(crate) fn provide(self) -> Outcome<Option<PathBuf>> {
        match self {
            Self::Program { name, debian } => provide_program(name, debian).map(|()| None),
            Self::RustTarget(target) => provide_target(target).map(|()| None),
            Self::Tool(tool) => tool.provide().map(Some),
        }
    }
}

impl Tool {
    /// The folder that holds the program, which is built first if the cache lacks it.
    pub(crate) fn provide(self) -> Outcome<PathBuf> {
        match self.source {
            Source::Crates | Source::DebianRoot { .. } => {}
            Source::Go(_) => drop(GO.provide()?),
            Source::PyPi(_) => drop(PYTHON.provide()?),
            Source::Debian(programs) => {
                programs.iter().try_for_each(|(name, package)| provide_program(name, Some(package)))?;
                return Ok(PathBuf::from("/usr/bin"));
            }
        }
        let folder = cache()?.join("tools").join(format!("{}-{}", self.name, self.version));
        let bin = folder.join("bin");
        if bin.join(self.name).exists() {
            return Ok(bin);
        }
        let _turn = self.turn()?;
        if bin.join(self.name).exists() {
            return Ok(bin); // somebody else built it meanwhile
        }
        eprintln!("── building {} {} into the cache (once)", self.name, self.version);
        // Built aside and moved whole: an interrupted build leaves no half of a tool.
        let aside = tempfile::tempdir_in(cache()?).map_err(|error| format!("no folder in the cache: {error}"))?;
        match self.source {
            Source::Crates => self.cargo_install(aside.path())?,
            Source::Go(package) => self.go_install(package, aside.path())?,
            Source::PyPi(package) => self.pip_install(package, aside.path())?,
            Source::DebianRoot { packages, programs } => {
                root::make(self, packages, programs, &aside.path().join("made"))?;
            }
            // It is installed in its place.
            Source::Debian(_) => return Ok(bin),
        }
        let built = aside.path().join("made");
        std::fs::rename(&built, &folder).map_err(|error| format!("can't move {}: {error}", built.display()))?;
        Ok(bin)
    }

    /// Waits for whoever builds this tool at the moment. Freed when dropped, or by the system.
    fn turn(self) -> Outcome<File> {
        let tools = cache()?.join("tools");
        make_folder(&tools)?;
        let file = tools.join(format!("{}-{}.lock", self.name, self.version));
        let locked = File::create(&file).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| format!("can't lock {}: {error}", file.display()))
    }

    fn cargo_install(self, aside: &Path) -> Outcome<()> {
        let install = |locked: &[&str]| {
            let mut command = Command::new("cargo");
            process::forget_own_package(&mut command);
            // Unoptimised: none of them works long enough here to make up for its build.
            command.args(["install", "--debug", "--root"]).arg(aside.join("made")).args(locked);
            command.args([&format!("--version={}", self.version), self.name]);
            process::run(command.current_dir(aside).env("CARGO_TARGET_DIR", aside.join("target")))
        };
        // A mirror of the registry may lag behind the crate's own lock file.
        install(&["--locked"]).or_else(|_| install(&[]))
    }

    fn go_install(self, package: &str, aside: &Path) -> Outcome<()> {
        let go = cache()?.join("go");
        let mut command = Command::new("go");
        command.args(["install", "-trimpath", "-ldflags=-s -w"]).arg(format!("{package}@{}", self.version));
        command.env("GOBIN", aside.join("made/bin")).env("CGO_ENABLED", "0");
        command.env("GOPATH", &go).env("GOMODCACHE", go.join("pkg/mod")).env("GOCACHE", go.join("build"));
        process::run(command.env("GOFLAGS", "-modcacherw").current_dir(aside))
    }

    /// The environment is moved afterwards: its scripts name the old place, so a module is run by `bin/python -m`.
    fn pip_install(self, package: &str, aside: &Path) -> Outcome<()> {
        process::run(Command::new("python3").args(["-m", "venv", "made"]).current_dir(aside))?;
        let mut command = Command::new(aside.join("made/bin/python"));
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        process::run(command.arg(format!("{package}=={}", self.version)).current_dir(aside))
    }
}

/// The folder of everything that is installed or built once: `$TIDELOCK_CACHE`, else `~/.cache/tidelock`.
fn cache() -> Outcome<PathBuf> {
    let folder = match std::env::var_os("TIDELOCK_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir().ok_or("no home folder: set TIDELOCK_CACHE")?.join(".cache/tidelock"),
    };
    if !folder.is_absolute() {
        return Err(format!("TIDELOCK_CACHE is {}: make it an absolute path", folder.display()));
    }
    make_folder(&folder)?;
    Ok(folder)
}

fn make_folder(folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder).map_err(|error| format!("can't make {}: {error}", folder.display()))
}

fn provide_program(name: &str, debian: Option<&str>) -> Outcome<()> {
    if is_on_path(name) {
        return Ok(());
    }
    let Some(package) = debian else { return Err(format!("`{name}` is missing: install it and put it on PATH")) };
    if !rustix::process::geteuid().is_root() || !is_on_path("apt-get") {
        return Err(format!("`{name}` is missing: install it (Debian's package is `{package}`)"));
    }
    eprintln!("── installing Debian's {package}");
    process::run(Command::new("apt-get").arg("update").stdout(Stdio::null()))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", package]).env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut install)?;
    if is_on_path(name) { Ok(()) } else { Err(format!("Debian's package `{package}` brought no `{name}`")) }
}

fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn provide_target(target: &str) -> Outcome<()> {
    if has_target(target)? {
        return Ok(());
    }
    process::run(Command::new("rustup").args(["target", "add", target]))
        .map_err(|problem| format!("Rust's standard library for {target} is missing: {problem}"))
}

/// The compiler knows every target's folder, which exists only for the installed ones. So rustup is asked only when
/// something is missing, and a toolchain that did not come from rustup serves as well.
fn has_target(target: &str) -> Outcome<bool> {
    let question = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let answer = question.map_err(|error| format!("`rustc` does not start: {error}"))?;
    let folder = String::from_utf8_lossy(&answer.stdout);
    Ok(answer.status.success() && Path::new(folder.trim()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        assert_eq!(provide_program("sh", None), Ok(()));
        let error = provide_program("no-such-program", None).expect_err("it does not exist");
        assert!(error.contains("`no-such-program` is missing"), "{error}");
    }

    #[test]
    fn the_host_is_an_installed_target_and_an_unknown_one_is_not() {
        let answer = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc starts");
        let host = String::from_utf8(answer.stdout).expect("a name");
        assert_eq!(has_target(host.trim()), Ok(true));
        assert_eq!(has_target("pdp11-none-unix"), Ok(false));
    }
}
