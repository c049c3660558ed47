//! docs/format/crypto.md, the writer's side: keys, sealed objects, slots, padding, signatures.

use crate::bytes::{Id, join};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem as _, OpModeS, PskBundle, Serializable};
use sha2::Sha512;
use std::convert::Infallible;

const PREFIX: &[u8] = b"tidelock/v1/";
const CHUNK_BYTES: usize = 16_384;

/// Kinds of objects.
pub(crate) const SLOT: u8 = 1;
pub(crate) const KEYS: u8 = 2;
pub(crate) const BEACON: u8 = 3;
pub(crate) const MANIFEST: u8 = 4;
pub(crate) const SEGMENT: u8 = 5;
pub(crate) const INDEX: u8 = 6;
pub(crate) const CHUNK: u8 = 7;
pub(crate) const PACK: u8 = 8;

/// BLAKE3.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Keyed BLAKE3.
pub(crate) fn keyed(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key, bytes).as_bytes()
}

pub(crate) fn labelled(label: &str, context: &[u8]) -> Vec<u8> {
    join(&[PREFIX, label.as_bytes(), &[0], context])
}

pub(crate) fn derive<const N: usize>(secret: &[u8], label: &str, context: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha512>::new(None, secret).expand(&labelled(label, context), &mut out).expect("short outputs");
    out
}

/// Number and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u32, pub(crate) [u8; 8]);

impl Epoch {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&self.0.to_le_bytes(), &self.1])
    }

    pub(crate) fn text(&self) -> String {
        format!("{:08x}-{}", self.0, crate::case::hex(self.1))
    }
}

/// A sealed object in its parts, so that each can be spoilt.
#[derive(Clone)]
pub(crate) struct Sealed {
    /// Clear header; in a slot all before the salt.
    pub(crate) head: Vec<u8>,
    pub(crate) salt: Vec<u8>,
    pub(crate) commitment: Vec<u8>,
    pub(crate) chunks: Vec<Vec<u8>>,
}

impl Sealed {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&self.head, &self.salt, &self.commitment, &self.chunks.concat()])
    }
}

pub(crate) fn clear_header(kind: u8, epoch: &Epoch) -> Vec<u8> {
    join(&[b"TDLK", &[1, kind, 1], &epoch.bytes()])
}

/// Where an object is, and what opens it.
pub(crate) struct Place<'a> {
    pub(crate) key: [u8; 32],
    pub(crate) vault: Id,
    pub(crate) kind: u8,
    pub(crate) epoch: Epoch,
    pub(crate) path: &'a str,
}

/// Seals; the salt is the hash of all that is sealed, so that vectors come out the same each time.
pub(crate) fn seal(place: &Place<'_>, plaintext: &[u8]) -> Sealed {
    let (head, context) = bound(place);
    let salt = hash(&join(&[&context, plaintext]));
    chunked(&place.key, head, &salt[..24], &context, plaintext)
}

/// Seals with the salt of a pack, which follows from its path.
pub(crate) fn seal_pack(place: &Place<'_>, plaintext: &[u8]) -> Sealed {
    let (head, context) = bound(place);
    let salt = hash(&labelled("pack salt", place.path.as_bytes()));
    chunked(&place.key, head, &salt[..24], &context, plaintext)
}

/// Clear header, and the context with it.
fn bound(place: &Place<'_>) -> (Vec<u8>, Vec<u8>) {
    let head = clear_header(place.kind, &place.epoch);
    let context = join(&[&head, &place.vault, place.path.as_bytes()]);
    (head, context)
}

fn chunked(key: &[u8; 32], head: Vec<u8>, salt: &[u8], context: &[u8], plaintext: &[u8]) -> Sealed {
    let name = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0";
    let made = expand(key, &join(&[name, salt, context]), 76);
    let aead = ChaCha20Poly1305::new_from_slice(&made[..32]).expect("32 bytes");
    let chunks = (0..=plaintext.len() / CHUNK_BYTES).map(|number| {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&made[32..44]);
        let counter = (number as u64).to_be_bytes();
        nonce[4..].iter_mut().zip(counter).for_each(|(byte, count)| *byte ^= count);
        let end = plaintext.len().min((number + 1) * CHUNK_BYTES);
        aead.encrypt(&nonce.into(), &plaintext[number * CHUNK_BYTES..end]).expect("a short chunk")
    });
    Sealed { head, salt: salt.to_vec(), commitment: made[44..].to_vec(), chunks: chunks.collect() }
}

/// HKDF-Expand-SHA-512 from an input key of any length.
fn expand(key: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let (mut out, mut block) = (Vec::new(), Vec::new());
    for number in 1u8.. {
        let mut mac = <Hmac<Sha512> as hmac::KeyInit>::new_from_slice(key).expect("any length");
        mac.update(&block);
        mac.update(info);
        mac.update(&[number]);
        block = mac.finalize().into_bytes().to_vec();
        out.extend_from_slice(&block);
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

/// Length, plaintext, zeros: to a power of two from 4,096 for manifests and beacons, else to PADMÉ's length.
pub(crate) fn pad(kind: u8, plaintext: &[u8]) -> Vec<u8> {
    let len = plaintext.len() + 4;
    let mut out = crate::bytes::blob(plaintext);
    out.resize(if matches!(kind, BEACON | MANIFEST) { len.next_power_of_two().max(4096) } else { padme(len) }, 0);
    out
}

/// By floating point, as the paper puts it; every length here is far below 2⁵².
pub(crate) fn padme(len: usize) -> usize {
    if len < 2 {
        return len;
    }
    let exponent = (len as f64).log2().floor();
    let bits = exponent.log2().floor() + 1.0;
    let step = if exponent == 0.0 { 1.0 } else { (exponent - bits).exp2() };
    ((len as f64 / step).ceil() * step) as usize
}

/// A device's signing key.
pub(crate) fn signing_key(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(&derive(seed, "device signing", b""))
}

pub(crate) fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    signing_key(seed).verifying_key().to_bytes()
}

pub(crate) fn device_id(seed: &[u8; 32]) -> Id {
    hash(&public_key(seed))[..16].try_into().expect("16 bytes")
}

pub(crate) fn sign(seed: &[u8; 32], domain: &str, body: &[u8]) -> Vec<u8> {
    signing_key(seed).sign(&labelled(domain, body)).to_bytes().to_vec()
}

/// The alphabet of recovery codes.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A recovery code as it is shown.
pub(crate) fn code_text(code: &[u8; 20]) -> String {
    let check = hash(&labelled("recovery checksum", code));
    let bits: String = code.iter().chain(&check[..3]).map(|byte| format!("{byte:08b}")).collect();
    let symbol = |at| usize::from_str_radix(&bits[at..at + 5], 2).expect("binary digits");
    let symbols: Vec<char> = (0..180).step_by(5).map(|at| char::from(CROCKFORD[symbol(at)])).collect();
    symbols.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

// Slots

/// Who a slot is for.
pub(crate) struct Opener {
    pub(crate) name: &'static str,
    pub(crate) number: u8,
    /// The code, the stretched passphrase, or the device's seed.
    pub(crate) secret: Vec<u8>,
    pub(crate) path: String,
    /// Of a passphrase: salt and cost.
    pub(crate) stretching: Vec<u8>,
}

impl Opener {
    pub(crate) fn recovery(code: &[u8; 20]) -> Self {
        let path = format!("slots/{}", crate::case::hex(derive::<16>(code, "recovery slot name", b"")));
        Self { name: "recovery", number: 1, secret: code.to_vec(), path, stretching: Vec::new() }
    }

    pub(crate) fn passphrase(passphrase: &[u8], salt: [u8; 16], cost: [u32; 3]) -> Self {
        let params = argon2::Params::new(cost[0], cost[1], cost[2], Some(32)).expect("a cost within bounds");
        let mut secret = vec![0; 32];
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(passphrase, &salt, &mut secret)
            .expect("a short passphrase");
        let cost: Vec<u8> = cost.iter().flat_map(|number| number.to_le_bytes()).collect();
        let stretching = join(&[&salt, &cost]);
        Self { name: "passphrase", number: 2, secret, path: "slots/passphrase".to_owned(), stretching }
    }

    pub(crate) fn device(seed: &[u8; 32]) -> Self {
        let path = format!("slots/{}", crate::case::hex(device_id(seed)));
        Self { name: "device", number: 3, secret: seed.to_vec(), path, stretching: Vec::new() }
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        hpke::kem::X25519HkdfSha256::derive_keypair(&self.derived("key")).1.to_bytes().into()
    }

    pub(crate) fn psk(&self) -> [u8; 32] {
        self.derived("psk")
    }

    fn derived(&self, what: &str) -> [u8; 32] {
        derive(&self.secret, &format!("{} slot {what}", self.name), b"")
    }
}

/// What a slot is sealed with; each may be wrong.
#[derive(Clone)]
pub(crate) struct SlotWords {
    pub(crate) vault: Id,
    pub(crate) epoch: Epoch,
    pub(crate) plaintext: Vec<u8>,
    pub(crate) suite: u8,
    pub(crate) opener: u8,
    pub(crate) psk: [u8; 32],
    pub(crate) psk_id: Vec<u8>,
    pub(crate) export: Vec<u8>,
    pub(crate) path: String,
    /// The path that the envelope is bound to.
    pub(crate) envelope_path: String,
    pub(crate) stretching: Vec<u8>,
}

impl SlotWords {
    pub(crate) fn new(opener: &Opener, vault: Id, epoch: Epoch, root: &[u8; 32], header: &[u8]) -> Self {
        Self {
            vault,
            epoch,
            plaintext: join(&[&epoch.bytes(), root, &vault, &hash(header)]),
            suite: 1,
            opener: opener.number,
            psk: opener.psk(),
            psk_id: b"tidelock/v1/slot psk".to_vec(),
            export: b"tidelock/v1/slot content".to_vec(),
            path: opener.path.clone(),
            envelope_path: opener.path.clone(),
            stretching: opener.stretching.clone(),
        }
    }

    /// Seals to the opener's public key.
    pub(crate) fn seal(&self, opener: &Opener) -> Sealed {
        type Kem = hpke::kem::X25519HkdfSha256;
        let clear = clear_header(SLOT, &self.epoch);
        let before_enc = join(&[&clear, &[self.suite, self.opener], &self.stretching]);
        let info = labelled("slot", &join(&[&self.vault, &before_enc, self.path.as_bytes()]));
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&opener.public_key()).expect("a key just derived");
        let mode = OpModeS::Psk(PskBundle::new(&self.psk, &self.psk_id).expect("32 bytes"));
        let mut ephemeral = Given(hash(&join(&[&info, &self.plaintext])));
        let (enc, context) = hpke::setup_sender_with_rng::<hpke::aead::ChaCha20Poly1305, hpke::kdf::HkdfSha256, Kem>(
            &mode,
            &public,
            &info,
            &mut ephemeral,
        )
        .expect("a usable key");
        let mut key = [0; 32];
        context.export(&self.export, &mut key).expect("32 bytes");
        let bound = join(&[&clear, &self.vault, self.envelope_path.as_bytes()]);
        let salt = hash(&join(&[&bound, &self.plaintext]));
        chunked(&key, join(&[&before_enc, &enc.to_bytes()]), &salt[..24], &bound, &self.plaintext)
    }
}

/// The ephemeral key's input, given rather than drawn.
struct Given([u8; 32]);

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
