//! A beacon: one encoding; merging is a union.
#![no_main]

use tidelock_core::engine::fuzzing::{beacon, beacon_merge};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    beacon(bytes);
    let entries: Vec<(u8, u8, u8)> = bytes.chunks_exact(3).map(|three| (three[0] % 4, three[1], three[2])).collect();
    let (a, rest) = entries.split_at(entries.len() / 3);
    let (b, c) = rest.split_at(rest.len() / 2);
    beacon_merge([a, b, c]);
});
