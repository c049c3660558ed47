//! Sealed objects by themselves (docs/format/crypto.md, "Sealed objects").

use crate::case::{File, hex};
use crate::sealing::{BEACON, CHUNK, Epoch, INDEX, KEYS, MANIFEST, Place, SEGMENT, Sealed, hash, seal};
use crate::world::{OTHER_VAULT, ROOTS, SECOND, VAULT, content_key, space};
use serde_json::{Value, json};

const PATH: &str = "spaces/x/segments/y/z";

fn place() -> Place<'static> {
    Place { key: content_key(&ROOTS[1], space()), vault: VAULT, kind: SEGMENT, epoch: SECOND, path: PATH }
}

fn given(place: &Place<'_>, sealed: &[u8]) -> Value {
    json!({
        "content_key": hex(place.key),
        "vault": hex(place.vault),
        "kind": place.kind,
        "epoch": place.epoch.text(),
        "path": place.path,
        "sealed": hex(sealed),
    })
}

fn counting(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

pub(crate) fn file() -> File {
    let mut file = File::new(
        "envelope",
        "docs/format/crypto.md: Sealed objects. The value is the plaintext's length and BLAKE3. The plaintext is not padded",
    );
    let value = |plaintext: &[u8]| json!({"length": plaintext.len(), "blake3": hex(hash(plaintext))});
    for len in [0, 1, 5, 16_383, 16_384, 16_389] {
        let plaintext = counting(len);
        let sealed = seal(&place(), &plaintext).bytes();
        file.value(format!("a plaintext of {len}"), "open", given(&place(), &sealed), value(&plaintext));
    }
    for kind in [KEYS, BEACON, MANIFEST, INDEX, CHUNK, 8, 9, 10] {
        let there = Place { kind, ..place() };
        let sealed = seal(&there, b"text").bytes();
        file.value(format!("kind {kind}"), "open", given(&there, &sealed), value(b"text"));
    }
    let there = Place { path: "spaces/x/manifests/ü", ..place() };
    file.value("a path beyond ASCII", "open", given(&there, &seal(&there, b"text").bytes()), value(b"text"));

    let mut refuse = |name: &str, inputs: Value| file.refused(name, "open", inputs, "corrupt");
    let sealed = seal(&place(), b"text");
    let fields = [(0, "magic"), (4, "format"), (5, "kind"), (6, "suite"), (7, "epoch number"), (11, "epoch id")];
    for at in 0..19 {
        let (_, field) = fields.iter().rev().find(|(from, _)| *from <= at).expect("a field from 0");
        let mut altered = sealed.bytes();
        altered[at] ^= 1;
        refuse(&format!("clear header byte {at} ({field})"), given(&place(), &altered));
    }
    for (at, name) in [(0, "first"), (23, "last")] {
        let mut altered = sealed.clone();
        altered.salt[at] ^= 0x80;
        refuse(&format!("the salt's {name} byte"), given(&place(), &altered.bytes()));
    }
    for (at, name) in [(0, "first"), (31, "last")] {
        let mut altered = sealed.clone();
        altered.commitment[at] ^= 0x80;
        refuse(&format!("the commitment's {name} byte"), given(&place(), &altered.bytes()));
    }
    for (at, name) in [(0, "ciphertext"), (4, "tag"), (19, "tag's end")] {
        let mut altered = sealed.clone();
        altered.chunks[0][at] ^= 0x80;
        refuse(&format!("a bit of the {name}"), given(&place(), &altered.bytes()));
    }
    // Sealed elsewhere, and read as if it were here: the header is made to fit.
    let elsewhere = |name: &str, there: Place<'_>| {
        let foreign = seal(&there, b"text");
        let fitting = Sealed { head: sealed.head.clone(), ..foreign };
        (name.to_owned(), given(&place(), &fitting.bytes()))
    };
    let others = [
        elsewhere("sealed for another vault", Place { vault: OTHER_VAULT, ..place() }),
        elsewhere("sealed as another kind", Place { kind: MANIFEST, ..place() }),
        elsewhere("sealed under another epoch's number", Place { epoch: Epoch(3, SECOND.1), ..place() }),
        elsewhere("sealed under another epoch's id", Place { epoch: Epoch(2, [0x23; 8]), ..place() }),
        elsewhere("sealed at another path", Place { path: "spaces/x/segments/y/Z", ..place() }),
        elsewhere("sealed at a path cut short", Place { path: "spaces/x/segments/y/", ..place() }),
        elsewhere("sealed at no path", Place { path: "", ..place() }),
        elsewhere("sealed with the prefix in its path", Place { path: "p/spaces/x/segments/y/z", ..place() }),
        elsewhere("sealed with another epoch's key", Place { key: content_key(&ROOTS[0], space()), ..place() }),
        elsewhere("sealed with another space's key", Place { key: content_key(&ROOTS[1], [9; 16]), ..place() }),
    ];
    others.into_iter().for_each(|(name, inputs)| refuse(&name, inputs));

    let whole = sealed.bytes();
    for (name, len) in [
        ("nothing", 0),
        ("half a clear header", 9),
        ("a clear header", 19),
        ("a clear header and a salt", 43),
        ("no chunk", 75),
        ("a last chunk without a whole tag", 75 + 15),
        ("a byte short", whole.len() - 1),
    ] {
        refuse(name, given(&place(), &whole[..len]));
    }
    refuse("a byte after the end", given(&place(), &[&whole[..], &[0]].concat()));
    refuse("an empty chunk after the last", {
        let empty = seal(&place(), b"").chunks.concat();
        given(&place(), &[&whole[..], &empty].concat())
    });

    let long = seal(&place(), &counting(2 * 16_384 + 5));
    let chunks = |order: &[usize]| {
        let chunks = order.iter().map(|at| long.chunks[*at].clone()).collect();
        given(&place(), &Sealed { chunks, ..long.clone() }.bytes())
    };
    refuse("the first of three chunks dropped", chunks(&[1, 2]));
    refuse("the middle of three chunks dropped", chunks(&[0, 2]));
    refuse("the last of three chunks dropped", chunks(&[0, 1]));
    refuse("a chunk twice", chunks(&[0, 0, 1, 2]));
    refuse("two chunks swapped", chunks(&[1, 0, 2]));
    let full = seal(&place(), &counting(16_384));
    refuse("the empty last chunk after a full one dropped", {
        given(&place(), &Sealed { chunks: full.chunks[..1].to_vec(), ..full.clone() }.bytes())
    });
    let other = seal(&Place { path: "other", ..place() }, &counting(16_389));
    let mine = seal(&place(), &counting(16_389));
    refuse("a chunk of another message", {
        let chunks = vec![mine.chunks[0].clone(), other.chunks[1].clone()];
        given(&place(), &Sealed { chunks, ..mine.clone() }.bytes())
    });
    file
}
