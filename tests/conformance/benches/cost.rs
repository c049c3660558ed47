//! What a device's own work costs: user CPU time, peak memory, the local store's size, requests and bytes of a push, a join, an
//! import and their kin. Each step is a process of its own; the embedded server is in another one and is not counted.
//!
//! `cargo bench -p tidelock-conformance --bench cost -- [--records N] [--against EXE] [STEP...]`. `EXE` is this benchmark as
//! another commit built it: each step then runs by both, one after the other, and the table gives ratios. Linux only.

use bytes::Bytes;
use futures::executor::block_on;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tidelock::RecoveryCode;
use tidelock::{
    Change, Collection, CredentialSource, Credentials, Imported, Importer, KeyRange, Local, Meter, Options, Secret,
    Vault,
};
use tidelock_cli::serve::{ServeHandle, ServeKeys, ServeOptions};

const ACCESS_KEY: &str = "bench";
const SECRET_KEY: &str = "a-key-for-the-bench";
/// The most changes of one write; of documents with [`FIELDS`] fields, a tenth of it would be too many by the register that says
/// that a document exists.
const BATCH: usize = 5_000;
const DOCUMENTS_BATCH: usize = 400;
const FIELDS: usize = 10;
/// Random reads of one step.
const READS: usize = 50_000;
/// Ticks a second of `/proc/self/stat`.
const TICKS: f64 = 100.0;

/// What a step does; gives the requests and bytes of the device's whole life so far.
type Work = fn(&Step) -> Meter;

/// A step's name, the vault that it works on, and what it does.
const STEPS: [(&str, &str, Work); 14] = [
    ("write", "records", write_records),
    ("push", "records", push),
    ("join", "records", join),
    ("get", "records", get_records),
    ("import", "archive", import_archive),
    ("log-import", "log", import_lines),
    ("log-push", "log", push),
    ("log-join", "log", join),
    ("log-list", "log", list_log),
    ("docs-write", "documents", write_documents),
    ("docs-push", "documents", push),
    ("docs-join", "documents", join),
    ("docs-get", "documents", get_documents),
    ("docs-list", "documents", list_documents),
];

/// One step of one program's vault.
struct Step {
    uri: String,
    /// Holds the devices' stores and the recovery code.
    folder: PathBuf,
    records: usize,
}

impl Step {
    fn options(&self, device: &str) -> Options {
        let mut options = Options::new(&self.uri, self.folder.join(device)).expect("an address");
        options.credentials =
            CredentialSource::Fixed(Credentials::new(ACCESS_KEY, SECRET_KEY, None).expect("valid keys"));
        options
    }

    /// A new vault's first device; its code is kept for `join`.
    fn create(&self) -> Vault {
        let (vault, code) = block_on(Vault::create(self.options("one"))).expect("a new vault");
        fs::write(self.folder.join("code"), code.reveal().as_bytes()).expect("the code");
        vault
    }

    fn write(&self, batch: usize, change: impl Fn(usize) -> Change) -> Meter {
        let vault = self.create();
        for start in (0..self.records).step_by(batch) {
            let changes = (start..self.records.min(start + batch)).map(&change).collect();
            block_on(vault.write(changes)).expect("valid changes");
        }
        closed(vault)
    }

    fn local(&self, device: &str) -> Local {
        Local::open(&self.options(device)).expect("a vault")
    }

    /// Records in an order that repeats none of the first [`READS`].
    fn shuffled(&self) -> impl Iterator<Item = usize> + '_ {
        (0..READS.min(self.records)).map(|read| read * 7_919 % self.records)
    }
}

fn write_records(step: &Step) -> Meter {
    step.write(BATCH, |number| Change::Put { collection: records(), key: key(number), value: value(number, 100) })
}

fn push(step: &Step) -> Meter {
    let vault = block_on(Vault::open(step.options("one"))).expect("a vault");
    block_on(vault.sync()).expect("a push");
    closed(vault)
}

fn join(step: &Step) -> Meter {
    let code = fs::read_to_string(step.folder.join("code")).expect("the code");
    let code = RecoveryCode::parse(&code).expect("a code that this benchmark wrote");
    let vault = block_on(Vault::join(step.options("two"), Secret::Recovery(code))).expect("a joined vault");
    closed(vault)
}

/// Closes a vault; gives what its device has asked for.
fn closed(vault: Vault) -> Meter {
    let meter = block_on(vault.status()).expect("an open vault").meter;
    block_on(vault.close());
    meter
}

fn get_records(step: &Step) -> Meter {
    let local = step.local("one");
    for number in step.shuffled() {
        assert!(local.get(&records(), &key(number)).expect("a sound store").is_some(), "record {number}");
    }
    Meter::default()
}

/// Imports an archive of a log, which the parent wrote.
fn import_archive(step: &Step) -> Meter {
    block_on(step.create().close());
    let mut archive = BufReader::new(File::open(step.folder.join("archive.jsonl")).expect("the archive"));
    let report = step.local("one").import_archive(&mut archive).expect("a sound archive");
    assert_eq!(report.added, step.records as u64);
    Meter::default()
}

/// Imports lines, as `tidelock log import` does.
fn import_lines(step: &Step) -> Meter {
    block_on(step.create().close());
    let mut importer = Importer::new(log(), "history".to_owned());
    let mut local = step.local("one");
    for start in (0..step.records).step_by(BATCH) {
        let lines = (start..step.records.min(start + BATCH))
            .map(|number| Imported { unix_ms: number as u64, value: value(number, 49) });
        let changes: Vec<Change> = lines.map(|line| importer.change(line)).collect();
        local.write(&changes).expect("valid changes");
    }
    Meter::default()
}

fn list_log(step: &Step) -> Meter {
    let mut entries = 0;
    for entry in step.local("one").list(log(), KeyRange::default()) {
        entry.expect("a sound store");
        entries += 1;
    }
    assert_eq!(entries, step.records);
    Meter::default()
}

fn write_documents(step: &Step) -> Meter {
    step.write(DOCUMENTS_BATCH, |number| Change::Put {
        collection: documents(),
        key: key(number),
        value: document(number),
    })
}

fn get_documents(step: &Step) -> Meter {
    let local = step.local("one");
    for number in step.shuffled() {
        assert!(local.document(&documents(), &key(number)).expect("a sound store").is_some(), "document {number}");
    }
    Meter::default()
}

fn list_documents(step: &Step) -> Meter {
    let mut listed = 0;
    for document in step.local("one").documents(documents(), KeyRange::default()) {
        document.expect("a sound store");
        listed += 1;
    }
    assert_eq!(listed, step.records);
    Meter::default()
}

fn records() -> Collection {
    Collection::map("notes")
}

fn log() -> Collection {
    Collection::log("shell")
}

fn documents() -> Collection {
    Collection::documents("visits")
}

fn key(number: usize) -> String {
    format!("{number:08}")
}

/// Bytes that do not compress to nothing.
fn value(number: usize, length: usize) -> Bytes {
    let words = (0u64..).map(|place| (number as u64 * 100 + place).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    words.flat_map(u64::to_le_bytes).take(length).collect()
}

/// Ten fields of 10 characters: as many bytes of values as a record has.
fn document(number: usize) -> Bytes {
    let fields: serde_json::Map<_, _> = (0..FIELDS)
        .map(|field| {
            let word = (number * FIELDS + field).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (format!("field{field}"), format!("{word:016x}")[..10].into())
        })
        .collect();
    serde_json::Value::from(fields).to_string().into()
}

/// An archive of a log, as `tidelock export` writes one.
fn write_archive(path: &Path, records: usize) {
    use base64::Engine as _;
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    writeln!(out, r#"{{"tidelock_archive":1,"vault":null,"exported_unix_ms":0}}"#).expect("room");
    for number in 0..records {
        let value = base64::engine::general_purpose::STANDARD.encode(value(number, 49));
        let key = format!("{number:032x}");
        let stamp = format!(r#"{{"ms":{number},"counter":0}}"#);
        writeln!(out, r#"{{"kind":"log","name":"shell","key":"{key}","value":"{value}","stamp":{stamp}}}"#)
            .expect("room");
    }
    out.flush().expect("room");
}

/// What a step took.
#[derive(Clone, Copy)]
struct Cost {
    user_seconds: f64,
    peak_mib: f64,
    requests: f64,
    moved_mib: f64,
    store_mib: f64,
}

impl Cost {
    /// This process's so far, without a store.
    fn of_this_process(meter: Meter) -> Self {
        let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
        let after_name = stat.rsplit(") ").next().expect("a name in brackets");
        let ticks: f64 = after_name.split(' ').nth(11).and_then(|ticks| ticks.parse().ok()).expect("user time");
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak memory");
        let peak: f64 = peak.trim().trim_end_matches(" kB").parse().expect("kB");
        let moved_mib = (meter.bytes_sent + meter.bytes_received) as f64 / f64::from(1 << 20);
        let requests = meter.requests() as f64;
        Self { user_seconds: ticks / TICKS, peak_mib: peak / 1024.0, requests, moved_mib, store_mib: 0.0 }
    }
}

/// A program that runs steps, in its own prefix and folder.
struct Program {
    exe: PathBuf,
    name: &'static str,
}

impl Program {
    fn run(&self, step: &str, vault: &str, server: &ServeHandle, folder: &Path, records: usize) -> Cost {
        let (name, address) = (self.name, server.address());
        let uri = format!("s3://bench/{name}-{vault}?endpoint=http://{address}&path_style=true&region=us-east-1");
        let folder = folder.join(name).join(vault);
        fs::create_dir_all(&folder).expect("a folder");
        if step == "import" {
            write_archive(&folder.join("archive.jsonl"), records);
        }
        let output = Command::new(&self.exe)
            .args(["--step", step, &uri])
            .arg(&folder)
            .arg(records.to_string())
            .output()
            .expect("the benchmark's program");
        assert!(output.status.success(), "{step} by {name}: {}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).expect("text");
        let [user_seconds, peak_mib, requests, moved_mib] =
            told.split_whitespace().map(|n| n.parse().expect("a number")).collect::<Vec<_>>()[..]
        else {
            panic!("{step} told {told:?}")
        };
        let device = if step.ends_with("join") { "two" } else { "one" };
        let store_mib = bytes_in(&folder.join(device)) as f64 / f64::from(1 << 20);
        Cost { user_seconds, peak_mib, requests, moved_mib, store_mib }
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").metadata().expect("a file"));
    files.map(|file| file.len()).sum()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [step, name, uri, folder, records] = &args[..]
        && step == "--step"
    {
        let (_, _, run) = STEPS.iter().find(|(known, ..)| known == name).expect("a step's name");
        let meter = run(&Step { uri: uri.clone(), folder: folder.into(), records: records.parse().expect("a number") });
        let Cost { user_seconds, peak_mib, requests, moved_mib, .. } = Cost::of_this_process(meter);
        println!("{user_seconds} {peak_mib} {requests} {moved_mib}");
        return;
    }
    let mut records = 100_000;
    let mut programs = vec![Program { exe: std::env::current_exe().expect("this program"), name: "this" }];
    let mut wanted = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("an option's value");
        match arg.as_str() {
            "--records" => records = value().parse().expect("a number"),
            "--against" => programs.insert(0, Program { exe: value().into(), name: "other" }),
            _ => wanted.push(arg),
        }
    }
    let folder = TempDir::with_prefix("tidelock-").expect("a folder");
    let dir = folder.path().join("served");
    fs::create_dir_all(dir.join("bench")).expect("the bucket's folder");
    let keys = ServeKeys { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned().into() };
    let server = ServeHandle::start(ServeOptions { dir, keys }).expect("the embedded server");
    println!(
        "{records} records\n\n| step | program | user CPU, s | peak memory, MiB | local store, MiB | requests | moved, MiB | CPU ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (step, vault, _) in STEPS.iter().filter(|(step, ..)| wanted.is_empty() || wanted.iter().any(|w| w == step)) {
        let mut before: Option<Cost> = None;
        for program in &programs {
            let cost = program.run(step, vault, &server, folder.path(), records);
            let ratio =
                before.map_or(String::new(), |before| format!("{:.2}", cost.user_seconds / before.user_seconds));
            let Cost { user_seconds, peak_mib, requests, moved_mib, store_mib } = cost;
            println!(
                "| {step} | {} | {user_seconds:.2} | {peak_mib:.0} | {store_mib:.0} | {requests} | {moved_mib:.1} | {ratio} |",
                program.name
            );
            before = Some(cost);
        }
    }
}
