//! An archive's lines: bounded, and what is taken has one form.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidelock::fuzzing::archive(bytes));
