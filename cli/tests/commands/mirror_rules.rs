//! What a mirror leaves out, and what it does with links and with names that no key can have.

use crate::mirrors::{Stage, counts, files, report, write};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// The paths of the objects.
fn stored(stage: &Stage) -> Vec<String> {
    files(&stage.objects()).into_keys().collect()
}

#[test]
fn lines_leave_out_as_a_gitignore_does() {
    let stage = Stage::new();
    for path in [
        "a.tmp",
        "a.txt",
        "build/x",
        "docs/build/x",
        "docs/keep.tmp",
        "docs/secret/x",
        "docs/y",
        ".hidden/x",
        "z/.dot",
        "z/only",
    ] {
        stage.write(path, "1");
    }
    stage.write(".tidelockignore", "# a comment\n/build/\nz/only\n");
    stage.write("docs/.tidelockignore", "secret/\n!y\n");
    let lines = stage.served.folder.path().join("lines");
    fs::write(&lines, "*.txt\ny\n").unwrap();
    let rules =
        ["--exclude", "*.tmp", "--include", "keep.tmp", "--exclude-from", lines.to_str().unwrap(), "--hidden", "false"];
    assert_eq!(counts(&report(stage.up(&[&rules[..], &["--json"]].concat()))), [2, 0, 0, 0, 0]);
    assert_eq!(stored(&stage), ["docs/build/x", "docs/keep.tmp"]);

    let from = lines.to_str().unwrap();
    for (path, taken, at, line, source) in [
        ("a.tmp", false, "a.tmp", json!("*.tmp"), json!("--exclude")),
        ("docs/keep.tmp", true, "docs/keep.tmp", json!("!keep.tmp"), json!("--include")),
        ("a.txt", false, "a.txt", json!("*.txt"), json!(from)),
        ("build/x", false, "build", json!("/build/"), json!(".tidelockignore")),
        ("docs/build/x", true, "docs/build/x", Value::Null, Value::Null),
        ("docs/secret/x", false, "docs/secret", json!("secret/"), json!("docs/.tidelockignore")),
        ("docs/y", false, "docs/y", json!("y"), json!(from)),
        ("z/.dot", false, "z/.dot", Value::Null, json!("--hidden false")),
        ("z/only", false, "z/only", json!("z/only"), json!(".tidelockignore")),
    ] {
        let told = stage.up(&[&rules[..], &["--explain", path, "--json"]].concat()).ok();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told, json!({ "taken": taken, "path": at, "line": line, "source": source }), "{path}");
    }
    let told = stage.up(&["--explain", "build/x"]).ok();
    assert_eq!(told, "build is left out by the line `/build/` of .tidelockignore\n");
}

#[test]
fn what_is_left_out_is_neither_copied_nor_deleted() {
    let stage = Stage::new();
    for n in 0..8 {
        stage.write(&format!("a/{n}"), "1");
    }
    stage.write("b/x", "1");
    stage.up(&[]).ok();
    let back = stage.other();
    stage.down(&back, &[]).ok();
    // Left out from now on, and gone from the folder: at the target it stays.
    fs::remove_dir_all(stage.folder().join("b")).unwrap();
    assert_eq!(counts(&report(stage.up(&["--delete", "--exclude", "/b/", "--json"]))), [0, 0, 0, 8, 0]);
    assert!(stage.objects().join("b/x").exists());
    // And the other way round: by the lines of the target.
    write(&back, "target/only", "2");
    write(&back, ".tidelockignore", "/target/\n/.tidelockignore\n/a/7\n");
    fs::remove_file(back.join("a/7")).unwrap();
    assert_eq!(counts(&report(stage.down(&back, &["--delete", "--json"]))), [0, 0, 0, 8, 0]);
    assert!(back.join("target/only").exists() && !back.join("a/7").exists());
}

#[test]
fn lines_that_cannot_be_read_leave_the_folder_out() {
    let stage = Stage::new();
    for n in 0..8 {
        stage.write(&format!("a/{n}"), "1");
    }
    stage.write("b/secret", "1");
    stage.up(&["--exclude", "secret"]).ok();
    stage.write("b/.tidelockignore", "secret\n[z-a]\n");
    let ran = stage.up(&["--delete", "--json"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let told = report(ran);
    assert_eq!(counts(&told), [0, 0, 0, 8, 1]);
    assert_eq!(told["errors"][0]["path"], "b/.tidelockignore");
    fs::write(stage.folder().join("b/.tidelockignore"), "x".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(counts(&report(stage.up(&["--json"]))), [0, 0, 0, 8, 1]);
    assert!(!stored(&stage).contains(&"b/secret".to_owned()));
    assert!(stage.up(&["--exclude", "[z-a]"]).refused(2).contains("[z-a]"));
}

#[test]
fn links_are_skipped_or_followed() {
    let stage = Stage::new();
    let outside = stage.served.folder.path().join("outside");
    write(&outside, "deep/x", "1");
    stage.write("a", "2");
    symlink(&outside, stage.folder().join("l-folder")).unwrap();
    symlink(outside.join("deep/x"), stage.folder().join("l-file")).unwrap();
    symlink("a", stage.folder().join("l-a")).unwrap();
    assert_eq!(counts(&report(stage.up(&["--json"]))), [1, 0, 0, 3, 0]);
    assert_eq!(stored(&stage), ["a"]);
    assert_eq!(counts(&report(stage.up(&["--links", "follow", "--json"]))), [3, 0, 0, 1, 0]);
    assert_eq!(stored(&stage), ["a", "l-a", "l-file", "l-folder/deep/x"]);
    // One that leads round, and one that leads nowhere.
    symlink(".", stage.folder().join("round")).unwrap();
    symlink("nowhere", stage.folder().join("dangling")).unwrap();
    let told = report(stage.up(&["--links", "follow", "--json"]));
    assert_eq!(counts(&told), [0, 0, 0, 4, 2]);
    let told = report(stage.up(&["--links", "follow", "--exclude", "dangling", "--exclude", "round", "--json"]));
    assert_eq!(counts(&told)[4], 0, "{told}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let stage = Stage::new();
    for path in ["d/x", "d/y", "file", "e/z"] {
        stage.write(path, "from the bucket");
    }
    stage.up(&[]).ok();
    let back = stage.other();
    stage.down(&back, &[]).ok();
    let outside = stage.served.folder.path().join("outside");
    write(&outside, "x", "precious");
    write(&outside, "only", "precious");
    let before = files(&outside);
    // A folder and a file of the target are replaced by links.
    fs::remove_dir_all(back.join("d")).unwrap();
    symlink(&outside, back.join("d")).unwrap();
    fs::remove_file(back.join("file")).unwrap();
    symlink(outside.join("x"), back.join("file")).unwrap();
    symlink(&outside, back.join("e/link")).unwrap();
    let ran = stage.down(&back, &["--delete", "--max-delete", "100", "--json"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let told = report(ran);
    let mut paths: Vec<&str> =
        told["errors"].as_array().unwrap().iter().filter_map(|error| error["path"].as_str()).collect();
    paths.pop();
    paths.sort_unstable();
    assert_eq!(paths, ["d/x", "d/y", "file"], "{told}");
    assert_eq!(files(&outside), before);
    assert!(fs::symlink_metadata(back.join("file")).unwrap().is_symlink());
}

#[test]
fn a_replaced_file_keeps_its_mode_and_no_other_file_is_touched() {
    let stage = Stage::new();
    stage.write("key", "old");
    stage.write("a/b", "1");
    stage.up(&[]).ok();
    let back = stage.other();
    stage.down(&back, &[]).ok();
    fs::set_permissions(back.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    stage.write("key", "newer");
    // What a killed run of this mirror left is cleared away; another one's stays, and goes nowhere.
    let mirrors = fs::read_dir(stage.device.local.join("mirrors")).unwrap();
    let mut ids = mirrors.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let drafts: Vec<String> = ids.by_ref().map(|id| format!(".tidelock-{id}-7.part")).collect();
    drafts.iter().for_each(|name| write(&back, &format!("a/{name}"), "half"));
    write(&stage.folder(), &drafts[0], "half");
    stage.up(&[]).ok();
    stage.down(&back, &[]).ok();
    assert_eq!(fs::read_to_string(back.join("key")).unwrap(), "newer");
    assert_eq!(fs::metadata(back.join("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(files(&back).len(), 3, "of the two mirrors, one is that of the folder: {:?}", files(&back).keys());
    assert_eq!(stored(&stage), ["a/b", "key"]);
}

#[test]
fn names_that_no_key_has_are_reported_and_nothing_is_deleted() {
    let stage = Stage::new();
    for n in 0..8 {
        stage.write(&n.to_string(), "1");
    }
    stage.up(&[]).ok();
    fs::remove_file(stage.folder().join("7")).unwrap();
    stage.write("back\\slash", "1");
    fs::write(stage.folder().join(OsStr::from_bytes(b"latin\xe9")), "1").unwrap();
    let ran = stage.up(&["--delete", "--json"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let told = report(ran);
    assert_eq!(counts(&told), [0, 0, 0, 7, 2]);
    assert!(told["errors"][2]["message"].as_str().unwrap().contains("nothing was deleted"), "{told}");
    assert!(stage.objects().join("7").exists());
}

#[test]
fn this_device_s_keys_never_go_up() {
    let stage = Stage::new();
    stage.write("a", "1");
    let inside = stage.folder().join("state");
    let address = stage.address();
    let mirror = |local: &Path, folder: &Path| {
        let words = ["mirror", "up", folder.to_str().unwrap(), &address, "--json"];
        stage.served.run(&crate::device::Device { local: local.to_owned() }, &words)
    };
    // The first run makes it.
    assert_eq!(counts(&report(mirror(&inside, &stage.folder()))), [1, 0, 0, 0, 0]);
    write(&inside, "keys", "secret");
    assert_eq!(counts(&report(mirror(&inside, &stage.folder()))), [0, 0, 0, 1, 0]);
    assert_eq!(stored(&stage), ["a"]);
    assert!(mirror(&stage.folder(), &stage.folder()).refused(2).contains("keys"));
    assert!(mirror(&stage.folder(), &inside).refused(2).contains("keys"));
}

#[test]
fn devices_and_sockets_are_skipped() {
    let stage = Stage::new();
    stage.write("a", "1");
    let _socket = std::os::unix::net::UnixListener::bind(stage.folder().join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(stage.folder().join("pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(counts(&report(stage.up(&["--json"]))), [1, 0, 0, 2, 0]);
    assert_eq!(counts(&report(stage.up(&["--json", "--links", "follow"]))), [0, 0, 0, 3, 0]);
}
