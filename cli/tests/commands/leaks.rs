//! No secret leaves for where others may look: outputs, files, and the command lines and environments of children are
//! searched for what each source handed out.

use crate::device::{Device, Ran};
use crate::endpoints::{in_seconds, json, serve};
use crate::served::{Served, store};
use std::path::Path;

const TOKEN: &str = "PLANTED-session-token";
const WRONG_SECRET: &str = "PLANTED-wrong-secret";
const AUTHORIZATION: &str = "PLANTED-agent-authorization";

#[test]
fn no_secret_is_shown_or_stored() {
    let served = Served::new();
    let secret = served.keys.secret_key.as_str();
    let planted = [secret, TOKEN, WRONG_SECRET, AUTHORIZATION];
    let address = store("my-bucket", served.server.address());
    let home = served.folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    let mut outputs = Vec::new();
    let mut run = |device: &Device, variables: &[(&str, &str)], arguments: &[&str], code: i32| {
        let mut command = device.command(arguments);
        command.env("HOME", &home).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        command.envs(variables.iter().copied());
        let ran = Ran::of(arguments, command.output().unwrap());
        assert_eq!(ran.code, Some(code), "{}: {}", ran.what, ran.stderr);
        outputs.push(format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr));
    };

    // The environment, good and bad.
    let one = served.device("one");
    let good = [
        ("AWS_ACCESS_KEY_ID", served.keys.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", TOKEN),
    ];
    let bad = [good[0], ("AWS_SECRET_ACCESS_KEY", WRONG_SECRET), good[2]];
    run(&one, &good, &["init", "--store", &address], 0);
    run(&one, &good, &["put", "m", "k", "v"], 0);
    for arguments in [&["sync", "-v"][..], &["sync", "--json"], &["status", "-v"], &["status", "--json"]] {
        run(&one, &good, arguments, 0);
    }
    run(&one, &bad, &["sync", "--force", "-v"], 4);
    run(&one, &bad, &["sync", "--force", "--json"], 4);
    run(&one, &good, &["credentials", "show"], 0);
    let broken = [good[0], ("AWS_SECRET_ACCESS_KEY", "PLANTED-wrong-secret with a space")];
    run(&one, &broken, &["sync", "-v"], 4);
    run(&one, &[("TIDELOCK_STORE", &format!("{address}&secret_key={WRONG_SECRET}"))], &["sync"], 2);
    run(&one, &[], &["init", "--store", &format!("{address}&secret_key={WRONG_SECRET}")], 2);

    // A process, which notes how it and its parent were called; first one that fails.
    let keys = json(&served.keys.access_key, secret, TOKEN, &in_seconds(3600));
    // Where the command reads them from, outside of what is searched.
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("keys"), &keys).unwrap();
    let seen = served.folder.path().join("seen");
    let note = format!(
        "cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline >> {}; cat {}/keys",
        seen.display(),
        outside.path().display()
    );
    for (end, code) in [("; exit 3", 4), ("", 0)] {
        let script = outside.path().join("script");
        std::fs::write(&script, format!("{note}{end}\n")).unwrap();
        let config = outside.path().join("config");
        std::fs::write(&config, format!("[default]\ncredential_process = sh {}\n", script.display())).unwrap();
        run(&one, &[("AWS_CONFIG_FILE", config.to_str().unwrap())], &["sync", "-v"], code);
    }
    assert!(!std::fs::read(&seen).unwrap().is_empty());

    // A container's agent that gives them, then nonsense.
    let agent = serve(move |asked| match asked.path.as_str() {
        "/good" => (200, keys.clone()),
        "/form" => (200, format!("{{\"AccessKeyId\":\"{TOKEN}\",\"SecretAccessKey\":\"{WRONG_SECRET}\"")),
        _ => (500, format!("{{\"SecretAccessKey\":\"{WRONG_SECRET}\"}}")),
    });
    for (path, code) in [("good", 0), ("form", 4), ("fails", 4)] {
        let uri = format!("http://{agent}/{path}");
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", AUTHORIZATION),
        ];
        run(&one, &variables, &["sync", "-v"], code);
    }

    // Saved, in the one file that may have them.
    let text = format!("{}\n{secret}\n{TOKEN}\n", served.keys.access_key);
    let set = one.pipe(&["credentials", "set", "--stdin"], text.as_bytes());
    outputs.push(format!("{}{}", String::from_utf8_lossy(&set.stdout), set.stderr));
    set.ok();
    let two = served.device("two");
    let refused = two.pipe(&["credentials", "set", "--stdin"], format!("{WRONG_SECRET}\n").as_bytes());
    outputs.push(refused.stderr.clone());
    refused.refused(2);

    for text in planted {
        for output in &outputs {
            assert!(!output.contains(text), "{text} is in: {output}");
        }
        search(served.folder.path(), text);
    }
    // The search finds what is there.
    let saved = std::fs::read_to_string(one.local.join("credentials.json")).unwrap();
    assert!(saved.contains(secret) && saved.contains(TOKEN));
}

#[track_caller]
fn search(folder: &Path, text: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, text);
        } else if !path.ends_with("one/credentials.json") {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{text} is in {}", path.display());
        }
    }
}
