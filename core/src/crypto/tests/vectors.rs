//! Published vectors of every primitive, run through the very types that the format uses.

use crate::crypto::chunked::{self, Refused, Suite};
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use chacha20poly1305::aead::{Aead, Key, KeyInit, Payload};
use hkdf::Hkdf;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, PskBundle, Serializable};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::io::Read;

pub(super) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}

struct Aes128;
impl Suite for Aes128 {
    type Aead = aes_gcm::Aes128Gcm;
    type Hmac = hmac::Hmac<Sha256>;
    const AEAD_NAME: &str = "AEAD_AES_128_GCM";
}

struct Aes256;
impl Suite for Aes256 {
    type Aead = aes_gcm::Aes256Gcm;
    type Hmac = hmac::Hmac<Sha256>;
    const AEAD_NAME: &str = "AEAD_AES_256_GCM";
}

struct ChaCha;
impl Suite for ChaCha {
    type Aead = chacha20poly1305::ChaCha20Poly1305;
    type Hmac = hmac::Hmac<Sha256>;
    const AEAD_NAME: &str = "AEAD_CHACHA20_POLY1305";
}

/// Opens the vector and, where it opens, seals it again to the same bytes.
fn chunked_vector<S: Suite>(key: &[u8], context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = <&Key<S::Aead>>::try_from(key).ok()?;
    let plaintext = chunked::open::<S>(key, &[context], sealed, u64::MAX).ok()?;
    let mut again = Vec::new();
    chunked::seal::<S>(key, sealed.first_chunk().unwrap(), &[context], &plaintext, &mut again);
    assert!(again == sealed, "sealed again, it is other bytes");
    assert_eq!(again.len() as u64, chunked::sealed_len(plaintext.len() as u64));
    Some(plaintext)
}

#[test]
#[cfg_attr(miri, ignore = "slow: hundreds of KiB a vector")]
fn chunked_encryption() {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/crypto/chunked-encryption.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let mut opened = 0;
    for vector in vectors {
        let name = text(vector, "name");
        let mut sealed = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.decode(vector["ciphertext"].as_str().unwrap_or_default()).unwrap()
        };
        if vector["compressed"] == true {
            let mut inflated = Vec::new();
            flate2::read::ZlibDecoder::new(&sealed[..]).read_to_end(&mut inflated).unwrap();
            sealed = inflated;
        }
        let key = hex(text(vector, "key"));
        let context = text(vector, "context").as_bytes();
        let plaintext = match text(vector, "aead") {
            "AEAD_AES_128_GCM" => chunked_vector::<Aes128>(&key, context, &sealed),
            "AEAD_AES_256_GCM" => chunked_vector::<Aes256>(&key, context, &sealed),
            "AEAD_CHACHA20_POLY1305" => chunked_vector::<ChaCha>(&key, context, &sealed),
            other => panic!("{name}: unknown AEAD {other}"),
        };
        match text(vector, "expect") {
            "success" => {
                let plaintext = plaintext.unwrap_or_else(|| panic!("{name}: did not open"));
                assert_eq!(plaintext.len() as u64, vector["payload_length"].as_u64().unwrap(), "{name}");
                assert_eq!(Sha256::digest(&plaintext).to_vec(), hex(text(vector, "payload_sha256")), "{name}");
                opened += 1;
            }
            _ => assert!(plaintext.is_none(), "{name}: opened"),
        }
    }
    assert_eq!((vectors.len(), opened), (102, 27), "vectors in the file, of which open");
}

#[test]
fn a_wrong_key_is_told_from_damage() {
    let key = Key::<chacha20poly1305::ChaCha20Poly1305>::from([7; 32]);
    let mut sealed = Vec::new();
    chunked::seal::<ChaCha>(&key, &[9; 24], &[b"context"], b"text", &mut sealed);
    let other = Key::<chacha20poly1305::ChaCha20Poly1305>::from([8; 32]);
    let open = |key, sealed: &[u8]| chunked::open::<ChaCha>(key, &[b"context"], sealed, 4);
    assert_eq!(open(&key, &sealed), Ok(b"text".to_vec()));
    assert_eq!(open(&other, &sealed), Err(Refused::NotThisKey));
    *sealed.last_mut().unwrap() ^= 1;
    assert_eq!(open(&key, &sealed), Err(Refused::Damaged));
}

/// A chunk has 16 KiB of plaintext, the last always fewer (C2SP chunked-encryption).
#[test]
fn a_message_opens_within_its_bound_alone() {
    let key = Key::<chacha20poly1305::ChaCha20Poly1305>::from([7; 32]);
    for len in [1, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, (48 << 10) + 5] {
        let plaintext = vec![3; len];
        let mut sealed = Vec::new();
        chunked::seal::<ChaCha>(&key, &[9; 24], &[b"context"], &plaintext, &mut sealed);
        let open = |max| chunked::open::<ChaCha>(&key, &[b"context"], &sealed, max);
        assert!(open(len as u64) == Ok(plaintext), "{len}");
        assert!(open(len as u64 - 1) == Err(Refused::Damaged), "{len}");
    }
}

/// RFC 8439 §2.8.2.
#[test]
fn chacha20_poly1305() {
    let key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    let nonce = hex("070000004041424344454647");
    let aad = hex("50515253c0c1c2c3c4c5c6c7");
    let text =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen \
                 would be it.";
    let sealed = chacha20poly1305::ChaCha20Poly1305::new_from_slice(&key)
        .unwrap()
        .encrypt(nonce.as_slice().try_into().unwrap(), Payload { msg: text, aad: &aad })
        .unwrap();
    assert_eq!(
        sealed,
        hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b\
             1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
             3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691")
    );
}

/// RFC 5869 appendix A, test cases 1 to 3.
#[test]
fn hkdf_sha256() {
    let cases = [
        (
            vec![0x0b; 22],
            hex("000102030405060708090a0b0c"),
            hex("f0f1f2f3f4f5f6f7f8f9"),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            (0x00..=0x4f).collect(),
            (0x60..=0xaf).collect(),
            (0xb0..=0xff).collect(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (ikm, salt, info, okm) in cases {
        let okm = hex(okm);
        let mut out = vec![0; okm.len()];
        Hkdf::<Sha256>::new(Some(&salt), &ikm).expand(&info, &mut out).unwrap();
        assert_eq!(out, okm);
    }
}

/// BLAKE3's own `test_vectors.json`: the inputs count 0 to 250 and again; the key is the one of that file.
#[test]
fn blake3_hash_and_keyed_hash() {
    let key = *b"whats the Elvish word for friend";
    let cases = [
        (
            0,
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
        ),
        (
            1,
            "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
            "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
        ),
        (
            1024,
            "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
            "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
        ),
    ];
    for (len, hash, keyed) in cases {
        let input: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        assert_eq!(blake3::hash(&input).as_bytes().to_vec(), hex(hash));
        assert_eq!(blake3::keyed_hash(&key, &input).as_bytes().to_vec(), hex(keyed));
    }
}

/// RFC 8032 §7.1, tests 1 to 3.
const ED25519: [(&str, &str, &str, &str); 3] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
         d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
         387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659\
         4a7c15e9716ed28dc027beceea1ec40a",
    ),
];

#[test]
fn ed25519() {
    use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
    for (secret, public, message, signature) in ED25519 {
        let signing = SigningKey::from_bytes(hex(secret).as_slice().try_into().unwrap());
        let message = hex(message);
        let signature = Signature::from_slice(&hex(signature)).unwrap();
        assert_eq!(signing.verifying_key().to_bytes().to_vec(), hex(public));
        assert_eq!(signing.sign(&message), signature);
        let verifying = VerifyingKey::from_bytes(&signing.verifying_key().to_bytes()).unwrap();
        assert!(verifying.verify_strict(&message, &signature).is_ok());
    }
}

/// RFC 9106 §5.3, and the plain vector of OpenSSL's suite (32 KiB, 3 passes, 4 lanes, no secret, no associated data).
#[test]
#[cfg_attr(miri, ignore = "slow: memory-hard by design")]
fn argon2id() {
    let params = |ad: &[u8]| {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(32).t_cost(3).p_cost(4).output_len(32);
        if !ad.is_empty() {
            builder.data(AssociatedData::new(ad).unwrap());
        }
        builder.build().unwrap()
    };
    let mut out = [0; 32];
    Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params(&[4; 12]))
        .unwrap()
        .hash_password_into(&[1; 32], &[2; 16], &mut out)
        .unwrap();
    assert_eq!(out.to_vec(), hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params(&[]))
        .hash_password_into(&[1; 32], &[2; 16], &mut out)
        .unwrap();
    assert_eq!(out.to_vec(), hex("03aab965c12001c9d7d0d2de33192c0494b684bb148196d73c1df1acaf6d0c2e"));
}

/// Gives the published `ikmE` as the one random draw of HPKE's encapsulation.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("HPKE draws bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("HPKE draws bytes")
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}
impl TryCryptoRng for Given {}

#[test]
fn hpke_mode_psk() {
    type Kem = hpke::kem::X25519HkdfSha256;
    type Kdf = hpke::kdf::HkdfSha256;
    type Aead = hpke::aead::ChaCha20Poly1305;
    let file = include_str!("../../../tests/vectors/crypto/hpke-psk-x25519-sha256-chacha20poly1305.json");
    let vector: Value = serde_json::from_str(file).unwrap();
    let field = |name| hex(text(&vector, name));
    let (psk, psk_id, info) = (field("psk"), field("psk_id"), field("info"));
    let (private, public) = Kem::derive_keypair(&field("ikmR"));
    assert_eq!(public.to_bytes().to_vec(), field("pkRm"));
    // The published private key is not clamped yet.
    assert!(private == <Kem as hpke::Kem>::PrivateKey::from_bytes(&field("skRm")).unwrap());

    let bundle = PskBundle::new(&psk, &psk_id).unwrap();
    let mut rng = Given(field("ikmE"));
    let (enc, mut sender) =
        hpke::setup_sender_with_rng::<Aead, Kdf, Kem>(&OpModeS::Psk(bundle), &public, &info, &mut rng).unwrap();
    assert_eq!(enc.to_bytes().to_vec(), field("enc"));
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&field("enc")).unwrap();
    let mut receiver = hpke::setup_receiver::<Aead, Kdf, Kem>(&OpModeR::Psk(bundle), &private, &enc, &info).unwrap();

    for message in vector["encryptions"].as_array().unwrap() {
        let (aad, plain, sealed) = (hex(text(message, "aad")), hex(text(message, "pt")), hex(text(message, "ct")));
        assert_eq!(sender.seal(&plain, &aad).unwrap(), sealed);
        assert_eq!(receiver.open(&sealed, &aad).unwrap(), plain);
    }
    for export in vector["exports"].as_array().unwrap() {
        let expected = hex(text(export, "exported_value"));
        let mut out = vec![0; expected.len()];
        receiver.export(&hex(text(export, "exporter_context")), &mut out).unwrap();
        assert_eq!(out, expected);
    }
}
