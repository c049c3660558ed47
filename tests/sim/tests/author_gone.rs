//! What a device had published that never comes back, and that the bucket lost: whoever holds it writes it again.

use tidelock_core::Operation;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

/// Device 0 or another revokes the last one, which is gone then.
fn revoke_last(world: &mut World, by: usize) {
    let last = world.devices.len() - 1;
    let device = world.id(last);
    world.run(by, Operation::RevokeDevice { device }).unwrap();
    world.gone.insert(last);
}

#[test]
fn a_revoked_devices_manifest_that_went_back_is_carried_by_who_had_read_it() {
    let mut world = World::with_devices(83, 4);
    let older = world.bucket.older();
    world.put(3, "note");
    world.sync(3).unwrap();
    world.sync(1).unwrap();
    world.bucket.roll_back(&older);
    revoke_last(&mut world, 0);
    world.check_hourly(6);
    world.check().unwrap();
    assert_eq!(world.standing(2, "note").len(), 1);
}

#[test]
fn its_segment_lost_with_the_snapshot_that_held_it_is_written_anew() {
    for revoked in [true, false] {
        let mut world = World::with_devices(84, 4);
        let value = world.big_value(70_000);
        world.put_value(3, "page", &value);
        world.sync(3).unwrap();
        world.sync(1).unwrap();
        if revoked {
            revoke_last(&mut world, 1);
        } else {
            let another = world.big_value(90_000);
            world.put_value(1, "page 2", &another);
            for _ in 0..3 {
                world.now_ms += HOUR_MS;
                world.full_check(1).unwrap(); // it writes a snapshot
            }
            world.gone.insert(3);
        }
        for part in ["/segments/", "/snapshots/"] {
            let lost = world.bucket.keys_with(part);
            assert!(!lost.is_empty(), "{part}");
            lost.iter().for_each(|key| world.bucket.lose(key));
        }
        world.check_hourly(8);
        world.check().unwrap();
        assert_eq!(world.standing(2, "page").len(), 1);
    }
}

/// Somebody read its log before it grew: what nobody has read of a segment that is lost holds back nothing of what one has.
#[test]
fn of_a_segment_that_nobody_read_who_has_its_beginning_writes_that() {
    for revoked in [true, false] {
        let mut world = World::with_devices(85, 4);
        world.put(3, "note");
        world.sync(3).unwrap();
        world.sync(1).unwrap();
        let value = world.big_value(70_000);
        world.put_value(3, "page", &value);
        world.sync(3).unwrap();
        let segments = world.bucket.keys_with("/segments/");
        assert_eq!(segments.len(), 1, "its tail went into a segment");
        world.bucket.lose(&segments[0]);
        if revoked {
            revoke_last(&mut world, 0);
        } else {
            world.gone.insert(3);
        }
        world.check_hourly(8);
        world.check_alike().unwrap();
        assert_eq!(world.standing(2, "note").len(), 1, "revoked: {revoked}");
        let written = world.bucket.keys_with("/snapshots/");
        world.check_hourly(8);
        assert_eq!(world.bucket.keys_with("/snapshots/"), written, "once it is written nobody writes it again");
    }
}
