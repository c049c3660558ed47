//! The shared vectors of the cryptography: `tests/vectors`.

use super::*;
use crate::replica::first_tag;
use crate::vectors::{Given, hex, run, unhex, vectors};
use serde_json::{Value, json};

fn ring_value(ring: &KeyRing) -> Value {
    let entry =
        |epoch: EpochId| json!({"epoch": epoch.to_string(), "root_secret": hex(ring.root_secret(epoch).unwrap().0)});
    ring.epochs().map(entry).collect()
}

fn kind(number: u64) -> ObjectKind {
    use ObjectKind::*;
    let kinds = [Slot, Keys, Beacon, Manifest, Segment, SnapshotIndex, SnapshotChunk, Pack, Grant, Archive];
    let kind = kinds[usize::try_from(number).unwrap() - 1];
    assert_eq!(kind as u64, number);
    kind
}

#[test]
fn derivations() {
    run(vectors!("derivations"), |check, given| {
        Ok(match check {
            "derive" => {
                let (secret, label, context) = (given.hex("secret"), given.text("label"), given.hex("context"));
                match given.small("length") {
                    16 => hex(labels::derive::<16>(&secret, label, &[&context])),
                    32 => hex(labels::derive::<32>(&secret, label, &[&context])),
                    64 => hex(labels::derive::<64>(&secret, label, &[&context])),
                    other => panic!("{other} bytes"),
                }
            }
            "keyed-hashes" => {
                let (vault, epoch, of) = (given.vault(), given.epoch("epoch"), given.hex("of"));
                let first = EpochId { number: 1, id: [0x11; 8] };
                let mut ring = KeyRing::first(vault, first, RootSecret(given.fixed("first_root_secret")))?;
                ring.add(epoch, RootSecret(given.fixed("root_secret")))?;
                let space = private_space_id(vault);
                json!({
                    "private_space": hex(space.0),
                    "piece_id": hex(ring.piece_id_key(space).hash(&of).0),
                    "blob_id": hex(ring.blob_id_key(space).hash(&of).0),
                    "cut": hex(ring.cut_key(space).hash(&of).0),
                    "digest": hex(ring.digest_key().hash(&of).0),
                    "import": hex(ring.import_key().hash(&of).0),
                })
            }
            "device" => {
                let device = DeviceSecret::from_bytes(given.fixed("seed"));
                let id = device.device_id();
                json!({
                    "public_key": hex(device.public_key()),
                    "device": hex(id.0),
                    "first_tag": hex(first_tag(id).0),
                })
            }
            "device-id" => hex(device_id(&given.fixed("public_key")).0),
            other => panic!("{other}"),
        })
    });
}

#[test]
fn signatures() {
    run(vectors!("signatures"), |check, given| {
        let (domain, body) = (given.text("domain"), given.hex("body"));
        match check {
            "sign" => Ok(hex(DeviceSecret::from_bytes(given.fixed("seed")).sign(domain, &body))),
            "verify" => {
                verify(&given.fixed("public_key"), domain, &body, &given.fixed("signature")).map(|()| json!(true))
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
fn envelopes() {
    run(vectors!("envelope"), |check, given| {
        assert_eq!(check, "open");
        let (epoch, path) = (given.epoch("epoch"), given.text("path"));
        let place = Place { vault: given.vault(), kind: kind(given.small("kind")), epoch, path };
        let plaintext = open(&ContentKey(given.fixed("content_key")), &place, &given.hex("sealed"), u64::MAX)?;
        Ok(json!({"length": plaintext.len(), "blake3": hex(Hash::of(&plaintext).0)}))
    });
}

#[test]
fn padding() {
    run(vectors!("padding"), |check, given| match (check, given.text("rule")) {
        ("unpad", "padme") => unpad_padme(&given.hex("padded")).map(hex),
        ("unpad", "power-of-two") => unpad_to_power_of_two(&given.hex("padded")).map(hex),
        ("padded-length", "padme") => Ok(json!(padme_len(given.small("length")))),
        ("padded-length", "power-of-two") => {
            let plaintext = vec![0; usize::try_from(given.small("length")).unwrap() - 4];
            Ok(json!(pad_to_power_of_two(&plaintext).len()))
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn keys() {
    run(vectors!("keys"), |check, given| {
        assert_eq!(check, "open-keys");
        let secret = RootSecret(given.fixed("root_secret"));
        open_keys(given.vault(), given.epoch("epoch"), secret, &given.hex("sealed")).map(|ring| ring_value(&ring))
    });
}

#[test]
fn codes() {
    run(vectors!("codes"), |check, given| match check {
        "show-code" => Ok(json!(RecoveryCode(given.fixed("code")).reveal().as_str())),
        "read-code" => RecoveryCode::parse(given.text("text")).map(|code| hex(code.0)),
        other => panic!("{other}"),
    });
}

#[test]
fn slots() {
    run(vectors!("slots"), |check, given| match check {
        "open-slot" => {
            let sealed = given.hex("sealed");
            let opener = opener(given, || stretching_of(&sealed))?;
            let header = Hash::of(&given.hex("header"));
            let payload = open_slot(&opener, given.vault(), header, &sealed)?;
            Ok(json!({"epoch": payload.epoch.to_string(), "root_secret": hex(payload.root_secret.0)}))
        }
        "record-of-opener" => {
            let stretching = || Ok(borsh::from_slice(&given.hex("stretching")).unwrap());
            let opener = opener(given, stretching)?;
            Ok(json!({"record": hex(borsh::to_vec(&opener.record()).unwrap()), "path": opener.name().path()}))
        }
        other => panic!("{other}"),
    });
}

fn opener(
    given: &Given<'_>,
    stretching: impl Fn() -> Result<Stretching, crate::Error>,
) -> Result<Opener, crate::Error> {
    let secret = given.text("secret");
    Ok(match given.text("opener") {
        "recovery" => Opener::recovery(&RecoveryCode::parse(secret)?),
        "passphrase" => {
            let stretching = stretching()?;
            let request = StretchRequest { stretching, passphrase: secret.as_bytes().to_vec().into() };
            Opener::passphrase(stretching, &stretch(&request)?)
        }
        "device" => Opener::device(&DeviceSecret::from_bytes(unhex(secret).try_into().unwrap())),
        other => panic!("{other}"),
    })
}
