//! The shared vectors of archives: `tests/vectors/archives.json`.

use futures::executor::block_on;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use tidelock::{Collection, Error, KeyRange, Kind, Local, Options, Vault};

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
