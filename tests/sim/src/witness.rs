//! An observer with the recovery code: opens what was PUT, and knows of manifests only what the format says of their
//! first bytes (vault, space, device, public key, sequence).

use crate::bucket::Bucket;
use crate::device::Disk;
use crate::keys::Keys;
use std::collections::BTreeMap;
use tidelock_core::crypto::{
    ContentKey, KeyRing, ObjectKind, Opener, Place, RecoveryCode, epoch_of, open, open_slot, private_space_id,
    unpad_padme, unpad_to_power_of_two,
};
use tidelock_core::{EpochId, Hash, VaultId};

/// Opens objects of one vault.
pub struct Witness {
    vault: VaultId,
    keys: BTreeMap<EpochId, ContentKey>,
}

/// Where a manifest's sequence stands: after vault, space and device (16 bytes each) and public key (32).
const SEQUENCE_AT: usize = 80;

impl Witness {
    /// Takes the key out of the recovery slot.
    pub fn new(bucket: &Bucket, code: &RecoveryCode) -> Self {
        let opener = Opener::recovery(code);
        let header = bucket.object("tidelock").expect("a header");
        let text = String::from_utf8(header.to_vec()).expect("a header is text");
        let vault = text.trim_end().rsplit(' ').next().and_then(VaultId::from_hex).expect("a header names its vault");
        let slot = bucket.object(&opener.name().path()).expect("a recovery slot");
        let payload = open_slot(&opener, vault, Hash::of(&header), &slot).expect("the code opens its slot");
        let keys = KeyRing::first(vault, payload.epoch, payload.root_secret).expect("the first epoch");
        let mut witness = Self { vault, keys: BTreeMap::new() };
        witness.take(&keys);
        witness
    }

    /// Takes the keys that a device keeps in its store, if what it has sealed is of an epoch unknown so far.
    pub fn learn(&mut self, sealed: &[u8], disk: &Disk) {
        if epoch_of(sealed).is_ok_and(|epoch| !self.keys.contains_key(&epoch)) {
            self.take(&Keys::of(disk).ring);
        }
    }

    fn take(&mut self, ring: &KeyRing) {
        let space = private_space_id(self.vault);
        self.keys.extend(ring.epochs().filter_map(|epoch| Some((epoch, ring.content_key(epoch, space)?))));
    }

    /// A manifest's body and signature; `None` if it is not of this vault.
    pub fn manifest(&self, path: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let padded = self.open(path, ObjectKind::Manifest, sealed)?;
        unpad_to_power_of_two(&padded).ok().map(<[u8]>::to_vec)
    }

    /// A segment's plaintext; `None` if it is not of this vault.
    pub fn segment(&self, path: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let padded = self.open(path, ObjectKind::Segment, sealed)?;
        unpad_padme(&padded).ok().map(<[u8]>::to_vec)
    }

    fn open(&self, path: &str, kind: ObjectKind, sealed: &[u8]) -> Option<Vec<u8>> {
        let epoch = epoch_of(sealed).ok()?;
        open(self.keys.get(&epoch)?, &Place { vault: self.vault, kind, epoch, path }, sealed, 16 << 20).ok()
    }

    /// The sequence of a manifest's body.
    pub fn sequence(body: &[u8]) -> u64 {
        let bytes = body.get(SEQUENCE_AT..SEQUENCE_AT + 8).expect("a manifest has a sequence");
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    /// No sequence of a device was ever PUT with two bodies.
    ///
    /// # Errors
    /// The first that was.
    pub fn one_body_each(&self, bucket: &Bucket) -> Result<(), String> {
        let mut bodies: BTreeMap<(&str, u64), Vec<u8>> = BTreeMap::new();
        for (path, sealed) in &bucket.manifests {
            let Some(body) = self.manifest(path, sealed) else { continue };
            let sequence = Self::sequence(&body);
            let first = bodies.entry((path, sequence)).or_insert_with(|| body.clone());
            if *first != body {
                return Err(format!("sequence {sequence} of {path} was PUT with two bodies"));
            }
        }
        Ok(())
    }
}
