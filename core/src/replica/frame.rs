//! Frames: bytes of one collection, compressed alone, with their length declared and bounded before inflating.

use crate::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};

/// The most bytes a frame may inflate to.
pub(super) const FRAME_BYTES_MAX: usize = 8 << 20;
/// The most bytes that all frames of one object inflate to: what an object without compression could hold.
pub(super) const FRAMES_BYTES_MAX: usize = 16 << 20;
/// The level of the one codec: the fastest that still halves shell history.
const LEVEL: i32 = 1;

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
    /// Packs bytes; a compressed frame is opened again before it counts, so that a codec's defect loses nothing.
    pub(super) fn pack(bytes: Vec<u8>, compress: bool) -> Self {
        if compress && let (Ok(packed), Ok(inflated)) = (zrip::compress(&bytes, LEVEL), u32::try_from(bytes.len())) {
            let frame = Self::Zstd { inflated, bytes: packed };
            let opens = || frame.clone().unpack(&mut bytes.len()).is_ok_and(|again| again == bytes);
            if frame.stored_len() < bytes.len() && opens() {
                return frame;
            }
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
                if is_one_zstd_frame(&bytes) != Some(true) {
                    return Err(bad());
                }
                let out = zrip::decompress_with_limit(&bytes, inflated).map_err(|_| bad())?;
                if out.len() == inflated { Ok(out) } else { Err(bad()) }
            }
        }
    }

    fn stored_len(&self) -> usize {
        match self {
            Self::Stored(bytes) => bytes.len(),
            Self::Zstd { bytes, .. } => bytes.len() + 4,
        }
    }
}

/// Whether the bytes are one zstd frame without a dictionary and nothing else, by its header and its blocks' headers (RFC
/// 8878 §3.1.1): the codec itself also takes several frames, and skippable ones between them.
fn is_one_zstd_frame(bytes: &[u8]) -> Option<bool> {
    let (descriptor, mut rest) = bytes.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
    let (single_segment, checksum) = (descriptor & 0x20 != 0, descriptor & 0x04 != 0);
    let content_size_bytes = match descriptor >> 6 {
        0 => usize::from(single_segment),
        flag => 1 << flag,
    };
    if descriptor & 0x03 != 0 {
        return None; // a dictionary's id
    }
    if !single_segment {
        let (window, after) = rest.split_first()?;
        let base = 1u64 << (10 + (window >> 3));
        if base + base / 8 * u64::from(window & 7) > FRAME_BYTES_MAX as u64 {
            return None;
        }
        rest = after;
    }
    rest = rest.get(content_size_bytes..)?;
    loop {
        let (header, after) = rest.split_first_chunk::<3>()?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let body = match header >> 1 & 3 {
            1 => 1, // one byte, repeated
            _ => usize::try_from(header >> 3).ok()?,
        };
        rest = after.get(body..)?;
        if header & 1 == 1 {
            return Some(rest.len() == if checksum { 4 } else { 0 });
        }
    }
}
