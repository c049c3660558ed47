//! Keys of log entries, and digests of deleted ones (docs/format/replica.md, "Logs").

use crate::bytes::join;
use crate::case::{File, hex};
use crate::ops::stamp_value;
use crate::sealing::{derive, keyed};
use crate::world::{MS, ROOTS, VAULT};
use serde_json::json;

fn ms_digits(ms: u64) -> String {
    format!("{:012x}", ms & 0xffff_ffff_ffff)
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    join(&[&(bytes.len() as u64).to_le_bytes(), bytes])
}

pub(crate) fn file() -> File {
    let mut file =
        File::new("logs", "docs/format/replica.md: Logs; crypto.md: Keys. Keys come from the first epoch's secret");
    let random = [0xcd; 6];
    for (name, ms, counter) in [
        ("now", MS, 0),
        ("the next one in its millisecond", MS, 1),
        ("1970", 0, 7),
        ("the greatest of 48 bits", 0xffff_ffff_ffff, u32::MAX),
        ("beyond 48 bits", 0x0123_4567_89ab_cdef, 0),
    ] {
        let given = json!({"stamp": stamp_value((ms, counter)), "random": hex(random)});
        let key = format!("{}{counter:08x}{}", ms_digits(ms), hex(random));
        file.value(format!("append: {name}"), "append-key", given, json!(key));
    }
    let imports: [(&str, &str, &str, u64, &str, u32); 9] = [
        ("an entry", "shell", "history", MS, "ls -l", 0),
        ("an equal one after it", "shell", "history", MS, "ls -l", 1),
        ("a millisecond later", "shell", "history", MS + 1, "ls -l", 0),
        ("another value", "shell", "history", MS, "ls", 0),
        ("an empty value", "shell", "history", MS, "", 0),
        ("another source", "shell", "histor", MS, "ls -l", 0),
        ("a letter moved from source to value", "shell", "histor", MS, "yls -l", 0),
        ("a letter moved from name to source", "shel", "lhistory", MS, "ls -l", 0),
        ("an empty source", "shell", "", MS, "ls -l", 0),
    ];
    for (name, collection, source, ms, value, repeat) in imports {
        let hashed = join(&[
            &counted(collection.as_bytes()),
            &counted(source.as_bytes()),
            &counted(value.as_bytes()),
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
        let key = format!("i{}{}", ms_digits(ms), hex(&random[..10]));
        file.value(format!("import: {name}"), "import-key", given, json!(key));
    }
    for (name, key, (ms, counter), value) in [
        (
            "an imported entry",
            "i018bcfe568008284d5775a8f7e976fb5",
            (MS, 5),
            "018bcfe56800018bcfe56800000000058284d5775a8f7e976fb5",
        ),
        (
            "of no time",
            "i0000000000008284d5775a8f7e976fb5",
            (1, 0),
            "000000000000000000000001000000008284d5775a8f7e976fb5",
        ),
        (
            "a stamp beyond 48 bits",
            "i0000000000008284d5775a8f7e976fb5",
            (0x0123_4567_89ab_cdef, u32::MAX),
            "000000000000456789abcdefffffffff8284d5775a8f7e976fb5",
        ),
        ("an appended entry", "018bcfe56800000000cdcdcdcdcdcdcd", (MS, 5), "018bcfe56800000000cdcdcdcdcdcdcd"),
        ("upper-case digits", "i0000000000008284D5775A8F7E976FB5", (MS, 5), "i0000000000008284D5775A8F7E976FB5"),
        ("a digit less", "i0000000000008284d5775a8f7e976fb", (MS, 5), "i0000000000008284d5775a8f7e976fb"),
    ] {
        let given = json!({"key": key, "stamp": stamp_value((ms, counter))});
        file.value(format!("place: {name}"), "place", given, json!(value));
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
