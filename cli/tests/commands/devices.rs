//! `devices`, against the embedded server: who is listed as what, and what a revoked device can still do.

use crate::device::{Device, write_secret};
use crate::served::{Served, store};
use serde_json::Value;

/// A vault on a server, and three devices in it.
struct Home {
    served: Served,
    one: Device,
    two: Device,
    three: Device,
}

impl Home {
    fn new() -> Self {
        let served = Served::new();
        let [one, two, three] = ["one", "two", "three"].map(|name| served.device(name));
        let address = store("my-bucket", served.server.address());
        let code = served.run(&one, &["init", "--store", &address, "--name", "one"]).ok();
        let file = served.folder.path().join("code");
        write_secret(&file, &code);
        let file = file.to_str().unwrap();
        for (name, device) in [("two", &two), ("three", &three)] {
            served.run(device, &["join", "--store", &address, "--name", name, "--secret-file", file]).ok();
        }
        served.run(&one, &["sync"]).ok();
        Self { served, one, two, three }
    }

    fn json(&self, device: &Device, arguments: &[&str]) -> Vec<Value> {
        let text = self.served.run(device, &[arguments, &["--json"]].concat()).ok();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What a device lists of the one with this name.
    fn listed(&self, device: &Device, name: &str) -> Value {
        let all = self.json(device, &["devices"]);
        assert_eq!(self.json(device, &["devices", "list"]).len(), all.len());
        all.into_iter().find(|listed| listed["name"] == name).unwrap()
    }
}

#[test]
fn a_device_is_retired_by_name_and_comes_back() {
    let home = Home::new();
    assert_eq!(home.listed(&home.one, "one")["state"], "this device");
    assert_eq!(home.listed(&home.one, "two")["state"], "active");
    home.served.run(&home.one, &["devices", "retire", "two"]).ok();
    assert_eq!(home.listed(&home.one, "two")["state"], "retired");
    assert!(home.one.run(&["devices"]).ok().lines().any(|line| line.contains("\ttwo\tretired\t")));
    home.two.run(&["put", "m", "k", "v"]).ok();
    home.served.run(&home.two, &["sync"]).ok();
    home.served.run(&home.one, &["sync"]).ok();
    assert_eq!(home.listed(&home.one, "two")["state"], "active");
    assert_eq!(home.one.run(&["get", "m", "k"]).ok(), "v");
}

#[test]
fn a_device_is_revoked_by_a_part_of_its_id() {
    let home = Home::new();
    let id = home.listed(&home.one, "two")["id"].as_str().unwrap().to_owned();
    home.two.run(&["put", "m", "before", "v"]).ok();
    home.served.run(&home.two, &["sync"]).ok();
    let revoked = home.served.run(&home.one, &["devices", "revoke", &id[..8]]);
    assert!(revoked.stderr.contains("credentials"), "{}", revoked.stderr);
    revoked.ok();
    home.two.run(&["put", "m", "later", "v"]).ok();
    home.served.run(&home.two, &["sync"]).refused(13);
    for device in [&home.one, &home.three] {
        let report = home.json(device, &["sync", "--force"]).remove(0);
        let reports = report["reports"].as_array().unwrap();
        assert!(reports.iter().any(|error| error["kind"] == "closed" && error["object"] == id), "{report}");
        assert_eq!(device.run(&["get", "m", "before"]).ok(), "v");
        device.run(&["get", "m", "later"]).refused(3);
        let listed = home.listed(device, "two");
        assert_eq!(
            (&listed["state"], &listed["quarantined"]["from"]),
            (&"revoked".into(), &listed["quarantined"]["to"])
        );
    }
}

/// Nothing but its slot, which is gone, and keys that it can't get tell a device that it was revoked.
#[test]
fn a_revoked_device_is_told_so_by_every_command() {
    let home = Home::new();
    home.served.run(&home.two, &["put", "m", "before", "v"]).ok();
    home.served.run(&home.two, &["sync"]).ok();
    // A full check says what it has taken, for the other one to read.
    home.served.run(&home.one, &["sync", "--force"]).ok();
    home.served.run(&home.two, &["sync"]).ok();
    home.served.run(&home.one, &["devices", "revoke", "two"]).ok();
    home.two.run(&["put", "m", "later", "v"]).ok();
    for arguments in [
        &["sync"][..],
        &["sync", "--force"],
        &["push"],
        &["pull"],
        &["watch"],
        &["republish"],
        &["recovery-code"],
        &["passphrase", "--remove"],
        &["devices", "retire", "one"],
        &["devices", "revoke", "one"],
    ] {
        let told = home.served.run(&home.two, arguments).refused(13);
        assert!(told.contains("revoked") && told.contains("can still be read"), "{arguments:?}: {told}");
        assert!(told.contains("1 change that was made here is not known to be on any other device"), "{told}");
        assert!(told.contains("export FILE"), "{arguments:?}: {told}");
    }
    // What needs no other device goes on, and says so too.
    for arguments in [
        &["get", "m", "later"][..],
        &["list", "m"],
        &["conflicts"],
        &["devices"],
        &["export"],
        &["put", "m", "more", "v"],
    ] {
        let ran = home.two.run(arguments);
        assert!(ran.stderr.contains("warning: this device was revoked"), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("export FILE"), "{arguments:?}: {}", ran.stderr);
        ran.ok();
    }
    let quiet = home.two.run(&["get", "m", "later", "--json"]);
    let warning: Value = serde_json::from_str(quiet.stderr.trim()).unwrap();
    assert_eq!(warning["warning"]["kind"], "revoked");
    let status = home.two.run(&["status"]);
    assert_eq!(status.stderr, "");
    assert!(status.ok().lines().any(|line| line.starts_with("revoked ")));
    let status = home.two.json(&["status"]);
    assert_eq!((&status["revoked"]["kind"], &status["untaken"]), (&"revoked".into(), &2.into()), "{status}");

    let refused = home.two.run(&["reset"]).refused(13);
    assert!(refused.contains("2 changes") && refused.contains("reset --discard"), "{refused}");
    assert_eq!(home.two.run(&["get", "m", "later"]).ok(), "v", "nothing was removed");
    let saved = home.served.folder.path().join("saved.jsonl");
    home.two.run(&["export", saved.to_str().unwrap()]).ok();
    home.two.run(&["reset", "--discard"]).ok();
    let code = home.served.folder.path().join("code");
    let address = store("my-bucket", home.served.server.address());
    let join = ["join", "--store", &address, "--name", "two again", "--secret-file", code.to_str().unwrap()];
    home.served.run(&home.two, &join).ok();
    home.two.run(&["import", saved.to_str().unwrap()]).ok();
    let synced = home.served.run(&home.two, &["sync"]);
    assert!(!synced.stderr.contains("this device was revoked"), "{}", synced.stderr);
    home.served.run(&home.one, &["sync"]).ok();
    assert_eq!(home.one.run(&["get", "m", "later"]).ok(), "v");
}

#[test]
fn what_a_revoked_device_wrote_is_adopted() {
    let home = Home::new();
    home.served.run(&home.one, &["devices", "revoke", "two"]).ok();
    home.two.run(&["put", "m", "later", "v"]).ok();
    home.served.run(&home.two, &["sync"]).refused(13);
    home.served.run(&home.one, &["sync", "--force"]).ok();
    home.one.run(&["get", "m", "later"]).refused(3);
    home.served.run(&home.one, &["devices", "adopt", "two"]).ok();
    assert_eq!(home.one.run(&["get", "m", "later"]).ok(), "v");
    home.served.run(&home.three, &["sync", "--force"]).ok();
    assert_eq!(home.three.run(&["get", "m", "later"]).ok(), "v");
}

#[test]
fn what_means_no_device_or_several_is_refused() {
    let home = Home::new();
    for (arguments, code) in [
        (&["devices", "retire", "nobody"][..], 3),
        (&["devices", "revoke", "nobody"], 3),
        (&["devices", "adopt", "nobody"], 3),
        (&["devices", "revoke", "one"], 2),
        (&["devices", "adopt", "two"], 2),
        (&["devices", "revoke"], 2),
    ] {
        home.served.run(&home.one, arguments).refused(code);
    }
    let help = home.one.run(&["devices", "revoke", "--help"]).ok();
    assert!(help.contains("credentials") && help.contains("recovery-code"), "{help}");
}
