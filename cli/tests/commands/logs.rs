//! Logs: entries keep their order, histories are read as their shells write them, and an invocation is stored whole.

use crate::device::{Device, Place, Ran, names};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

/// A log's entries, oldest first, as `--json` tells them.
fn entries(device: &Device, log: &str) -> Vec<Vec<u8>> {
    let listed = device.run(&["log", "list", log, "--json"]).ok();
    let value = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        match entry["value"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => base64(entry["value_base64"].as_str().unwrap()),
        }
    };
    listed.lines().map(value).collect()
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn texts(device: &Device, log: &str) -> Vec<String> {
    entries(device, log).into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
}

/// Shell commands as people type them.
fn commands() -> Vec<&'static str> {
    include_str!("../../src/demo/sample.txt").lines().filter(|line| !line.is_empty()).collect()
}

fn import(device: &Device, file: &Path, text: &[u8]) {
    std::fs::write(file, text).unwrap();
    device.run(&["log", "import", "shell", file.to_str().unwrap()]).ok();
}

/// `make 2>&1 | tidelock log append builds`, as the README has it: through a pipe of a shell.
#[test]
fn the_lines_of_a_build_are_listed_in_order() {
    let place = Place::new();
    let (device, _) = place.first();
    let make = "for n in $(seq 12000); do echo \"cc -c file$n.c\"; done";
    for _ in 0..2 {
        let mut shell = std::process::Command::new("sh").args(["-c", make]).stdout(Stdio::piped()).spawn().unwrap();
        let append = device.command(&["log", "append", "builds"]).stdin(shell.stdout.take().unwrap()).output().unwrap();
        Ran::of(&["log", "append", "builds"], append).ok();
        shell.wait().unwrap();
    }
    let run = (1..=12_000).map(|n| format!("cc -c file{n}.c"));
    let expected: Vec<String> = run.clone().chain(run).collect();
    assert!(texts(&device, "builds") == expected, "the second run is behind the first, and each in order");
}

#[test]
fn processes_on_one_store_keep_the_order_of_their_appends() {
    let place = Place::new();
    let (device, code) = place.first();
    let expected: Vec<String> = (0..40).map(|n| format!("entry {n}")).collect();
    expected.iter().for_each(|entry| drop(device.run(&["log", "append", "l", entry]).ok()));
    assert_eq!(texts(&device, "l"), expected);
    device.run(&["sync"]).ok();
    let other = place.join("two", &code);
    assert_eq!(texts(&other, "l"), expected);
}

/// Bash's default: no times.
#[test]
fn a_bash_history_without_times_keeps_its_order() {
    let place = Place::new();
    let (device, code) = place.first();
    let file = place.path(".bash_history");
    let history = commands();
    let half = history.len() / 2;
    import(&device, &file, history[..half].join("\n").as_bytes());
    assert_eq!(texts(&device, "shell"), history[..half]);
    import(&device, &file, history.join("\n").as_bytes());
    assert_eq!(texts(&device, "shell"), history);
    // The shell cuts the oldest lines off, and writes each again.
    import(&device, &file, history[half..].join("\n").as_bytes());
    import(&device, &file, history.join("\n").as_bytes());
    assert_eq!(texts(&device, "shell"), history, "importing again, or a trimmed file, changes nothing");
    device.run(&["log", "append", "shell", "git status"]).ok();
    device.run(&["sync"]).ok();
    let other = place.join("two", &code);
    import(&other, &file, history[half..].join("\n").as_bytes());
    let all = [&history[..], &["git status"]].concat();
    assert_eq!(texts(&other, "shell"), all, "and so it is on another device");
}

/// With `HISTTIMEFORMAT`, which has seconds: many commands share one.
#[test]
fn commands_of_one_second_keep_their_order() {
    let place = Place::new();
    let (device, _) = place.first();
    let mut text = String::new();
    let history = commands();
    for (n, command) in history.iter().enumerate() {
        writeln!(text, "#{}\n{command}", 1_700_000_000 + n / 50).unwrap();
    }
    import(&device, &place.path("history"), text.as_bytes());
    assert_eq!(texts(&device, "shell"), history);
}

/// With `EXTENDED_HISTORY`, as zsh 5.9 writes it: a command of several lines, one that ends in a backslash, and bytes in pairs.
#[test]
fn a_zsh_history_is_read_as_zsh_wrote_it() {
    let place = Place::new();
    let (device, _) = place.first();
    let file = place.path(".zsh_history");
    let first = b": 1700000000:0;for f in *; do\\\n  echo $f\\\n\\\ndone\n: 1700000000:3;echo \\ \n";
    let second = b": 1700000000:0;echo \xe3\x83\xa3\x83\xb7\n: 1700000001:0;ls\n";
    import(&device, &file, first);
    import(&device, &file, &[&first[..], second].concat());
    import(&device, &file, second);
    let expected = ["for f in *; do\n  echo $f\n\ndone", "echo \\", "echo プ", "ls"];
    assert_eq!(texts(&device, "shell"), expected);
}

/// The 5,501st line is too long: nothing is stored, and the run that is repeated doubles nothing.
#[test]
fn an_append_is_stored_whole_or_not_at_all() {
    let place = Place::new();
    let (device, _) = place.first();
    let line = |n: usize| if n == 5_500 { vec![b'x'; (256 << 10) + 1] } else { format!("line {n}").into_bytes() };
    let lines: Vec<Vec<u8>> = (0..6_000).map(line).collect();
    let text = lines.join(&b'\n');
    let refused = device.pipe(&["log", "append", "l"], &text).refused(2);
    assert!(refused.contains("line 5501 ") && refused.contains("nothing was stored"), "{refused}");
    assert_eq!(entries(&device, "l").len(), 0);
    let before = names(&device.local);
    let ran = device.pipe(&["log", "append", "l", "--skip-invalid"], &text);
    assert!(ran.stderr.contains("left out line 5501"), "{}", ran.stderr);
    ran.ok();
    let kept: Vec<Vec<u8>> = lines.into_iter().filter(|line| line.len() < 1000).collect();
    assert!(entries(&device, "l") == kept);
    assert_eq!(names(&device.local), before, "no temporary file is left");
    let long = [vec![b'x'; 300_000], vec![b'y'; 900_000]].join(&b'\n');
    let ran = device.pipe(&["log", "append", "l", "--skip-invalid", "--json"], &[b"a\n", &long[..], b"\nb"].concat());
    let told: serde_json::Value = serde_json::from_str(&ran.ok()).unwrap();
    assert_eq!((told["skipped"].as_u64(), told["keys"].as_array().map(Vec::len)), (Some(2), Some(2)));
    let refused = device.pipe(&["log", "import", "l", "-"], &text).refused(2);
    assert!(refused.contains("line 5501"), "{refused}");
    let told = device.pipe(&["log", "import", "m", "-", "--skip-invalid"], &text).stderr;
    assert!(told.contains("left out line 5501") && told.contains("5999 entries"), "{told}");
}

#[test]
fn entries_may_begin_with_a_hyphen_and_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let (device, _) = place.first();
    device.run(&["log", "append", "l", "-v", "-rf x", "--", "--json"]).ok();
    device.pipe(&["log", "append", "l"], b"-h\n\xff\xfe\n").ok();
    let binary = device.command(&["log", "append", "l"]).arg(OsStr::from_bytes(b"echo \xe4")).output().unwrap();
    Ran::of(&["log", "append", "l"], binary).ok();
    let expected: [&[u8]; 6] = [b"-v", b"-rf x", b"--json", b"-h", b"\xff\xfe", b"echo \xe4"];
    assert_eq!(entries(&device, "l"), expected);
}

#[test]
fn a_deletion_of_an_entry_that_is_not_here_yet_is_recorded() {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    let appended = one.json(&["log", "append", "l", "secret"])["keys"][0].as_str().unwrap().to_owned();
    two.run(&["log", "delete", "l", &appended]).ok();
    two.run(&["log", "delete", "l", &appended]).ok();
    for device in [&one, &two, &one] {
        device.run(&["sync"]).ok();
    }
    assert_eq!(entries(&one, "l").len() + entries(&two, "l").len(), 0);
    for wrong in ["018bcfe5", "milk", &appended.to_uppercase().replace(char::is_numeric, "A")] {
        let refused = one.run(&["log", "delete", "l", wrong]).refused(3);
        assert!(refused.contains(wrong) && refused.contains("log list"), "{refused}");
    }
}
