//! `cargo xtask fuzz`: the fuzzers of `tests/fuzz`, on the nightly compiler that their folder names.

mod seeds;

use crate::tools::{Source, Tool};
use crate::{Outcome, process, test};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2", source: Source::Crates };
/// A parser that takes more memory than this for an input of [`INPUT_BYTES_MAX`] is at fault.
const MEMORY_MB_MAX: u32 = 512;
const ALLOCATION_MB_MAX: u32 = 64;
const INPUT_BYTES_MAX: u32 = 16 << 10;
/// Choices that a target makes of its input: beyond this many it hardly gets.
const CHOICES_MAX: u32 = 1 << 10;
/// The targets that do so; the others read their input as it is.
const CHOOSING: [&str; 8] =
    ["causality", "engine", "folder_request", "lines", "local_pages", "local_rows", "round_trip", "slot_merge"];
/// One input may take this long, on a busy machine.
const SECONDS_MAX: u32 = 60;

/// Builds the named fuzzers, or all, and runs each for so many minutes.
pub(crate) fn run(names: &[String], minutes: u32) -> Outcome<()> {
    let names = chosen(names)?;
    let folder = test::target_folder()?.join("fuzz");
    build(&names, &folder)?;
    write_seeds(&folder.join("seeds"))?;
    let mut failures = Vec::new();
    let mut table = Vec::new();
    for name in &names {
        println!("── {name}: {minutes} min");
        let seen = fuzz(name, minutes, &folder)?;
        println!("{seen}");
        if !seen.ended_well {
            failures.push(format!("{name} (see {})", seen.log.display()));
        }
        table.push(seen);
        if process::interrupted() {
            return Err("interrupted".into());
        }
    }
    println!();
    table.iter().for_each(|seen| println!("{seen}"));
    if failures.is_empty() { Ok(()) } else { Err(format!("failed: {}", failures.join(", "))) }
}

/// Every target there is, by name.
fn targets() -> Outcome<Vec<String>> {
    let folder = source().join("targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("can't list {}: {error}", folder.display()))?;
    let name = |path: PathBuf| path.file_stem().and_then(OsStr::to_str).map(str::to_owned);
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| name(entry.path())).collect();
    names.sort();
    Ok(names)
}

fn chosen(names: &[String]) -> Outcome<Vec<String>> {
    let known = targets()?;
    match names.iter().find(|name| !known.contains(name)) {
        Some(unknown) => Err(format!("no fuzzer `{unknown}`: there are {}", known.join(", "))),
        None if names.is_empty() => Ok(known),
        None => Ok(names.to_vec()),
    }
}

/// One of them, or all at once.
fn build(names: &[String], folder: &Path) -> Outcome<()> {
    let path = test::path_with(vec![CARGO_FUZZ.provide()?])?;
    let mut cargo = Command::new("cargo");
    process::forget_own_package(&mut cargo);
    cargo.args(["fuzz", "build", "--fuzz-dir", ".", "--target-dir"]).arg(folder.join("build"));
    if let [name] = names {
        cargo.arg(name);
    }
    cargo.env("PATH", path).env("RUSTUP_TOOLCHAIN", provide_nightly()?).current_dir(source());
    process::run(cargo.env_remove("CARGO_TARGET_DIR"))
}

/// The toolchain's name for rustup: the pinned one, or `nightly` where that is the same one, which saves the download.
fn provide_nightly() -> Outcome<String> {
    let file = source().join("rust-toolchain.toml");
    let text = fs::read_to_string(&file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    let pinned = text.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'));
    let pinned = pinned.ok_or_else(|| format!("{} names no channel", file.display()))?;
    let version = text.lines().find_map(|line| line.strip_prefix("# rustc "));
    let is = |toolchain: &str| {
        let answer = Command::new("rustup").args(["run", toolchain, "rustc", "--version"]).output();
        let answer = answer.map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned()).unwrap_or_default();
        version.is_some_and(|version| answer.trim_end().strip_prefix("rustc ") == Some(version))
    };
    if let Some(found) = [pinned, "nightly"].into_iter().find(|toolchain| is(toolchain)) {
        return Ok(found.to_owned());
    }
    let install = ["toolchain", "install", pinned, "--no-self-update", "--profile", "minimal"];
    process::run(Command::new("rustup").args(install))?;
    Ok(pinned.to_owned())
}

/// The vectors as they are now: files of an earlier run are gone.
fn write_seeds(folder: &Path) -> Outcome<()> {
    let failed = |error| format!("can't write {}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    for (target, seeds) in seeds::from_vectors(test::workspace())? {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).map_err(failed)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("{number:03}")), seed).map_err(failed)?;
        }
    }
    Ok(())
}

/// One run of a target: what it finds new is kept in `corpus` for the next, what it finds wrong in `found`.
fn fuzz(name: &str, minutes: u32, folder: &Path) -> Outcome<Seen> {
    let place = |what: &str| folder.join(what).join(name);
    let (corpus, seeds, found, log) = (place("corpus"), place("seeds"), place("found"), place("logs"));
    for folder in [&corpus, &seeds, &found, &folder.join("logs")] {
        fs::create_dir_all(folder).map_err(|error| format!("can't make {}: {error}", folder.display()))?;
    }
    let output = fs::File::create(&log).map_err(|error| format!("can't write {}: {error}", log.display()))?;
    let program = folder.join("build").join(host()?).join("release").join(name);
    let chooses = CHOOSING.contains(&name);
    let mut fuzzer = Command::new(program);
    fuzzer.arg(&corpus).arg(&seeds).arg(format!("-artifact_prefix={}/", found.display())).args([
        format!("-max_total_time={}", minutes * 60),
        format!("-rss_limit_mb={MEMORY_MB_MAX}"),
        format!("-malloc_limit_mb={ALLOCATION_MB_MAX}"),
        format!("-max_len={}", if chooses { CHOICES_MAX } else { INPUT_BYTES_MAX }),
        // Choices are worth most in long rows from the start.
        format!("-len_control={}", if chooses { 0 } else { 100 }),
        format!("-timeout={SECONDS_MAX}"),
        "-print_final_stats=1".to_owned(),
    ]);
    // What was freed is kept aside for a while, to notice its use: far less than usual, for the memory is bounded.
    fuzzer.env("ASAN_OPTIONS", "quarantine_size_mb=16:detect_odr_violation=0");
    let ended_well = process::run(fuzzer.stderr(output)).is_ok();
    let text = fs::read(&log).map_err(|error| format!("can't read {}: {error}", log.display()))?;
    Ok(Seen::read(name, minutes, ended_well, &String::from_utf8_lossy(&text), log))
}

fn host() -> Outcome<String> {
    let answer = Command::new("rustc").args(["--print", "host-tuple"]).output();
    let answer = answer.map_err(|error| format!("`rustc` does not start: {error}"))?;
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

fn source() -> PathBuf {
    test::workspace().join("tests/fuzz")
}

/// How a run went, by what libFuzzer wrote.
struct Seen {
    name: String,
    minutes: u32,
    executions: u64,
    /// Edges of the code that some input reached.
    coverage: u64,
    memory_mb: u64,
    /// What it stopped at.
    finding: Option<String>,
    ended_well: bool,
    log: PathBuf,
}

impl Seen {
    fn read(name: &str, minutes: u32, ended_well: bool, text: &str, log: PathBuf) -> Self {
        let after = |line: &str, word: &str| line.split_once(word)?.1.split_whitespace().next()?.parse().ok();
        let last = |word: &str| text.lines().rev().find_map(|line| after(line, word)).unwrap_or_default();
        let tells = |line: &&str| line.contains("ERROR: ") || line.contains("panicked at");
        Self {
            name: name.to_owned(),
            minutes,
            executions: last("stat::number_of_executed_units:"),
            coverage: last(" cov: "),
            memory_mb: last("stat::peak_rss_mb:"),
            finding: text.lines().find(tells).map(str::to_owned),
            ended_well,
            log,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, minutes, executions, coverage, memory_mb, .. } = self;
        let finding = match (&self.finding, self.ended_well) {
            (Some(finding), _) => finding,
            (None, true) => "nothing found",
            (None, false) => "ended without a word",
        };
        write!(f, "{name:15} {minutes:4} min {executions:>11} runs {coverage:>6} edges {memory_mb:>4} MB  {finding}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_fuzzer_is_named() {
        assert_eq!(chosen(&["beacon".into()]), Ok(vec!["beacon".to_owned()]));
        assert!(chosen(&["beacons".into()]).expect_err("there is none").contains("`beacons`"));
        assert!(targets().expect("they are there").len() >= 12);
    }

    #[test]
    fn every_target_is_built() {
        let manifest = fs::read_to_string(source().join("Cargo.toml")).expect("it is there");
        for name in targets().expect("they are there") {
            assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is not in the manifest");
        }
    }

    /// Lines as libFuzzer writes them.
    #[test]
    fn a_run_is_read() {
        let text = "#2\tINITED cov: 7 ft: 8 corp: 1/1b exec/s: 0 rss: 40Mb\n\
                    #1024\tpulse  cov: 90 ft: 95 corp: 3/9b lim: 4 exec/s: 512 rss: 41Mb\n\
                    thread '<unnamed>' panicked at targets/x.rs:3:5:\n\
                    stat::number_of_executed_units: 1500\nstat::peak_rss_mb: 52\n";
        let seen = Seen::read("x", 1, false, text, PathBuf::new());
        assert_eq!((seen.executions, seen.coverage, seen.memory_mb), (1500, 90, 52));
        assert!(seen.finding.is_some_and(|finding| finding.contains("targets/x.rs:3:5")));
    }
}
