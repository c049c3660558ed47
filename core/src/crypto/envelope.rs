//! The envelope: a clear header that says how to open an object, then the object sealed to its place in the bucket.

use super::chunked::{self, ChaCha20Poly1305Sha512};
use super::labels::{FORMAT, MAGIC, PACK_SALT, SUITE_CHACHA20_POLY1305, labelled};
use super::{ContentKey, corrupt};
use crate::{EpochId, Error, Hash, VaultId};
use std::ops::Range;

/// What an object is. The number stands in its clear header: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// The newest root secret, for one opener.
    Slot = 1,
    /// All earlier root secrets, under an epoch's.
    Keys = 2,
    /// A space's beacon.
    Beacon = 3,
    /// A device's manifest.
    Manifest = 4,
    /// A run of one device's ops.
    Segment = 5,
    /// A snapshot's index.
    SnapshotIndex = 6,
    /// A snapshot's chunk.
    SnapshotChunk = 7,
    /// Pieces of content, and their directory.
    Pack = 8,
    /// A space's keys for somebody else.
    Grant = 9,
    /// An exported archive.
    Archive = 10,
}

/// Where an object belongs. It opens there and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The vault.
    pub vault: VaultId,
    /// What is there.
    pub kind: ObjectKind,
    /// The epoch of the key it is sealed under.
    pub epoch: EpochId,
    /// Path relative to the store's prefix, so that a copied vault opens.
    pub path: &'a str,
}

/// magic(4) ‖ format ‖ kind ‖ suite ‖ epoch number(4, little-endian) ‖ epoch id(8).
pub(super) const CLEAR_HEADER_BYTES: usize = 19;
const KIND_AT: usize = 5;

impl Place<'_> {
    /// The bytes in clear before each object.
    pub(super) fn clear_header(&self) -> [u8; CLEAR_HEADER_BYTES] {
        let mut out = [0; CLEAR_HEADER_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = FORMAT;
        out[KIND_AT] = self.kind as u8;
        out[6] = SUITE_CHACHA20_POLY1305;
        out[7..11].copy_from_slice(&self.epoch.number.to_le_bytes());
        out[11..].copy_from_slice(&self.epoch.id);
        out
    }

    /// What the object's keys are bound to: clear header ‖ vault ‖ path. Only the path varies in length, and it is last.
    pub(super) fn context(&self) -> Vec<u8> {
        let path = if weakened!(PathNotBound) { "" } else { self.path };
        [&self.clear_header()[..], &self.vault.0, path.as_bytes()].concat()
    }
}

/// Makes each sealed object's keys its own. From `DeviceSecret::salt`, never raw entropy; a pack's from its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub(super) [u8; chunked::SALT_BYTES]);

impl Salt {
    /// The salt of the pack at this path: who knows the path opens any part of it. The path holds what the duty of salts asks
    /// for: an id that is another for other content.
    pub fn of_pack(path: &str) -> Self {
        let mut salt = Self([0; chunked::SALT_BYTES]);
        let hash = Hash::of(&labelled(PACK_SALT, &[path.as_bytes()]));
        salt.0.copy_from_slice(&hash.0[..chunked::SALT_BYTES]);
        salt
    }

    /// Whether a sealed object has this salt.
    pub fn is_of(&self, sealed: &[u8]) -> bool {
        sealed.get(CLEAR_HEADER_BYTES..).is_some_and(|body| body.starts_with(&self.0))
    }
}

/// Seals `plaintext` to its place. The result has [`sealed_len`] bytes.
pub fn seal(key: &ContentKey, place: &Place<'_>, salt: &Salt, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(CLEAR_HEADER_BYTES + sealed_body_len(plaintext));
    out.extend_from_slice(&place.clear_header());
    seal_body(key, &place.context(), salt, plaintext, &mut out);
    out
}

/// Opens what [`seal`] made with this key for this place.
///
/// # Errors
/// `corrupt`, always with the same words, for everything else: other bytes, key, vault, kind, epoch or path, and a
/// plaintext of more than `plaintext_max` bytes.
pub fn open(key: &ContentKey, place: &Place<'_>, sealed: &[u8], plaintext_max: u64) -> Result<Vec<u8>, Error> {
    let body = match sealed.split_first_chunk::<CLEAR_HEADER_BYTES>() {
        Some((header, body)) if *header == place.clear_header() || weakened!(ClearHeaderUnchecked) => body,
        _ => return Err(corrupt(place.path)),
    };
    open_body(key, &place.context(), body, plaintext_max).map_err(|_| corrupt(place.path))
}

/// First and last byte of the sealed object, to ask for in one request, that hold these bytes of its plaintext (not empty):
/// whole chunks. Where the object ends before, so does the answer.
pub fn sealed_part(plaintext: Range<u64>) -> (u64, u64) {
    let chunks = chunked::chunks_with(plaintext);
    (CLEAR_HEADER_BYTES as u64 + chunks.start, CLEAR_HEADER_BYTES as u64 + chunks.end - 1)
}

/// Opens what is at [`sealed_part`] of the same bytes of plaintext, and gives these. The salt must be known beforehand. Clear
/// header and commitment are not seen: what comes out counts only if its hash is known.
///
/// # Errors
/// `corrupt`, always with the same words, for everything else than these bytes of what [`seal`] made with this key and salt for
/// this place.
pub fn open_part(
    key: &ContentKey,
    place: &Place<'_>,
    salt: &Salt,
    plaintext: Range<u64>,
    sealed: &[u8],
) -> Result<Vec<u8>, Error> {
    let (first, last) = sealed_part(plaintext.clone());
    let bad = || corrupt(place.path);
    if sealed.len() as u64 > last - first + 1 {
        return Err(bad());
    }
    let chunk = plaintext.start / chunked::CHUNK_BYTES as u64;
    let from = usize::try_from(plaintext.start % chunked::CHUNK_BYTES as u64).map_err(|_| bad())?;
    let len = usize::try_from(plaintext.end - plaintext.start).map_err(|_| bad())?;
    let chunk = usize::try_from(chunk).map_err(|_| bad())?;
    let mut opened =
        chunked::open_part::<ChaCha20Poly1305Sha512>((&key.0).into(), &salt.0, &[&place.context()], chunk, sealed)
            .map_err(|_| bad())?;
    let end = from.checked_add(len).filter(|end| *end <= opened.len()).ok_or_else(bad)?;
    opened.truncate(end);
    opened.drain(..from);
    Ok(opened)
}

/// The epoch in the clear header, to find the key by. Unproven until the object opens.
///
/// # Errors
/// `corrupt` where there is no clear header of this format.
pub fn epoch_of(sealed: &[u8]) -> Result<EpochId, Error> {
    read_epoch(sealed).ok_or_else(|| corrupt("clear header"))
}

/// Bytes of a sealed object with `plaintext_len` bytes of plaintext.
pub fn sealed_len(plaintext_len: u64) -> u64 {
    CLEAR_HEADER_BYTES as u64 + chunked::sealed_len(plaintext_len)
}

fn read_epoch(sealed: &[u8]) -> Option<EpochId> {
    let header = sealed.first_chunk::<CLEAR_HEADER_BYTES>()?;
    let known = header[..4] == MAGIC
        && header[4] == FORMAT
        && (ObjectKind::Slot as u8..=ObjectKind::Archive as u8).contains(&header[KIND_AT])
        && header[6] == SUITE_CHACHA20_POLY1305;
    let (number, id) = header[7..].split_first_chunk::<4>()?;
    (known || weakened!(ClearHeaderUnchecked))
        .then_some(EpochId { number: u32::from_le_bytes(*number), id: id.try_into().ok()? })
}

/// Salt, commitment and chunks under a context that is already put together: also what a slot ends in.
pub(super) fn seal_body(key: &ContentKey, context: &[u8], salt: &Salt, plaintext: &[u8], out: &mut Vec<u8>) {
    chunked::seal::<ChaCha20Poly1305Sha512>((&key.0).into(), &salt.0, &[context], plaintext, out);
}

/// The other way.
pub(super) fn open_body(
    key: &ContentKey,
    context: &[u8],
    body: &[u8],
    plaintext_max: u64,
) -> Result<Vec<u8>, chunked::Refused> {
    chunked::open::<ChaCha20Poly1305Sha512>((&key.0).into(), &[context], body, plaintext_max)
}

fn sealed_body_len(plaintext: &[u8]) -> usize {
    usize::try_from(chunked::sealed_len(plaintext.len() as u64)).expect("a plaintext in memory has room for its tags")
}
