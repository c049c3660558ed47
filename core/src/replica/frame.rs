//! Frames: bytes of one collection, compressed alone, with their length declared and bounded before inflating.

use crate::{Error, ErrorKind, zstd};
use borsh::{BorshDeserialize, BorshSerialize};

/// The most bytes a frame may inflate to.
pub(super) const FRAME_BYTES_MAX: usize = 8 << 20;
/// The most bytes that all frames of one object inflate to: what an object without compression could hold.
pub(super) const FRAMES_BYTES_MAX: usize = 16 << 20;
/// Bytes of a compressed frame's declared length.
const LENGTH_BYTES: usize = 4;

/// Stored or compressed, whichever is shorter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(super) enum Frame {
    Stored(Vec<u8>) = 0,
    /// One zstd frame and the length it inflates to.
    Zstd {
        inflated: u32,
        bytes: Vec<u8>,
    } = 1,
}

impl Frame {
    /// Packs bytes: compressed where that is shorter.
    pub(super) fn pack(bytes: Vec<u8>, compress: bool) -> Self {
        if compress
            && bytes.len() <= FRAME_BYTES_MAX
            && let Some(most) = bytes.len().checked_sub(LENGTH_BYTES + 1)
            && let Ok(inflated) = u32::try_from(bytes.len())
            && let Some(packed) = zstd::compress(&bytes, most)
        {
            return Self::Zstd { inflated, bytes: packed };
        }
        Self::Stored(bytes)
    }

    /// The bytes again. `left` is what the frames of one object may still inflate to: many small ones can declare a lot.
    pub(super) fn unpack(self, left: &mut usize) -> Result<Vec<u8>, Error> {
        let bad = || Error::new(ErrorKind::Corrupt, "a compressed frame does not inflate to its declared length");
        match self {
            Self::Stored(bytes) => Ok(bytes),
            Self::Zstd { inflated, bytes } => {
                let bound = if weakened!(FrameUnbounded) { usize::MAX } else { FRAME_BYTES_MAX.min(*left) };
                let inflated = usize::try_from(inflated).ok().filter(|len| *len <= bound).ok_or_else(bad)?;
                *left = left.saturating_sub(inflated);
                zstd::inflate(&bytes, inflated).ok_or_else(bad)
            }
        }
    }
}
