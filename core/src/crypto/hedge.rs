//! Randomness that survives bad entropy: frozen, repeated or known entropy never repeats a salt or a key for new input.

use super::labels::labelled;
use hpke::rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;
use zeroize::Zeroizing;

/// The platform's cryptographic random bytes. The core has none of its own.
pub trait Entropy {
    /// Fills all of `out`.
    fn fill(&mut self, out: &mut [u8]);
}

/// Entropy drawn for one use, in bytes.
pub(super) const ENTROPY_BYTES: usize = 32;

/// Draws what one use needs.
pub(super) fn draw(entropy: &mut dyn Entropy) -> Zeroizing<[u8; ENTROPY_BYTES]> {
    let mut drawn = Zeroizing::new([0; ENTROPY_BYTES]);
    entropy.fill(&mut *drawn);
    drawn
}

/// Keyed BLAKE3 under a device's hedge key of entropy ‖ context, as far out as `out` is long.
pub(super) fn hedged(
    hedge_key: &[u8; 32],
    label: &str,
    drawn: &[u8; ENTROPY_BYTES],
    context: &[&[u8]],
    out: &mut [u8],
) {
    let input = Zeroizing::new([labelled(label, &[drawn]), context.concat()].concat());
    blake3::Hasher::new_keyed(hedge_key).update(&input).finalize_xof().fill(out);
}

/// The random generator that HPKE asks for its ephemeral key: the stream of BLAKE3 keyed with one hedged seed.
pub(super) struct HedgedRng(blake3::OutputReader);

impl HedgedRng {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(seed).finalize_xof())
    }
}

impl TryRng for HedgedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for HedgedRng {}
