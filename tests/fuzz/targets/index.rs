//! A snapshot's index: one encoding.
#![no_main]

use tidelock_core::engine::fuzzing::index;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| index(bytes));
