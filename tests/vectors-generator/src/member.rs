//! A member that lies: manifests of its own, well signed, that publish any root records. For tests of what engines take.

use crate::bytes::Id;
use crate::manifest::Manifest;
use crate::ops::{Action, Op, Run, root};
use crate::sealing::device_id;

/// The first manifest of the device with this seed, signed, before padding: it puts these values at keys of the root
/// collection, at a time in ms since 1970.
pub fn manifest_with_root_records(
    seed: [u8; 32],
    vault: Id,
    space: Id,
    at_ms: u64,
    records: &[(String, Vec<u8>)],
) -> Vec<u8> {
    let device = device_id(&seed);
    let put = |(counter, (key, value)): (u32, &(String, Vec<u8>))| {
        Op::new(root(), key, Action::Put(value.clone())).at(at_ms, counter)
    };
    let ops = (0..).zip(records).map(put).collect();
    Manifest { home: [vault, space, device], ..Manifest::first(seed, Run::first(device, ops), &[]) }.signed()
}
