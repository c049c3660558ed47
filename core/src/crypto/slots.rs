//! Slots: the newest root secret, sealed by HPKE to a recovery code, the passphrase or a device.

use super::chunked::Refused;
use super::device::DeviceSecret;
use super::envelope::{CLEAR_HEADER_BYTES, ObjectKind, Place, Salt, epoch_of, open_body, seal_body};
use super::hedge::{Entropy, HedgedRng};
use super::keys::RootSecret;
use super::labels::{self, SlotLabels, derive, labelled};
use super::secret::ContentKey;
use super::stretch::{StretchParams, StretchedKey, Stretching};
use super::{RecoveryCode, corrupt};
use crate::{DeviceId, EpochId, Error, ErrorKind, Hash, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use hpke::{Deserializable, HpkeError, Kem as _, OpModeR, OpModeS, PskBundle, Serializable};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
type EncappedKey = <Kem as hpke::Kem>::EncappedKey;

const ENC_BYTES: usize = 32;
const STRETCHING_BYTES: usize = 16 + StretchParams::BYTES;
const PAYLOAD_BYTES: usize = 12 + 32 + VaultId::BYTES + Hash::BYTES;

/// Who a slot is for, and so where it is. The numbers stand in slots and root records: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum SlotName {
    /// A recovery code: the name is derived from it, so that only who has the code can ask for the slot.
    Recovery([u8; 16]) = 1,
    /// The passphrase, with what it is stretched with.
    Passphrase(Stretching) = 2,
    /// A device.
    Device(DeviceId) = 3,
}

impl SlotName {
    /// Where the slot is, relative to the prefix.
    pub fn path(&self) -> String {
        match self {
            Self::Recovery(name) => format!("slots/{}", DeviceId(*name)),
            Self::Passphrase(_) => Self::PASSPHRASE_PATH.to_owned(),
            Self::Device(id) => format!("slots/{id}"),
        }
    }

    /// Where the passphrase's slot is; its salt and cost have to be read from it first: [`stretching_of`].
    pub const PASSPHRASE_PATH: &str = "slots/passphrase";

    fn number(&self) -> u8 {
        match self {
            Self::Recovery(_) => 1,
            Self::Passphrase(_) => 2,
            Self::Device(_) => 3,
        }
    }
}

/// What any device of the owner needs to seal a slot again: a root record, never in clear in the bucket. The pre-shared key
/// keeps the provider from making slots.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlotRecord {
    /// Who it is for.
    pub name: SlotName,
    /// X25519 public key.
    pub public_key: [u8; 32],
    /// HPKE's pre-shared key.
    pub psk: [u8; 32],
}

impl SlotRecord {
    /// Whether a slot can be sealed from it: what a member writes is as untrusted as what the bucket holds.
    ///
    /// # Errors
    /// `corrupt` for a public key that is none, `unsupported` for a cost of stretching out of bounds.
    pub fn check(&self) -> Result<(), Error> {
        if let SlotName::Passphrase(stretching) = &self.name {
            stretching.params.check()?;
        }
        match is_of_small_order(&self.public_key) {
            true => Err(corrupt(&self.name.path())),
            false => Ok(()),
        }
    }
}

/// Whether an X25519 public key gives the same secret to everybody, so that HPKE refuses to seal to it (RFC 9180 §7.1.4). These are all
/// there are (<https://cr.yp.to/ecdh.html#validate>), but for the highest bit, which RFC 7748 §5 ignores.
pub(super) fn is_of_small_order(public_key: &[u8; 32]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
            0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
            0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
    ];
    let mut key = *public_key;
    key[31] &= 0x7f;
    // 0 and 1, and p - 1, p and p + 1 of p = 2^255 - 19.
    let is_small = key[0] <= 1 && key[1..].iter().all(|byte| *byte == 0);
    let is_near_p = (0xec..=0xee).contains(&key[0]) && key[1..31].iter().all(|byte| *byte == 0xff) && key[31] == 0x7f;
    is_small || is_near_p || ORDER_8.contains(&key)
}

impl Drop for SlotRecord {
    fn drop(&mut self) {
        self.psk.zeroize();
    }
}

impl ZeroizeOnDrop for SlotRecord {}

impl fmt::Debug for SlotRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotRecord").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlotPayload {
    /// The epoch of the secret, as in the slot's clear header.
    pub epoch: EpochId,
    /// That epoch's root secret.
    pub root_secret: RootSecret,
    /// The vault.
    pub vault: VaultId,
    /// BLAKE3 of the vault's header object.
    pub header_hash: Hash,
}

/// Somebody who can open one slot.
pub struct Opener {
    name: SlotName,
    private_key: PrivateKey,
    public_key: [u8; 32],
    psk: Zeroizing<[u8; 32]>,
}

impl Opener {
    /// Who has a recovery code.
    pub fn recovery(code: &RecoveryCode) -> Self {
        Self::derived(SlotName::Recovery(derive(&code.0, labels::RECOVERY_NAME, &[])), &code.0, labels::RECOVERY_SLOT)
    }

    /// Who has the passphrase, after stretching it with `stretching`.
    pub fn passphrase(stretching: Stretching, key: &StretchedKey) -> Self {
        Self::derived(SlotName::Passphrase(stretching), &key.0, labels::PASSPHRASE_SLOT)
    }

    /// A listed device.
    pub fn device(device: &DeviceSecret) -> Self {
        Self::derived(SlotName::Device(device.device_id()), &*device.to_bytes(), labels::DEVICE_SLOT)
    }

    /// Who it is.
    pub fn name(&self) -> SlotName {
        self.name
    }

    /// The record from which its slot is sealed.
    pub fn record(&self) -> SlotRecord {
        SlotRecord { name: self.name, public_key: self.public_key, psk: *self.psk }
    }

    fn derived(name: SlotName, secret: &[u8], labels: SlotLabels) -> Self {
        let ikm = Zeroizing::new(derive::<32>(secret, labels.key, &[]));
        let (private_key, public_key) = Kem::derive_keypair(&*ikm);
        let psk = Zeroizing::new(derive(secret, labels.psk, &[]));
        Self { name, private_key, public_key: public_key.to_bytes().into(), psk }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Seals the payload to the slot's holder. A new slot each time: ephemeral key and salt are hedged by this device.
///
/// # Errors
/// `corrupt` for a record whose public key is no usable point, `unsupported` for a stretching out of bounds.
pub fn seal_slot(
    record: &SlotRecord,
    payload: &SlotPayload,
    device: &DeviceSecret,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, Error> {
    let path = record.name.path();
    let place = Place { vault: payload.vault, kind: ObjectKind::Slot, epoch: payload.epoch, path: &path };
    let mut out = head(&place, &record.name)?;
    let plaintext = encode(payload);

    let info = info(&out, &place);
    let ephemeral: Zeroizing<[u8; 32]> = Zeroizing::new(device.fresh(
        labels::FRESH_SLOT,
        entropy,
        &[&record.public_key, &Hash::of(&plaintext).0, &info],
    ));
    let (enc, key) = encapsulate(record, &info, &mut HedgedRng::new(&ephemeral)).map_err(|_| corrupt(&path))?;
    out.extend_from_slice(&enc);

    let salt: Salt = device.salt(entropy, &place, &plaintext);
    seal_body(&key, &place.context(), &salt, &plaintext, &mut out);
    Ok(out)
}

/// Opens the slot of this opener, for the vault whose header was read: `vault` is its id, `header_hash` its BLAKE3.
///
/// # Errors
/// `wrong-key` if the code, passphrase or device is another one's (or the slot's key part was altered: the two can't be
/// told apart), `corrupt` for any other damage, `unsupported` for a stretching out of bounds.
pub fn open_slot(opener: &Opener, vault: VaultId, header_hash: Hash, sealed: &[u8]) -> Result<SlotPayload, Error> {
    let path = opener.name.path();
    let epoch = epoch_of(sealed).map_err(|_| corrupt(&path))?;
    let place = Place { vault, kind: ObjectKind::Slot, epoch, path: &path };
    let head = head(&place, &opener.name)?;
    // Another salt or cost than the passphrase was stretched with is another passphrase's slot.
    let rest = sealed.strip_prefix(&head[..]).ok_or_else(|| match opener.name {
        SlotName::Passphrase(_) if stretching_of(sealed).is_ok() => wrong_key(opener, &path),
        _ => corrupt(&path),
    })?;
    let (enc, body) = rest.split_first_chunk::<ENC_BYTES>().ok_or_else(|| corrupt(&path))?;

    let key = decapsulate(opener, &info(&head, &place), enc).map_err(|_| corrupt(&path))?;
    let opened = open_body(&key, &place.context(), body, PAYLOAD_BYTES as u64);
    let plaintext = Zeroizing::new(opened.map_err(|refused| match refused {
        Refused::NotThisKey => wrong_key(opener, &path),
        Refused::Damaged => corrupt(&path),
    })?);
    let payload = SlotPayload::try_from_slice(&plaintext).map_err(|_| corrupt(&path))?;
    if payload.vault != vault || payload.header_hash != header_hash || payload.epoch != epoch {
        return Err(corrupt(&path));
    }
    Ok(payload)
}

/// Salt and cost of a passphrase's slot, to stretch the passphrase with. Unproven until the slot opens.
///
/// # Errors
/// `corrupt` if it is no passphrase's slot, `unsupported` for a cost out of bounds.
pub fn stretching_of(sealed: &[u8]) -> Result<Stretching, Error> {
    let damaged = || corrupt(SlotName::PASSPHRASE_PATH);
    let epoch = epoch_of(sealed).map_err(|_| damaged())?;
    let place = Place { vault: VaultId::default(), kind: ObjectKind::Slot, epoch, path: SlotName::PASSPHRASE_PATH };
    let after = sealed.strip_prefix(&place.clear_header()).ok_or_else(damaged)?;
    let fields = after.strip_prefix(&[labels::HPKE_X25519, 2]).ok_or_else(damaged)?;
    let fields = fields.first_chunk::<STRETCHING_BYTES>().ok_or_else(damaged)?;
    let stretching = Stretching::try_from_slice(fields).map_err(|_| damaged())?;
    stretching.params.check()?;
    Ok(stretching)
}

/// clear header(19) ‖ HPKE suite ‖ who it is for ‖ for a passphrase: salt(16) ‖ KiB(4) ‖ passes(4) ‖ lanes(4).
fn head(place: &Place<'_>, name: &SlotName) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(CLEAR_HEADER_BYTES + 2 + STRETCHING_BYTES);
    out.extend_from_slice(&place.clear_header());
    out.extend_from_slice(&[labels::HPKE_X25519, name.number()]);
    if let SlotName::Passphrase(stretching) = name {
        stretching.params.check()?;
        stretching.serialize(&mut out).expect("writing to memory can't fail");
    }
    Ok(out)
}

/// What HPKE binds: vault ‖ head ‖ path. The head tells its own length, and the path is last.
fn info(head: &[u8], place: &Place<'_>) -> Vec<u8> {
    labelled(labels::SLOT_INFO, &[&place.vault.0, head, place.path.as_bytes()])
}

fn encode(payload: &SlotPayload) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(PAYLOAD_BYTES));
    payload.serialize(&mut *out).expect("writing to memory can't fail");
    out
}

fn encapsulate(
    record: &SlotRecord,
    info: &[u8],
    rng: &mut HedgedRng,
) -> Result<([u8; ENC_BYTES], ContentKey), HpkeError> {
    let public_key = <Kem as hpke::Kem>::PublicKey::from_bytes(&record.public_key)?;
    let psk = if weakened!(SlotPskIgnored) { &[0; 32] } else { &record.psk };
    let mode = OpModeS::Psk(PskBundle::new(psk, labels::SLOT_PSK_ID)?);
    let (enc, context) = hpke::setup_sender_with_rng::<Aead, Kdf, Kem>(&mode, &public_key, info, rng)?;
    let mut key = ContentKey([0; 32]);
    context.export(labels::SLOT_EXPORT, &mut key.0)?;
    Ok((enc.to_bytes().into(), key))
}

fn decapsulate(opener: &Opener, info: &[u8], enc: &[u8; ENC_BYTES]) -> Result<ContentKey, HpkeError> {
    let enc = EncappedKey::from_bytes(enc)?;
    let psk = if weakened!(SlotPskIgnored) { &[0; 32] } else { &*opener.psk };
    let mode = OpModeR::Psk(PskBundle::new(psk, labels::SLOT_PSK_ID)?);
    let context = hpke::setup_receiver::<Aead, Kdf, Kem>(&mode, &opener.private_key, &enc, info)?;
    let mut key = ContentKey([0; 32]);
    context.export(labels::SLOT_EXPORT, &mut key.0)?;
    Ok(key)
}

fn wrong_key(opener: &Opener, path: &str) -> Error {
    let (message, next_step) = match opener.name {
        SlotName::Recovery(_) => {
            ("recovery code does not open this vault", "check the code, and that the store is the right one")
        }
        SlotName::Passphrase(_) => {
            ("passphrase does not open this vault", "type it again, or join with the recovery code")
        }
        SlotName::Device(_) => {
            ("this device's key does not open this vault", "join again with the recovery code or the passphrase")
        }
    };
    Error::new(ErrorKind::WrongKey, message).on(path).next_step(next_step)
}
