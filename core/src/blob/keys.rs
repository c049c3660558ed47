//! The keys of a space's content, and the names that they give.

use super::{Gear, PIECE_BYTES};
use crate::crypto::{HashKey, KeyRing};
use crate::{BlobId, PieceId, SpaceId};

/// Names and cuts a space's content. They come from the vault's first epoch, so that equal content has one name for ever.
#[derive(Clone, Debug)]
pub struct Keys {
    piece: HashKey,
    blob: HashKey,
    cut: HashKey,
}

/// What the plaintext of a piece is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Its own id.
    Piece(PieceId),
    /// It is the list of the pieces of this blob, which has so many bytes, more than [`PIECE_BYTES`].
    List(BlobId, u64),
}

impl Keys {
    /// The keys of a space.
    pub fn new(ring: &KeyRing, space: SpaceId) -> Self {
        Self { piece: ring.piece_id_key(space), blob: ring.blob_id_key(space), cut: ring.cut_key(space) }
    }

    /// The id of a piece with this plaintext. Of a blob of at most [`PIECE_BYTES`] it is the blob's id too.
    pub fn piece_id(&self, plaintext: &[u8]) -> PieceId {
        PieceId(self.piece.hash(plaintext).0)
    }

    /// The id of a blob of `len` bytes, more than [`PIECE_BYTES`], from its list: the ids of its pieces, back to back.
    pub fn blob_id(&self, len: u64, list: &[u8]) -> BlobId {
        BlobId(self.blob.hash(&[&len.to_le_bytes(), list].concat()).0)
    }

    /// The table by which this space's content is cut.
    pub fn gear(&self) -> Gear {
        Gear::new(&self.cut)
    }

    /// Whether a plaintext is what has this name.
    pub(super) fn fits(&self, name: &Name, plaintext: &[u8]) -> bool {
        match *name {
            Name::Piece(id) => self.piece_id(plaintext) == id,
            Name::List(id, len) => {
                let pieces = len.div_ceil(PIECE_BYTES);
                let whole = plaintext.len() as u64 / PieceId::BYTES as u64 == pieces
                    && plaintext.len().is_multiple_of(PieceId::BYTES);
                len > PIECE_BYTES && whole && self.blob_id(len, plaintext) == id
            }
        }
    }
}
