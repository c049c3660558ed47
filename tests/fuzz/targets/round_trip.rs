//! Arbitrary valid values: what is encoded reads back as the same, compressed or not.
#![no_main]

use std::collections::BTreeMap;
use tidelock_core::engine::fuzzing;
use tidelock_core::replica::{Action, Context, Kind, Slot};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::ops;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.byte() % 2 {
        0 => fuzzing::round_trip(&ops::run(fuzzing::run_device(), &mut input)),
        _ => chunk(&mut input),
    }
});

/// Rows by collection and key, as a snapshot has them.
fn chunk(input: &mut Input<'_>) {
    let mut rows: BTreeMap<_, BTreeMap<String, Slot>> = BTreeMap::new();
    while !input.is_empty() {
        let (collection, key) = (ops::collection(input), ops::key(input));
        let mut write = ops::standing(input);
        let standing = &mut rows.entry(collection.clone()).or_default().entry(key).or_default().standing;
        if collection.kind == Kind::Log {
            write.context = Context::default();
            write.action = Action::Put(vec![input.byte()]);
            standing.retain(|other| other.action != write.action);
        }
        standing.retain(|other| other.dot != write.dot);
        standing.push(write);
        standing.sort_by_key(|write| write.dot);
    }
    if !rows.is_empty() {
        fuzzing::chunk_of(rows.into_iter().map(|(name, rows)| (name, rows.into_iter().collect())).collect());
    }
}
