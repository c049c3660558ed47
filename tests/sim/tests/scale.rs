//! Many users ask of a bucket what docs/SCALE.md says.

use tidelock_sim::scale::{run, tables};

#[test]
fn the_document_has_what_is_counted() {
    let counted = run();
    // A full check is one LIST, at most hourly; no session lasts an hour. It lets a device state its vector: two PUTs. A change
    // is pushed by two, alone or together with others; segments and snapshots are few.
    assert!(counted.meter.list <= counted.sessions, "{counted:?}");
    let pushes = counted.changes + counted.meter.list;
    assert!(counted.meter.put <= 2 * pushes + counted.changes / 10, "{counted:?}");

    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SCALE.md")).unwrap();
    let tables = tables(&counted);
    assert!(
        tables.trim_end().split("\n\n").all(|table| text.contains(table)),
        "put what `cargo run -p tidelock-sim --bin scale` prints into docs/SCALE.md:\n{tables}"
    );
}
