//! Objects of a vault: opened with its ring, padding taken off (docs/format/crypto.md, "Sealed objects", "Keys", "Sizes").

use crate::case::{File, hex};
use crate::sealing::{BEACON, CHUNK, Epoch, INDEX, MANIFEST, Place, SEGMENT, pad, seal};
use crate::world::{FIRST, ROOTS, SECOND, SECOND_TOO, VAULT, content_key, ring, ring_value, space};
use serde_json::{Value, json};

const NAMES: [(u8, &str, &str); 5] = [
    (BEACON, "beacon", "beacon"),
    (MANIFEST, "manifest", "manifests/00000000000000000000000000000001"),
    (SEGMENT, "segment", "segments/00000000000000000000000000000001/00000000000000000000000000000002"),
    (INDEX, "snapshot-index", "snapshots/00000000000000000000000000000003"),
    (CHUNK, "snapshot-chunk", "snapshots/00000000000000000000000000000004"),
];

fn given(kind: &str, path: &str, sealed: &[u8]) -> Value {
    json!({"vault": hex(VAULT), "ring": ring_value(&ring()), "kind": kind, "path": path, "sealed": hex(sealed)})
}

fn sealed_at(kind: u8, path: &str, epoch: Epoch, root: &[u8; 32], padded: &[u8]) -> Vec<u8> {
    seal(&Place { key: content_key(root, space()), vault: VAULT, kind, epoch, path }, padded).bytes()
}

pub(crate) fn file() -> File {
    let mut file = File::new(
        "objects",
        "docs/format/crypto.md: Sealed objects, Keys, Sizes. The value is the plaintext without its padding",
    );
    let paths: Vec<String> = NAMES.iter().map(|(_, _, rest)| format!("spaces/{}/{rest}", hex(space()))).collect();
    for ((kind, name, _), path) in NAMES.iter().zip(&paths) {
        for (epoch, root) in ring() {
            if epoch != FIRST && *kind != MANIFEST {
                continue;
            }
            let sealed = sealed_at(*kind, path, epoch, &root, &pad(*kind, b"content"));
            let title = format!("a {name} of epoch {}", epoch.text());
            file.value(title, "object", given(name, path, &sealed), json!(hex(b"content")));
        }
    }
    for ((kind, name, _), path) in NAMES.iter().zip(&paths) {
        let sealed = sealed_at(*kind, path, FIRST, &ROOTS[0], &pad(*kind, b"content"));
        for ((_, other_name, _), other_path) in NAMES.iter().zip(&paths) {
            if name != other_name {
                let title = format!("a {name} at a {other_name}'s place");
                file.refused(title, "object", given(other_name, other_path, &sealed), "corrupt");
            }
        }
        let other = sealed_at(
            *kind,
            path,
            FIRST,
            &ROOTS[0],
            &pad(if *kind == SEGMENT { MANIFEST } else { SEGMENT }, b"content"),
        );
        if matches!(*kind, BEACON | MANIFEST | SEGMENT) {
            file.refused(format!("a {name} padded by the other rule"), "object", given(name, path, &other), "corrupt");
        }
        let bare = sealed_at(*kind, path, FIRST, &ROOTS[0], b"content");
        file.refused(format!("a {name} that is not padded"), "object", given(name, path, &bare), "corrupt");
    }
    let (kind, name, path) = (MANIFEST, "manifest", &paths[1]);
    let mut refuse = |title: &str, epoch: Epoch, root: &[u8; 32]| {
        let sealed = sealed_at(kind, path, epoch, root, &pad(kind, b"content"));
        file.refused(title, "object", given(name, path, &sealed), "corrupt");
    };
    refuse("an unknown epoch's number", Epoch(3, SECOND.1), &ROOTS[1]);
    refuse("an unknown epoch's id", Epoch(2, [0x23; 8]), &ROOTS[1]);
    refuse("epoch number 0", Epoch(0, FIRST.1), &ROOTS[0]);
    refuse("the key of the other epoch of that number", SECOND_TOO, &ROOTS[1]);
    file
}
