//! Keys and buckets that are wrong, through the command: each server says it its own way, the command in one.

use serde_json::Value;
use std::process::{Command, Output};
use tidelock_conformance::{Dialect, Place, Store};

mod wrong_keys {
    use super::wrong_keys as case;
    use tidelock_conformance::{Place, Store};

    // moto takes any keys, a folder needs none, and a web page in place of the refusal says nothing of keys.
    on_stores! { embedded: Embedded, versitygw: Versitygw, minio: Minio, rclone: Rclone }

    on_garage!();

    mod dialects {
        use super::case;
        use tidelock_conformance::{Dialect, Place, Store};

        on_dialects! { bare_403: Bare403, garage: Garage, rclone: Rclone }
    }
}

/// Whoever has a vault and is refused loses nothing: the right keys publish what was pending.
fn wrong_keys(place: &Place) {
    let (access_key, secret_key) = place.keys().unwrap();
    let elsewhere = place.uri().replace("s3://tidelock/", "s3://tidelock-has-no-such-bucket/");
    let run = |arguments: &[&str], secret_key: &str| run_with(place, arguments, access_key, secret_key);
    // Garage tells no cause.
    let tells = !matches!(place.store(), Store::Garage | Store::Dialect(Dialect::Garage));
    let step = |step| if tells { step } else { "check that the keys may" };
    let refused_at_first = [
        (run(&["init", "--store", &place.uri(), "--json"], "wrong"), 4, "auth", step("secret key")),
        (run(&["init", "--store", &elsewhere, "--json"], secret_key), 3, "not-found", "create the bucket"),
    ];
    assert_eq!(run(&["init", "--store", &place.uri()], secret_key).status.code(), Some(0));
    assert_eq!(run(&["put", "todo", "milk", "two litres"], "").status.code(), Some(0));
    let refused_later = [
        (run(&["sync", "--json"], "wrong"), 4, "auth", step("secret key")),
        (run_with(place, &["sync", "--json"], "nobody", secret_key), 4, "auth", step("access key")),
    ];
    for (ran, code, kind, step) in refused_at_first.into_iter().chain(refused_later) {
        let error: Value = serde_json::from_slice(&ran.stderr).unwrap();
        assert_eq!((ran.status.code(), error["error"]["kind"].as_str()), (Some(code), Some(kind)), "{error}");
        assert!(error["error"]["hint"].as_str().unwrap().contains(step), "{error}");
        assert!(ran.stdout.is_empty());
    }
    let synced: Value = serde_json::from_slice(&run(&["sync", "--json"], secret_key).stdout).unwrap();
    assert_eq!((&synced["ops_published"], &synced["pending"]), (&1.into(), &0.into()), "{synced}");
}

fn run_with(place: &Place, arguments: &[&str], access_key: &str, secret_key: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"))
        .args(arguments)
        .env("TIDELOCK_LOCAL", place.local("one"))
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", secret_key)
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("TIDELOCK_STORE")
        .output()
        .unwrap()
}
