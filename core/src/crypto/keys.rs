//! Root secrets by epoch, the subkeys they give, and the object that hands the earlier ones on.

use super::envelope::{ObjectKind, Place, open, seal};
use super::labels::{self, derive};
use super::secret::{ContentKey, HashKey, secret};
use super::{DeviceSecret, Entropy, corrupt};
use crate::{EpochId, Error, Hash, SpaceId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The most epochs a vault may have: each revocation opens one.
pub const EPOCHS_MAX: usize = 4096;
const EPOCH_BYTES: usize = 4 + 8 + 32;
/// The most epochs, and the greatest number, up to which a ring that is apart is taken: forgeries leave room for real turns.
const APART_MAX: usize = EPOCHS_MAX / 2;

secret!(/// What all keys of a vault's epoch come from. Whoever holds the newest is the owner.
    #[derive(BorshSerialize, BorshDeserialize)]
    pub RootSecret, 32);

impl RootSecret {
    /// A new secret, hedged by the device; `context` is what is new about it, such as the epoch.
    pub fn generate(device: &DeviceSecret, entropy: &mut dyn Entropy, context: &[u8]) -> Self {
        Self(device.fresh(labels::FRESH_ROOT, entropy, &[context]))
    }

    /// What a roster made for an epoch with this root secret says of it: only who has the secret can tell.
    pub fn commit(&self, vault: VaultId, epoch: EpochId) -> Hash {
        Hash(derive(&self.0, labels::COMMIT, &[&vault.0, &epoch.number.to_le_bytes(), &epoch.id]))
    }

    fn content_key(&self, vault: VaultId, space: SpaceId) -> ContentKey {
        ContentKey(derive(&self.0, labels::CONTENT, &[&vault.0, &space.0]))
    }

    fn keys_key(&self, vault: VaultId) -> ContentKey {
        ContentKey(derive(&self.0, labels::KEYS, &[&vault.0]))
    }
}

/// Epochs' root secrets of one vault, back to number 1. Everything is sealed under the current one; the others open what
/// is there.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRing {
    vault: VaultId,
    epochs: BTreeMap<EpochId, RootSecret>,
    current: EpochId,
    /// Derived once: an import or a join uses them for each record.
    digest: HashKey,
    import: HashKey,
}

/// What a ring was to the one that was told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It has all that was known: its current epoch is the current one now.
    Newer,
    /// Nothing in it is new.
    Known,
    /// Each has what the other lacks: two devices turned at once, or it is a forgery. All of it opens objects, and the
    /// current epoch stays.
    Apart,
}

impl KeyRing {
    /// The ring of a new vault.
    ///
    /// # Errors
    /// `corrupt` unless `epoch` is number 1. Later epochs come from their `keys/` object: [`open_keys`].
    pub fn first(vault: VaultId, epoch: EpochId, secret: RootSecret) -> Result<Self, Error> {
        Self::checked(vault, BTreeMap::from([(epoch, secret)]), epoch)
    }

    /// The vault it belongs to.
    pub fn vault(&self) -> VaultId {
        self.vault
    }

    /// The epoch everything is sealed under.
    pub fn current(&self) -> EpochId {
        self.current
    }

    /// The greatest number of an epoch in it.
    pub fn greatest_number(&self) -> u32 {
        self.epochs.last_key_value().expect("a ring holds its first epoch").0.number
    }

    /// All epochs, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = EpochId> + '_ {
        self.epochs.keys().copied()
    }

    /// An epoch's root secret, for the slots of that epoch.
    pub fn root_secret(&self, epoch: EpochId) -> Option<&RootSecret> {
        self.epochs.get(&epoch)
    }

    /// Adds an epoch, which is the current one from now on.
    ///
    /// # Errors
    /// `corrupt` for another secret of a known epoch, a second epoch number 1, number 0, or more than [`EPOCHS_MAX`].
    pub fn add(&mut self, epoch: EpochId, secret: RootSecret) -> Result<(), Error> {
        let mut epochs = self.epochs.clone();
        if epochs.insert(epoch, secret).is_some_and(|known| known != epochs[&epoch]) {
            return Err(corrupt("key ring"));
        }
        *self = Self::checked(self.vault, epochs, epoch)?;
        Ok(())
    }

    /// Takes what a slot and its `keys` object tell. Whoever lacks the current epoch's secret cannot make a ring that has it,
    /// and so cannot bring another epoch in its place.
    ///
    /// # Errors
    /// `corrupt`, and nothing is taken, if the two are not rings of one vault (another first epoch, another secret of one
    /// that both have), or if a ring that is apart takes more than half of the room that real turns need.
    pub fn take(&mut self, told: &Self) -> Result<Told, Error> {
        let mut epochs = self.epochs.clone();
        for (epoch, secret) in &told.epochs {
            if epochs.insert(*epoch, secret.clone()).is_some_and(|known| known != *secret) {
                return Err(corrupt("key ring"));
            }
        }
        let (known, all) = (self.epochs.len(), epochs.len());
        let (took, current) = match (all == told.epochs.len(), all == known) {
            (true, same) => (if same { Told::Known } else { Told::Newer }, told.current),
            (false, true) => (Told::Known, self.current),
            (false, false) => (Told::Apart, self.current),
        };
        let greatest = *epochs.last_key_value().expect("a ring holds its first epoch").0;
        if took == Told::Apart && (all > APART_MAX || greatest.number as usize > APART_MAX) {
            return Err(corrupt("key ring"));
        }
        let (took, current) = match took {
            Told::Apart if weakened!(GreatestKeysTaken) => (Told::Newer, greatest),
            took => (took, current),
        };
        *self = Self::checked(self.vault, epochs, current)?;
        Ok(took)
    }

    /// Seals and opens a space's objects of one epoch. `None` for an epoch that is not known here.
    pub fn content_key(&self, epoch: EpochId, space: SpaceId) -> Option<ContentKey> {
        self.epochs.get(&epoch).map(|secret| secret.content_key(self.vault, space))
    }

    /// Names a space's pieces. From the first epoch: content keeps its name through every turn of keys, and is sent once.
    pub fn piece_id_key(&self, space: SpaceId) -> HashKey {
        self.of_first(labels::PIECE_ID, space)
    }

    /// Names a space's blobs that have more than one piece. From the first epoch, as [`KeyRing::piece_id_key`].
    pub fn blob_id_key(&self, space: SpaceId) -> HashKey {
        self.of_first(labels::BLOB_ID, space)
    }

    /// Says where a space's content is cut. From the first epoch: equal content is cut alike for ever.
    pub fn cut_key(&self, space: SpaceId) -> HashKey {
        self.of_first(labels::CUT, space)
    }

    fn of_first(&self, label: &str, space: SpaceId) -> HashKey {
        let first = self.epochs.first_key_value().expect("a ring holds its first epoch").1;
        HashKey(derive(&first.0, label, &[&self.vault.0, &space.0]))
    }

    /// Digests of deleted log entries. From the first epoch: a deletion counts for ever.
    pub fn digest_key(&self) -> &HashKey {
        &self.digest
    }

    /// Keys of imported log entries. From the first epoch: importing again, years later, changes nothing.
    pub fn import_key(&self) -> &HashKey {
        &self.import
    }

    /// The one encoding of the ring, for the local store: vault(16), then as in a `keys` object, but with all epochs, then the
    /// current one's number(4, little-endian) and id(8).
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(VaultId::BYTES + 4 + self.epochs.len() * EPOCH_BYTES + 12));
        out.extend_from_slice(&self.vault.0);
        out.extend_from_slice(&encode(self.epochs.iter()));
        out.extend_from_slice(&self.current.number.to_le_bytes());
        out.extend_from_slice(&self.current.id);
        out
    }

    /// Reads what [`KeyRing::to_bytes`] wrote.
    ///
    /// # Errors
    /// `corrupt` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bad = || corrupt("key ring");
        let (vault, rest) = bytes.split_first_chunk().ok_or_else(bad)?;
        let (entries, current) = rest.split_last_chunk::<12>().ok_or_else(bad)?;
        let current = EpochId::try_from_slice(current).map_err(|_| bad())?;
        Self::checked(VaultId(*vault), decode(entries).ok_or_else(bad)?, current)
    }

    /// The one gate of every ring: exactly one epoch number 1, none below, not too many, and the current one among them.
    fn checked(vault: VaultId, epochs: BTreeMap<EpochId, RootSecret>, current: EpochId) -> Result<Self, Error> {
        let first = epochs.first_key_value().filter(|(epoch, _)| epoch.number == 1);
        let firsts = epochs.keys().filter(|epoch| epoch.number == 1).count();
        let Some((_, first)) = first.filter(|_| firsts == 1) else { return Err(corrupt("key ring")) };
        if epochs.len() > EPOCHS_MAX || !epochs.contains_key(&current) {
            return Err(corrupt("key ring"));
        }
        let of_first = |label| HashKey(derive(&first.0, label, &[&vault.0]));
        let (digest, import) = (of_first(labels::DIGEST), of_first(labels::IMPORT));
        Ok(Self { vault, epochs, current, digest, import })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("vault", &self.vault)
            .field("epochs", &self.epochs.keys())
            .field("current", &self.current)
            .finish()
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

/// The ring's `keys/{current}` object: all epochs below the current one, sealed under it.
pub fn seal_keys(ring: &KeyRing, device: &DeviceSecret, entropy: &mut dyn Entropy) -> Vec<u8> {
    let epoch = ring.current;
    let secret = ring.root_secret(epoch).expect("a ring holds its current epoch");
    let path = keys_path(epoch);
    let place = Place { vault: ring.vault, kind: ObjectKind::Keys, epoch, path: &path };
    let plaintext = encode(ring.epochs.range(..epoch));
    let salt = device.salt(entropy, &place, &plaintext);
    seal(&secret.keys_key(ring.vault), &place, &salt, &plaintext)
}

/// The whole ring, from the current epoch's secret (a slot has it) and its `keys` object.
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
    KeyRing::checked(vault, epochs, epoch)
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
