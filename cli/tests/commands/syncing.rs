//! Two devices on one folder store.

use crate::device::{Place, names, write_secret};
use serde_json::{Value, json};
use std::process::Stdio;

#[test]
fn what_one_device_writes_the_other_reads() {
    let place = Place::new();
    let (one, code) = place.first();
    one.run(&["put", "todo", "milk", "two litres"]).ok();
    one.run(&["log", "append", "shell", "ls -l"]).ok();
    assert_eq!(one.json(&["status"])["pending"], 2);
    let synced = one.json(&["sync"]);
    assert_eq!(synced["ops_published"], 2);
    assert_eq!(synced["pending"], 0);

    let two = place.join("two", &code);
    assert_eq!(two.run(&["get", "todo", "milk"]).ok(), "two litres");
    two.run(&["delete", "todo", "milk"]).ok();
    two.run(&["push"]).ok();
    one.run(&["pull"]).ok();
    one.run(&["get", "todo", "milk"]).refused(3);
    assert!(one.run(&["log", "list", "shell"]).ok().ends_with("\tls -l\n"));

    let devices = one.run(&["devices"]).ok();
    assert_eq!(devices.lines().count(), 3); // with the recovery code
    assert!(devices.contains("\tone\t") && devices.contains("\ttwo\t"), "{devices}");
    assert!(one.run(&["status", "--verbose"]).ok().contains("map todo"));
    assert_ne!(one.run(&["status", "--last-sync"]).ok(), "never\n");
    one.run(&["sync", "--force"]).ok();
}

#[test]
fn an_idle_sync_is_one_get_and_json_counts_it() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    one.run(&["sync"]).ok();
    // The first sync after a write confirms it; from then on nothing moves.
    one.run(&["sync"]).ok();
    let before = one.json(&["status"]);
    let idle = one.json(&["sync"]);
    assert_eq!(idle["requests"], json!({ "GET": 1, "PUT": 0, "DELETE": 0, "LIST": 0, "HEAD": 0, "POST": 0 }));
    assert_eq!((&idle["bytes_sent"], &idle["bytes_received"]), (&json!(0), &json!(0)));
    let after = one.json(&["status"]);
    let get = |status: &Value| status["requests"]["GET"].as_u64().unwrap();
    assert_eq!(get(&after), get(&before) + 1);
}

#[test]
fn concurrent_puts_are_listed_and_resolved() {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    for key in ["a", "b", "c"] {
        one.run(&["put", "m", key, "from one"]).ok();
        two.run(&["put", "m", key, "from two"]).ok();
    }
    one.run(&["sync"]).ok();
    two.run(&["sync"]).ok();
    let listed = two.run(&["conflicts"]).ok();
    assert_eq!(listed.matches("from one").count(), 3);
    assert_eq!(listed.matches("from two").count(), 3);
    assert!(listed.contains("\tone\n") && listed.contains("\ttwo\n"), "devices are named: {listed}");
    let conflict: Value = serde_json::from_str(two.run(&["conflicts", "--json"]).ok().lines().next().unwrap()).unwrap();
    assert_eq!(conflict["collection"], json!({ "kind": "map", "name": "m" }));

    let other = conflict["versions"][1]["value"].as_str().unwrap();
    two.run(&["resolve", "m", "a", "--pick", "3"]).refused(2);
    two.run(&["resolve", "m", "a", "--pick", "2"]).ok();
    assert_eq!(two.run(&["get", "m", "a"]).ok(), other);
    two.run(&["resolve", "m", "b", "both"]).ok();
    two.run(&["resolve", "m", "c", "--delete"]).ok();
    two.run(&["resolve", "m", "c", "--delete"]).refused(3);
    assert_eq!(two.run(&["conflicts"]).ok(), "");
    two.run(&["sync"]).ok();
    one.run(&["sync"]).ok();
    assert_eq!(one.run(&["get", "m", "b"]).ok(), "both");
    one.run(&["get", "m", "c"]).refused(3);
    assert_eq!(one.run(&["conflicts"]).ok(), "");
}

#[test]
fn a_passphrase_joins_from_a_file() {
    let place = Place::new();
    let one = place.device("one");
    write_secret(&place.path("passphrase"), "correct horse battery staple\n");
    let file = place.path("passphrase");
    let file = file.to_str().unwrap();
    one.run(&["init", "--store", &place.store(), "--passphrase-file", file]).ok();
    place.device("two").run(&["join", "--store", &place.store(), "--secret-file", file]).ok();
}

#[test]
fn the_store_is_remembered_without_secrets() {
    let place = Place::new();
    let (one, code) = place.first();
    let config = std::fs::read_to_string(one.local.join("config.toml")).unwrap();
    assert!(config.contains(&place.store()));
    assert!(!config.contains(&code[..8]));
    assert!(names(&one.local).contains(&"store.db".to_owned()));
    #[cfg(unix)]
    for name in names(&one.local) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(one.local.join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is its owner's alone");
    }
}

#[test]
fn pushes_at_once_all_end_when_everything_is_published() {
    let place = Place::new();
    let (one, _) = place.first();
    let children: Vec<_> = (0..4)
        .map(|n| {
            one.run(&["put", "m", &format!("k{n}"), "v"]).ok();
            one.command(&["push"]).stdin(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(one.json(&["status"])["pending"], 0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_watch_with_its_own_code() {
    use std::io::{BufRead as _, BufReader};
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    let mut child = one.command(&["watch", "--json"]).stdin(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let report: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(report["ops_published"], 1);
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8(output.stderr).unwrap().contains("\"cancelled\""));
}

#[test]
fn a_store_that_took_a_new_id_says_which_it_was() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["sync"]).ok();
    let id = |device: &crate::device::Device| device.json(&["status"])["device"].as_str().unwrap().to_owned();
    let before = id(&one);
    let copy = place.device("copy");
    std::fs::create_dir(&copy.local).unwrap();
    for name in names(&one.local) {
        std::fs::copy(one.local.join(&name), copy.local.join(&name)).unwrap();
    }
    copy.run(&["put", "m", "k", "of the copy"]).ok();
    copy.run(&["sync"]).ok();
    one.run(&["put", "m", "k", "of the first"]).ok();
    one.run(&["sync"]).ok();
    let after = id(&one);
    assert_ne!(after, before);
    let listed = one.run(&["devices"]).ok();
    let marked: Vec<&str> = listed.lines().filter(|line| line.starts_with("* ")).collect();
    assert!(marked[0].starts_with(&format!("* {after}")), "{listed}");
    assert!(marked[1].starts_with(&format!("* was {before} before")), "{listed}");
    assert!(one.run(&["status"]).ok().lines().any(|line| line == format!("was before   {before}")));
    let json: Vec<Value> =
        one.run(&["devices", "--json"]).ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let this = json.iter().find(|device| device["this"] == true).unwrap();
    assert_eq!(this["was"], json!([before]));
    assert_eq!(copy.run(&["devices"]).ok().lines().filter(|line| line.starts_with("* ")).count(), 1);
}
