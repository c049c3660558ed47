//! Argon2id: makes a passphrase costly to guess. Slow by design, so the platform runs it off the engine's thread.

use super::secret::secret;
use crate::{Error, ErrorKind};
use argon2::{Algorithm, Argon2, Params, Version};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;
use zeroize::Zeroizing;

/// What a passphrase is stretched with: random salt and the cost. In clear in the passphrase's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Stretching {
    /// Random, per passphrase.
    pub salt: [u8; 16],
    /// The cost.
    pub params: StretchParams,
}

/// Argon2id's cost. The default is the second choice of RFC 9106 §4 on one lane, since browsers have one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StretchParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for StretchParams {
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl StretchParams {
    /// Bytes in a slot's head: the three numbers, little-endian.
    pub(super) const BYTES: usize = 12;

    /// Whether a slot may ask for it: neither so weak that a passphrase is cheap to guess (the floor of OWASP's password
    /// storage guide: 19 MiB, 2 passes) nor so costly that a forged slot holds up a phone or a browser tab: at most 256 MiB
    /// and 4 passes, some seconds of a slow core.
    ///
    /// # Errors
    /// `unsupported`, naming the bound.
    pub fn check(&self) -> Result<(), Error> {
        let within = (19 * 1024..=256 * 1024).contains(&self.memory_kib)
            && (2..=4).contains(&self.passes)
            && (1..=4).contains(&self.lanes);
        if within || weakened!(StretchCostUnchecked) {
            return Ok(());
        }
        let Self { memory_kib, passes, lanes } = self;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "passphrase slot asks for {memory_kib} KiB, {passes} passes, {lanes} lanes; \
                 allowed are 19 to 256 MiB, 2 to 4 passes, 1 to 4 lanes"
            ),
        )
        .next_step("open the vault with the recovery code and set the passphrase again"))
    }
}

/// One passphrase to stretch.
#[derive(Clone, PartialEq, Eq)]
pub struct StretchRequest {
    /// Salt and cost.
    pub stretching: Stretching,
    /// The passphrase's bytes: UTF-8 as typed, 1 to 1,024 of them.
    pub passphrase: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for StretchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StretchRequest").field("stretching", &self.stretching).finish_non_exhaustive()
    }
}

const PASSPHRASE_BYTES_MAX: usize = 1024;

secret!(/// A passphrase after [`stretch`].
    pub StretchedKey, 32);

impl StretchedKey {
    /// The key itself, for a worker that passes it on.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// The key that a worker passed on.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Runs Argon2id version 1.3. Takes `memory_kib` of memory and, with the default, some tenths of a second.
///
/// # Errors
/// `invalid` for an empty or overlong passphrase, `unsupported` for a cost outside the bounds.
pub fn stretch(request: &StretchRequest) -> Result<StretchedKey, Error> {
    let Stretching { salt, params } = &request.stretching;
    params.check()?;
    if request.passphrase.is_empty() || request.passphrase.len() > PASSPHRASE_BYTES_MAX {
        let message =
            format!("passphrase has {} bytes instead of 1 to {PASSPHRASE_BYTES_MAX}", request.passphrase.len());
        return Err(Error::new(ErrorKind::Invalid, message).next_step("choose another passphrase"));
    }
    let mut out = StretchedKey([0; 32]);
    Params::new(params.memory_kib, params.passes, params.lanes, Some(out.0.len()))
        .and_then(|params| {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
                &request.passphrase,
                salt,
                &mut out.0,
            )
        })
        .map_err(|cause| Error::new(ErrorKind::Internal, format!("passphrase can't be stretched: {cause}")))?;
    Ok(out)
}
