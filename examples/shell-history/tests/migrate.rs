//! Out of hiSHtory: a server that speaks its API, a bucket that its own S3 backend wrote, and a vault that has the same afterwards.

#[path = "server/mod.rs"]
mod server;

use server::Server;
use std::path::Path;
use std::process::{Command, Stdio};
use tidelock_conformance::{Place, Store};
use tidelock_shell_history::{
    BucketBackend, DeletionRequest, Entry, EntryNames, HishtoryUser, HistoryBackend, HttpBackend, SealedEntry,
};

const SECRET: &str = "b7a5c1c2-0d6e-4d0c-9b1e-6f6f2f3a4b5c";

/// Entries of two devices, with what a person types.
fn entries(count: usize) -> Vec<Entry> {
    let commands = ["ls -l", "git commit -m 'a \"quoted\" word'", "printf 'two\nlines'", "echo ☂ | wc -c"];
    let entry = |at: usize| {
        let time = |ms: usize| format!("2024-01-15T10:{:02}:{:02}.{ms:03}Z", at / 60 % 60, at % 60);
        let json = serde_json::json!({
            "entry_id": format!("0f8fad5b-d9cb-469f-a165-{at:012}"),
            "device_id": if at.is_multiple_of(2) { "laptop" } else { "desk" },
            "local_username": "david",
            "hostname": "host",
            "command": commands[at % commands.len()],
            "current_working_directory": "~/code",
            "home_directory": "/home/david",
            "exit_code": at % 3,
            "start_time": time(1),
            "end_time": time(250),
            "custom_columns": [{ "name": "git_remote", "value": at.to_string() }],
        });
        serde_json::from_value(json).unwrap()
    };
    (0..count).map(entry).collect()
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.entry_id.cmp(&b.entry_id));
    entries
}

fn deletion(user: &HishtoryUser, entry: &Entry) -> DeletionRequest {
    DeletionRequest {
        user_id: user.id().to_owned(),
        destination_device_id: String::new(),
        send_time: entry.end_time,
        messages: EntryNames { names: vec![entry.name()] },
        read_count: 0,
    }
}

#[test]
fn two_devices_do_the_ten_operations_on_a_server() {
    let server = Server::start();
    let user = HishtoryUser::new(SECRET).unwrap();
    let device = |id: &str| HttpBackend::new(&server.address(), user.clone(), id).unwrap();
    let (laptop, desk) = (device("laptop"), device("desk"));
    laptop.ping().unwrap();
    laptop.register_device().unwrap();
    let all = entries(3);
    let answer = laptop.submit_entries(&all[..1]).unwrap();
    assert!(answer.dump_requests.is_empty() && answer.deletion_requests.is_empty());
    desk.register_device().unwrap();
    assert_eq!(desk.bootstrap().unwrap().entries, all[..1]);

    let answer = laptop.submit_entries(&all[1..2]).unwrap();
    assert_eq!(answer.dump_requests.len(), 1);
    assert_eq!(answer.dump_requests[0].requesting_device_id, "desk");
    laptop.submit_dump(&all[..2], "desk").unwrap();
    assert_eq!(sorted(desk.query_entries().unwrap().entries), all[..2]);
    assert!(laptop.query_entries().unwrap().entries.is_empty());

    desk.add_deletion_request(&deletion(&user, &all[0])).unwrap();
    let requests = laptop.deletion_requests().unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].messages.names[0].names(&all[0]) && !requests[0].messages.names[0].names(&all[1]));
    desk.uninstall().unwrap();
    assert_eq!(server.devices(), ["laptop"]);
    assert_eq!(laptop.kind(), "http");
    assert!(server.sealed().iter().all(|sealed| !sealed.contains("ls -l")));
}

#[test]
fn two_devices_do_the_ten_operations_on_a_vault() {
    let place = Place::new(Store::Embedded);
    let (first, secret) = place.create("laptop");
    drop(first);
    drop(place.join("desk", &secret));
    let (laptop, desk) = (BucketBackend::new(place.options("laptop")), BucketBackend::new(place.options("desk")));
    laptop.ping().unwrap();
    laptop.register_device().unwrap();
    let all = entries(3);
    laptop.submit_entries(&all[..1]).unwrap();
    assert_eq!(desk.bootstrap().unwrap().entries, all[..1]);
    laptop.submit_dump(&all[1..], "desk").unwrap();
    laptop.submit_dump(&all[1..], "desk").unwrap();
    assert_eq!(sorted(desk.query_entries().unwrap().entries), all[1..]);
    assert!(desk.query_entries().unwrap().entries.is_empty());

    let user = HishtoryUser::new(SECRET).unwrap();
    desk.add_deletion_request(&deletion(&user, &all[0])).unwrap();
    assert!(laptop.deletion_requests().unwrap().is_empty());
    assert_eq!(sorted(laptop.bootstrap().unwrap().entries), all[1..]);
    desk.uninstall().unwrap();
    assert!(desk.entries().is_err());
    assert_eq!(laptop.kind(), "bucket");
}

/// `hist migrate` on a new vault with this configuration of hiSHtory; what it says, and the device's backend.
fn migrate(place: &Place, config: &serde_json::Value, variables: &[(&str, &str)]) -> (String, BucketBackend) {
    let home = place.local("home");
    let (access_key, secret_key) = place.keys().unwrap();
    let hist = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hist"));
        command.args(words).env("HIST_HOME", &home).env("HOME", &home).stdin(Stdio::null());
        command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    hist(&["init", &place.uri()]);
    let file = home.join("hishtory.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let backup = home.join("backup.jsonl");
    let words = ["migrate", "--config", file.to_str().unwrap(), "--backup", backup.to_str().unwrap()];
    let said = hist(&words);
    let mut options = place.options("home");
    options.local = home.join("vault");
    (said, BucketBackend::new(options))
}

fn entries_of(backend: &BucketBackend) -> Vec<Entry> {
    sorted(backend.entries().unwrap().0.into_iter().map(|(_, entry)| entry).collect())
}

fn backup_of(place: &Place) -> Vec<Entry> {
    let file = place.local("home").join("backup.jsonl");
    assert_private(&file);
    let text = std::fs::read_to_string(file).unwrap();
    sorted(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn assert_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_history_on_a_server_is_the_same_in_the_vault() {
    let server = Server::start();
    let user = HishtoryUser::new(SECRET).unwrap();
    let desk = HttpBackend::new(&server.address(), user.clone(), "desk").unwrap();
    let laptop = HttpBackend::new(&server.address(), user.clone(), "laptop").unwrap();
    desk.register_device().unwrap();
    laptop.register_device().unwrap();
    let all = entries(1200);
    for batch in all.chunks(500) {
        desk.submit_entries(batch).unwrap();
    }
    // Somebody wished the first to be deleted, and this device was not told yet.
    desk.add_deletion_request(&deletion(&user, &all[0])).unwrap();

    let place = Place::new(Store::Embedded);
    let config = serde_json::json!({ "user_secret": SECRET, "device_id": "laptop", "is_enabled": true });
    let (said, vault) = migrate(&place, &config, &[("HISHTORY_SERVER", &server.address())]);
    assert!(said.contains("1199 entries migrated, 1 left out"), "{said}");
    assert_eq!(entries_of(&vault), all[1..]);
    assert_eq!(backup_of(&place), all);
}

#[test]
fn a_history_in_hishtorys_own_bucket_is_the_same_in_the_vault() {
    let place = Place::new(Store::Embedded);
    let source = place.another();
    let user = HishtoryUser::new(SECRET).unwrap();
    let all = entries(40);
    let bucket = source.bucket();
    let put = |key: String, sealed: &SealedEntry| {
        bucket.put(&format!("{}/{key}", user.id()), serde_json::to_vec(sealed).unwrap());
    };
    for (at, entry) in all.iter().enumerate() {
        let sealed = user.seal(entry).unwrap();
        let inbox = format!("inbox/laptop/20240115T1000{at:02}Z_{}.json", entry.entry_id);
        // The last one came from another device's dump: it is in the inbox alone. Others are in both.
        if at + 1 < all.len() {
            put(format!("entries/2024-01-15/{}.json", entry.entry_id), &sealed);
        }
        if at % 2 == 1 {
            put(inbox, &sealed);
        }
    }
    bucket.put(&format!("{}/devices.json", user.id()), r#"{"devices":[{"device_id":"laptop"}]}"#);
    let wish = serde_json::to_vec(&deletion(&user, &all[3])).unwrap();
    bucket.put(&format!("{}/deletions/laptop/1705312800000000000_x.json", user.id()), wish);
    // Damaged, another user's, and no entry at all.
    let mut damaged = user.seal(&all[0]).unwrap();
    damaged.enc_data = user.seal(&all[1]).unwrap().enc_data;
    damaged.encrypted_id = "damaged".into();
    put("entries/2024-01-15/damaged.json".into(), &damaged);
    put("entries/2024-01-15/foreign.json".into(), &HishtoryUser::new("other").unwrap().seal(&all[0]).unwrap());
    bucket.put(&format!("{}/entries/2024-01-15/junk.json", user.id()), "junk");
    let before = bucket.objects();

    let (address, prefix) = address_and_prefix(&source.direct_uri());
    let config = serde_json::json!({
        "user_secret": SECRET,
        "device_id": "laptop",
        "backend_type": "s3",
        "s3_config": { "bucket": "tidelock", "region": "us-east-1", "endpoint": address, "prefix": prefix,
                       "access_key_id": source.keys().unwrap().0 },
    });
    let secret_key = source.keys().unwrap().1.to_owned();
    let (said, vault) = migrate(&place, &config, &[("HISHTORY_S3_SECRET_ACCESS_KEY", &secret_key)]);
    assert!(said.contains("39 entries migrated, 1 left out because somebody deleted them, 3 not readable"), "{said}");
    let kept: Vec<Entry> = all.iter().filter(|entry| **entry != all[3]).cloned().collect();
    assert_eq!(entries_of(&vault), kept);
    assert_eq!(backup_of(&place), all);
    assert_eq!(bucket.objects(), before);
}

/// Of `s3://tidelock/PREFIX?endpoint=ADDRESS&…`.
fn address_and_prefix(uri: &str) -> (String, String) {
    let (place, query) = uri.strip_prefix("s3://tidelock/").unwrap().split_once('?').unwrap();
    (query.strip_prefix("endpoint=").unwrap().split('&').next().unwrap().to_owned(), format!("{place}/"))
}
