//! Publishing: what goes out, once, whole, and nothing when there is nothing to say.

use tidelock_sim::world::World;

#[test]
fn a_check_with_nothing_new_publishes_nothing() {
    let mut world = World::with_devices(40, 3);
    for round in 0..4 {
        for at in 0..3 {
            world.full_check(at).unwrap();
            if round >= 2 {
                let puts = world.bucket.meter.put;
                world.full_check(at).unwrap();
                assert_eq!(world.bucket.meter.put, puts, "device {at}, round {round}");
            }
        }
    }
}
