//! The bytes of a second implementation, written from the specification: `core/tests/vectors/crypto/model.py`.

use super::vectors::hex;
use super::*;
use serde_json::Value;

fn model() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/crypto/tidelock.json")).unwrap()
}

fn field(model: &Value, name: &str) -> Vec<u8> {
    hex(model[name].as_str().unwrap())
}

#[test]
fn keys() {
    let (model, ring) = (model(), ring());
    let newest = ring.current();
    assert_eq!(private_space_id(VAULT).0.to_vec(), field(&model, "private_space"));
    assert_eq!(ring.content_key(newest, SPACE).unwrap().0.to_vec(), field(&model, "content_key"));
    assert_eq!(ring.piece_id_key(SPACE).hash(b"abc").0.to_vec(), field(&model, "piece_id"));
    assert_eq!(ring.blob_id_key(SPACE).hash(b"abc").0.to_vec(), field(&model, "blob_id"));
    assert_eq!(ring.cut_key(SPACE).hash(b"abc").0.to_vec(), field(&model, "cut"));
    assert_eq!(ring.digest_key().hash(b"abc").0.to_vec(), field(&model, "digest"));
    assert_eq!(ring.import_key().hash(b"abc").0.to_vec(), field(&model, "import"));
    assert_eq!(seal_keys(&ring, &device(), &mut Frozen), field(&model, "keys"));
    let root_secret = RootSecret([0xa3; 32]);
    assert_eq!(open_keys(VAULT, newest, root_secret, &field(&model, "keys")).unwrap(), ring);
}

#[test]
#[cfg_attr(miri, ignore = "slow: 8 MiB")]
fn sealed_objects() {
    let model = model();
    let key = ring().content_key(NEWEST, SPACE).unwrap();
    let place = Place { vault: VAULT, kind: ObjectKind::Beacon, epoch: NEWEST, path: "spaces/x/beacon" };
    let sealed = |len| {
        let plaintext = counting(len);
        seal(&key, &place, &device().salt(&mut Frozen, &place, &plaintext), &plaintext)
    };
    assert_eq!(sealed(5), field(&model, "sealed_5"));
    let hashes = model["sealed_blake3"].as_object().unwrap();
    assert_eq!(hashes.len(), 5);
    for (len, hash) in hashes {
        let len: usize = len.parse().unwrap();
        assert_eq!(Hash::of(&sealed(len)).0.to_vec(), hex(hash.as_str().unwrap()), "{len} bytes");
        assert_eq!(open(&key, &place, &sealed(len), len as u64).unwrap(), counting(len));
        assert_eq!(sealed(len).len() as u64, sealed_len(len as u64));
    }
}

#[test]
fn devices() {
    let (model, device) = (model(), device());
    assert_eq!(DeviceSecret::generate(&mut Frozen, b"now").to_bytes().to_vec(), field(&model, "device_seed"));
    assert_eq!(device.public_key().to_vec(), field(&model, "public_key"));
    assert_eq!(device.device_id().0.to_vec(), field(&model, "device_id"));
    assert_eq!(device.sign("manifest", b"body").to_vec(), field(&model, "signature"));
    assert_eq!(RootSecret::generate(&device, &mut Frozen, b"epoch 1").0.to_vec(), field(&model, "root_secret"));
    assert_eq!(RecoveryCode::generate(&device, &mut Frozen, b"vault").0.to_vec(), field(&model, "generated_code"));
}

#[test]
fn recovery_codes() {
    let model = model();
    let code = RecoveryCode((100..120).collect::<Vec<u8>>().try_into().unwrap());
    assert_eq!(code.reveal().as_str(), model["code_text"].as_str().unwrap());
    let path = Opener::recovery(&code).name().path();
    assert_eq!(path, format!("slots/{}", model["slot_recovery_name"].as_str().unwrap()));
}

#[test]
fn slots() {
    let model = model();
    for (name, opener) in super::slots::openers() {
        let sealed = field(&model, &format!("slot_{name}"));
        let payload = super::slots::payload();
        assert_eq!(seal_slot(&opener.record(), &payload, &device(), &mut Frozen).unwrap(), sealed, "{name}");
        assert_eq!(open_slot(&opener, VAULT, HEADER_HASH, &sealed).unwrap(), payload, "{name}");
    }
}

#[test]
fn padme() {
    let model = model();
    let lengths = model["padme"].as_object().unwrap();
    assert_eq!(lengths.len(), 13);
    for (len, padded) in lengths {
        assert_eq!(padme_len(len.parse().unwrap()), padded.as_u64().unwrap(), "{len}");
    }
}
