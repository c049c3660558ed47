//! A segment's plaintext: one encoding but for its compression.
#![no_main]

use tidelock_core::engine::fuzzing::segment;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| segment(bytes));
