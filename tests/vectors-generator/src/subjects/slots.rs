//! Slots (docs/format/crypto.md, "Slots").

use crate::bytes::{Id, join};
use crate::case::{File, hex};
use crate::sealing::{Epoch, Opener, SlotWords, code_text, hash};
use crate::world::{CODE, OTHER_VAULT, ROOTS, SECOND, SEEDS, VAULT, header};
use serde_json::{Value, json};

const PASSPHRASE: &str = "correct horse battery stäple";
const COST: [u32; 3] = [19_456, 2, 1];
const SALT: [u8; 16] = [0x5a; 16];

/// An opener and its secret as a check is given it.
fn openers() -> [(Opener, String); 3] {
    [
        (Opener::recovery(&CODE), code_text(&CODE)),
        (Opener::passphrase(PASSPHRASE.as_bytes(), SALT, COST), PASSPHRASE.to_owned()),
        (Opener::device(&SEEDS[0]), hex(SEEDS[0])),
    ]
}

fn given(opener: &Opener, secret: &str, sealed: &[u8]) -> Value {
    json!({
        "vault": hex(VAULT),
        "header": hex(header()),
        "opener": opener.name,
        "secret": secret,
        "path": opener.path,
        "sealed": hex(sealed),
    })
}

fn words(opener: &Opener) -> SlotWords {
    SlotWords::new(opener, VAULT, SECOND, &ROOTS[1], &header())
}

pub(crate) fn file() -> File {
    let mut file = File::new("slots", "docs/format/crypto.md: Slots. `wrong-key` where the commitment does not fit");
    let openers = openers();
    for (opener, secret) in &openers {
        let name = opener.name;
        let value = json!({"epoch": SECOND.text(), "root_secret": hex(ROOTS[1])});
        let right = words(opener).seal(opener);
        file.value(name, "open-slot", given(opener, secret, &right.bytes()), value);
        let record = join(&[&[opener.number], &record_name(opener), &opener.public_key(), &opener.psk()]);
        let value = json!({"record": hex(record), "path": opener.path});
        let inputs = json!({"opener": name, "secret": secret, "stretching": hex(&opener.stretching)});
        file.value(format!("{name}'s record"), "record-of-opener", inputs, value);

        let mut refuse = |what: &str, kind, sealed: &[u8]| {
            file.refused(format!("{name}: {what}"), "open-slot", given(opener, secret, sealed), kind);
        };
        let at = right.head.len() - 32;
        for (what, place, kind) in [
            ("magic altered", 0, "corrupt"),
            ("another format", 4, "corrupt"),
            ("another kind", 5, "corrupt"),
            ("another suite", 6, "corrupt"),
            ("enc's first byte altered", at, "wrong-key"),
            ("enc's last bit altered, which X25519 leaves out", at + 31, "wrong-key"),
        ] {
            let mut altered = right.clone();
            altered.head[place] ^= if place == at + 31 { 0x80 } else { 2 };
            refuse(what, kind, &altered.bytes());
        }
        let mut altered = right.clone();
        altered.head[at..].fill(0);
        refuse("enc of small order", "corrupt", &altered.bytes());
        let mut altered = right.clone();
        altered.salt[0] ^= 1;
        refuse("salt altered", "wrong-key", &altered.bytes());
        let mut altered = right.clone();
        altered.commitment[31] ^= 1;
        refuse("commitment altered", "wrong-key", &altered.bytes());
        let mut altered = right.clone();
        altered.chunks[0][0] ^= 1;
        refuse("ciphertext altered", "corrupt", &altered.bytes());
        let bytes = right.bytes();
        refuse("a byte short", "corrupt", &bytes[..bytes.len() - 1]);
        refuse("a byte too long", "corrupt", &join(&[&bytes, &[0]]));
        refuse("without its message", "corrupt", &bytes[..at + 32]);
        refuse("nothing", "corrupt", &[]);

        let mut reseal = |what: &str, kind, change: &dyn Fn(&mut SlotWords)| {
            let mut changed = words(opener);
            change(&mut changed);
            refuse(what, kind, &changed.seal(opener).bytes());
        };
        reseal("the reserved HPKE suite", "corrupt", &|w| w.suite = 2);
        reseal("HPKE suite 0", "corrupt", &|w| w.suite = 0);
        reseal("another psk", "wrong-key", &|w| w.psk[0] ^= 1);
        reseal("another psk id", "wrong-key", &|w| w.psk_id = b"tidelock/v1/slot".to_vec());
        reseal("another exporter context", "wrong-key", &|w| w.export = b"slot content".to_vec());
        reseal("sealed for another vault", "wrong-key", &|w| w.vault = OTHER_VAULT);
        reseal("HPKE bound to another path", "wrong-key", &|w| w.path = "slots/x".to_owned());
        reseal("the envelope bound to another path", "wrong-key", &|w| w.envelope_path = "slots/x".to_owned());
        let payload =
            |epoch: Epoch, vault: Id, header: &[u8]| join(&[&epoch.bytes(), &ROOTS[1], &vault, &hash(header)]);
        let other_epoch = payload(Epoch(2, [0x23; 8]), VAULT, &header());
        reseal("a payload of another epoch", "corrupt", &|w| w.plaintext.clone_from(&other_epoch));
        let other_vault = payload(SECOND, OTHER_VAULT, &header());
        reseal("a payload of another vault", "corrupt", &|w| w.plaintext.clone_from(&other_vault));
        let other_header = payload(SECOND, VAULT, b"tidelock 1\n");
        reseal("a payload of another header", "corrupt", &|w| w.plaintext.clone_from(&other_header));
        reseal("a payload of a byte less", "corrupt", &|w| w.plaintext.truncate(91));
        reseal("a payload of a byte more", "corrupt", &|w| w.plaintext.push(0));
    }
    let [(recovery, code), (passphrase, _), (device, _)] = &openers;
    for (opener, number) in [(recovery, 3), (recovery, 0), (recovery, 4), (device, 1)] {
        let (_, secret) = openers.iter().find(|(known, _)| known.name == opener.name).expect("one of the three");
        let sealed = SlotWords { opener: number, ..words(opener) }.seal(opener).bytes();
        let name = format!("{}: opener {number}", opener.name);
        file.refused(name, "open-slot", given(opener, secret, &sealed), "corrupt");
    }
    let other_code = *b"0123456789abcdefghiJ";
    let sealed = words(recovery).seal(recovery).bytes();
    let inputs = given(
        &Opener { path: recovery.path.clone(), ..Opener::recovery(&other_code) },
        &code_text(&other_code),
        &sealed,
    );
    file.refused("another recovery code", "open-slot", inputs, "wrong-key");
    let right = words(passphrase).seal(passphrase).bytes();
    for (name, secret) in [
        ("another passphrase", "correct horse battery staple"),
        ("a passphrase with a space behind it", "correct horse battery stäple "),
        ("a passphrase decomposed", "correct horse battery sta\u{308}ple"),
    ] {
        file.refused(name, "open-slot", given(passphrase, secret, &right), "wrong-key");
    }
    file.refused("an empty passphrase", "open-slot", given(passphrase, "", &right), "invalid");
    file.refused("a passphrase of 1,025 bytes", "open-slot", given(passphrase, &"x".repeat(1_025), &right), "invalid");
    file.refused(
        "a device's seed for a code",
        "open-slot",
        given(device, &hex(SEEDS[1]), &words(device).seal(device).bytes()),
        "wrong-key",
    );
    file.refused("a recovery slot with a passphrase's head", "open-slot", given(recovery, code, &right), "corrupt");
    for (name, cost) in [
        ("too little memory", [19_455, 2, 1]),
        ("too much memory", [262_145, 2, 1]),
        ("one pass", [19_456, 1, 1]),
        ("5 passes", [19_456, 5, 1]),
        ("no lane", [19_456, 2, 0]),
        ("5 lanes", [19_456, 2, 5]),
        ("the greatest memory", [u32::MAX, 2, 1]),
    ] {
        // Sealed so in truth, but for the stretching itself: it is refused before that.
        let cost: Vec<u8> = cost.iter().flat_map(|number: &u32| number.to_le_bytes()).collect();
        let sealed = SlotWords { stretching: join(&[&SALT, &cost]), ..words(passphrase) }.seal(passphrase).bytes();
        file.refused(format!("passphrase: {name}"), "open-slot", given(passphrase, PASSPHRASE, &sealed), "unsupported");
    }
    for (name, at) in [("salt altered in clear", 21), ("a pass more in clear", 21 + 20)] {
        let mut altered = right.clone();
        altered[at] ^= 1;
        file.refused(format!("passphrase: {name}"), "open-slot", given(passphrase, PASSPHRASE, &altered), "wrong-key");
    }
    file
}

fn record_name(opener: &Opener) -> Vec<u8> {
    match opener.number {
        1 => crate::sealing::derive::<16>(&CODE, "recovery slot name", b"").to_vec(),
        2 => opener.stretching.clone(),
        _ => crate::sealing::device_id(&SEEDS[0]).to_vec(),
    }
}
