//! Filling a pack, and its id.

use super::directory::{HELD_MAX, directory_len, encode_directory};
use super::{Class, Held, PackAt, Piece, Spot};
use crate::crypto::{DeviceSecret, Entropy, pad_padme, padme_len};
use crate::{EpochId, Error, ErrorKind, Hash, ObjectId, PieceId};
use std::collections::BTreeMap;

/// The padded length up to which a pack is filled where nobody says another.
pub const PACK_BYTES: u32 = 8 << 20;
/// The least such length that somebody may say.
pub const PACK_BYTES_MIN: u32 = 4 << 20;
/// The greatest. A piece that is too long for a pack of the said length has one of its own, of at most this.
pub const PACK_BYTES_MAX: u32 = 15 << 20;

/// What a pack's id is fresh for.
const FRESH_PACK: &str = "pack";
/// Which bytes this version's compressor makes of a piece. Raise it with every change of these: the directory, which a pack's
/// id depends on, says only how many they are.
pub(super) const CODEC_VERSION: u8 = 1;

/// A pack that is being filled.
#[derive(Debug)]
pub struct PackBuilder {
    class: Class,
    padded_max: u32,
    body: Vec<u8>,
    held: Vec<Held>,
    spots: BTreeMap<PieceId, Spot>,
}

impl PackBuilder {
    /// An empty pack, to be filled up to this padded length.
    ///
    /// # Errors
    /// `invalid` for a length below [`PACK_BYTES_MIN`] or above [`PACK_BYTES_MAX`].
    pub fn new(class: Class, padded_max: u32) -> Result<Self, Error> {
        if !(PACK_BYTES_MIN..=PACK_BYTES_MAX).contains(&padded_max) {
            return Err(Error::new(ErrorKind::Invalid, format!("packs of {padded_max} bytes"))
                .next_step(format!("say {PACK_BYTES_MIN} to {PACK_BYTES_MAX} bytes")));
        }
        Ok(Self { class, padded_max, body: Vec::new(), held: Vec::new(), spots: BTreeMap::new() })
    }

    /// Lays a piece into the pack, or says where it lies already. `None`: it does not fit beside what is there, and the pack
    /// is full.
    ///
    /// # Errors
    /// `invalid` for a piece that fits into no pack.
    pub fn add(&mut self, piece: &Piece) -> Result<Option<Spot>, Error> {
        if let Some(spot) = self.spots.get(&piece.id) {
            return Ok(Some(*spot));
        }
        let body = self.body.len() + piece.stored.len() + directory_len(self.held.len() + 1);
        let padded = padme_len(4 + body as u64);
        if padded > u64::from(PACK_BYTES_MAX) && self.held.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, format!("a piece of {} bytes", piece.stored.len()))
                .next_step(format!("a pack has at most {PACK_BYTES_MAX} bytes with its padding")));
        }
        if !self.held.is_empty() && (padded > u64::from(self.padded_max) || self.held.len() == HELD_MAX) {
            return Ok(None);
        }
        let number = |len: usize| u32::try_from(len).expect("a pack is bounded by PACK_BYTES_MAX");
        let held =
            Held { kind: piece.kind, id: piece.id, stored: number(piece.stored.len()), inflated: piece.inflated };
        let spot = Spot {
            no: u16::try_from(self.held.len()).expect("a pack is bounded by HELD_MAX"),
            at: number(self.body.len()),
            stored: held.stored,
            inflated: held.inflated,
        };
        self.body.extend_from_slice(&piece.stored);
        self.held.push(held);
        self.spots.insert(piece.id, spot);
        Ok(Some(spot))
    }

    /// Whether nothing was laid into it.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Ends the filling. `None` for an empty pack, which is not written.
    pub fn finish(self) -> Option<FullPack> {
        if self.held.is_empty() {
            return None;
        }
        let directory = encode_directory(&self.held);
        let len = u32::try_from(directory.len()).expect("a directory is bounded by HELD_MAX");
        let mut body = self.body;
        body.extend_from_slice(&directory);
        body.extend_from_slice(&len.to_le_bytes());
        Some(FullPack { class: self.class, directory: Hash::of(&directory), padded: pad_padme(&body) })
    }
}

/// A pack that is to be sealed.
#[derive(Debug)]
pub struct FullPack {
    pub(super) class: Class,
    pub(super) directory: Hash,
    pub(super) padded: Vec<u8>,
}

impl FullPack {
    /// The id for it under an epoch, drawn once: a retry seals under the same. Frozen or repeated entropy repeats an id only
    /// for the same bytes.
    pub fn draw_id(&self, device: &DeviceSecret, entropy: &mut dyn Entropy, epoch: EpochId) -> ObjectId {
        let number = epoch.number.to_le_bytes();
        let of = [&number[..], &epoch.id, &[self.class as u8], &[CODEC_VERSION], &self.directory.0];
        ObjectId(device.fresh(FRESH_PACK, entropy, &of))
    }

    /// Seals it to its place: that of its class, the id and the epoch of [`FullPack::draw_id`].
    pub fn seal(&self, at: &PackAt) -> Vec<u8> {
        at.seal(&self.padded)
    }
}
