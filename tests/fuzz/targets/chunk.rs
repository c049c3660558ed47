//! A snapshot's chunk: one encoding but for its compression, and the range it covers.
#![no_main]

use tidelock_core::engine::fuzzing::chunk;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chunk(bytes));
