//! The platform's random numbers.

use tidelock_core::crypto::Entropy;

/// The platform's random bytes.
pub(crate) struct Platform;

impl Entropy for Platform {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("every platform with cryptography has random bytes");
    }
}

/// For jitter: the modulo's bias is far below what spreading polls could notice.
pub(crate) fn below(bound: u64) -> u64 {
    getrandom::u64().map_or(0, |random| random % bound.max(1))
}
