//! Enough bytes for segments and snapshots, written while others sync.

use std::collections::BTreeMap;
use tidelock::Collection;
use tidelock_conformance::{Device, Open, Place};

on_every_store![snapshots_under_load];
// Not where a key takes one write a second: of two devices that write the beacon without a pause, one may come second six
// times running, and its sync ends in `throttled`.

/// Values of this length fill a manifest's tail with two puts.
const VALUE_BYTES: usize = 8 << 10;

fn snapshots_under_load(place: &Place) {
    let (one, secret) = place.create("one");
    let two = place.join("two", &secret);
    let mut devices = [one, two];
    // Both at once: 2 × 12 rounds of six values, over a third of which the next round writes again.
    std::thread::scope(|scope| {
        for (index, device) in devices.iter_mut().enumerate() {
            scope.spawn(move || {
                for round in 0..12 {
                    write_round(device, index, round);
                    device.sync();
                }
            });
        }
    });
    for device in &mut devices {
        device.sync();
    }
    devices[0].sync();

    let bucket = place.bucket();
    assert!(!bucket.keys_of("segments").is_empty());
    assert!(!bucket.keys_of("snapshots").is_empty());
    let mut late = place.join("late", &secret);
    let [one, two] = &mut devices;
    for device in [one, two, &mut late] {
        assert!(contents(device) == expected(), "other records than were written");
        assert!(device.conflicts().unwrap().is_empty());
        assert_eq!(device.status().debts, 0);
    }
}

/// Six puts, and the delete of one of the round before.
fn write_round(device: &mut Open, writer: usize, round: usize) {
    for slot in 0..6 {
        let name = name(writer, round, slot);
        device.put_bytes("load", &name, &noise(&format!("{name} of round {round}")));
    }
    if round > 0 {
        device.delete("load", &name(writer, round - 1, 5));
    }
}

/// The first two slots are the same in every round.
fn name(writer: usize, round: usize, slot: usize) -> String {
    match slot {
        0 | 1 => format!("writer {writer}, again {slot}"),
        _ => format!("writer {writer}, round {round}, slot {slot}"),
    }
}

/// What must be there in the end, from the rules above.
fn expected() -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for writer in [0, 1] {
        for again in [0, 1] {
            let name = format!("writer {writer}, again {again}");
            all.insert(name.clone(), noise(&format!("{name} of round 11")));
        }
        for round in 0..12 {
            // The last of each round was deleted by the next, and nobody came after the twelfth.
            for slot in if round == 11 { 2..6 } else { 2..5 } {
                let name = format!("writer {writer}, round {round}, slot {slot}");
                all.insert(name.clone(), noise(&format!("{name} of round {round}")));
            }
        }
    }
    all
}

fn contents(device: &mut Open) -> BTreeMap<String, Vec<u8>> {
    let entries = device.entries(&Collection::map("load")).unwrap();
    entries.into_iter().map(|entry| (entry.key, entry.record.value.to_vec())).collect()
}

/// Bytes that no compression makes shorter, the same for the same seed (xorshift, <https://doi.org/10.18637/jss.v008.i14>).
fn noise(seed: &str) -> Vec<u8> {
    let mut state = seed
        .bytes()
        .fold(0x9E37_79B9_7F4A_7C15_u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    let mut bytes = Vec::with_capacity(VALUE_BYTES);
    while bytes.len() < VALUE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
