//! Strict Ed25519 under a domain (docs/format/crypto.md, "Devices").

use crate::case::{File, hex};
use crate::sealing::{labelled, public_key, sign};
use crate::world::SEEDS;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

/// The order of the group, little-endian (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn given(public: &[u8], domain: &str, body: &[u8], signature: &[u8]) -> Value {
    json!({"public_key": hex(public), "domain": domain, "body": hex(body), "signature": hex(signature)})
}

pub(crate) fn file() -> File {
    let mut file = File::new("signatures", "docs/format/crypto.md: Devices. `sign` is deterministic (RFC 8032)");
    let (seed, public) = (SEEDS[0], public_key(&SEEDS[0]));
    for (name, body) in [("a body", &b"body"[..]), ("an empty body", b""), ("a longer body", &[0x5a; 300])] {
        let signature = sign(&seed, "manifest", body);
        let inputs = json!({"seed": hex(seed), "domain": "manifest", "body": hex(body)});
        file.value(format!("sign {name}"), "sign", inputs, json!(hex(&signature)));
        file.value(format!("verify {name}"), "verify", given(&public, "manifest", body, &signature), json!(true));
    }
    let signature = sign(&seed, "manifest", b"body");
    let mut refuse = |name: &str, inputs: Value| file.refused(name, "verify", inputs, "corrupt");
    refuse("another domain", given(&public, "beacon", b"body", &signature));
    refuse("a domain's end moved into the body", given(&public, "manifes", b"tbody", &signature));
    refuse("a domain that names the program twice", {
        given(&public, "manifest", b"body", &sign(&seed, "tidelock/1/manifest", b"body"))
    });
    refuse("another body", given(&public, "manifest", b"bodY", &signature));
    refuse("a body cut short", given(&public, "manifest", b"bod", &signature));
    refuse("another device's key", given(&public_key(&SEEDS[1]), "manifest", b"body", &signature));
    for (name, at) in [("R's first byte", 0), ("R's last byte", 31), ("S's first byte", 32), ("S's last byte", 63)] {
        let mut altered = signature.clone();
        altered[at] ^= 1;
        refuse(&format!("{name} altered"), given(&public, "manifest", b"body", &altered));
    }
    let unlabelled = SigningKey::from_bytes(&crate::sealing::derive(&seed, "device signing", b""));
    refuse("signed without a label", given(&public, "manifest", b"body", &unlabelled.sign(b"body").to_bytes()));
    let wrong_key = SigningKey::from_bytes(&seed).sign(&labelled("manifest", b"body")).to_bytes();
    refuse("signed with the seed itself", given(&public, "manifest", b"body", &wrong_key));

    let mut large = signature.clone();
    let mut carry = 0;
    for (byte, add) in large[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    refuse("S plus the group's order", given(&public, "manifest", b"body", &large));

    // Under A = R = the neutral element and S = 0 the equation holds for every body.
    let mut neutral = vec![0; 32];
    neutral[0] = 1;
    let zero_s = [&neutral[..], &[0; 32]].concat();
    refuse("key and R of order 1", given(&neutral, "manifest", b"body", &zero_s));
    let order_2 = [&[0xec][..], &[0xff; 30], &[0x7f]].concat();
    refuse("a key of order 2", given(&order_2, "manifest", b"body", &zero_s));
    refuse("a key of order 4", given(&[0; 32], "manifest", b"body", &zero_s));
    refuse("R of order 1", given(&public, "manifest", b"body", &[&neutral[..], &signature[32..]].concat()));
    let off_curve = [&[2][..], &[0; 31]].concat();
    refuse("a key that is no point", given(&off_curve, "manifest", b"body", &signature));
    file
}
