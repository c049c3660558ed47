//! The program as people use it: two devices on the embedded S3 server, and hooks in real shells.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tidelock_conformance::{Place, Store};

/// Devices of one person, each with a home of its own.
struct World {
    place: Place,
    homes: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { place: Place::new(Store::Embedded), homes: tempfile::tempdir().unwrap() }
    }

    /// A program that finds `hist`, on a device.
    fn program(&self, device: &str, program: &str) -> Command {
        let hist = PathBuf::from(env!("CARGO_BIN_EXE_hist"));
        let path = std::env::var("PATH").unwrap();
        let home = self.homes.path().join(device);
        std::fs::create_dir_all(&home).unwrap();
        let (access_key, secret_key) = self.place.keys().unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", hist.parent().unwrap().display()))
            .env("HOME", &home)
            .env("USER", "somebody")
            .env("HIST_HOME", home.join("hist"))
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key)
            .env("TZ", "UTC")
            .env("TERM", "dumb")
            .current_dir(&home);
        command
    }

    fn hist(&self, device: &str, words: &[&str], stdin: &str) -> Output {
        run(self.program(device, "hist").args(words), stdin)
    }

    /// What a successful `hist` writes.
    fn says(&self, device: &str, words: &[&str], stdin: &str) -> String {
        let output = self.hist(device, words, stdin);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The commands that a device finds, oldest first.
    fn found(&self, device: &str, query: &str) -> Vec<String> {
        let text = self.says(device, &["search", "--limit", "1000", "--", query], "");
        text.lines().map(|line| line.get("2026-01-01 00:00:00  ".len()..).unwrap().to_owned()).collect()
    }

    /// Makes the vault; the recovery code is the result.
    fn init(&self, device: &str) -> String {
        let said = self.says(device, &["init", &self.place.uri()], "");
        said.lines().find_map(|line| line.strip_prefix("  ")).unwrap().to_owned()
    }
}

fn run(command: &mut Command, stdin: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn what_one_device_records_the_other_finds_and_a_deletion_reaches_it() {
    let world = World::new();
    let code = world.init("laptop");
    for command in ["git status", "export TOKEN=hunter2", "cargo test -p tidelock", "printf 'two\\n\nlines'"] {
        world.says("laptop", &["record", "--exit", "3"], command);
    }
    world.says("laptop", &["sync"], "");
    world.says("desk", &["join", &world.place.uri()], &format!("{code}\n"));
    world.says("desk", &["sync"], "");
    assert_eq!(world.found("desk", "gstat"), ["git status"]);
    assert_eq!(world.found("desk", "two lines"), ["printf 'two\\n⏎lines'"]);
    assert_eq!(world.says("desk", &["pick"], "cargo"), "cargo test -p tidelock");
    assert!(!world.hist("desk", &["pick", "--skip", "1"], "cargo").status.success());

    // Without --yes nothing goes. The pattern comes through a pipe, since it is a secret.
    assert!(world.says("desk", &["delete", "-"], "hunter2").contains("1 match"));
    assert_eq!(world.found("desk", "TOKEN").len(), 1);
    assert!(world.says("desk", &["delete", "-", "--yes"], "hunter2").contains("1 deleted"));
    world.says("desk", &["sync"], "");
    assert_eq!(world.found("laptop", "TOKEN").len(), 1);
    world.says("laptop", &["sync"], "");
    assert!(world.found("laptop", "TOKEN").is_empty());
    let status = world.says("laptop", &["status"], "");
    assert!(status.contains("3 commands of 2 devices") && status.contains("0 changes to publish"), "{status}");
}

#[test]
fn nothing_is_said_in_clear_in_the_bucket() {
    let world = World::new();
    world.init("laptop");
    world.says("laptop", &["record"], "a-command-nobody-else-has");
    world.says("laptop", &["sync"], "");
    let bucket = world.place.bucket();
    let keys = bucket.keys();
    assert!(!keys.is_empty());
    for key in keys {
        let bytes = bucket.get(&key);
        assert!(!bytes.windows(9).any(|window| window == b"a-command"), "{key}");
    }
}

#[test]
fn a_sync_that_is_not_due_makes_no_request() {
    let world = World::new();
    world.init("laptop");
    assert!(world.says("laptop", &["sync", "--after", "3600"], "").contains("published"));
    assert_eq!(world.says("laptop", &["sync", "--after", "3600"], ""), "");
    assert!(world.says("laptop", &["sync"], "").contains("published"));
}

#[test]
fn errors_name_the_next_step() {
    let world = World::new();
    let output = world.hist("laptop", &["status"], "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("hist init"));
    let output = world.hist("laptop", &["init", "s3://bucket?access_key=AKIA&secret_key=hunter2"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains("hunter2"), "{said}");
}

/// What a person types, after the hook.
const TYPED: &str = "cd /\nfalse || (exit 7)\n echo behind a space\necho 'with \"quotes\" and $dollars'\nexit\n";

/// What of it is kept.
const KEPT: [&str; 3] = ["cd /", "false || (exit 7)", "echo 'with \"quotes\" and $dollars'"];

#[test]
fn bash_records_what_was_typed() {
    let world = World::new();
    world.init("laptop");
    let mut bash = world.program("laptop", "bash");
    let typed = format!("eval \"$(hist hook bash)\"\n\n{TYPED}");
    let output = run(bash.args(["--norc", "-i"]).env("HISTCONTROL", "ignorespace"), &typed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(world.found("laptop", ""), KEPT);
    assert_recorded(&world, "(exit", 7);
}

#[test]
fn zsh_records_what_was_typed() {
    let world = World::new();
    world.init("laptop");
    let typed = format!("eval \"$(hist hook zsh)\"\n\n{TYPED}");
    let output = run(world.program("laptop", "zsh").args(["-f", "-i"]), &typed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let recorded: Vec<String> = world.found("laptop", "").into_iter().filter(|line| line != "exit").collect();
    assert_eq!(recorded, KEPT);
    assert_recorded(&world, "(exit", 7);
}

/// The entry with this command has this exit code, is of this folder and took no longer than the test.
fn assert_recorded(world: &World, part: &str, exit_code: i64) {
    let options = world.place.options("laptop");
    let options = tidelock::Options { local: world.homes.path().join("laptop/hist/vault"), ..options };
    let (entries, refused) = tidelock_shell_history::BucketBackend::new(options).entries().unwrap();
    assert!(refused.is_empty());
    let (_, entry) = entries.iter().find(|(_, entry)| entry.command.contains(part)).unwrap();
    assert_eq!((entry.exit_code, entry.current_working_directory.as_str()), (exit_code, "/"));
    assert!(entry.start_time <= entry.end_time && entry.end_time.as_second() - entry.start_time.as_second() < 600);
    assert_eq!((entry.local_username.as_str(), entry.entry_id.len()), ("somebody", 32));
}
