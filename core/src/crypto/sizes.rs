//! Padding, so that an object's length tells little: 4 bytes of length, the plaintext, zeros.

use super::corrupt;
use crate::Error;

const LENGTH_BYTES: usize = 4;
/// The smallest object of those padded to powers of two.
const POWER_OF_TWO_MIN: usize = 4096;

/// Pads to a power of two of at least 4 KiB: manifests and beacons.
pub fn pad_to_power_of_two(plaintext: &[u8]) -> Vec<u8> {
    pad(plaintext, power_of_two_len)
}

/// The plaintext that [`pad_to_power_of_two`] was given.
///
/// # Errors
/// `corrupt` unless `padded` is exactly what that function makes.
pub fn unpad_to_power_of_two(padded: &[u8]) -> Result<&[u8], Error> {
    unpad(padded, power_of_two_len).ok_or_else(|| corrupt("padding"))
}

/// Pads with PADMÉ: segments, snapshot chunks and indexes. At most 12 % more.
pub fn pad_padme(plaintext: &[u8]) -> Vec<u8> {
    pad(plaintext, padme)
}

/// The plaintext that [`pad_padme`] was given.
///
/// # Errors
/// `corrupt` unless `padded` is exactly what that function makes.
pub fn unpad_padme(padded: &[u8]) -> Result<&[u8], Error> {
    unpad(padded, padme).ok_or_else(|| corrupt("padding"))
}

/// The length PADMÉ gives to `len` bytes: with E = ⌊log₂ len⌋ and S = ⌊log₂ E⌋ + 1, the next multiple of 2^(E − S).
/// Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs 2019, §4.
pub fn padme_len(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let zero_bits = exponent - (exponent.ilog2() + 1);
    len.next_multiple_of(1 << zero_bits)
}

fn padme(len: usize) -> usize {
    usize::try_from(padme_len(len as u64)).expect("an object is bounded far below the address space")
}

fn power_of_two_len(len: usize) -> usize {
    len.next_power_of_two().max(POWER_OF_TWO_MIN)
}

fn pad(plaintext: &[u8], padded_len: fn(usize) -> usize) -> Vec<u8> {
    let len = u32::try_from(plaintext.len()).expect("an object is bounded far below 4 GiB");
    let padded_len = padded_len(LENGTH_BYTES + plaintext.len());
    let mut out = Vec::with_capacity(padded_len);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(plaintext);
    out.resize(padded_len, 0);
    out
}

fn unpad(padded: &[u8], padded_len: fn(usize) -> usize) -> Option<&[u8]> {
    let (len, rest) = padded.split_first_chunk::<LENGTH_BYTES>()?;
    let (plaintext, zeros) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let whole = padded.len() == padded_len(LENGTH_BYTES + plaintext.len());
    (whole && zeros.iter().all(|byte| *byte == 0)).then_some(plaintext)
}
