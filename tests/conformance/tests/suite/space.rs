//! What nobody needs any more leaves the bucket, in one request where the server takes that.

use tidelock_conformance::{Device, Dialect, Place, Store};

on_every_store![superseded_objects_are_deleted];

/// Longer than the grace for objects that a newer manifest no longer names.
const PAST_THE_GRACE_MS: u64 = 2 * 60 * 60 * 1000;

fn superseded_objects_are_deleted(place: &Place) {
    if place.store() == Store::Dialect(Dialect::HtmlErrors) {
        // Time passes here by the device's clock, and that server says nothing of clocks.
        return;
    }
    let (mut one, secret) = place.create_looped("one", 0);
    let bucket = place.bucket();
    let passing = || [bucket.keys_of("segments"), bucket.keys_of("snapshots")].concat();
    let mut ever = Vec::new();
    // The same records again and again: snapshots take the place of segments, and of each other.
    for round in 0..8 {
        for slot in 0..10 {
            one.put_bytes("load", &format!("{slot}"), &vec![round; 6 << 10]);
            one.put_bytes("load", &format!("{slot} of {round}"), &vec![slot; 512]);
        }
        one.sync();
        ever.extend(passing());
    }
    ever.sort();
    ever.dedup();
    one.skip(PAST_THE_GRACE_MS);
    one.put("load", "last", "of all");
    one.sync();
    let left = passing();
    let gone = ever.iter().filter(|key| !left.contains(key)).count();
    assert!(gone > 1, "{} were there, {} are", ever.len(), left.len());

    if let Some(proxy) = place.proxy() {
        let meter = proxy.meter();
        let single = matches!(place.store(), Store::Dialect(Dialect::NoBatchDelete | Dialect::Md5Refused));
        // One delete at least cleans up after the probe.
        assert_eq!(meter.delete > 1, single, "{meter:?}");
        assert!(meter.post > 0, "{meter:?}");
    }
    // What is left is all there is.
    let mut late = place.join("late", &secret);
    assert_eq!(late.map_bytes("load"), one.map_bytes("load"));
    assert_eq!(late.map_bytes("load").len(), 10 + 80 + 1);
}
