//! The ways into a vault: passphrases and recovery codes, changed by the command.

use crate::device::{Device, Place, Ran};

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    let join = |name: &str, secret: &[u8]| {
        let device = place.device(name);
        let joined = device.pipe(&["join", "--store", &place.store(), "--name", name, "--secret-stdin"], secret);
        (device, joined)
    };
    one.pipe(&["passphrase", "--passphrase-stdin"], b"correct horse battery staple\n").ok();
    let (two, joined) = join("two", b"correct horse battery staple\n");
    joined.ok();
    assert_eq!(two.run(&["get", "m", "k"]).ok(), "v");
    two.pipe(&["passphrase", "--passphrase-stdin"], b"another set of four words\n").ok();
    join("three", b"correct horse battery staple\n").1.refused(6);
    join("three", b"another set of four words\n").1.ok();
    one.run(&["passphrase", "--remove"]).ok();
    join("four", b"another set of four words\n").1.refused(6);
    one.run(&["passphrase", "--remove"]).ok();
}

#[test]
fn a_replaced_recovery_code_opens_the_vault_and_the_old_one_does_not() {
    let place = Place::new();
    let (one, old) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    let told = one.json(&["recovery-code"]);
    let new = told["recovery_code"].as_str().unwrap();
    let join = ["join", "--store", &place.store(), "--secret-stdin"];
    place.device("two").pipe(&join, old.as_bytes()).refused(6);
    let three = place.join("three", new);
    assert_eq!(three.run(&["get", "m", "k"]).ok(), "v");
    // It was given: who asks again gets another.
    assert_ne!(one.run(&["recovery-code"]).ok().trim(), new);
}

#[test]
fn a_vault_that_was_made_gives_its_code_again_until_it_synced() {
    let place = Place::new();
    let (one, code) = place.first();
    let init = ["init", "--store", &place.store()];
    assert_eq!(one.run(&init).ok().trim(), code);
    let with_passphrase = [&init[..], &["--passphrase-stdin"]].concat();
    let refused = one.pipe(&with_passphrase, b"correct horse battery staple\n").refused(10); // nobody may take it for set
    assert!(refused.contains("`init` without a passphrase shows the recovery code"), "{refused}");
    assert!(one.run(&["join", "--store", &place.store(), "--secret-stdin"]).refused(10).contains("reset"));
    one.run(&["sync"]).ok();
    assert!(one.run(&init).refused(10).contains("reset"));
}

#[test]
fn who_has_no_terminal_is_told_the_flags_of_the_command_at_hand() {
    let place = Place::new();
    let (one, _) = place.first();
    let (two, store) = (place.device("two"), place.store());
    for (device, command, flags) in [
        (&one, &["passphrase"][..], ["--passphrase-stdin", "--passphrase-file"]),
        (&one, &["credentials", "set"], ["--stdin", "--file"]),
        (&two, &["join", "--store", &store], ["--secret-stdin", "--secret-file"]),
    ] {
        let text = device.run(command).refused(2);
        assert!(flags.iter().all(|flag| text.contains(&format!(" {flag}"))), "{text}");
    }
}

/// Runs a command whose reader is gone before it writes.
fn unread(device: &Device, arguments: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Ran::of(arguments, device.command(arguments).stdout(writer).output().unwrap())
}

#[test]
fn a_code_that_nobody_could_read_is_no_success() {
    let place = Place::new();
    let one = place.device("one");
    let store = place.store();
    for command in [&["init", "--store", &store][..], &["recovery-code"]] {
        for json in [&[][..], &["--json"]] {
            let text = unread(&one, &[command, json].concat()).refused(9);
            assert!(text.contains("the recovery code could not be shown") && text.contains("again"), "{text}");
        }
        let code = one.run(command).ok();
        place.join(command[0], code.trim());
    }
}

#[test]
fn a_passphrase_that_is_easy_to_guess_is_refused() {
    let place = Place::new();
    let one = place.device("one");
    let init = ["init", "--store", &place.store(), "--passphrase-stdin"];
    let text = one.pipe(&init, b"hunter2\n").refused(2);
    assert!(text.contains("too easy to guess") && text.contains("--weak") && !text.contains("hunter2"), "{text}");
    assert!(!one.local.exists(), "nothing was made");
    one.pipe(&[&init[..], &["--weak"]].concat(), b"hunter2\n").ok();
    one.pipe(&["passphrase", "--passphrase-stdin"], b"password1\n").refused(2);
    one.pipe(&["passphrase", "--passphrase-stdin"], b"seven sailors seek some salt\n").ok();
    let join = ["join", "--store", &place.store(), "--secret-stdin"];
    place.device("two").pipe(&join, b"hunter2\n").refused(6);
    place.device("two").pipe(&join, b"seven sailors seek some salt\n").ok();
}

#[test]
fn a_passphrase_that_looks_like_a_recovery_code_joins() {
    let place = Place::new();
    let (one, _) = place.first();
    let looks = "abcd efgh jkmn pqrs tuvw xyz2 3456 789a bcde\n";
    one.pipe(&["passphrase", "--passphrase-stdin"], looks.as_bytes()).ok();
    let join = ["join", "--store", &place.store(), "--secret-stdin"];
    let text = place.device("two").pipe(&join, looks.as_bytes()).refused(2);
    assert!(text.contains("--passphrase"), "{text}");
    place.device("two").pipe(&[&join[..], &["--passphrase"]].concat(), looks.as_bytes()).ok();
}

#[cfg(unix)]
#[test]
fn a_secret_in_a_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let (_, code) = place.first();
    let two = place.device("two");
    let file = place.path("code");
    let join = ["join", "--store", &place.store(), "--secret-file", file.to_str().unwrap()];
    std::fs::write(&file, &code).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = two.run(&join).refused(2);
        assert!(refused.contains("open to other users") && refused.contains("chmod 600"), "{refused}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    two.run(&join).ok();
}

/// A core dump would write keys to the disk.
#[cfg(target_os = "linux")]
#[test]
fn the_command_dumps_no_core() {
    let place = Place::new();
    let (one, _) = place.first();
    let mut watching = one.command(&["watch"]).spawn().unwrap();
    let file = format!("/proc/{}/limits", watching.id());
    let is_off = |limits: &str| {
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().skip(4).take(2).eq(["0", "0"])
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_off(&std::fs::read_to_string(&file).unwrap()) {
        assert!(std::time::Instant::now() < until, "the limit stays");
        std::thread::yield_now();
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn what_opens_the_vault_is_listed_with_who_added_it() {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    two.pipe(&["passphrase", "--passphrase-stdin"], b"correct horse battery staple\n").ok();
    one.run(&["sync"]).ok();
    let listed = one.run(&["devices"]).ok();
    let lines: Vec<_> = listed.lines().map(|line| line.trim().split('\t').take(2).collect::<Vec<_>>()).collect();
    assert!(lines.contains(&vec!["recovery code", "added by one"]), "{listed}");
    assert!(lines.contains(&vec!["passphrase", "added by two"]), "{listed}");
    let recipients = one.json(&["status"])["recipients"].clone();
    let kinds: Vec<_> = recipients.as_array().unwrap().iter().map(|one| one["recipient"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["recovery code", "passphrase"]);
    one.run(&["passphrase", "--remove"]).ok();
    assert!(!one.run(&["devices"]).ok().contains("passphrase"));
}
