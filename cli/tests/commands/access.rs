//! The ways into a vault: passphrases and recovery codes, changed by the command.

use crate::device::Place;

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
    one.pipe(&["passphrase", "--passphrase-stdin"], b"correct horse\n").ok();
    let (two, joined) = join("two", b"correct horse\n");
    joined.ok();
    assert_eq!(two.run(&["get", "m", "k"]).ok(), "v");
    two.pipe(&["passphrase", "--passphrase-stdin"], b"battery staple\n").ok();
    join("three", b"correct horse\n").1.refused(6);
    join("three", b"battery staple\n").1.ok();
    one.run(&["passphrase", "--remove"]).ok();
    join("four", b"battery staple\n").1.refused(6);
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
    // Until the next sync it is the one that may not have been seen; then another is made.
    assert_eq!(one.run(&["recovery-code"]).ok().trim(), new);
    one.run(&["sync"]).ok();
    assert_ne!(one.run(&["recovery-code"]).ok().trim(), new);
}
