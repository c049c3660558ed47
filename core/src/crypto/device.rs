//! A device's one secret seed: its signing key, its slot, and the hedge of everything random it makes.

use super::corrupt;
use super::envelope::{Place, Salt};
use super::hedge::{Entropy, draw, hedged};
use super::labels::{self, derive, labelled};
use super::secret::secret;
use crate::{DeviceId, Error, Hash};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];
/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// The seed of one device, and its signing key, which takes a while to make. Copied with the store it lies in; a copy that
/// notices leaves with a new one.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceSecret {
    seed: DeviceSeed,
    signing_key: SigningKey,
}

secret!(/// What all else of a device is derived from.
    DeviceSeed, 32);

impl DeviceSecret {
    /// A new device. `context` hedges it: whatever tells this moment from another, such as the vault's id, the time and,
    /// for one that leaves its old id, the old secret and both manifests' hashes.
    pub fn generate(entropy: &mut dyn Entropy, context: &[u8]) -> Self {
        Self::from_bytes(derive(&*draw(entropy), labels::DEVICE_SEED, &[context]))
    }

    /// The seed as the local store keeps it.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.seed.0)
    }

    /// The device of a kept seed.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        let signing_key = SigningKey::from_bytes(&Zeroizing::new(derive(&seed, labels::DEVICE_SIGNING, &[])));
        Self { seed: DeviceSeed(seed), signing_key }
    }

    /// The public key that its manifests carry.
    pub fn public_key(&self) -> PublicKey {
        self.signing_key.verifying_key().to_bytes()
    }

    /// Its id.
    pub fn device_id(&self) -> DeviceId {
        device_id(&self.public_key())
    }

    /// Signs `body` for one `domain`: the name of what is signed, without a zero byte.
    pub fn sign(&self, domain: &str, body: &[u8]) -> Signature {
        self.signing_key.sign(&labelled(domain, &[body])).to_bytes()
    }

    /// The salt of one sealed object: keyed BLAKE3 of entropy ‖ hash of the plaintext ‖ place. Cloned or frozen entropy
    /// repeats it only for the same plaintext in the same place, where it tells nothing.
    pub fn salt(&self, entropy: &mut dyn Entropy, place: &Place<'_>, plaintext: &[u8]) -> Salt {
        let key = Zeroizing::new(derive::<32>(&self.seed.0, labels::HEDGE_SALT, &[]));
        let mut salt = Salt([0; 24]);
        if planted!(SaltRepeated) {
            return salt;
        }
        let context: [&[u8]; 2] = [&Hash::of(plaintext).0, &place.context()];
        let drawn = draw(entropy);
        hedged(&key, labels::HEDGE_SALT, &drawn, &context, &mut salt.0);
        if weakened!(SaltNotHedged) {
            salt.0.copy_from_slice(&drawn[..24]);
        }
        salt
    }

    /// Fresh random bytes for one use, hedged: ids, secrets, salts of passphrases. At most one part of `context` varies
    /// in length, the last.
    pub fn fresh<const N: usize>(&self, purpose: &str, entropy: &mut dyn Entropy, context: &[&[u8]]) -> [u8; N] {
        let key = Zeroizing::new(derive::<32>(&self.seed.0, labels::HEDGE_FRESH, &[]));
        let mut out = [0; N];
        hedged(&key, purpose, &draw(entropy), context, &mut out);
        out
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceSecret").field(&self.seed).finish()
    }
}

/// The id of the device with this public key: the first 16 bytes of its BLAKE3 hash.
pub fn device_id(public_key: &PublicKey) -> DeviceId {
    let mut id = DeviceId::default();
    id.0.copy_from_slice(&Hash::of(public_key).0[..DeviceId::BYTES]);
    id
}

/// Whether the device with this key signed `body` for this `domain`: Ed25519 by its strict rules, so that one key has one
/// meaning and nobody can vary a signature.
///
/// # Errors
/// `corrupt` if not; always with the same words.
pub fn verify(public_key: &PublicKey, domain: &str, body: &[u8], signature: &Signature) -> Result<(), Error> {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    VerifyingKey::from_bytes(public_key)
        .and_then(|key| key.verify_strict(&labelled(domain, &[body]), &signature))
        .map_err(|_| corrupt(domain))
}
