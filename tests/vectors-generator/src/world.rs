//! The one vault that all vectors are of.

use crate::bytes::{Id, Tag};
use crate::case::hex;
use crate::sealing::{Epoch, derive, device_id, hash};
use serde_json::{Value, json};

pub(crate) const VAULT: Id =
    [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
pub(crate) const OTHER_VAULT: Id = [0x0e; 16];
pub(crate) const FIRST: Epoch = Epoch(1, [0x11; 8]);
pub(crate) const SECOND: Epoch = Epoch(2, [0x22; 8]);
/// Of the same number, opened at once with the one above: the greater id is the newer.
pub(crate) const SECOND_TOO: Epoch = Epoch(2, [0x2f; 8]);
/// Root secrets of the three epochs.
pub(crate) const ROOTS: [[u8; 32]; 3] = [[0xa1; 32], [0xa2; 32], [0xa3; 32]];
/// Seeds of three devices.
pub(crate) const SEEDS: [[u8; 32]; 3] = [[0xd1; 32], [0xd2; 32], [0xd3; 32]];
/// 2023-11-14.
pub(crate) const MS: u64 = 1_700_000_000_000;
pub(crate) const CODE: [u8; 20] = *b"0123456789abcdefghij";

/// The vault's epochs and secrets, oldest first.
pub(crate) fn ring() -> Vec<(Epoch, [u8; 32])> {
    [FIRST, SECOND, SECOND_TOO].into_iter().zip(ROOTS).collect()
}

/// The ring as checks are given it.
pub(crate) fn ring_value(ring: &[(Epoch, [u8; 32])]) -> Value {
    ring.iter().map(|(epoch, root)| json!({"epoch": epoch.text(), "root_secret": hex(root)})).collect()
}

pub(crate) fn space() -> Id {
    derive(&VAULT, "private space", b"")
}

pub(crate) fn header() -> Vec<u8> {
    format!("tidelock 1\nvault {}\n", hex(VAULT)).into_bytes()
}

pub(crate) fn content_key(root: &[u8; 32], space: Id) -> [u8; 32] {
    derive(root, "content", &[VAULT, space].concat())
}

/// The three devices' ids, by rising id: their seeds go with them.
pub(crate) fn devices() -> Vec<(Id, [u8; 32])> {
    let mut devices: Vec<_> = SEEDS.iter().map(|seed| (device_id(seed), *seed)).collect();
    devices.sort_unstable();
    devices
}

pub(crate) fn first_tag(device: &Id) -> Tag {
    short(hash(device))
}

pub(crate) fn short(hash: [u8; 32]) -> Tag {
    hash[..8].try_into().expect("8 bytes")
}
