//! Keys of log entries, and digests of deleted ones (docs/format/replica.md, "Logs").

use crate::bytes::join;
use crate::case::{File, hex};
use crate::sealing::{derive, keyed};
use crate::world::{MS, ROOTS, VAULT};
use serde_json::json;

fn counted(bytes: &[u8]) -> Vec<u8> {
    join(&[&(bytes.len() as u64).to_le_bytes(), bytes])
}

pub(crate) fn file() -> File {
    let mut file =
        File::new("logs", "docs/format/replica.md: Logs; crypto.md: Keys. Keys come from the first epoch's secret");
    let random = [0xcd; 10];
    for (name, ms) in [
        ("now", MS),
        ("1970", 0),
        ("the greatest of 48 bits", 0xffff_ffff_ffff),
        ("beyond 48 bits", 0x0123_4567_89ab_cdef),
    ] {
        let low = ms & 0xffff_ffff_ffff;
        let given = json!({"ms": ms.to_string(), "random": hex(random)});
        file.value(format!("append: {name}"), "append-key", given, json!(format!("{low:012x}{}", hex(random))));
    }
    let imports: [(&str, &str, &str, u64, &[u8], u32); 9] = [
        ("an entry", "shell", "history", MS, b"ls -l", 0),
        ("an equal one after it", "shell", "history", MS, b"ls -l", 1),
        ("a millisecond later", "shell", "history", MS + 1, b"ls -l", 0),
        ("another value", "shell", "history", MS, b"ls", 0),
        ("an empty value", "shell", "history", MS, b"", 0),
        ("another source", "shell", "histor", MS, b"ls -l", 0),
        ("a letter moved from source to value", "shell", "histor", MS, b"yls -l", 0),
        ("a letter moved from name to source", "shel", "lhistory", MS, b"ls -l", 0),
        ("an empty source", "shell", "", MS, b"ls -l", 0),
    ];
    for (name, collection, source, ms, value, repeat) in imports {
        let hashed = join(&[
            &counted(collection.as_bytes()),
            &counted(source.as_bytes()),
            &counted(value),
            &ms.to_le_bytes(),
            &repeat.to_le_bytes(),
        ]);
        let random = keyed(&derive(&ROOTS[0], "import", &VAULT), &hashed);
        let given = json!({
            "vault": hex(VAULT),
            "first_root_secret": hex(ROOTS[0]),
            "collection": collection,
            "source": source,
            "ms": ms.to_string(),
            "value": hex(value),
            "repeat": repeat,
        });
        let key = format!("{:012x}{}", ms & 0xffff_ffff_ffff, hex(&random[..10]));
        file.value(format!("import: {name}"), "import-key", given, json!(key));
    }
    for (name, collection, key) in [
        ("an entry", "shell", "018bcfe568000000000000000000000a"),
        ("another entry", "shell", "018bcfe568000000000000000000000b"),
        ("another log", "notes", "018bcfe568000000000000000000000a"),
        ("a letter moved from name to key", "shel", "l018bcfe568000000000000000000000a"),
        ("names beyond ASCII", "журнал", "é"),
    ] {
        let hashed = join(&[&counted(collection.as_bytes()), key.as_bytes()]);
        let digest = keyed(&derive(&ROOTS[0], "digest", &VAULT), &hashed);
        let given = json!({
            "vault": hex(VAULT),
            "first_root_secret": hex(ROOTS[0]),
            "collection": collection,
            "key": key,
        });
        file.value(format!("digest: {name}"), "deletion-digest", given, json!(hex(&digest[..16])));
    }
    file
}
