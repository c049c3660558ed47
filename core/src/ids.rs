//! Names of things: fixed-size ids, lower-case hex where they show.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Its size in bytes.
            pub const BYTES: usize = $bytes;

            /// Reads exactly the lower-case hex that [`fmt::Display`] writes.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut out = [0u8; $bytes];
                if text.len() != 2 * $bytes {
                    return None;
                }
                for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
                }
                Some(Self(out))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

/// Lower-case hex. Ids are in every path: formatting byte by byte takes ten times as long.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut text = String::with_capacity(2 * bytes.len());
    for digit in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
    }
    f.write_str(&text)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

id!(/// A vault: random, made once.
    VaultId, 16);
id!(/// A space of a vault; the private one's is derived from the vault id.
    SpaceId, 16);
id!(/// A device: the first 16 bytes of the BLAKE3 hash of its Ed25519 public key.
    DeviceId, 16);
id!(/// A person among those who share spaces: from the hash of their first public keys.
    PersonId, 16);
id!(/// One person's place in one shared space.
    MemberId, 16);
id!(/// A member's role from its grant to its end: random. Zeros stand for the owner, who has none.
    TermId, 16);
id!(/// A segment, a snapshot's index or one of its chunks, a pack: random.
    ObjectId, 16);
id!(/// A piece: keyed BLAKE3 of its plaintext.
    PieceId, 32);
id!(/// A blob: keyed BLAKE3 of its content, or of its length and its pieces' ids.
    BlobId, 32);
id!(/// BLAKE3 of something.
    Hash, 32);
id!(/// The chain over one line of a device's ops: first 8 bytes of BLAKE3(tag before ‖ op as written).
    Tag, 8);

impl Hash {
    /// BLAKE3 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The first 8 bytes, as a beacon holds them.
    pub fn short(&self) -> [u8; 8] {
        let mut out = [0; 8];
        out.copy_from_slice(&self.0[..8]);
        out
    }
}

/// A root or space epoch: its number and 8 random bytes, so that two epochs opened at once differ.
/// Ordered by number, then id: the greatest is used for sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct EpochId {
    /// Counts from 1.
    pub number: u32,
    /// Random.
    pub id: [u8; 8],
}

impl fmt::Display for EpochId {
    /// As in the name of a `keys/` object: eight hex digits of the number, a hyphen, sixteen of the id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-", self.number)?;
        write_hex(f, &self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_one_form() {
        let id = ObjectId(*b"0123456789abcdef");
        assert_eq!(ObjectId::from_hex(&id.to_string()), Some(id));
        assert_eq!(ObjectId::from_hex(&id.to_string().to_uppercase().replace('3', "A")), None);
        assert_eq!(ObjectId::from_hex("00"), None);
    }
}
