//! Somebody who has the recovery code, and so every key of the vault, but no other device's seed: what a thief of the code
//! or a revoked device could seal.

use crate::bucket::Bucket;
use crate::random::Random;
use bytes::Bytes;
use tidelock_core::crypto::{
    DeviceSecret, KeyRing, ObjectKind, Opener, Place, RecoveryCode, SlotPayload, epoch_of, open, open_slot,
    pad_to_power_of_two, private_space_id, seal, unpad_padme, unpad_to_power_of_two,
};
use tidelock_core::{DeviceId, EpochId, Hash, SpaceId, VaultId};

/// Bytes of a signature, at the end of a signed manifest.
const SIGNATURE_BYTES: usize = 64;
/// Where a manifest's public key, sequence and predecessor are: after vault, space and device of 16 bytes each.
const PUBLIC_KEY_AT: usize = 48;
const SEQUENCE_AT: usize = 80;
const PREVIOUS_AT: usize = 88;

/// The insider.
pub struct Insider {
    /// The vault.
    pub vault: VaultId,
    /// Its private space.
    pub space: SpaceId,
    /// Its keys.
    pub keys: KeyRing,
    /// The insider's own seed, of a device that the vault does not know.
    pub secret: DeviceSecret,
    /// What its recovery slot held.
    pub payload: SlotPayload,
    random: Random,
}

impl Insider {
    /// Takes the keys out of the recovery slot of a vault that has one epoch.
    pub fn new(bucket: &Bucket, code: &RecoveryCode) -> Self {
        let opener = Opener::recovery(code);
        let header = bucket.object("tidelock").expect("a header");
        let text = String::from_utf8(header.to_vec()).expect("a header is text");
        let vault = text.trim_end().rsplit(' ').next().and_then(VaultId::from_hex).expect("a header names its vault");
        let slot = bucket.object(&opener.name().path()).expect("a recovery slot");
        let payload = open_slot(&opener, vault, Hash::of(&header), &slot).expect("the code opens its slot");
        let keys = KeyRing::first(vault, payload.epoch, payload.root_secret.clone()).expect("the first epoch");
        let mut random = Random::new(0x1d5);
        let secret = DeviceSecret::generate(&mut random, b"insider");
        Self { vault, space: private_space_id(vault), keys, secret, payload, random }
    }

    /// The padded plaintext of an object; `None` if it does not open there.
    pub fn open(&self, path: &str, kind: ObjectKind, sealed: &[u8]) -> Option<Vec<u8>> {
        let epoch = epoch_of(sealed).ok()?;
        let key = self.keys.content_key(epoch, self.space)?;
        open(&key, &Place { vault: self.vault, kind, epoch, path }, sealed, 16 << 20).ok()
    }

    /// Seals a padded plaintext for a place, under the vault's current epoch.
    pub fn seal(&mut self, path: &str, kind: ObjectKind, padded: &[u8]) -> Bytes {
        let keys = self.keys.clone();
        self.seal_under(&keys, keys.current(), path, kind, padded)
    }

    /// Seals under any keys.
    pub fn seal_under(&mut self, keys: &KeyRing, epoch: EpochId, path: &str, kind: ObjectKind, padded: &[u8]) -> Bytes {
        let place = Place { vault: self.vault, kind, epoch, path };
        let salt = self.secret.salt(&mut self.random, &place, padded);
        let key = keys.content_key(epoch, self.space).expect("an epoch of these keys");
        Bytes::from(seal(&key, &place, &salt, padded))
    }

    /// A source of chance of its own.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Body and signature of a manifest.
    pub fn manifest(&self, path: &str, sealed: &[u8]) -> Forged {
        let padded = self.open(path, ObjectKind::Manifest, sealed).expect("a manifest of this vault");
        let signed = unpad_to_power_of_two(&padded).expect("padded").to_vec();
        let (body, signature) = signed.split_at(signed.len() - SIGNATURE_BYTES);
        Forged { body: body.to_vec(), signature: signature.to_vec() }
    }

    /// The plaintext of a segment, index, chunk or object of deletions.
    pub fn plaintext(&self, path: &str, kind: ObjectKind, sealed: &[u8]) -> Option<Vec<u8>> {
        let padded = self.open(path, kind, sealed)?;
        unpad_padme(&padded).ok().map(<[u8]>::to_vec)
    }

    /// Seals a manifest for a place.
    pub fn seal_manifest(&mut self, path: &str, manifest: &Forged) -> Bytes {
        let signed = [&manifest.body[..], &manifest.signature].concat();
        self.seal(path, ObjectKind::Manifest, &pad_to_power_of_two(&signed))
    }
}

/// A manifest's parts, to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// What is signed.
    pub body: Vec<u8>,
    /// Its signature.
    pub signature: Vec<u8>,
}

impl Forged {
    /// Its hash.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.body)
    }

    /// Its device's id.
    pub fn device(&self) -> DeviceId {
        DeviceId(self.body[32..PUBLIC_KEY_AT].try_into().expect("16 bytes"))
    }

    /// Its sequence.
    pub fn sequence(&self) -> u64 {
        u64::from_le_bytes(self.body[SEQUENCE_AT..PREVIOUS_AT].try_into().expect("8 bytes"))
    }

    /// Replaces some bytes of the body by as many others, wherever they stand.
    ///
    /// # Panics
    /// If they do not stand there.
    pub fn replace(&mut self, old: &[u8], new: &[u8]) {
        assert_eq!(old.len(), new.len(), "nothing else moves");
        let places: Vec<usize> =
            (0..=self.body.len() - old.len()).filter(|at| self.body[*at..].starts_with(old)).collect();
        assert!(!places.is_empty(), "nothing to replace");
        places.into_iter().for_each(|at| self.body[at..at + old.len()].copy_from_slice(new));
    }

    /// Makes it the successor of `before`.
    pub fn follow(&mut self, before: &Self) {
        self.body[SEQUENCE_AT..PREVIOUS_AT].copy_from_slice(&(before.sequence() + 1).to_le_bytes());
        self.body[PREVIOUS_AT..PREVIOUS_AT + 32].copy_from_slice(&before.hash().0);
    }

    /// Puts another public key in.
    pub fn inject_key(&mut self, secret: &DeviceSecret) {
        self.body[PUBLIC_KEY_AT..SEQUENCE_AT].copy_from_slice(&secret.public_key());
    }

    /// Signs it with some device's key.
    pub fn sign(&mut self, secret: &DeviceSecret) {
        self.signature = secret.sign("manifest", &self.body).to_vec();
    }
}
