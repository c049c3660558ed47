//! Documents through the command, on two devices: fields merge one by one.

use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use tidelock_conformance::Place;

/// Runs cases on the embedded server and on versitygw: what a server does otherwise matters to no document.
macro_rules! on_two_servers {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use super::$case as case;
            use tidelock_conformance::{Place, Store};

            on_stores! { embedded: Embedded, versitygw: Versitygw }
        }
    )*};
}

on_two_servers![
    patches_of_different_fields_both_stand,
    patches_of_one_field_are_that_fields_conflict,
    a_put_removes_the_fields_it_had_seen_and_no_others,
    a_delete_meets_a_patch_that_it_had_not_seen,
    an_empty_document_exists,
    a_call_travels_whole,
];

/// Two devices that have one document.
struct Pair<'a> {
    place: &'a Place,
}

impl<'a> Pair<'a> {
    fn new(place: &'a Place, document: &str) -> Self {
        let pair = Self { place };
        let code = pair.done("one", &["init", "--store", &place.uri(), "--name", "one"]);
        let join = ["join", "--store", &place.uri(), "--name", "two", "--secret-stdin"];
        let joined = pair.pipe("two", &join, &code);
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
        let put = pair.pipe("one", &["doc", "put", "visits", "42"], document);
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
        pair.sync();
        pair
    }

    fn pipe(&self, device: &str, arguments: &[&str], stdin: &str) -> Output {
        let (access_key, secret_key) = self.place.keys().expect("a server with keys");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.place.local("home"))
            .env("TIDELOCK_LOCAL", self.place.local(device))
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command");
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// What it prints; it has to end well.
    fn done(&self, device: &str, arguments: &[&str]) -> String {
        let output = self.pipe(device, arguments, "");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    fn patch(&self, device: &str, patch: &str) {
        self.done(device, &["doc", "patch", "visits", "42", patch]);
    }

    /// Both have what both wrote.
    fn sync(&self) {
        for device in ["one", "two", "one"] {
            self.done(device, &["sync"]);
        }
    }

    fn get(&self, device: &str) -> Value {
        serde_json::from_str(&self.done(device, &["doc", "get", "visits", "42", "--json"])).expect("JSON")
    }

    /// Both show this document, without a conflict.
    fn both_show(&self, document: &Value) {
        for device in ["one", "two"] {
            let got = self.get(device);
            assert_eq!(&got["document"], document, "{device}");
            assert_eq!((&got["conflicts"], &got["deleted_concurrently"]), (&0.into(), &false.into()), "{device}");
            assert_eq!(self.done(device, &["doc", "conflicts"]), "", "{device}");
        }
    }
}

fn patches_of_different_fields_both_stand(place: &Place) {
    let pair = Pair::new(place, r#"{"place":"Brest","rating":3,"note":"rain"}"#);
    pair.patch("one", r#"{"rating":5}"#);
    pair.patch("two", r#"{"note":null,"with":"Anna"}"#);
    pair.sync();
    pair.both_show(&json!({ "place": "Brest", "rating": 5, "with": "Anna" }));
}

fn patches_of_one_field_are_that_fields_conflict(place: &Place) {
    let pair = Pair::new(place, r#"{"place":"Brest","rating":3}"#);
    pair.patch("one", r#"{"rating":4,"note":"sun"}"#);
    pair.patch("two", r#"{"rating":5}"#);
    pair.done("one", &["put", "todo", "milk", "one litre"]);
    pair.done("two", &["put", "todo", "milk", "two litres"]);
    pair.sync();
    for device in ["one", "two"] {
        assert_eq!(pair.get(device)["conflicts"], 1);
        let conflict: Value =
            serde_json::from_str(&pair.done(device, &["doc", "conflicts", "visits", "--json"])).expect("one conflict");
        assert_eq!((&conflict["id"], &conflict["field"]), (&"42".into(), &"rating".into()));
        let versions = conflict["versions"].as_array().expect("versions");
        let values: Vec<&Value> = versions.iter().map(|version| &version["value"]).collect();
        assert_eq!(values, ["5", "4"], "the newer one counts");
        let told = pair.done(device, &["doc", "conflicts"]);
        assert!(told.starts_with("documents visits, document 42, field rating\n  1\t5\t"), "{told}");
        assert_eq!(pair.done(device, &["conflicts", "--json"]).lines().count(), 2, "with that of the map");
        assert_eq!(pair.done(device, &["doc", "conflicts", "other"]), "");
    }
    pair.done("two", &["doc", "resolve", "visits", "42", "rating", "--pick", "2"]);
    pair.sync();
    pair.both_show(&json!({ "place": "Brest", "rating": 4, "note": "sun" }));
    assert_eq!(pair.pipe("one", &["doc", "resolve", "visits", "42", "rating", "4"], "").status.code(), Some(3));
}

fn a_put_removes_the_fields_it_had_seen_and_no_others(place: &Place) {
    let pair = Pair::new(place, r#"{"place":"Brest","rating":3}"#);
    pair.done("one", &["doc", "put", "visits", "42", r#"{"place":"Roscoff"}"#]);
    pair.patch("two", r#"{"note":"unseen"}"#);
    pair.sync();
    pair.both_show(&json!({ "place": "Roscoff", "note": "unseen" }));
}

fn a_delete_meets_a_patch_that_it_had_not_seen(place: &Place) {
    let pair = Pair::new(place, r#"{"place":"Brest","rating":3}"#);
    pair.done("one", &["doc", "delete", "visits", "42"]);
    pair.patch("two", r#"{"rating":5}"#);
    pair.sync();
    for device in ["one", "two"] {
        let got = pair.get(device);
        assert_eq!((&got["document"], &got["deleted_concurrently"]), (&json!({ "rating": 5 }), &true.into()));
        let told = pair.pipe(device, &["doc", "get", "visits", "42"], "");
        assert_eq!(String::from_utf8_lossy(&told.stdout), "{\"rating\":5}\n");
        let warning = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(warning.contains("deleted on a device that had not seen"), "{warning}");
    }
    // A patch says nothing of the document as a whole; a put does.
    pair.patch("two", r#"{"note":"still here"}"#);
    assert_eq!(pair.get("two")["deleted_concurrently"], true);
    pair.done("two", &["doc", "put", "visits", "42", r#"{"rating":5}"#]);
    pair.sync();
    pair.both_show(&json!({ "rating": 5 }));
    pair.done("one", &["doc", "delete", "visits", "42"]);
    pair.sync();
    for device in ["one", "two"] {
        assert_eq!(pair.pipe(device, &["doc", "get", "visits", "42"], "").status.code(), Some(3), "{device}");
    }
}

fn an_empty_document_exists(place: &Place) {
    let pair = Pair::new(place, "{}");
    pair.both_show(&json!({}));
    pair.patch("two", r#"{"note":"some"}"#);
    pair.patch("two", r#"{"note":null}"#);
    pair.sync();
    pair.both_show(&json!({}));
}

/// A thousand fields of 200 bytes go out at once and come in at once, whatever is pending before them.
fn a_call_travels_whole(place: &Place) {
    let pair = Pair::new(place, "{}");
    let document = |round: usize| {
        let fields = (0..1_000).map(|n| (format!("field {n}"), format!("{round} {}", "x".repeat(200)).into()));
        Value::Object(fields.collect())
    };
    for round in 0..4 {
        let put = pair.pipe("one", &["doc", "put", "visits", "42"], &document(round).to_string());
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    }
    let status: Value = serde_json::from_str(&pair.done("one", &["status", "--json"])).expect("JSON");
    assert_eq!(status["pending"], 4_000);
    pair.sync();
    pair.both_show(&document(3));
}
