//! Objects that were deleted or truncated by hand: `check` names them, `sync --force` and `republish` write them again.

use crate::device::{Device, Place};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Every object of the store that is not its folder's own.
fn objects(place: &Place) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![place.path("bucket")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with(".tidelock") => {}
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn truncate(path: &PathBuf) {
    let len = fs::metadata(path).unwrap().len();
    fs::File::options().write(true).open(path).unwrap().set_len(len / 2).unwrap();
}

/// Two devices in step, whose data is in segments and a snapshot.
fn in_step() -> (Place, Device, Device, String) {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    for (device, name) in [(&one, "one"), (&two, "two")] {
        for at in 0..3 {
            let noise: Vec<u8> =
                (0..60_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761 + at) >> 16) as u8).collect();
            device.pipe(&["put", "m", &format!("page {at} of {name}")], &noise).ok();
        }
        device.run(&["sync"]).ok();
    }
    for device in [&one, &two, &one] {
        device.run(&["sync"]).ok();
    }
    (place, one, two, code)
}

#[test]
fn check_names_each_damaged_object_and_sync_force_writes_it_again() {
    let (place, one, two, _) = in_step();
    one.run(&["check"]).ok();
    let sound = one.json(&["check", "--read-data"]);
    assert_eq!((&sound["damaged"], &sound["requests"]["PUT"]), (&json!([]), &json!(0)));
    for kind in ["bucket/tidelock", "/slots/", "/beacon", "/snapshots/"] {
        let mut named = 0;
        for (at, object) in objects(&place).iter().filter(|path| path.to_str().unwrap().contains(kind)).enumerate() {
            if !object.exists() {
                continue; // what was written again has another name
            }
            if at % 2 == 0 {
                fs::remove_file(object).unwrap()
            } else {
                truncate(object)
            }
            let found = one.run(&["check", "--json"]);
            let damaged: Value = serde_json::from_slice(&found.stdout).unwrap();
            let damaged = damaged["damaged"].as_array().unwrap();
            assert_eq!(found.code, Some(if damaged.is_empty() { 0 } else { 7 }), "{kind}: {}", found.stderr);
            let name = object.strip_prefix(place.path("bucket")).unwrap().to_str().unwrap();
            named += usize::from(damaged.iter().any(|damage| damage["object"] == name));
            let repaired = one.run(&["sync", "--force"]);
            let told = repaired.stderr.contains("this device wrote again");
            assert!(told || damaged.is_empty(), "{kind}: {}", repaired.stderr);
            repaired.ok();
            assert_eq!(one.json(&["check", "--read-data"])["damaged"], json!([]), "{kind}");
        }
        assert!(named > 0, "nobody needs {kind}");
    }
    two.run(&["sync"]).ok();
    assert_eq!(two.json(&["check", "--read-data"])["damaged"], json!([]));
}

#[test]
fn a_damaged_header_is_put_right_by_a_device_that_has_the_vault_and_by_nobody_else() {
    let (place, one, _two, code) = in_step();
    let header = place.path("bucket/tidelock");
    let sound = fs::read(&header).unwrap();
    for damage in [|path: &PathBuf| fs::remove_file(path).unwrap(), |path: &PathBuf| truncate(path)] {
        damage(&header);
        let stranger = place.device("stranger");
        let refused = stranger.run(&["init", "--store", &place.store(), "--name", "stranger"]).refused(10);
        let join = ["join", "--store", &place.store(), "--name", "stranger", "--secret-stdin"];
        let told = stranger.pipe(&join, code.as_bytes()).refused(7);
        for text in [refused, told] {
            assert!(text.contains("run `tidelock republish` on a device that has the vault"), "{text}");
        }
        one.run(&["republish"]).ok();
        assert_eq!(fs::read(&header).unwrap(), sound);
    }
    assert_eq!(place.join("three", &code).run(&["get", "m", "page 0 of two"]).code, Some(0));
}
