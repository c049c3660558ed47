//! Every kind of error but `internal`, provoked through the command and a real server, and shown as in kinds.txt: the cause,
//! the object, the next step. A folder's, a port's and a random name stand there in capitals.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use tidelock::ErrorKind;
use tidelock_conformance::{Fault, Place, Store};

const GOLDEN: &str = include_str!("kinds.txt");

/// A kind of error, the exit code of the command that meets it, and the way there.
type Case = (&'static str, i32, fn(&Stage) -> Output);

const CASES: [Case; 20] = [
    ("invalid", 2, |stage| stage.run("one", &["put", "notes", "", "x"])),
    ("not-found", 3, |stage| {
        let elsewhere = stage.place.uri().replace("s3://tidelock/", "s3://tidelock-has-no-such-bucket/");
        stage.run("new", &["init", "--store", &elsewhere])
    }),
    ("auth", 4, |stage| stage.command("one", &["sync"]).env("AWS_SECRET_ACCESS_KEY", "wrong").output().unwrap()),
    ("throttled", 5, |stage| stage.with_fault(Fault::SlowDown { retry_after_s: 1 })),
    ("timeout", 5, |stage| stage.with_fault(Fault::Silence { after_effect: false })),
    ("network", 5, |stage| stage.with_fault(Fault::Reset { after_effect: false })),
    ("wrong-key", 6, |stage| {
        stage.pipe("new", &["join", "--store", &stage.place.uri(), "--secret-stdin"], "a passphrase that was never set")
    }),
    ("corrupt", 7, |stage| {
        stage.join("two");
        stage.done("one", &["sync"]);
        stage.done("one", &["devices", "revoke", "two"]);
        stage.place.bucket().keys_of("keys").iter().for_each(|key| stage.place.bucket().corrupt(key));
        stage.pipe("new", &["join", "--store", &stage.place.uri(), "--secret-stdin"], &stage.code)
    }),
    ("hash-mismatch", 0, |stage| {
        stage.join("two");
        // Enough for a segment, too little for a snapshot, with which nobody would need it.
        for at in 0..2 {
            stage.done("one", &["put", "notes", &format!("long {at}"), &long(at)]);
        }
        stage.done("one", &["sync"]);
        let bucket = stage.place.bucket();
        assert!(bucket.keys_of("snapshots").is_empty());
        bucket.corrupt(&bucket.keys_of("segments")[0]);
        stage.run("two", &["sync"])
    }),
    ("rolled-back", 8, |stage| {
        let bucket = stage.place.bucket();
        stage.done("one", &["sync"]);
        let manifest = bucket.keys_of("manifests").remove(0);
        let old = bucket.get(&manifest);
        stage.done("one", &["put", "notes", "bread", "new"]);
        stage.done("one", &["sync"]);
        for _ in 0..2 {
            bucket.put(&manifest, old.clone());
            stage.done("one", &["sync", "--force"]);
        }
        bucket.put(&manifest, old);
        stage.run("one", &["sync", "--force"])
    }),
    ("forked", 0, |stage| {
        let (one, copy) = (stage.place.local("one"), stage.place.local("copy"));
        fs::create_dir(&copy).unwrap();
        for file in fs::read_dir(&one).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        stage.done("copy", &["put", "notes", "eggs", "of the copy"]);
        stage.done("copy", &["sync"]);
        stage.done("one", &["put", "notes", "eggs", "of the first"]);
        stage.run("one", &["sync"])
    }),
    ("wiped", 8, |stage| {
        stage.place.bucket().wipe();
        stage.run("one", &["sync"])
    }),
    ("revoked", 13, |stage| {
        stage.join("two");
        stage.done("one", &["sync"]);
        stage.done("one", &["devices", "revoke", "two"]);
        stage.done("two", &["put", "notes", "eggs", "ten"]);
        stage.run("two", &["sync"])
    }),
    ("local-store", 9, |stage| {
        fs::write(stage.place.local("one").join("store.db"), "this is no database".repeat(100)).unwrap();
        stage.run("one", &["get", "notes", "milk"])
    }),
    ("busy", 9, |stage| {
        stage.place.faults().set_for_first_tries(&["GET"], &[Fault::Silence { after_effect: false }]);
        let mut sync = stage.waiting_sync();
        let output = stage.run("one", &["reset"]);
        sync.kill().unwrap();
        sync.wait().unwrap();
        output
    }),
    ("already-exists", 10, |stage| stage.run("new", &["init", "--store", &stage.place.uri()])),
    ("clock-skew", 11, |stage| stage.with_fault(Fault::ClockSkew)),
    ("unsupported", 12, |stage| {
        let bucket = stage.place.bucket();
        // A newer format's header names its version: docs/FORMAT.md.
        bucket.put("tidelock", b"tidelock 2\n".to_vec());
        stage.pipe("new", &["join", "--store", &stage.place.uri(), "--secret-stdin"], &stage.code)
    }),
    ("closed", 0, |stage| {
        stage.join("two");
        stage.done("one", &["sync"]);
        stage.done("one", &["devices", "revoke", "two"]);
        stage.done("two", &["put", "notes", "eggs", "ten"]);
        stage.run("two", &["sync"]);
        stage.run("one", &["sync", "--force"])
    }),
    ("cancelled", 130, |stage| {
        stage.place.faults().set_for_first_tries(&["GET"], &[Fault::Silence { after_effect: false }]);
        let sync = stage.waiting_sync();
        let interrupt = Command::new("kill").args(["-INT", &sync.id().to_string()]).status().unwrap();
        assert!(interrupt.success());
        sync.wait_with_output().unwrap()
    }),
];

#[test]
fn every_kind_is_shown_with_its_cause_and_the_next_step() {
    let told: Vec<String> = thread::scope(|scope| {
        let runs = CASES.map(|(kind, _, provoke)| {
            scope.spawn(move || {
                let stage = Stage::new();
                let output = provoke(&stage);
                format!("── {kind}, exit code {}\n{}\n", output.status.code().unwrap(), stage.plain(&output))
            })
        });
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for ((kind, code, _), told) in CASES.iter().zip(&told) {
        assert!(told.starts_with(&format!("── {kind}, exit code {code}\n")), "{told}");
    }
    let told = told.concat();
    let differing = told.lines().zip(GOLDEN.lines()).find(|(told, golden)| told != golden);
    assert!(told == GOLDEN, "{differing:?} in\n{told}");
}

#[test]
fn none_is_left_out() {
    for kind in ErrorKind::ALL.into_iter().filter(|kind| *kind != ErrorKind::Internal) {
        assert!(CASES.iter().any(|(name, ..)| *name == kind.to_string()), "{kind}");
    }
}

/// A vault with a device `one` and something to publish.
struct Stage {
    place: Place,
    code: String,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self { place: Place::new(Store::Embedded), code: String::new() };
        stage.code = stage.done("one", &["init", "--store", &stage.place.uri(), "--name", "one"]);
        stage.done("one", &["put", "notes", "milk", "two litres"]);
        stage
    }

    fn command(&self, device: &str, arguments: &[&str]) -> Command {
        let (access_key, secret_key) = self.place.keys().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.place.local("home"))
            .env("TIDELOCK_LOCAL", self.place.local(device))
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key);
        command
    }

    fn run(&self, device: &str, arguments: &[&str]) -> Output {
        self.command(device, arguments).output().unwrap()
    }

    fn pipe(&self, device: &str, arguments: &[&str], stdin: &str) -> Output {
        use std::io::Write as _;
        let mut child = self.piped(self.command(device, arguments).stdin(Stdio::piped()));
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn piped(&self, command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What it prints; it has to end well.
    fn done(&self, device: &str, arguments: &[&str]) -> String {
        let output = self.run(device, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn join(&self, device: &str) {
        let output =
            self.pipe(device, &["join", "--store", &self.place.uri(), "--name", device, "--secret-stdin"], &self.code);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A sync whose first request meets this, and that has no other try.
    fn with_fault(&self, fault: Fault) -> Output {
        self.place.faults().set_for_first_tries(&["GET", "PUT"], &[fault]);
        // Of a request alone: the flag would bound the whole command.
        let mut sync = self.command("one", &["sync", "--retries", "0"]);
        sync.env("TIDELOCK_TIMEOUT", "500ms").output().unwrap()
    }

    /// A sync that waits for an answer.
    fn waiting_sync(&self) -> Child {
        let child = self.piped(&mut self.command("one", &["sync"]));
        let begin = Instant::now();
        while self.place.faults().met() == 0 {
            assert!(begin.elapsed() < Duration::from_secs(60), "the sync asked nothing");
            sleep(Duration::from_millis(10));
        }
        child
    }

    /// What the command told, without what differs from run to run.
    fn plain(&self, output: &Output) -> String {
        let mut text = String::from_utf8(output.stderr.clone()).unwrap();
        let prefix = self.place.store_folder().parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for (part, name) in [
            (self.place.local("").to_string_lossy().trim_end_matches("device-").to_owned(), "FOLDER/"),
            (self.place.proxy().unwrap().address().to_string(), "SERVER"),
            (prefix, "PREFIX"),
        ] {
            text = text.replace(&part, name);
        }
        let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
        words
            .map(|word| {
                let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                let is_id = bare.len() >= 16 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
                if is_id { word.replace(bare, "ID") } else { word.to_owned() }
            })
            .collect()
    }
}

/// A value that fills segments and does not compress well.
fn long(at: u32) -> String {
    let mut state = at.wrapping_mul(2_654_435_761) | 1;
    (0..25_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            char::from(b'a' + (state % 26) as u8)
        })
        .collect()
}
