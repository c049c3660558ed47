//! Where a blob lies, as the records of places say it.

use super::{PIECE_BYTES, PieceKind, Spot, bad};
use crate::{DeviceId, EpochId, Error, ObjectId};
use borsh::{BorshDeserialize, BorshSerialize};

/// Pieces in each pack of a blob that has packs of its own; the last pack may have fewer.
pub const PIECES_PER_PACK: u64 = 7;
/// The most packs that one blob has.
pub const PACKS_MAX: usize = 2048;

/// Where a piece lies: in which pack, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// Who PUT the pack.
    pub device: DeviceId,
    /// The pack.
    pub pack: ObjectId,
    /// What the pack is sealed under.
    pub epoch: EpochId,
    /// Where in it.
    pub spot: Spot,
}

/// Where a blob lies: one of its places, or all of its packs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Laid {
    /// A blob of one piece, in a pack with others.
    One(Place) = 1,
    /// A longer blob, in packs of its own: [`PIECES_PER_PACK`] pieces in each, stored as they are, so that a byte's place follows
    /// from its number.
    Own {
        /// What the packs are sealed under.
        epoch: EpochId,
        /// Who PUT them.
        device: DeviceId,
        /// In the blob's order: 1 to [`PACKS_MAX`].
        packs: Vec<ObjectId>,
        /// Where in the last of them the list of the blob's pieces lies.
        list: Spot,
    } = 2,
}

impl Laid {
    /// Reads a record's value.
    ///
    /// # Errors
    /// `corrupt` for anything but one encoding of a place that can be.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let laid: Self = borsh::from_slice(bytes).map_err(|_| bad("a blob's place is not validly encoded"))?;
        let is_possible = match &laid {
            Self::One(Place { spot, .. }) => {
                let plaintext = if spot.inflated == 0 { spot.stored } else { spot.inflated };
                spot.range(PieceKind::Content).is_some() && u64::from(plaintext) <= PIECE_BYTES
            }
            Self::Own { packs, list, .. } => {
                (1..=PACKS_MAX).contains(&packs.len()) && list.range(PieceKind::List).is_some()
            }
        };
        if is_possible { Ok(laid) } else { Err(bad("a blob is said to lie where none can")) }
    }
}
