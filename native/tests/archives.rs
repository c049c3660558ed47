//! The shared vectors of archives: `tests/vectors/archives.json`.

use futures::executor::block_on;
use serde_json::{Map, Value, json};
use tidelock::{Collection, Error, KeyRange, Kind, Local, Options, Vault};

#[test]
fn archives() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/archives.json")).unwrap();
    let mut failures = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        assert_eq!(case["check"], "archive");
        let came = imported(case["given"]["text"].as_str().unwrap());
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

/// What is in an empty vault after an import.
fn imported(text: &str) -> Result<Value, Error> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let store = format!("file://{}", folder.path().join("bucket").display());
    let options = Options::new(&store, folder.path().join("device")).unwrap();
    let (vault, _) = block_on(Vault::create(options.clone()))?;
    block_on(vault.close());
    let mut local = Local::open(&options)?;
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
