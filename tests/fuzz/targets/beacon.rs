//! A beacon: one encoding.
#![no_main]

use tidelock_core::engine::fuzzing::beacon;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    beacon(bytes);
});
