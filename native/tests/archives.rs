//! The shared vectors of archives: `tests/vectors/archives.json`.

use futures::executor::block_on;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::Path;
use tidelock::{Collection, Error, ErrorKind, KeyRange, Kind, Local, Options, Vault};

#[test]
fn archives() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/archives.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = empty(folder.path());
    let mut failures = Vec::new();
    for (at, case) in file["cases"].as_array().unwrap().iter().enumerate() {
        assert_eq!(case["check"], "archive");
        let mut options = empty.clone();
        options.local = folder.path().join(at.to_string());
        copy(&empty.local, &options.local);
        let came = imported(&options, case["given"]["text"].as_str().unwrap());
        let right = match (&came, &case["value"], &case["refused"]) {
            (Ok(value), expected, Value::Null) => value == expected,
            (Err(error), Value::Null, kind) => kind == error.kind().name(),
            _ => false,
        };
        if !right {
            failures.push(format!("{}: {came:?}", case["name"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A device of an empty vault.
fn empty(folder: &Path) -> Options {
    fs::create_dir(folder.join("bucket")).unwrap();
    let store = format!("file://{}", folder.join("bucket").display());
    let options = Options::new(&store, folder.join("empty")).unwrap();
    let (vault, _) = block_on(Vault::create(options.clone())).unwrap();
    block_on(vault.close());
    options
}

/// Making a vault takes seconds; each case begins with a copy of one.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// What is there after an import.
fn imported(options: &Options, text: &str) -> Result<Value, Error> {
    let mut local = Local::open(options)?;
    let report = local.import_archive(&mut text.as_bytes())?;
    let (mut maps, mut logs) = (Map::new(), Map::new());
    for collection in local.status()?.collections {
        let shelf = if collection.kind == Kind::Log { &mut logs } else { &mut maps };
        shelf.insert(collection.name.clone(), held(&local, &collection)?);
    }
    Ok(json!({
        "maps": maps,
        "logs": logs,
        "added": report.added,
        "siblings": report.siblings,
        "unchanged": report.unchanged,
    }))
}

fn held(local: &Local, collection: &Collection) -> Result<Value, Error> {
    let mut records = Map::new();
    for entry in local.list(collection.clone(), KeyRange::default()) {
        let entry = entry?;
        records.insert(entry.key, Value::from(String::from_utf8(entry.record.value.to_vec()).unwrap()));
    }
    Ok(Value::Object(records))
}

/// An archive of which a part comes late; something else happens before it does.
struct Late<F> {
    parts: Vec<String>,
    meanwhile: Option<F>,
}

impl<F: FnOnce()> Read for Late<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(part) = self.parts.pop() else { return Ok(0) };
        if self.parts.is_empty() {
            self.meanwhile.take().unwrap()();
        }
        into[..part.len()].copy_from_slice(part.as_bytes());
        Ok(part.len())
    }
}

#[test]
fn what_is_written_while_an_archive_comes_in_is_newer() {
    let folder = tempfile::tempdir().unwrap();
    let options = empty(folder.path());
    let line = |key: &str| {
        format!(r#"{{"kind":"map","name":"m","key":"{key}","value":"b2xk","stamp":{{"ms":1,"counter":0}}}}"#)
    };
    let header = r#"{"tidelock_archive":1,"vault":null,"exported_unix_ms":0}"#;
    // Popped from the end.
    let parts = vec![format!("{}\n", line("l")), format!("{header}\n{}\n", line("k"))];
    let write = || Local::open(&options).unwrap().put(Collection::map("m"), "k", "new").unwrap();
    let mut local = Local::open(&options).unwrap();
    let report = local.import_archive(&mut BufReader::new(Late { parts, meanwhile: Some(write) })).unwrap();
    assert_eq!((report.added, report.newer_here), (1, 1));
    let value = |key| local.get(&Collection::map("m"), key).unwrap().unwrap().value;
    assert_eq!((&value("k")[..], &value("l")[..]), (&b"new"[..], &b"old"[..]));
}

/// docs/ARCHIVE.md: the lines before a bad one stay imported, few as they are.
#[test]
fn what_comes_before_a_bad_line_stays_imported() {
    let header = r#"{"tidelock_archive":1,"vault":null,"exported_unix_ms":0}"#;
    let good = r#"{"kind":"map","name":"m","key":"k","value":"b2xk","stamp":{"ms":1,"counter":0}}"#;
    for bad in ["no line", &good.replace("b2xk", "no base64")] {
        let folder = tempfile::tempdir().unwrap();
        let options = empty(folder.path());
        let mut local = Local::open(&options).unwrap();
        let refused = local.import_archive(&mut format!("{header}\n{good}\n{bad}\n").as_bytes()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        assert_eq!(&local.get(&Collection::map("m"), "k").unwrap().unwrap().value[..], b"old");
    }
}
