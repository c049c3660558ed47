//! Whole buckets of `tests/vectors`: a device joins by the recovery code, and goes on as objects change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tidelock_core::crypto::RecoveryCode;
use tidelock_core::{Error, ErrorKind, KeyRange, Kind, SyncReport};
use tidelock_sim::world::World;

#[test]
fn what_a_device_holds_of_each_bucket() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/buckets.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let mut failures = Vec::new();
    for case in cases {
        assert_eq!(case["check"], "bucket");
        let came = held(&case["given"]);
        let right = match (&came, &case["value"], &case["refused"]) {
            (Ok(value), expected, Value::Null) => value == expected,
            (Err(error), Value::Null, kind) => kind == error.kind().name(),
            _ => false,
        };
        if !right {
            let came = came.map_or_else(|error| format!("refused: {error}"), |value| value.to_string());
            failures.push(format!("{}: {came}\n  expected {} {}", case["name"], case["value"], case["refused"]));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// What is held after each stage. A device that is known before keeps what it knows.
fn held(given: &Value) -> Result<Value, Error> {
    let mut world = World::new(1);
    world.code = Some(RecoveryCode::parse(given["recovery_code"].as_str().unwrap())?);
    let mut stages = Vec::new();
    let mut at = None;
    for stage in given["stages"].as_array().unwrap() {
        for (key, bytes) in stage.as_object().unwrap() {
            world.bucket.put(key, STANDARD.decode(bytes.as_str().unwrap()).unwrap().into());
        }
        let device = match at {
            Some(device) => device,
            None => world.join()?,
        };
        at = Some(device);
        let report = world.full_check(device)?;
        check_named(given, &report);
        stages.push(shown(&world, device, &report));
    }
    Ok(Value::Array(stages))
}

/// Of the objects that a case calls bad one is named, and nothing else. A beacon is a hint: it is written anew.
fn check_named(given: &Value, report: &SyncReport) {
    let of_damage = [ErrorKind::Corrupt, ErrorKind::HashMismatch, ErrorKind::NotFound];
    let named: BTreeSet<&str> =
        report.reports.iter().filter(|error| of_damage.contains(&error.kind())).filter_map(Error::object).collect();
    let bad: BTreeSet<&str> = given["bad"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(named.is_subset(&bad), "{bad:?}: {:?}", report.reports);
    let beacon = bad.iter().all(|path| path.ends_with("/beacon"));
    assert!(beacon || !named.is_empty(), "{bad:?}: {:?}", report.reports);
}

fn shown(world: &World, device: usize, report: &SyncReport) -> Value {
    let engine = &world.devices[device].engine;
    let status = engine.status().unwrap();
    let (mut maps, mut logs) = (Map::new(), Map::new());
    let conflicts = engine.conflicts(None, 100).unwrap();
    assert!(!conflicts.iter().any(|conflict| conflict.collection.kind.is_own()), "{conflicts:?}");
    for collection in &status.collections {
        let mut records = Map::new();
        for entry in engine.list(collection, &KeyRange::default(), 100).unwrap() {
            let text = |bytes: &[u8]| Value::from(String::from_utf8(bytes.to_vec()).unwrap());
            let conflict =
                conflicts.iter().find(|conflict| conflict.collection == *collection && conflict.key == entry.key);
            let value = match (collection.kind, conflict) {
                (Kind::Log, _) => text(&entry.record.value),
                (_, None) => Value::Array(vec![text(&entry.record.value)]),
                (_, Some(conflict)) => conflict.versions.iter().filter_map(|v| v.value.as_deref()).map(text).collect(),
            };
            records.insert(entry.key, value);
        }
        if !records.is_empty() {
            let shelf = if collection.kind == Kind::Log { &mut logs } else { &mut maps };
            shelf.insert(collection.name.clone(), Value::Object(records));
        }
    }
    let others = status.devices.iter().filter(|other| Some(other.id) != status.device && other.applied > 0);
    let applied: Value =
        others.map(|other| json!({"device": other.id.to_string(), "n": other.applied.to_string()})).collect();
    let forked: Value =
        report.reports.iter().filter(|error| error.kind() == ErrorKind::Forked).filter_map(Error::object).collect();
    json!({"applied": applied, "maps": maps, "logs": logs, "forked": forked})
}
