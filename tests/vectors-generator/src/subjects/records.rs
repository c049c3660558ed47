//! Root records (docs/format/replica.md, "Root records"; crypto.md, "Slots").

use crate::bytes::{blob, join};
use crate::case::{File, hex};
use crate::sealing::{Opener, device_id, public_key};
use crate::world::{CODE, MS, SEEDS};
use serde_json::{Value, json};

pub(crate) fn file() -> File {
    let mut file = File::new("records", "docs/format/replica.md: Root records; crypto.md: Slots");
    let device = hex(device_id(&SEEDS[0]));
    let record = |name: &[u8]| join(&[&public_key(&SEEDS[0]), &blob(name), &MS.to_le_bytes()]);
    let given = |key: &str, value: &[u8]| -> Value { json!({"key": key, "value": hex(value)}) };
    let key = format!("devices/{device}");
    for name in ["laptop", "Zoë's phone", ""] {
        let value = json!({"public_key": hex(public_key(&SEEDS[0])), "name": name, "since_ms": MS.to_string()});
        file.value(format!("device: name `{name}`"), "device-record", given(&key, &record(name.as_bytes())), value);
    }
    let right = record(b"laptop");
    for (name, bytes) in [
        ("nothing", vec![]),
        ("a byte short", right[..right.len() - 1].to_vec()),
        ("a byte behind", join(&[&right, &[0]])),
        ("a name that is not UTF-8", record(b"\xff")),
        ("a name longer than the record", join(&[&public_key(&SEEDS[0]), &[0xff; 4], &MS.to_le_bytes()])),
    ] {
        file.refused(format!("device: {name}"), "device-record", given(&key, &bytes), "corrupt");
    }
    let recovery = Opener::recovery(&CODE);
    let name = crate::sealing::derive::<16>(&CODE, "recovery slot name", b"");
    let stretching = join(&[&[0x5a; 16], &65_536u32.to_le_bytes(), &3u32.to_le_bytes(), &1u32.to_le_bytes()]);
    let keys = join(&[&recovery.public_key(), &recovery.psk()]);
    let slots = [
        (1, "recovery", name.to_vec(), recovery.path.clone()),
        (2, "passphrase", stretching.clone(), "slots/passphrase".to_owned()),
        (3, "device", device_id(&SEEDS[0]).to_vec(), format!("slots/{device}")),
    ];
    for (number, opener, name, path) in &slots {
        let record = join(&[&[*number], name, &keys]);
        let value = json!({
            "opener": opener,
            "name": hex(name),
            "public_key": hex(recovery.public_key()),
            "psk": hex(recovery.psk()),
        });
        file.value(format!("slot: {opener}"), "slot-record", given(path, &record), value);
        let mut refuse = |what: &str, bytes: Vec<u8>| {
            file.refused(format!("slot: {opener}, {what}"), "slot-record", given(path, &bytes), "corrupt");
        };
        refuse("a byte short", record[..record.len() - 1].to_vec());
        refuse("a byte behind", join(&[&record, &[0]]));
        refuse("without its psk", record[..record.len() - 32].to_vec());
        refuse("opener 0", join(&[&[0], &record[1..]]));
        refuse("opener 4", join(&[&[4], &record[1..]]));
    }
    file
}
