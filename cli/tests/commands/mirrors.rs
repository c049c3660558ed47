//! `tidelock mirror` against the embedded server: what goes up and comes down, what is left out, and what is refused.

use crate::device::{Device, Ran};
use crate::served::Served;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A server, a device, and a folder of its own.
pub(crate) struct Stage {
    pub(crate) served: Served,
    pub(crate) device: Device,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let served = Served::new();
        let device = served.device("one");
        let stage = Self { served, device };
        fs::create_dir(stage.folder()).unwrap();
        stage
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.served.folder.path().join("photos")
    }

    /// A folder that is not there yet.
    pub(crate) fn other(&self) -> PathBuf {
        self.served.folder.path().join("back")
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        write(&self.folder(), path, content);
    }

    /// Where the server keeps the objects.
    pub(crate) fn objects(&self) -> PathBuf {
        self.served.folder.path().join("buckets/my-bucket/p")
    }

    pub(crate) fn address(&self) -> String {
        format!("s3://my-bucket/p?endpoint=http://{}", self.served.server.address())
    }

    pub(crate) fn up(&self, more: &[&str]) -> Ran {
        let (folder, address) = (self.folder(), self.address());
        let words = [&["mirror", "up", folder.to_str().unwrap(), &address], more].concat();
        self.served.run(&self.device, &words)
    }

    pub(crate) fn down(&self, folder: &Path, more: &[&str]) -> Ran {
        let address = self.address();
        let words = [&["mirror", "down", &address, folder.to_str().unwrap()], more].concat();
        self.served.run(&self.device, &words)
    }
}

pub(crate) fn write(folder: &Path, path: &str, content: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The report, whether the command succeeded or not.
#[track_caller]
pub(crate) fn report(ran: Ran) -> Value {
    let text = String::from_utf8(ran.stdout).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{}: no report: {}", ran.what, ran.stderr));
    serde_json::from_str(last).unwrap()
}

/// Uploaded, downloaded, deleted, skipped, failed.
pub(crate) fn counts(report: &Value) -> [u64; 5] {
    ["uploaded", "downloaded", "deleted", "skipped", "failed"].map(|name| report[name].as_u64().unwrap())
}

/// All files below a folder, with their contents.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_folder_goes_up_and_comes_down() {
    let stage = Stage::new();
    for (path, content) in [("a", "1"), ("a-b", "2"), ("a.d/x", "3"), ("c/..b", "4"), ("ü b/ç", "5"), ("empty", "")] {
        stage.write(path, content);
    }
    let up = report(stage.up(&["--json"]));
    assert_eq!(counts(&up), [6, 0, 0, 0, 0]);
    assert_eq!((up["bytes_transferred"].as_u64(), up["errors"].as_array().unwrap().len()), (Some(5), 0));
    assert_eq!(counts(&report(stage.up(&["--json"]))), [0, 0, 0, 6, 0], "nothing is sent twice");

    let back = stage.other();
    assert_eq!(counts(&report(stage.down(&back, &["--json"]))), [0, 6, 0, 0, 0]);
    assert_eq!(files(&back), files(&stage.folder()));
    assert_eq!(counts(&report(stage.down(&back, &["--json"]))), [0, 0, 0, 6, 0]);

    stage.write("a", "changed");
    fs::remove_file(stage.folder().join("empty")).unwrap();
    assert_eq!(counts(&report(stage.up(&["--json"]))), [1, 0, 0, 4, 0], "what is gone stays there");
    assert_eq!(counts(&report(stage.down(&back, &["--json"]))), [0, 1, 0, 5, 0]);
    assert_eq!(fs::read_to_string(back.join("a")).unwrap(), "changed");
    assert!(back.join("empty").exists());
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let stage = Stage::new();
    stage.write("a", "1");
    stage.write("b\u{1b}[2J", "2");
    let ran = stage.up(&["--dry-run"]);
    assert!(ran.stderr.contains("would copy 2"), "{}", ran.stderr);
    assert_eq!(ran.ok(), "upload    a\nupload    b\\u{1b}[2J\n");
    assert!(!stage.objects().exists());
    stage.up(&[]).ok();
    let back = stage.other();
    assert_eq!(counts(&report(stage.down(&back, &["--dry-run", "--json"]))), [0, 2, 0, 0, 0]);
    assert!(!back.exists(), "not even the folder");
}

#[test]
fn delete_removes_what_the_source_has_not() {
    let stage = Stage::new();
    for n in 0..8 {
        stage.write(&format!("d{n}/x"), "1");
    }
    stage.up(&[]).ok();
    let back = stage.other();
    stage.down(&back, &[]).ok();
    write(&back, "d7/kept-open", "2");
    fs::remove_dir_all(stage.folder().join("d7")).unwrap();
    assert_eq!(counts(&report(stage.up(&["--delete", "--dry-run", "--json"]))), [0, 0, 1, 7, 0]);
    assert!(stage.objects().join("d7/x").exists());
    assert_eq!(counts(&report(stage.up(&["--delete", "--json"]))), [0, 0, 1, 7, 0]);
    assert!(!stage.objects().join("d7").exists());
    assert_eq!(counts(&report(stage.down(&back, &["--delete", "--json"]))), [0, 0, 2, 7, 0]);
    assert_eq!(files(&back), files(&stage.folder()));
    assert!(!back.join("d7").exists(), "the folder that it left empty");
}

#[test]
fn an_empty_source_deletes_nothing() {
    let stage = Stage::new();
    for n in 0..4 {
        stage.write(&n.to_string(), "1");
    }
    stage.up(&[]).ok();
    let back = stage.other();
    stage.down(&back, &[]).ok();
    let before = (files(&stage.objects()), files(&back));

    fs::rename(stage.folder(), stage.served.folder.path().join("unplugged")).unwrap();
    let told = stage.up(&["--delete", "--max-delete", "100"]).refused(3);
    assert!(told.contains("no such folder"), "{told}");
    fs::create_dir(stage.folder()).unwrap();
    refused(stage.up(&["--delete", "--max-delete", "100", "--json"]), "the source has no files");

    fs::rename(stage.objects(), stage.served.folder.path().join("elsewhere")).unwrap();
    refused(stage.down(&back, &["--delete", "--max-delete", "100", "--json"]), "the source has no files");
    fs::rename(stage.served.folder.path().join("elsewhere"), stage.objects()).unwrap();
    assert_eq!((files(&stage.objects()), files(&back)), before);
}

#[test]
fn more_than_a_quarter_deletes_nothing() {
    let stage = Stage::new();
    for n in 0..8 {
        stage.write(&n.to_string(), "1");
    }
    stage.up(&[]).ok();
    let back = stage.other();
    stage.down(&back, &[]).ok();
    let before = (files(&stage.objects()), files(&back));
    for n in 0..3 {
        fs::remove_file(stage.folder().join(n.to_string())).unwrap();
    }
    refused(stage.up(&["--delete", "--json"]), "3 of 8 files would go");
    assert_eq!(files(&stage.objects()), before.0);
    assert_eq!(counts(&report(stage.up(&["--delete", "--max-delete", "38", "--json"]))), [0, 0, 3, 5, 0]);
    refused(stage.down(&back, &["--delete", "--json"]), "3 of 8 files would go");
    assert_eq!(files(&back), before.1);
    assert_eq!(counts(&report(stage.down(&back, &["--delete", "--max-delete", "38", "--json"]))), [0, 0, 3, 5, 0]);
}

/// Nothing was deleted, for a reason that the report and the error name.
#[track_caller]
fn refused(ran: Ran, why: &str) {
    assert_eq!(ran.code, Some(2), "{}: {}", ran.what, ran.stderr);
    assert!(ran.stderr.contains("nothing was deleted") && ran.stderr.contains(why), "{}", ran.stderr);
    let report = report(ran);
    assert_eq!(report["deleted"], 0);
    let last = report["errors"].as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "invalid");
    assert!(last["message"].as_str().unwrap().contains(why), "{last}");
}

#[test]
fn a_vault_is_no_copy() {
    let stage = Stage::new();
    let address = format!("s3://my-bucket/p/notes?endpoint=http://{}", stage.served.server.address());
    stage.served.run(&stage.served.device("two"), &["init", "--store", &address]).ok();
    for n in 0..100 {
        stage.write(&n.to_string(), "1");
    }
    let before = files(&stage.objects());
    refused(stage.up(&["--delete", "--max-delete", "100", "--json"]), "there is a vault");
    let after = files(&stage.objects());
    assert!(before.iter().all(|(name, content)| after.get(name) == Some(content)));
}

#[test]
fn what_the_memory_does_not_know_is_compared() {
    let stage = Stage::new();
    stage.write("old", "1");
    stage.write("new", "2");
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(stage.folder().join("old")).unwrap().set_modified(long_ago).unwrap();
    stage.up(&[]).ok();
    // The embedded server keeps no metadata: what counts is whose time is later.
    let later = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().write(true).open(stage.folder().join("new")).unwrap().set_modified(later).unwrap();
    fs::remove_dir_all(stage.device.local.join("mirrors")).unwrap();
    assert_eq!(counts(&report(stage.up(&["--json", "--dry-run"]))), [1, 0, 0, 1, 0]);
    assert_eq!(counts(&report(stage.up(&["--json", "--dry-run", "--size-only"]))), [0, 0, 0, 2, 0]);
    let checked = stage.up(&["--json", "--checksum"]);
    assert_eq!(checked.code, Some(12), "{}", checked.stderr);
    let checked = report(checked);
    assert_eq!(counts(&checked), [0, 0, 0, 0, 2]);
    assert_eq!((&checked["errors"][0]["kind"], &checked["errors"][0]["path"]), (&"unsupported".into(), &"new".into()));
}

#[test]
fn one_process_at_a_time_and_other_folders_are_strangers() {
    let stage = Stage::new();
    stage.write("a", "1");
    stage.up(&[]).ok();
    let memory = fs::read_dir(stage.device.local.join("mirrors")).unwrap();
    let lock = memory.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|end| end == "lock"));
    let lock = fs::File::open(lock.unwrap()).unwrap();
    lock.lock().unwrap();
    assert!(stage.up(&[]).refused(9).contains("another process mirrors this folder"));
    drop(lock);
    stage.up(&[]).ok();
}
