//! hiSHtory's example costs what docs/COST.md says, and asks for no more than the budgets allow.

use tidelock_sim::cost::{Habit, run_all, tables};

#[test]
fn the_document_has_what_is_counted() {
    let all = run_all();
    let counted = all.iter().find(|(habit, _)| *habit == Habit::Hook).unwrap().1;
    // The design, §10: a push is a poll and two PUTs, three once in a hundred; a full check an hour is two GETs and a
    // LIST. What comes from others costs up to three GETs a sync, and snapshots are few.
    let syncs = counted.commands;
    assert!((2 * syncs..=2 * syncs + syncs / 20).contains(&counted.meter.put), "{:?}", counted.meter);
    assert!((syncs..=3 * syncs).contains(&counted.meter.get), "{:?}", counted.meter);
    assert!(counted.meter.list <= 5 * counted.elapsed_ms.div_ceil(3_600_000), "{:?}", counted.meter);

    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/COST.md")).unwrap();
    let tables = tables(&all);
    assert!(
        text.contains(&tables),
        "put what `cargo run -p tidelock-sim --bin cost` prints into docs/COST.md:\n{tables}"
    );
}
