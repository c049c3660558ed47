//! A roster as one of the owner's devices states it: signed, and in a `keys` object bound to the epoch it was made for.

use super::roster::Roster;
use super::wire::encode;
use crate::crypto::{
    DeviceSecret, KnownPerson, PublicKey, RootSecret, Signature, Vouched, Voucher, device_id, owner_member_id,
    shared_space_id, verify,
};
use crate::{DeviceId, EpochId, Error, ErrorKind, Hash, TermId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};

/// The most bytes of a signed roster.
pub const SIGNED_ROSTER_BYTES_MAX: usize = 64 << 10;
/// The domain of its signature.
const DOMAIN: &str = "roster";

/// A roster with who states it. What it says holds only after [`SignedRoster::verify`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedRoster {
    /// The epoch it was made for; zeros in a manifest.
    pub epoch: EpochId,
    /// What it commits to of that epoch's root secret; zeros in a manifest.
    pub commit: Hash,
    /// Of this device's statements: rises with each change.
    pub version: u64,
    /// What is stated.
    pub roster: Roster,
    /// The owner's device that states it.
    pub public_key: PublicKey,
    /// That it is the owner's.
    pub voucher: Voucher,
    signature: Signature,
}

impl SignedRoster {
    /// Signs a roster: for an epoch of these keys, or for a manifest.
    ///
    /// # Errors
    /// `unsupported` for one beyond its bounds.
    pub fn sign(
        device: &DeviceSecret,
        voucher: Voucher,
        vault: VaultId,
        made_for: Option<(EpochId, &RootSecret)>,
        version: u64,
        roster: Roster,
    ) -> Result<Self, Error> {
        let epoch = made_for.map_or_else(EpochId::default, |(epoch, _)| epoch);
        let commit = made_for.map_or_else(Hash::default, |(epoch, secret)| secret.commit(vault, epoch));
        let public_key = device.public_key();
        let mut signed = Self { epoch, commit, version, roster, public_key, voucher, signature: [0; 64] };
        if !signed.roster.has_possible_form() || signed.encode().len() > SIGNED_ROSTER_BYTES_MAX {
            return Err(Error::new(ErrorKind::Unsupported, "a space's roster is beyond its bounds")
                .next_step("make another space for more members"));
        }
        signed.signature = device.sign(DOMAIN, &signed.body(vault));
        Ok(signed)
    }

    /// Reads one. Every card in it is whole; nothing else is verified.
    ///
    /// # Errors
    /// `corrupt` for other bytes than a signed roster's, or beyond its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > SIGNED_ROSTER_BYTES_MAX {
            return Err(refused());
        }
        let signed: Self = super::wire::decode(bytes, "a roster")?;
        let is_for_a_manifest = signed.epoch == EpochId::default() && signed.commit == Hash::default();
        let is_possible = signed.roster.has_possible_form() && (is_for_a_manifest || signed.epoch.number > 0);
        if is_possible { Ok(signed) } else { Err(refused()) }
    }

    /// Its one encoding.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The device that states it.
    pub fn device(&self) -> DeviceId {
        device_id(&self.public_key)
    }

    /// Whether a device of this owner states it for this vault. Gives the owner with what the voucher's chain adds.
    ///
    /// # Errors
    /// `corrupt` if not, `forked` if the voucher's chain has other keys of a known number.
    pub fn verify(&self, vault: VaultId, owner: &KnownPerson) -> Result<KnownPerson, Error> {
        if self.voucher.term() != TermId::default() {
            return Err(refused());
        }
        let (space, member) = (shared_space_id(vault), owner_member_id(vault));
        let owner = self.voucher.verify(&Vouched { vault, space, member, device: self.public_key }, owner)?;
        verify(&self.public_key, DOMAIN, &self.body(vault), &self.signature)?;
        Ok(owner)
    }

    /// Whether it was made for this epoch with this root secret.
    pub fn commits_to(&self, vault: VaultId, epoch: EpochId, secret: &RootSecret) -> bool {
        epoch.number > 0 && self.epoch == epoch && self.commit == secret.commit(vault, epoch)
    }

    /// What is signed: the vault, then all before the signature.
    fn body(&self, vault: VaultId) -> Vec<u8> {
        encode(&(vault, self.epoch, self.commit, self.version, &self.roster, self.public_key, &self.voucher))
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Corrupt, "a roster fails its checks")
        .on("roster")
        .next_step("put the object back, from its older versions in the bucket or from a backup")
}
