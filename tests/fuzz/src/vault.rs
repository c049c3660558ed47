//! The vault of `tests/vectors`: its id, and a ring of its keys.

use tidelock_core::crypto::{DeviceSecret, Entropy, KeyRing, ObjectKind};
use tidelock_core::{EpochId, VaultId};

/// Its id.
pub fn id() -> VaultId {
    VaultId(std::array::from_fn(|at| at as u8 * 0x11))
}

/// Its three epochs, two of which were opened at once.
pub fn ring() -> KeyRing {
    let entry = |number: u32, id: u8, secret: u8| [&number.to_le_bytes()[..], &[id; 8], &[secret; 32]].concat();
    let entries = [entry(1, 0x11, 0xa1), entry(2, 0x22, 0xa2), entry(2, 0x2f, 0xa3)].concat();
    let current = [&newest().number.to_le_bytes()[..], &newest().id].concat();
    let bytes = [&id().0[..], &3u32.to_le_bytes(), &entries, &current].concat();
    KeyRing::from_bytes(&bytes).expect("a ring of three epochs")
}

/// The newest epoch.
pub fn newest() -> EpochId {
    EpochId { number: 2, id: [0x2f; 8] }
}

/// Its first device.
pub fn device() -> DeviceSecret {
    DeviceSecret::from_bytes([0xd1; 32])
}

/// The kinds of objects, by number.
pub const KINDS: [ObjectKind; 10] = [
    ObjectKind::Slot,
    ObjectKind::Keys,
    ObjectKind::Beacon,
    ObjectKind::Manifest,
    ObjectKind::Segment,
    ObjectKind::SnapshotIndex,
    ObjectKind::SnapshotChunk,
    ObjectKind::Pack,
    ObjectKind::Grant,
    ObjectKind::Archive,
];

/// Entropy that is no such thing: one byte for ever.
pub struct Constant(pub u8);

impl Entropy for Constant {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(self.0);
    }
}
