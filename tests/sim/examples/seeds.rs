//! The simulator as a wasm module: a seed goes in, the hash of its trace comes out, a word at a time. `wasm/hashes.mjs` asks.

use std::cell::RefCell;
use tidelock_core::Hash;
use tidelock_sim::fault::Fault;
use tidelock_sim::schedule::{plan::plan, run::run};

thread_local! {
    static LAST: RefCell<Option<(u64, Hash)>> = const { RefCell::new(None) };
}

/// Word 0 to 3 of the trace hash of a seed's schedule, as 64 bits of it, little-endian. A failing seed traps.
#[unsafe(no_mangle)]
pub extern "C" fn trace_word(seed: u64, word: u32) -> u64 {
    let known = LAST.with_borrow(|last| last.filter(|(known, _)| *known == seed));
    let (_, hash) =
        known.unwrap_or_else(|| (seed, run(&plan(seed, Fault::ALL)).expect("a schedule that ends well").trace));
    LAST.set(Some((seed, hash)));
    let from = word as usize % 4 * 8;
    u64::from_le_bytes(hash.0[from..from + 8].try_into().expect("eight bytes"))
}
