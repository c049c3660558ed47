//! Tests of the cryptography: published vectors, a second implementation's bytes, and everything that must be refused.
#![allow(clippy::unwrap_used, reason = "in a test it is the failure")]

mod model;
mod persons;
mod refusals;
mod shared;
mod slots;
mod vectors;

use super::*;
use crate::{EpochId, Hash, SpaceId, VaultId};

const VAULT: VaultId = VaultId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
const SPACE: SpaceId = SpaceId([16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
const EPOCHS: [EpochId; 3] =
    [EpochId { number: 1, id: [0x11; 8] }, EpochId { number: 2, id: [0x22; 8] }, EpochId { number: 2, id: [0x2f; 8] }];
const NEWEST: EpochId = EPOCHS[2];
const HEADER_HASH: Hash = Hash([0xcc; 32]);

/// Entropy that never changes: what a frozen or cloned machine may have.
struct Frozen;

impl Entropy for Frozen {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0x42);
    }
}

fn device() -> DeviceSecret {
    DeviceSecret::from_bytes([0xd0; 32])
}

fn ring() -> KeyRing {
    let mut ring = KeyRing::first(VAULT, EPOCHS[0], RootSecret([0xa1; 32])).unwrap();
    ring.add(EPOCHS[1], RootSecret([0xa2; 32])).unwrap();
    ring.add(EPOCHS[2], RootSecret([0xa3; 32])).unwrap();
    ring
}

fn counting(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}
