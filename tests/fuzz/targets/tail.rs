//! A tail: one encoding; what it holds reads back from a segment too.
#![no_main]

use tidelock_core::engine::fuzzing::tail;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tail(bytes));
