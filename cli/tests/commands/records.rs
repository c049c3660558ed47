//! Records of one device: maps, logs, and what is printed of them.

use crate::device::Place;
use serde_json::Value;
use std::process::Stdio;

#[test]
fn a_value_comes_back_byte_for_byte() {
    let place = Place::new();
    let (device, _) = place.first();
    device.run(&["put", "m", "text", "two litres"]).ok();
    assert_eq!(device.run(&["get", "m", "text"]).ok(), "two litres");
    device.run(&["put", "m", "dash", "--", "-x"]).ok();
    assert_eq!(device.run(&["get", "m", "dash"]).ok(), "-x");
    for value in [&b"\x00\xff\n"[..], b"line\n"] {
        device.pipe(&["put", "m", "bytes"], value).ok();
        assert_eq!(device.run(&["get", "m", "bytes"]).stdout, value);
        device.pipe(&["put", "m", "bytes", "-"], value).ok();
        assert_eq!(device.run(&["get", "m", "bytes"]).stdout, value);
    }
    device.run(&["delete", "m", "text"]).ok();
    device.run(&["delete", "m", "text"]).ok();
    device.run(&["get", "m", "text"]).refused(3);
}

#[test]
fn a_value_that_looks_like_an_option_is_a_value() {
    let place = Place::new();
    let (device, _) = place.first();
    for value in ["-v", "-h", "--verbos", "-s -S", "-"] {
        device.pipe(&["put", "opts", "curl", value], b"-").ok();
        assert_eq!(device.run(&["get", "opts", "curl"]).ok(), value);
    }
    assert_eq!(device.json(&["put", "opts", "curl", "-f"])["key"], "curl");
    assert_eq!(device.run(&["get", "opts", "curl"]).ok(), "-f");
    device.run(&["put", "opts", "curl", "--", "--verbose"]).ok();
    assert_eq!(device.run(&["get", "opts", "curl"]).ok(), "--verbose");
}

/// An unquoted variable without a value, a quoted one, and an option's name: what stands stays.
#[test]
fn an_empty_value_must_be_asked_for() {
    let place = Place::new();
    let (device, _) = place.first();
    device.run(&["put", "opts", "curl", "-s"]).ok();
    for words in [&["put", "opts", "curl"][..], &["put", "opts", "curl", ""], &["put", "opts", "curl", "-"]] {
        let refused = device.run(words).refused(2);
        assert!(refused.contains("--empty"), "{refused}");
    }
    device.run(&["put", "opts", "curl", "--verbose"]).refused(2);
    assert_eq!(device.run(&["get", "opts", "curl"]).ok(), "-s");
    device.run(&["put", "opts", "curl", "--empty"]).ok();
    assert_eq!(device.run(&["get", "opts", "curl"]).ok(), "");
    device.run(&["put", "opts", "curl", "-s", "--empty"]).refused(2);
}

#[test]
#[cfg(unix)]
fn a_value_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let (device, _) = place.first();
    let put = device.command(&["put", "m", "k"]).arg(std::ffi::OsStr::from_bytes(b"-\xe4")).output().unwrap();
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    assert_eq!(device.run(&["get", "m", "k"]).stdout, b"-\xe4");
}

#[test]
fn lists_have_a_line_a_record() {
    let place = Place::new();
    let (device, _) = place.first();
    for (key, value) in [("b/1", "one\ttab"), ("b/2", "two\nlines"), ("c", "three")] {
        device.run(&["put", "m", key, value]).ok();
    }
    assert_eq!(device.run(&["list", "m"]).ok(), "b/1\tone\\ttab\nb/2\ttwo\\nlines\nc\tthree\n");
    assert_eq!(device.run(&["list", "m", "--prefix", "c"]).ok(), "c\tthree\n");
    assert_eq!(device.run(&["list", "none"]).ok(), "");
    let text = device.run(&["list", "m", "--prefix", "b/", "--json"]).ok();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["value"]).collect::<Vec<_>>(), ["one\ttab", "two\nlines"]);
}

#[test]
fn a_log_takes_entries_and_lines_and_forgets_for_ever() {
    let place = Place::new();
    let (device, _) = place.first();
    device.run(&["log", "append", "l", "first", "second"]).ok();
    device.pipe(&["log", "append", "l"], b"third\n\nfourth\r\n").ok();
    let listed = device.run(&["log", "list", "l"]).ok();
    let entries: Vec<&str> = listed.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    assert_eq!(entries, ["first", "second", "third", "fourth"]);
    let key = listed.lines().next().unwrap().split_once('\t').unwrap().0;
    device.run(&["log", "delete", "l", key]).ok();
    assert_eq!(device.run(&["log", "list", "l"]).ok().lines().count(), 3);
}

#[test]
fn importing_a_history_again_adds_only_what_is_new() {
    let place = Place::new();
    let (device, _) = place.first();
    let file = place.path("history");
    let file_name = file.to_str().unwrap();
    std::fs::write(&file, "ls\ncd\nls\n#1700000000\nmake\n").unwrap();
    device.run(&["log", "import", "l", file_name]).ok();
    let before = device.run(&["log", "list", "l"]).ok();
    assert_eq!(before.lines().count(), 4);
    assert!(before.lines().last().unwrap().ends_with("\tmake"), "the one with a time is the newest");
    device.run(&["log", "import", "l", file_name]).ok();
    std::fs::write(&file, "cd\nls\n").unwrap();
    device.run(&["log", "import", "l", file_name]).ok();
    assert_eq!(device.run(&["log", "list", "l"]).ok(), before);

    let key = before.lines().last().unwrap().split_once('\t').unwrap().0;
    device.run(&["log", "delete", "l", key]).ok();
    std::fs::write(&file, "#1700000000\nmake\n#1700000001\nmake test\n").unwrap();
    device.run(&["log", "import", "l", file_name]).ok();
    let after = device.run(&["log", "list", "l"]).ok();
    assert_eq!(after.matches("\tmake\n").count(), 0, "deleted is deleted");
    assert_eq!(after.lines().count(), 4);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let place = Place::new();
    let (device, _) = place.first();
    let lines: String = (0..5_000).map(|n| format!("{n}: some entry of a log that is long enough\n")).collect();
    device.pipe(&["log", "append", "l"], lines.as_bytes()).ok();
    for arguments in [&["log", "list", "l"][..], &["export"], &["log", "list", "l", "--json"]] {
        let mut child = device.command(arguments).stdin(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
