//! `tidelock mirror` on every server: what goes up is what other tools read, what comes down is what went up, and a kill at any
//! moment costs nothing but time.

use super::objects::{bucket, with_runtime};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidelock::bucket::{Properties, Source};
use tidelock_conformance::{Fault, Place, Store};

/// Cases on every server.
macro_rules! on_servers {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use tidelock_conformance::{Place, Store};

            use super::$case as case;

            on_stores! { embedded: Embedded, versitygw: Versitygw, minio: Minio, moto: Moto, rclone: Rclone }
            on_garage!();
            on_ceph!();
        }
    )*};
}

on_servers![a_folder_comes_back_as_it_was, a_file_that_changes_meanwhile_is_not_stored];

mod kill_and_resume {
    use super::kill_and_resume as case;
    use tidelock_conformance::{Place, Store};

    on_stores! { embedded: Embedded, versitygw: Versitygw, minio: Minio }
}

/// On those that are quick with many objects.
mod ten_thousand_unchanged_in_ten_lists {
    use super::ten_thousand_unchanged_in_ten_lists as case;
    use tidelock_conformance::{Place, Store};

    on_stores! { versitygw: Versitygw, minio: Minio }
}

on_dialect! { any_keys: AnyKeys; keys_that_are_no_paths }
on_dialect! { any_keys_not_encoded: EncodingOnlyClaimed; keys_that_are_no_paths }

/// Names that some server, header, URL or document changes if nobody takes care. Of control characters some servers list
/// U+FFFD, so that no client finds them again, and moto answers a line feed with a web page: those are for dialects. No two are one name to who composes accents.
const NAMES: [&str; 14] = [
    "a",
    "a-b",
    "a.d/x",
    "c/deep/er/and/deeper/x",
    "d e/f  g",
    "trailing ",
    " leading",
    "é/ö",
    "u\u{308}",
    "plus+and%20percent%41",
    "<&>\"'`$",
    "-rf",
    ".hidden/.x",
    "🦀",
];

/// Two parts and a piece.
const BIG: usize = (16 << 20) + 5;

fn a_folder_comes_back_as_it_was(place: &Place) {
    let folder = place.local("files");
    for (n, name) in NAMES.iter().enumerate() {
        write(&folder, name, name.as_bytes());
        set_time(&folder.join(name), 1_600_000_000_123_456_789 + n as u64);
    }
    write(&folder, "empty", b"");
    write(&folder, "big", &noise(BIG));
    // A store without metadata tells an object's time in whole seconds.
    for name in ["empty", "big"] {
        set_time(&folder.join(name), 1_600_000_001_000_000_000);
    }
    let first = up(place, &folder, &[]);
    assert_eq!(counts(&first), [16, 0, 0, 0, 0], "{first}");

    let back = place.local("back");
    let down = json(place, "cli", &["down", "m", back.to_str().unwrap()]);
    assert_eq!(counts(&down), [0, 16, 0, 0, 0], "{down}");
    assert_same(&folder, &back);
    if place.store() != Store::Embedded {
        // It keeps no metadata.
        assert_eq!(times(&back), times(&folder));
    }
    for device in ["cli", "another"] {
        // The other one remembers nothing, and asks for each.
        assert_eq!(counts(&json(place, device, &["up", folder.to_str().unwrap(), "m"])), [0, 0, 0, 16, 0], "{device}");
        assert_eq!(counts(&json(place, device, &["down", "m", back.to_str().unwrap()])), [0, 0, 0, 16, 0], "{device}");
    }
    if place.store() != Store::Embedded {
        set_time(&folder.join("big"), 1_700_000_000_000_000_000);
        assert_eq!(counts(&up(place, &folder, &["--checksum"])), [0, 0, 0, 16, 0]);
        assert_eq!(counts(&up(place, &folder, &["--dry-run"])), [0, 0, 0, 16, 0], "that is remembered");
        let elsewhere = json(place, "another", &["up", folder.to_str().unwrap(), "m", "--dry-run"]);
        assert_eq!(counts(&elsewhere), [1, 0, 0, 15, 0], "by its time it is another");
        // Of the same size and time, and another content.
        write(&folder, "a", b"b");
        set_time(&folder.join("a"), 1_600_000_000_123_456_789);
        assert_eq!(counts(&up(place, &folder, &["--checksum", "--dry-run"])), [1, 0, 0, 15, 0]);
    }
}

/// A part of the file is on its way when the file changes; and a small one is sent when it does.
fn a_file_that_changes_meanwhile_is_not_stored(place: &Place) {
    let folder = place.local("files");
    let old = noise(BIG);
    write(&folder, "big", &old);
    write(&folder, "small", b"before");
    let (big, small) = (folder.join("big"), folder.join("small"));
    place.faults().set(move |method, target| {
        let path = target.split('?').next().unwrap_or_default();
        if target.contains("partNumber=2") {
            // Of the same length.
            fs::write(&big, noise(BIG)).unwrap();
        } else if method == "PUT" && path.ends_with("/small") {
            fs::write(&small, "later").unwrap();
        }
        None
    });
    let ran = run(place, "cli", &["up", folder.to_str().unwrap(), "m"]);
    assert_eq!(ran.status.code(), Some(9), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = report(&ran);
    assert_eq!(counts(&told), [1, 0, 0, 0, 1], "{told}");
    assert_eq!((&told["errors"][0]["path"], &told["errors"][0]["kind"]), (&"big".into(), &"busy".into()));
    place.faults().clear();
    assert_eq!(place.bucket().keys(), ["m/small"]);
    assert_eq!(place.bucket().get("m/small"), "before", "whole, as it was");
    assert_eq!(counts(&up(place, &folder, &[])), [2, 0, 0, 0, 0]);
    assert_eq!(place.bucket().get("m/big"), fs::read(folder.join("big")).unwrap());
    assert_eq!(place.bucket().get("m/small"), "later");
}

const MANY: usize = 10_000;

fn ten_thousand_unchanged_in_ten_lists(place: &Place) {
    let folder = place.local("files");
    for n in 0..MANY {
        write(&folder, &format!("{:02}/{n}", n % 100), b"x");
    }
    assert_eq!(counts(&up(place, &folder, &[]))[0], MANY as u64);
    let asked = || {
        let meter = place.proxy().unwrap().meter();
        [meter.list, meter.head, meter.get, meter.put, meter.post, meter.delete]
    };
    let before = asked();
    assert_eq!(counts(&up(place, &folder, &["--delete"])), [0, 0, 0, MANY as u64, 0]);
    let after = asked();
    // Of keys as these MinIO's answer doesn't show whether they are encoded: the first page is asked for once more.
    let lists = if place.store() == Store::Minio { 11 } else { 10 };
    assert_eq!(std::array::from_fn(|n| after[n] - before[n]), [lists, 0, 0, 0, 0, 0]);
}

/// Keys by which of them are files, and what becomes of the others.
fn keys_that_are_no_paths(place: &Place) {
    let good = ["a b", "ü/ö", "dir/x", "control\u{1}", "line\nfeed", "...", "a..", "~", "%2e%2e/x"];
    let too_long = "long/".to_owned() + &"x".repeat(256);
    let bad = [
        "..",
        "../out",
        ".",
        "a/../../out",
        "a/./b",
        "/abs",
        "two//slashes",
        "ends//",
        "back\\slash",
        "..\\out",
        &too_long,
    ];
    let objects = bucket(place);
    with_runtime(async {
        let keys = good.iter().map(|key| (*key).to_owned()).chain(bad.iter().map(|key| key.to_string()));
        for key in keys.chain(["folder/".into(), "sub/folder/".into(), "".into()]) {
            let content = if key.is_empty() || key.ends_with("r/") { "" } else { "x" };
            objects.put(&format!("m/{key}"), Source::bytes(content), Properties::default(), |_| ()).await.unwrap();
        }
    });
    let around = place.local("around");
    let back = around.join("in/back");
    fs::create_dir_all(&back).unwrap();
    let ran = run(place, "cli", &["down", "m", back.to_str().unwrap(), "--delete"]);
    assert_eq!(ran.status.code(), Some(2), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = report(&ran);
    assert_eq!(counts(&told), [0, good.len() as u64, 0, 0, bad.len() as u64], "{told}");
    let mut refused: Vec<&str> =
        told["errors"].as_array().unwrap().iter().filter_map(|error| error["path"].as_str()).collect();
    refused.retain(|path| *path != back.to_str().unwrap());
    refused.sort_unstable();
    let mut expected: Vec<&str> = bad.iter().map(AsRef::as_ref).collect();
    expected.sort_unstable();
    assert_eq!(refused, expected);
    let mut expected: Vec<String> = good.iter().map(|path| format!("in/back/{path}")).collect();
    expected.sort();
    assert_eq!(files(&around).into_keys().collect::<Vec<_>>(), expected, "and nothing outside");
    assert!(back.join("folder").is_dir() && back.join("sub/folder").is_dir());
    // Going up, they are nobody's: they stay.
    assert_eq!(counts(&up(place, &back, &["--delete"])), [0, 0, 0, good.len() as u64, 0]);
}

const KILLS: usize = 8;

/// At a request that the seed chooses, the process is killed; the next one goes on.
fn kill_and_resume(place: &Place) {
    let folder = place.local("files");
    for n in 0..60 {
        write(&folder, &format!("{}/{n}", n % 7), &noise(1000 + n));
    }
    write(&folder, "big", &noise(BIG));
    let mut dice = Dice(0x6d69_7272_6f72);
    let back = place.local("back");
    for way in [["up", folder.to_str().unwrap(), "m"], ["down", "m", back.to_str().unwrap()]] {
        let mut killed = 0;
        while killed < KILLS {
            if kill_at(place, &way, 1 + dice.below(40)) {
                killed += 1;
            } else if way[0] == "up" {
                // It was done before: there is something to do again.
                write(&folder, &format!("again/{}", dice.below(1000)), &noise(50_000));
            } else {
                fs::remove_dir_all(back.join(dice.below(7).to_string())).unwrap();
            }
            if way[0] == "down" {
                // What has its name is whole.
                let theirs = files(&folder);
                let named = files(&back).into_iter().filter(|(name, _)| !name.contains(".part"));
                named.into_iter().for_each(|(name, content)| assert!(theirs[&name] == content, "{name}"));
            }
        }
        json(place, "cli", &way);
        let again = json(place, "cli", &way);
        assert_eq!(counts(&again)[..3], [0, 0, 0], "{again}");
    }
    assert_same(&folder, &back);
    let stored: BTreeMap<_, _> = place.bucket().objects();
    let stored: BTreeMap<String, Vec<u8>> =
        stored.into_iter().map(|(key, body)| (key["m/".len()..].to_owned(), body.to_vec())).collect();
    assert!(stored == files(&folder));
}

/// Whether it was killed before its end, at its request of this number.
fn kill_at(place: &Place, way: &[&str], number: usize) -> bool {
    let mut asked = 0;
    place.faults().set(move |_, _| {
        asked += 1;
        // It waits for the answer until it is killed.
        (asked >= number).then_some(Fault::Silence { after_effect: number.is_multiple_of(2) })
    });
    let before = place.faults().met();
    let mut child = command(place, "cli", way).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let killed = loop {
        if place.faults().met() > before {
            child.kill().unwrap();
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        std::thread::yield_now();
    };
    child.wait().unwrap();
    place.faults().clear();
    killed
}

/// What Tidelock wrote, rclone takes for the same, times to the nanosecond; and the other way round.
mod rclone_reads_and_agrees {
    use super::*;

    on_stores! { versitygw: Versitygw, minio: Minio }

    fn case(place: &Place) {
        let folder = place.local("files");
        for (n, name) in NAMES.iter().enumerate() {
            write(&folder, name, name.as_bytes());
            set_time(&folder.join(name), 1_600_000_000_000_000_000 + n as u64 * 111_111_111);
        }
        write(&folder, "empty", b"");
        write(&folder, "big", &noise(BIG));
        assert_eq!(counts(&up(place, &folder, &[]))[0], 16);
        let (ours, here) = (format!("{}/m", remote(place)), folder.to_str().unwrap());
        rclone(place, &["check", "--download", here, &ours]);
        let told = rclone(place, &["sync", "--dry-run", here, &ours]);
        assert!(!told.contains("Skipped"), "it would change something: {told}");

        let theirs = format!("{}/theirs", remote(place));
        rclone(place, &["copy", here, &theirs]);
        let folder_up = json(place, "cli", &["up", here, "theirs"]);
        assert_eq!(counts(&folder_up), [0, 0, 0, 16, 0], "{folder_up}");
        let back = place.local("back");
        json(place, "cli", &["down", "theirs", back.to_str().unwrap()]);
        assert_same(&folder, &back);
        assert_eq!(times(&back), times(&folder));
        let from_rclone = place.local("from-rclone");
        rclone(place, &["copy", &ours, from_rclone.to_str().unwrap()]);
        assert_same(&folder, &from_rclone);
        assert_eq!(times(&from_rclone), times(&folder));
    }

    /// The place as rclone names it.
    fn remote(place: &Place) -> String {
        let uri = place.direct_uri();
        let path = uri.strip_prefix("s3://").and_then(|rest| rest.split('?').next()).unwrap();
        format!("s:{path}")
    }

    fn rclone(place: &Place, arguments: &[&str]) -> String {
        let program = std::env::var("TIDELOCK_PROGRAM_RCLONE").expect("cargo xtask servers rclone names it");
        let uri = place.direct_uri();
        let endpoint = uri.split("endpoint=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
        let (access_key, secret_key) = place.keys().unwrap();
        let ran = Command::new(program)
            .args(arguments)
            .env("RCLONE_CONFIG", "/dev/null")
            .env("RCLONE_CONFIG_S_TYPE", "s3")
            .env("RCLONE_CONFIG_S_PROVIDER", "Other")
            .env("RCLONE_CONFIG_S_ENDPOINT", endpoint)
            .env("RCLONE_CONFIG_S_ACCESS_KEY_ID", access_key)
            .env("RCLONE_CONFIG_S_SECRET_ACCESS_KEY", secret_key)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{arguments:?}: {told}");
        told
    }
}

fn command(place: &Place, device: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"));
    let (access_key, secret_key) = place.keys().unwrap();
    command
        .arg("mirror")
        .args(arguments)
        .arg("--json")
        .env("TIDELOCK_LOCAL", place.local(device))
        .env("TIDELOCK_STORE", place.uri())
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", secret_key)
        .env_remove("AWS_SESSION_TOKEN");
    command
}

fn run(place: &Place, device: &str, arguments: &[&str]) -> Output {
    command(place, device, arguments).output().unwrap()
}

#[track_caller]
fn json(place: &Place, device: &str, arguments: &[&str]) -> Value {
    let ran = run(place, device, arguments);
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    report(&ran)
}

#[track_caller]
fn up(place: &Place, folder: &Path, more: &[&str]) -> Value {
    json(place, "cli", &[&["up", folder.to_str().unwrap(), "m"], more].concat())
}

/// The last line.
#[track_caller]
fn report(ran: &Output) -> Value {
    let text = std::str::from_utf8(&ran.stdout).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    serde_json::from_str(last).unwrap()
}

/// Uploaded, downloaded, deleted, skipped, failed.
fn counts(report: &Value) -> [u64; 5] {
    ["uploaded", "downloaded", "deleted", "skipped", "failed"].map(|name| report[name].as_u64().unwrap())
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn set_time(path: &Path, unix_ns: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_nanos(unix_ns)).unwrap();
}

/// All files below a folder.
fn paths(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut paths = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => drop(paths.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(), path)),
            }
        }
    }
    paths
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    paths(folder).into_iter().map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

fn times(folder: &Path) -> BTreeMap<String, SystemTime> {
    paths(folder).into_iter().map(|(name, path)| (name, fs::metadata(path).unwrap().modified().unwrap())).collect()
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (files(one), files(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert!(one == other, "the same names, and other contents");
}

/// Other bytes at each call.
fn noise(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    getrandom::fill(&mut content).unwrap();
    content
}

/// Xorshift (Marsaglia 2003): the same throws from the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}
