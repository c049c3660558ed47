//! Ids of blobs, and where content is cut (docs/format/packs.md, "Pieces", "Cutting").

use crate::bytes::Id;
use crate::case::{File, hex};
use crate::packs::{Gear, cuts, gear, key};
use crate::sealing::keyed;
use crate::world::{OTHER_VAULT, ROOTS, VAULT, space};
use serde_json::{Value, json};

/// Content is given as its parts: the first bytes of the stream of H(text), or a byte again and again.
enum Part {
    Stream(&'static str, usize),
    Run(u8, usize),
}
use Part::{Run, Stream};

fn content(parts: &[Part]) -> (Vec<u8>, Value) {
    let mut bytes = Vec::new();
    let mut told = Vec::new();
    for part in parts {
        let from = bytes.len();
        match part {
            Stream(text, length) => {
                bytes.resize(from + length, 0);
                blake3::Hasher::new().update(text.as_bytes()).finalize_xof().fill(&mut bytes[from..]);
                told.push(json!({"stream_of": text, "length": length}));
            }
            Run(byte, length) => {
                bytes.resize(from + length, *byte);
                told.push(json!({"byte": byte, "length": length}));
            }
        }
    }
    (bytes, Value::Array(told))
}

fn keys_given(vault: Id, root: &[u8; 32], space: Id) -> Value {
    json!({"vault": hex(vault), "first_root_secret": hex(root), "space": hex(space)})
}

fn with(mut given: Value, field: &str, value: Value) -> Value {
    given[field] = value;
    given
}

fn gear_of(vault: Id, root: &[u8; 32], space: Id) -> Gear {
    gear(&key("cut", root, vault, space))
}

pub(crate) fn file() -> File {
    let mut file = File::new(
        "cuts",
        "docs/format/packs.md: Pieces, Cutting. Content is its parts in a row: the first bytes of BLAKE3's stream of a text, or one byte again and again",
    );
    let number = |number: u64| format!("{number:016x}");
    for (name, vault, root, space) in [
        ("the vault's", VAULT, ROOTS[0], space()),
        ("another root secret's", VAULT, ROOTS[1], space()),
        ("another vault's", OTHER_VAULT, ROOTS[0], space()),
        ("another space's", VAULT, ROOTS[0], [9; 16]),
    ] {
        let gear = gear_of(vault, &root, space);
        let value = json!({
            "first": number(gear.table[0]),
            "last": number(gear.table[255]),
            "early": number(gear.early),
            "late": number(gear.late),
        });
        file.value(format!("{name} gear"), "gear", keys_given(vault, &root, space), value);
    }

    let mut cut = |name: &str, root: &[u8; 32], parts: &[Part]| {
        let (bytes, told) = content(parts);
        let value = json!(cuts(&gear_of(VAULT, root, space()), &bytes));
        file.value(name, "cuts", with(keys_given(VAULT, root, space()), "content", told), value);
    };
    cut("nine million bytes", &ROOTS[0], &[Stream("a", 9_000_000)]);
    cut("the same under another key", &ROOTS[1], &[Stream("a", 9_000_000)]);
    cut("the same, with a byte put in before", &ROOTS[0], &[Run(7, 1), Stream("a", 9_000_000)]);
    cut("zeros", &ROOTS[0], &[Run(0, 5_000_000)]);
    cut("no more than the greatest length", &ROOTS[0], &[Run(0, 4_194_304)]);
    cut("one byte more", &ROOTS[0], &[Run(0, 4_194_305)]);
    cut("less than may end", &ROOTS[0], &[Stream("b", 524_287)]);
    cut("random bytes in zeros", &ROOTS[0], &[Run(0, 700_000), Stream("c", 2_000_000), Run(0, 700_000)]);
    cut("nothing", &ROOTS[0], &[]);

    let piece_key = key("piece id", &ROOTS[0], VAULT, space());
    let blob_key = key("blob id", &ROOTS[0], VAULT, space());
    for length in [1usize, 1_048_576, 1_048_577, 2_097_152, 3_000_000] {
        let (bytes, told) = content(&[Stream("d", length)]);
        let ids: Vec<[u8; 32]> = bytes.chunks(1_048_576).map(|piece| keyed(&piece_key, piece)).collect();
        let id = match &ids[..] {
            [one] => *one,
            many => keyed(&blob_key, &[&(length as u64).to_le_bytes()[..], &many.concat()].concat()),
        };
        let given = with(keys_given(VAULT, &ROOTS[0], space()), "content", told);
        file.value(format!("a blob of {length}"), "blob-id", given, json!({"id": hex(id), "pieces": ids.len()}));
    }
    file
}
