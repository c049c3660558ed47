//! Bad input: each has its exit code, names its cause and the next step, and loses nothing.

use crate::device::{Place, Ran};
use serde_json::Value;

/// An error in words has its hint a blank line below.
#[track_caller]
fn refused(ran: Ran, code: i32) -> String {
    let text = ran.refused(code);
    assert!(text.starts_with("error: "), "{text}");
    assert!(text.contains("\n\nhint: "), "{text}");
    text
}

#[test]
fn what_is_not_there() {
    let place = Place::new();
    let device = place.device("one");
    for arguments in [&["get", "m", "k"][..], &["put", "m", "k", "v"], &["sync"], &["status"], &["export"], &["reset"]]
    {
        assert!(refused(device.run(arguments), 3).contains("tidelock init"), "{arguments:?}");
    }
    assert!(!device.local.exists(), "nothing was made");
    refused(device.run(&["init"]), 2);
    refused(device.run(&["import", "/nowhere/at/all"]), 3);
    let (device, _) = place.first();
    refused(device.run(&["import", "/nowhere/at/all"]), 2);
}

#[test]
fn secrets_that_open_nothing() {
    let place = Place::new();
    let (_, code) = place.first();
    let other = Place::new();
    let (_, wrong_code) = other.first();
    let two = place.device("two");
    let join = ["join", "--store", &place.store(), "--secret-stdin"];
    refused(two.pipe(&join, wrong_code.as_bytes()), 6);
    // One symbol changed: the checksum finds it before anything is asked of the store.
    let slip = code.chars().next().map(|first| if first == '7' { '8' } else { '7' }).unwrap();
    refused(two.pipe(&join, format!("{slip}{}", &code[1..]).as_bytes()), 2);
    refused(two.pipe(&join, b"\n"), 2);
    // Without a terminal nobody can be asked.
    refused(two.run(&join[..3]), 2);
    two.pipe(&join, code.as_bytes()).ok();
}

#[test]
fn a_vault_where_one_is_already() {
    let place = Place::new();
    let (one, _) = place.first();
    assert!(refused(one.run(&["init", "--store", "file:///elsewhere"]), 10).contains("reset"));
    assert_eq!(one.json(&["status"])["store"], place.store(), "the store stays remembered");
    refused(place.device("two").run(&["init", "--store", &place.store()]), 10);
}

#[test]
fn stores_that_are_none() {
    let place = Place::new();
    let device = place.device("one");
    for store in ["my-bucket", "s3://", "s3://my-bucket?colour=red", "http://example.org", "file://relative"] {
        refused(device.run(&["init", "--store", store]), 2);
    }
    let secret = "wJalrXUtnFEMI";
    let text = refused(device.run(&["init", "--store", &format!("s3://my-bucket?secret_key={secret}")]), 2);
    assert!(text.contains("AWS_SECRET_ACCESS_KEY") && !text.contains(secret), "{text}");
    // Nobody listens on the discard port of this machine.
    let unreachable = "s3://my-bucket?endpoint=http://127.0.0.1:9";
    refused(device.run(&["init", "--store", unreachable]), 4);
}

#[test]
fn keys_and_values_outside_the_limits() {
    let place = Place::new();
    let (device, _) = place.first();
    device.run(&["put", "m", "k", "v"]).ok();
    refused(device.run(&["put", "m", &"k".repeat(513), "v"]), 2);
    refused(device.run(&["put", "m", "", "v"]), 2);
    refused(device.pipe(&["put", "m", "k"], &vec![0; (256 << 10) + 1]), 2);
    refused(device.pipe(&["log", "append", "l"], &vec![b'x'; (256 << 10) + 1]), 2);
    refused(device.run(&["put", "", "k", "v"]), 2);
    assert_eq!(device.run(&["get", "m", "k"]).ok(), "v");
    device.pipe(&["put", "m", "k"], &vec![0; 256 << 10]).ok();
}

#[test]
fn errors_in_json_are_one_object() {
    let place = Place::new();
    let (device, _) = place.first();
    let text = device.run(&["--json", "get", "m", "k"]).refused(3);
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(error["error"]["kind"], "not-found");
    assert_eq!(error["error"]["object"], "k");
    assert_eq!(error["error"]["retry"], false);
}

#[test]
fn usage_errors_in_json_are_one_object_too() {
    let device = Place::new().device("one");
    for (arguments, part) in [
        (&["frobnicate", "--json"][..], "frobnicate"),
        (&["--json", "get", "m"], "<KEY>"),
        (&["put", "--json", "--nonsense"], "--nonsense"),
        (&["--json", "devices", "revoke"], "<DEVICE>"),
        (&["--json", "serve", "dir", "--port", "many"], "many"),
    ] {
        let text = device.run(arguments).refused(2);
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{arguments:?}: {why}: {text}"));
        assert_eq!(error["error"]["kind"], "invalid", "{text}");
        assert!(error["error"]["message"].as_str().unwrap().contains(part), "{text}");
        assert!(error["error"]["hint"].as_str().unwrap().contains("tidelock"), "{text}");
    }
    let text = device.run(&["get", "m", "--", "--json", "x", "y"]).refused(2);
    assert!(text.starts_with("error: "), "an argument is no option: {text}");
    assert!(device.run(&["--json", "--help"]).ok().contains("Exit codes"));
}

#[test]
fn a_damaged_configuration() {
    let place = Place::new();
    let (device, _) = place.first();
    std::fs::write(device.local.join("config.toml"), "store = ").unwrap();
    assert!(refused(device.run(&["status"]), 9).contains("config.toml"));
    let with_store = device.command(&["status", "--json"]).env("TIDELOCK_STORE", place.store()).output().unwrap();
    assert!(with_store.status.success(), "the environment's store counts first");
}

#[test]
fn the_manual_and_completions_are_printed() {
    let device = Place::new().device("one");
    assert!(device.run(&["man"]).ok().contains("Exit codes"));
    assert!(device.run(&["completions", "bash"]).ok().contains("republish"));
    assert!(device.run(&["--help"]).ok().contains("130  cancelled"));
    assert_eq!(device.run(&["frobnicate"]).code, Some(2));
}
