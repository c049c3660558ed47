//! Keys, names and tags that are derived (docs/format/crypto.md, "Conventions", "Keys", "Devices").

use crate::bytes::Id;
use crate::case::{File, hex};
use crate::sealing::{derive, device_id, hash, keyed, public_key};
use crate::world::{FIRST, ROOTS, SECOND, SEEDS, VAULT, first_tag, space};
use serde_json::json;

pub(crate) fn file() -> File {
    let mut file =
        File::new("derivations", "docs/format/crypto.md: Conventions, Keys, Devices; replica.md: Ops (tags)");
    let labels: [(&str, &[u8]); 16] = [
        ("content", &[VAULT, space()].concat()),
        ("piece id", &[VAULT, space()].concat()),
        ("blob id", &[VAULT, space()].concat()),
        ("cut", &[VAULT, space()].concat()),
        ("keys", &VAULT),
        ("digest", &VAULT),
        ("import", &VAULT),
        ("device signing", b""),
        ("hedge salt", b""),
        ("hedge fresh", b""),
        ("recovery slot key", b""),
        ("recovery slot psk", b""),
        ("passphrase slot key", b""),
        ("passphrase slot psk", b""),
        ("device slot key", b""),
        ("device slot psk", b""),
    ];
    for (label, context) in labels {
        let given = json!({"secret": hex(ROOTS[0]), "label": label, "context": hex(context), "length": 32});
        file.value(format!("derive: {label}"), "derive", given, json!(hex(derive::<32>(&ROOTS[0], label, context))));
    }
    for (label, secret) in [("private space", &VAULT[..]), ("recovery slot name", b"0123456789abcdefghij")] {
        let given = json!({"secret": hex(secret), "label": label, "context": "", "length": 16});
        file.value(format!("derive: {label}"), "derive", given, json!(hex(derive::<16>(secret, label, b""))));
    }
    // Label and context don't run into one another: the zero byte parts them.
    for (label, context) in [("content", &b"x"[..]), ("conten", b"tx"), ("contentx", b"")] {
        let given = json!({"secret": hex(ROOTS[0]), "label": label, "context": hex(context), "length": 64});
        let value = json!(hex(derive::<64>(&ROOTS[0], label, context)));
        file.value(format!("derive: {label} with a context of {}", context.len()), "derive", given, value);
    }
    for (epoch, root) in [(FIRST, ROOTS[0]), (SECOND, ROOTS[1])] {
        let space: Id = space();
        let first = |label| keyed(&derive(&ROOTS[0], label, &VAULT), b"abc");
        let of_space = |label| keyed(&derive(&ROOTS[0], label, &[VAULT, space].concat()), b"abc");
        let given = json!({
            "vault": hex(VAULT),
            "first_root_secret": hex(ROOTS[0]),
            "epoch": epoch.text(),
            "root_secret": hex(root),
            "of": hex(b"abc"),
        });
        let value = json!({
            "private_space": hex(space),
            "piece_id": hex(of_space("piece id")),
            "blob_id": hex(of_space("blob id")),
            "cut": hex(of_space("cut")),
            "digest": hex(first("digest")),
            "import": hex(first("import")),
        });
        file.value(format!("keyed hashes in epoch {}", epoch.0), "keyed-hashes", given, value);
    }
    for (at, seed) in SEEDS.iter().enumerate() {
        let id = device_id(seed);
        let value = json!({
            "public_key": hex(public_key(seed)),
            "device": hex(id),
            "first_tag": hex(first_tag(&id)),
        });
        file.value(format!("device {at}"), "device", json!({"seed": hex(seed)}), value);
    }
    let public = public_key(&SEEDS[0]);
    let value = json!(hex(&hash(&public)[..16]));
    file.value("a device's id is its public key's hash", "device-id", json!({"public_key": hex(public)}), value);
    file
}
