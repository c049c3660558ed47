//! A whole engine, each request answered as the bytes choose: it panics never, asks for a bounded number of things, keeps every
//! acknowledged write, and shows nothing that no device of the vault wrote.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidelock_fuzz::attack::live(bytes));
