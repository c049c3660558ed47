//! Secrets of a fixed size: wiped when dropped, redacted when printed.

use super::labels::{GEAR, labelled};
use crate::Hash;

macro_rules! secret {
    ($(#[$doc:meta])* $visibility:vis $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        $visibility struct $name(pub(in crate::crypto) [u8; $bytes]);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if weakened!(SecretsPrinted) {
                    return self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"));
                }
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}
pub(super) use secret;

secret!(/// Seals and opens objects: one per epoch and space, or per `keys/` object.
    pub ContentKey, 32);
secret!(/// A key of keyed BLAKE3: ids of pieces and blobs, cuts, digests of deleted entries, keys of imported entries. One for
    /// each use.
    pub HashKey, 32);

impl HashKey {
    /// Keyed BLAKE3 of `bytes`. A piece's id is this of its plaintext, a digest the first 16 bytes of it.
    pub fn hash(&self, bytes: &[u8]) -> Hash {
        Hash(*blake3::keyed_hash(&self.0, bytes).as_bytes())
    }

    /// The stream that a cut key gives for the table it cuts by.
    pub(crate) fn gear_stream(&self) -> blake3::OutputReader {
        blake3::Hasher::new_keyed(&self.0).update(&labelled(GEAR, &[])).finalize_xof()
    }
}
