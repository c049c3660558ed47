//! Padding (docs/format/crypto.md, "Sizes").

use crate::bytes::blob;
use crate::case::{File, hex};
use crate::sealing::{MANIFEST, SEGMENT, pad, padme};
use serde_json::json;

pub(crate) fn file() -> File {
    let mut file =
        File::new("padding", "docs/format/crypto.md: Sizes. `padded-length` is of the length field and plaintext");
    for len in
        [4, 5, 7, 8, 9, 15, 17, 63, 64, 65, 100, 255, 256, 257, 1_000, 4_095, 4_097, 65_537, 1_000_000, 8_388_609]
    {
        let given = json!({"rule": "padme", "length": len});
        file.value(format!("PADMÉ of {len}"), "padded-length", given, json!(padme(len)));
    }
    for len in [4usize, 4_095, 4_096, 4_097, 8_192, 8_193, 1_000_000] {
        let given = json!({"rule": "power-of-two", "length": len});
        file.value(format!("power of two of {len}"), "padded-length", given, json!(len.next_power_of_two().max(4096)));
    }
    for (rule, kind) in [("padme", SEGMENT), ("power-of-two", MANIFEST)] {
        let longer = if kind == SEGMENT { vec![7; 300] } else { vec![7; 4093] };
        let mut value = |name: &str, plaintext: &[u8]| {
            let given = json!({"rule": rule, "padded": hex(pad(kind, plaintext))});
            file.value(format!("{rule}: {name}"), "unpad", given, json!(hex(plaintext)));
        };
        value("nothing", b"");
        value("text", b"text");
        value("a plaintext that ends in zeros", b"text\0\0\0");
        value("a longer plaintext", &longer);
        let padded = pad(kind, &[7; 90]);
        let mut refuse = |name: &str, padded: &[u8]| {
            file.refused(format!("{rule}: {name}"), "unpad", json!({"rule": rule, "padded": hex(padded)}), "corrupt");
        };
        refuse("no length", &[]);
        refuse("three bytes of a length", &padded[..3]);
        refuse("a byte short", &padded[..padded.len() - 1]);
        refuse("a byte too long", &[&padded[..], &[0]].concat());
        refuse(
            "padded to the length after the right one",
            &[&padded[..], &vec![0; if kind == SEGMENT { 8 } else { 4096 }]].concat(),
        );
        refuse("not padded", &blob(&[7; 90]));
        refuse("a byte of padding that is not zero", &[&padded[..padded.len() - 1], &[1]].concat());
        let mut first = padded.clone();
        first[94] = 1;
        refuse("the first byte of padding", &first);
        refuse("a length beyond the object", &[&(padded.len() as u32 - 3).to_le_bytes(), &padded[4..]].concat());
        refuse("the greatest length", &[&[0xff; 4], &padded[4..]].concat());
    }
    file
}
