//! `keys/` objects (docs/format/crypto.md, "Keys").

use crate::bytes::join;
use crate::case::{File, hex};
use crate::sealing::{Epoch, KEYS, Place, derive, seal};
use crate::world::{FIRST, OTHER_VAULT, ROOTS, SECOND, SECOND_TOO, VAULT, ring, ring_value};
use serde_json::{Value, json};

type Entry = (Epoch, [u8; 32]);

fn content(entries: &[Entry]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).expect("few epochs");
    counted(count, entries)
}

fn counted(count: u32, entries: &[Entry]) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = entries.iter().map(|(epoch, root)| join(&[&epoch.bytes(), root])).collect();
    join(&[&count.to_le_bytes(), &entries.concat()])
}

fn sealed(epoch: Epoch, root: &[u8; 32], content: &[u8]) -> Vec<u8> {
    let path = format!("keys/{}", epoch.text());
    seal(&Place { key: derive(root, "keys", &VAULT), vault: VAULT, kind: KEYS, epoch, path: &path }, content).bytes()
}

fn given(epoch: Epoch, root: &[u8; 32], sealed: &[u8]) -> Value {
    json!({"vault": hex(VAULT), "epoch": epoch.text(), "root_secret": hex(root), "sealed": hex(sealed)})
}

pub(crate) fn file() -> File {
    let mut file = File::new("keys", "docs/format/crypto.md: Keys. The value is the whole ring, oldest first");
    let whole = ring();
    let (newest, root) = (SECOND_TOO, ROOTS[2]);
    let right = sealed(newest, &root, &content(&whole[..2]));
    file.value("two earlier epochs", "open-keys", given(newest, &root, &right), ring_value(&whole));
    let one = sealed(SECOND, &ROOTS[1], &content(&whole[..1]));
    file.value("one earlier epoch", "open-keys", given(SECOND, &ROOTS[1], &one), ring_value(&whole[..2]));
    let many: Vec<Entry> = (1..=40).map(|number| (Epoch(number, [3; 8]), [number as u8; 32])).collect();
    let (last, before) = many.split_last().expect("forty");
    let sealed_many = sealed(last.0, &last.1, &content(before));
    file.value("39 earlier epochs", "open-keys", given(last.0, &last.1, &sealed_many), ring_value(&many));

    let mut refuse = |name: &str, content: &[u8]| {
        file.refused(name, "open-keys", given(newest, &root, &sealed(newest, &root, content)), "corrupt");
    };
    let (first, second) = (whole[0], whole[1]);
    refuse("no epoch", &content(&[]));
    refuse("none of number 1", &content(&[second]));
    refuse("two of number 1", &content(&[first, (Epoch(1, [0x12; 8]), [7; 32]), second]));
    refuse("number 0", &content(&[(Epoch(0, [0; 8]), [7; 32]), first, second]));
    refuse("falling", &content(&[second, first]));
    refuse("falling by id", &content(&[first, (Epoch(2, [0x23; 8]), [7; 32]), second]));
    refuse("one twice", &content(&[first, first, second]));
    refuse("its own epoch", &content(&[first, second, (newest, root)]));
    refuse("a later epoch", &content(&[first, second, (Epoch(3, [0; 8]), [7; 32])]));
    refuse("a later id of its own number", &content(&[first, second, (Epoch(2, [0x30; 8]), [7; 32])]));
    refuse("a count too small", &counted(1, &[first, second]));
    refuse("a count too great", &counted(3, &[first, second]));
    refuse("the greatest count", &counted(u32::MAX, &[first, second]));
    refuse("a byte after the end", &join(&[&content(&[first, second]), &[0]]));
    refuse("a byte short", content(&[first, second]).split_last().expect("bytes").1);
    refuse("no count", &[0; 3]);
    refuse("padded", &crate::sealing::pad(crate::sealing::SEGMENT, &content(&[first, second])));

    let mut misplace = |name: &str, inputs: Value| file.refused(name, "open-keys", inputs, "corrupt");
    misplace("another epoch's root secret", given(newest, &ROOTS[1], &right));
    misplace("read as another epoch's", given(SECOND, &root, &right));
    misplace(
        "the first epoch's, of which there is none",
        given(FIRST, &ROOTS[0], &sealed(FIRST, &ROOTS[0], &content(&[]))),
    );
    let path = format!("keys/{}", newest.text());
    let place =
        Place { key: derive(&root, "keys", &OTHER_VAULT), vault: OTHER_VAULT, kind: KEYS, epoch: newest, path: &path };
    misplace("of another vault", given(newest, &root, &seal(&place, &content(&whole[..2])).bytes()));
    let place = Place { key: derive(&root, "content", &VAULT), vault: VAULT, ..place };
    misplace("sealed under another label's key", given(newest, &root, &seal(&place, &content(&whole[..2])).bytes()));
    let place = Place { key: derive(&root, "keys", &VAULT), path: "keys/x", ..place };
    misplace("sealed at another path", given(newest, &root, &seal(&place, &content(&whole[..2])).bytes()));
    file
}
