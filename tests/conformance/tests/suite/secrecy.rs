//! Nothing readable leaves a device: every byte on the wire and in the store is searched for what was planted.

use std::path::Path;
use tidelock::{Change, Collection, Passphrase, Secret, Vault};
use tidelock_conformance::{Device, Open, Place};

on_every_store![nothing_readable_leaves_a_device];

const PASSPHRASE: &str = "PLANTED-passphrase of fourteen words";
const VALUE: &str = "PLANTED-value";
const LOG_VALUE: &str = "PLANTED-entry";
const KEY: &str = "PLANTED-key";
const MAP: &str = "PLANTED-map";
const LOG: &str = "PLANTED-log";
const SOURCE: &str = "PLANTED-source";
const DEVICES: [&str; 3] = ["PLANTED-device-one", "PLANTED-device-two", "PLANTED-device-three"];

fn nothing_readable_leaves_a_device(place: &Place) {
    let mut options = place.options(DEVICES[0]);
    options.passphrase = Some(Passphrase::new(PASSPHRASE));
    // A compressed text would be as unreadable as a sealed one.
    options.compression = false;
    let (vault, code) = futures::executor::block_on(Vault::create(options)).unwrap();
    let mut one = Open { vault };
    let mut two = place.join(DEVICES[1], &Secret::Recovery(code.clone()));
    write(&mut one, 60);
    two.sync();
    two.put(MAP, &format!("{KEY} 1"), &format!("{VALUE} of two"));
    one.put(MAP, &format!("{KEY} 1"), &format!("{VALUE} of one"));
    two.sync();
    one.sync();
    one.resolve(MAP, &format!("{KEY} 1"), &format!("{VALUE} of both"));
    one.delete_line(LOG, &format!("{LOG_VALUE} 2"));
    // Enough for a snapshot too.
    write(&mut one, 400);
    let mut three = place.join(DEVICES[2], &Secret::Passphrase(PASSPHRASE.to_owned().into()));
    three.sync();
    assert_eq!(three.map(MAP).len(), 400);
    let bucket = place.bucket();
    assert!(!bucket.keys_of("segments").is_empty() && !bucket.keys_of("snapshots").is_empty());

    let mut planted = vec!["PLANTED".to_owned(), PASSPHRASE.to_owned(), (*code.reveal()).clone()];
    planted.push(code.reveal().replace('-', ""));
    planted.extend(place.keys().map(|(_, secret)| secret.to_owned()));
    // In order, so that they name the first leak.
    for text in &planted {
        for (key, object) in bucket.objects() {
            assert!(!shows(key.as_bytes(), text), "{text} in the name {key}");
            assert!(!shows(&object, text), "{text} in {key}");
        }
        if let Some(proxy) = place.proxy() {
            assert!(!shows(&proxy.seen().bytes, text), "{text} on the wire");
        } else {
            assert!(!shows(&all_of(&place.store_folder()), text), "{text} in the folder");
        }
    }

    // The search finds what is there in clear.
    let header = bucket.get("tidelock");
    let vault = std::str::from_utf8(&header).unwrap().rsplit_once(' ').unwrap().1.trim();
    assert_eq!(vault, one.status().vault.unwrap().to_string());
    match place.proxy() {
        Some(proxy) => {
            let seen = proxy.seen();
            let (access_key, _) = place.keys().unwrap();
            assert!(shows(&seen.bytes, vault) && shows(&seen.bytes, access_key));
        }
        None => assert!(shows(&all_of(&place.store_folder()), vault)),
    }
}

fn write(device: &mut Open, count: usize) {
    let change = |number| Change::Put {
        collection: Collection::map(MAP),
        key: format!("{KEY} {number}"),
        value: format!("{VALUE} {number} ").repeat(20).into(),
    };
    device.write((0..count).map(change).collect()).unwrap();
    for number in 0..5 {
        device.append(LOG, &format!("{LOG_VALUE} {number}"));
    }
    device.import(LOG, SOURCE, &[(1_000, LOG_VALUE)]);
    device.sync();
}

/// Whether bytes hold a text: as it is, in hex, or in base64 at any offset.
fn shows(bytes: &[u8], text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![text.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    forms.extend((0..3).map(|offset| base64_core(text.as_bytes(), offset)));
    forms.iter().any(|form| find(bytes, form))
}

fn find(bytes: &[u8], form: &[u8]) -> bool {
    let first = form[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(form) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The letters of base64 (RFC 4648) that depend on the text alone, when `offset` bytes stand before it.
fn base64_core(text: &[u8], offset: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = std::iter::repeat_n(0, offset)
        .chain(text.iter().copied())
        .flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1))
        .collect();
    let letters = bits.chunks_exact(6).map(|six| LETTERS[six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit))]);
    letters.skip((offset * 8).div_ceil(6)).collect()
}

/// Names and contents of all files of a folder, hidden ones too.
fn all_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        all.extend_from_slice(entry.file_name().as_encoded_bytes());
        match entry.file_type().unwrap().is_dir() {
            true => all.extend(all_of(&entry.path())),
            false => all.extend(std::fs::read(entry.path()).unwrap()),
        }
    }
    all
}

#[test]
fn the_search_knows_its_forms() {
    // RFC 4648: "foobar" is Zm9vYmFy; with one letter before it, "xfoobar" is eGZvb2Jhcg==.
    assert!(shows(b"..Zm9vYmFy..", "foobar") && shows(b"eGZvb2Jhcg==", "foobar") && shows(b"666f6f626172", "foobar"));
    assert!(shows(b"xxfoobar", "foobar") && !shows(b"foobafoobaz", "foobar"));
}
