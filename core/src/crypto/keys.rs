//! Root secrets by epoch, the subkeys they give, and the object that hands the earlier ones on.

use super::envelope::{ObjectKind, Place, open, seal};
use super::labels::{self, derive};
use super::secret::{ContentKey, HashKey, secret};
use super::{DeviceSecret, Entropy, corrupt};
use crate::{EpochId, Error, SpaceId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The most epochs a vault may have: each revocation opens one.
pub const EPOCHS_MAX: usize = 4096;
const EPOCH_BYTES: usize = 4 + 8 + 32;

secret!(/// What all keys of a vault's epoch come from. Whoever holds the newest is the owner.
    #[derive(BorshSerialize, BorshDeserialize)]
    RootSecret, 32);

impl RootSecret {
    /// A new secret, hedged by the device; `context` is what is new about it, such as the epoch.
    pub fn generate(device: &DeviceSecret, entropy: &mut dyn Entropy, context: &[u8]) -> Self {
        Self(device.fresh(labels::FRESH_ROOT, entropy, &[context]))
    }

    fn content_key(&self, vault: VaultId, space: SpaceId) -> ContentKey {
        ContentKey(derive(&self.0, labels::CONTENT, &[&vault.0, &space.0]))
    }

    fn keys_key(&self, vault: VaultId) -> ContentKey {
        ContentKey(derive(&self.0, labels::KEYS, &[&vault.0]))
    }
}

/// Every epoch's root secret of one vault, without a hole: each has all that came before it, back to number 1.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRing {
    vault: VaultId,
    epochs: BTreeMap<EpochId, RootSecret>,
}

impl KeyRing {
    /// The ring of a new vault.
    ///
    /// # Errors
    /// `corrupt` unless `epoch` is number 1. Later epochs come from their `keys/` object: [`open_keys`].
    pub fn first(vault: VaultId, epoch: EpochId, secret: RootSecret) -> Result<Self, Error> {
        Self::checked(vault, BTreeMap::from([(epoch, secret)]))
    }

    /// The vault it belongs to.
    pub fn vault(&self) -> VaultId {
        self.vault
    }

    /// The epoch everything is sealed under: the greatest number, then the greatest id.
    pub fn newest(&self) -> EpochId {
        *self.epochs.last_key_value().expect("a ring holds its first epoch").0
    }

    /// All epochs, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = EpochId> + '_ {
        self.epochs.keys().copied()
    }

    /// An epoch's root secret, for the slots of that epoch.
    pub fn root_secret(&self, epoch: EpochId) -> Option<&RootSecret> {
        self.epochs.get(&epoch)
    }

    /// Adds an epoch; one that is there already changes nothing.
    ///
    /// # Errors
    /// `corrupt` for another secret of a known epoch, a second epoch number 1, number 0, or more than [`EPOCHS_MAX`].
    pub fn add(&mut self, epoch: EpochId, secret: RootSecret) -> Result<(), Error> {
        if self.epochs.get(&epoch).is_some_and(|known| *known != secret) {
            return Err(corrupt("key ring"));
        }
        let mut epochs = self.epochs.clone();
        epochs.insert(epoch, secret);
        *self = Self::checked(self.vault, epochs)?;
        Ok(())
    }

    /// Adds every epoch of another ring of this vault.
    ///
    /// # Errors
    /// `corrupt` if the two are not rings of one vault: another first epoch, another secret of one that both have; or more
    /// than [`EPOCHS_MAX`].
    pub fn join(&mut self, other: &Self) -> Result<(), Error> {
        let mut joined = self.clone();
        for (epoch, secret) in &other.epochs {
            joined.add(*epoch, secret.clone())?;
        }
        *self = joined;
        Ok(())
    }

    /// Seals and opens a space's objects of one epoch. `None` for an epoch that is not known here.
    pub fn content_key(&self, epoch: EpochId, space: SpaceId) -> Option<ContentKey> {
        self.epochs.get(&epoch).map(|secret| secret.content_key(self.vault, space))
    }

    /// Names a space's blobs of one epoch. `None` for an epoch that is not known here.
    pub fn blob_id_key(&self, epoch: EpochId, space: SpaceId) -> Option<HashKey> {
        self.epochs.get(&epoch).map(|secret| HashKey(derive(&secret.0, labels::BLOB_ID, &[&self.vault.0, &space.0])))
    }

    /// Digests of deleted log entries. From the first epoch: a deletion counts for ever.
    pub fn digest_key(&self) -> HashKey {
        HashKey(derive(&self.first_secret().0, labels::DIGEST, &[&self.vault.0]))
    }

    /// Keys of imported log entries. From the first epoch: importing again, years later, changes nothing.
    pub fn import_key(&self) -> HashKey {
        HashKey(derive(&self.first_secret().0, labels::IMPORT, &[&self.vault.0]))
    }

    /// The one encoding of the ring, for the local store: vault(16), then as in a `keys` object, but with the newest too.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(VaultId::BYTES + 4 + self.epochs.len() * EPOCH_BYTES));
        out.extend_from_slice(&self.vault.0);
        out.extend_from_slice(&encode(self.epochs.iter()));
        out
    }

    /// Reads what [`KeyRing::to_bytes`] wrote.
    ///
    /// # Errors
    /// `corrupt` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (vault, entries) = bytes.split_first_chunk().ok_or_else(|| corrupt("key ring"))?;
        Self::checked(VaultId(*vault), decode(entries).ok_or_else(|| corrupt("key ring"))?)
    }

    fn first_secret(&self) -> &RootSecret {
        self.epochs.first_key_value().expect("a ring holds its first epoch").1
    }

    /// The one gate of every ring: exactly one epoch number 1, none below, not too many.
    fn checked(vault: VaultId, epochs: BTreeMap<EpochId, RootSecret>) -> Result<Self, Error> {
        let starts_at_one = epochs.first_key_value().is_some_and(|(epoch, _)| epoch.number == 1);
        let firsts = epochs.keys().filter(|epoch| epoch.number == 1).count();
        if !starts_at_one || firsts != 1 || epochs.len() > EPOCHS_MAX {
            return Err(corrupt("key ring"));
        }
        Ok(Self { vault, epochs })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("vault", &self.vault).field("epochs", &self.epochs.keys()).finish()
    }
}

/// The private space's id: anybody who knows the vault's id can tell it.
pub fn private_space_id(vault: VaultId) -> SpaceId {
    SpaceId(derive(&vault.0, labels::PRIVATE_SPACE, &[]))
}

/// Where an epoch's `keys` object is, relative to the prefix.
pub fn keys_path(epoch: EpochId) -> String {
    format!("keys/{epoch}")
}

/// The ring's `keys/{newest}` object: all earlier epochs, sealed under the newest.
pub fn seal_keys(ring: &KeyRing, device: &DeviceSecret, entropy: &mut dyn Entropy) -> Vec<u8> {
    let (&epoch, secret) = ring.epochs.last_key_value().expect("a ring holds its first epoch");
    let path = keys_path(epoch);
    let place = Place { vault: ring.vault, kind: ObjectKind::Keys, epoch, path: &path };
    let plaintext = encode(ring.epochs.range(..epoch));
    let salt = device.salt(entropy, &place, &plaintext);
    seal(&secret.keys_key(ring.vault), &place, &salt, &plaintext)
}

/// The whole ring, from the newest epoch's secret (a slot has it) and its `keys` object.
///
/// # Errors
/// `corrupt` if it does not open at this place with this secret, or doesn't make a whole ring; the first epoch has none.
pub fn open_keys(vault: VaultId, epoch: EpochId, secret: RootSecret, sealed: &[u8]) -> Result<KeyRing, Error> {
    let path = keys_path(epoch);
    let place = Place { vault, kind: ObjectKind::Keys, epoch, path: &path };
    let plaintext_max = (4 + EPOCHS_MAX * EPOCH_BYTES) as u64;
    let plaintext = Zeroizing::new(open(&secret.keys_key(vault), &place, sealed, plaintext_max)?);
    let mut epochs = decode(&plaintext).ok_or_else(|| corrupt(&path))?;
    if epochs.last_key_value().is_none_or(|(earlier, _)| *earlier >= epoch) {
        return Err(corrupt(&path));
    }
    epochs.insert(epoch, secret);
    KeyRing::checked(vault, epochs)
}

/// count(4, little-endian), then per epoch, ascending: number(4, little-endian) ‖ id(8) ‖ secret(32).
fn encode<'a>(epochs: impl Iterator<Item = (&'a EpochId, &'a RootSecret)> + Clone) -> Zeroizing<Vec<u8>> {
    let count = u32::try_from(epochs.clone().count()).expect("a ring is bounded by EPOCHS_MAX");
    let mut out = Zeroizing::new(Vec::with_capacity(4 + count as usize * EPOCH_BYTES));
    out.extend_from_slice(&count.to_le_bytes());
    for (epoch, secret) in epochs {
        out.extend_from_slice(&epoch.number.to_le_bytes());
        out.extend_from_slice(&epoch.id);
        out.extend_from_slice(&secret.0);
    }
    out
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<EpochId, RootSecret>> {
    let (count, entries) = bytes.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    if count > EPOCHS_MAX || entries.len() != count * EPOCH_BYTES {
        return None;
    }
    let mut epochs = BTreeMap::new();
    for entry in entries.chunks_exact(EPOCH_BYTES) {
        let (epoch, secret) = <(EpochId, RootSecret)>::try_from_slice(entry).ok()?;
        if epochs.last_key_value().is_some_and(|(last, _)| *last >= epoch) {
            return None;
        }
        epochs.insert(epoch, secret);
    }
    Some(epochs)
}
