//! Voids: what was replaced before anything published it goes out as its number alone, and counts only with what replaced it.

use std::collections::BTreeSet;
use tidelock_core::Operation;
use tidelock_sim::bucket::{Conditions, puts_manifest};
use tidelock_sim::world::World;

/// Two copies of one store publish under one id: one a write, the other a void in its place and what replaced it. Who
/// revokes the id has read the first, so what replaced it counts for nobody.
#[test]
fn a_void_counts_only_with_what_replaced_it() {
    let mut world = World::with_devices(80, 3);
    world.bucket.conditions = Conditions::Ignored;
    let written = BTreeSet::from([world.put(0, "key")]);
    let copy = world.copy_of(0);
    world.put(0, "key");
    let op = world.start(0, Operation::Sync);
    let with_void = world.run_until(0, op, puts_manifest).expect("it puts its manifest");
    world.gone.extend([0, copy]);
    world.sync(copy).unwrap();
    world.sync(1).unwrap();
    assert_eq!(world.standing(1, "key"), written);
    let device = world.id(copy);
    let before = world.bucket.keys();
    world.run(1, Operation::RevokeDevice { device }).unwrap();
    world.sync(1).unwrap();
    world.arrive(&with_void);
    // Device 2 hears of that before it can read what the one who revoked has.
    let snapshots = world.bucket.keys_with("/snapshots/").into_iter().filter(|key| !before.contains(key));
    let snapshots: Vec<String> = snapshots.collect();
    assert!(!snapshots.is_empty(), "who revokes writes a snapshot");
    snapshots.iter().for_each(|key| world.bucket.hide(key));
    world.sync(2).unwrap();
    assert!(world.standing(2, "key").is_empty());
    world.bucket.show();
    for _ in 0..12 {
        for at in [2, 1] {
            world.now_ms += 3_700_000;
            world.full_check(at).unwrap();
        }
    }
    for at in [1, 2] {
        assert_eq!(world.standing(at, "key"), written, "device {at}");
    }
}
