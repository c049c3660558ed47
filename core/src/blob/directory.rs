//! The directory at a pack's end: what each piece is, and how long.

use super::piece::is_possible;
use super::{PieceKind, bad};
use crate::{Error, PieceId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// The most pieces of one pack.
pub const HELD_MAX: usize = 4096;
/// Encoded bytes of a [`Held`].
const HELD_BYTES: usize = 1 + PieceId::BYTES + 4 + 4;
/// The length of a list, and that of the directory.
const COUNT_BYTES: usize = 4;

/// One piece, as its pack's directory tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Held {
    /// What it holds.
    pub kind: PieceKind,
    /// Its id.
    pub id: PieceId,
    /// Bytes in the pack.
    pub stored: u32,
    /// Bytes of plaintext where it is compressed; 0 where it is stored as it is.
    pub inflated: u32,
}

/// Bytes of a directory of so many pieces, and of its length behind it.
pub(super) const fn directory_len(pieces: usize) -> usize {
    COUNT_BYTES + pieces * HELD_BYTES + COUNT_BYTES
}

/// A directory, without its length.
pub(super) fn encode_directory(held: &[Held]) -> Vec<u8> {
    borsh::to_vec(held).expect("writing to memory cannot fail")
}

/// The directory at the end of a pack's body, which is that of the bytes before it.
pub(super) fn read_directory(body: &[u8]) -> Result<Vec<Held>, Error> {
    let (rest, len) = body.split_last_chunk::<COUNT_BYTES>().ok_or_else(|| bad("a pack has no directory"))?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok().filter(|len| *len <= directory_len(HELD_MAX));
    let at = len.and_then(|len| rest.len().checked_sub(len));
    let (pieces, directory) = rest.split_at(at.ok_or_else(|| bad("a pack's directory is longer than it may be"))?);
    let held: Vec<Held> = borsh::from_slice(directory).map_err(|_| bad("a pack's directory is not validly encoded"))?;
    if !(1..=HELD_MAX).contains(&held.len()) {
        return Err(bad("a pack has no piece, or more than it may have"));
    }
    if !held.iter().all(|held| is_possible(held.kind, held.stored, held.inflated)) {
        return Err(bad("a pack's directory names an impossible length"));
    }
    if held.iter().map(|held| u64::from(held.stored)).sum::<u64>() != pieces.len() as u64 {
        return Err(bad("a pack's pieces are not as long as its directory says"));
    }
    if held.iter().map(|held| held.id).collect::<BTreeSet<_>>().len() != held.len() {
        return Err(bad("a pack's directory names a piece twice"));
    }
    Ok(held)
}
