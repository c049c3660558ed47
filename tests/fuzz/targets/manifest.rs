//! A manifest's body, signed here: one encoding, and nothing in it that a reader trips over.
#![no_main]

use tidelock_core::engine::fuzzing::manifest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| manifest(bytes));
