//! Documents of one device: what is printed, what is refused. What two devices do is in the conformance suite.

use crate::device::{Device, Place};
use serde_json::{Value, json};

fn get(device: &Device) -> Value {
    device.json(&["doc", "get", "visits", "42"])
}

#[test]
fn a_document_comes_back_in_canonical_form() {
    let place = Place::new();
    let (device, _) = place.first();
    device.pipe(&["doc", "put", "visits", "42"], b" { \"b\" : 1.0, \"a\":[ 1e2 , null ] }\n").ok();
    assert_eq!(device.run(&["doc", "get", "visits", "42"]).ok(), "{\"a\":[100,null],\"b\":1}\n");
    device.run(&["doc", "put", "visits", "42", "{}"]).ok();
    assert_eq!(device.run(&["doc", "get", "visits", "42"]).ok(), "{}\n", "an empty document exists");
    device.run(&["doc", "put", "visits", "7", r#"{"n":1e30}"#]).ok();
    assert_eq!(device.run(&["doc", "list", "visits"]).ok(), "42\t{}\n7\t{\"n\":1e+30}\n");
    assert_eq!(device.run(&["doc", "list", "visits", "--prefix", "7"]).ok(), "7\t{\"n\":1e+30}\n");
    let line = device.run(&["doc", "list", "visits", "--prefix", "7", "--json"]).ok();
    assert!(line.contains(r#""document":{"n":1e+30}"#), "byte for byte: {line}");
    device.run(&["doc", "delete", "visits", "42"]).ok();
    device.run(&["doc", "delete", "visits", "42"]).ok();
    device.run(&["doc", "get", "visits", "42"]).refused(3);
    let known = device.json(&["status"]);
    assert_eq!(known["collections"], json!([{ "kind": "documents", "name": "visits" }]));
}

#[test]
fn a_patch_sets_fields_and_null_removes_one() {
    let place = Place::new();
    let (device, _) = place.first();
    device.run(&["doc", "patch", "visits", "42", r#"{"place":"Brest","note":"rain","none":null}"#]).ok();
    assert_eq!(get(&device)["document"], json!({ "place": "Brest", "note": "rain" }));
    device.run(&["doc", "patch", "visits", "42", r#"{"note":null,"rating":{"food":5}}"#]).ok();
    assert_eq!(get(&device)["document"], json!({ "place": "Brest", "rating": { "food": 5 } }));
    device.run(&["doc", "patch", "visits", "42", r#"{"rating":{"view":4}}"#]).ok();
    assert_eq!(get(&device)["document"]["rating"], json!({ "view": 4 }), "what is within a field is not merged");
    device.run(&["doc", "put", "visits", "42", r#"{"place":null}"#]).ok();
    assert_eq!(get(&device)["document"], json!({ "place": null }), "in a put null is a value");
}

#[test]
fn what_is_no_document_is_refused() {
    let place = Place::new();
    let (device, _) = place.first();
    let many: String = (0..1_001).map(|n| format!("\"{n}\":0,")).collect();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let refused = [
        ("[1]", "a document is a JSON object"),
        ("{\"a\":1,\"\\u0061\":2}", "a name twice"),
        ("{\"a\":18446744073709551615}", "write it as a string"),
        ("{\"a\":1e999}", "greater than a 64-bit float"),
        ("{\"a\":\"\\ud800\"}", "surrogate"),
        (&format!("{{{}}}", many.trim_end_matches(',')), "at most 1,000 fields"),
        (&deep, "64 deep"),
        (&format!("{{\"a\":\"{}\"}}", "x".repeat(256 << 10)), "at most 256 KiB"),
        (&format!("{{\"{}\":1}}", "x".repeat(201)), "at most 200 bytes"),
    ];
    for (document, why) in refused {
        for call in ["put", "patch"] {
            let told = device.pipe(&["doc", call, "visits", "42"], document.as_bytes()).refused(2);
            assert!(told.contains(why), "{call}: {told}");
        }
    }
    device.run(&["doc", "put", "visits", &"x".repeat(257), "{}"]).refused(2);
    device.run(&["doc", "put", "visits", "", "{}"]).refused(2);
    device.run(&["doc", "resolve", "visits", "42", "place", "1"]).refused(3);
    assert_eq!(device.run(&["doc", "list", "visits"]).ok(), "");
}

#[test]
fn documents_go_into_an_archive_and_come_out_of_it() {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    one.run(&["doc", "put", "visits", "42", r#"{"place":"Brest","rating":4}"#]).ok();
    two.run(&["doc", "patch", "visits", "42", r#"{"rating":5}"#]).ok();
    for device in [&two, &one] {
        device.run(&["sync"]).ok();
    }
    let archive = one.run(&["export"]).ok();
    let sibling = archive.lines().last().unwrap();
    assert!(sibling.contains(r#""field":"rating""#) && sibling.contains(r#""sibling":true"#), "{sibling}");
    let other = place.device("other");
    std::fs::create_dir(place.path("other-bucket")).unwrap();
    let store = format!("file://{}", place.path("other-bucket").display());
    other.run(&["init", "--store", &store, "--name", "other"]).ok();
    for _ in 0..2 {
        other.pipe(&["import", "-"], archive.as_bytes()).ok();
        assert_eq!(get(&other)["document"], json!({ "place": "Brest", "rating": 5 }));
    }
}
