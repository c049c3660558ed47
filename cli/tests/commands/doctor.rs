//! `doctor`, run as a person runs it: what it prints, and how it ends.

use crate::device::{Place, Ran};
use crate::served::{Served, store};
use serde_json::Value;

#[test]
fn a_store_that_will_do_is_told_before_there_is_a_vault() {
    let served = Served::new();
    let address = store("my-bucket", served.server.address());
    let one = served.device("one");
    let text = served.run(&one, &["doctor", "--store", &address]).ok();
    for part in ["ok       write", "ok       conditional writes", "A vault can live here."] {
        assert!(text.contains(part), "{text}");
    }
    let told: Value = serde_json::from_str(&served.run(&one, &["doctor", "--store", &address, "--json"]).ok()).unwrap();
    assert_eq!((&told["usable"], &told["conditional_writes"]), (&true.into(), &"enforced".into()));
    assert!(told["requests"].as_u64().unwrap() <= 12);
    assert!(!one.local.exists(), "this device's side is left alone");

    served.run(&one, &["init", "--store", &address]).ok();
    served.run(&one, &["doctor"]).ok();
    assert_eq!(one.json(&["status"])["conditional_writes"], true);
    let secret = served.run(&one, &["doctor", "--json"]).ok();
    assert!(!secret.contains(&*served.secret_key()), "{secret}");
}

/// Its stderr, with this code; the findings are on stdout all the same.
#[track_caller]
fn ended(ran: Ran, code: i32) -> String {
    assert_eq!(ran.code, Some(code), "{}: {}", ran.what, ran.stderr);
    ran.stderr
}

#[test]
fn each_problem_has_its_exit_code_and_its_next_step() {
    let served = Served::new();
    let device = served.device("one");
    let here = store("my-bucket", served.server.address());
    let elsewhere = store("no-such-bucket", served.server.address());
    for (arguments, code, hint) in [
        (&["doctor", "--store", elsewhere.as_str()][..], 3, "create the bucket"),
        (&["doctor", "--store", "file:///no/such/folder"], 3, "create the folder"),
        (&["doctor", "--store", "s3://my-bucket?endpoint=http://127.0.0.1:9"], 5, "check the endpoint"),
        (&["doctor", "--store", &here, "--origin", "app.example"], 2, "https://app.example"),
        (&["doctor"], 2, "--store"),
    ] {
        let text = ended(served.run(&device, arguments), code);
        assert!(text.contains("hint: ") && text.contains(hint), "{arguments:?}: {text}");
    }
    let text = ended(served.run_with(&device, &["doctor", "--store", &here], "another-secret-key"), 4);
    assert!(text.contains("check the secret key"), "{text}");
    let text = ended(device.run(&["doctor", "--store", &here]), 4);
    assert!(text.contains("AWS_ACCESS_KEY_ID"), "{text}");
}

#[test]
fn a_folder_is_looked_at_too() {
    let place = Place::new();
    let (one, _) = place.first();
    let text = one.run(&["doctor"]).ok();
    assert!(text.contains("provider  a folder") && text.contains("MiB are free"), "{text}");
    assert!(!place.path("bucket").join("probes").exists(), "nothing stays behind");
}
