//! Sealing and opening packs: whole, or a range of one that holds a piece.

use super::directory::read_directory;
use super::piece::{inflate, is_possible};
use super::{HELD_MAX, Held, Keys, Name, PieceKind, bad};
use crate::crypto::{ContentKey, KeyRing, ObjectKind, Place, Salt, open, open_part, seal, sealed_part, unpad_padme};
use crate::{DeviceId, EpochId, Error, ErrorKind, ObjectId, SpaceId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::ops::Range;

/// The most bytes of a sealed pack that a reader takes.
pub const SEALED_BYTES_MAX: u64 = 16 << 20;
/// Where a body begins in the padded plaintext: behind its length.
const BODY_AT: u64 = 4;

/// What a pack's pieces are of. The number is part of packs' ids: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Class {
    /// Attachments of records.
    Attachments = 1,
    /// Contents of files in backups.
    Data = 2,
    /// What describes and locates the contents of files.
    Tree = 3,
}

impl Class {
    /// Its part of a pack's path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attachments => "att",
            Self::Data => "data",
            Self::Tree => "tree",
        }
    }
}

/// Where a pack is, relative to the store's prefix. `device` PUT it.
pub fn pack_path(space: SpaceId, class: Class, device: DeviceId, id: ObjectId) -> String {
    format!("spaces/{space}/blobs/{}/{device}/{id}", class.name())
}

/// Where a piece lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Spot {
    /// Its number in the directory, from 0.
    pub no: u16,
    /// Bytes of pieces before it.
    pub at: u32,
    /// Bytes in the pack.
    pub stored: u32,
    /// Bytes of plaintext where it is compressed; 0 where it is stored as it is.
    pub inflated: u32,
}

impl Spot {
    /// A piece's bytes in the padded plaintext. `None` if no pack has a piece of this kind there.
    pub(super) fn range(&self, kind: PieceKind) -> Option<Range<u64>> {
        let start = BODY_AT + u64::from(self.at);
        let range = start..start + u64::from(self.stored);
        let possible = usize::from(self.no) < HELD_MAX
            && is_possible(kind, self.stored, self.inflated)
            && range.end < SEALED_BYTES_MAX;
        possible.then_some(range)
    }
}

/// A piece to be read: where it is said to lie, and what it must be. No byte of it counts before its hash fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub spot: Spot,
    /// What it holds, which bounds its length.
    pub kind: PieceKind,
    /// What it is known by.
    pub name: Name,
}

impl Wanted {
    /// First and last byte of the sealed pack to ask for. A pack that ends before the last has answered all the same. A server
    /// that ignores ranges sends the whole pack: let the answer have [`SEALED_BYTES_MAX`].
    ///
    /// # Errors
    /// `corrupt` for a spot that is in no pack.
    pub fn sealed_range(&self) -> Result<(u64, u64), Error> {
        self.plaintext_range().map(sealed_part)
    }

    /// Its bytes in the padded plaintext.
    fn plaintext_range(&self) -> Result<Range<u64>, Error> {
        self.spot.range(self.kind).ok_or_else(|| bad("a piece is said to lie where none can"))
    }

    fn checked(&self, keys: &Keys, stored: &[u8]) -> Result<Vec<u8>, Error> {
        let plaintext = inflate(stored, self.spot.inflated)?;
        if !keys.fits(&self.name, &plaintext) {
            return Err(Error::new(ErrorKind::HashMismatch, "a piece of a pack is not the one that was named")
                .next_step("none here: another place of the same content may have it"));
        }
        Ok(plaintext)
    }
}

/// Where a pack is, and the key that seals and opens it there: all that work on another thread needs.
#[derive(Clone, Debug)]
pub struct PackAt {
    key: ContentKey,
    vault: VaultId,
    epoch: EpochId,
    path: String,
}

impl PackAt {
    /// A pack under an epoch. `None` for an epoch that is not known here.
    pub fn new(
        ring: &KeyRing,
        space: SpaceId,
        class: Class,
        device: DeviceId,
        id: ObjectId,
        epoch: EpochId,
    ) -> Option<Self> {
        let key = ring.content_key(epoch, space)?;
        Some(Self { key, vault: ring.vault(), epoch, path: pack_path(space, class, device, id) })
    }

    /// Its path relative to the store's prefix.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn seal(&self, padded: &[u8]) -> Vec<u8> {
        seal(&self.key, &self.place(), &Salt::of_pack(&self.path), padded)
    }

    /// Opens a whole pack. Its pieces count one by one: [`Pack::piece`].
    ///
    /// # Errors
    /// `corrupt` for anything but a pack that was sealed to this place.
    pub fn open(&self, sealed: &[u8]) -> Result<Pack, Error> {
        self.open_whole(sealed).map_err(|error| error.on(&self.path))
    }

    fn open_whole(&self, sealed: &[u8]) -> Result<Pack, Error> {
        if sealed.len() as u64 > SEALED_BYTES_MAX {
            return Err(bad("a pack is longer than it may be"));
        }
        if !Salt::of_pack(&self.path).is_of(sealed) {
            return Err(bad("a pack's salt is not its path's"));
        }
        let padded = open(&self.key, &self.place(), sealed, SEALED_BYTES_MAX)?;
        Pack::read(padded)
    }

    /// The plaintext of a piece, from the answer to [`Wanted::sealed_range`].
    ///
    /// # Errors
    /// `corrupt` if the bytes are not of the pack that was sealed to this place, or if no piece lies there; `hash-mismatch`
    /// if another one does.
    pub fn open_piece(&self, wanted: &Wanted, keys: &Keys, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let salt = Salt::of_pack(&self.path);
        wanted
            .plaintext_range()
            .and_then(|range| open_part(&self.key, &self.place(), &salt, range, sealed))
            .and_then(|stored| wanted.checked(keys, &stored))
            .map_err(|error| error.on(&self.path))
    }

    fn place(&self) -> Place<'_> {
        Place { vault: self.vault, kind: ObjectKind::Pack, epoch: self.epoch, path: &self.path }
    }
}

/// A pack that was opened whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    held: Vec<Held>,
    /// By number: the bytes of pieces before it.
    starts: Vec<u32>,
    padded: Vec<u8>,
}

impl Pack {
    /// Reads a padded plaintext.
    pub(super) fn read(padded: Vec<u8>) -> Result<Self, Error> {
        let held = read_directory(unpad_padme(&padded)?)?;
        let mut starts = Vec::with_capacity(held.len());
        let mut next = 0;
        for held in &held {
            starts.push(next);
            next += held.stored;
        }
        Ok(Self { held, starts, padded })
    }

    /// All its pieces, in the order of their numbers, by what its directory says of them.
    pub fn pieces(&self) -> impl Iterator<Item = Wanted> + '_ {
        (0..).zip(&self.starts).zip(&self.held).map(|((no, at), held)| Wanted {
            spot: Spot { no, at: *at, stored: held.stored, inflated: held.inflated },
            kind: held.kind,
            name: Name::Piece(held.id),
        })
    }

    /// The plaintext of a piece.
    ///
    /// # Errors
    /// `corrupt` if the directory has no such piece there, or if it does not inflate; `hash-mismatch` if it is another one.
    pub fn piece(&self, wanted: &Wanted, keys: &Keys) -> Result<Vec<u8>, Error> {
        let told = self.pieces().nth(usize::from(wanted.spot.no));
        if !told.is_some_and(|told| told.spot == wanted.spot && told.kind == wanted.kind) {
            return Err(bad("a piece does not lie where it is said to"));
        }
        let start = BODY_AT as usize + wanted.spot.at as usize;
        wanted.checked(keys, &self.padded[start..start + wanted.spot.stored as usize])
    }
}
