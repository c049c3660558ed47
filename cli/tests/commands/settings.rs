//! Settings through the command: the order of the places that have them, profiles, and what is refused.

use std::path::Path;
use std::process::{Command, Output};

/// The command, with its files in a folder of its own and nothing else in its environment.
fn tidelock(home: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidelock"))
        .env_clear()
        .env("HOME", home)
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

#[test]
fn each_place_counts_before_the_next() {
    let home = tempfile::tempdir().unwrap();
    let get = |variables: &[(&str, &str)], flags: &[&str]| {
        printed(&tidelock(home.path(), variables, &[flags, &["config", "get", "timeout"]].concat()))
    };
    assert_eq!(get(&[], &[]), "30s");
    printed(&tidelock(home.path(), &[], &["config", "set", "timeout", "40s"]));
    assert_eq!(get(&[], &[]), "40s");
    printed(&tidelock(home.path(), &[], &["--profile", "work", "config", "set", "timeout", "50s"]));
    assert_eq!(get(&[], &["--profile", "work"]), "50s");
    assert_eq!(get(&[("TIDELOCK_PROFILE", "work")], &[]), "50s");
    assert_eq!(get(&[("HX_SYNC_TIMEOUT", "60s")], &["--profile", "work"]), "60s");
    assert_eq!(get(&[("HX_SYNC_TIMEOUT", "60s"), ("TIDELOCK_TIMEOUT", "70s")], &[]), "70s");
    assert_eq!(get(&[("TIDELOCK_TIMEOUT", "70s")], &["--timeout", "80s"]), "80s");
    printed(&tidelock(home.path(), &[], &["config", "unset", "timeout"]));
    assert_eq!(get(&[], &[]), "30s");
}

#[test]
fn a_profile_has_a_vault_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| printed(&tidelock(home.path(), &[], arguments));
    for profile in ["work", "home"] {
        let at = |name: &str| home.path().join(format!("{profile}-{name}")).display().to_string();
        std::fs::create_dir(at("bucket")).unwrap();
        run(&["--profile", profile, "config", "set", "store", &format!("file://{}", at("bucket"))]);
        run(&["--profile", profile, "config", "set", "local", &at("device")]);
        run(&["--profile", profile, "init"]);
        run(&["--profile", profile, "put", "notes", "where", profile]);
        run(&["--profile", profile, "sync"]);
    }
    assert_eq!(run(&["--profile", "work", "get", "notes", "where"]), "work");
    assert_eq!(run(&["--profile", "home", "get", "notes", "where"]), "home");
    assert!(!home.path().join(".local/share/tidelock").exists(), "nothing is in the folder of no profile");
    let listed = run(&["--profile", "work", "--json", "config", "list"]);
    let first: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!((first["name"].as_str(), first["source"].as_str()), (Some("store"), Some("profile work")));
}

#[test]
fn what_is_refused_says_where_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for (variables, arguments, words) in [
        (&[][..], &["config", "set", "secret_key", "hidden"][..], &["not kept", "tidelock credentials set"][..]),
        (&[], &["config", "set", "retries", "many"], &["retries", "0 to 100"]),
        (&[], &["config", "get", "colour"], &["no such setting", "concurrency"]),
        (&[], &["config", "get", "store"], &["nothing sets it"]),
        (&[], &["--profile", "work", "config", "list"], &["no profile `work`", "config set"]),
        (&[("TIDELOCK_CONCURRENCY", "0")], &["config", "list"], &["TIDELOCK_CONCURRENCY", "1 to 64"]),
        (&[], &["--timeout", "never", "config", "list"], &["--timeout", "30s"]),
        (&[], &["config", "unset", "timeout"], &["does not set it"]),
    ] {
        let output = tidelock(home.path(), variables, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(2 | 3)), "{arguments:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{arguments:?}: {told}");
        }
        assert!(!told.contains("hidden"));
    }
}
