//! What is said while nothing happens: a server that never answers, another process that syncs; and the end of patience.

use crate::device::{Place, Ran};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A server that takes connections and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("s3://my-bucket?endpoint=http://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// What it told on stderr as JSON, line by line, but for how far the work is.
fn told(ran: &Ran) -> Vec<Value> {
    let lines = ran.stderr.lines();
    let objects = lines.map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")));
    objects.filter(|object: &Value| object["progress"].is_null()).collect()
}

#[test]
fn a_server_that_never_answers_is_named_and_the_timeout_ends_the_command() {
    let place = Place::new();
    let (_listener, store) = silent();
    for json in [false, true] {
        let device = place.device(if json { "json" } else { "words" });
        let arguments: &[&str] = &["init", "--store", &store, "--timeout", "3s"];
        let arguments = if json { [arguments, &["--json"]].concat() } else { arguments.to_vec() };
        let mut command = device.command(&arguments);
        command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
        let begun = Instant::now();
        let ran = Ran::of(&arguments, command.output().unwrap());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        if json {
            let told = told(&ran);
            assert_eq!(told[0]["waiting"]["for"], "store", "{}", ran.stderr);
            assert!(told[0]["waiting"]["seconds"].as_u64().unwrap() >= 2);
            assert_eq!(told.last().unwrap()["error"]["kind"], "timeout");
        } else {
            assert!(ran.stderr.contains("waiting for the store to answer, for "), "{}", ran.stderr);
            assert!(ran.stderr.contains("within 3 s"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_sync_that_waits_for_another_process_names_it() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    // This process stands for one that syncs.
    let mut lock = File::options().write(true).create(true).truncate(true).open(one.local.join("lock")).unwrap();
    lock.lock().unwrap();
    write!(lock, "{}", std::process::id()).unwrap();
    let ran = one.run(&["sync", "--timeout", "3s"]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let expected = format!("waiting for process {}, which has synced for ", std::process::id());
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    let ran = one.run(&["push", "--timeout", "3s", "--json"]);
    let told = told(&ran);
    assert_eq!(told[0]["waiting"]["process"], std::process::id(), "{}", ran.stderr);
    drop(lock);
    one.run(&["sync"]).ok();
}
