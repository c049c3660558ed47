//! Keys, sealed objects, signatures and slots. Nothing invented: every construction is a published one.
//!
//! [`seal`] and [`open`] are the one way into and out of the bucket; [`KeyRing`] has the keys, [`DeviceSecret`] signs and
//! hedges, [`seal_slot`] and [`open_slot`] hand the newest root secret to whoever holds a recovery code, the passphrase or
//! a listed device. The bytes are specified in `docs/format/crypto.md`. [`Card`], [`Voucher`] and [`MemberSecret`] are for spaces
//! shared between persons (`docs/format/sharing.md`), which nothing in the engine uses yet.

mod chunked;
mod code;
mod device;
mod envelope;
mod hedge;
mod keys;
mod labels;
mod person;
mod secret;
mod sizes;
mod slots;
mod stretch;
#[cfg(test)]
mod tests;
mod voucher;

pub use code::RecoveryCode;
pub use device::{DeviceSecret, PublicKey, Signature, device_id, verify};
pub use envelope::{ObjectKind, Place, Salt, epoch_of, open, open_part, seal, sealed_len, sealed_part};
pub use hedge::Entropy;
pub use keys::{EPOCHS_MAX, KeyRing, RootSecret, Told, keys_path, open_keys, private_space_id, seal_keys};
pub use person::{
    CARD_BYTES_MAX, CARD_NAME_BYTES_MAX, Card, MemberSecret, PersonSecret, owner_member_id, shared_space_id,
};
pub use secret::{ContentKey, HashKey};
pub use sizes::{pad_padme, pad_to_power_of_two, padme_len, unpad_padme, unpad_to_power_of_two};
pub use slots::{Opener, SlotName, SlotPayload, SlotRecord, open_slot, seal_slot, stretching_of};
pub use stretch::{StretchParams, StretchRequest, StretchedKey, Stretching, stretch};
pub use voucher::{
    KnownPerson, SUCCESSIONS_MAX, Succession, VOUCHER_BYTES_MAX, VOUCHER_NAME_BYTES_MAX, Vouched, Voucher,
};

use crate::{Error, ErrorKind};

/// The one refusal of bytes that are not what their writer made: damaged, moved, cut, forged or under another key.
/// It does not tell which, so that nobody learns from it.
fn corrupt(object: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "object fails its checks")
        .on(object)
        .next_step("put the object back, from its older versions in the bucket or from a backup")
}
