//! Packs and cuts: the shared vectors, what must be refused, and what must come back.
#![allow(clippy::unwrap_used, reason = "in a test it is the failure")]

mod cuts;
mod packs;
mod ranges;
mod shared;

use super::*;
use crate::crypto::{DeviceSecret, Entropy, KeyRing, RootSecret, private_space_id};
use crate::{DeviceId, EpochId, ErrorKind, ObjectId, SpaceId, VaultId};
use bytes::Bytes;

const EPOCHS: [EpochId; 2] = [EpochId { number: 1, id: [0x11; 8] }, EpochId { number: 2, id: [0x22; 8] }];
const VAULT: VaultId = VaultId([0x0a; 16]);
const DEVICE: DeviceId = DeviceId([0xde; 16]);

fn ring() -> KeyRing {
    let root = |byte: u8| borsh::from_slice::<RootSecret>(&[byte; 32]).unwrap();
    let mut ring = KeyRing::first(VAULT, EPOCHS[0], root(1)).unwrap();
    ring.add(EPOCHS[1], root(2)).unwrap();
    ring
}

fn space() -> SpaceId {
    private_space_id(VAULT)
}

fn keys() -> Keys {
    Keys::new(&ring(), space())
}

fn at(class: Class, id: ObjectId) -> PackAt {
    PackAt::new(&ring(), space(), class, DEVICE, id, EPOCHS[1]).unwrap()
}

/// Bytes that no compressor makes shorter: a generator's, by its seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    let mut out: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    out.truncate(len);
    out
}

fn piece(kind: PieceKind, plaintext: &[u8]) -> Piece {
    Piece::new(kind, keys().piece_id(plaintext), Bytes::copy_from_slice(plaintext)).unwrap()
}

/// A pack of these plaintexts, all content, and where they lie.
fn pack(plaintexts: &[Vec<u8>]) -> (FullPack, Vec<Wanted>) {
    let mut pack = PackBuilder::new(Class::Data, PACK_BYTES).unwrap();
    let wanted = plaintexts.iter().map(|plaintext| {
        let piece = piece(PieceKind::Content, plaintext);
        let spot = pack.add(&piece).unwrap().expect("it fits");
        Wanted { spot, kind: PieceKind::Content, name: Name::Piece(piece.id) }
    });
    let wanted = wanted.collect();
    (pack.finish().unwrap(), wanted)
}

/// Entropy that never changes: what a frozen or cloned machine may have.
struct Frozen(u8);

impl Entropy for Frozen {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(self.0);
    }
}

fn device() -> DeviceSecret {
    DeviceSecret::from_bytes([0xd0; 32])
}
