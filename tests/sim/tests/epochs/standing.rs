//! Slots and keys that are lost, spoilt or put back to older ones are put again; keys that are gone for good hold nobody up.

use super::{current, epoch_number, slot_of, slots_and_keys};
use tidelock_core::Operation;
use tidelock_sim::world::World;

#[test]
fn lost_slots_and_keys_are_put_again_within_a_week() {
    let mut world = World::with_devices(63, 2);
    world.replace_code(0).unwrap();
    world.sync_all();
    for part in ["keys/", "slots/"] {
        world.bucket.lose_all(part);
        for _ in 0..9 {
            world.now_ms += 24 * 3_600_000;
            for at in 0..2 {
                world.full_check(at).unwrap();
            }
        }
        world.join().unwrap();
    }
    world.sync_all();
    world.check().unwrap();
}

/// Each of those that a device looks at, spoilt or from before the last turn; and none of them where nothing is wrong.
#[test]
fn a_slot_or_keys_that_do_not_stand_are_put_again_at_a_full_check() {
    let mut world = World::with_devices(72, 2);
    let older = slots_and_keys(&world);
    world.now_ms += 8 * 24 * 3_600_000;
    world.full_check(1).unwrap();
    assert_eq!(slots_and_keys(&world), older, "before any turn");
    world.run(0, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.sync_all();
    let turned = slots_and_keys(&world);
    world.full_check(1).unwrap();
    assert_eq!(slots_and_keys(&world), turned, "after a turn");

    let own = world.slot_of(1);
    let recovery = slot_of(world.code.as_ref().unwrap());
    let keys = world.bucket.keys_with("keys/").remove(0);
    let before = |path: &str| older[path].clone();
    let spoilt = |world: &World, path: &str| {
        let mut bytes = world.bucket.object(path).unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes.into()
    };
    let wrong = [
        (&own, before(&own)),
        (&recovery, before(&recovery)),
        (&own, spoilt(&world, &own)),
        (&keys, spoilt(&world, &keys)),
    ];
    for (path, wrong) in wrong {
        world.bucket.put(path, wrong.clone());
        world.full_check(1).unwrap();
        let now = world.bucket.object(path).unwrap();
        assert_ne!(now, wrong, "{path}");
        assert_eq!(epoch_number(&now), 2, "{path}");
    }
}

#[test]
fn the_recovery_slot_alone_is_put_again_too() {
    let mut world = World::with_devices(65, 2);
    let slot = slot_of(world.code.as_ref().unwrap());
    world.bucket.lose(&slot);
    assert!(world.join().is_err());
    world.devices.pop();
    world.check_hourly(8 * 24);
    world.join().unwrap();
}

/// Who replaced the code is gone; another, which has read all that there is, never saw its slot.
#[test]
fn a_recovery_slot_that_is_lost_after_a_turn_is_put_again_by_who_owes_nothing() {
    let mut world = World::with_devices(66, 2);
    world.replace_code(0).unwrap();
    world.sync(1).unwrap();
    world.gone.insert(0);
    let slot = slot_of(world.code.as_ref().unwrap());
    world.bucket.lose(&slot);
    world.check_hourly(1);
    assert_eq!(epoch_number(&world.bucket.object(&slot).unwrap()), 2);
    world.join().unwrap();
}

/// What can't be read may be of another's turn: it is reported, and no slot is written over.
#[test]
fn a_slot_that_the_store_refuses_for_good_ends_no_full_check() {
    let mut world = World::with_devices(69, 2);
    world.run(0, Operation::ReplaceRecoveryCode).unwrap();
    world.sync_all();
    let path = world.slot_of(1);
    let keys = world.bucket.keys_with("keys/").remove(0);
    world.bucket.lose(&keys);
    world.bucket.refused.insert(path.clone(), (403, "AccessDenied"));
    world.now_ms += 3_600_000;
    let puts = world.bucket.meter.put;
    let report = world.full_check(1).unwrap();
    assert!(report.reports.iter().any(|error| error.object() == Some(&path)), "{:?}", report.reports);
    assert_eq!(world.bucket.meter.put, puts);
    world.bucket.refused.clear();
    world.now_ms += 3_600_000;
    world.full_check(1).unwrap();
    assert_eq!(world.bucket.keys_with("keys/"), [keys]);
}

#[test]
fn a_bucket_that_goes_back_to_before_a_turn_gets_the_new_keys_again() {
    let mut world = World::with_devices(66, 3);
    let older = world.bucket.older();
    world.replace_code(0).unwrap();
    world.put(0, "after");
    world.sync(0).unwrap();
    world.bucket.roll_back(&older);
    world.put(1, "unheard");
    world.check_hourly(4);
    world.check().unwrap();
    assert_eq!(current(&world).len(), 1, "{:?}", current(&world));
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

/// Whoever turned them is gone with them: the others go on with what they have.
#[test]
fn keys_that_are_lost_end_no_sync() {
    let losses: [fn(&mut World, &str); 2] =
        [|world, keys| world.bucket.lose(keys), |world, keys| world.bucket.spoil(keys)];
    for lose in losses {
        let mut world = World::with_devices(75, 3);
        world.untold(|world| {
            world.run(0, Operation::ReplaceRecoveryCode).unwrap();
            world.put(0, "after");
            world.sync(0).unwrap();
        });
        world.gone.insert(0);
        let keys = world.bucket.keys_with("keys/").remove(0);
        lose(&mut world, &keys);
        world.put(1, "goes on");
        world.check_hourly(3);
        assert_eq!(world.standing(2, "goes on").len(), 1);
        world.check().unwrap();
    }
}
