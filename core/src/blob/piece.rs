//! What is stored of a piece: its plaintext, or one zstd frame of it alone.

use super::bad;
use crate::{Error, ErrorKind, PieceId, zstd};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

/// What a piece holds. The number stands in directories: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum PieceKind {
    /// Bytes of an attachment or a file.
    Content = 1,
    /// The ids of a blob's pieces.
    List = 2,
    /// Entries of a snapshot.
    TreeChunk = 3,
    /// The list of a snapshot's tree chunks.
    TreeRoot = 4,
    /// Which pieces of which packs a snapshot needs.
    Usage = 5,
    /// Where pieces have gone.
    Moves = 6,
}

impl PieceKind {
    /// The most bytes of plaintext.
    pub fn plaintext_max(self) -> u32 {
        match self {
            Self::Content | Self::List => 4 << 20,
            Self::TreeChunk | Self::TreeRoot | Self::Usage | Self::Moves => 16 << 20,
        }
    }
}

/// A piece as a pack takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub(super) kind: PieceKind,
    pub(super) id: PieceId,
    pub(super) stored: Bytes,
    /// The plaintext's length if `stored` is a zstd frame, else 0.
    pub(super) inflated: u32,
}

impl Piece {
    /// Compresses a plaintext by itself where that saves at least 3 %. `id` is `Keys::piece_id` of it.
    ///
    /// # Errors
    /// `invalid` for no bytes, or for more than the kind takes.
    pub fn new(kind: PieceKind, id: PieceId, plaintext: Bytes) -> Result<Self, Error> {
        let len = u32::try_from(plaintext.len()).ok().filter(|len| (1..=kind.plaintext_max()).contains(len));
        let Some(len) = len else {
            return Err(Error::new(ErrorKind::Invalid, format!("a piece of {} bytes", plaintext.len()))
                .next_step(format!("pieces of this kind have 1 to {} bytes", kind.plaintext_max())));
        };
        let most = plaintext.len() - (plaintext.len() * 3).div_ceil(100);
        Ok(match zstd::compress(&plaintext, most) {
            Some(frame) => Self { kind, id, stored: frame.into(), inflated: len },
            None => Self { kind, id, stored: plaintext, inflated: 0 },
        })
    }
}

/// Whether lengths can be those of a stored piece: `inflated` is 0, or what a shorter frame inflates to.
pub(super) fn is_possible(kind: PieceKind, stored: u32, inflated: u32) -> bool {
    let plaintext = if inflated == 0 { stored } else { inflated };
    stored >= 1 && plaintext <= kind.plaintext_max() && (inflated == 0 || stored < inflated)
}

/// The plaintext of a stored piece whose lengths are possible. No more is inflated than was declared.
pub(super) fn inflate(stored: &[u8], inflated: u32) -> Result<Vec<u8>, Error> {
    match inflated {
        0 => Ok(stored.to_vec()),
        len => usize::try_from(len)
            .ok()
            .and_then(|len| zstd::inflate(stored, len))
            .ok_or_else(|| bad("a piece does not inflate to its declared length")),
    }
}
